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
import type { BoxTable } from "../../actors/replica/box-table.ts"
import { plainBox } from "../unit/actors/replica/plain-box.ts"

/** Runs the suite over what `makeTable` makes anew for every case. */
export const boxTableContract = <E>(title: string, makeTable: Effect.Effect<BoxTable, E, Scope.Scope>): void => {
  const claim = <F>(what: string, body: (table: BoxTable) => Effect.Effect<void, F>): void => {
    it(what, () => Effect.runPromise(Effect.scoped(Effect.flatMap(makeTable, body))))
  }
  describe(`${title}: boxes`, () => boxClaims(claim))
  describe(`${title}: epochs`, () => epochClaims(claim))
}

type Claim = <F>(what: string, body: (table: BoxTable) => Effect.Effect<void, F>) => void

const boxClaims = (claim: Claim): void => {
  claim("an empty table has nothing and is not full", (table) => Effect.gen(function*() {
    expect(yield* table.get(plainBox(1).boxId, [1, 0])).toBeUndefined()
    expect(yield* table.boxCount).toBe(0)
    expect(yield* table.isFull).toBe(false)
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
  claim("epochs are asked in the given order: a tombstone of this one shadows a box of the last (R4)", (table) => Effect.gen(function*() {
    yield* table.put(5, plainBox(1))
    yield* table.put(6, plainBox(1, 7, 0))
    expect((yield* table.get(plainBox(1).boxId, [6, 5]))?.payload).toHaveLength(0)
    expect(yield* table.get(plainBox(1).boxId, [5, 6])).toEqual(plainBox(1))
    expect(yield* table.get(plainBox(1).boxId, [7])).toBeUndefined()
    expect(yield* table.get(plainBox(1).boxId, [])).toBeUndefined()
    expect(yield* table.boxCount).toBe(2)
  }))
  claim("what lies before an epoch is dropped, the rest stays, around 256 too (R5)", (table) => Effect.gen(function*() {
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
