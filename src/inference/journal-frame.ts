/**
 * Frames of an append-only journal: where one record ends, and whether the bytes are the ones that were written.
 *
 * frame = u32 body length ‖ 4 bytes of H256(previous chain ‖ length) ‖ body ‖ 32 bytes chain, chain = H256(previous chain ‖ length ‖ body).
 *
 * Contract: a crash while appending leaves a proper prefix of one frame (or zeros) at the end, and only that is dropped silently. Anything
 * else that differs from what was written, at the end too, is corruption and refused: a damaged length cannot pass for a torn tail, because
 * it has its own check, and frames cannot be taken out, exchanged or moved from another journal, because each chains to the one before.
 * Knows nothing of: what a body says, files.
 * Source: funion.md §8 ("records with length and H256"); departures: the length check and the chain are added.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"

const LENGTH_BYTES = 4
const LENGTH_CHECK_BYTES = 4
const HEADER_BYTES = LENGTH_BYTES + LENGTH_CHECK_BYTES
const CHAIN_BYTES = 32
/** Longest body; a release of the largest class at the largest geometry stays below. */
export const FRAME_BODY_LIMIT_BYTES = 2 ** 30

/** Why a journal cannot be used: its frames, the form of a record, a seal of another key, or records that contradict each other. */
export type CorruptReason = "frame" | "record" | "seal" | "conflict"

/** The journal is not what was written. Start empty and with fresh job keys (funion.md §8); never guess. */
export class JournalCorrupt extends Data.TaggedError("JournalCorrupt")<{ readonly reason: CorruptReason; readonly recordIndex: number }> {}

/** The chain before the first frame: names the kind of journal. */
export const chainStart = (crypto: CryptoBackend, label: string): Uint8Array => crypto.blake2b256(utf8(label))

const lengthField = (byteLength: number): Uint8Array => new ByteWriter(LENGTH_BYTES).u32(byteLength).finish()

const lengthCheck = (crypto: CryptoBackend, chain: Uint8Array, length: Uint8Array): Uint8Array =>
  crypto.blake2b256(chain, length).slice(0, LENGTH_CHECK_BYTES)

/** One frame and the chain after it; a body of no bytes or beyond the limit is a mistake of ours and dies. */
export const encodeFrame = (
  crypto: CryptoBackend,
  chain: Uint8Array,
  body: Uint8Array
): { readonly frame: Uint8Array; readonly chain: Uint8Array } => {
  if (body.length === 0 || body.length > FRAME_BODY_LIMIT_BYTES) throw new RangeError("journal record has an impossible length")
  const length = lengthField(body.length)
  const next = crypto.blake2b256(chain, length, body)
  return { frame: concatBytes(length, lengthCheck(crypto, chain, length), body, next), chain: next }
}

export interface ReadFrames {
  readonly bodies: ReadonlyArray<Uint8Array>
  /** Bytes that hold whole frames; what follows was torn and is to be cut off. */
  readonly wholeBytes: number
  readonly chain: Uint8Array
}

/** @errors JournalCorrupt `frame` */
export const readFrames = (crypto: CryptoBackend, start: Uint8Array, bytes: Uint8Array): Either.Either<ReadFrames, JournalCorrupt> => {
  const bodies: Array<Uint8Array> = []
  let chain = start
  let offset = 0
  const corrupt = () => Either.left(new JournalCorrupt({ reason: "frame", recordIndex: bodies.length }))
  while (offset < bytes.length) {
    const rest = bytes.subarray(offset)
    if (rest.length < HEADER_BYTES || isAllZero(rest)) break
    const length = rest.slice(0, LENGTH_BYTES)
    if (!constantTimeEqual(rest.subarray(LENGTH_BYTES, HEADER_BYTES), lengthCheck(crypto, chain, length))) return corrupt()
    const bodyBytes = new ByteReader("journal frame", length).u32()
    if (bodyBytes === 0 || bodyBytes > FRAME_BODY_LIMIT_BYTES) return corrupt()
    const end = HEADER_BYTES + bodyBytes + CHAIN_BYTES
    if (rest.length < end) break
    const body = rest.slice(HEADER_BYTES, HEADER_BYTES + bodyBytes)
    const next = crypto.blake2b256(chain, length, body)
    if (!constantTimeEqual(next, rest.subarray(HEADER_BYTES + bodyBytes, end))) return corrupt()
    bodies.push(body)
    chain = next
    offset += end
  }
  return Either.right({ bodies, wholeBytes: offset, chain })
}
