/**
 * The replay tags seen under one mix key.
 *
 * Contract: exact up to truncation of tags to 16 bytes: a tag once recorded is never forgotten while the filter lives, and a fresh one is called a
 * replay with probability 2^-128 per recorded tag. Bounded: when full it refuses (`full`), it neither evicts nor grows on.
 * Memory is 32 to 64 bytes per tag, taken in segments of doubling size, so no insertion ever copies the table.
 * Knows nothing of: packets, keys, what happens to a refused packet. Look up whenever you like; record only after the MAC was found good.
 * Source: mixnet.md §6 (recommendations); departures: from the reference's Bloom filter, as recommended there.
 *
 * @module
 */

/** Bytes of a tag that are kept. */
export const KEPT_TAG_BYTES = 16
const WORDS_PER_TAG = 4
const FIRST_SEGMENT_SLOTS = 1024

/** Open-addressed table; a slot of four zero words is empty. Never more than half full. */
interface Segment {
  readonly words: Uint32Array
  readonly slotMask: number
  used: number
}

type Tag = readonly [number, number, number, number]

const makeSegment = (slotCount: number): Segment => ({ words: new Uint32Array(slotCount * WORDS_PER_TAG), slotMask: slotCount - 1, used: 0 })

const wordAt = (tag: Uint8Array, index: number): number => new DataView(tag.buffer, tag.byteOffset, KEPT_TAG_BYTES).getUint32(4 * index)

/** The slot of the tag, or of the empty place where it belongs. */
const slotOf = ({ slotMask, words }: Segment, [a, b, c, d]: Tag, salt: number): { readonly at: number; readonly found: boolean } => {
  let slot = Math.imul(a ^ salt, 0x9e3779b1) >>> 0
  slot = (slot ^ (slot >>> 15) ^ b) & slotMask
  while (true) {
    const at = slot * WORDS_PER_TAG
    if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return { at, found: true }
    if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0) return { at, found: false }
    slot = (slot + 1) & slotMask
  }
}

export interface ReplayFilterOptions {
  /** Most tags kept: at least packets per second times the key's life in seconds. */
  readonly capacity: number
  /** A secret u32 that decides where tags lie, so that nobody can aim tags at one place. */
  readonly salt: number
}

export class ReplayFilter {
  readonly #capacity: number
  readonly #salt: number
  #segments: Array<Segment> = []
  #size = 0
  #zeroTagSeen = false

  constructor({ capacity, salt }: ReplayFilterOptions) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError("a replay filter holds at least one tag")
    this.#capacity = capacity
    this.#salt = salt
  }

  /** Tags recorded so far. */
  get size(): number {
    return this.#size
  }

  /** True when the tag was recorded. @param tag  at least 16 bytes, of which the first 16 count */
  has(tag: Uint8Array): boolean {
    const words = this.#wordsOf(tag)
    if (words === undefined) return this.#zeroTagSeen
    return this.#segments.some((segment) => slotOf(segment, words, this.#salt).found)
  }

  /** Records the tag unless it was recorded before (`replay`) or there is no room (`full`). */
  testAndSet(tag: Uint8Array): "fresh" | "replay" | "full" {
    if (this.has(tag)) return "replay"
    if (this.#size >= this.#capacity) return "full"
    this.#size += 1
    const words = this.#wordsOf(tag)
    if (words === undefined) {
      this.#zeroTagSeen = true
      return "fresh"
    }
    const segment = this.#segmentWithRoom()
    segment.words.set(words, slotOf(segment, words, this.#salt).at)
    segment.used += 1
    return "fresh"
  }

  /** Forgets everything and overwrites the memory; only for a filter whose key is gone. */
  wipe(): void {
    for (const segment of this.#segments) segment.words.fill(0)
    this.#segments = []
    this.#size = 0
    this.#zeroTagSeen = false
  }

  #wordsOf(tag: Uint8Array): Tag | undefined {
    if (tag.length < KEPT_TAG_BYTES) throw new RangeError("a replay tag has at least 16 bytes")
    const words = [wordAt(tag, 0), wordAt(tag, 1), wordAt(tag, 2), wordAt(tag, 3)] as const
    return words.every((word) => word === 0) ? undefined : words
  }

  #segmentWithRoom(): Segment {
    const last = this.#segments.at(-1)
    if (last !== undefined && 2 * last.used <= last.slotMask) return last
    const added = makeSegment(last === undefined ? FIRST_SEGMENT_SLOTS : 2 * (last.slotMask + 1))
    this.#segments.push(added)
    return added
  }
}
