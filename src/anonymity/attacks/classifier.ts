/**
 * Learns to tell two kinds apart by features: a logistic regression, which sees sums, and boosted stumps, which see thresholds; their scores are added.
 * A second learner takes the single most telling feature: little data mislead it less.
 *
 * Contract: deterministic; the score grows with the odds of the first kind and is blind (constant) when there is nothing to learn from. Features may
 * have any scale; those that do not vary are ignored.
 * Knows nothing of: traffic.
 * Source: iteratively reweighted least squares with ridge (Hastie, Tibshirani and Friedman §4.4), gradient boosting with logistic loss (Friedman 2001);
 * departures: trees have one split; thresholds are quantiles.
 *
 * @module
 */
import { at, mean, quantileOf, sorted, variance } from "../series.ts"

export type FeatureRow = ArrayLike<number>
export type Scorer = (row: FeatureRow) => number

export interface Labelled {
  readonly rows: ReadonlyArray<FeatureRow>
  /** 1 for what is looked for, else 0. */
  readonly labels: ArrayLike<number>
}

const RIDGE = 1
const NEWTON_STEPS = 8
const BOOST_ROUNDS = 60
const SHRINKAGE = 0.15
const THRESHOLDS = 12
/** Rows that a side of a split must have. */
const SPLIT_MINIMUM = 5

const logistic = (x: number): number => 1 / (1 + Math.exp(-x))

/** Solves a symmetric positive definite system in place (Cholesky). */
const solve = (matrix: Float64Array, right: Float64Array, n: number): Float64Array => {
  for (let row = 0; row < n; row++) {
    for (let column = 0; column <= row; column++) {
      let value = matrix[row * n + column] as number
      for (let k = 0; k < column; k++) value -= (matrix[row * n + k] as number) * (matrix[column * n + k] as number)
      matrix[row * n + column] = row === column ? Math.sqrt(Math.max(value, 1e-12)) : value / (matrix[column * n + column] as number)
    }
  }
  for (let row = 0; row < n; row++) {
    let value = right[row] as number
    for (let k = 0; k < row; k++) value -= (matrix[row * n + k] as number) * (right[k] as number)
    right[row] = value / (matrix[row * n + row] as number)
  }
  for (let row = n - 1; row >= 0; row--) {
    let value = right[row] as number
    for (let k = row + 1; k < n; k++) value -= (matrix[k * n + row] as number) * (right[k] as number)
    right[row] = value / (matrix[row * n + row] as number)
  }
  return right
}

/** Columns as one array each, scaled to mean 0 and variance 1; the last is constant. */
interface Scaled {
  readonly centre: Float64Array
  readonly scale: Float64Array
}

const scalingOf = (rows: ReadonlyArray<FeatureRow>): Scaled => {
  const width = rows[0]?.length ?? 0
  const columns = Array.from({ length: width }, (_, feature) => Float64Array.from(rows, (row) => at(row, feature)))
  return {
    centre: Float64Array.from(columns, (column) => mean(column)),
    scale: Float64Array.from(columns, (column) => {
      const spread = Math.sqrt(variance(column))
      return spread > 1e-12 ? 1 / spread : 0
    })
  }
}

const scaledRow = (row: FeatureRow, { centre, scale }: Scaled): Float64Array =>
  Float64Array.from({ length: scale.length + 1 }, (_, feature) =>
    feature === scale.length ? 1 : (at(row, feature) - at(centre, feature)) * at(scale, feature))

const dot = (one: Float64Array, other: Float64Array): number => {
  let total = 0
  for (let index = 0; index < one.length; index++) total += (one[index] as number) * (other[index] as number)
  return total
}

/** Weights of the ridge logistic regression. @cost steps · rows · features² */
export const trainLogistic = ({ labels, rows }: Labelled): Scorer => {
  const scaling = scalingOf(rows)
  const n = scaling.scale.length + 1
  const scaled = rows.map((row) => scaledRow(row, scaling))
  const weights = new Float64Array(n)
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const curvature = new Float64Array(n * n)
    const gradient = Float64Array.from(weights, (weight) => -RIDGE * weight)
    for (let feature = 0; feature < n; feature++) curvature[feature * n + feature] = RIDGE
    for (const [index, row] of scaled.entries()) {
      const odds = logistic(dot(row, weights))
      const spread = Math.max(odds * (1 - odds), 1e-6)
      for (let i = 0; i < n; i++) {
        const own = row[i] as number
        gradient[i] = (gradient[i] as number) + (at(labels, index) - odds) * own
        for (let j = 0; j <= i; j++) curvature[i * n + j] = (curvature[i * n + j] as number) + spread * own * (row[j] as number)
      }
    }
    const change = solve(curvature, gradient, n)
    for (let i = 0; i < n; i++) weights[i] = (weights[i] as number) + Math.max(-5, Math.min(5, change[i] as number))
  }
  return (row) => dot(scaledRow(row, scaling), weights)
}

interface Stump {
  readonly feature: number
  readonly threshold: number
  readonly below: number
  readonly above: number
}

/** Each row's class among the thresholds of one feature: below the first, …, above the last. */
interface Binned {
  readonly thresholds: Float64Array
  readonly bins: Uint8Array
}

const binned = (rows: ReadonlyArray<FeatureRow>, feature: number): Binned => {
  const ascending = sorted(Float64Array.from(rows, (row) => at(row, feature)))
  const thresholds = Float64Array.from(new Set(Array.from({ length: THRESHOLDS }, (_, index) => quantileOf(ascending, (index + 0.5) / THRESHOLDS)))).sort()
  return { thresholds, bins: Uint8Array.from(rows, (row) => thresholds.filter((threshold) => threshold < at(row, feature)).length) }
}

/** The split that lowers the loss most, by the second-order gain. */
const bestStump = (features: ReadonlyArray<Binned>, gradient: Float64Array, spread: Float64Array): Stump | undefined => {
  let best: Stump | undefined
  let bestGain = 1e-9
  for (const [feature, { bins, thresholds }] of features.entries()) {
    const [gradients, spreads, counts] = [new Float64Array(THRESHOLDS + 1), new Float64Array(THRESHOLDS + 1), new Float64Array(THRESHOLDS + 1)]
    for (let row = 0; row < bins.length; row++) {
      const bin = bins[row] as number
      gradients[bin] = (gradients[bin] as number) + (gradient[row] as number)
      spreads[bin] = (spreads[bin] as number) + (spread[row] as number)
      counts[bin] = (counts[bin] as number) + 1
    }
    const [allGradient, allSpread] = [gradients.reduce((a, b) => a + b), spreads.reduce((a, b) => a + b)]
    let [left, leftSpread, leftCount] = [0, 0, 0]
    for (let bin = 0; bin < thresholds.length; bin++) {
      left += gradients[bin] as number
      leftSpread += spreads[bin] as number
      leftCount += counts[bin] as number
      if (leftCount < SPLIT_MINIMUM || bins.length - leftCount < SPLIT_MINIMUM) continue
      const right = allGradient - left
      const rightSpread = allSpread - leftSpread
      const gain = left * left / (leftSpread + RIDGE) + right * right / (rightSpread + RIDGE) - allGradient * allGradient / (allSpread + RIDGE)
      if (gain <= bestGain) continue
      bestGain = gain
      best = { feature, threshold: at(thresholds, bin), below: SHRINKAGE * left / (leftSpread + RIDGE), above: SHRINKAGE * right / (rightSpread + RIDGE) }
    }
  }
  return best
}

/** @cost rounds · rows · features */
export const trainStumps = ({ labels, rows }: Labelled): Scorer => {
  const features = Array.from({ length: rows[0]?.length ?? 0 }, (_, feature) => binned(rows, feature))
  const scores = new Float64Array(rows.length)
  const stumps: Array<Stump> = []
  for (let round = 0; round < BOOST_ROUNDS; round++) {
    const odds = scores.map(logistic)
    const stump = bestStump(features, odds.map((odd, index) => at(labels, index) - odd), odds.map((odd) => Math.max(1e-6, odd * (1 - odd))))
    if (stump === undefined) break
    stumps.push(stump)
    for (const [index, row] of rows.entries()) {
      scores[index] = (scores[index] as number) + (at(row, stump.feature) <= stump.threshold ? stump.below : stump.above)
    }
  }
  return (row) => stumps.reduce((total, { above, below, feature, threshold }) => total + (at(row, feature) <= threshold ? below : above), 0)
}

/** Both together. */
export const trainScorer = (training: Labelled): Scorer => {
  if (training.rows.length === 0) return () => 0
  const [sums, steps] = [trainLogistic(training), trainStumps(training)]
  return (row) => sums(row) + steps(row)
}

/** The one feature that differs most between the two kinds, in standard deviations, as a score. */
export const trainSingle = ({ labels, rows }: Labelled): Scorer => {
  let [feature, weight] = [-1, 0]
  for (let candidate = 0; candidate < (rows[0]?.length ?? 0); candidate++) {
    const sums = [0, 0]
    const counts = [0, 0]
    let squares = 0
    for (const [index, row] of rows.entries()) {
      const kind = at(labels, index)
      sums[kind] = at(sums, kind) + at(row, candidate)
      counts[kind] = at(counts, kind) + 1
      squares += at(row, candidate) ** 2
    }
    const centre = (at(sums, 0) + at(sums, 1)) / rows.length
    const spread = Math.sqrt(Math.max(1e-12, squares / rows.length - centre * centre))
    const difference = (at(sums, 1) / Math.max(1, at(counts, 1)) - at(sums, 0) / Math.max(1, at(counts, 0))) / spread
    if (Math.abs(difference) > Math.abs(weight)) [feature, weight] = [candidate, difference]
  }
  return (row) => (feature < 0 ? 0 : weight * at(row, feature))
}

/** Learning anew after each batch would take long and teach little: the next lesson comes when there is half as much again to learn from. */
export const nextLesson = (learned: number): number => Math.max(learned + 1, Math.ceil(1.5 * learned))
