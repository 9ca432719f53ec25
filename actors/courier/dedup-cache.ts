/**
 * What a courier remembers of the envelopes it has seen: replies, and how often it asked.
 *
 * Contract: an entry lives five minutes from its first sight, checked on every look-up and by `sweep`; their number is bounded, the oldest go first.
 * A stored success is never replaced; a stored error is replaced by anything newer. Replicas are asked again only when nothing is under way to them:
 * something came back since they were asked last, or they have been silent for half a minute.
 * Knows nothing of: the network, clocks (instants are arguments, Unix milliseconds).
 * Source: pigeonhole.md §5.4 and §7 K1, K5–K9, K11; departures: age is checked on look-up as well.
 *
 * @module
 */
import { toHex } from "../../src/bytes/hex.ts"
import type { EnvelopeHash } from "../../src/pigeonhole/envelope.ts"

export const DEDUP_TTL_MS = 300_000
export const REDISPATCH_GRACE_MS = 30_000
export const REDISPATCH_LIMIT = 5
/** Entries at most, in networks of short packets. */
export const ENTRY_LIMIT = 65_536
/** Replies kept at most, whatever the length of packets. */
const REPLIES_LIMIT_BYTES = 256 * 1024 * 1024

/** Entries that may be kept where a reply takes so many bytes: two replies each. */
export const entryLimitFor = (replyBytes: number): number => Math.min(ENTRY_LIMIT, Math.max(1, Math.floor(REPLIES_LIMIT_BYTES / (2 * replyBytes))))

export interface CachedReply {
  /** Outer code of the replica, 0 for success or masked. */
  readonly errorCode: number
  /** EnvelopeReply bytes, possibly empty. */
  readonly payload: Uint8Array
}

export interface CacheEntry {
  readonly createdMs: number
  readonly intermediates: readonly [number, number]
  readonly replies: [CachedReply | undefined, CachedReply | undefined]
  /** When the replicas were asked last; −∞ when they could not be. */
  dispatchedMs: number
  /** Whether one of them has answered since. */
  isAnswered: boolean
  redispatches: number
}

const isSuccess = (reply: CachedReply | undefined): boolean => reply !== undefined && reply.errorCode === 0

export class DedupCache {
  readonly #entries = new Map<string, CacheEntry>()
  readonly #entryLimit: number
  /** Goes through the entries in the order of their insertion; kept, because a new one would pass over all that were deleted. */
  #byAge = this.#entries.keys()

  constructor(entryLimit: number = ENTRY_LIMIT) {
    this.#entryLimit = entryLimit
  }

  get size(): number {
    return this.#entries.size
  }

  /** The live entry of an envelope. */
  find(hash: EnvelopeHash, nowMs: number): CacheEntry | undefined {
    const id = toHex(hash)
    const entry = this.#entries.get(id)
    if (entry !== undefined && nowMs - entry.createdMs > DEDUP_TTL_MS) {
      this.#entries.delete(id)
      return undefined
    }
    return entry
  }

  /** Makes an entry in one step with the look-up that missed. */
  insert(hash: EnvelopeHash, intermediates: readonly [number, number], nowMs: number): CacheEntry {
    if (this.#entries.size >= this.#entryLimit) this.#dropOldest()
    const entry: CacheEntry = { createdMs: nowMs, intermediates, replies: [undefined, undefined], dispatchedMs: nowMs, isAnswered: false, redispatches: 0 }
    this.#entries.set(toHex(hash), entry)
    return entry
  }

  /** Records what a replica answered; ignores unknown envelopes and replicas that were not asked. */
  record(hash: EnvelopeHash, replicaId: number, reply: CachedReply, nowMs: number): void {
    const entry = this.find(hash, nowMs)
    const slot = entry?.intermediates.indexOf(replicaId)
    if (entry === undefined || (slot !== 0 && slot !== 1)) return
    entry.isAnswered = true
    if (!isSuccess(entry.replies[slot])) entry.replies[slot] = reply
  }

  /** Replicas that have let an envelope wait for longer than `waitMs` without any answer, while the other gave no success either. */
  silent(nowMs: number, waitMs: number): ReadonlySet<number> {
    const silent = new Set<number>()
    for (const { createdMs, intermediates, replies } of this.#entries.values()) {
      if (nowMs - createdMs <= waitMs || replies.some(isSuccess)) continue
      for (const slot of [0, 1] as const) if (replies[slot] === undefined) silent.add(intermediates[slot])
    }
    return silent
  }

  /** Notes that the replicas are asked again. */
  redispatched(entry: CacheEntry, nowMs: number): void {
    entry.redispatches += 1
    entry.dispatchedMs = nowMs
    entry.isAnswered = false
  }

  #dropOldest(): void {
    let oldest = this.#byAge.next()
    if (oldest.done === true) {
      this.#byAge = this.#entries.keys()
      oldest = this.#byAge.next()
    }
    if (oldest.done !== true) this.#entries.delete(oldest.value)
  }

  /** Drops what is too old. */
  sweep(nowMs: number): void {
    for (const [id, entry] of this.#entries) if (nowMs - entry.createdMs > DEDUP_TTL_MS) this.#entries.delete(id)
  }
}

/** Whether the replicas are to be asked again: never after a success, at most five times, and not while a question is under way. */
export const wantsRedispatch = (entry: CacheEntry, nowMs: number): boolean => {
  if (entry.redispatches >= REDISPATCH_LIMIT || entry.replies.some(isSuccess)) return false
  return entry.isAnswered || nowMs - entry.dispatchedMs > REDISPATCH_GRACE_MS
}

/** The reply to serve: the one asked for, else the other; one with bytes before one without. */
export const bestReply = (entry: CacheEntry, replyIndex: number): { readonly replyIndex: number; readonly reply: CachedReply } | undefined => {
  const order = replyIndex === 0 ? [0, 1] : [1, 0]
  const found = order.map((index) => ({ replyIndex: index, reply: entry.replies[index] }))
  for (const wanted of [true, false]) {
    for (const { reply, replyIndex: index } of found) {
      if (reply !== undefined && reply.payload.length > 0 === wanted) return { replyIndex: index, reply }
    }
  }
  return undefined
}
