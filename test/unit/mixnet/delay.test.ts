/**
 * Delays drawn, and delays as the delay queue honours them, are exponential.
 *
 * Goal: the distribution that hides who sent what is the one promised.
 * Method: Kolmogorov–Smirnov, fixed seeds, false-alarm rate 10^-4 per test; each test is shown to notice a mean that is a tenth off.
 *
 * @module
 */
import { Effect, Random } from "effect"
import { describe, expect, it } from "vitest"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { exponentialCapMs, sampleExponentialMs, sampleHopDelayMs } from "../../../src/mixnet/delay.ts"
import { makeDelayQueue } from "../../../src/mixnet/delay-queue.ts"
import { distanceBound, distanceFrom, exponential } from "../../../src/simulation/checkers/statistics.ts"
import { runVirtual } from "./virtual-time.ts"

const FALSE_ALARM_RATE = 1e-4
const SAMPLE_COUNT = 20_000
const CRITICAL = distanceBound(SAMPLE_COUNT, FALSE_ALARM_RATE)
const MU_PER_MS = 0.05

/**
 * Largest distance of the empirical distribution from one on whole numbers, taken at its atoms: against the bound for continuous ones, false alarms are rarer
 * than stated.
 */
const discreteDistanceFrom = (samples: ReadonlyArray<number>, distribution: (x: number) => number): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted.reduce((worst, x, index) =>
    sorted[index + 1] === x ? worst : Math.max(worst, Math.abs((index + 1) / sorted.length - distribution(x))), 0)
}
const seeded = (label: string) => Effect.withRandom(randomFromEntropy(seededEntropy(7, label)))
const uniforms = (label: string): ReadonlyArray<number> =>
  Effect.runSync(seeded(label)(Effect.all(Array.from({ length: SAMPLE_COUNT }, () => Random.next))))

describe("draws", () => {
  it("caps are those of the protocol's table", () => {
    expect([0.005, 0.001, 0.0005, 0.2, 0.00025].map(exponentialCapMs)).toEqual([5_527, 27_632, 55_263, 139, 110_525])
  })
  it("a draw is 0 for u = 0, grows with u and never passes the cap", () => {
    expect(sampleExponentialMs(0, 0.005)).toBe(0)
    expect(sampleExponentialMs(0.5, 0.005)).toBeCloseTo(138.63, 2)
    expect(sampleExponentialMs(1 - 2 ** -53, 0.005)).toBe(5_527)
  })
  it("a hop delay is a whole number from 1 to the cap", () => {
    expect(sampleHopDelayMs(0, 0.005)).toBe(1)
    expect(sampleHopDelayMs(0.5, 0.005)).toBe(139)
    expect(sampleHopDelayMs(1 - 2 ** -53, 0.005)).toBe(5_527)
  })
  it("draws are exponential with mean 1/rate", () => {
    const samples = uniforms("draws").map((u) => sampleExponentialMs(u, MU_PER_MS))
    expect(distanceFrom(samples, exponential(MU_PER_MS))).toBeLessThan(CRITICAL)
    expect(distanceFrom(samples, exponential(MU_PER_MS * 1.1))).toBeGreaterThan(CRITICAL)
  })
})

describe("delays served", () => {
  /** Offers 20 000 items, five every millisecond, and gives what each waited. */
  const waits = runVirtual(Effect.scoped(seeded("served")(Effect.gen(function*() {
    const clock = yield* Effect.clock
    const served: Array<number> = []
    let asked = 0
    const queue = yield* makeDelayQueue<{ readonly offeredMs: number; readonly delayMs: number }>({
      capacity: SAMPLE_COUNT,
      slackMs: 0,
      onDue: (items) => Effect.sync(() => {
        for (const { offeredMs, delayMs } of items) {
          const waitedMs = clock.unsafeCurrentTimeMillis() - offeredMs
          served.push(waitedMs)
          if (waitedMs === delayMs) asked += 1
        }
      })
    })
    for (let index = 0; index < SAMPLE_COUNT; index++) {
      const offeredMs = clock.unsafeCurrentTimeMillis()
      const delayMs = sampleHopDelayMs(yield* Random.next, MU_PER_MS)
      yield* queue.offer({ offeredMs, delayMs }, offeredMs + delayMs)
      if (index % 5 === 4) yield* Effect.sleep(1)
    }
    yield* Effect.sleep(exponentialCapMs(MU_PER_MS))
    return { served, asked, stats: yield* queue.stats }
  }))))

  it("every item waits exactly its delay", () => {
    expect(waits.asked).toBe(SAMPLE_COUNT)
    expect(waits.stats).toMatchObject({ queued: 0, released: SAMPLE_COUNT, droppedLate: 0, droppedOverflow: 0, latenessMsMax: 0 })
  })
  it("the waits are exponential with mean 1/mu", () => {
    expect(discreteDistanceFrom(waits.served, exponential(MU_PER_MS))).toBeLessThan(CRITICAL)
    expect(discreteDistanceFrom(waits.served, exponential(MU_PER_MS * 1.1))).toBeGreaterThan(CRITICAL)
  })
})
