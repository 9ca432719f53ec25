/**
 * A running worker as its host sees it, whether thread or process.
 *
 * Contract: messages arrive in order at the handler set last; `exited` is done once the worker is gone, after which nothing arrives and `send`
 * does nothing. Opened in a scope: closing it ends the worker without ever cutting a native run inside this process, and waits until it is gone.
 * Knows nothing of: jobs.
 * Source: models/README.md §3; departures: none.
 *
 * @module
 */
import "./runtime-privacy.ts"
import type { Deferred, Effect, Scope } from "effect"
import { join } from "node:path"
import { packageRoot } from "./model-folder.ts"
import type { FromWorker, ToWorker } from "./worker-message.ts"

export interface WorkerLink {
  readonly send: (message: ToWorker) => void
  readonly listen: (handler: (message: FromWorker) => void) => void
  readonly exited: Deferred.Deferred<void>
  /** Ends the worker at once, even during a run; a thread has no such thing. */
  readonly kill: (() => void) | undefined
}

export type OpenWorker = Effect.Effect<WorkerLink, never, Scope.Scope>

/** The compiled worker program: Node 20 starts threads and processes from compiled files only. */
export const workerProgram = join(packageRoot, "dist", "src", "model", "model-worker.js")
