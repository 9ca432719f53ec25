/**
 * A map by the content of byte strings.
 *
 * Goal: equal bytes are one key and others are not, however alike they begin, and the map keeps a copy.
 * Method: keys that share their first bytes; generated ones held against a map of hex texts.
 *
 * @module
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BytesMap } from "../../../src/bytes/bytes-map.ts"
import { toHex } from "../../../src/bytes/hex.ts"

describe("a map by bytes", () => {
  it("tells keys apart that begin alike, or that one of them begins with", () => {
    const map = new BytesMap([[Uint8Array.of(1, 2, 3, 4, 5), "five"], [Uint8Array.of(1, 2, 3, 4, 6), "six"], [Uint8Array.of(1, 2, 3, 4), "four"]])
    expect(map.get(Uint8Array.of(1, 2, 3, 4, 5))).toBe("five")
    expect(map.get(Uint8Array.of(1, 2, 3, 4, 6))).toBe("six")
    expect(map.get(Uint8Array.of(1, 2, 3, 4))).toBe("four")
    expect(map.get(Uint8Array.of(1, 2, 3, 4, 7))).toBeUndefined()
    expect(map.get(Uint8Array.of(9, 2, 3, 4, 5))).toBeUndefined()
  })
  it("is as a map of their hex texts, the last value of a key counting", () => {
    const key = fc.uint8Array({ minLength: 4, maxLength: 6, max: 1 })
    fc.assert(fc.property(fc.array(fc.tuple(key, fc.nat())), fc.array(key), (entries, asked) => {
      const map = new BytesMap(entries)
      const texts = new Map(entries.map(([bytes, value]) => [toHex(bytes), value]))
      for (const bytes of [...asked, ...entries.map(([one]) => one)]) expect(map.get(bytes)).toBe(texts.get(toHex(bytes)))
    }))
  })
  it("keeps copies of its keys, and refuses short ones", () => {
    const key = Uint8Array.of(1, 2, 3, 4)
    const map = new BytesMap([[key, "kept"]])
    key.fill(0)
    expect(map.get(Uint8Array.of(1, 2, 3, 4))).toBe("kept")
    expect(() => map.set(new Uint8Array(3), "short")).toThrow(RangeError)
    expect(map.get(new Uint8Array(0))).toBeUndefined()
  })
})
