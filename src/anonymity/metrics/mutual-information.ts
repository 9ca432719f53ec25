/**
 * Mutual information in bits: what an observable tells about a secret, on average.
 *
 * Contract: `bits` is the plug-in estimate less its first-order bias (Miller and Madow), so that it is about 0, not above, when nothing leaks; it may then be
 * slightly negative. Real-valued observables are cut into bins of equal counts first.
 * Knows nothing of: what is secret.
 * Source: Miller 1955; departures: none.
 *
 * @module
 */
import { permutationTest } from "./permutation-test.ts"
import type { Draw } from "../draws.ts"
import { at, quantileOf, countBelow, sorted } from "../series.ts"

export interface MutualInformation {
  readonly bits: number
  /** Probability of as much from independent pairs. */
  readonly probability: number
}

/** Classes 0 … binCount − 1 of equal counts; equal values share a class. */
export const equalCountBins = (values: ArrayLike<number>, binCount: number): Int32Array => {
  const ascending = sorted(values)
  const edges = Float64Array.from({ length: Math.max(0, binCount - 1) }, (_, index) => quantileOf(ascending, (index + 1) / binCount))
  return Int32Array.from({ length: values.length }, (_, index) => countBelow(edges, at(values, index)))
}

const classCount = (labels: ArrayLike<number>): number => {
  let largest = -1
  for (let index = 0; index < labels.length; index++) largest = Math.max(largest, at(labels, index))
  return largest + 1
}

/** Entropy of a table of counts, in bits, and how many of its cells are used. */
const entropyOf = (counts: Float64Array, total: number): { readonly bits: number; readonly cells: number } => {
  let bits = 0
  let cells = 0
  for (const count of counts) {
    if (count === 0) continue
    cells++
    bits -= count / total * Math.log2(count / total)
  }
  return { bits, cells }
}

/** Of two lists of classes (whole numbers from 0), pair by pair. */
export const mutualInformationBits = (secret: ArrayLike<number>, observed: ArrayLike<number>): number => {
  const total = secret.length
  if (total === 0) return 0
  const width = classCount(observed)
  const rows = new Float64Array(classCount(secret))
  const columns = new Float64Array(width)
  const cells = new Float64Array(rows.length * width)
  for (let index = 0; index < total; index++) {
    const row = at(secret, index)
    const column = at(observed, index)
    rows[row] = at(rows, row) + 1
    columns[column] = at(columns, column) + 1
    cells[row * width + column] = at(cells, row * width + column) + 1
  }
  const one = entropyOf(rows, total)
  const other = entropyOf(columns, total)
  const joint = entropyOf(cells, total)
  const bias = (joint.cells - one.cells - other.cells + 1) / (2 * total * Math.LN2)
  return one.bits + other.bits - joint.bits - bias
}

/** The same with a permutation test of independence. */
export const mutualInformation = (secret: ArrayLike<number>, observed: ArrayLike<number>, draw: Draw, permutations = 200): MutualInformation => {
  const test = permutationTest(secret, (labels) => mutualInformationBits(labels, observed), draw, permutations)
  return { bits: test.observed, probability: test.probability }
}
