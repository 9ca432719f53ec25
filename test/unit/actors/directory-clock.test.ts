/**
 * The clock that follows the directory's.
 *
 * Goal: right clocks are left alone, wrong ones corrected, liars in the minority move nothing.
 * Method: a base clock that stands still.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeDirectoryClock } from "../../../actors/directory-clock.ts"

const NOW_MS = 1_000_000
const base: Clock.Clock = {
  ...Clock.make(),
  unsafeCurrentTimeMillis: () => NOW_MS,
  unsafeCurrentTimeNanos: () => BigInt(NOW_MS) * 1_000_000n,
  currentTimeMillis: Effect.succeed(NOW_MS)
}
const PEERS = ["a", "b", "c"]
const rig = (countsOwn = false) => {
  const corrections: Array<number> = []
  return { corrections, ...makeDirectoryClock({ base, peers: PEERS, countsOwn, onCorrection: (offsetMs) => corrections.push(offsetMs) }) }
}

describe("the directory clock", () => {
  it("is the machine's while peers are within the tolerance", () => {
    const { clock, corrections, observe } = rig()
    for (const [peer, skewMs] of [["a", 1_400], ["b", -1_900], ["c", -500]] as const) observe(peer, skewMs)
    expect(clock.unsafeCurrentTimeMillis()).toBe(NOW_MS)
    expect(corrections).toEqual([])
  })
  it("adds what the peers show, and the half second that whole seconds lack", async () => {
    const { clock, corrections, observe } = rig()
    observe("a", 29_500)
    expect(clock.unsafeCurrentTimeMillis()).toBe(NOW_MS + 30_000)
    expect(await Effect.runPromise(clock.currentTimeMillis)).toBe(NOW_MS + 30_000)
    expect(clock.unsafeCurrentTimeNanos()).toBe(BigInt(NOW_MS + 30_000) * 1_000_000n)
    expect(corrections).toEqual([30_000])
  })
  it("does not go on correcting what it has corrected", () => {
    const { corrections, observe } = rig()
    observe("a", 29_500)
    for (const peer of PEERS) observe(peer, -500)
    expect(corrections).toEqual([30_000])
  })
  it("goes back when a lone liar is outvoted", () => {
    const { clock, observe } = rig()
    observe("a", 3_600_000)
    observe("b", -3_600_500)
    observe("c", -3_600_500)
    expect(clock.unsafeCurrentTimeMillis()).toBe(NOW_MS)
  })
  it("at an authority counts its own clock: one fellow alone moves nothing, two do", () => {
    const { clock, observe } = rig(true)
    observe("a", 29_500)
    expect(clock.unsafeCurrentTimeMillis()).toBe(NOW_MS)
    observe("b", 29_500)
    expect(clock.unsafeCurrentTimeMillis()).toBe(NOW_MS + 30_000)
  })
  it("hears only the peers that count, and no nonsense", () => {
    const { clock, observe } = rig()
    observe("stranger", 90_000)
    observe("a", Number.NaN)
    observe("a", Number.POSITIVE_INFINITY)
    expect(clock.unsafeCurrentTimeMillis()).toBe(NOW_MS)
  })
})
