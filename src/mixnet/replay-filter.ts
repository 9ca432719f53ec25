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

/** The four words of a tag. */
type Tag = Uint32Array

const makeSegment = (slotCount: number): Segment => ({ words: new Uint32Array(slotCount * WORDS_PER_TAG), slotMask: slotCount - 1, used: 0 })

/** Where the tag's words lie; for a tag that is not there -1 minus the empty place where they belong. */
const slotOf = ({ slotMask, words }: Segment, tag: Tag, salt: number): number => {
  const a = tag[0] as number
  const b = tag[1] as number
  const c = tag[2] as number
  const d = tag[3] as number
  let slot = Math.imul(a ^ salt, 0x9e3779b1) >>> 0
  slot = (slot ^ (slot >>> 15) ^ b) & slotMask
  while (true) {
    const at = slot * WORDS_PER_TAG
    if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at
    if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0) return -1 - at
    slot = (slot + 1) & slotMask
  }
}

export interface ReplayFilterOptions {
  /** Most tags kept: at least packets per second times the key's life in seconds. */
  readonly capacity: number
  /** A secret u32 that decides where tags lie, so that nobody can aim tags at one place. */
  readonly salt: number
  /** Tags recorded in an earlier life, 16 bytes each, one behind the other; they count, even beyond the capacity. */
  readonly known?: Uint8Array
  /** Gets the kept bytes of every tag as it is recorded, known ones apart. */
  readonly onRecorded?: (tag: Uint8Array) => void
}

export class ReplayFilter {
  readonly #capacity: number
  readonly #salt: number
  readonly #onRecorded: ((tag: Uint8Array) => void) | undefined
  #segments: Array<Segment> = []
  #size = 0
  #zeroTagSeen = false
  /** Of the tag that is looked at; reused. */
  readonly #words: Tag = new Uint32Array(WORDS_PER_TAG)

  constructor({ capacity, known, onRecorded, salt }: ReplayFilterOptions) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError("a replay filter holds at least one tag")
    this.#capacity = capacity
    this.#salt = salt
    this.#onRecorded = onRecorded
    if (known !== undefined) this.#load(known)
  }

  /** Tags recorded so far. */
  get size(): number {
    return this.#size
  }

  /** True when the tag was recorded. @param tag  at least 16 bytes, of which the first 16 count */
  has(tag: Uint8Array): boolean {
    return this.#hasWords(this.#wordsOf(tag))
  }

  /** Records the tag unless it was recorded before (`replay`) or there is no room (`full`). */
  testAndSet(tag: Uint8Array): "fresh" | "replay" | "full" {
    const words = this.#wordsOf(tag)
    if (this.#hasWords(words)) return "replay"
    if (this.#size >= this.#capacity) return "full"
    this.#size += 1
    if (words === undefined) this.#zeroTagSeen = true
    else {
      const segment = this.#segmentWithRoom()
      segment.words.set(words, -1 - slotOf(segment, words, this.#salt))
      segment.used += 1
    }
    this.#onRecorded?.(tag.subarray(0, KEPT_TAG_BYTES))
    return "fresh"
  }

  /** Forgets everything and overwrites the memory; only for a filter whose key is gone. */
  wipe(): void {
    for (const segment of this.#segments) segment.words.fill(0)
    this.#segments = []
    this.#words.fill(0)
    this.#size = 0
    this.#zeroTagSeen = false
  }

  /** Puts all tags into one segment of the size that doubling would have led to. */
  #load(known: Uint8Array): void {
    if (known.length % KEPT_TAG_BYTES !== 0) throw new RangeError("known tags have 16 bytes each")
    const count = known.length / KEPT_TAG_BYTES
    let slotCount = FIRST_SEGMENT_SLOTS
    while (slotCount < 2 * count) slotCount *= 2
    const segment = makeSegment(slotCount)
    this.#segments.push(segment)
    for (let offset = 0; offset < known.length; offset += KEPT_TAG_BYTES) {
      const words = this.#wordsOf(known, offset)
      if (words === undefined) {
        if (!this.#zeroTagSeen) this.#size += 1
        this.#zeroTagSeen = true
        continue
      }
      const at = slotOf(segment, words, this.#salt)
      if (at >= 0) continue
      segment.words.set(words, -1 - at)
      segment.used += 1
      this.#size += 1
    }
  }

  /** The words of the tag at an offset; undefined when all are zero. Good until the next call. */
  #wordsOf(tag: Uint8Array, offset = 0): Tag | undefined {
    if (tag.length - offset < KEPT_TAG_BYTES) throw new RangeError("a replay tag has at least 16 bytes")
    const words = this.#words
    let all = 0
    for (let word = 0; word < WORDS_PER_TAG; word++) {
      const at = offset + 4 * word
      const value = ((tag[at] as number) << 24) | ((tag[at + 1] as number) << 16) | ((tag[at + 2] as number) << 8) | (tag[at + 3] as number)
      words[word] = value
      all |= value
    }
    return all === 0 ? undefined : words
  }

  #hasWords(words: Tag | undefined): boolean {
    if (words === undefined) return this.#zeroTagSeen
    for (const segment of this.#segments) if (slotOf(segment, words, this.#salt) >= 0) return true
    return false
  }

  #segmentWithRoom(): Segment {
    const last = this.#segments.at(-1)
    if (last !== undefined && 2 * last.used <= last.slotMask) return last
    const added = makeSegment(last === undefined ? FIRST_SEGMENT_SLOTS : 2 * (last.slotMask + 1))
    this.#segments.push(added)
    return added
  }
}
