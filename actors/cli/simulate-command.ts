/**
 * `funion simulate`: a network in virtual time, from a seed, and a verdict.
 *
 * Contract: with `--json` standard output is one JSON object. A run that fails says its seed and the command that repeats it, and the status is 1.
 * Knows nothing of: how worlds run.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { ALONE_FLAGS, CROWDED_FLAGS } from "../../src/actor/node-flags.ts"
import { type CliFailure, failed, saidAlready } from "./cli-failure.ts"
import { printLine } from "./output.ts"
import { loadScenario } from "./scenario-file.ts"
import { runSeeds, type SeedRange } from "./simulate-seeds.ts"
import { linesOf, type RunRequest, runSimulation } from "./simulated-run.ts"
import { loadTopology } from "./topology-file.ts"

export interface SimulateRequest extends RunRequest {
  readonly seeds: SeedRange | undefined
  readonly json: boolean
}

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

const runOne = ({ json, ...request }: SimulateRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const report = yield* runSimulation(request)
    yield* printLine(json ? JSON.stringify(report) : linesOf(report))
    if (report.verdict === "fail") return yield* failed(`simulation failed with seed ${report.seed}; to repeat it: ${report.repeat}`)
  })

/** Runs one simulation, or one for each of many seeds, and says what came of it. */
export const runSimulate = (request: SimulateRequest): Effect.Effect<void, CliFailure> => {
  const { json, seeds, ...run } = request
  if (seeds === undefined) return isFlagged() ? runOne(request) : relaunch
  const checked = Effect.zipRight(loadTopology(request.topology), request.faults === undefined ? Effect.void : loadScenario(request.faults))
  return Effect.zipRight(checked, runSeeds(run, seeds, json))
}
