/**
 * One run of `funion simulate`: its request, and what is said of it.
 *
 * Contract: the report is the object that `--json` prints; all of it but `virtualOverReal` follows from the request. A report is plain data.
 * Knows nothing of: processes, printing.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import type { Verdict } from "../../src/simulation/checkers/checker.ts"
import type { Scenario } from "../../src/simulation/fault-plan.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { calmFor, lasting, simulate, type SimulationReport } from "../simulator/simulation.ts"
import type { SimulationBackend } from "../simulator/simulation-backend.ts"
import { type CliFailure, failed, thrownMessage } from "./cli-failure.ts"
import { loadScenario } from "./scenario-file.ts"
import { loadTopology } from "./topology-file.ts"

/** One run, in plain data. */
export interface RunRequest {
  readonly topology: string
  readonly seed: number
  /** Default: as the scenario says, or `HOURS_DEFAULT`. */
  readonly hours: number | undefined
  /** Name or path of a scenario; default: nothing goes wrong. */
  readonly faults: string | undefined
  readonly backend: SimulationBackend
}

const HOUR_MS = 3_600_000
const HOURS_DEFAULT = 0.1

const quoted = (word: string): string => (/^[\w./-]+$/.test(word) ? word : JSON.stringify(word))

/** Topology, length and backend as words of a command. */
const wordsOf = ({ backend, hours, topology }: RunRequest): ReadonlyArray<string> =>
  [topology, ...(hours === undefined ? [] : ["--hours", String(hours)]), "--backend", backend]

/** The command that runs the same simulation again. */
export const repeatCommand = (request: RunRequest): string =>
  [
    "npx funion simulate", ...wordsOf(request).map(quoted), "--seed", request.seed,
    ...(request.faults === undefined ? [] : ["--faults", quoted(request.faults)])
  ].join(" ")

const findingsOf = (verdicts: ReadonlyArray<Verdict>): ReadonlyArray<string> =>
  verdicts.flatMap(({ checker, findings }) => findings.map((finding) => `${checker}: ${finding}`))

/** Reasons that occurred. */
const occurred = (drops: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0))

const jobsOf = (verdicts: ReadonlyArray<Verdict>): Readonly<Record<string, number>> => verdicts.find(({ checker }) => checker === "jobs")?.figures ?? {}

const reportOf = (request: RunRequest, report: SimulationReport, realMs: number) => {
  const failures = findingsOf(report.verdicts)
  return {
    verdict: failures.length === 0 ? "pass" : "fail",
    traceHash: report.traceHash,
    virtualOverReal: Number((report.virtualMs / Math.max(1, realMs)).toPrecision(3)),
    virtualMs: report.virtualMs,
    packets: report.packets,
    messages: report.messages,
    linkFaults: report.linkFaults,
    linkEvents: report.linkEvents,
    dropsByReason: occurred(report.dropsByReason),
    backend: request.backend,
    seed: request.seed,
    jobs: jobsOf(report.verdicts),
    checkers: Object.fromEntries(report.verdicts.map(({ checker }) =>
      [checker, report.verdicts.every((other) => other.checker !== checker || other.pass) ? "pass" : "fail"])),
    scenario: report.settled,
    failures,
    repeat: repeatCommand(request)
  }
}

/** What `--json` prints. Without a scenario when the run came to no end. */
export type RunReport = Omit<ReturnType<typeof reportOf>, "scenario"> & { readonly scenario: Scenario | undefined }

/** The same for people. */
export const linesOf = (json: RunReport): string => {
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

/** What goes wrong in the run, and how long it is. @errors CliFailure */
const scenarioFor = ({ faults, hours }: RunRequest, topology: Topology): Effect.Effect<Scenario, CliFailure> =>
  faults === undefined
    ? Effect.succeed(calmFor(topology, (hours ?? HOURS_DEFAULT) * HOUR_MS))
    : Effect.map(loadScenario(faults), (scenario) => (hours === undefined ? scenario : lasting(scenario, hours * HOUR_MS)))

/** Runs it. @errors CliFailure */
export const runSimulation = (request: RunRequest): Effect.Effect<RunReport, CliFailure> =>
  Effect.gen(function*() {
    const { topology } = yield* loadTopology(request.topology)
    const { backend, seed } = request
    const scenario = yield* scenarioFor(request, topology)
    const startMs = yield* Clock.currentTimeMillis
    const report = yield* Effect.tryPromise({
      try: (signal) => simulate({ topology, seed, backend, signal, scenario }),
      catch: (thrown) => failed(thrownMessage(thrown))
    })
    return reportOf(request, report, (yield* Clock.currentTimeMillis) - startMs)
  })
