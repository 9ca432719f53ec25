/**
 * The replay filter: exact, bounded, never forgetful.
 *
 * Goal: the three answers, at the edges of growth and capacity.
 * Method: tags from a seeded generator, many more than one segment holds.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { ReplayFilter } from "../../../src/mixnet/replay-filter.ts"

const tags = (count: number, label: string): ReadonlyArray<Uint8Array> => {
  const entropy = seededEntropy(3, label)
  return Array.from({ length: count }, () => entropy(32))
}

describe("replay filter", () => {
  it("a tag is fresh once and a replay ever after, over many growths", () => {
    const filter = new ReplayFilter({ capacity: 100_000, salt: 5 })
    const seen = tags(20_000, "seen")
    expect(seen.every((tag) => filter.testAndSet(tag) === "fresh")).toBe(true)
    expect(filter.size).toBe(20_000)
    expect(seen.every((tag) => filter.has(tag) && filter.testAndSet(tag) === "replay")).toBe(true)
    expect(filter.size).toBe(20_000)
    expect(tags(20_000, "unseen").some((tag) => filter.has(tag))).toBe(false)
  })
  it("when full it refuses fresh tags, still knows the old ones, and takes nothing in", () => {
    const filter = new ReplayFilter({ capacity: 1_500, salt: 0 })
    const [known, more] = [tags(1_500, "known"), tags(100, "more")]
    for (const tag of known) filter.testAndSet(tag)
    expect(more.every((tag) => filter.testAndSet(tag) === "full")).toBe(true)
    expect(known.every((tag) => filter.testAndSet(tag) === "replay")).toBe(true)
    expect(more.some((tag) => filter.has(tag))).toBe(false)
    expect(filter.size).toBe(1_500)
  })
  it("looking up records nothing", () => {
    const filter = new ReplayFilter({ capacity: 4, salt: 1 })
    const [tag] = tags(1, "look")
    expect(filter.has(tag!)).toBe(false)
    expect(filter.testAndSet(tag!)).toBe("fresh")
  })
  it("the first 16 bytes decide, wherever in memory the tag lies", () => {
    const filter = new ReplayFilter({ capacity: 9, salt: 1 })
    const [tag] = tags(1, "view")
    filter.testAndSet(tag!)
    const moved = new Uint8Array(40)
    moved.set(tag!.subarray(0, 16), 7)
    expect(filter.testAndSet(moved.subarray(7, 39))).toBe("replay")
    for (let byte = 0; byte < 16; byte++) {
      const other = tag!.slice()
      other[byte]! ^= 1
      expect(filter.has(other)).toBe(false)
    }
  })
  it("the tag of zeros is a tag like any other", () => {
    const filter = new ReplayFilter({ capacity: 2, salt: 1 })
    expect([filter.has(new Uint8Array(16)), filter.testAndSet(new Uint8Array(16)), filter.testAndSet(new Uint8Array(16))]).toEqual([false, "fresh", "replay"])
    expect(filter.size).toBe(1)
  })
  it("tags that agree in most words are kept apart", () => {
    const filter = new ReplayFilter({ capacity: 5_000, salt: 9 })
    const near = Array.from({ length: 2_000 }, (_, index) => {
      const tag = new Uint8Array(16)
      new DataView(tag.buffer).setUint32(12, index + 1)
      return tag
    })
    expect(near.every((tag) => filter.testAndSet(tag) === "fresh")).toBe(true)
    expect(near.every((tag) => filter.testAndSet(tag) === "replay")).toBe(true)
  })
  it("a wiped filter is empty; a capacity below one and a short tag are mistakes of the caller", () => {
    const filter = new ReplayFilter({ capacity: 2, salt: 1 })
    const [tag] = tags(1, "wipe")
    filter.testAndSet(tag!)
    filter.wipe()
    expect([filter.size, filter.has(tag!)]).toEqual([0, false])
    expect(() => new ReplayFilter({ capacity: 0, salt: 0 })).toThrow(RangeError)
    expect(() => filter.has(new Uint8Array(15))).toThrow(RangeError)
  })
})
