/**
 * Write caps and read caps: who may write, and who may read, from which box of a stream onward.
 *
 * WriteCap, 168 bytes: seed 32 ‖ root public key P_R 32 ‖ index 104. ReadCap, 136 bytes: P_R 32 ‖ index 104.
 *
 * Contract: a cap that decodes is whole: P_R is a point, and the public half of a write cap is the one its seed derives. The index is the
 * first one its holder can use.
 * Knows nothing of: contexts, boxes, replicas. Caps are secrets: nothing here prints or logs them.
 * Source: pigeonhole.md §1.1, §1.2; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { BOX_INDEX_BYTES, encodeBoxIndex, readBoxIndex, stepIndex, type MessageBoxIndex } from "./box-index.ts"

const KEY_BYTES = 32
export const WRITE_CAP_BYTES = 2 * KEY_BYTES + BOX_INDEX_BYTES
export const READ_CAP_BYTES = KEY_BYTES + BOX_INDEX_BYTES

export interface WriteCap {
  /** Ed25519 seed, 32 bytes */
  readonly seed: Uint8Array
  /** P_R, 32 bytes */
  readonly publicKey: Uint8Array
  readonly index: MessageBoxIndex
}

export interface ReadCap {
  /** P_R, 32 bytes */
  readonly publicKey: Uint8Array
  readonly index: MessageBoxIndex
}

/** Clears the top two bits of a little-endian u64 in place and reads it. */
const startSummand = (bytes: Uint8Array, offset: number): bigint => {
  const half = bytes.slice(offset, offset + 8)
  half[7] = (half[7] as number) & 0x3f
  return new ByteReader("start counter", half).u64le()
}

/**
 * A write cap for a fresh stream.
 * @param entropy  asked for 32 bytes seed, 32 bytes H_0, 16 bytes start counter, in this order
 * @source pigeonhole.md §1.2: the start counter is a sum of two 62-bit values, then one step
 */
export const newWriteCap = (crypto: CryptoBackend, entropy: Entropy): WriteCap => {
  const seed = entropy(KEY_BYTES).slice()
  const hkdfState = entropy(KEY_BYTES)
  const start = entropy(16)
  const counter = startSummand(start, 0) + startSummand(start, 8)
  return { seed, publicKey: crypto.ed25519PublicKey(seed), index: stepIndex(crypto, hkdfState, counter) }
}

export const readCapOf = (writeCap: WriteCap): ReadCap => ({ publicKey: writeCap.publicKey, index: writeCap.index })

export const encodeWriteCap = (cap: WriteCap): Uint8Array =>
  new ByteWriter(WRITE_CAP_BYTES).bytes(cap.seed).bytes(cap.publicKey).bytes(encodeBoxIndex(cap.index)).finish()

export const encodeReadCap = (cap: ReadCap): Uint8Array =>
  new ByteWriter(READ_CAP_BYTES).bytes(cap.publicKey).bytes(encodeBoxIndex(cap.index)).finish()

/** @errors DecodeError `wrong-length`; `inconsistent` when the public half is not the seed's; `not-a-point` */
export const decodeWriteCap = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<WriteCap, DecodeError> => {
  const reader = new ByteReader("WriteCap", bytes)
  reader.require(bytes.length === WRITE_CAP_BYTES, "wrong-length")
  const cap = { seed: reader.bytes(KEY_BYTES), publicKey: reader.bytes(KEY_BYTES), index: readBoxIndex(reader) }
  if (!reader.failed) {
    reader.require(crypto.edwardsPointIsValid(cap.publicKey), "not-a-point")
    reader.require(constantTimeEqual(crypto.ed25519PublicKey(cap.seed), cap.publicKey), "inconsistent")
  }
  return reader.finish(cap)
}

/** @errors DecodeError `wrong-length`; `not-a-point` */
export const decodeReadCap = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<ReadCap, DecodeError> => {
  const reader = new ByteReader("ReadCap", bytes)
  reader.require(bytes.length === READ_CAP_BYTES, "wrong-length")
  const cap = { publicKey: reader.bytes(KEY_BYTES), index: readBoxIndex(reader) }
  if (!reader.failed) reader.require(crypto.edwardsPointIsValid(cap.publicKey), "not-a-point")
  return reader.finish(cap)
}
