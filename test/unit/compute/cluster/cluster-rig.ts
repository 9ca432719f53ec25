/**
 * A compute service's cluster in this process, for tests.
 *
 * Goal: service and runners as they are, over the memory mount and one embedded database; models are arithmetic with a pause instead of the runtime.
 * Method: runners live in scopes of their own, so that a test can end one of them at any time.
 *
 * @module
 */
import { Context, Deferred, Effect, Either, ExecutionStrategy, Exit, Layer, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ClusterStorage } from "../../../../actors/compute/cluster/cluster-database.ts"
import { type ClusterHostOptions, layerCluster } from "../../../../actors/compute/cluster/cluster-host.ts"
import { modelsOfRunner, planModel } from "../../../../actors/compute/cluster/model-set.ts"
import { mountWithDesk, RunDeskHost } from "../../../../actors/compute/cluster/run-desk.ts"
import { runner, type RunnerConfig } from "../../../../actors/compute/cluster/runner.ts"
import { Compute, ComputeStatus } from "../../../../actors/compute/protocol.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { Mount, type MountService } from "../../../../src/actor/mount.ts"
import { Crypto } from "../../../../src/crypto/crypto-service.ts"
import { defaultModelsDirectory } from "../../../../src/model/model-folder.ts"
import { ModelHost } from "../../../../src/model/model-host.ts"
import { numbersOf, type Tensor, tensorOf } from "../../../../src/model/tensor.ts"
import { crypto } from "../../model/shipped-model.ts"

export const COMPUTE = "compute-0"
export const MODELS = [{ id: "affine" }]
export const timing = { lockExpiryMs: 3_000, lookMs: 200, drainMs: 50 }

/** x for `affine` */
export const input = (values: ReadonlyArray<number>): ReadonlyArray<Tensor> => [Either.getOrThrow(tensorOf("x", "f32", [1, 4], values))]
export const planned = (id = "affine") => Either.getOrThrow(planModel(crypto, { id }, defaultModelsDirectory, false))

/** y = 2x + 1 after a pause, as `affine` computes it; counts what it began. @param pauseMsOf  of the run that is begun as number n, from 1 */
export const arithmetic = (pauseMsOf: (n: number) => number) => {
  const made = { begun: 0, ended: 0 }
  const run: RunnerConfig["host"]["run"] = (_model, [x]) => Effect.gen(function*() {
    made.begun += 1
    yield* Effect.sleep(pauseMsOf(made.begun))
    made.ended += 1
    return [Either.getOrThrow(tensorOf("y", "f32", [1, 4], numbersOf(x as Tensor).map((value) => 2 * value + 1)))]
  })
  return { made, run }
}

export interface Rig {
  readonly storage: ClusterStorage
  readonly folder: string
  readonly mount: MountService
  readonly openService: (options?: Partial<ClusterHostOptions>) => Effect.Effect<ModelHost["Type"], unknown, Scope.Scope>
  /** Starts a runner, waits until it is up, and gives what ends it. */
  readonly openRunner: (
    name: string, run: RunnerConfig["host"]["run"], more?: Partial<RunnerConfig>
  ) => Effect.Effect<Effect.Effect<void>, unknown, Scope.Scope>
}

export const makeRig = (given?: ClusterStorage): Effect.Effect<Rig, never, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "funion-cluster-"))), (made) => Effect.sync(() => rmSync(made, { recursive: true })))
    const storage = given ?? { kind: "libsql", path: join(folder, "cluster.db") } as const
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const around = Layer.mergeAll(Layer.succeed(Mount, mount), Layer.succeed(Crypto, crypto))
    const openService: Rig["openService"] = (options) => Effect.gen(function*() {
      const built = yield* Layer.build(Layer.provide(layerCluster({
        name: COMPUTE, runners: ["compute-0-runner-0", "compute-0-runner-1"], models: MODELS, storage, slots: 4, timing, ...options
      }), around))
      const desk = Context.get(built, RunDeskHost)
      yield* mountWithDesk(mount, COMPUTE, desk).serve(COMPUTE, Compute, Compute.toLayer({
        Status: () => Effect.succeed(new ComputeStatus({ ready: true, draining: false, admitted: 0, rejected: 0, released: 0, alarms: 0 })),
        Drain: () => Effect.void
      }))
      return Context.get(built, ModelHost)
    })
    const openRunner: Rig["openRunner"] = (name, run, more = {}) => Effect.gen(function*() {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      const up = yield* Deferred.make<void, unknown>()
      const life = runner({
        crypto, name, compute: COMPUTE, storage, slots: 4, workers: 2, gpu: false, models: modelsOfRunner([planned()], false), host: { run }, timing,
        ...more
      })(Deferred.succeed(up, undefined).pipe(Effect.asVoid))
      const lasting = Effect.provide(Effect.scoped(life), around).pipe(Effect.tapErrorCause((cause) => Deferred.failCause(up, cause)))
      yield* Effect.forkIn(lasting, scope)
      yield* Deferred.await(up)
      return Scope.close(scope, Exit.void)
    })
    return { storage, folder, mount, openService, openRunner }
  })
