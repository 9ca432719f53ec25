/**
 * A replica's store in memory, for networks in one process and for tests.
 *
 * Contract: as `BoxTable`; bounded by a number of boxes, full beyond it. Outlives the actor that uses it, so a restarted replica finds its boxes.
 * What `get`, `put` and `settle` give has ended already.
 * Source: pigeonhole.md §5.6 (store); departures: none.
 *
 * @module
 */
import { Effect, Exit } from "effect"
import type { BoxId } from "../../src/bacap/box-id.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"
import type { BoxPage, BoxPlace, BoxTable } from "./box-table.ts"
import { OrderedMap } from "./ordered-map.ts"

interface Owed extends BoxPlace {
  readonly isTombstone: boolean
}

const EPOCH_DIGITS = 16

const copyOf = ({ boxId, payload, signature }: StoredBox): StoredBox => ({ boxId, payload: payload.slice(), signature: signature.slice() })
const epochPrefix = (replicaEpoch: number): string => Math.max(0, replicaEpoch).toString().padStart(EPOCH_DIGITS, "0")
const keyOf = (replicaEpoch: number, boxId: BoxId): string => epochPrefix(replicaEpoch) + toHex(boxId)
const BOX = "-box"
const TOMBSTONE = "-tombstone"
/** After everything that is owed at a place. */
const BEYOND_KINDS = "~"

class MemoryBoxes {
  readonly #boxes = new OrderedMap<BoxPlace & { readonly box: StoredBox }>()
  readonly #owed = new Map<number, OrderedMap<Owed>>()
  note: Uint8Array | undefined

  get size(): number {
    return this.#boxes.size
  }

  get(boxId: BoxId, replicaEpochs: ReadonlyArray<number>): StoredBox | undefined {
    for (const replicaEpoch of replicaEpochs) {
      const held = this.#boxes.get(keyOf(replicaEpoch, boxId))
      if (held !== undefined) return copyOf(held.box)
    }
    return undefined
  }

  put(replicaEpoch: number, box: StoredBox, owedTo: ReadonlyArray<number>): void {
    const { boxId } = box
    const key = keyOf(replicaEpoch, boxId)
    const isTombstone = box.payload.length === 0
    this.#boxes.set(key, { replicaEpoch, boxId, box: copyOf(box) })
    for (const replicaId of owedTo) {
      const owed = this.#owed.get(replicaId) ?? new OrderedMap<Owed>()
      this.#owed.set(replicaId, owed)
      owed.set(key + (isTombstone ? TOMBSTONE : BOX), { replicaEpoch, boxId, isTombstone })
    }
  }

  #page(places: OrderedMap<BoxPlace>, after: string | undefined, limit: number): BoxPage {
    const page = places.after(after, limit)
    const boxes = page.flatMap(({ boxId, replicaEpoch }) => {
      const box = this.get(boxId, [replicaEpoch])
      return box === undefined ? [] : [{ replicaEpoch, box }]
    })
    const last = page.at(-1)
    return { boxes, next: page.length < limit || last === undefined ? undefined : { replicaEpoch: last.replicaEpoch, boxId: last.boxId } }
  }

  scan(after: BoxPlace | undefined, limit: number): BoxPage {
    return this.#page(this.#boxes, after === undefined ? undefined : keyOf(after.replicaEpoch, after.boxId), limit)
  }

  owed(replicaId: number, after: BoxPlace | undefined, limit: number): BoxPage {
    const owed = this.#owed.get(replicaId) ?? new OrderedMap<Owed>()
    return this.#page(owed, after === undefined ? undefined : keyOf(after.replicaEpoch, after.boxId) + BEYOND_KINDS, limit)
  }

  settle(replicaId: number, replicaEpoch: number, box: StoredBox): void {
    const owed = this.#owed.get(replicaId)
    const key = keyOf(replicaEpoch, box.boxId)
    owed?.delete(key + BOX)
    if (box.payload.length === 0) owed?.delete(key + TOMBSTONE)
    if (owed?.size === 0) this.#owed.delete(replicaId)
  }

  dropBefore(replicaEpoch: number): void {
    this.#boxes.deleteBefore(epochPrefix(replicaEpoch))
    for (const owed of this.#owed.values()) owed.deleteBefore(epochPrefix(replicaEpoch))
  }
}

/** An empty table for at most `boxLimit` boxes. */
export const makeMemoryBoxTable = (boxLimit: number): BoxTable => {
  const boxes = new MemoryBoxes()
  return {
    get: (boxId, replicaEpochs) => Exit.succeed(boxes.get(boxId, replicaEpochs)),
    put: (replicaEpoch, box, owedTo = []) => {
      boxes.put(replicaEpoch, box, owedTo)
      return Exit.void
    },
    scan: (after, limit) => Effect.sync(() => boxes.scan(after, limit)),
    owed: (replicaId, after, limit) => Effect.sync(() => boxes.owed(replicaId, after, limit)),
    settle: (replicaId, settled) => {
      for (const { box, replicaEpoch } of settled) boxes.settle(replicaId, replicaEpoch, box)
      return Exit.void
    },
    dropBefore: (replicaEpoch) => Effect.sync(() => boxes.dropBefore(replicaEpoch)),
    isFull: () => boxes.size >= boxLimit,
    boxCount: Effect.sync(() => boxes.size),
    note: Effect.sync(() => boxes.note?.slice()),
    putNote: (note) => Effect.sync(() => { boxes.note = note.slice() })
  }
}
