/**
 * Goal: only plain data in its one encoding is read; nothing reaches the library that it would treat specially.
 * Method: hand-written tokens of every kind, limits on both sides, and a value of every kind round trip.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { decodePlain, encodePlain, RECORD_LIMITS, type PlainValue } from "../../../src/pki/plain-msgpack.ts"

const reasonOf = (bytes: ReadonlyArray<number>, limits = RECORD_LIMITS): string =>
  Either.match(decodePlain("test", new Uint8Array(bytes), limits), { onLeft: (error) => error.reason, onRight: () => "accepted" })

describe("plain MessagePack", () => {
  const sample: PlainValue = {
    nothing: null, yes: true, no: false, small: 5, negative: -200, u32: 4_294_967_295, large: 1_760_000_000_000, fraction: 0.025, text: "Ångström 水",
    long: "x".repeat(300), bytes: new Uint8Array([1, 2, 3]), empty: new Uint8Array(0), list: [1, [2, [3]]], none: [], map: { inner: { deep: 1 } }, blank: {}
  }
  it("a value of every kind comes back equal", () => {
    expect(Either.getOrThrow(decodePlain("test", encodePlain(sample)))).toEqual(sample)
  })
  it("byte strings are copies", () => {
    const bytes = encodePlain({ key: new Uint8Array([1, 2, 3]) })
    const value = Either.getOrThrow(decodePlain("test", bytes)) as { readonly key: Uint8Array }
    bytes.fill(0)
    expect(value.key).toEqual(new Uint8Array([1, 2, 3]))
    expect(value.key.constructor).toBe(Uint8Array)
  })
  it("a view into larger memory is read at its offset", () => {
    const bytes = encodePlain([1, "two"])
    const around = new Uint8Array(bytes.length + 7)
    around.set(bytes, 4)
    expect(Either.getOrThrow(decodePlain("test", around.subarray(4, 4 + bytes.length)))).toEqual([1, "two"])
  })
  it("every truncation and every byte too many is refused", () => {
    const bytes = encodePlain(sample)
    for (let end = 0; end < bytes.length; end++) expect(reasonOf([...bytes.slice(0, end)])).toBe("truncated")
    expect(reasonOf([...bytes, 0xc0])).toBe("trailing-bytes")
  })
  it("extensions, records, timestamps and the reserved token are refused", () => {
    const tokens = [[0xd4, 0x72, 0x40], [0xc7, 0, 0x72], [0xd6, 0xff, 0, 0, 0, 0], [0xc1], [0xc8, 0, 0, 1], [0xc9, 0, 0, 0, 0, 1], [0xd5, 0x72, 0x40, 0],
      [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], [0xd8, 1]]
    for (const bytes of tokens) expect(reasonOf([0x91, ...bytes])).toBe("unknown-type")
  })
  it("64-bit integers and short floats are refused", () => {
    expect(reasonOf([0xcf, 0, 0, 0, 0, 0, 0, 0, 1])).toBe("unknown-type")
    expect(reasonOf([0xd3, 0, 0, 0, 0, 0, 0, 0, 1])).toBe("unknown-type")
    expect(reasonOf([0xca, 0x3f, 0x80, 0, 0])).toBe("unknown-type")
  })
  it("a number, text, list or map in a longer form than needed is refused", () => {
    const long = [[0xcc, 5], [0xcd, 0, 5], [0xce, 0, 0, 0, 5], [0xd0, 5], [0xd9, 1, 0x61], [0xda, 0, 1, 0x61], [0xdc, 0, 0], [0xde, 0, 0],
      [0xc5, 0, 1, 9], [0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0]]
    for (const bytes of long) expect(reasonOf(bytes)).toBe("inconsistent")
  })
  it("a repeated key, a key that is no text, and __proto__ are refused", () => {
    expect(reasonOf([0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2])).toBe("inconsistent")
    expect(reasonOf([0x81, 1, 1])).toBe("unknown-type")
    expect(reasonOf([0x81, 0xa9, ...new TextEncoder().encode("__proto__"), 0x80])).toBe("inconsistent")
  })
  it("text that is no UTF-8 is refused", () => {
    expect(reasonOf([0xa2, 0xc3, 0x28])).toBe("inconsistent")
    expect(reasonOf([0xa3, 0xed, 0xa0, 0x80])).toBe("inconsistent")
  })
  it("lengths that the input does not hold allocate nothing and are refused", () => {
    for (const first of [0xc6, 0xdb]) expect(reasonOf([first, 0xff, 0xff, 0xff, 0xff])).toBe("truncated")
    for (const first of [0xdd, 0xdf]) expect(reasonOf([first, 0xff, 0xff, 0xff, 0xff])).toBe("out-of-range")
  })
  it("bytes, items and depth are limited", () => {
    expect(reasonOf([0x93, 1, 2, 3], { maxBytes: 4, maxItems: 4, maxDepth: 1 })).toBe("accepted")
    expect(reasonOf([0x93, 1, 2, 3], { maxBytes: 3, maxItems: 4, maxDepth: 1 })).toBe("out-of-range")
    expect(reasonOf([0x93, 1, 2, 3], { maxBytes: 4, maxItems: 3, maxDepth: 1 })).toBe("out-of-range")
    expect(reasonOf([0x91, 0x91, 1], { maxBytes: 4, maxItems: 4, maxDepth: 1 })).toBe("out-of-range")
    expect(reasonOf(Array.from({ length: 100_000 }, () => 0x91))).toBe("out-of-range")
  })
})
