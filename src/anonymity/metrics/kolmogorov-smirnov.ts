/**
 * The Kolmogorov–Smirnov test: does a sample follow a law?
 *
 * Contract: the probability is that of a distance at least as large of a sample of that law, with independent elements. It is the asymptotic one with
 * Stephens' correction, good from about 10 elements on.
 * Knows nothing of: what was measured.
 * Source: Stephens 1970; departures: none.
 *
 * @module
 */
import { at, sorted } from "../series.ts"

export interface Comparison {
  /** Largest distance between the two distribution functions. */
  readonly distance: number
  readonly probability: number
}

const TERMS = 100

const tail = (distance: number, effective: number): number => {
  const root = Math.sqrt(effective)
  const lambda = (root + 0.12 + 0.11 / root) * distance
  // the series needs ever more terms towards 0, where the probability is 1 to twelve digits
  if (lambda < 0.2) return 1
  let total = 0
  for (let term = 1; term <= TERMS; term++) total += (term % 2 === 1 ? 2 : -2) * Math.exp(-2 * term * term * lambda * lambda)
  return Math.max(0, Math.min(1, total))
}

/** A sample and a law. @param cdf  the law's distribution function */
export const compareWithLaw = (sample: ArrayLike<number>, cdf: (value: number) => number): Comparison => {
  const values = sorted(sample)
  let distance = 0
  for (let index = 0; index < values.length; index++) {
    const expected = cdf(at(values, index))
    distance = Math.max(distance, expected - index / values.length, (index + 1) / values.length - expected)
  }
  return { distance, probability: tail(distance, values.length) }
}
