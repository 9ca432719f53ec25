/**
 * How well a score tells two kinds apart: the ROC curve and the area under it.
 *
 * Contract: the area is the probability that a positive scores higher than a negative, ties counted half; 0.5 is blind. Its interval is DeLong's, and
 * where the score separates perfectly (DeLong's variance is 0 there), the exact one of as many coin flips as the smaller kind has members.
 * Knows nothing of: where scores come from.
 * Source: DeLong, DeLong and Clarke-Pearson 1988, in the O(n log n) form of Sun and Xu 2014; departures: the interval at the borders.
 *
 * @module
 */
import { at, mean, sorted, variance } from "../series.ts"
import { clopperPearson, LEVEL, type Estimate } from "./interval.ts"
import { normalQuantile } from "./special-functions.ts"

export interface AreaUnderCurve extends Estimate {
  readonly positives: number
  readonly negatives: number
}

/** Ranks from 1, equal values sharing the mean of their ranks. */
export const midRanks = (values: ArrayLike<number>): Float64Array => {
  const order = Int32Array.from({ length: values.length }, (_, index) => index).sort((one, other) => at(values, one) - at(values, other))
  const ranks = new Float64Array(values.length)
  for (let start = 0; start < order.length;) {
    let end = start + 1
    while (end < order.length && at(values, at(order, end)) === at(values, at(order, start))) end++
    for (let place = start; place < end; place++) ranks[at(order, place)] = (start + 1 + end) / 2
    start = end
  }
  return ranks
}

/** The area under the curve, with its interval. @cost O(n log n) */
export const areaUnderCurve = (positive: ArrayLike<number>, negative: ArrayLike<number>, level = LEVEL): AreaUnderCurve => {
  const m = positive.length
  const n = negative.length
  const counts = { positives: m, negatives: n }
  if (m === 0 || n === 0) return { value: 0.5, interval: { lower: 0, upper: 1, level }, ...counts }
  const all = midRanks([...Array.from(positive), ...Array.from(negative)])
  const ownPositive = midRanks(positive)
  const ownNegative = midRanks(negative)
  // of each positive, the share of negatives below it; of each negative, the share of positives above it
  const above = Float64Array.from({ length: m }, (_, index) => (at(all, index) - at(ownPositive, index)) / n)
  const below = Float64Array.from({ length: n }, (_, index) => 1 - (at(all, m + index) - at(ownNegative, index)) / m)
  const value = mean(above)
  const spread = Math.sqrt(variance(above) / m + variance(below) / n)
  if (spread === 0 && (value === 0 || value === 1)) {
    const few = Math.min(m, n)
    return { value, interval: clopperPearson(value * few, few, level), ...counts }
  }
  const half = normalQuantile(1 - (1 - level) / 2) * spread
  return { value, interval: { lower: Math.max(0, value - half), upper: Math.min(1, value + half), level }, ...counts }
}

/** An area as an advantage, whichever way round: |2·area − 1|; 0 is in the interval when 0.5 is in that of the area. */
export const separationOf = ({ interval, value }: Estimate): Estimate => {
  const [low, high] = [2 * interval.lower - 1, 2 * interval.upper - 1]
  return {
    value: Math.abs(2 * value - 1),
    interval: { lower: low > 0 ? low : high < 0 ? -high : 0, upper: Math.max(Math.abs(low), Math.abs(high)), level: interval.level }
  }
}

/** How far a score tells two kinds apart. */
export const separation = (one: ArrayLike<number>, other: ArrayLike<number>, level = LEVEL): Estimate => separationOf(areaUnderCurve(one, other, level))

export interface CurvePoint {
  readonly falsePositiveRate: number
  readonly truePositiveRate: number
}

/** The curve from (0, 0) to (1, 1), at most `pointCount` points between. */
export const rocCurve = (positive: ArrayLike<number>, negative: ArrayLike<number>, pointCount = 100): ReadonlyArray<CurvePoint> => {
  const hits = sorted(positive)
  const misses = sorted(negative)
  const points: Array<CurvePoint> = [{ falsePositiveRate: 0, truePositiveRate: 0 }]
  let hit = hits.length
  let miss = misses.length
  while (hit > 0 || miss > 0) {
    const threshold = Math.max(hit > 0 ? at(hits, hit - 1) : -Infinity, miss > 0 ? at(misses, miss - 1) : -Infinity)
    while (hit > 0 && at(hits, hit - 1) >= threshold) hit--
    while (miss > 0 && at(misses, miss - 1) >= threshold) miss--
    points.push({
      falsePositiveRate: misses.length === 0 ? 0 : 1 - miss / misses.length,
      truePositiveRate: hits.length === 0 ? 0 : 1 - hit / hits.length
    })
  }
  const step = Math.max(1, Math.ceil(points.length / pointCount))
  return points.filter((_, index) => index % step === 0 || index === points.length - 1)
}
