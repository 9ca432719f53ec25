/**
 * Chance for numerical models: a small generator that gives the same numbers for the same seed, and draws by it.
 *
 * Contract: never for anything that is sent, sealed or kept secret; a model that is asked twice answers the same twice. Instants and durations are
 * milliseconds, rates are per millisecond.
 * Knows nothing of: what is modelled.
 * Source: sfc32 (Doty-Humphrey's small fast counting generator, 32 bit); departures: none.
 *
 * @module
 */
import { sampleExponentialMs, sampleHopDelayMs } from "../mixnet/delay.ts"
import type { Uniform } from "../mixnet/path.ts"

/** Rounds after which the seed shows no more. */
const WARM_UP_ROUNDS = 16
const TWO_32 = 2 ** 32

/** A generator of numbers uniform in [0, 1), 32 bits each. */
export const modelUniform = (seed: number): Uniform => {
  let [a, b, c, counter] = [seed | 0, (seed / TWO_32) | 0, 0x9e3779b9 | 0, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum | 0
    return (sum >>> 0) / TWO_32
  }
  for (let round = 0; round < WARM_UP_ROUNDS; round++) next()
  return next
}

/** Time to the next tick of a Poisson stream. */
export const tickMs = (uniform: Uniform, ratePerMs: number): number => sampleExponentialMs(uniform(), ratePerMs)

/** The sum of the delays of some hops. */
export const hopsMs = (uniform: Uniform, muPerMs: number, hopCount: number): number => {
  let sumMs = 0
  for (let hop = 0; hop < hopCount; hop++) sumMs += sampleHopDelayMs(uniform(), muPerMs)
  return sumMs
}

/** A whole number in [0, count). */
export const pickOf = (uniform: Uniform, count: number): number => Math.min(count - 1, Math.floor(uniform() * count))

/** A Poisson number with this mean: arrivals of a stream of rate 1 in that time. */
export const poissonCount = (uniform: Uniform, mean: number): number => {
  let count = 0
  for (let rest = mean - tickMs(uniform, 1); rest > 0; rest -= tickMs(uniform, 1)) count += 1
  return count
}

/** What many draws of one figure come to. */
export interface Spread {
  readonly mean: number
  /** Nineteen of twenty draws are at most this. */
  readonly p95: number
  /** Standard error of `mean`. */
  readonly error: number
}

/** @param draws  at least one */
export const spreadOf = (draws: ReadonlyArray<number>): Spread => {
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
  const variance = draws.reduce((sum, draw) => sum + (draw - mean) ** 2, 0) / Math.max(1, draws.length - 1)
  const sorted = [...draws].sort((x, y) => x - y)
  return { mean, p95: sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))] ?? mean, error: Math.sqrt(variance / draws.length) }
}
