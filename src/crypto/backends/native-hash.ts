/**
 * Hashes, HMAC and HKDF of the native backend.
 *
 * For short inputs the fixed cost of a call dominates: libsodium's is a third of node:crypto's. For long ones OpenSSL's SHA instructions win.
 *
 * Contract: as `CryptoBackend`. Scratch memory of this module never outlives a call with content.
 * Source: RFC 2104, RFC 5869; pigeonhole.md §1.2; departures: none.
 *
 * @module
 */
import { blake2b } from "@noble/hashes/blake2.js"
import { createHash, createHmac } from "node:crypto"
import { zeroed } from "../../bytes/allocate.ts"
import { concatBytes } from "../../bytes/concat.ts"
import type { CryptoBackend } from "../backend.ts"
import { sodiumSha512_256 } from "./sodium-sha512-256.ts"
import type { Sodium } from "./sodium.ts"

/** The same bytes without the methods of Buffer, whose `slice` shares memory. */
export const plainBytes = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => (parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(...parts))

const totalBytes = (parts: ReadonlyArray<Uint8Array>): number => {
  let total = 0
  for (const part of parts) total += part.length
  return total
}

const opensslHash = (algorithm: string, parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return plainBytes(hash.digest())
}

type Digest = (output: Uint8Array, input: Uint8Array) => void

/** HMAC and the two steps of HKDF over one hash. */
class Hmac {
  readonly #digest: Digest
  readonly #blockBytes: number
  readonly #digestBytes: number
  readonly #inner: Uint8Array
  readonly #outer: Uint8Array
  readonly #outerDigest: Uint8Array
  /** T(i) of HKDF. */
  readonly #block: Uint8Array

  constructor(digest: Digest, blockBytes: number, digestBytes: number, messageBytesMax: number) {
    this.#digest = digest
    this.#blockBytes = blockBytes
    this.#digestBytes = digestBytes
    this.#inner = new Uint8Array(blockBytes + messageBytesMax)
    this.#outer = new Uint8Array(blockBytes + digestBytes)
    this.#outerDigest = this.#outer.subarray(blockBytes)
    this.#block = new Uint8Array(digestBytes)
  }

  #prepare(key: Uint8Array): void {
    let short = key
    if (key.length > this.#blockBytes) {
      short = new Uint8Array(this.#digestBytes)
      this.#digest(short, key)
    }
    for (let i = 0; i < this.#blockBytes; i++) {
      const byte = i < short.length ? (short[i] as number) : 0
      this.#inner[i] = byte ^ 0x36
      this.#outer[i] = byte ^ 0x5c
    }
  }

  /** Memory for the padded key and a message of that length; the module's own when it fits. */
  #innerFor(messageBytes: number): Uint8Array {
    const byteCount = this.#blockBytes + messageBytes
    if (byteCount <= this.#inner.length) return this.#inner.subarray(0, byteCount)
    const larger = new Uint8Array(byteCount)
    larger.set(this.#inner.subarray(0, this.#blockBytes))
    return larger
  }

  #wipe(): void {
    this.#inner.fill(0)
    this.#outer.fill(0)
  }

  mac(key: Uint8Array, parts: ReadonlyArray<Uint8Array>): Uint8Array {
    this.#prepare(key)
    const inner = this.#innerFor(totalBytes(parts))
    let at = this.#blockBytes
    for (const part of parts) {
      inner.set(part, at)
      at += part.length
    }
    this.#digest(this.#outerDigest, inner)
    const tag = new Uint8Array(this.#digestBytes)
    this.#digest(tag, this.#outer)
    this.#wipe()
    return tag
  }

  /** T(i) = HMAC(prk, T(i-1) | info | i), i from 1. */
  expand(prk: Uint8Array, info: Uint8Array, target: number | Uint8Array): Uint8Array {
    const output = typeof target === "number" ? zeroed(target) : target
    const count = Math.ceil(output.length / this.#digestBytes)
    if (count > 255) throw new RangeError("HKDF gives at most 255 blocks")
    if (prk.length < this.#digestBytes) throw new RangeError("the key of HKDF expand is as long as a digest, or longer")
    this.#prepare(prk)
    const inner = this.#innerFor(this.#digestBytes + info.length + 1)
    inner.set(info, this.#blockBytes + this.#digestBytes)
    // The first block has no T in front of it: its message starts where info starts.
    const first = zeroed(this.#blockBytes + info.length + 1)
    first.set(inner.subarray(0, this.#blockBytes))
    first.set(info, this.#blockBytes)
    first[first.length - 1] = 1
    for (let i = 0; i < count; i++) {
      inner[inner.length - 1] = i + 1
      this.#digest(this.#outerDigest, i === 0 ? first : inner)
      this.#digest(this.#block, this.#outer)
      const rest = output.length - i * this.#digestBytes
      output.set(rest < this.#digestBytes ? this.#block.subarray(0, rest) : this.#block, i * this.#digestBytes)
      inner.set(this.#block, this.#blockBytes)
    }
    this.#block.fill(0)
    inner.fill(0)
    first.fill(0)
    this.#wipe()
    return output
  }

  /** Extract, then expand. */
  derive(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, outputBytes: number): Uint8Array {
    const prk = this.mac(salt, [ikm])
    const output = this.expand(prk, info, outputBytes)
    prk.fill(0)
    return output
  }
}

// Above these lengths OpenSSL is faster (measured on Node 20 with SHA instructions).
const SODIUM_SHA256_BYTES = 320
const SODIUM_SHA512_BYTES = 1024

type Hashes = Pick<
  CryptoBackend,
  "sha256" | "sha512" | "sha512_256" | "blake2b256" | "blake2b" | "hmacSha256" | "hkdfSha256Expand" | "hkdfSha256" | "hkdfBlake2b512"
>

export const nativeHashes = (sodium: Sodium): Hashes => {
  const sha256Hmac = new Hmac(sodium.crypto_hash_sha256, 64, 32, 1024)
  const blake2bHmac = new Hmac(sodium.crypto_generichash, 128, 64, 1024)

  const byLength = (fill: Digest, digestBytes: number, sodiumBytesMax: number, algorithm: string) => (...parts: ReadonlyArray<Uint8Array>) => {
    if (totalBytes(parts) > sodiumBytesMax) return opensslHash(algorithm, parts)
    const digest = new Uint8Array(digestBytes)
    fill(digest, joined(parts))
    return digest
  }

  const short512_256 = sodiumSha512_256(sodium)

  const blake2bOf = (outputBytes: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
    if (outputBytes < 16) return blake2b(joined(parts), { dkLen: outputBytes }) // libsodium starts at 16
    const digest = new Uint8Array(outputBytes)
    sodium.crypto_generichash(digest, joined(parts))
    return digest
  }

  return {
    sha256: byLength(sodium.crypto_hash_sha256, 32, SODIUM_SHA256_BYTES, "sha256"),
    sha512: byLength(sodium.crypto_hash_sha512, 64, SODIUM_SHA512_BYTES, "sha512"),
    sha512_256: (...parts) =>
      short512_256 === undefined || totalBytes(parts) > SODIUM_SHA512_BYTES ? opensslHash("sha512-256", parts) : short512_256(parts),
    blake2b256: (...parts) => blake2bOf(32, ...parts),
    blake2b: blake2bOf,
    hmacSha256: (key, ...parts) => {
      if (totalBytes(parts) <= SODIUM_SHA256_BYTES) return sha256Hmac.mac(key, parts)
      const mac = createHmac("sha256", key)
      for (const part of parts) mac.update(part)
      return plainBytes(mac.digest())
    },
    hkdfSha256Expand: (prk, info, output) => sha256Hmac.expand(prk, info, output),
    hkdfSha256: (ikm, salt, info, outputBytes) => sha256Hmac.derive(ikm, salt, info, outputBytes),
    hkdfBlake2b512: (ikm, salt, info, outputBytes) => blake2bHmac.derive(ikm, salt, info, outputBytes)
  }
}
