/**
 * The port to a replica's store: boxes by replica epoch and id, which fellows are still owed a copy, and one note.
 *
 * Contract: `put` is done when the box is durable, together with the copies that it owes; when it fails both are there or neither. `get` looks into the
 * given epochs in order, first hit wins, and gives the record's own bytes as copies. Puts of one box id at a time are the caller's care.
 * `scan` and `owed` give pages in the order of epoch and id, which never changes: a box that is there during a whole pass is seen once, and the place at the
 * end of a page is where the next one starts, in another process too. The note lives and dies with the boxes.
 * What a table gives may have ended already: it is called when it is meant, and what it gives is run once. A table does so with `get`, `put` and
 * `settle` alike, or with none of them.
 * The table decides nothing: immutability, signatures and sizes are the caller's.
 * Source: pigeonhole.md §5.6 (store); departures: none.
 *
 * @module
 */
import { Data, type Effect } from "effect"
import type { BoxId } from "../../src/bacap/box-id.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"

/** The medium under a table did not do its work; a later call may succeed. */
export class BoxTableFailed extends Data.TaggedError("BoxTableFailed")<{
  readonly operation: "get" | "put" | "drop" | "count" | "scan" | "settle" | "note"
}> {}

/** Where a box lies in the order of pages. */
export interface BoxPlace {
  readonly replicaEpoch: number
  readonly boxId: BoxId
}

export interface PlacedBox {
  readonly replicaEpoch: number
  readonly box: StoredBox
}

export interface BoxPage {
  readonly boxes: ReadonlyArray<PlacedBox>
  /** Where the next page starts; undefined when there is none. */
  readonly next: BoxPlace | undefined
}

export interface BoxTable {
  readonly get: (boxId: BoxId, replicaEpochs: ReadonlyArray<number>) => Effect.Effect<StoredBox | undefined, BoxTableFailed>
  /** @param owedTo  ids of the replicas that shall have a copy too */
  readonly put: (replicaEpoch: number, box: StoredBox, owedTo?: ReadonlyArray<number>) => Effect.Effect<void, BoxTableFailed>
  /** Boxes after a place, `limit` records at most; damaged ones are left out. */
  readonly scan: (after: BoxPlace | undefined, limit: number) => Effect.Effect<BoxPage, BoxTableFailed>
  /** As `scan`, of the boxes that a replica is owed. */
  readonly owed: (replicaId: number, after: BoxPlace | undefined, limit: number) => Effect.Effect<BoxPage, BoxTableFailed>
  /** These boxes, as given here, are owed to the replica no longer. May be undone by a crash. */
  readonly settle: (replicaId: number, boxes: ReadonlyArray<PlacedBox>) => Effect.Effect<void, BoxTableFailed>
  /** Drops every box of epochs before `replicaEpoch`, with what it owes, and gives their room back. */
  readonly dropBefore: (replicaEpoch: number) => Effect.Effect<void, BoxTableFailed>
  /** True when nothing but tombstones and identical retries may be stored. */
  readonly isFull: () => boolean
  /** Boxes and tombstones of all epochs; may read the whole table. */
  readonly boxCount: Effect.Effect<number, BoxTableFailed>
  /** What the table's owner last noted, durable as a box is. */
  readonly note: Effect.Effect<Uint8Array | undefined, BoxTableFailed>
  readonly putNote: (note: Uint8Array) => Effect.Effect<void, BoxTableFailed>
}
