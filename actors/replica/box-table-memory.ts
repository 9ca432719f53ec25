/**
 * A replica's store in memory, for networks in one process and for tests.
 *
 * Contract: as `BoxTable`; bounded by a number of boxes, full beyond it. Outlives the actor that uses it, so a restarted replica finds its boxes.
 * Source: pigeonhole.md §5.6 (store); departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"
import type { BoxTable } from "./box-table.ts"

const copyOf = ({ boxId, payload, signature }: StoredBox): StoredBox => ({ boxId, payload: payload.slice(), signature: signature.slice() })

/** An empty table for at most `boxLimit` boxes. */
export const makeMemoryBoxTable = (boxLimit: number): BoxTable => {
  const epochs = new Map<number, Map<string, StoredBox>>()
  const boxCount = Effect.sync(() => [...epochs.values()].reduce((sum, boxes) => sum + boxes.size, 0))
  return {
    get: (boxId, replicaEpochs) =>
      Effect.sync(() => {
        const id = toHex(boxId)
        for (const epoch of replicaEpochs) {
          const box = epochs.get(epoch)?.get(id)
          if (box !== undefined) return copyOf(box)
        }
        return undefined
      }),
    put: (replicaEpoch, box) =>
      Effect.sync(() => {
        const boxes = epochs.get(replicaEpoch) ?? new Map<string, StoredBox>()
        boxes.set(toHex(box.boxId), copyOf(box))
        epochs.set(replicaEpoch, boxes)
      }),
    dropBefore: (replicaEpoch) =>
      Effect.sync(() => {
        for (const epoch of [...epochs.keys()]) if (epoch < replicaEpoch) epochs.delete(epoch)
      }),
    isFull: Effect.map(boxCount, (count) => count >= boxLimit),
    boxCount
  }
}
