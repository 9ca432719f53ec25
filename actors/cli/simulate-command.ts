/**
 * `funion simulate`: a network in virtual time, from a seed, and a verdict.
 *
 * Contract: with `--json` standard output is one JSON object. A run that fails says its seed and the command that repeats it, and the status is 1.
 * Knows nothing of: how worlds run.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import type { Verdict } from "../../src/simulation/checkers/checker.ts"
import { simulate, type SimulationReport } from "../simulator/simulation.ts"
import type { SimulationBackend } from "../simulator/simulation-backend.ts"
import { type CliFailure, failed, thrownMessage } from "./cli-failure.ts"
import { printLine } from "./output.ts"
import { loadTopology } from "./topology-file.ts"

export interface SimulateRequest {
  readonly topology: string
  readonly seed: number
  readonly hours: number
  readonly backend: SimulationBackend
  readonly json: boolean
}

const HOUR_MS = 3_600_000

/** The command that runs the same simulation again. */
export const repeatCommand = ({ backend, hours, seed, topology }: SimulateRequest): string =>
  `npx funion simulate ${/^[\w./-]+$/.test(topology) ? topology : JSON.stringify(topology)} --seed ${seed} --hours ${hours} --backend ${backend}`

const findingsOf = (verdicts: ReadonlyArray<Verdict>): ReadonlyArray<string> =>
  verdicts.flatMap(({ checker, findings }) => findings.map((finding) => `${checker}: ${finding}`))

/** Reasons that occurred. */
const occurred = (drops: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0))

const jobsOf = (verdicts: ReadonlyArray<Verdict>): Readonly<Record<string, number>> => verdicts.find(({ checker }) => checker === "jobs")?.figures ?? {}

/** What `--json` prints. */
export const simulationJson = (request: SimulateRequest, report: SimulationReport, realMs: number) => {
  const failures = findingsOf(report.verdicts)
  return {
    verdict: failures.length === 0 ? "pass" : "fail",
    traceHash: report.traceHash,
    virtualOverReal: Number((report.virtualMs / Math.max(1, realMs)).toPrecision(3)),
    virtualMs: report.virtualMs,
    packets: report.packets,
    linkEvents: report.linkEvents,
    dropsByReason: occurred(report.dropsByReason),
    backend: request.backend,
    seed: request.seed,
    jobs: jobsOf(report.verdicts),
    failures,
    repeat: repeatCommand(request)
  }
}

const linesOf = (json: ReturnType<typeof simulationJson>): string => {
  const counts = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record).map(([name, count]) => `${name} ${count}`).join(", ") || "none"
  return [
    `${json.verdict}: seed ${json.seed}, ${(json.virtualMs / 60_000).toFixed(1)} virtual minutes, ${json.virtualOverReal} x real time, backend ${json.backend}`,
    `jobs: ${counts(json.jobs)}`,
    `packets: ${json.packets}; drops: ${counts(json.dropsByReason)}`,
    ...json.failures.map((finding) => `failed: ${finding}`),
    `trace: ${json.traceHash}`
  ].join("\n")
}

/** Runs one simulation and says what came of it. */
export const runSimulate = (request: SimulateRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const { topology } = yield* loadTopology(request.topology)
    const { backend, hours, seed } = request
    const startMs = yield* Clock.currentTimeMillis
    const report = yield* Effect.tryPromise({
      try: (signal) => simulate({ topology, seed, backend, signal, spanMs: hours * HOUR_MS }),
      catch: (thrown) => failed(thrownMessage(thrown))
    })
    const json = simulationJson(request, report, (yield* Clock.currentTimeMillis) - startMs)
    yield* printLine(request.json ? JSON.stringify(json) : linesOf(json))
    if (json.verdict === "fail") return yield* failed(`simulation failed with seed ${seed}; to repeat it: ${json.repeat}`)
  })
