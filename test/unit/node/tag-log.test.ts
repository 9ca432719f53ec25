/**
 * Replay tags as bytes of a log.
 *
 * Goal: what was written is read again, at its place and under its key only, and no bytes whatever make the reader fail or invent tags. Method: batches of
 * random sizes; random bytes, as such and behind a header.
 *
 * @module
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../../src/bytes/concat.ts"
import { ReplayFilter } from "../../../src/mixnet/replay-filter.ts"
import { encodeTagBatch, readTagLog, TAG_BATCH_LIMIT, TAG_LOG_HEADER_BYTES, tagLogHeader, tagLogLimitBytes } from "../../../src/node/tag-log.ts"
import { crypto, entropy } from "./sample-node.ts"

const secret = entropy(32)
const header = tagLogHeader(crypto, 5, secret)

/** A log with batches of so many tags. */
const logOf = (counts: ReadonlyArray<number>): { readonly bytes: Uint8Array; readonly tags: Uint8Array } => {
  let bytes = header
  const all: Array<Uint8Array> = []
  for (const count of counts) {
    const tags = Array.from({ length: count }, () => entropy(16))
    all.push(...tags)
    bytes = concatBytes(bytes, encodeTagBatch(header, bytes.length, tags))
  }
  return { bytes, tags: concatBytes(...all) }
}

describe("a tag log", () => {
  it("gives back all tags in order, and stays below its limit", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }), (counts) => {
      const { bytes, tags } = logOf(counts)
      expect(readTagLog(header, bytes)).toEqual({ tags, wholeBytes: bytes.length })
      expect(bytes.length).toBeLessThanOrEqual(tagLogLimitBytes(tags.length / 16))
    }), { numRuns: 50, seed: 3 })
  })
  it("is read under its own key and epoch only", () => {
    const { bytes } = logOf([3])
    expect(readTagLog(tagLogHeader(crypto, 6, secret), bytes)).toBeUndefined()
    expect(readTagLog(tagLogHeader(crypto, 5, entropy(32)), bytes)).toBeUndefined()
  })
  it("knows a batch at its own place only, so that batches cannot be exchanged or taken out", () => {
    const { bytes } = logOf([2, 2, 2])
    const batch = (index: number) => bytes.slice(TAG_LOG_HEADER_BYTES + 48 * index, TAG_LOG_HEADER_BYTES + 48 * (index + 1))
    expect(readTagLog(header, concatBytes(header, batch(1), batch(0), batch(2)))).toBeUndefined()
    expect(readTagLog(header, concatBytes(header, batch(0), batch(2)))).toMatchObject({ wholeBytes: TAG_LOG_HEADER_BYTES + 48 })
  })
  it("of random bytes has no tags, and one of random bytes behind its header has none either", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(readTagLog(header, bytes)).toBeUndefined()
      expect(readTagLog(header, concatBytes(header, bytes))).toMatchObject({ wholeBytes: TAG_LOG_HEADER_BYTES })
    }), { numRuns: 200, seed: 4 })
  })
  it("takes no batch of no tags, of too many, of other lengths or off its place", () => {
    const tag = entropy(16)
    for (const [offset, tags] of [[16, []], [16, Array(TAG_BATCH_LIMIT + 1).fill(tag)], [16, [tag, entropy(15)]], [17, [tag]]] as const) {
      expect(() => encodeTagBatch(header, offset, tags)).toThrow(RangeError)
    }
  })
})

describe("a filter with known tags", () => {
  it("knows them, the zero tag too, counts each once, tells of new ones only, and grows on", () => {
    const known = Array.from({ length: 3_000 }, () => entropy(16))
    known[7] = new Uint8Array(16)
    const told: Array<Uint8Array> = []
    const onRecorded = (tag: Uint8Array) => void told.push(tag.slice())
    const filter = new ReplayFilter({ capacity: 4_001, salt: 9, known: concatBytes(...known, known[1]!, known[7]), onRecorded })
    expect(filter.size).toBe(3_000)
    expect(known.every((tag) => filter.testAndSet(tag) === "replay")).toBe(true)
    const more = Array.from({ length: 1_001 }, () => entropy(32))
    expect(more.every((tag) => filter.testAndSet(tag) === "fresh" && filter.testAndSet(tag) === "replay")).toBe(true)
    expect([filter.testAndSet(entropy(32)), told]).toEqual(["full", more.map((tag) => tag.slice(0, 16))])
    expect(() => new ReplayFilter({ capacity: 1, salt: 1, known: new Uint8Array(17) })).toThrow(RangeError)
  })
})
