/**
 * What guesses were worth: the advantage of an adversary over somebody who guesses blindly.
 *
 *   advantage = (p − c) / (1 − c)      p: share of games won, c: share that blind guessing wins
 *
 * With two candidates c = 1/2 and the advantage is 2p − 1 = |Pr[guess 1 | 1] − Pr[guess 1 | 0]|, the usual distinguishing advantage. It is 0 for a
 * blind guesser and 1 for one who always wins, whatever the number of candidates.
 *
 * Contract: games are independent of each other; the interval is exact (Clopper–Pearson), mapped by the same line.
 * Knows nothing of: which game.
 * Source: the usual definition; departures: none.
 *
 * @module
 */
import { clopperPearson, LEVEL, type Estimate, type Interval } from "./interval.ts"
import { regularisedBeta } from "./special-functions.ts"

export interface Advantage extends Estimate {
  readonly wins: number
  readonly trials: number
  /** Share of games that a blind guesser wins. */
  readonly chance: number
}

const scaled = (rate: number, chance: number): number => (rate - chance) / (1 - chance)

/** The same interval of a share of wins, as advantage. */
export const scaledInterval = ({ level, lower, upper }: Interval, chance: number): Interval =>
  ({ lower: scaled(lower, chance), upper: scaled(upper, chance), level })

export const advantageOf = (wins: number, trials: number, chance: number, level = LEVEL): Advantage => ({
  value: trials === 0 ? 0 : scaled(wins / trials, chance),
  interval: scaledInterval(clopperPearson(wins, trials, level), chance),
  wins,
  trials,
  chance
})

/** The probability that a blind guesser wins at least so often: exact binomial. */
export const guessingProbability = ({ chance, trials, wins }: Advantage): number => (wins === 0 ? 1 : regularisedBeta(chance, wins, trials - wins + 1))
