/**
 * What a replica remembers of the others.
 *
 * Goal: the record survives its bytes and nothing else does; a hostile record costs no more than its length.
 * Method: records with everything in them; the claims of every exact parser, random bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { decodeBalanceRecord, encodeBalanceRecord, recordAfter, type BalanceRecord } from "../../../../actors/replica/balance-record.ts"
import { BoxId } from "../../../../src/bacap/box-id.ts"
import { expectCanonical, expectExactCodec, pattern } from "../../pigeonhole/codec-claims.ts"
import { entropyOf } from "./sample-box.ts"

const codec = { encode: encodeBalanceRecord, decode: decodeBalanceRecord }
const member = (replicaId: number) => ({ replicaId, identityKey: pattern(32, replicaId) })
const key = (replicaId: number, replicaEpoch: number, start = replicaEpoch) => ({ replicaId, replicaEpoch, envelopeKey: pattern(32, start) })
const full: BalanceRecord = {
  members: [member(255)],
  before: [member(7)],
  seen: [key(255, 400)],
  debts: [
    { replicaId: 255, scope: "all", after: { replicaEpoch: 400, boxId: BoxId.unsafe(pattern(32, 9)) } },
    { replicaId: 1, scope: "moved", after: undefined }
  ]
}

describe("a balance record", () => {
  const empty: BalanceRecord = { members: [], before: [], seen: [], debts: [] }
  it.each([["full", full], ["empty", empty]] as const)("has one encoding: %s", (_, record) => {
    expectExactCodec(codec, record)
  })
  it("is never made of garbage that would not encode to the same bytes", () => {
    const entropy = entropyOf("balance records")
    for (let length = 0; length < 400; length++) {
      const bytes = entropy(length)
      bytes.set([1, 0, 0, 0, 0, 0, 0, 0].slice(0, Math.min(8, length % 9, length)))
      expectCanonical(codec, bytes)
    }
  })
  it("is refused when a count promises more than there can be or is there", () => {
    for (const at of [1, 3, 5, 7]) {
      const bytes = encodeBalanceRecord(empty)
      bytes.set([0xff, 0xff], at)
      expect(Either.isLeft(decodeBalanceRecord(bytes))).toBe(true)
    }
  })
})

describe("the record after a document", () => {
  const members = [member(0), member(1), member(2)]
  const settled: BalanceRecord = { members, before: [], seen: [key(1, 5), key(2, 5)], debts: [] }
  it("is the same object when nothing changed, so that nothing is written", () => {
    expect(recordAfter(settled, 0, members, [key(1, 5), key(2, 5)])).toBe(settled)
    expect(recordAfter(settled, 0, [...members].reverse(), [])).toBe(settled)
  })
  it("takes note of keys of new epochs, and owes nothing for them", () => {
    const next = recordAfter(settled, 0, members, [key(1, 5), key(1, 6)])
    expect(next).toEqual({ ...settled, seen: [key(1, 5), key(1, 6), key(2, 5)] })
  })
  it("owes everything to a replica whose identity changed under its number", () => {
    const next = recordAfter(settled, 0, [member(0), member(1), { replicaId: 2, identityKey: pattern(32, 99) }], [])
    expect(next.debts).toEqual([{ replicaId: 1, scope: "moved", after: undefined }, { replicaId: 2, scope: "moved", after: undefined }])
    expect(next.before).toEqual(members)
  })
  it("forgets what it owed to a replica that is gone", () => {
    const owing: BalanceRecord = { ...settled, debts: full.debts.map((debt) => ({ ...debt, replicaId: 2 })).slice(0, 1) }
    expect(recordAfter(owing, 0, members.slice(0, 2), [])).toMatchObject({ debts: [{ replicaId: 1, scope: "moved" }], seen: [key(1, 5)] })
  })
})
