/**
 * A runner of a compute service as a process: the models of its machine, and the way to its service.
 *
 * Contract: used by launch.ts alone. A runner keeps nothing on disk.
 * Knows nothing of: the mix network, links.
 * Source: effect-notes.md §7; departures: none.
 *
 * @module
 */
import { Effect, Either, type Scope } from "effect"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { defaultModelsDirectory } from "../src/model/model-folder.ts"
import { runnersOf } from "../src/topology/topology.ts"
import { modelsOfRunner, planModel, workersOfRunners } from "./compute/cluster/model-set.ts"
import { runner } from "./compute/cluster/runner.ts"
import { LaunchFailed } from "./launch-failed.ts"
import type { Knowledge, ReadyLife } from "./roles.ts"
import { type ClusterChoice, type ModelChoice, openModelHost } from "./stocks.ts"

/** The compute service that a name runs models for; undefined for every other actor. */
export const serviceOfRunner = ({ topology }: Pick<Knowledge, "topology">, name: string): string | undefined =>
  runnersOf(topology).find((each) => each.name === name)?.compute

/** The life of a runner, its models loaded. @errors LaunchFailed: a model that does not load */
export const openRunner = (
  knowledge: Knowledge, mount: MountService, name: string, choice: ModelChoice & { readonly cluster: ClusterChoice }
): Effect.Effect<ReadyLife, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { setting: { crypto }, topology } = knowledge
    const plan = topology.computes.find(({ runners }) => runners?.includes(name) === true)
    if (plan === undefined) return yield* Effect.die(new RangeError(`${name} is no runner of the topology`))
    const { gpu, storage } = choice.cluster
    const directory = choice.modelsDirectory ?? defaultModelsDirectory
    const planned = yield* Either.mapLeft(
      Either.all(plan.models.map((model) => planModel(crypto, model, directory, gpu))), (error) => new LaunchFailed({ message: error.message })
    )
    const models = modelsOfRunner(planned, gpu)
    const workers = workersOfRunners(plan)[(plan.runners ?? []).indexOf(name)] ?? 1
    const own = plan.models.filter(({ id }) => models.some(({ card }) => card.id === id))
    const host = yield* openModelHost(knowledge, { ...plan, models: own, workers }, choice)
    const life = runner({ crypto, name, compute: plan.name, storage, slots: plan.workers, workers, gpu, models, host })
    return (ready) => life(ready).pipe(Effect.provideService(Mount, mount), Effect.provideService(Crypto, crypto))
  })
