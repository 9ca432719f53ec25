/**
 * The courier's memory, rules K1 and K5 to K9, K11.
 *
 * Goal: entries age and are bounded, successes stay, errors give way, replicas are asked again when that can help and no more than five times.
 * Method: instants are arguments.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import {
  bestReply, type CachedReply, DEDUP_TTL_MS, DedupCache, ENTRY_LIMIT, REDISPATCH_GRACE_MS, REDISPATCH_LIMIT, wantsRedispatch
} from "../../../../actors/courier/dedup-cache.ts"
import { EnvelopeHash } from "../../../../src/pigeonhole/envelope.ts"

const hashOf = (number: number): EnvelopeHash => {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, number)
  return EnvelopeHash.unsafe(hash)
}
const success = (...payload: ReadonlyArray<number>): CachedReply => ({ errorCode: 0, payload: new Uint8Array(payload) })
const error = (errorCode: number): CachedReply => ({ errorCode, payload: new Uint8Array(0) })

describe("dedup cache", () => {
  it("an entry is found until five minutes after its first sight, then it is gone without any other traffic (K6)", () => {
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
  it("the number of entries is bounded, the oldest go first (K5)", () => {
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
  it("a success replaces an error, an error a former error, and nothing a success (K9)", () => {
    const cache = new DedupCache()
    const entry = cache.insert(hashOf(1), [3, 7], 0)
    const steps = [[error(8), error(8)], [error(5), error(5)], [success(1), success(1)], [error(8), success(1)], [success(2), success(1)]] as const
    for (const [reply, kept] of steps) {
      cache.record(hashOf(1), 3, reply, 1)
      expect(entry.replies[0]).toEqual(kept)
    }
  })
})

describe("asking again", () => {
  const entry = () => new DedupCache().insert(hashOf(1), [3, 7], 0)
  it("comes after the grace when nothing came back (K7)", () => {
    expect([REDISPATCH_GRACE_MS, REDISPATCH_GRACE_MS + 1].map((nowMs) => wantsRedispatch(entry(), nowMs))).toEqual([false, true])
  })
  it("comes soon when only errors came back (K8)", () => {
    const failed = entry()
    failed.replies[1] = error(8)
    expect([500, 1001].map((nowMs) => wantsRedispatch(failed, nowMs))).toEqual([false, true])
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

describe("the reply served (K11)", () => {
  it.each<readonly [string, readonly [CachedReply | undefined, CachedReply | undefined], number, number | undefined]>([
    ["the one asked for", [success(1), success(2)], 0, 0], ["the one asked for", [success(1), success(2)], 1, 1],
    ["the other when the slot is empty", [undefined, success(2)], 0, 1], ["the other when the slot is empty", [success(1), undefined], 1, 0],
    ["the other when the payload is empty", [error(8), success(2)], 0, 1], ["one without bytes when there is no better", [undefined, error(8)], 0, 1],
    ["none", [undefined, undefined], 0, undefined]
  ])("%s: %j, asked %i, served %s", (_, replies, asked, served) => {
    const entry = new DedupCache().insert(hashOf(1), [3, 7], 0)
    entry.replies.splice(0, 2, ...replies)
    expect(bestReply(entry, asked)?.replyIndex).toBe(served)
  })
})
