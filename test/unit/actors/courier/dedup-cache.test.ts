/**
 * The courier's memory, rows K5 to K9 and K11 of pigeonhole.md §7.
 *
 * Goal: entries age and are bounded, successes stay, errors give way, replicas are asked again when that can help and no more than five times.
 * Method: instants are arguments.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import {
  bestReply, type CachedReply, DEDUP_TTL_MS, DedupCache, ENTRY_LIMIT, entryLimitFor, REDISPATCH_GRACE_MS, REDISPATCH_LIMIT, wantsRedispatch
} from "../../../../actors/courier/dedup-cache.ts"
import { SilenceWatch } from "../../../../actors/courier/silence-watch.ts"
import { EnvelopeHash } from "../../../../src/pigeonhole/envelope.ts"

const hashOf = (number: number): EnvelopeHash => {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, number)
  return EnvelopeHash.unsafe(hash)
}
const success = (...payload: ReadonlyArray<number>): CachedReply => ({ errorCode: 0, payload: new Uint8Array(payload) })
const error = (errorCode: number): CachedReply => ({ errorCode, payload: new Uint8Array(0) })

describe("dedup cache", () => {
  it("K6: an entry is found until five minutes after its first sight, then it is gone without any other traffic", () => {
    const cache = new DedupCache()
    cache.insert(hashOf(1), [3, 7], 1000)
    expect(cache.find(hashOf(1), 1000 + DEDUP_TTL_MS)?.intermediates).toEqual([3, 7])
    expect(cache.find(hashOf(1), 1001 + DEDUP_TTL_MS)).toBeUndefined()
    expect(cache.size).toBe(0)
  })
  it("looking up does not prolong a life, and a sweep takes what is too old", () => {
    const cache = new DedupCache()
    cache.insert(hashOf(1), [3, 7], 0)
    cache.insert(hashOf(2), [3, 7], 1)
    cache.find(hashOf(1), DEDUP_TTL_MS)
    cache.sweep(DEDUP_TTL_MS + 1)
    expect(cache.size).toBe(1)
    expect(cache.find(hashOf(2), DEDUP_TTL_MS + 1)).toBeDefined()
  })
  it("K5: the number of entries is bounded, the oldest go first", () => {
    const cache = new DedupCache()
    for (let number = 0; number < ENTRY_LIMIT + 10; number++) cache.insert(hashOf(number), [3, 7], 0)
    expect(cache.size).toBe(ENTRY_LIMIT)
    expect([9, 10].map((number) => cache.find(hashOf(number), 0) === undefined)).toEqual([true, false])
  })
  it("a reply lands in the slot of its replica; strangers and unknown envelopes change nothing", () => {
    const cache = new DedupCache()
    const entry = cache.insert(hashOf(1), [3, 7], 0)
    cache.record(hashOf(1), 5, success(5), 1)
    cache.record(hashOf(2), 3, success(5), 1)
    expect(entry.replies).toEqual([undefined, undefined])
    cache.record(hashOf(1), 7, success(7), 1)
    expect(entry.replies).toEqual([undefined, success(7)])
    expect(cache.size).toBe(1)
  })
  it("K9: a success replaces an error, an error a former error, and nothing a success", () => {
    const cache = new DedupCache()
    const entry = cache.insert(hashOf(1), [3, 7], 0)
    const steps = [[error(8), error(8)], [error(5), error(5)], [success(1), success(1)], [error(8), success(1)], [success(2), success(1)]] as const
    for (const [reply, kept] of steps) {
      cache.record(hashOf(1), 3, reply, 1)
      expect(entry.replies[0]).toEqual(kept)
    }
  })
})

describe("bounds", () => {
  it("K5: many more envelopes than the limit within one lifetime are held to it, and none is left when it is over", () => {
    const cache = new DedupCache(1000)
    for (let number = 0; number < 30_000; number++) cache.insert(hashOf(number), [3, 7], number)
    expect(cache.size).toBe(1000)
    cache.sweep(30_000 + DEDUP_TTL_MS)
    expect(cache.size).toBe(0)
  })
  it("K5: where replies are long, fewer entries are kept: their replies take 256 MiB at most", () => {
    for (const replyBytes of [1, 1831, 31_831, 2 ** 30]) {
      const limit = entryLimitFor(replyBytes)
      expect(limit).toBeGreaterThanOrEqual(1)
      expect(limit === 1 || limit * 2 * replyBytes <= 256 * 1024 * 1024).toBe(true)
    }
    expect([entryLimitFor(1831), entryLimitFor(31_831)]).toEqual([ENTRY_LIMIT, 4216])
  })
})

describe("silence", () => {
  it("K10: is of the replicas that said nothing to an envelope for long, unless the other gave the answer", () => {
    const cache = new DedupCache()
    cache.insert(hashOf(1), [1, 2], 0)
    cache.insert(hashOf(2), [3, 4], 0)
    cache.insert(hashOf(3), [5, 6], 100)
    cache.record(hashOf(1), 2, error(8), 1)
    cache.record(hashOf(2), 3, success(1), 1)
    expect([...cache.silent(100, 100)]).toEqual([])
    expect([...cache.silent(101, 100)]).toEqual([1])
    expect([...cache.silent(201, 100)]).toEqual([1, 5, 6])
  })
  it("K10: is told once for each replica until it has been heard again", () => {
    const watch = new SilenceWatch()
    expect(watch.news(new Set([9, 4]))).toEqual([4, 9])
    expect(watch.news(new Set([4, 9, 5]))).toEqual([5])
    watch.heard(9)
    expect(watch.news(new Set([4, 9, 5]))).toEqual([9])
  })
})

describe("asking again", () => {
  const entry = () => new DedupCache().insert(hashOf(1), [3, 7], 0)
  it("K7: comes after the grace when nothing came back", () => {
    expect([REDISPATCH_GRACE_MS, REDISPATCH_GRACE_MS + 1].map((nowMs) => wantsRedispatch(entry(), nowMs))).toEqual([false, true])
  })
  it("K8: comes at once when only errors came back, and then not before something has come back again or the grace is over", () => {
    const cache = new DedupCache()
    const failed = cache.insert(hashOf(1), [3, 7], 0)
    cache.record(hashOf(1), 7, error(8), 10)
    expect(wantsRedispatch(failed, 11)).toBe(true)
    cache.redispatched(failed, 11)
    expect([12, 11 + REDISPATCH_GRACE_MS].map((nowMs) => wantsRedispatch(failed, nowMs))).toEqual([false, false])
    cache.record(hashOf(1), 3, error(8), 20)
    expect(wantsRedispatch(failed, 21)).toBe(true)
    cache.redispatched(failed, 21)
    expect(wantsRedispatch(failed, 22 + REDISPATCH_GRACE_MS)).toBe(true)
  })
  it("never comes after a success, whatever the other said", () => {
    const served = entry()
    served.replies[0] = error(8)
    served.replies[1] = success(1)
    expect(wantsRedispatch(served, 10 * REDISPATCH_GRACE_MS)).toBe(false)
  })
  it("comes five times at most", () => {
    const silent = entry()
    silent.redispatches = REDISPATCH_LIMIT
    expect(wantsRedispatch(silent, 10 * REDISPATCH_GRACE_MS)).toBe(false)
  })
})

describe("the reply served", () => {
  it.each<readonly [string, readonly [CachedReply | undefined, CachedReply | undefined], number, number | undefined]>([
    ["the one asked for", [success(1), success(2)], 0, 0], ["the one asked for", [success(1), success(2)], 1, 1],
    ["the other when the slot is empty", [undefined, success(2)], 0, 1], ["the other when the slot is empty", [success(1), undefined], 1, 0],
    ["the other when the payload is empty", [error(8), success(2)], 0, 1], ["one without bytes when there is no better", [undefined, error(8)], 0, 1],
    ["none", [undefined, undefined], 0, undefined]
  ])("K11: %s: %j, asked %i, served %s", (_, replies, asked, served) => {
    const entry = new DedupCache().insert(hashOf(1), [3, 7], 0)
    entry.replies.splice(0, 2, ...replies)
    expect(bestReply(entry, asked)?.replyIndex).toBe(served)
  })
})
