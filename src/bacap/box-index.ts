/**
 * The position of a box in its stream, and the one-way chain from each position to the next.
 *
 * | offset | bytes | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | `counter` | i, little-endian |
 * | 8 | 32 | `blindingKey` | K_i: seeds the blinding scalar of box i |
 * | 40 | 32 | `encryptionKey` | E_i: seeds the AEAD key of box i |
 * | 72 | 32 | `hkdfState` | H_{i+1}: derives index i + 1 |
 *
 * Contract: an index never moves backwards and never past 2^64 − 1; both are typed refusals. A walk towards a counter that somebody else
 * named is bounded. Inputs are not modified; every derived index is fresh memory.
 * Knows nothing of: root keys, contexts, boxes.
 * Source: pigeonhole.md §1.1, §1.2, §1.6; departures: none (the counter does not wrap, as current upstream).
 *
 * @module
 */
import { Data, Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { utf8 } from "../bytes/concat.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"

/** Length of a serialised index in bytes. */
export const BOX_INDEX_BYTES = 104
/** Most steps that a walk towards a foreign counter may take. */
export const INDEX_WALK_STEPS = 2 ** 18

const KEY_BYTES = 32
const COUNTER_MAX = 0xffff_ffff_ffff_ffffn
const RESEED_INFO = utf8("bacap-mutate-kdf-state-v1")
const NO_SALT = new Uint8Array(0)

export interface MessageBoxIndex {
  /** i */
  readonly counter: bigint
  /** K_i, 32 bytes */
  readonly blindingKey: Uint8Array
  /** E_i, 32 bytes */
  readonly encryptionKey: Uint8Array
  /** H_{i+1}, 32 bytes */
  readonly hkdfState: Uint8Array
}

/** The stream has no box after counter 2^64 − 1. */
export class IndexExhausted extends Data.TaggedError("IndexExhausted")<{}> {}

/** The wanted counter lies before the index (`rewind`) or further ahead than a walk may go (`too-far`). */
export class IndexRefused extends Data.TaggedError("IndexRefused")<{ readonly reason: "rewind" | "too-far" }> {}

const counterBytes = (counter: bigint): Uint8Array => new ByteWriter(8).u64le(counter).finish()

/**
 * One step without the check of the counter, for counters known to be small.
 * @source pigeonhole.md §1.2: `info` is the counter before the step; output order is H, E, K
 */
export const stepIndex = (crypto: CryptoBackend, hkdfState: Uint8Array, counter: bigint): MessageBoxIndex => {
  const okm = crypto.hkdfBlake2b512(hkdfState, NO_SALT, counterBytes(counter), 3 * KEY_BYTES)
  return {
    counter: counter + 1n,
    hkdfState: okm.slice(0, KEY_BYTES),
    encryptionKey: okm.slice(KEY_BYTES, 2 * KEY_BYTES),
    blindingKey: okm.slice(2 * KEY_BYTES)
  }
}

/**
 * The index of the next box.
 * @errors IndexExhausted at counter 2^64 − 1
 * @cost one HKDF over BLAKE2b
 */
export const nextIndex = (crypto: CryptoBackend, index: MessageBoxIndex): Either.Either<MessageBoxIndex, IndexExhausted> =>
  index.counter >= COUNTER_MAX ? Either.left(new IndexExhausted()) : Either.right(stepIndex(crypto, index.hkdfState, index.counter))

/**
 * The index at a later (or the same) counter of the stream.
 * @param stepLimit  most steps to take; the default bounds a hostile counter
 * @errors IndexExhausted for a counter above 2^64 − 1; IndexRefused `rewind` | `too-far`
 */
export const advanceTo = (
  crypto: CryptoBackend,
  index: MessageBoxIndex,
  counter: bigint,
  stepLimit: number = INDEX_WALK_STEPS
): Either.Either<MessageBoxIndex, IndexExhausted | IndexRefused> => {
  if (counter > COUNTER_MAX) return Either.left(new IndexExhausted())
  if (counter < index.counter) return Either.left(new IndexRefused({ reason: "rewind" }))
  if (counter - index.counter > BigInt(stepLimit)) return Either.left(new IndexRefused({ reason: "too-far" }))
  let at = index
  while (at.counter < counter) at = stepIndex(crypto, at.hkdfState, at.counter)
  return Either.right(at)
}

/**
 * The same counter on a private sub-sequence under the same root key, chosen by `context`.
 * @source pigeonhole.md §1.2, re-seeding: output order is H, E, K
 */
export const reseed = (crypto: CryptoBackend, index: MessageBoxIndex, context: Uint8Array): MessageBoxIndex => {
  const okm = crypto.hkdfBlake2b512(index.hkdfState, context, RESEED_INFO, 3 * KEY_BYTES)
  return {
    counter: index.counter,
    hkdfState: okm.slice(0, KEY_BYTES),
    encryptionKey: okm.slice(KEY_BYTES, 2 * KEY_BYTES),
    blindingKey: okm.slice(2 * KEY_BYTES)
  }
}

/** 104 bytes: counter, K, E, H. */
export const encodeBoxIndex = (index: MessageBoxIndex): Uint8Array =>
  new ByteWriter(BOX_INDEX_BYTES).u64le(index.counter).bytes(index.blindingKey).bytes(index.encryptionKey).bytes(index.hkdfState).finish()

/** Reads an index in place; the caller finishes the reader. */
export const readBoxIndex = (reader: ByteReader): MessageBoxIndex => {
  const counter = reader.u64le()
  const blindingKey = reader.bytes(KEY_BYTES)
  const encryptionKey = reader.bytes(KEY_BYTES)
  return { counter, blindingKey, encryptionKey, hkdfState: reader.bytes(KEY_BYTES) }
}

/** @errors DecodeError `wrong-length` */
export const decodeBoxIndex = (bytes: Uint8Array): Either.Either<MessageBoxIndex, DecodeError> => {
  const reader = new ByteReader("MessageBoxIndex", bytes)
  reader.require(bytes.length === BOX_INDEX_BYTES, "wrong-length")
  return reader.finish(readBoxIndex(reader))
}

/**
 * True when a received index lies on the stream of one's own, at or after it.
 * @param stepLimit  most steps of the walk; synchronous, so callers on a shared thread pass less than the default
 * @source pigeonhole.md §1.6: walk to the same counter and compare all 104 bytes
 */
export const indexIsOnStream = (
  crypto: CryptoBackend,
  own: MessageBoxIndex,
  received: MessageBoxIndex,
  stepLimit: number = INDEX_WALK_STEPS
): boolean => {
  const walked = advanceTo(crypto, own, received.counter, stepLimit)
  return Either.isRight(walked) && constantTimeEqual(encodeBoxIndex(walked.right), encodeBoxIndex(received))
}
