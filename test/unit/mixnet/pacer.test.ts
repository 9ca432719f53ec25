/**
 * Poisson ticks: gaps are exponential, the rate holds, nothing is made up for in a burst.
 *
 * Goal: what leaves a client tells nothing but the rate.
 * Method: Kolmogorov–Smirnov over gaps in virtual time, fixed seed, false-alarm rate 10^-4; stalls are ticks that take long on purpose.
 *
 * @module
 */
import { Clock, Effect, Random } from "effect"
import { describe, expect, it } from "vitest"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { sampleExponentialMs } from "../../../src/mixnet/delay.ts"
import { poissonTicks } from "../../../src/mixnet/pacer.ts"
import { distanceBound, distanceFrom, exponential } from "../../../src/simulation/checkers/statistics.ts"
import { runVirtual } from "./virtual-time.ts"

const RATE_PER_MS = 0.025
const TICK_COUNT = 20_000
const CRITICAL = distanceBound(TICK_COUNT, 1e-4)
const SEND_SLACK_MS = 50

const seeded = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withRandom(effect, randomFromEntropy(seededEntropy(11, "pacer")))

interface Run {
  readonly servedMs: ReadonlyArray<number>
  readonly dropped: number
}

/** Serves ticks until an instant; `work` says how long serving tick number n takes. */
const serve = (untilMs: number, work: (index: number) => number): Run => {
  let dropped = 0
  const servedMs: Array<number> = []
  const onTick = Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
    servedMs.push(nowMs)
    const workMs = work(servedMs.length - 1)
    return workMs > 0 ? Effect.sleep(workMs) : Effect.void
  })
  const ticks = poissonTicks(RATE_PER_MS, () => onTick, { sendSlackMs: SEND_SLACK_MS, onDropped: () => dropped++ })
  runVirtual(seeded(Effect.race(ticks, Effect.sleep(untilMs))))
  return { servedMs, dropped }
}

/** The due times that the seed stands for. */
const scheduleUntil = (untilMs: number): ReadonlyArray<number> =>
  Effect.runSync(seeded(Effect.gen(function*() {
    const dues: Array<number> = []
    for (let dueMs = 0; dueMs <= untilMs;) {
      dueMs += sampleExponentialMs(yield* Random.next, RATE_PER_MS)
      dues.push(dueMs)
    }
    return dues.slice(0, -1)
  })))

describe("gaps", () => {
  const { dropped, servedMs } = serve(TICK_COUNT / RATE_PER_MS, () => 0)
  const gaps = servedMs.map((atMs, index) => atMs - (servedMs[index - 1] ?? 0))

  it("are exponential with mean 1/rate", () => {
    expect(distanceFrom(gaps, exponential(RATE_PER_MS))).toBeLessThan(CRITICAL)
    expect(distanceFrom(gaps, exponential(RATE_PER_MS * 1.1))).toBeGreaterThan(CRITICAL)
    expect(dropped).toBe(0)
  })
  it("do not depend on the gap before", () => {
    const after = (condition: (gap: number) => boolean) => gaps.filter((_, index) => index > 0 && condition(gaps[index - 1] ?? 0))
    for (const part of [after((gap) => gap < 20), after((gap) => gap > 60)]) {
      expect(distanceFrom(part, exponential(RATE_PER_MS))).toBeLessThan(distanceBound(part.length, 1e-4))
    }
  })
  it("keep the mean rate: the count of a long time is within five standard deviations", () => {
    expect(Math.abs(servedMs.length - TICK_COUNT)).toBeLessThan(5 * Math.sqrt(TICK_COUNT))
  })
})

describe("slow ticks", () => {
  it("that stay within the slack move no later tick: due times are absolute", () => {
    const { dropped, servedMs } = serve(4_000_000, () => 3)
    const dues = scheduleUntil(4_000_000)
    expect(dropped).toBe(0)
    expect(servedMs).toHaveLength(dues.length)
    const latenesses = servedMs.map((atMs, index) => atMs - (dues[index] ?? 0))
    expect(Math.min(...latenesses)).toBeGreaterThanOrEqual(-1e-6)
    expect(Math.max(...latenesses)).toBeLessThanOrEqual(SEND_SLACK_MS)
  })
  it("that stall the stream lose the ticks due more than the slack before it goes on, and no others", () => {
    const untilMs = 100_000
    const dues = scheduleUntil(untilMs)
    const { dropped, servedMs } = serve(untilMs, (index) => index === 1_000 ? 5_000 : 0)
    const stallStartMs = servedMs[1_000] ?? 0
    const stallEndMs = stallStartMs + 5_000
    const lost = dues.filter((dueMs) => dueMs > stallStartMs + 0.01 && dueMs < stallEndMs - SEND_SLACK_MS)
    expect(lost.length).toBeGreaterThan(80)
    expect(dropped).toBe(lost.length)
    expect(servedMs.length + dropped).toBe(dues.length)
    const atOnce = servedMs.filter((atMs) => Math.abs(atMs - stallEndMs) < 1e-6)
    expect(atOnce).toHaveLength(dues.filter((dueMs) => dueMs >= stallEndMs - SEND_SLACK_MS && dueMs < stallEndMs).length)
  })
})

describe("streams of ticks", () => {
  it("end with the error of a tick", () => {
    const ticks = poissonTicks(RATE_PER_MS, () => Effect.fail("planted"), { sendSlackMs: SEND_SLACK_MS })
    expect(runVirtual(seeded(Effect.flip(ticks)))).toBe("planted")
  })
  it("refuse a rate that is not positive", () => {
    for (const rate of [0, -1, Number.NaN]) expect(() => poissonTicks(rate, () => undefined, { sendSlackMs: 1 })).toThrow(RangeError)
  })
})
