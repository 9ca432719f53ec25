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
import { nextLesson, trainScorer, trainSingle, type FeatureRow } from "./classifier.ts"
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

/** The two learners' scores of a pair's distances. */
interface Learned {
  readonly one: (distances: Float64Array) => number
  readonly all: (distances: Float64Array) => number
}

const learn = (training: ReadonlyArray<RankedBatch>, draw: Draw): Learned => {
  const { labels, rows } = labelledPairs(training, draw)
  return { one: trainSingle({ rows, labels }), all: trainScorer({ rows, labels }) }
}

const scoredBy = (score: (distances: Float64Array) => number) => ({ distances, rightOf, size }: RankedBatch): ScoredBatch => {
  const pairScore: PairScore = (left, right) => score(distances(left, right))
  return { size, rightOf, score: pairScore }
}

export interface LearnedOutcome {
  readonly oneDistance: PairingOutcome
  readonly allDistances: PairingOutcome
}

export const learnedMatcher = (name: string, training: ReadonlyArray<FeatureBatch>, test: ReadonlyArray<FeatureBatch>, draw: Draw): LearnedOutcome => {
  const { all, one } = learn(training.map(rankedBatch), draw)
  const batches = test.map(rankedBatch)
  return {
    oneDistance: playPairing(`${name}, one distance`, batches.map(scoredBy(one)), draw),
    allDistances: playPairing(`${name}, learned`, batches.map(scoredBy(all)), draw)
  }
}

/** The same batches as each of several observers scores them. */
export interface ScoredByEach {
  readonly oneDistance: ReadonlyArray<ScoredBatch>
  readonly allDistances: ReadonlyArray<ScoredBatch>
  /** Who learns nothing and believes that things keep their order in one given respect: the same feature on both sides. */
  readonly inOrder: ReadonlyArray<ScoredBatch>
}

/**
 * Scores each batch by what was learned from the batches before it, so that nearly all of them are played, and none by its own truth.
 * @param first  batches that are learned from only
 * @param order  a feature of the left and one of the right, for who believes in order
 */
export const sequentialScores = (
  batches: ReadonlyArray<FeatureBatch>, first: number, order: readonly [left: number, right: number], draw: Draw
): ScoredByEach => {
  const ranks = batches.map(rankedBatch)
  const width = batches[0]?.right[0]?.length ?? 0
  const scored: { readonly oneDistance: Array<ScoredBatch>; readonly allDistances: Array<ScoredBatch>; readonly inOrder: Array<ScoredBatch> } =
    { oneDistance: [], allDistances: [], inOrder: [] }
  for (let start = first; start < ranks.length; start = nextLesson(start)) {
    const { all, one } = learn(ranks.slice(0, start), draw)
    for (const batch of ranks.slice(start, nextLesson(start))) {
      scored.oneDistance.push(scoredBy(one)(batch))
      scored.allDistances.push(scoredBy(all)(batch))
      scored.inOrder.push(scoredBy((distances) => -at(distances, order[0] * width + order[1]))(batch))
    }
  }
  return scored
}
