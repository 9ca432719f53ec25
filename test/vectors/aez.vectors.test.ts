/**
 * Goal: AEZ v5 gives the published bytes, for every function, key length, tau, vector of associated data and message length.
 * Method: all vectors of the AEZ implementation (data/aez) and the calls recorded from the Go code with Sphinx settings; the reverse of each.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { aezDecrypt, aezEncrypt, aezExtract, aezHash, aezPrf, sprpDecipher, sprpEncipher } from "../../src/crypto/aez.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"

const load = (name: string) => JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), "utf8"))
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex")
const crypto = referenceBackend

interface EncryptVector {
  readonly k: string
  readonly nonce: string
  readonly data: ReadonlyArray<string>
  readonly tau: number
  readonly m: string
  readonly c: string
}

describe("AEZ v5, published vectors", () => {
  it("extracts every key", () => {
    const vectors: ReadonlyArray<{ a: string; b: string }> = load("aez/extract.json")
    expect(vectors.length).toBe(110)
    for (const { a, b } of vectors) expect(hex(aezExtract(crypto, bytes(a)))).toBe(b)
  })

  it("hashes every vector of strings, tau in bits", () => {
    const vectors: ReadonlyArray<{ k: string; tau: number; data: ReadonlyArray<string>; v: string }> = load("aez/hash.json")
    expect(vectors.length).toBe(27)
    for (const { k, tau, data, v } of vectors) expect(hex(aezHash(bytes(k), tau, data.map(bytes)))).toBe(v)
  })

  it("computes every pseudo-random string", () => {
    const vectors: ReadonlyArray<{ k: string; delta: string; tau: number; r: string }> = load("aez/prf.json")
    expect(vectors.length).toBe(16)
    for (const { k, delta, r } of vectors) expect(hex(aezPrf(bytes(k), bytes(delta), r.length / 2))).toBe(r)
  })

  for (const [name, count] of [["encrypt", 1024], ["encrypt_no_ad", 4], ["encrypt_33_byte_ad", 4], ["encrypt_16_byte_key", 4]] as const) {
    it(`encrypts and decrypts all of ${name}`, () => {
      const vectors: ReadonlyArray<EncryptVector> = load(`aez/${name}.json`)
      expect(vectors.length).toBe(count)
      for (const { k, nonce, data, tau, m, c } of vectors) {
        const ad = data.map(bytes)
        expect(hex(aezEncrypt(crypto, bytes(k), bytes(nonce), ad, tau, bytes(m)))).toBe(c)
        const opened = aezDecrypt(crypto, bytes(k), bytes(nonce), ad, tau, bytes(c))
        expect(opened === undefined ? "refused" : hex(opened)).toBe(m)
      }
    })
  }

  it("refuses every published ciphertext with one bit flipped when tau is 16", () => {
    const vectors = (load("aez/encrypt.json") as ReadonlyArray<EncryptVector>).filter((vector) => vector.tau === 16).slice(0, 100)
    expect(vectors.length).toBeGreaterThan(10)
    for (const [index, { k, nonce, data, tau, c }] of vectors.entries()) {
      const bad = bytes(c)
      bad[index % bad.length]! ^= 1 << (index % 8)
      expect(aezDecrypt(crypto, bytes(k), bytes(nonce), data.map(bytes), tau, bad)).toBeUndefined()
      expect(aezDecrypt(crypto, bytes(k), bytes(nonce), data.map(bytes), tau, bytes(c).subarray(0, 15))).toBeUndefined()
    }
  })
})

interface SprpVector {
  readonly key: string
  readonly nonce: string
  readonly length: number
  readonly plaintext?: string
  readonly ciphertext?: string
  readonly ciphertext_sha256: string
  readonly decrypt_of_plaintext_sha256: string
}

const sha256 = (value: Uint8Array): string => createHash("sha256").update(value).digest("hex")

describe("AEZ v5 as Go's Sphinx calls it", () => {
  const file = load("aez_sprp_vectors.json")

  it("agrees on every length, both directions", () => {
    const vectors: ReadonlyArray<SprpVector> = file.sprp
    expect(vectors.length).toBe(35)
    for (const vector of vectors) {
      const pattern = Uint8Array.from({ length: vector.length }, (_, i) => 167 * i + Math.floor(i / 256))
      const plaintext = vector.plaintext === undefined ? pattern : bytes(vector.plaintext)
      const key = bytes(vector.key)
      const nonce = bytes(vector.nonce)
      const enciphered = aezEncrypt(crypto, key, nonce, [], 0, plaintext)
      const deciphered = aezDecrypt(crypto, key, nonce, [], 0, plaintext)
      expect(sha256(enciphered)).toBe(vector.ciphertext_sha256)
      if (vector.ciphertext !== undefined) expect(hex(enciphered)).toBe(vector.ciphertext)
      expect(sha256(deciphered!)).toBe(vector.decrypt_of_plaintext_sha256)
      if (vector.length >= 32) {
        expect(sprpEncipher(key, nonce, plaintext)).toEqual(enciphered)
        expect(sprpDecipher(key, nonce, plaintext)).toEqual(deciphered)
      }
    }
  })

  it("agrees with an authenticator of 16 bytes", () => {
    const vectors: ReadonlyArray<{ key: string; nonce: string; tau: number; plaintext: string; ciphertext: string }> = file.aez_tau_16_no_ad
    expect(vectors.length).toBe(2)
    for (const { key, nonce, tau, plaintext, ciphertext } of vectors) {
      expect(hex(aezEncrypt(crypto, bytes(key), bytes(nonce), [], tau, bytes(plaintext)))).toBe(ciphertext)
    }
  })
})
