/**
 * One simulation: a network, its users for a while, what goes wrong meanwhile, and a verdict.
 *
 * Contract: the report follows from the request, to the last bit, on every machine. It passes when no checker has a finding and every actor is up at the
 * end. The run lasts as long as its scenario says and until the last job has its answer or nobody waits for it any more.
 * Knows nothing of: command lines, real time, files.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { type Verdict, verdictOf } from "../../src/simulation/checkers/checker.ts"
import { calm, type Scenario } from "../../src/simulation/fault-plan.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { defaultJobs, runUsers } from "./users.ts"
import { Watch } from "./watch.ts"
import { runWorld, type World, type WorldOptions, type WorldResult } from "./world.ts"

export interface SimulationRequest extends Pick<WorldOptions, "topology" | "seed" | "backend" | "variants" | "signal" | "modelsDirectory"> {
  /** How long, under how much work, and what goes wrong. */
  readonly scenario: Scenario
}

export interface SimulationReport extends Omit<WorldResult<unknown>, "value"> {
  readonly verdicts: ReadonlyArray<Verdict>
  /** The scenario with its lots drawn: it gives the same run under this seed. */
  readonly settled: Scenario
}

/** What is on the way when the run ends gets this long to arrive, without jobs. */
const QUIET_MS = 5_000

/** A scenario without faults, with jobs as users have them. */
export const calmFor = (topology: Topology, spanMs: number): Scenario => calm(spanMs, defaultJobs(topology, spanMs))

/** A scenario that lasts another time, with jobs as often. */
export const lasting = (scenario: Scenario, runMs: number): Scenario => ({
  ...scenario, runMs, jobs: Math.round((scenario.jobs * runMs) / Math.max(1, scenario.runMs)), faults: scenario.faults.filter(({ fromMs }) => fromMs < runMs)
})

/** Who is not up. */
const upVerdict = (world: World): Effect.Effect<Verdict> =>
  Effect.map(world.network.health, (health) => {
    const down = [...health].filter(([, { state }]) => state !== "up")
    return verdictOf("actors", down.map(([name, { state }]) => `${name} is ${state} at the end`), { up: health.size - down.length, down: down.length })
  })

const watched = (world: World, watch: Watch, { jobs, runMs }: Scenario): Effect.Effect<Pick<SimulationReport, "verdicts" | "settled">, never, Scope.Scope> =>
  Effect.gen(function*() {
    watch.begin(world)
    yield* Effect.forkScoped(watch.look(world))
    yield* Effect.all([runUsers(world, watch, { jobs, spanMs: runMs }), Effect.sleep(runMs)], { concurrency: "unbounded", discard: true })
    yield* Effect.sleep(QUIET_MS)
    yield* watch.readBack(world)
    return { verdicts: [...watch.verdicts(world, yield* world.readings), yield* upVerdict(world)], settled: world.schedule.settled }
  })

/** Runs a simulation. @errors LaunchFailed, as a rejection */
export const simulate = async ({ scenario, ...request }: SimulationRequest): Promise<SimulationReport> => {
  const watch = new Watch(request.topology)
  const { value, ...rest } = await runWorld({ ...request, ...watch.observers, faults: scenario }, (world) => watched(world, watch, scenario))
  return { ...rest, ...value }
}
