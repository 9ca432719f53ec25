/**
 * Confidence intervals: exact ones for counts, Student's t for means.
 *
 * Contract: an interval covers the true value with probability `level` at least (Clopper–Pearson) or about (Student), over repetitions of the
 * experiment. Elements handed in are independent; correlated series go through `batchMeans` first.
 * Knows nothing of: games, attacks.
 * Source: Clopper and Pearson 1934; Student 1908; departures: none.
 *
 * @module
 */
import { mean, variance } from "../series.ts"
import { betaQuantile, studentQuantile } from "./special-functions.ts"

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

/** Of the mean of independent values. Fewer than two values bound nothing. */
export const studentInterval = (values: ArrayLike<number>, level = LEVEL): Interval => {
  if (values.length < 2) return { lower: -Infinity, upper: Infinity, level }
  const half = studentQuantile(1 - (1 - level) / 2, values.length - 1) * Math.sqrt(variance(values) / values.length)
  return { lower: mean(values) - half, upper: mean(values) + half, level }
}

/** The mean of independent values, with Student's interval. */
export const meanEstimate = (values: ArrayLike<number>, level = LEVEL): Estimate => ({ value: mean(values), interval: studentInterval(values, level) })
