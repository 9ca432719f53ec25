/**
 * What a replica stores, rules R1 to R7.
 *
 * Goal: boxes are immutable for their two epochs, tombstones shadow them, and only what is well signed and of the right size comes in.
 * Method: real boxes in a table in memory; epochs are arguments.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeMemoryBoxTable } from "../../../../actors/replica/box-table-memory.ts"
import { BoxTableFailed, type BoxTable } from "../../../../actors/replica/box-table.ts"
import { Store } from "../../../../actors/replica/store.ts"
import { BoxId } from "../../../../src/bacap/box-id.ts"
import { REPLICA_ERROR } from "../../../../src/pigeonhole/error-code.ts"
import { boxAt, crypto, pigeonhole, tombstoneAt } from "./sample-box.ts"

const { boxAlreadyExists, databaseFailure, invalidBoxId, invalidPayload, invalidSignature, storageFull, success } = REPLICA_ERROR
const storeOver = (table: BoxTable): Store => new Store({ crypto, table, boxCiphertextBytes: pigeonhole.boxCiphertextBytes })
const fresh = (boxLimit = 100): Store => storeOver(makeMemoryBoxTable(boxLimit))
const box = boxAt(0, 1)
const other = boxAt(0, 2)
const tombstone = tombstoneAt(0)
const run = Effect.runPromise
/** A small number that is no point's y coordinate; about half of all are none. */
const noPoint = BoxId.unsafe([2, 3, 4, 5, 6, 7, 8].map((y) => new Uint8Array(32).fill(y, 0, 1)).find((id) => !crypto.edwardsPointIsValid(id)) as Uint8Array)

/** A table whose calls give way to others before they act. */
const slow = (table: BoxTable): BoxTable => ({
  ...table,
  get: (...args) => Effect.zipRight(Effect.yieldNow(), table.get(...args)),
  put: (...args) => Effect.zipRight(Effect.yieldNow(), table.put(...args))
})

describe("boxes", () => {
  it("R1: of 64 different writes to one box id at once one succeeds, the others find it there", async () => {
    const store = storeOver(slow(makeMemoryBoxTable(100)))
    const boxes = Array.from({ length: 64 }, (_, fill) => boxAt(0, fill))
    const codes = await run(Effect.forEach(boxes, (each) => store.write(each, 5), { concurrency: "unbounded" }))
    expect(codes.filter((code) => code === success)).toHaveLength(1)
    expect(codes.filter((code) => code === boxAlreadyExists)).toHaveLength(63)
    expect(await run(store.find(box.boxId, 5))).toEqual(boxes[codes.indexOf(success)])
  })
  it("R2: an identical write succeeds again, across an epoch border too; other content does not", async () => {
    const store = fresh()
    const outcome = await run(Effect.all([store.write(box, 5), store.write(box, 5), store.write(box, 6), store.write(other, 6)]))
    expect(outcome).toEqual([success, success, success, boxAlreadyExists])
  })
  it("R5: a box of epoch e is found in e and e+1, not in e+2, and its room is given back", async () => {
    const table = makeMemoryBoxTable(100)
    const store = storeOver(table)
    await run(store.write(box, 5))
    const found = await run(Effect.forEach([5, 6, 7, 4], (epoch) => store.find(box.boxId, epoch)))
    expect(found.map((each) => each !== undefined)).toEqual([true, true, false, false])
    await run(table.dropBefore(5))
    expect(await run(table.boxCount)).toBe(1)
    await run(table.dropBefore(6))
    expect(await run(table.boxCount)).toBe(0)
    expect(await run(store.write(other, 7))).toBe(success)
  })
  it("what is found is a copy: a reader cannot change what is held", async () => {
    const store = fresh()
    await run(store.write(box, 5))
    const found = await run(store.find(box.boxId, 5))
    found?.payload.fill(0)
    expect(await run(store.find(box.boxId, 5))).toEqual(box)
  })
})

describe("tombstones", () => {
  it("R3: a tombstone stays: later writes find it there, a second one succeeds", async () => {
    const store = fresh()
    const outcome = await run(Effect.all([
      store.write(tombstone, 5), store.write(box, 5), store.write(tombstone, 5), store.write(other, 6), store.write(tombstone, 6)
    ]))
    expect(outcome).toEqual([success, boxAlreadyExists, success, boxAlreadyExists, success])
  })
  it("R3: write, tombstone, write: the tombstone is what is found", async () => {
    const store = fresh()
    expect(await run(Effect.all([store.write(box, 5), store.write(tombstone, 5), store.write(box, 5)]))).toEqual([success, success, boxAlreadyExists])
    expect((await run(store.find(box.boxId, 5)))?.payload).toHaveLength(0)
  })
  it("R4: a tombstone of epoch e+1 shadows the data of epoch e", async () => {
    const store = fresh()
    await run(Effect.all([store.write(box, 5), store.write(tombstone, 6)]))
    expect((await run(store.find(box.boxId, 6)))?.payload).toHaveLength(0)
  })
})

describe("R6: refusals", () => {
  it.each<readonly [string, Parameters<Store["write"]>[0], number]>([
    ["a byte too short", boxAt(0, 1, pigeonhole.paddedPlaintextBytes - 1), invalidPayload],
    ["a byte too long", boxAt(0, 1, pigeonhole.paddedPlaintextBytes + 1), invalidPayload],
    ["another box's signature", { ...box, signature: other.signature }, invalidSignature],
    ["a flipped payload", { ...box, payload: box.payload.map((byte, at) => (at === 7 ? byte ^ 1 : byte)) }, invalidSignature],
    ["another box's id", { ...box, boxId: boxAt(1, 1).boxId }, invalidSignature],
    ["a tombstone with the signature of data", { ...box, payload: new Uint8Array(0) }, invalidSignature],
    ["data with the signature of a tombstone", { ...box, signature: tombstone.signature }, invalidSignature],
    ["an id that is no point", { ...box, boxId: noPoint }, invalidBoxId],
    ["a zero id, which is a point of small order", { ...box, boxId: BoxId.unsafe(new Uint8Array(32)) }, invalidSignature]
  ])("%s", async (_, broken, code) => {
    const store = fresh()
    expect(await run(store.write(broken, 5))).toBe(code)
    expect(await run(store.find(broken.boxId, 5))).toBeUndefined()
  })
})

describe("R7: a full store", () => {
  it("takes nothing new but tombstones and identical retries, reads on, and recovers when boxes expire", async () => {
    const table = makeMemoryBoxTable(1)
    const store = storeOver(table)
    const next = boxAt(1, 1)
    expect(await run(Effect.all([store.write(box, 5), store.write(next, 5), store.write(box, 5)]))).toEqual([success, storageFull, success])
    expect(await run(store.find(box.boxId, 5))).toEqual(box)
    expect(await run(store.write(tombstone, 5))).toBe(success)
    await run(table.dropBefore(7))
    expect(await run(store.write(next, 7))).toBe(success)
  })
})

describe("a table that fails", () => {
  it("is answered as a database failure, to reads and to writes, and the box id is free again afterwards", async () => {
    const table = makeMemoryBoxTable(10)
    let broken: "get" | "put" | undefined = "get"
    const failing = (operation: "get" | "put") => new BoxTableFailed({ operation })
    const store = storeOver({
      ...table,
      get: (...args) => (broken === "get" ? failing("get") : table.get(...args)),
      put: (...args) => (broken === "put" ? failing("put") : table.put(...args))
    })
    expect(await run(store.write(box, 5))).toBe(databaseFailure)
    expect(await run(Effect.flip(store.find(box.boxId, 5)))).toEqual(failing("get"))
    broken = "put"
    expect(await run(store.write(box, 5))).toBe(databaseFailure)
    broken = undefined
    expect(await run(store.write(box, 5))).toBe(success)
  })
})
