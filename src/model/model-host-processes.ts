/**
 * A model host whose workers are child processes: the form for operators. A crash of the runtime takes only the child with it, and a run over
 * its limit is killed.
 *
 * Contract: that of `ModelHost`. Closing the scope kills the children, during a run or not, and waits until they are gone; children of a process that
 * vanishes end by themselves.
 * Source: models/README.md §3; departures: one child holds all models of the service instead of one each; more children run more jobs at once.
 *
 * @module
 */
import { Deferred, Effect, Exit, Layer } from "effect"
import { fork } from "node:child_process"
import type { Crypto } from "../crypto/crypto-service.ts"
import { ModelHost } from "./model-host.ts"
import type { ModelLoadFailed } from "./model-load-failed.ts"
import { type OpenWorker, workerProgram, type WorkerLink } from "./worker-link.ts"
import type { FromWorker } from "./worker-message.ts"
import { makeModelHost, type ModelHostOptions } from "./worker-pool.ts"

/** Starts one child process. */
export const openProcess: OpenWorker = Effect.acquireRelease(
  Effect.gen(function*() {
    const exited = yield* Deferred.make<void>()
    let handler: (message: FromWorker) => void = () => undefined
    const child = fork(workerProgram, [], { serialization: "advanced", execArgv: [], stdio: ["ignore", "ignore", "ignore", "ipc"] })
    const gone = () => Deferred.unsafeDone(exited, Exit.void)
    child.on("message", (message) => handler(message as FromWorker))
    child.on("error", () => {
      if (child.pid === undefined) gone()
    })
    child.on("exit", gone)
    const link: WorkerLink = {
      send: (message) => {
        if (child.connected) child.send(message, () => undefined)
      },
      listen: (next) => { handler = next },
      exited,
      kill: () => { child.kill("SIGKILL") }
    }
    return link
  }),
  (link) => Effect.zipRight(Effect.sync(() => link.kill?.()), Deferred.await(link.exited))
)

/** A model host on child processes. @errors ModelLoadFailed */
export const layerProcesses = (options: ModelHostOptions): Layer.Layer<ModelHost, ModelLoadFailed, Crypto> =>
  Layer.scoped(ModelHost, makeModelHost(openProcess, options))
