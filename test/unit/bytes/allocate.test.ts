/**
 * Byte strings cut from slabs are nobody else's.
 *
 * Goal: what `zeroed` gives is zero and overlaps nothing, whatever was given out and written before; copies are copies.
 * Method: many lengths around every limit, all written full; views are compared by where they lie.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { copied, waitingZeros, zeroed } from "../../../src/bytes/allocate.ts"

const LENGTHS = [0, 1, 63, 64, 65, 100, 1_000, 3_000, 16_383, 16_384, 16_385, 70_000]

describe("byte strings of a moment", () => {
  it("are zero although all given out before were written full, and begin at a multiple of eight", () => {
    for (let round = 0; round < 20; round++) {
      for (const byteLength of LENGTHS) {
        const bytes = zeroed(byteLength)
        expect(bytes.length).toBe(byteLength)
        expect(bytes.every((byte) => byte === 0)).toBe(true)
        expect(bytes.byteOffset % 8).toBe(0)
        bytes.fill(0xff)
      }
    }
  })
  it("overlap no other", () => {
    const all = Array.from({ length: 400 }, (_, index) => (index % 3 === 0 ? waitingZeros : zeroed)(65 + ((index * 97) % 3_000)))
    expect(all.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
    all.forEach((bytes, index) => bytes.fill(index))
    expect(all.every((bytes, index) => bytes.every((byte) => byte === index % 256))).toBe(true)
  })
  it("are plain Uint8Arrays, and a wrong length is refused as the constructor does", () => {
    expect(Object.getPrototypeOf(zeroed(100))).toBe(Uint8Array.prototype)
    expect(() => zeroed(-1)).toThrow(RangeError)
    expect(zeroed(Number.NaN).length).toBe(0)
  })
  it("copies are equal and apart from what they were made of, whole or in part", () => {
    const source = Uint8Array.from({ length: 300 }, (_, index) => index)
    const whole = copied(source)
    const part = copied(source, 10, 200)
    expect(part).toEqual(source.slice(10, 200))
    source.fill(0)
    expect([whole[5], part[0]]).toEqual([5, 10])
    expect(copied(source, 290, 999).length).toBe(10)
  })
})
