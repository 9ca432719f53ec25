/**
 * The area under the ROC curve where only some things may be compared: those of one stratum, which are alike in all that is public about them.
 *
 * Contract: the area is the probability that a positive scores higher than a negative of the same stratum, over all such pairs, ties counted half. A stratum
 * counts as one observation, since its members hang together: the interval is Student's over strata, and where the score separates perfectly the exact one of
 * as many coin flips as the smaller kind has members. Strata of one kind are left out. Fewer than two strata bound nothing.
 * Knows nothing of: where scores come from.
 * Source: van Elteren 1960 (ranks within strata), Cochran §6.5 (ratio of sums over clusters); departures: every pair has the same weight.
 *
 * @module
 */
import { at, sum } from "../series.ts"
import { clopperPearson, LEVEL, type Interval } from "./interval.ts"
import { midRanks, type AreaUnderCurve } from "./roc.ts"
import { studentQuantile } from "./special-functions.ts"

/** Scores of the members of one stratum. */
export interface ScoredStratum {
  readonly positive: ArrayLike<number>
  readonly negative: ArrayLike<number>
}

/** Both kinds are there, so that something can be compared. */
export const isMixed = <A>({ negative, positive }: { readonly positive: ArrayLike<A>; readonly negative: ArrayLike<A> }): boolean =>
  positive.length > 0 && negative.length > 0

/** Ranks of a stratum, those of positives first, from 1. */
export const ranksOf = ({ negative, positive }: ScoredStratum): Float64Array => midRanks([...Array.from(positive), ...Array.from(negative)])

/** Pairs that the positives win when the sum of their ranks is given. */
export const winsOfRanks = (rankSum: number, positives: number): number => rankSum - positives * (positives + 1) / 2

/** Of a share of wins among all games, where games of a group hang together: Student's interval over groups. Fewer than two groups bound nothing. */
export const groupedShare = (
  wins: ArrayLike<number>, games: ArrayLike<number>, level = LEVEL
): { readonly value: number; readonly interval: Interval } => {
  const [groups, all] = [wins.length, sum(games)]
  const value = all === 0 ? 0.5 : sum(wins) / all
  if (groups < 2 || all === 0) return { value, interval: { lower: 0, upper: 1, level } }
  const squares = Float64Array.from({ length: groups }, (_, group) => (at(wins, group) - value * at(games, group)) ** 2)
  const half = studentQuantile(1 - (1 - level) / 2, groups - 1) * Math.sqrt(groups / (groups - 1) * sum(squares)) / all
  return { value, interval: { lower: Math.max(0, value - half), upper: Math.min(1, value + half), level } }
}

export const stratifiedArea = (strata: ReadonlyArray<ScoredStratum>, level = LEVEL): AreaUnderCurve => {
  const mixed = strata.filter(isMixed)
  const wins = mixed.map((stratum) => winsOfRanks(sum(ranksOf(stratum).subarray(0, stratum.positive.length)), stratum.positive.length))
  const { interval, value } = groupedShare(wins, mixed.map(({ negative, positive }) => positive.length * negative.length), level)
  const positives = mixed.reduce((total, { positive }) => total + positive.length, 0)
  const negatives = mixed.reduce((total, { negative }) => total + negative.length, 0)
  const few = Math.min(positives, negatives)
  const isPerfect = few > 0 && (value === 0 || value === 1)
  return { value, interval: isPerfect ? clopperPearson(value * few, few, level) : interval, positives, negatives }
}
