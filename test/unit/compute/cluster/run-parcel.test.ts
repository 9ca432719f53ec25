/**
 * Goal: what goes in comes out, in as many parts whatever it is, and nothing else is opened.
 * Method: round trips at the borders of parts, every truncation and bit of small contents, random bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import {
  decodeOutcome, encodeOutcome, failed, openParcel, type Outcome, PART_BYTES, ParcelAssembly, parcelHash, parcelPart, partsFor
} from "../../../../actors/compute/cluster/run-parcel.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import type { ModelFailed } from "../../../../src/model/model-host.ts"
import { crypto } from "../../model/shipped-model.ts"
import { input } from "./cluster-rig.ts"

const random = seededEntropy(1, "parcels")
const partsOf = (content: Uint8Array, count: number) => Array.from({ length: count }, (_, part) => parcelPart(content, part))

describe("a parcel", () => {
  it.each([0, 1, PART_BYTES - 5, PART_BYTES - 4, PART_BYTES - 3, 2 * PART_BYTES - 4, 3 * PART_BYTES - 4])("of %i bytes comes out as it went in", (length) => {
    const content = random(length)
    const parts = partsOf(content, 3)
    expect(parts.map((part) => part.length)).toEqual([PART_BYTES, PART_BYTES, PART_BYTES])
    expect(Buffer.compare(Either.getOrThrow(openParcel(parts)), content)).toBe(0)
  })
  it("has room for the longest container that it is made for", () => {
    for (const length of [0, PART_BYTES - 6, PART_BYTES - 5, PART_BYTES - 4, 5 * PART_BYTES]) {
      const outcome = random(1 + length)
      expect(Buffer.compare(Either.getOrThrow(openParcel(partsOf(outcome, partsFor(length)))), outcome)).toBe(0)
    }
    expect([partsFor(0), partsFor(PART_BYTES - 5), partsFor(PART_BYTES - 4)]).toEqual([1, 1, 2])
  })
  it("with a filler that is not zero, or a length beyond its end, is not opened", () => {
    const part = parcelPart(random(10), 0)
    part[14] = 1
    expect(openParcel([part])).toMatchObject({ left: { reason: "padding-not-zero" } })
    expect(openParcel([parcelPart(new Uint8Array(PART_BYTES), 0)])).toMatchObject({ left: { reason: "truncated" } })
    expect(openParcel([])).toMatchObject({ left: { reason: "truncated" } })
    expect(Either.isLeft(openParcel([random(PART_BYTES).fill(255, 0, 4)]))).toBe(true)
  })
})

describe("parts", () => {
  it("are taken in order, the last one again, the first one anew, and no others", () => {
    const parts = partsOf(random(100_000), 2)
    const assembly = new ParcelAssembly(2)
    expect(assembly.add(1, parts[1]!)).toBe(false)
    expect([assembly.add(0, parts[0]!), assembly.add(0, parts[0]!), assembly.isWhole, assembly.next]).toEqual([true, true, false, 1])
    expect([assembly.add(1, parts[1]!), assembly.isWhole, assembly.add(1, parts[1]!), assembly.isWhole]).toEqual([true, true, true, true])
    expect([assembly.add(2, parts[1]!), assembly.add(-1, parts[1]!), assembly.add(0.5, parts[1]!), assembly.add(1, new Uint8Array(PART_BYTES - 1))])
      .toEqual([false, false, false, false])
    expect([assembly.add(0, parts[0]!), assembly.isWhole]).toEqual([true, false])
  })
})

describe("an outcome", () => {
  const reasons: ReadonlyArray<ModelFailed["reason"]> = ["unknown-model", "invalid-input", "runtime", "time-limit", "worker-lost", "queue-full", "closed"]
  const outcomes: ReadonlyArray<Outcome> = [Either.right(input([1, 2, 3, 4])), ...reasons.map((reason) => Either.left(failed(reason)))]
  it("comes out as it went in, with the code of its reason", () => {
    for (const outcome of outcomes) expect(decodeOutcome(Either.getOrThrow(encodeOutcome(outcome)))).toEqual(Either.right(outcome))
    expect(reasons.map((reason) => failed(reason).code)).toEqual([4, 3, 4, 5, 4, 4, 4])
  })
  it("cut short, one byte too long, or changed in a bit of its form, is another or none", () => {
    for (const outcome of outcomes) {
      const bytes = Either.getOrThrow(encodeOutcome(outcome))
      for (let length = 0; length < bytes.length; length++) expect(Either.isLeft(decodeOutcome(bytes.subarray(0, length)))).toBe(true)
      expect(Either.isLeft(decodeOutcome(Uint8Array.of(...bytes, 0)))).toBe(true)
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const changed = Uint8Array.from(bytes)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        const decoded = decodeOutcome(changed)
        if (Either.isRight(decoded)) expect(Either.getOrThrow(encodeOutcome(decoded.right))).toEqual(changed)
      }
    }
  })
  it("random bytes never throw", () => {
    for (let round = 0; round < 300; round++) decodeOutcome(random(round))
  })
})

describe("the hash of a parcel", () => {
  it("depends on run, direction and content", () => {
    const [run, other, content] = [random(16), random(16), random(20)]
    const hashes = [
      parcelHash(crypto, run, "input", content), parcelHash(crypto, run, "output", content), parcelHash(crypto, other, "input", content),
      parcelHash(crypto, run, "input", content.subarray(1))
    ]
    expect(new Set(hashes.map(String)).size).toBe(4)
  })
})
