/**
 * Zeros are zeros wherever the byte string lies.
 *
 * Goal: one bit anywhere is seen, in the bytes before the first whole word, in the words and behind them; bytes next to the string do not count.
 * Method: every place of strings of many lengths at every offset, between bytes that are not zero.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { constantTimeEqual, isAllZero } from "../../../src/bytes/equal.ts"

describe("a byte string of zeros", () => {
  it("is one at any offset and of any length, and is none with one bit anywhere", () => {
    const memory = new Uint8Array(300).fill(0xff)
    for (const length of [0, 1, 3, 32, 127, 128, 129, 130, 131, 200, 257]) {
      for (let offset = 1; offset < 9; offset++) {
        const bytes = memory.subarray(offset, offset + length)
        bytes.fill(0)
        expect(isAllZero(bytes)).toBe(true)
        for (let at = 0; at < length; at++) {
          bytes[at] = 1 << (at % 8)
          expect(isAllZero(bytes)).toBe(false)
          bytes[at] = 0
        }
        bytes.fill(0xff)
      }
    }
  })
  it("compares equal to another of its length alone", () => {
    expect(constantTimeEqual(new Uint8Array(5), new Uint8Array(5))).toBe(true)
    expect(constantTimeEqual(new Uint8Array(5), new Uint8Array(6))).toBe(false)
    expect(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
  })
})
