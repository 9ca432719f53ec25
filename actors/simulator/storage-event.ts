/**
 * What an observer of storage writes down: one line for every read and write of a replica's table.
 *
 * Contract: the table behaves as the one that it decorates. A write that the replica refuses is none; the look that precedes a write is a read, as the table
 * sees it.
 * Knows nothing of: replicas, envelopes.
 * Source: the list (adversary plus storage); departures: none.
 *
 * @module
 */
import { Exit } from "effect"
import { thenNow } from "../../src/actor/prompt.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { BoxTable } from "../replica/box-table.ts"

export interface StorageEvent {
  /** Virtual, with fractions. */
  readonly instantMs: number
  readonly replica: string
  readonly operation: "read" | "write"
  /** Hex. */
  readonly boxId: string
  /** Of a read: whether the box was there. Always true of a write. */
  readonly found: boolean
}

/** The table `table` of `replica`, with somebody who watches. */
export const observedTable = (table: BoxTable, replica: string, nowMs: () => number, observe: (event: StorageEvent) => void): BoxTable => ({
  ...table,
  get: (boxId, replicaEpochs) => thenNow(table.get(boxId, replicaEpochs), (box) => {
    observe({ instantMs: nowMs(), replica, operation: "read", boxId: toHex(boxId), found: box !== undefined })
    return Exit.succeed(box)
  }),
  put: (replicaEpoch, box, owedTo) => thenNow(table.put(replicaEpoch, box, owedTo), () => {
    observe({ instantMs: nowMs(), replica, operation: "write", boxId: toHex(box.boxId), found: true })
    return Exit.void
  })
})
