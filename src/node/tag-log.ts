/**
 * The replay tags of one mix key as bytes of a log.
 *
 *     header  16 bytes of H256("funion-replay-tags-v1" ‖ u64 epoch ‖ key): whose tags these are
 *     batch   u32 tag count n ‖ u32 n xor place xor constant ‖ 8 bytes of H256(header ‖ u32 place ‖ u32 n ‖ tags) ‖ n tags of 16 bytes
 *             place = offset / 16
 *
 * Contract: one batch is written and synced before the next one, so a crash can damage the last one only: a bad batch with no good one behind it is the torn
 * tail, and is cut off; its packets were not routed. A bad batch before a good one is damage, and the log is unusable: it would forget tags. The one thing
 * that cannot be told apart is a disk that spoils the very last batch long after it was synced.
 * Knows nothing of: files, filters.
 * Source: mixnet.md §6 (restart: persist both); departures: none.
 *
 * @module
 */
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { KEPT_TAG_BYTES } from "../mixnet/replay-filter.ts"

/** Everything is a multiple of this. */
const PLACE_BYTES = KEPT_TAG_BYTES
export const TAG_LOG_HEADER_BYTES = PLACE_BYTES
/** Tags of one batch: a megabyte. */
export const TAG_BATCH_LIMIT = 65_536
const CHECK_BYTES = 8
const HEAD_CONSTANT = 0x6d69786b
const LABEL = utf8("funion-replay-tags-v1")

/** Longest log with so many tags: every batch has one at least. */
export const tagLogLimitBytes = (tagCount: number): number => TAG_LOG_HEADER_BYTES + 2 * PLACE_BYTES * tagCount

export const tagLogHeader = (crypto: CryptoBackend, epoch: number, secret: Uint8Array): Uint8Array =>
  crypto.blake2b256(LABEL, new ByteWriter(8).u64(BigInt(epoch)).finish(), secret).slice(0, TAG_LOG_HEADER_BYTES)

const headWord = (place: number, count: number): number => (count ^ place ^ HEAD_CONSTANT) >>> 0

const checkOf = (crypto: CryptoBackend, header: Uint8Array, place: number, count: number, tags: Uint8Array): Uint8Array =>
  crypto.blake2b256(header, new ByteWriter(8).u32(place).u32(count).finish(), tags).slice(0, CHECK_BYTES)

/** A batch for the place at `offset`. @param tags  1 to 65,536, of 16 bytes each */
export const encodeTagBatch = (crypto: CryptoBackend, header: Uint8Array, offset: number, tags: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (tags.length === 0 || tags.length > TAG_BATCH_LIMIT || offset % PLACE_BYTES !== 0) throw new RangeError("a batch has 1 to 65,536 tags, at a place of its own")
  const place = offset / PLACE_BYTES
  const joined = concatBytes(...tags)
  if (joined.length !== tags.length * KEPT_TAG_BYTES) throw new RangeError("kept tags have 16 bytes")
  const head = new ByteWriter(8).u32(tags.length).u32(headWord(place, tags.length)).finish()
  return concatBytes(head, checkOf(crypto, header, place, tags.length, joined), joined)
}

/** The tags of the whole batch at `offset`; nothing where there is none. */
const batchAt = (crypto: CryptoBackend, header: Uint8Array, view: DataView, bytes: Uint8Array, offset: number): Uint8Array | undefined => {
  if (offset + PLACE_BYTES > bytes.length) return undefined
  const place = offset / PLACE_BYTES
  const count = view.getUint32(offset)
  if (count === 0 || count > TAG_BATCH_LIMIT || view.getUint32(offset + 4) !== headWord(place, count)) return undefined
  const start = offset + PLACE_BYTES
  const end = start + count * KEPT_TAG_BYTES
  if (end > bytes.length) return undefined
  const tags = bytes.subarray(start, end)
  return constantTimeEqual(bytes.subarray(offset + 8, start), checkOf(crypto, header, place, count, tags)) ? tags : undefined
}

export interface ReadTagLog {
  /** All tags, one behind the other. */
  readonly tags: Uint8Array
  /** Bytes that are good; what follows was torn. */
  readonly wholeBytes: number
}

/** @returns nothing for a log of another key, or one that is damaged before its last batch */
export const readTagLog = (crypto: CryptoBackend, header: Uint8Array, bytes: Uint8Array): ReadTagLog | undefined => {
  if (bytes.length < TAG_LOG_HEADER_BYTES || !constantTimeEqual(bytes.subarray(0, TAG_LOG_HEADER_BYTES), header)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tags = new Uint8Array(bytes.length - TAG_LOG_HEADER_BYTES)
  let tagBytes = 0
  let offset = TAG_LOG_HEADER_BYTES
  for (let batch = batchAt(crypto, header, view, bytes, offset); batch !== undefined; batch = batchAt(crypto, header, view, bytes, offset)) {
    tags.set(batch, tagBytes)
    tagBytes += batch.length
    offset += PLACE_BYTES + batch.length
  }
  for (let later = offset + PLACE_BYTES; later < bytes.length; later += PLACE_BYTES) {
    if (batchAt(crypto, header, view, bytes, later) !== undefined) return undefined
  }
  return { tags: tags.subarray(0, tagBytes), wholeBytes: offset }
}
