/**
 * Token buckets: how much a peer may do at once and in the long run.
 *
 * Contract: a bucket starts full. `take` may run into debt once, so that what has already arrived is paid for; nothing more is granted until the debt is
 * worked off. A ledger forgets buckets that are full again, and holds at most `keyLimit` of them: beyond that all new keys share one.
 * Knows nothing of: peers, clocks (instants are arguments, milliseconds since the Unix epoch).
 * Source: mixnet.md §9, §18 (start full); departures: none.
 *
 * @module
 */
export interface BucketRate {
  readonly capacity: number
  readonly perS: number
}

interface Bucket {
  tokens: number
  atMs: number
}

const OVERFLOW = "\u0000overflow"

export class TokenBuckets {
  readonly #rate: BucketRate
  readonly #keyLimit: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: BucketRate, keyLimit = 4096) {
    this.#rate = rate
    this.#keyLimit = keyLimit
  }

  /** Buckets held, for tests and figures. */
  get size(): number {
    return this.#buckets.size
  }

  /** Takes `count` tokens, into debt when there are fewer. Gives the milliseconds until the bucket is out of debt: 0 when it is now. */
  take(key: string, count: number, nowMs: number): number {
    const bucket = this.#bucketOf(key, nowMs)
    bucket.tokens -= count
    return bucket.tokens >= 0 ? 0 : Math.ceil((-bucket.tokens / this.#rate.perS) * 1000)
  }

  /** Takes one token if there is a whole one. */
  tryTake(key: string, nowMs: number): boolean {
    const bucket = this.#bucketOf(key, nowMs)
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  /** Forgets the buckets that are full. */
  sweep(nowMs: number): void {
    for (const key of [...this.#buckets.keys()]) {
      if (this.#bucketOf(key, nowMs).tokens >= this.#rate.capacity) this.#buckets.delete(key)
    }
  }

  #bucketOf(key: string, nowMs: number): Bucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) return this.#refilled(known, nowMs)
    if (this.#buckets.size >= this.#keyLimit && key !== OVERFLOW) return this.#bucketOf(OVERFLOW, nowMs)
    const fresh = { tokens: this.#rate.capacity, atMs: nowMs }
    this.#buckets.set(key, fresh)
    return fresh
  }

  #refilled(bucket: Bucket, nowMs: number): Bucket {
    const elapsedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(this.#rate.capacity, bucket.tokens + (elapsedMs * this.#rate.perS) / 1000)
    bucket.atMs = nowMs
    return bucket
  }
}
