/**
 * Goal: AEZ is a permutation of every length, keeps its input, and one changed bit changes everything.
 * Method: random inputs from a fixed seed, for every length from 1 to 200 and some larger ones.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { aezDecrypt, aezEncrypt, aezPrf, sprpDecipher, sprpEncipher } from "../../../src/crypto/aez.ts"
import { referenceBackend as crypto } from "../../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"

const differingBits = (a: Uint8Array, b: Uint8Array): number => {
  let count = 0
  for (const [i, byte] of a.entries()) for (let rest = byte ^ b[i]!; rest > 0; rest >>>= 1) count += rest & 1
  return count
}

describe("AEZ", () => {
  const entropy = seededEntropy(1, "aez")
  const key = entropy(48)
  const nonce = entropy(16)

  it("deciphers what it enciphered, in both orders, for every length", () => {
    for (const length of [...Array.from({ length: 200 }, (_, i) => i + 1), 511, 512, 513, 2606, 5000]) {
      const message = entropy(length)
      const copy = message.slice()
      const enciphered = aezEncrypt(crypto, key, nonce, [], 0, message)
      expect(enciphered.length).toBe(length)
      expect(aezDecrypt(crypto, key, nonce, [], 0, enciphered)).toEqual(message)
      expect(aezEncrypt(crypto, key, nonce, [], 0, aezDecrypt(crypto, key, nonce, [], 0, message)!)).toEqual(message)
      expect(message).toEqual(copy)
    }
  })

  it("is a permutation of all messages of one byte", () => {
    const images = new Set(Array.from({ length: 256 }, (_, i) => aezEncrypt(crypto, key, nonce, [], 0, Uint8Array.of(i))[0]))
    expect(images.size).toBe(256)
  })

  it("changes about half of all bits, anywhere, when one bit of the data, the IV or the key changes", () => {
    const message = entropy(300)
    const base = sprpEncipher(key, nonce, message)
    const flip = (bytes: Uint8Array, bit: number) => bytes.map((byte, i) => (i === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte))
    const variants = [
      ...Array.from({ length: 60 }, (_, i) => sprpEncipher(key, nonce, flip(message, 40 * i))),
      ...Array.from({ length: 16 }, (_, i) => sprpEncipher(key, flip(nonce, 8 * i), message)),
      ...Array.from({ length: 48 }, (_, i) => sprpEncipher(flip(key, 8 * i + 3), nonce, message))
    ]
    // 2400 bits, standard deviation 24.5: six of them
    for (const variant of variants) expect(Math.abs(differingBits(base, variant) - 1200)).toBeLessThan(147)
    const inverse = sprpDecipher(key, nonce, message)
    for (let i = 0; i < 60; i++) expect(Math.abs(differingBits(inverse, sprpDecipher(key, nonce, flip(message, 40 * i))) - 1200)).toBeLessThan(147)
  })

  it("reads data at any alignment", () => {
    const memory = entropy(400)
    for (let offset = 0; offset < 8; offset++) {
      const view = memory.subarray(offset, offset + 333)
      expect(sprpEncipher(key, nonce, view)).toEqual(sprpEncipher(key, nonce, view.slice()))
    }
  })

  it("tells strings of associated data apart by their number, order and borders", () => {
    const text = (value: string) => new TextEncoder().encode(value)
    const lists = [[], [""], ["", ""], ["ab"], ["a", "b"], ["b", "a"], ["ab", ""], ["", "ab"], ["ab\0"], ["a\x80"]]
    const sealed = lists.map((list) => Buffer.from(aezEncrypt(crypto, key, nonce, list.map(text), 16, text("message"))).toString("hex"))
    expect(new Set(sealed).size).toBe(lists.length)
  })

  it("refuses every single flipped bit of a sealed message, and a wrong nonce, list or tau", () => {
    for (const message of [entropy(0), entropy(9), entropy(40)]) {
      const sealed = aezEncrypt(crypto, key, nonce, [nonce], 16, message)
      expect(aezDecrypt(crypto, key, nonce, [nonce], 16, sealed)).toEqual(message)
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const altered = sealed.slice()
        altered[bit >>> 3]! ^= 1 << (bit & 7)
        expect(aezDecrypt(crypto, key, nonce, [nonce], 16, altered)).toBeUndefined()
      }
      expect(aezDecrypt(crypto, key, entropy(16), [nonce], 16, sealed)).toBeUndefined()
      expect(aezDecrypt(crypto, key, nonce, [], 16, sealed)).toBeUndefined()
      expect(aezDecrypt(crypto, key, nonce, [nonce], 15, sealed)).toBeUndefined()
    }
  })

  it("dies for keys, IVs, tweaks and data of a wrong length", () => {
    expect(() => sprpEncipher(key.subarray(1), nonce, entropy(32))).toThrow(RangeError)
    expect(() => sprpEncipher(key, nonce.subarray(1), entropy(32))).toThrow(RangeError)
    expect(() => sprpDecipher(key, nonce, entropy(31))).toThrow(RangeError)
    expect(() => aezPrf(key, nonce.subarray(1), 5)).toThrow(RangeError)
  })
})
