/**
 * A plan for people, and as the JSON object that programs read.
 *
 * Contract: pure; times in seconds for people, in milliseconds in JSON; every figure with its unit.
 * Knows nothing of: how figures come about, where they are printed.
 * Source: the list; departures: none.
 *
 * @module
 */
import type { Spread } from "../../src/planning/draws.ts"
import type { NodeLoad } from "../../src/planning/node-load.ts"
import type { PaperColumn, PaperTable } from "../../src/planning/paper.ts"
import { PAPER_TOKENS } from "../../src/planning/paper.ts"
import type { Plan } from "../../src/planning/plan.ts"

/** What the plan was made with besides the network. */
export interface PlanBasis {
  readonly model: string
  readonly computeMs: number
  readonly unwrapUs: number
  readonly unwrapFrom: string
  readonly jobsPerHour: number
}

const short = (value: number): string => {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  return Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString("en-GB") : String(Number(value.toPrecision(3)))
}

const seconds = (ms: number): string => `${short(ms / 1_000)} s`

const BYTE_UNITS = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]] as const

const bytes = (value: number): string => {
  const unit = BYTE_UNITS.find(([size]) => value >= size)
  return unit === undefined ? `${short(value)} B` : `${short(value / unit[0])} ${unit[1]}`
}

/** Cells side by side, each column as wide as its widest cell. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? "")].length)))
  return rows.map((row) => `  ${row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - [...cell].length)).join("   ")}`.trimEnd())
}

const stepRow = (name: string, { mean, p95 }: Spread): ReadonlyArray<string> => [name, seconds(mean), seconds(p95)]

const loadRow = (name: string, load: NodeLoad, entropy: string): ReadonlyArray<string> =>
  [name, short(load.unwrappedPerSecond), short(load.sentPerSecond), `${short(100 * load.cpuShare)} %`, short(load.waiting), entropy]

const latencyLines = ({ job }: Plan): ReadonlyArray<string> => [
  "latency of a job                     (the service's own reading is not seen by the client)",
  ...table([
    ["step", "mean", "19 of 20 within"],
    stepRow("upload", job.steps.uploadMs), stepRow("dispatch", job.steps.dispatchMs), stepRow("hold", job.steps.heldMs), stepRow("fetch", job.steps.fetchMs),
    stepRow("total", job.steps.totalMs), stepRow("service reads", job.serviceFetchMs)
  ]),
  `  ${short(100 * job.overflowShare)} % of the jobs miss their edge; ${short(job.packets)} packets of the client carry a job`
]

const clientLines = ({ client, contentBytes }: Plan): ReadonlyArray<string> => [
  "a client's line, day and night",
  `  ${short(client.packetsPerSecond)} packets/s; ${bytes(client.upBytesPerSecond)}/s up, ${bytes(client.downBytesPerSecond)}/s down; `
  + `${bytes(client.bytesPerDay)} a day`,
  `  goodput at most ${bytes(client.goodputBytesPerSecond)}/s of box contents; one job after another ${bytes(client.jobBytesPerSecond)}/s `
  + `(${bytes(contentBytes.in)} in, ${bytes(contentBytes.out)} out)`
]

const nodeLines = ({ nodes, storage }: Plan, { unwrapFrom, unwrapUs }: PlanBasis): ReadonlyArray<string> => [
  `load of a node                       (${short(unwrapUs)} µs of a core to unwrap: ${unwrapFrom})`,
  ...table([
    ["node", "packets in/s", "out/s", "core", "waiting", "entropy"],
    loadRow("gateway", nodes.gateway, ""),
    ...nodes.layers.map((load) => loadRow(`mix of layer ${load.layer}`, load, `${load.entropyBits.toFixed(2)} bit`)),
    loadRow("service node", nodes.serviceNode, "")
  ]),
  `  a replica: ${short(storage.commandsPerReplicaPerSecond)} commands/s, ${bytes(storage.bytesPerReplicaPerSecond)}/s each way; `
  + `used: ${short(100 * storage.courierLinkUse)} % of courier links, ${short(100 * storage.replicaLinkUse)} % between replicas`
]

const hiddenLines = ({ entropy, leakage }: Plan): ReadonlyArray<string> => [
  "what watchers cannot tell",
  `  on links, one honest mix left: ${entropy.leastMixBits.toFixed(2)} bit; all hops honest: ${entropy.pathBits.toFixed(2)} bit`,
  `  at storage: ${entropy.batchSure} jobs share a batch for certain (${Math.log2(entropy.batchSure).toFixed(2)} bit), ${short(entropy.batchMean)} on average`,
  "what shows",
  `  size and deadline: ${leakage.sizeBits.toFixed(2)} bit a job (${leakage.profiles} kinds); `
  + `overflow: at most ${leakage.bucketBits.toFixed(2)} bit to the receiver, ${leakage.bucketBitsOutside.toFixed(2)} to others`
]

export const planText = (plan: Plan, basis: PlanBasis): string => [
  `network ${plan.network}: ${plan.users} users, ${short(basis.jobsPerHour)} jobs an hour each; ${basis.model} at ${plan.service}, `
  + `profile ${plan.profile} (${plan.boxes.in} boxes in, ${plan.boxes.out} out), bucket ${plan.bucket}, `
  + `${seconds(basis.computeMs)} of compute`,
  ...latencyLines(plan), ...clientLines(plan), ...nodeLines(plan, basis), ...hiddenLines(plan),
  ...plan.problems.map((problem) => `problem: ${problem}`)
].join("\n")

/** One line of JSON. */
export const planJson = ({ job, ...plan }: Plan, basis: PlanBasis): string => {
  const { overflowShare, packets, serviceFetchMs, steps } = job
  return JSON.stringify({
    ...basis, ...plan, packetsPerJob: packets, overflowShare,
    latency: {
      upload: steps.uploadMs, dispatch: steps.dispatchMs, hold: steps.heldMs, fetch: steps.fetchMs, total: steps.totalMs, serviceFetch: serviceFetchMs
    }
  })
}

const PAPER_ROWS: ReadonlyArray<readonly [name: string, cell: (column: PaperColumn) => string]> = [
  ["upload", ({ plan }) => seconds(plan.job.steps.uploadMs.mean)],
  ["dispatch, with the wait for a quantum", ({ plan }) => seconds(plan.job.steps.dispatchMs.mean)],
  ["hold", ({ plan }) => seconds(plan.job.steps.heldMs.mean)],
  ["  deadline of the bucket", ({ deadlineMs }) => seconds(deadlineMs)],
  ["  in it, unseen: service reads input", ({ plan }) => seconds(plan.job.serviceFetchMs.mean)],
  ["  in it, unseen: compute", ({ computeMs }) => seconds(computeMs)],
  ["fetch, with window and first poll", ({ plan }) => seconds(plan.job.steps.fetchMs.mean)],
  ["total", ({ totalMs }) => seconds(totalMs)],
  ["network and waiting (total - compute)", ({ networkMs }) => seconds(networkMs)],
  ["total / compute", ({ overheadRatio }) => short(overheadRatio)],
  ["contents", ({ contentBytes }) => bytes(contentBytes)],
  ["boxes", ({ boxes }) => short(boxes)],
  ["packets that carry the job", ({ packets }) => short(packets)],
  ["packets sent meanwhile, decoys included", ({ packetsMeanwhile }) => short(packetsMeanwhile)],
  ["bytes on the line meanwhile", ({ lineBytes }) => bytes(lineBytes)]
]

export const paperText = ({ assumptions, columns, coverBytesPerDay }: PaperTable): string => [
  `Llama-3-70B, ${PAPER_TOKENS.in} tokens in, ${PAPER_TOKENS.out} out, by store, compute, store`,
  ...table([["server's load", ...columns.map(({ load }) => load)], ...PAPER_ROWS.map(([name, cell]) => [name, ...columns.map(cell)])]),
  `cover of a client: ${bytes(coverBytesPerDay)} a day, both ways`,
  "assumed",
  ...assumptions.map((assumption) => `- ${assumption}`)
].join("\n")

/** One line of JSON. */
export const paperJson = ({ assumptions, columns, coverBytesPerDay }: PaperTable): string =>
  JSON.stringify({
    tokens: PAPER_TOKENS, coverBytesPerDay, assumptions,
    columns: columns.map(({ plan, ...column }) => ({
      ...column,
      latencyMs: {
        upload: plan.job.steps.uploadMs.mean, dispatch: plan.job.steps.dispatchMs.mean, hold: plan.job.steps.heldMs.mean,
        fetch: plan.job.steps.fetchMs.mean, total: plan.job.steps.totalMs.mean, serviceFetch: plan.job.serviceFetchMs.mean
      }
    }))
  })
