/**
 * Tells two kinds of runs apart by the shape of traffic: did this client have a job, was this release an overflow, which bucket, which size?
 *
 * Contract: the observable is a list of instants within a window, with sizes if these vary; training and test samples are disjoint. Area 0.5 is the aim: the
 * observable is then a function of what is public alone.
 * Knows nothing of: what the kinds are.
 * Source: features of website fingerprinting (Hayes and Danezis 2016, k-fingerprinting): counts, gaps, bursts, order; departures: none.
 *
 * @module
 */
import { at, mean, quantileOf, sorted, variance } from "../series.ts"
import { scoringAttack, type ScoringAttack } from "./attack-result.ts"
import { trainScorer, type FeatureRow, type Scorer } from "./classifier.ts"

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

export interface ShapeSamples {
  /** What is looked for. */
  readonly positive: ReadonlyArray<ShapeSample>
  readonly negative: ReadonlyArray<ShapeSample>
}

const trainShapes = ({ negative, positive }: ShapeSamples): Scorer =>
  trainScorer({ rows: [...positive, ...negative].map(shapeFeatures), labels: [...positive.map(() => 1), ...negative.map(() => 0)] })

const every = <A>(items: ReadonlyArray<A>, half: number): ReadonlyArray<A> => items.filter((_, index) => index % 2 === half)

/** Each half of the samples judged by what was learned from the other. @param level  of the interval of the area */
export const shapesByHalves = (name: string, { negative, positive }: ShapeSamples, level?: number): ScoringAttack => {
  const halves = [0, 1].map((half) => {
    const score = trainShapes({ positive: every(positive, 1 - half), negative: every(negative, 1 - half) })
    const scores = (samples: ReadonlyArray<ShapeSample>): ReadonlyArray<number> => every(samples, half).map((sample) => score(shapeFeatures(sample)))
    return { positive: scores(positive), negative: scores(negative) }
  })
  return scoringAttack(name, halves.flatMap((half) => half.positive), halves.flatMap((half) => half.negative), level)
}
