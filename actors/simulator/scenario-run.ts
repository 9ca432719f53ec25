/**
 * One scenario in one world under one seed, with all checkers.
 *
 * Contract: the report follows from the request to the last bit, on every machine. It passes when no checker has a finding and every actor is up in the end.
 * Knows nothing of: command lines, real time, files.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { type Verdict, verdictOf } from "../../src/simulation/checkers/checker.ts"
import type { Scenario } from "../../src/simulation/fault-plan.ts"
import { runUsers } from "./users.ts"
import { Watch } from "./watch.ts"
import { runWorld, type World, type WorldOptions, type WorldResult } from "./world.ts"

export interface ScenarioRequest extends Pick<WorldOptions, "topology" | "seed" | "backend" | "variants" | "modelsDirectory"> {
  readonly scenario: Scenario
}

export interface ScenarioReport extends Omit<WorldResult<unknown>, "value"> {
  readonly pass: boolean
  readonly verdicts: ReadonlyArray<Verdict>
  /** The scenario with its lots drawn. */
  readonly settled: Scenario
}

/** What is on the way when the run ends gets this long to arrive, without faults. */
const QUIET_MS = 5_000

const upVerdict = (world: World): Effect.Effect<Verdict> =>
  Effect.map(world.network.health, (health) => {
    const down = [...health].filter(([, { state }]) => state !== "up")
    return verdictOf("actors", down.map(([name, { state }]) => `${name} is ${state} at the end`), { up: health.size - down.length, down: down.length })
  })

const watched = (world: World, watch: Watch, { jobs, runMs }: Scenario) =>
  Effect.gen(function*() {
    watch.begin(world)
    yield* Effect.forkScoped(watch.look(world))
    yield* Effect.all([runUsers(world, watch, { jobs, spanMs: runMs }), Effect.sleep(runMs)], { concurrency: "unbounded", discard: true })
    yield* Effect.sleep(QUIET_MS)
    return { verdicts: [...watch.verdicts(world, yield* world.readings), yield* upVerdict(world)], settled: world.schedule.settled }
  })

/** Runs a scenario. @errors LaunchFailed, as a rejection */
export const runScenario = async ({ scenario, ...request }: ScenarioRequest): Promise<ScenarioReport> => {
  const watch = new Watch(request.topology)
  const { value, ...rest } = await runWorld({ ...request, ...watch.observers, faults: scenario }, (world) => watched(world, watch, scenario))
  return { ...rest, ...value, pass: value.verdicts.every(({ pass }) => pass) }
}
