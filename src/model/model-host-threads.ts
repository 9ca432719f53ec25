/**
 * A model host whose workers are threads of this process: the light form, for tests and networks in one process.
 *
 * Terminating a thread during a run, or leaving the process then, aborts the whole process. So closing the scope asks the worker to stop,
 * waits until no native code runs any more, and only then ends the thread; the process must not exit before its scopes are closed.
 * Contract: that of `ModelHost`; a run over its limit fails in time, but keeps its thread until it ends by itself.
 * Source: models/README.md §3; departures: none.
 *
 * @module
 */
import { Deferred, Effect, Exit, Layer } from "effect"
import { Worker } from "node:worker_threads"
import type { Crypto } from "../crypto/crypto-service.ts"
import { ModelHost } from "./model-host.ts"
import type { ModelLoadFailed } from "./model-load-failed.ts"
import { type OpenWorker, workerProgram, type WorkerLink } from "./worker-link.ts"
import type { FromWorker } from "./worker-message.ts"
import { makeModelHost, type ModelHostOptions } from "./worker-pool.ts"

/** Starts one worker thread. */
export const openThread: OpenWorker = Effect.map(
  Effect.acquireRelease(
    Effect.gen(function*() {
      const exited = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      let handler: (message: FromWorker) => void = () => undefined
      const worker = new Worker(workerProgram, { execArgv: [] })
      worker.on("message", (message: FromWorker) => {
        if (message.type === "closed") Deferred.unsafeDone(closed, Exit.void)
        else handler(message)
      })
      worker.on("error", () => undefined)
      worker.on("exit", () => {
        Deferred.unsafeDone(exited, Exit.void)
        Deferred.unsafeDone(closed, Exit.void)
      })
      const link: WorkerLink = {
        send: (message) => worker.postMessage(message),
        listen: (next) => { handler = next },
        exited,
        kill: undefined
      }
      return { worker, link, closed }
    }),
    ({ worker, link, closed }) =>
      Effect.sync(() => link.send({ type: "close" })).pipe(
        Effect.zipRight(Deferred.await(closed)),
        Effect.zipRight(Effect.promise(() => worker.terminate()))
      )
  ),
  ({ link }) => link
)

/** A model host on worker threads. @errors ModelLoadFailed */
export const layerThreads = (options: ModelHostOptions): Layer.Layer<ModelHost, ModelLoadFailed, Crypto> =>
  Layer.scoped(ModelHost, makeModelHost(openThread, options))
