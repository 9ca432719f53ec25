/**
 * The permutation test: would the labels, dealt anew at random, give a statistic as large as the one seen?
 *
 * Contract: exact at any sample size for labels that are exchangeable when nothing leaks; the probability is (1 + as large) / (1 + permutations), so it is
 * never 0 and a test at level α gives a false alarm with probability ≤ α.
 * Knows nothing of: the statistic.
 * Source: Fisher 1935; Phipson and Smyth 2010 (the added 1); departures: none.
 *
 * @module
 */
import { drawOrder, type Draw } from "../draws.ts"
import { at } from "../series.ts"

export interface PermutationTest {
  readonly observed: number
  readonly probability: number
  readonly permutations: number
}

/** @param statistic  of the labels in some order; larger means more leak */
export const permutationTest = (
  labels: ArrayLike<number>,
  statistic: (labels: Float64Array) => number,
  draw: Draw,
  permutations = 200
): PermutationTest => {
  const observed = statistic(Float64Array.from(labels))
  const dealt = new Float64Array(labels.length)
  let asLarge = 0
  for (let permutation = 0; permutation < permutations; permutation++) {
    const order = drawOrder(draw, labels.length)
    for (let index = 0; index < labels.length; index++) dealt[index] = at(labels, at(order, index))
    // equal up to rounding counts as equal
    if (statistic(dealt) >= observed - 1e-12 * Math.max(1, Math.abs(observed))) asLarge++
  }
  return { observed, probability: (1 + asLarge) / (1 + permutations), permutations }
}
