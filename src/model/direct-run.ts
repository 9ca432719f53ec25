/**
 * One run of one model with nothing around it: what a job through the network is compared with.
 *
 * Contract: the same adapter code in a worker that exists for this run only.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Deferred, Effect, Exit } from "effect"
import type { Crypto } from "../crypto/crypto-service.ts"
import { openProcess } from "./model-host-processes.ts"
import type { ModelFailed } from "./model-host.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import type { Tensor } from "./tensor.ts"
import type { ProviderReport } from "./worker-message.ts"
import { makeModelHost } from "./worker-pool.ts"

const DIRECT_LIMIT_MS = 60_000

/** Runs a model once in a child process. @errors ModelLoadFailed, ModelFailed */
export const runDirectly = (
  modelId: string, inputs: ReadonlyArray<Tensor>, modelsDirectory?: string
): Effect.Effect<ReadonlyArray<Tensor>, ModelLoadFailed | ModelFailed, Crypto> =>
  makeModelHost(openProcess, { models: [{ id: modelId }], ...(modelsDirectory === undefined ? {} : { modelsDirectory }) }).pipe(
    Effect.flatMap((host) => host.run(modelId, inputs, DIRECT_LIMIT_MS)),
    Effect.scoped
  )

/**
 * Which execution providers this machine has, found out by a trial session on each in a child process (for `funion doctor`).
 * @errors ModelLoadFailed `worker` when the child ends without an answer, as a broken driver may make it
 */
export const probeProviders: Effect.Effect<ReadonlyArray<ProviderReport>, ModelLoadFailed> = Effect.scoped(Effect.gen(function*() {
  const link = yield* openProcess
  const answer = yield* Deferred.make<ReadonlyArray<ProviderReport>>()
  link.listen((message) => {
    if (message.type === "probed") Deferred.unsafeDone(answer, Exit.succeed(message.providers))
  })
  link.send({ type: "probe" })
  const lost = new ModelLoadFailed({ modelId: "affine", reason: "worker", detail: "the trial of the execution providers ended without an answer" })
  return yield* Effect.raceFirst(Deferred.await(answer), Effect.zipRight(Deferred.await(link.exited), lost))
}))
