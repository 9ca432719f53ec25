/**
 * Goal: blinding a public key and a private key by one factor gives a matching pair, in any order of factors, with factors of any length.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"
import { blindAgain, blindPrivateKey, blindPublicKey, signBlinded } from "../../../src/crypto/blinded-ed25519.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { zeroize } from "../../../src/crypto/zeroize.ts"

for (const crypto of [referenceBackend, Either.getOrThrow(nativeBackend())]) {
  describe(`blinded Ed25519, ${crypto.name} backend`, () => {
    const entropy = seededEntropy(3, "blinded")

    it("gives the same public key from either half, for factors of any length", () => {
      for (const length of [1, 31, 32, 33, 100]) {
        const seed = entropy(32)
        const factor = entropy(length)
        expect(blindPublicKey(crypto, crypto.ed25519PublicKey(seed), factor)).toEqual(blindPrivateKey(crypto, seed, factor).publicKey)
      }
    })

    it("does not depend on the order of two factors", () => {
      const [seed, f, g] = [entropy(32), entropy(32), entropy(32)]
      const one = blindAgain(crypto, blindPrivateKey(crypto, seed, f), g)
      expect(one).toEqual(blindAgain(crypto, blindPrivateKey(crypto, seed, g), f))
      expect(blindPublicKey(crypto, blindPublicKey(crypto, crypto.ed25519PublicKey(seed), f)!, g)).toEqual(one.publicKey)
    })

    it("signs so that the blinded key verifies, and no other key or message", () => {
      const [seed, factor, message] = [entropy(32), entropy(32), entropy(50)]
      const key = blindPrivateKey(crypto, seed, factor)
      const signature = signBlinded(crypto, key, message)
      expect(signature.length).toBe(64)
      expect(signBlinded(crypto, key, message)).toEqual(signature)
      expect(crypto.ed25519Verify(key.publicKey, message, signature)).toBe(true)
      expect(crypto.ed25519Verify(crypto.ed25519PublicKey(seed), message, signature)).toBe(false)
      expect(crypto.ed25519Verify(key.publicKey, message.subarray(1), signature)).toBe(false)
      expect(crypto.ed25519Verify(key.publicKey, new Uint8Array(0), signBlinded(crypto, key, new Uint8Array(0)))).toBe(true)
    })

    it("refuses what is no point and dies for what is no seed", () => {
      expect(blindPublicKey(crypto, Uint8Array.of(2, ...new Uint8Array(31)), entropy(32))).toBeUndefined()
      expect(blindPublicKey(crypto, new Uint8Array(31), entropy(32))).toBeUndefined()
      expect(() => blindPrivateKey(crypto, entropy(64), entropy(32))).toThrow(RangeError)
    })
  })
}

describe("zeroize", () => {
  it("wipes every array and skips what is undefined", () => {
    const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)]
    zeroize(a, undefined, b)
    expect([a, b]).toEqual([Uint8Array.of(0, 0), Uint8Array.of(0)])
  })
})
