/**
 * One simulation: a network, its users for a while, and a verdict.
 *
 * Contract: the report follows from the request, to the last bit, on every machine. It passes when no finding of any check is left: a job that was accepted
 * and lost, or answered wrongly, and an actor that is not up at the end.
 * Knows nothing of: command lines, real time.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { Verdict } from "../../src/simulation/checkers/checker.ts"
import { verdictOf } from "../../src/simulation/checkers/checker.ts"
import { JobChecker } from "../../src/simulation/checkers/job-checker.ts"
import { defaultJobs, runWorkload } from "./workload.ts"
import { runWorld, type World, type WorldOptions, type WorldResult } from "./world.ts"

export interface SimulationRequest extends WorldOptions {
  /** How long users ask for inferences, in virtual milliseconds; the run lasts until the last of them has its answer. */
  readonly spanMs: number
  /** Default: a few a minute for `tiny`, always far from the services' limits. */
  readonly jobs?: number
}

export interface SimulationReport extends Omit<WorldResult<unknown>, "value"> {
  readonly verdicts: ReadonlyArray<Verdict>
}

/** Who is not up. */
const upVerdict = (world: World): Effect.Effect<Verdict> =>
  Effect.map(world.network.health, (health) => {
    const down = [...health].filter(([, { state }]) => state !== "up")
    return verdictOf("actors", down.map(([name, { state }]) => `${name} is ${state} at the end`), { up: health.size - down.length, down: down.length })
  })

/** Users for a span, and what became of their jobs. */
const usersOf = (world: World, request: SimulationRequest): Effect.Effect<ReadonlyArray<Verdict>> =>
  Effect.gen(function*() {
    const jobs = new JobChecker()
    const { spanMs, topology } = request
    const work = runWorkload(world, jobs, { jobs: request.jobs ?? defaultJobs(topology, spanMs), spanMs })
    yield* Effect.zipRight(work, Effect.sleep(spanMs), { concurrent: true })
    return [jobs.verdict(world.nowMs()), yield* upVerdict(world)]
  })

/** Runs a simulation. @errors LaunchFailed, as a rejection */
export const simulate = async (request: SimulationRequest): Promise<SimulationReport> => {
  const { value, ...rest } = await runWorld(request, (world) => usersOf(world, request))
  return { ...rest, verdicts: value }
}
