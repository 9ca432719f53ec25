/**
 * The contract of a box table, whatever it is made of.
 *
 * Goal: a table that passes this suite can be a replica's store.
 * Method: boxes of plain bytes; epochs are arguments; every case gets an empty table.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { BoxPage, BoxPlace, BoxTable, BoxTableFailed, PlacedBox } from "../../actors/replica/box-table.ts"
import { plainBox } from "../unit/actors/replica/plain-box.ts"

/** Runs the suite over what `makeTable` makes anew for every case. */
export const boxTableContract = <E>(title: string, makeTable: Effect.Effect<BoxTable, E, Scope.Scope>): void => {
  const claim = <F>(what: string, body: (table: BoxTable) => Effect.Effect<void, F>): void => {
    it(what, () => Effect.runPromise(Effect.scoped(Effect.flatMap(makeTable, body))))
  }
  describe(`${title}: boxes`, () => boxClaims(claim))
  describe(`${title}: epochs`, () => epochClaims(claim))
  describe(`${title}: pages`, () => pageClaims(claim))
  describe(`${title}: copies that are owed`, () => owedClaims(claim))
}

type Claim = <F>(what: string, body: (table: BoxTable) => Effect.Effect<void, F>) => void

const boxClaims = (claim: Claim): void => {
  claim("an empty table has nothing and is not full", (table) => Effect.gen(function*() {
    expect(yield* table.get(plainBox(1).boxId, [1, 0])).toBeUndefined()
    expect(yield* table.boxCount).toBe(0)
    expect(table.isFull()).toBe(false)
    yield* table.dropBefore(9)
  }))
  claim("what was put is found, whole, and under its own id only", (table) => Effect.gen(function*() {
    yield* table.put(5, plainBox(1))
    expect(yield* table.get(plainBox(1).boxId, [5, 4])).toEqual(plainBox(1))
    expect(yield* table.get(plainBox(2).boxId, [5, 4])).toBeUndefined()
    expect(yield* table.boxCount).toBe(1)
  }))
  claim("100 boxes put at once are all there", (table) => Effect.gen(function*() {
    const boxes = Array.from({ length: 100 }, (_, id) => plainBox(id))
    yield* Effect.forEach(boxes, (box) => table.put(5, box), { concurrency: "unbounded", discard: true })
    expect(yield* Effect.forEach(boxes, ({ boxId }) => table.get(boxId, [5]), { concurrency: "unbounded" })).toEqual(boxes)
    expect(yield* table.boxCount).toBe(100)
  }))
  claim("a tombstone takes the place of a box of its epoch", (table) => Effect.gen(function*() {
    yield* table.put(5, plainBox(1))
    yield* table.put(5, plainBox(1, 7, 0))
    expect(yield* table.get(plainBox(1).boxId, [5, 4])).toEqual(plainBox(1, 7, 0))
    expect(yield* table.boxCount).toBe(1)
  }))
  claim("neither the bytes given nor the bytes found are the bytes held", (table) => Effect.gen(function*() {
    const box = plainBox(1)
    yield* table.put(5, box)
    box.payload.fill(0)
    const found = yield* table.get(box.boxId, [5])
    found?.payload.fill(0)
    found?.signature.fill(0)
    expect(yield* table.get(box.boxId, [5])).toEqual(plainBox(1))
  }))
}

const epochClaims = (claim: Claim): void => {
  claim("R4: epochs are asked in the given order: a tombstone of this one shadows a box of the last", (table) => Effect.gen(function*() {
    yield* table.put(5, plainBox(1))
    yield* table.put(6, plainBox(1, 7, 0))
    expect((yield* table.get(plainBox(1).boxId, [6, 5]))?.payload).toHaveLength(0)
    expect(yield* table.get(plainBox(1).boxId, [5, 6])).toEqual(plainBox(1))
    expect(yield* table.get(plainBox(1).boxId, [7])).toBeUndefined()
    expect(yield* table.get(plainBox(1).boxId, [])).toBeUndefined()
    expect(yield* table.boxCount).toBe(2)
  }))
  claim("R5: what lies before an epoch is dropped, the rest stays, around 256 too", (table) => Effect.gen(function*() {
    const epochs = [2, 255, 256, 257, 70_000]
    yield* Effect.forEach(epochs, (epoch) => table.put(epoch, plainBox(epoch & 63)))
    yield* table.dropBefore(256)
    const found = yield* Effect.forEach(epochs, (epoch) => table.get(plainBox(epoch & 63).boxId, [epoch]))
    expect(found.map((box) => box !== undefined)).toEqual([false, false, true, true, true])
    yield* table.dropBefore(1)
    yield* table.dropBefore(-1)
    expect(yield* table.boxCount).toBe(3)
    yield* table.dropBefore(70_001)
    expect(yield* table.boxCount).toBe(0)
    yield* table.put(70_001, plainBox(3))
    expect(yield* table.boxCount).toBe(1)
  }))
}

/** All pages, one after the other; `between` acts after each. */
const passOver = (
  pageAfter: (after: BoxPlace | undefined, limit: number) => Effect.Effect<BoxPage, BoxTableFailed>, limit: number,
  between: (page: BoxPage) => Effect.Effect<void, BoxTableFailed> = () => Effect.void
) =>
  Effect.gen(function*() {
    const seen: Array<PlacedBox> = []
    let after: BoxPlace | undefined
    do {
      const page = yield* pageAfter(after, limit)
      expect(page.boxes.length).toBeLessThanOrEqual(limit)
      seen.push(...page.boxes)
      yield* between(page)
      after = page.next
    } while (after !== undefined)
    return seen
  })
const placed = (replicaEpoch: number, id: number): PlacedBox => ({ replicaEpoch, box: plainBox(id) })
const namesOf = (boxes: ReadonlyArray<PlacedBox>): ReadonlyArray<string> => boxes.map(({ box, replicaEpoch }) => `${replicaEpoch}/${box.payload[0]}`)

const pageClaims = (claim: Claim): void => {
  claim("a pass over an empty table sees nothing", (table) => Effect.gen(function*() {
    expect(yield* passOver(table.scan, 5)).toEqual([])
  }))
  claim("pages of any size together hold every box once, by epoch and then by id", (table) => Effect.gen(function*() {
    for (const id of [9, 3, 200, 7, 1, 128]) yield* table.put(id % 2 === 1 ? 256 : 5, plainBox(id))
    yield* table.put(5, plainBox(3, 77, 0))
    for (const limit of [1, 2, 3, 7, 100]) {
      const seen = yield* passOver(table.scan, limit)
      expect(seen.map(({ replicaEpoch }) => replicaEpoch)).toEqual([5, 5, 5, 256, 256, 256, 256])
      expect(seen.map(({ box }) => box.boxId[31])).toEqual([3, 128, 200, 1, 3, 7, 9])
      expect(seen[0]?.box).toEqual(plainBox(3, 77, 0))
    }
  }))
  claim("a pass goes on where it was, whatever was written or dropped meanwhile", (table) => Effect.gen(function*() {
    for (let id = 0; id < 20; id++) yield* table.put(5 + (id % 2), plainBox(id))
    let turn = 0
    const seen = yield* passOver(table.scan, 3, () => {
      turn += 1
      if (turn === 2) return table.put(6, plainBox(250))
      return turn === 3 ? table.dropBefore(6) : Effect.void
    })
    const later = namesOf(seen.filter(({ replicaEpoch }) => replicaEpoch === 6))
    expect(later).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 250].map((id) => `6/${id}`))
    expect(new Set(namesOf(seen)).size).toBe(seen.length)
  }))
  claim("neither notes nor what is owed are boxes, nor do boxes touch the note", (table) => Effect.gen(function*() {
    expect(yield* table.note).toBeUndefined()
    yield* table.putNote(Uint8Array.of(1, 2, 3))
    yield* table.put(5, plainBox(1), [0, 255])
    yield* table.putNote(Uint8Array.of(4))
    expect(yield* table.boxCount).toBe(1)
    expect(namesOf(yield* passOver(table.scan, 1))).toEqual(["5/1"])
    yield* table.dropBefore(9)
    expect(yield* table.note).toEqual(Uint8Array.of(4))
    expect(yield* table.boxCount).toBe(0)
  }))
}

const owedClaims = (claim: Claim): void => {
  claim("each replica is owed what was put for it, until it is settled", (table) => Effect.gen(function*() {
    yield* table.put(5, plainBox(1), [3])
    yield* table.put(5, plainBox(2), [3, 4])
    yield* table.put(5, plainBox(3))
    yield* table.put(6, plainBox(4), [255])
    const owed = (replicaId: number) => passOver((after, limit) => table.owed(replicaId, after, limit), 1)
    expect(yield* owed(3)).toEqual([placed(5, 1), placed(5, 2)])
    expect(yield* owed(4)).toEqual([placed(5, 2)])
    expect(yield* owed(255)).toEqual([placed(6, 4)])
    expect(yield* owed(5)).toEqual([])
    yield* table.settle(3, [placed(5, 2)])
    yield* table.settle(3, [])
    expect(yield* owed(3)).toEqual([placed(5, 1)])
    expect(yield* owed(4)).toEqual([placed(5, 2)])
    yield* table.settle(3, [placed(5, 1), placed(5, 9)])
    expect(yield* owed(3)).toEqual([])
    expect(yield* table.boxCount).toBe(4)
  }))
  claim("a copy of a box does not settle the tombstone that came meanwhile; the tombstone settles both", (table) => Effect.gen(function*() {
    const tombstone = { replicaEpoch: 5, box: plainBox(1, 9, 0) }
    yield* table.put(5, plainBox(1), [3])
    yield* table.put(5, tombstone.box, [3])
    yield* table.settle(3, [placed(5, 1)])
    expect((yield* table.owed(3, undefined, 9)).boxes).toEqual([tombstone])
    yield* table.put(5, plainBox(1), [3])
    yield* table.put(5, tombstone.box, [3])
    yield* table.settle(3, [tombstone])
    expect((yield* table.owed(3, undefined, 9)).boxes).toEqual([])
  }))
  claim("what is owed goes with its epoch, for every replica", (table) => Effect.gen(function*() {
    const ids = [0, 1, 128, 254, 255]
    for (const epoch of [5, 6]) yield* table.put(epoch, plainBox(epoch), ids)
    yield* table.dropBefore(6)
    for (const id of ids) expect((yield* table.owed(id, undefined, 9)).boxes).toEqual([placed(6, 6)])
    yield* table.dropBefore(7)
    for (const id of ids) expect(yield* table.owed(id, undefined, 9)).toEqual({ boxes: [], next: undefined })
  }))
}
