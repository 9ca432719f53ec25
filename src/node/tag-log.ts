/**
 * The replay tags of one mix key as bytes of a log.
 *
 *     header  16 bytes of H256("funion-replay-tags-v1" ‖ u64 epoch ‖ key): whose tags these are
 *     batch   u32 tag count n ‖ u32 n xor place xor constant ‖ 8 bytes of checksum of header, place, n and tags ‖ n tags of 16 bytes
 *             place = offset / 16
 *
 * The checksum is against accidents only, and quick, since a key may have millions of batches: who can write here can read the key beside it. Two lanes of
 * 32 bits take one word after the other by steps that can be undone, so a change within one word never goes unseen.
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
const FIRST_LANES = [0x243f6a88, 0x85a308d3] as const
/** Odd, so that multiplying by them can be undone. */
const FACTORS = [0x9e3779b1, 0x85ebca77] as const
const LABEL = utf8("funion-replay-tags-v1")

/** Longest log with so many tags: every batch has one at least. */
export const tagLogLimitBytes = (tagCount: number): number => TAG_LOG_HEADER_BYTES + 2 * PLACE_BYTES * tagCount

export const tagLogHeader = (crypto: CryptoBackend, epoch: number, secret: Uint8Array): Uint8Array =>
  crypto.blake2b256(LABEL, new ByteWriter(8).u64(BigInt(epoch)).finish(), secret).slice(0, TAG_LOG_HEADER_BYTES)

const headWord = (place: number, count: number): number => (count ^ place ^ HEAD_CONSTANT) >>> 0

const turn = (lane: number, word: number, factor: number): number => {
  const turned = Math.imul(lane ^ word, factor)
  return turned ^ (turned >>> 15)
}

/** The two lanes after header, place, count and the tags that begin at `start`. */
const checkOf = (header: DataView, place: number, count: number, view: DataView, start: number): readonly [number, number] => {
  let left: number = FIRST_LANES[0]
  let right: number = FIRST_LANES[1]
  const take = (word: number): void => {
    left = turn(left, word, FACTORS[0])
    right = turn(right, word, FACTORS[1])
  }
  for (let at = 0; at < TAG_LOG_HEADER_BYTES; at += 4) take(header.getUint32(at))
  take(place)
  take(count)
  const end = start + count * KEPT_TAG_BYTES
  for (let at = start; at < end; at += 4) take(view.getUint32(at))
  return [left >>> 0, right >>> 0]
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A batch for the place at `offset`. @param tags  1 to 65,536, of 16 bytes each */
export const encodeTagBatch = (header: Uint8Array, offset: number, tags: ReadonlyArray<Uint8Array>): Uint8Array => {
  const isPossible = tags.length > 0 && tags.length <= TAG_BATCH_LIMIT && offset % PLACE_BYTES === 0
  if (!isPossible) throw new RangeError("a batch has 1 to 65,536 tags, at a place of its own")
  const place = offset / PLACE_BYTES
  if (tags.some((tag) => tag.length !== KEPT_TAG_BYTES)) throw new RangeError("kept tags have 16 bytes")
  const head = new ByteWriter(PLACE_BYTES).u32(tags.length).u32(headWord(place, tags.length)).bytes(new Uint8Array(CHECK_BYTES)).finish()
  const batch = concatBytes(head, ...tags)
  const view = viewOf(batch)
  const [left, right] = checkOf(viewOf(header), place, tags.length, view, PLACE_BYTES)
  view.setUint32(8, left)
  view.setUint32(12, right)
  return batch
}

/** The tags of the whole batch at `offset`; nothing where there is none. */
const batchAt = (header: DataView, view: DataView, bytes: Uint8Array, offset: number): Uint8Array | undefined => {
  if (offset + PLACE_BYTES > bytes.length) return undefined
  const place = offset / PLACE_BYTES
  const count = view.getUint32(offset)
  if (count === 0 || count > TAG_BATCH_LIMIT || view.getUint32(offset + 4) !== headWord(place, count)) return undefined
  const start = offset + PLACE_BYTES
  const end = start + count * KEPT_TAG_BYTES
  if (end > bytes.length) return undefined
  const [left, right] = checkOf(header, place, count, view, start)
  return view.getUint32(offset + 8) === left && view.getUint32(offset + 12) === right ? bytes.subarray(start, end) : undefined
}

export interface ReadTagLog {
  /** All tags, one behind the other. */
  readonly tags: Uint8Array
  /** Bytes that are good; what follows was torn. */
  readonly wholeBytes: number
}

/** @returns nothing for a log of another key, or one that is damaged before its last batch */
export const readTagLog = (header: Uint8Array, bytes: Uint8Array): ReadTagLog | undefined => {
  if (bytes.length < TAG_LOG_HEADER_BYTES || !constantTimeEqual(bytes.subarray(0, TAG_LOG_HEADER_BYTES), header)) return undefined
  const view = viewOf(bytes)
  const own = viewOf(header)
  const tags = new Uint8Array(bytes.length - TAG_LOG_HEADER_BYTES)
  let tagBytes = 0
  let offset = TAG_LOG_HEADER_BYTES
  for (let batch = batchAt(own, view, bytes, offset); batch !== undefined; batch = batchAt(own, view, bytes, offset)) {
    tags.set(batch, tagBytes)
    tagBytes += batch.length
    offset += PLACE_BYTES + batch.length
  }
  for (let later = offset + PLACE_BYTES; later < bytes.length; later += PLACE_BYTES) {
    if (batchAt(own, view, bytes, later) !== undefined) return undefined
  }
  return { tags: tags.subarray(0, tagBytes), wholeBytes: offset }
}
