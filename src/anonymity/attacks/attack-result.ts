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
import type { Advantage } from "../metrics/advantage.ts"
import type { AreaUnderCurve, CurvePoint } from "../metrics/roc.ts"

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

export type AttackResult = GuessingAttack | ScoringAttack
