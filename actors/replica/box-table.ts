/**
 * The port to a replica's store: boxes by replica epoch and id.
 *
 * Contract: `put` is done when the box is durable. `get` looks into the given epochs in order, first hit wins, and gives the record's own bytes as copies.
 * The table decides nothing: immutability, signatures and sizes are the caller's.
 * Source: pigeonhole.md §5.6 (store); departures: none.
 *
 * @module
 */
import type { Effect } from "effect"
import type { BoxId } from "../../src/bacap/box-id.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"

export interface BoxTable {
  readonly get: (boxId: BoxId, replicaEpochs: ReadonlyArray<number>) => Effect.Effect<StoredBox | undefined>
  readonly put: (replicaEpoch: number, box: StoredBox) => Effect.Effect<void>
  /** Drops every box of epochs before `replicaEpoch`. */
  readonly dropBefore: (replicaEpoch: number) => Effect.Effect<void>
  /** True when nothing but tombstones and identical retries may be stored. */
  readonly isFull: Effect.Effect<boolean>
  readonly boxCount: Effect.Effect<number>
}
