/**
 * Confidence intervals: exact ones for counts, Student's t for means, the bootstrap for everything else.
 *
 * Contract: an interval covers the true value with probability `level` at least (Clopper–Pearson) or about (the others), over repetitions of the
 * experiment. Elements handed in are independent; correlated series go through `batchMeans` first.
 * Knows nothing of: games, attacks.
 * Source: Clopper and Pearson 1934; Wilson 1927; Student 1908; Efron 1979 (percentile bootstrap); departures: none.
 *
 * @module
 */
import { drawIndex, type Draw } from "../draws.ts"
import { at, mean, quantileOf, variance } from "../series.ts"
import { betaQuantile, normalQuantile, studentQuantile } from "./special-functions.ts"

/** The level of every interval in a report, unless it says otherwise. */
export const LEVEL = 0.95

export interface Interval {
  readonly lower: number
  readonly upper: number
  readonly level: number
}

/** An estimate with its interval. */
export interface Estimate {
  readonly value: number
  readonly interval: Interval
}

/** Of a probability, exact: never too narrow, whatever the count. */
export const clopperPearson = (successes: number, trials: number, level = LEVEL): Interval => {
  const tail = (1 - level) / 2
  return {
    lower: successes === 0 ? 0 : betaQuantile(tail, successes, trials - successes + 1),
    upper: successes === trials ? 1 : betaQuantile(1 - tail, successes + 1, trials - successes),
    level
  }
}

/** Of a probability, approximate: shorter than the exact one, right on average. */
export const wilson = (successes: number, trials: number, level = LEVEL): Interval => {
  const z = normalQuantile(1 - (1 - level) / 2)
  const rate = trials === 0 ? 0.5 : successes / trials
  const weight = 1 + z * z / Math.max(1, trials)
  const centre = (rate + z * z / (2 * Math.max(1, trials))) / weight
  const half = z / weight * Math.sqrt(rate * (1 - rate) / Math.max(1, trials) + (z / (2 * Math.max(1, trials))) ** 2)
  return { lower: Math.max(0, centre - half), upper: Math.min(1, centre + half), level }
}

/** Of the mean of independent values. Fewer than two values bound nothing. */
export const studentInterval = (values: ArrayLike<number>, level = LEVEL): Interval => {
  if (values.length < 2) return { lower: -Infinity, upper: Infinity, level }
  const half = studentQuantile(1 - (1 - level) / 2, values.length - 1) * Math.sqrt(variance(values) / values.length)
  return { lower: mean(values) - half, upper: mean(values) + half, level }
}

/** The mean of independent values, with Student's interval. */
export const meanEstimate = (values: ArrayLike<number>, level = LEVEL): Estimate => ({ value: mean(values), interval: studentInterval(values, level) })

/**
 * Of any statistic of independent observations, by resampling them with replacement.
 * @param statistic  of the observations with these indexes
 * @cost `resamples` times the statistic
 */
export const bootstrap = (
  count: number,
  statistic: (indexes: Int32Array) => number,
  draw: Draw,
  options: { readonly resamples?: number; readonly level?: number } = {}
): Estimate => {
  const { level = LEVEL, resamples = 400 } = options
  const indexes = Int32Array.from({ length: count }, (_, index) => index)
  const value = statistic(indexes)
  const replicates = new Float64Array(resamples)
  for (let resample = 0; resample < resamples; resample++) {
    for (let index = 0; index < count; index++) indexes[index] = drawIndex(draw, count)
    replicates[resample] = statistic(indexes)
  }
  replicates.sort()
  return { value, interval: { lower: quantileOf(replicates, (1 - level) / 2), upper: quantileOf(replicates, (1 + level) / 2), level } }
}

/** The mean of independent values, by the bootstrap: for skewed values. */
export const bootstrapMean = (values: ArrayLike<number>, draw: Draw, options: { readonly resamples?: number; readonly level?: number } = {}): Estimate =>
  bootstrap(values.length, (indexes) => {
    let total = 0
    for (let index = 0; index < indexes.length; index++) total += at(values, at(indexes, index))
    return indexes.length === 0 ? 0 : total / indexes.length
  }, draw, options)
