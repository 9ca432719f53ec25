/**
 * What an unwrap pool and its threads say to each other. Packets and results lie in shared memory (unwrap-batch), as do the secrets of keys.
 *
 * Contract: plain values. The first message to a thread is `start`, which it answers by `ready`; every batch is answered by `done` for its slot, in order.
 * A key is known by the number under which it was handed over. Its secret is the pool's own memory: when the pool's owner wipes it, it is gone for all.
 * Knows nothing of: how messages travel.
 * Source: none; departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Geometry } from "../sphinx/geometry.ts"

export type ToUnwrapThread =
  | {
    readonly type: "start"
    readonly backend: CryptoBackend["name"]
    readonly geometry: Geometry
    /** One per batch that may be under way. */
    readonly memories: ReadonlyArray<SharedArrayBuffer>
  }
  | { readonly type: "key"; readonly keyNumber: number; readonly secret: SharedArrayBuffer }
  | { readonly type: "batch"; readonly slot: number; readonly packetCount: number; readonly keyNumbers: ReadonlyArray<number> }
  /** Forget keys whose secret was overwritten. */
  | { readonly type: "sweep" }

export type FromUnwrapThread =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly slot: number }

/** A running thread as its pool sees it. */
export interface UnwrapThread {
  readonly post: (message: ToUnwrapThread) => void
}

export interface UnwrapThreadEvents {
  readonly onMessage: (message: FromUnwrapThread) => void
  /** Once, when the thread has gone for whatever reason. */
  readonly onExit: () => void
}
