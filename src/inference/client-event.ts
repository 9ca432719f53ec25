/**
 * Progress of one inference, as the client tells it.
 *
 * Contract: in order; `Answered` is the last. Durations are of the client's clock.
 * Knows nothing of: who listens.
 * Source: funion.md §2; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { Tensor } from "../model/tensor.ts"
import type { PacketCounters } from "../session/session.ts"

export type ClientEvent =
  | {
    readonly _tag: "Planned"
    readonly service: string
    readonly model: string
    readonly version: number
    readonly bucket: number
    readonly boxesIn: number
    readonly boxesOut: number
    readonly warnings: ReadonlyArray<string>
  }
  | { readonly _tag: "BoxWritten"; readonly done: number; readonly total: number }
  | { readonly _tag: "Uploaded"; readonly uploadMs: number }
  | {
    readonly _tag: "Accepted"
    readonly dispatchMs: number
    readonly acceptedAtMs: number
    readonly firstEdgeMs: number
    readonly lastEdgeMs: number
  }
  /** The edge of one release has passed; `overflow` releases before it said "later". */
  | { readonly _tag: "EdgePassed"; readonly overflow: number; readonly heldMs: number }
  | { readonly _tag: "BoxRead"; readonly done: number; readonly total: number }
  | {
    readonly _tag: "Answered"
    readonly outputs: ReadonlyArray<Tensor>
    readonly overflow: number
    readonly fetchMs: number
    readonly totalMs: number
    readonly packets: PacketCounters
  }

/** Hears the events; must not wait. */
export type Listener = (event: ClientEvent) => Effect.Effect<void>

/** For jobs that nobody waits for. */
export const nobody: Listener = () => Effect.void
