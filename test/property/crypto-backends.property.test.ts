/**
 * Goal: the two backends are one function: identical bytes for every primitive on random inputs of random lengths.
 * Method: fast-check, fixed seed; each property runs both backends and compares.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"

const native = Either.getOrThrow(nativeBackend())

const bytesOf = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength })
/** Lengths around the thresholds between libraries matter most. */
const message = fc.oneof(bytesOf(0, 200), bytesOf(300, 340), bytesOf(1000, 1100), bytesOf(2000, 3000))
const parts = fc.array(fc.oneof(bytesOf(0, 130), bytesOf(250, 400)), { maxLength: 4 })
const key32 = bytesOf(32)
const scalar = bytesOf(64).map((wide) => referenceBackend.scalarReduce(wide))

const agree = <T extends Array<unknown>>(
  runs: number, inputs: { [K in keyof T]: fc.Arbitrary<T[K]> }, compute: (crypto: CryptoBackend, ...args: T) => unknown
): void =>
  fc.assert(
    fc.property(fc.tuple<T>(...inputs), (args) => {
      const before = structuredClone(args)
      const result = compute(native, ...args)
      expect(result).toEqual(compute(referenceBackend, ...args))
      expect(args).toEqual(before) // inputs are not modified
      for (const array of [result].flat()) {
        if (array instanceof Uint8Array) expect(Object.getPrototypeOf(array)).toBe(Uint8Array.prototype) // not a Buffer
      }
    }),
    { seed: 20250518, numRuns: runs }
  )

describe("native and reference agree", () => {
  it("on hashes of any number of parts", () => {
    agree(60, [parts], (crypto, p) => [crypto.sha256(...p), crypto.sha512(...p), crypto.sha512_256(...p), crypto.blake2b256(...p)])
    agree(30, [message], (crypto, m) => [crypto.sha256(m), crypto.sha512(m), crypto.sha512_256(m), crypto.blake2b256(m)])
  })

  it("on BLAKE2b of every output length", () => {
    for (let outputBytes = 1; outputBytes <= 64; outputBytes++) agree(2, [parts], (crypto, p) => crypto.blake2b(outputBytes, ...p))
  })

  it("on HMAC with keys shorter and longer than a block", () => {
    agree(100, [bytesOf(0, 150), parts], (crypto, key, p) => crypto.hmacSha256(key, ...p))
    agree(20, [key32, message], (crypto, key, m) => crypto.hmacSha256(key, m))
  })

  it("on every form of HKDF", () => {
    agree(60, [bytesOf(32, 150), bytesOf(0, 100), fc.integer({ min: 0, max: 300 })], (crypto, prk, info, length) =>
      crypto.hkdfSha256Expand(prk, info, length))
    agree(60, [bytesOf(32, 150), bytesOf(0, 100), fc.integer({ min: 0, max: 300 })], (crypto, prk, info, length) => {
      const memory = new Uint8Array(length + 2).fill(7)
      const filled = crypto.hkdfSha256Expand(prk, info, memory.subarray(1, length + 1))
      expect(filled).toEqual(crypto.hkdfSha256Expand(prk, info, length))
      expect(filled.buffer).toBe(memory.buffer)
      return [memory]
    })
    agree(60, [bytesOf(0, 200), bytesOf(0, 100), bytesOf(0, 60), fc.integer({ min: 1, max: 300 })], (crypto, ikm, salt, info, length) => [
      crypto.hkdfSha256(ikm, salt, info, length), crypto.hkdfBlake2b512(ikm, salt, info, length)
    ])
    agree(5, [key32, bytesOf(1100, 1300)], (crypto, key, long) => [
      crypto.hkdfSha256Expand(key, long, 160), crypto.hkdfBlake2b512(long, key, long, 96), crypto.hkdfSha256(long, long, long, 40)
    ])
  })

  it("on ciphers, including a counter that overflows", () => {
    agree(60, [key32, bytesOf(16), message], (crypto, key, iv, m) => crypto.aes256Ctr(key, iv, m))
    agree(5, [key32, message], (crypto, key, m) => crypto.aes256Ctr(key, new Uint8Array(16).fill(0xff), m))
    agree(20, [key32, bytesOf(16), message], (crypto, key, iv, m) => {
      const output = new Uint8Array(m.length)
      crypto.aes256CtrInto(key, iv, m, output)
      const same = m.slice()
      crypto.aes256CtrInto(key, iv, same, same)
      return [output, same, crypto.aes256Ctr(key, iv, m)]
    })
    agree(30, [key32], (crypto, key) => crypto.chacha20Block32(key))
    agree(20, [bytesOf(48), bytesOf(16), bytesOf(32, 3000)], (crypto, key, iv, m) => [crypto.sprpEncipher(key, iv, m), crypto.sprpDecipher(key, iv, m)])
  })

  it("on both AEADs, in sealing and in opening", () => {
    agree(60, [key32, bytesOf(12), bytesOf(0, 80), message], (crypto, key, nonce, aad, m) => {
      const chacha = crypto.chacha20Poly1305Seal(key, nonce, aad, m)
      const siv = crypto.aes256GcmSivSeal(key, nonce, aad, m)
      expect(crypto.chacha20Poly1305Open(key, nonce, aad, chacha)).toEqual(m)
      expect(crypto.aes256GcmSivOpen(key, nonce, aad, siv)).toEqual(m)
      return [chacha, siv]
    })
  })

  it("on refusing every altered or shortened sealed text", () => {
    const bit = fc.nat()
    agree(60, [key32, bytesOf(12), bytesOf(0, 40), bytesOf(0, 100), bit], (crypto, key, nonce, aad, m, position) => {
      for (const name of ["chacha20Poly1305", "aes256GcmSiv"] as const) {
        const sealed = crypto[`${name}Seal`](key, nonce, aad, m)
        const altered = sealed.slice()
        altered[(position >>> 3) % sealed.length]! ^= 1 << (position & 7)
        expect(crypto[`${name}Open`](key, nonce, aad, altered)).toBeUndefined()
        expect(crypto[`${name}Open`](key, nonce, aad, sealed.subarray(0, position % sealed.length))).toBeUndefined()
        expect(crypto[`${name}Open`](key, nonce, Uint8Array.of(...aad, 0), sealed)).toBeUndefined()
      }
      return []
    })
  })

  it("on X25519 and X448 of any bytes, clamped or not, with the top bit or not", () => {
    agree(25, [key32, key32], (crypto, k, u) => [crypto.x25519(k, u), crypto.x25519PublicKey(k)])
    agree(3, [bytesOf(56), bytesOf(56)], (crypto, k, u) => [crypto.x448(k, u), crypto.x448PublicKey(k)])
  })

  it("on Ed25519 keys, signatures and honest verification", () => {
    agree(15, [key32, bytesOf(0, 300)], (crypto, seed, m) => {
      const publicKey = crypto.ed25519PublicKey(seed)
      const signature = crypto.ed25519Sign(seed, m)
      expect(crypto.ed25519Verify(publicKey, m, signature)).toBe(true)
      expect(crypto.ed25519Verify(publicKey, Uint8Array.of(...m, 1), signature)).toBe(false)
      return [publicKey, signature]
    })
  })

  it("on scalars", () => {
    agree(100, [bytesOf(64), key32], (crypto, wide, narrow) => [crypto.scalarReduce(wide), crypto.scalarReduce(narrow)])
    agree(100, [scalar, scalar, scalar], (crypto, a, b, c) => [crypto.scalarMultiply(a, b), crypto.scalarMultiplyAdd(a, b, c)])
    const largest = referenceBackend.scalarReduce(Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 0x0f : 0xff)))
    agree(1, [fc.constant(largest)], (crypto, a) => crypto.scalarMultiplyAdd(a, a, a))
  })

  it("on points: which bytes decode, and their multiples", () => {
    agree(60, [key32], (crypto, encoded) => crypto.edwardsPointIsValid(encoded))
    agree(25, [scalar, key32], (crypto, k, encoded) => crypto.edwardsScalarMult(k, encoded))
    agree(15, [scalar, scalar], (crypto, k, other) => [crypto.edwardsScalarMultBase(k), crypto.edwardsScalarMult(k, crypto.edwardsScalarMultBase(other))])
  })

  it("on X-Wing, implicit rejection included", () => {
    agree(4, [key32, bytesOf(64), fc.nat({ max: 1087 })], (crypto, seed, coins, position) => {
      const privateKey = crypto.xwingPrivateKey(seed)
      const made = crypto.xwingEncapsulate(privateKey.publicKey, coins)!
      expect(crypto.xwingDecapsulate(privateKey, made.ciphertext)).toEqual(made.sharedSecret)
      const altered = made.ciphertext.slice()
      altered[position]! ^= 1
      const rejected = crypto.xwingDecapsulate(privateKey, altered)!
      expect(rejected).not.toEqual(made.sharedSecret)
      return [privateKey.publicKey, made.ciphertext, made.sharedSecret, rejected]
    })
  })
})
