/**
 * Sums over series of numbers, written once.
 *
 * Contract: an index outside of a series reads as 0, the mean of nothing is 0. No argument is modified.
 * Knows nothing of: what the numbers mean.
 * Source: Welford's two-pass variance; departures: none.
 *
 * @module
 */

/** The element at an index. */
export const at = (values: ArrayLike<number>, index: number): number => values[index] ?? 0

export const sum = (values: ArrayLike<number>): number => {
  let total = 0
  for (let index = 0; index < values.length; index++) total += at(values, index)
  return total
}

export const mean = (values: ArrayLike<number>): number => (values.length === 0 ? 0 : sum(values) / values.length)

/** Variance of a sample, with n − 1. */
export const variance = (values: ArrayLike<number>): number => {
  if (values.length < 2) return 0
  const centre = mean(values)
  let total = 0
  for (let index = 0; index < values.length; index++) total += (at(values, index) - centre) ** 2
  return total / (values.length - 1)
}

export const sorted = (values: ArrayLike<number>): Float64Array => Float64Array.from(values).sort()

/** Quantile of an ascending series, linear between its elements. */
export const quantileOf = (ascending: ArrayLike<number>, probability: number): number => {
  const place = Math.max(0, Math.min(1, probability)) * (ascending.length - 1)
  const below = Math.floor(place)
  return at(ascending, below) + (place - below) * (at(ascending, Math.min(below + 1, ascending.length - 1)) - at(ascending, below))
}

/** How many elements of an ascending series are smaller than a value. */
export const countBelow = (ascending: ArrayLike<number>, value: number): number => {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (at(ascending, middle) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Means of `batchCount` consecutive stretches of equal length: nearly independent where single elements are not. What does not fill a stretch is left out. */
export const batchMeans = (values: ArrayLike<number>, batchCount: number): Float64Array => {
  const length = Math.floor(values.length / batchCount)
  return length === 0 ? Float64Array.from(values) : Float64Array.from({ length: batchCount }, (_, batch) => {
    let total = 0
    for (let index = batch * length; index < (batch + 1) * length; index++) total += at(values, index)
    return total / length
  })
}
