/**
 * A topology as text for people: the way of a packet, the rates, the services.
 *
 * Contract: pure; same topology, same text; lines of at most 100 characters for names of usual length; ends without a line break.
 * Knows nothing of: terminals, colours.
 * Source: none needed; departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../params/mixnet-params.ts"
import { boxPlaintextBytes, loopSlackMs } from "../params/mixnet-params.ts"
import { fetchTimeMs, packetsPerQuantumNeeded } from "../params/service-check.ts"
import { boxesOfClass } from "../params/size-class.ts"
import type { ComputeActor, Topology } from "./topology.ts"

/** Entries of one column before the rest is only counted. */
const ROWS_SHOWN = 8
const LINE_WIDTH = 96

/** A duration in the largest unit that stays readable. */
const duration = (ms: number): string => {
  const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1000, "s"]] as const
  const unit = units.find(([length]) => ms >= length)
  if (unit === undefined) return `${Number(ms.toPrecision(3))} ms`
  return `${Number((ms / unit[0]).toPrecision(3))} ${unit[1]}`
}

/** A rate as its mean gap. */
const every = (ratePerMs: number): string => (ratePerMs > 0 ? `every ${duration(1 / ratePerMs)}` : "never")

/** Cells side by side, each column as wide as its widest cell. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>, gap: string, indent: string): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  return rows.map((row) => `${indent}${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(gap)}`.trimEnd())
}

/** The columns of a picture, each shortened to a few rows. */
const columns = (heads: ReadonlyArray<readonly [head: string, names: ReadonlyArray<string>]>): ReadonlyArray<string> => {
  const shown = heads.map(([head, names]) =>
    [head, ...(names.length <= ROWS_SHOWN ? names : [...names.slice(0, ROWS_SHOWN - 1), `… ${names.length} in all`])])
  const height = Math.max(...shown.map((column) => column.length))
  return table(Array.from({ length: height }, (_, row) => shown.map((column) => column[row] ?? "")), "    ", "  ")
}

const wrap = (label: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = label
  for (const [index, word] of words.entries()) {
    const piece = index < words.length - 1 ? `${word},` : word
    if (line.trim() !== label.trim() && line.length + 1 + piece.length > LINE_WIDTH) {
      lines.push(line)
      line = " ".repeat(label.length)
    }
    line += ` ${piece}`
  }
  return [...lines, line]
}

const picture = ({ clients, gateways, mixes, serviceNodes, params, replicas }: Topology): ReadonlyArray<string> => [
  "the way of a packet",
  ...columns([
    ["clients", clients.map(({ name }) => name)],
    ["gateways", gateways.map(({ name }) => name)],
    ...Array.from({ length: params.mixLayers }, (_, layer): readonly [string, ReadonlyArray<string>] =>
      [`layer ${layer}`, mixes.filter((mix) => mix.layer === layer).map(({ name }) => name)]),
    ["service nodes", serviceNodes.map(({ name }) => name)]
  ]),
  "",
  "storage behind the service nodes",
  ...columns([
    ["couriers", serviceNodes.flatMap((node) => node.couriers.map((courier) => `${courier} at ${node.name}`))],
    ["replicas", replicas.map(({ name }) => name)]
  ])
]

const parameters = (params: MixnetParams): ReadonlyArray<string> => [
  "parameters",
  ...table([
    ["mean delay at a hop", duration(1 / params.muPerMs), "epoch", duration(params.epochPeriodMs)],
    ["real packet or decoy", every(params.lambdaPPerMs), "replica epoch", duration(params.replicaEpochPeriodMs)],
    ["decoy besides", every(params.lambdaLPerMs), "quantum", duration(params.quantumMs)],
    ["loop of a mix or service node", every(params.lambdaMPerMs), "answer of a queue host", duration(params.answerMs)],
    ["loop of a gateway", every(params.lambdaGPerMs), "sealed before an edge", duration(params.sealBeforeEdgeMs)],
    ["link command", every(params.lambdaRPerMs), "resent when overdue by", duration(params.retransmitSlackMs)],
    ["packets", `${params.geometry.scheme}, ${params.geometry.hopCount} hops`, "loop lost when overdue by", duration(loopSlackMs(params))],
    ["payload", `${params.geometry.userPayloadBytes} bytes`, "dispatch sealed with", params.dispatchSuite === 2 ? "X-Wing" : "X25519"],
    ["plaintext of a box", `${boxPlaintextBytes(params)} bytes`, "", ""]
  ], "   ", "  ")
]

const service = (compute: ComputeActor, params: MixnetParams): ReadonlyArray<string> => [
  `compute ${compute.name}`,
  ...wrap("  queues at    ", compute.queues),
  `  means         ${compute.sessions} sessions, ${compute.workers} workers, at most ${duration(compute.maxComputeMs)} a job`,
  `  load          ${packetsPerQuantumNeeded(compute)} of ${Math.floor(compute.sessions * params.lambdaPPerMs * params.quantumMs)} packets a quantum, `
  + `full quantum fetched in about ${duration(fetchTimeMs(params, compute))}`,
  ...wrap("  deadlines    ", compute.deadlinesMs.map(duration)),
  `  released      within ${duration(compute.releaseWindowMs)} after an edge`,
  ...table([
    ["profile", "boxes in", "boxes out", "bucket", "jobs a quantum", "cover jobs"],
    ...compute.profiles.map((profile) => [
      `${profile.id}`, `${boxesOfClass(profile.inputClass)}`, `${boxesOfClass(profile.outputClass)}`,
      profile.staged ? "all (staged)" : `${profile.bucket}`, `${profile.jobsPerQuantum}`, `${profile.coverJobs}`
    ])
  ], "  ", "  "),
  ...compute.profiles.flatMap(({ id }) => {
    const models = compute.models.filter((model) => model.profiles.includes(id)).map((model) => model.id)
    return models.length === 0 ? [] : wrap(`  profile ${id}:`, models)
  })
]

/** The text of `topology show` for a validated topology. */
export const renderTopology = (topology: Topology): string => {
  const { authorities, authorityThreshold, params, computes } = topology
  return [
    `network ${topology.name}`,
    "",
    ...picture(topology),
    "",
    ...wrap("authorities:", [...authorities.map(({ name }) => name), `${authorityThreshold} of ${authorities.length} must sign`]),
    "",
    ...parameters(params),
    ...computes.flatMap((compute) => ["", ...service(compute, params)])
  ].join("\n")
}
