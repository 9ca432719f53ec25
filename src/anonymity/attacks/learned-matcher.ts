/**
 * Learns from batches whose truth is known which features make a pair, and plays the pairing game on others.
 *
 * Within a batch every feature is replaced by its rank, 0 to 1: who was first, who had most. A pair is described by the distance of each feature of the left
 * to each of the right. Two learners: *one distance*, the single most telling one, which learns from few batches; and *all distances* by the classifier.
 *
 * Contract: training and test batches are disjoint. Features are what the adversary sees; the truth is used of the training batches only.
 * Knows nothing of: where features come from.
 * Source: the correlation attacks on mix networks (Nasr, Bahramali and Houmansadr 2018) in small; departures: stumps instead of a deep network.
 *
 * @module
 */
import { drawIndex, type Draw } from "../draws.ts"
import { midRanks } from "../metrics/roc.ts"
import { at } from "../series.ts"
import { trainScorer, type FeatureRow } from "./classifier.ts"
import { playPairing, type PairingOutcome, type PairScore, type ScoredBatch } from "./pairing-game.ts"

/** Things and their partners, each as features; all rows of a side have the same length. */
export interface FeatureBatch {
  readonly left: ReadonlyArray<FeatureRow>
  readonly right: ReadonlyArray<FeatureRow>
  /** The truth: the right partner of each left one. */
  readonly rightOf: ArrayLike<number>
}

/** Wrong partners that are shown for each right one. */
const WRONG_PAIRS = 2

/** Every feature as its rank in the batch, from 0 to 1. */
const ranked = (rows: ReadonlyArray<FeatureRow>): ReadonlyArray<Float64Array> => {
  const ranks = Array.from({ length: rows[0]?.length ?? 0 }, (_, feature) => midRanks(rows.map((row) => at(row, feature))))
  return rows.map((_, row) => Float64Array.from(ranks, (column) => (at(column, row) - 1) / Math.max(1, rows.length - 1)))
}

interface RankedBatch {
  readonly size: number
  readonly rightOf: ArrayLike<number>
  readonly distances: (left: number, right: number) => Float64Array
}

const rankedBatch = ({ left, right, rightOf }: FeatureBatch): RankedBatch => {
  const [lefts, rights] = [ranked(left), ranked(right)]
  return {
    size: left.length,
    rightOf,
    distances: (one, other) => {
      const [here, there] = [lefts[one] ?? new Float64Array(), rights[other] ?? new Float64Array()]
      return Float64Array.from({ length: here.length * there.length }, (_, cell) =>
        Math.abs(at(here, Math.floor(cell / there.length)) - at(there, cell % there.length)))
    }
  }
}

const labelledPairs = (batches: ReadonlyArray<RankedBatch>, draw: Draw): { readonly rows: Array<Float64Array>; readonly labels: Array<number> } => {
  const rows: Array<Float64Array> = []
  const labels: Array<number> = []
  for (const { distances, rightOf, size } of batches) {
    for (let left = 0; left < size && size > 1; left++) {
      rows.push(distances(left, at(rightOf, left)))
      labels.push(1)
      for (let wrong = 0; wrong < WRONG_PAIRS; wrong++) {
        const other = (left + 1 + drawIndex(draw, size - 1)) % size
        rows.push(distances(left, at(rightOf, other)))
        labels.push(0)
      }
    }
  }
  return { rows, labels }
}

/** The one distance that differs most between right and wrong pairs, in standard deviations, as a score. */
const bestDistance = (rows: ReadonlyArray<Float64Array>, labels: ReadonlyArray<number>): ((distances: Float64Array) => number) => {
  let [feature, weight] = [-1, 0]
  for (let candidate = 0; candidate < (rows[0]?.length ?? 0); candidate++) {
    const sums = [0, 0]
    const counts = [0, 0]
    let squares = 0
    for (const [index, row] of rows.entries()) {
      const kind = labels[index] ?? 0
      sums[kind] = (sums[kind] ?? 0) + at(row, candidate)
      counts[kind] = (counts[kind] ?? 0) + 1
      squares += at(row, candidate) ** 2
    }
    const centre = (at(sums, 0) + at(sums, 1)) / rows.length
    const spread = Math.sqrt(Math.max(1e-12, squares / rows.length - centre * centre))
    const difference = (at(sums, 1) / Math.max(1, at(counts, 1)) - at(sums, 0) / Math.max(1, at(counts, 0))) / spread
    if (Math.abs(difference) > Math.abs(weight)) [feature, weight] = [candidate, difference]
  }
  return (distances) => (feature < 0 ? 0 : weight * at(distances, feature))
}

export interface LearnedOutcome {
  readonly oneDistance: PairingOutcome
  readonly allDistances: PairingOutcome
}

export const learnedMatcher = (name: string, training: ReadonlyArray<FeatureBatch>, test: ReadonlyArray<FeatureBatch>, draw: Draw): LearnedOutcome => {
  const { labels, rows } = labelledPairs(training.map(rankedBatch), draw)
  const one = bestDistance(rows, labels)
  const all = trainScorer({ rows, labels })
  const batches = test.map(rankedBatch)
  const scoredBy = (score: (distances: Float64Array) => number): ReadonlyArray<ScoredBatch> =>
    batches.map(({ distances, rightOf, size }): ScoredBatch => {
      const pairScore: PairScore = (left, right) => score(distances(left, right))
      return { size, rightOf, score: pairScore }
    })
  return {
    oneDistance: playPairing(`${name}, one distance`, scoredBy(one), draw),
    allDistances: playPairing(`${name}, learned`, scoredBy(all), draw)
  }
}
