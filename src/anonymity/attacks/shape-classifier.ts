/**
 * Tells two kinds of runs apart by the shape of traffic: did this client have a job, was this release an overflow, which bucket, which size?
 *
 * Contract: the observable is a list of instants within a window, with sizes if these vary. Samples come in strata, in order of time: within a stratum all
 * that is public is the same, and only there are samples compared. Each stratum is judged by what was learned from earlier ones. Area 0.5 is the aim: the
 * observable is then a function of what is public alone.
 * Knows nothing of: what the kinds are.
 * Source: features of website fingerprinting (Hayes and Danezis 2016, k-fingerprinting): counts, gaps, bursts, order; departures: none.
 *
 * @module
 */
import type { Draw } from "../draws.ts"
import { rocCurve } from "../metrics/roc.ts"
import type { ScoredStratum } from "../metrics/stratified-area.ts"
import { at, mean, quantileOf, sorted, variance } from "../series.ts"
import type { ScoringAttack } from "./attack-result.ts"
import { nextLesson, trainScorer, trainSingle, type FeatureRow, type Scorer } from "./classifier.ts"
import { standings, testStrata, type StrataTest } from "./strata-test.ts"

/** Traffic of one place in one window. */
export interface ShapeSample {
  readonly instantMs: ArrayLike<number>
  readonly sizeBytes?: ArrayLike<number>
  readonly startMs: number
  readonly endMs: number
}

const WINDOW_PARTS = 8

/** The numbers by which a sample is judged: how many, when, how regular, how bursty, how large. */
const shapeFeatures = ({ endMs, instantMs, sizeBytes, startMs }: ShapeSample): FeatureRow => {
  const instants = sorted(instantMs)
  const gaps = sorted(Float64Array.from({ length: Math.max(0, instants.length - 1) }, (_, index) => at(instants, index + 1) - at(instants, index)))
  const parts = new Float64Array(WINDOW_PARTS)
  for (const instant of instants) {
    const part = Math.max(0, Math.min(WINDOW_PARTS - 1, Math.floor((instant - startMs) / (endMs - startMs) * WINDOW_PARTS)))
    parts[part] = at(parts, part) + 1
  }
  const sizes = sizeBytes ?? []
  return Float64Array.from([
    instants.length, at(instants, 0) - startMs, endMs - at(instants, instants.length - 1), mean(gaps), Math.sqrt(variance(gaps)),
    quantileOf(gaps, 0.1), quantileOf(gaps, 0.5), quantileOf(gaps, 0.9), variance(parts), Math.max(...parts), ...parts, mean(sizes), Math.sqrt(variance(sizes))
  ])
}

/** Samples of one stratum. */
export interface ShapeStratum {
  /** What is looked for. */
  readonly positive: ReadonlyArray<ShapeSample>
  readonly negative: ReadonlyArray<ShapeSample>
}

/** Kinds of samples, told apart: the area is that of the better of two observers. */
export interface ShapeAttack extends ScoringAttack {
  readonly test: StrataTest
}

/** The features of a stratum, each less its mean there: what the whole stratum shares tells nobody apart. */
interface FeatureStratum {
  readonly positive: ReadonlyArray<Float64Array>
  readonly negative: ReadonlyArray<Float64Array>
}

const featuresOf = ({ negative, positive }: ShapeStratum): FeatureStratum => {
  const rows = [...positive, ...negative].map(shapeFeatures)
  const centre = Array.from({ length: rows[0]?.length ?? 0 }, (_, feature) => mean(rows.map((row) => at(row, feature))))
  const centred = rows.map((row) => Float64Array.from(centre, (middle, feature) => at(row, feature) - middle))
  return { positive: centred.slice(0, positive.length), negative: centred.slice(positive.length) }
}

/** One stratum in so many is learned from before any is judged. */
const LESSONS = 5

/** Each stratum as each of two observers scores it, who know the truth of earlier ones. */
const scoredInTurn = (strata: ReadonlyArray<FeatureStratum>): ReadonlyMap<string, ReadonlyArray<ScoredStratum>> => {
  const all: Array<ScoredStratum> = []
  const single: Array<ScoredStratum> = []
  const scored = (score: Scorer) => ({ negative, positive }: FeatureStratum): ScoredStratum =>
    ({ positive: positive.map(score), negative: negative.map(score) })
  for (let start = Math.max(1, Math.floor(strata.length / LESSONS)); start < strata.length; start = nextLesson(start)) {
    const lessons = strata.slice(0, start)
    const rows = lessons.flatMap(({ negative, positive }) => [...positive, ...negative])
    const labels = lessons.flatMap(({ negative, positive }) => [...positive.map(() => 1), ...negative.map(() => 0)])
    const judged = strata.slice(start, nextLesson(start))
    all.push(...judged.map(scored(trainScorer({ rows, labels }))))
    single.push(...judged.map(scored(trainSingle({ rows, labels }))))
  }
  return new Map([["all features", all], ["one feature", single]])
}

/**
 * Two kinds of samples, told apart by who learned from earlier strata: by all features, or by the most telling one.
 * @param strata  in order of time
 * @param draw  for what chance gives
 */
export const shapesInTurn = (name: string, strata: ReadonlyArray<ShapeStratum>, draw: Draw, dealings?: number): ShapeAttack => {
  const observers = scoredInTurn(strata.map(featuresOf))
  const test = testStrata(observers, draw, dealings === undefined ? {} : { dealings })
  const { negative, positive } = standings(observers.get(test.observer) ?? [])
  return { kind: "scoring", name, area: test.area, curve: rocCurve(positive, negative), test }
}
