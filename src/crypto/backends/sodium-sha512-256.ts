/**
 * SHA-512/256 by libsodium, which has only SHA-512: the same function from another initial state, cut to 32 bytes.
 *
 * For the short inputs of packets the fixed cost of OpenSSL's hash objects dominates, and each of them is a task for the garbage collector.
 *
 * Contract: `undefined` when the library's state is not what its header says; what is handed out has been compared with OpenSSL. Scratch memory never
 * outlives a call with content.
 * Source: FIPS 180-4 §5.3.6 (the initial state is a digest of the function's name); crypto_hash_sha512.h: the state starts with the eight words;
 * departures: none.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { utf8 } from "../../bytes/concat.ts"
import { constantTimeEqual } from "../../bytes/equal.ts"
import type { Sodium } from "./sodium.ts"

const DIGEST_BYTES = 32
const WIDE_BYTES = 64
const WORD_COUNT = 8
const NAME_MASK = 0xa5a5a5a5a5a5a5a5n
const TESTED_LENGTHS = [0, 1, 32, 111, 112, 128, 300]

export type Sha512_256 = (parts: ReadonlyArray<Uint8Array>) => Uint8Array

const digestFrom = (sodium: Sodium): Sha512_256 => {
  const state = new Uint8Array(sodium.crypto_hash_sha512_STATEBYTES)
  const words = new BigUint64Array(state.buffer, 0, WORD_COUNT)
  const wide = new Uint8Array(WIDE_BYTES)
  sodium.crypto_hash_sha512_init(state)
  for (let i = 0; i < WORD_COUNT; i++) words[i] = (words[i] as bigint) ^ NAME_MASK
  sodium.crypto_hash_sha512_update(state, utf8("SHA-512/256"))
  sodium.crypto_hash_sha512_final(state, wide)
  const initial = new DataView(wide.buffer)
  sodium.crypto_hash_sha512_init(state)
  for (let i = 0; i < WORD_COUNT; i++) words[i] = initial.getBigUint64(8 * i)
  const start = state.slice()
  return (parts) => {
    state.set(start)
    for (const part of parts) sodium.crypto_hash_sha512_update(state, part)
    sodium.crypto_hash_sha512_final(state, wide)
    const digest = wide.slice(0, DIGEST_BYTES)
    wide.fill(0)
    state.fill(0)
    return digest
  }
}

/** The function, if it is right on this machine. */
export const sodiumSha512_256 = (sodium: Sodium): Sha512_256 | undefined => {
  try {
    const digest = digestFrom(sodium)
    const pattern = Uint8Array.from({ length: 300 }, (_, i) => 167 * i + (i >>> 8))
    const isRight = TESTED_LENGTHS.every((byteCount) => {
      const input = pattern.subarray(0, byteCount)
      return constantTimeEqual(digest([input]), createHash("sha512-256").update(input).digest())
    })
    return isRight ? digest : undefined
  } catch {
    return undefined
  }
}
