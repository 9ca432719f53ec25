/**
 * Ciphers of the native backend: AES-256-CTR and the AES of GCM-SIV by OpenSSL, ChaCha20 and ChaCha20-Poly1305 by libsodium, POLYVAL in WebAssembly.
 *
 * Contract: as `CryptoBackend`; a sealed text that was altered or is too short is answered with `undefined`.
 * Constant time, as far as OpenSSL and libsodium are; not so POLYVAL where there is no WebAssembly (polyval-engine says so).
 * Source: RFC 8452 §4–§5, RFC 8439; sphinx.md §4; departures: none.
 *
 * @module
 */
import { createCipheriv } from "node:crypto"
import { copied, zeroed, zeroedOffHeap } from "../../bytes/allocate.ts"
import { constantTimeEqual } from "../../bytes/equal.ts"
import type { CryptoBackend } from "../backend.ts"
import type { Polyval } from "../wasm/polyval-engine.ts"
import { requireLength } from "./length.ts"
import { plainBytes } from "./native-hash.ts"
import type { Sodium } from "./sodium.ts"

const TAG_BYTES = 16

type AesEcb = (blocks: Uint8Array) => Uint8Array

/** AES-256 on whole blocks. */
const aesEcb = (key: Uint8Array): AesEcb => {
  const cipher = createCipheriv("aes-256-ecb", key, null)
  cipher.setAutoPadding(false)
  return (blocks) => cipher.update(blocks)
}

/** The two keys of one nonce: for POLYVAL (16 bytes) and for AES (32 bytes). Six blocks, of which the first halves count, in one call. */
const deriveKeys = (key: Uint8Array, nonce: Uint8Array): { readonly hashKey: Uint8Array; readonly aes: AesEcb } => {
  const blocks = zeroed(6 * 16)
  for (let i = 0; i < 6; i++) {
    blocks[16 * i] = i
    blocks.set(nonce, 16 * i + 4)
  }
  const output = aesEcb(key)(blocks)
  for (let i = 1; i < 6; i++) output.copyWithin(8 * i, 16 * i, 16 * i + 8)
  const aes = aesEcb(output.subarray(16, 48))
  const hashKey = plainBytes(output).slice(0, 16)
  output.fill(0)
  return { hashKey, aes }
}

const gcmSivTag = (
  polyval: Polyval, hashKey: Uint8Array, aes: AesEcb, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array
): Uint8Array => {
  const lengths = new Uint8Array(16)
  const view = new DataView(lengths.buffer)
  view.setBigUint64(0, BigInt(aad.length) * 8n, true)
  view.setBigUint64(8, BigInt(plaintext.length) * 8n, true)
  const hash = polyval(hashKey, aad, plaintext, lengths)
  for (let i = 0; i < 12; i++) hash[i] = (hash[i] as number) ^ (nonce[i] as number)
  hash[15] = (hash[15] as number) & 0x7f
  return aes(hash)
}

/** True where the words of typed arrays have their low byte first. */
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** The blocks to encipher for `byteCount` bytes: the counter is the first four bytes of the tag, little-endian, modulo 2^32. */
const counterBlocks = (tag: Uint8Array, byteCount: number): Uint8Array => {
  const blocks = zeroed(16 * Math.ceil(byteCount / 16))
  const view = new DataView(tag.buffer, tag.byteOffset, 16)
  const start = view.getUint32(0, true)
  const [w1, w2, w3] = [view.getInt32(4, true), view.getInt32(8, true), view.getInt32(12, true) | 0x80000000]
  if (!LITTLE_ENDIAN) {
    const counters = new DataView(blocks.buffer, blocks.byteOffset, blocks.length)
    for (let at = 0; at < blocks.length; at += 16) [start + at / 16, w1, w2, w3].forEach((word, i) => counters.setInt32(at + 4 * i, word, true))
    return blocks
  }
  const words = new Int32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4)
  for (let i = 0, counter = start; i < words.length; i += 4, counter++) {
    words[i] = counter
    words[i + 1] = w1
    words[i + 2] = w2
    words[i + 3] = w3
  }
  return blocks
}

/** XORs the first `byteCount` bytes of `text` with the keystream. */
const applyKeystream = (aes: AesEcb, tag: Uint8Array, text: Uint8Array, byteCount: number): void => {
  const keystream = aes(counterBlocks(tag, byteCount))
  const aligned = text.byteOffset % 4 === 0 && keystream.byteOffset % 4 === 0
  const wordCount = aligned ? Math.floor(byteCount / 4) : 0
  if (aligned) {
    const words = new Int32Array(text.buffer, text.byteOffset, wordCount)
    const keyWords = new Int32Array(keystream.buffer, keystream.byteOffset, wordCount)
    for (let i = 0; i < wordCount; i++) words[i] = (words[i] as number) ^ (keyWords[i] as number)
  }
  for (let i = 4 * wordCount; i < byteCount; i++) text[i] = (text[i] as number) ^ (keystream[i] as number)
}

const checkAead = (key: Uint8Array, nonce: Uint8Array): void => {
  requireLength("AEAD key", key, 32)
  requireLength("AEAD nonce", nonce, 12)
}

const gcmSiv = (polyval: Polyval): Pick<CryptoBackend, "aes256GcmSivSeal" | "aes256GcmSivOpen"> => ({
  aes256GcmSivSeal: (key, nonce, aad, plaintext) => {
    checkAead(key, nonce)
    const { hashKey, aes } = deriveKeys(key, nonce)
    const tag = gcmSivTag(polyval, hashKey, aes, nonce, aad, plaintext)
    const sealed = zeroed(plaintext.length + TAG_BYTES)
    sealed.set(plaintext)
    applyKeystream(aes, tag, sealed, plaintext.length)
    sealed.set(tag, plaintext.length)
    return sealed
  },
  aes256GcmSivOpen: (key, nonce, aad, sealed) => {
    checkAead(key, nonce)
    if (sealed.length < TAG_BYTES) return undefined
    const { hashKey, aes } = deriveKeys(key, nonce)
    const plaintext = copied(sealed, 0, sealed.length - TAG_BYTES)
    const tag = sealed.subarray(sealed.length - TAG_BYTES)
    applyKeystream(aes, tag, plaintext, plaintext.length)
    if (constantTimeEqual(gcmSivTag(polyval, hashKey, aes, nonce, aad, plaintext), tag)) return plaintext
    plaintext.fill(0)
    return undefined
  }
})

type Ciphers = Pick<
  CryptoBackend,
  "aes256Ctr" | "aes256CtrInto" | "chacha20Block32" | "chacha20Poly1305Seal" | "chacha20Poly1305Open" | "aes256GcmSivSeal" | "aes256GcmSivOpen"
>

const ZERO_NONCE = new Uint8Array(8)

const aes256Ctr: CryptoBackend["aes256Ctr"] = (key, iv, data) => {
  requireLength("AES key", key, 32)
  requireLength("AES IV", iv, 16)
  return plainBytes(createCipheriv("aes-256-ctr", key, iv).update(data))
}

export const nativeCiphers = (sodium: Sodium, polyval: Polyval): Ciphers => ({
  aes256Ctr,
  aes256CtrInto: (key, iv, data, output) => {
    requireLength("output", output, data.length)
    output.set(aes256Ctr(key, iv, data))
  },
  chacha20Block32: (key) => {
    requireLength("ChaCha20 key", key, 32)
    const block = zeroedOffHeap(32)
    sodium.crypto_stream_chacha20(block, ZERO_NONCE, key)
    return block
  },
  chacha20Poly1305Seal: (key, nonce, aad, plaintext) => {
    checkAead(key, nonce)
    const sealed = zeroed(plaintext.length + TAG_BYTES)
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plaintext, aad.length === 0 ? null : aad, null, nonce, key)
    return sealed
  },
  chacha20Poly1305Open: (key, nonce, aad, sealed) => {
    checkAead(key, nonce)
    if (sealed.length < TAG_BYTES) return undefined
    const plaintext = zeroed(sealed.length - TAG_BYTES)
    try {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, null, sealed, aad.length === 0 ? null : aad, nonce, key)
      return plaintext
    } catch {
      return undefined
    }
  },
  ...gcmSiv(polyval)
})
