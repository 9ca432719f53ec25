/**
 * What every attack hands back.
 *
 * Contract: `advantage` is over a blind guesser, 0 to 1, with an exact or resampled interval; `chance` is what the blind guesser wins. `batchSize` is the
 * number of candidates the adversary could not tell apart by what funion.md §5 lets it see (B of a batch, clients online), for it means nothing without.
 * Knows nothing of: gates, reports.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import { advantageOf, guessingProbability, type Advantage } from "../metrics/advantage.ts"
import { areaUnderCurve, rocCurve, type AreaUnderCurve, type CurvePoint } from "../metrics/roc.ts"

/** The outcome of a game with guesses that are right or wrong. */
export interface GuessingAttack {
  readonly kind: "guessing"
  readonly name: string
  readonly advantage: Advantage
  /** Probability that a blind guesser wins as often. */
  readonly probability: number
  readonly batchSize: number
}

/** The outcome of telling two kinds apart by a score. */
export interface ScoringAttack {
  readonly kind: "scoring"
  readonly name: string
  readonly area: AreaUnderCurve
  readonly curve: ReadonlyArray<CurvePoint>
}

/** The outcome of asking whether what was seen can be chance. */
export interface TestingAttack {
  readonly kind: "testing"
  readonly name: string
  readonly observed: number
  /** What labels dealt at random give on average. */
  readonly expected: number
  /** Probability of as much by chance. */
  readonly probability: number
}

/** @param chance  share that a blind guesser wins */
export const guessingAttack = (name: string, wins: number, trials: number, chance: number, batchSize: number): GuessingAttack => {
  const advantage = advantageOf(wins, trials, chance)
  return { kind: "guessing", name, advantage, probability: guessingProbability(advantage), batchSize }
}

/** @param positive  scores of what the adversary looks for  @param negative  scores of the rest  @param level  of the area's interval */
export const scoringAttack = (name: string, positive: ArrayLike<number>, negative: ArrayLike<number>, level?: number): ScoringAttack =>
  ({ kind: "scoring", name, area: areaUnderCurve(positive, negative, level), curve: rocCurve(positive, negative) })

/** Which of two hypotheses has the higher score; equal scores are settled by a coin, so that a blind score wins half. */
export const firstWins = (first: number, second: number, coin: number): boolean => (first === second ? coin < 0.5 : first > second)
