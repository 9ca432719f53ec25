/**
 * Goal: POLYVAL is the one of RFC 8452, for any cut of the input into padded parts.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { polyval } from "../../../src/crypto/polyval.ts"

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex")

/** The definition with big integers: sum of products times x^-128, bit by bit. */
const slowPolyval = (key: Uint8Array, blocks: Uint8Array): string => {
  const toInteger = (block: Uint8Array) => block.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
  const modulus = (1n << 128n) | (1n << 127n) | (1n << 126n) | (1n << 121n) | 1n
  const h = toInteger(key)
  let state = 0n
  for (let at = 0; at < blocks.length; at += 16) {
    state ^= toInteger(blocks.subarray(at, at + 16))
    let product = 0n
    for (let i = 0n; i < 128n; i++) if (((state >> i) & 1n) === 1n) product ^= h << i
    for (let i = 0; i < 128; i++) product = ((product & 1n) === 1n ? product ^ modulus : product) >> 1n // divides by x
    for (let i = 127n; i >= 0n; i--) if (((product >> (128n + i)) & 1n) === 1n) product ^= modulus << i
    state = product
  }
  return hex(Uint8Array.from({ length: 16 }, (_, i) => Number((state >> BigInt(8 * i)) & 255n)))
}

describe("POLYVAL", () => {
  it("gives the value of RFC 8452 appendix A", () => {
    const key = bytes("25629347589242761d31f826ba4b757b")
    const blocks = bytes("4f4f95668c83dfb6401762bb2d01a262d1a24ddd2721d006bbe45f20d3c9f362")
    expect(hex(polyval(key, blocks))).toBe("f7a3b47b846119fae5b7866cf5e5b77e")
    expect(hex(polyval(key, blocks.subarray(0, 16), blocks.subarray(16)))).toBe("f7a3b47b846119fae5b7866cf5e5b77e")
  })

  it("agrees with the definition on random keys and blocks", () => {
    const entropy = seededEntropy(1, "polyval")
    for (let i = 0; i < 20; i++) {
      const key = entropy(16)
      const blocks = entropy(16 * (1 + (i % 5)))
      expect(hex(polyval(key, blocks))).toBe(slowPolyval(key, blocks))
    }
  })

  it("pads each part with zeros and keeps no state between calls", () => {
    const entropy = seededEntropy(2, "polyval")
    const key = entropy(16)
    const part = entropy(21)
    const padded = new Uint8Array(32)
    padded.set(part)
    expect(polyval(key, part, part)).toEqual(polyval(key, padded, padded))
    expect(polyval(key)).toEqual(new Uint8Array(16))
    expect(polyval(key, new Uint8Array(0), part)).toEqual(polyval(key, part))
  })

  it("dies for a key that is not one block", () => {
    expect(() => polyval(new Uint8Array(32))).toThrow(RangeError)
  })
})
