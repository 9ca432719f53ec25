/**
 * The port to a replica's store: boxes by replica epoch and id.
 *
 * Contract: `put` is done when the box is durable; when it fails the box may be there or not. `get` looks into the given epochs in order, first hit wins,
 * and gives the record's own bytes as copies. Puts of one box id at a time are the caller's care.
 * The table decides nothing: immutability, signatures and sizes are the caller's.
 * Source: pigeonhole.md §5.6 (store); departures: none.
 *
 * @module
 */
import { Data, type Effect } from "effect"
import type { BoxId } from "../../src/bacap/box-id.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"

/** The medium under a table did not do its work; a later call may succeed. */
export class BoxTableFailed extends Data.TaggedError("BoxTableFailed")<{ readonly operation: "get" | "put" | "drop" | "count" }> {}

export interface BoxTable {
  readonly get: (boxId: BoxId, replicaEpochs: ReadonlyArray<number>) => Effect.Effect<StoredBox | undefined, BoxTableFailed>
  readonly put: (replicaEpoch: number, box: StoredBox) => Effect.Effect<void, BoxTableFailed>
  /** Drops every box of epochs before `replicaEpoch` and gives their room back. */
  readonly dropBefore: (replicaEpoch: number) => Effect.Effect<void, BoxTableFailed>
  /** True when nothing but tombstones and identical retries may be stored. */
  readonly isFull: Effect.Effect<boolean>
  /** Boxes and tombstones of all epochs; may read the whole table. */
  readonly boxCount: Effect.Effect<number, BoxTableFailed>
}
