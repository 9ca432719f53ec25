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
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Scenario } from "../../src/simulation/fault-plan.ts"
import type { Verdict } from "../../src/simulation/checkers/checker.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { ALONE_FLAGS, CROWDED_FLAGS } from "../../src/actor/node-flags.ts"
import { calmFor, lasting, simulate, type SimulationReport } from "../simulator/simulation.ts"
import type { SimulationBackend } from "../simulator/simulation-backend.ts"
import { type CliFailure, failed, saidAlready, thrownMessage } from "./cli-failure.ts"
import { printLine } from "./output.ts"
import { loadScenario } from "./scenario-file.ts"
import { runSeeds } from "./simulate-seeds.ts"
import { loadTopology } from "./topology-file.ts"

export interface SimulateRequest {
  readonly topology: string
  readonly seed: number
  readonly seeds: { readonly first: number; readonly last: number } | undefined
  /** Default: as the scenario says, or `HOURS_DEFAULT`. */
  readonly hours: number | undefined
  /** Name or path of a scenario; default: nothing goes wrong. */
  readonly faults: string | undefined
  readonly backend: SimulationBackend
  readonly json: boolean
}

const HOUR_MS = 3_600_000
const HOURS_DEFAULT = 0.1

const quoted = (word: string): string => (/^[\w./-]+$/.test(word) ? word : JSON.stringify(word))

/** Topology, length and backend as words of a command. */
const wordsOf = ({ backend, hours, topology }: SimulateRequest): ReadonlyArray<string> =>
  [topology, ...(hours === undefined ? [] : ["--hours", String(hours)]), "--backend", backend]

/** The command that runs the same simulation again. */
export const repeatCommand = (request: SimulateRequest): string =>
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

/** What `--json` prints. */
export const simulationJson = (request: SimulateRequest, report: SimulationReport, realMs: number) => {
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

/** What goes wrong in the run, and how long it is. @errors CliFailure */
const scenarioFor = ({ faults, hours }: SimulateRequest, topology: Topology): Effect.Effect<Scenario, CliFailure> =>
  faults === undefined
    ? Effect.succeed(calmFor(topology, (hours ?? HOURS_DEFAULT) * HOUR_MS))
    : Effect.map(loadScenario(faults), (scenario) => (hours === undefined ? scenario : lasting(scenario, hours * HOUR_MS)))

const PROGRAM = fileURLToPath(new URL("../../../bin/funion.mjs", import.meta.url))

const isFlagged = (): boolean => [...ALONE_FLAGS, ...CROWDED_FLAGS].some((flag) => process.execArgv.includes(flag))

/** The same command in a process with the memory that a simulation wants, which Node does not let a process give itself. */
const relaunch: Effect.Effect<void, CliFailure> = Effect.flatMap(
  Effect.async<number>((resume) => {
    const child = spawn(process.execPath, [...ALONE_FLAGS, PROGRAM, ...process.argv.slice(2)], { stdio: "inherit" })
    child.once("error", () => resume(Effect.succeed(1)))
    child.once("exit", (status) => resume(Effect.succeed(status ?? 1)))
    return Effect.sync(() => { child.kill("SIGTERM") })
  }),
  (status) => (status === 0 ? Effect.void : Effect.fail(saidAlready(status)))
)

const runOne = (request: SimulateRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const { topology } = yield* loadTopology(request.topology)
    const { backend, seed } = request
    const scenario = yield* scenarioFor(request, topology)
    const startMs = yield* Clock.currentTimeMillis
    const report = yield* Effect.tryPromise({
      try: (signal) => simulate({ topology, seed, backend, signal, scenario }),
      catch: (thrown) => failed(thrownMessage(thrown))
    })
    const json = simulationJson(request, report, (yield* Clock.currentTimeMillis) - startMs)
    yield* printLine(request.json ? JSON.stringify(json) : linesOf(json))
    if (json.verdict === "fail") return yield* failed(`simulation failed with seed ${seed}; to repeat it: ${json.repeat}`)
  })

/** Runs one simulation, or one for each of many seeds, and says what came of it. */
export const runSimulate = (request: SimulateRequest): Effect.Effect<void, CliFailure> => {
  const { faults, json, seeds } = request
  if (seeds === undefined) return isFlagged() ? runOne(request) : relaunch
  const checked = Effect.zipRight(loadTopology(request.topology), faults === undefined ? Effect.void : loadScenario(faults))
  return Effect.zipRight(checked, runSeeds({ ...seeds, words: wordsOf(request), faults, json }))
}
