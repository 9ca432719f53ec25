/**
 * The pairing game: given n things of one kind and n of another, and a score for every pair, who belongs to whom?
 *
 * It is scored twice. *Pairs*: of two things and their two partners, in disjoint pairs of a batch: is the right one of the two ways more likely? Blind
 * guessing wins half; this is the game of IO-U. *Whole*: how many of a batch does the most likely pairing get right? Blind guessing gets one of n.
 *
 * Contract: nothing of the truth enters a guess. Disjoint pairs of things that are exchangeable give independent trials; the hits of a blind pairing of n
 * have mean 1 and variance 1, those of n coins of 1/n each, so the exact interval of counts serves for both.
 * Knows nothing of: what the score is made of.
 * Source: funion.md §5 (IO-U); departures: none.
 *
 * @module
 */
import { drawOrder, type Draw } from "../draws.ts"
import { at } from "../series.ts"
import { cheapestAssignment } from "./assignment.ts"
import { firstWins, guessingAttack, type GuessingAttack } from "./attack-result.ts"

/** Likelihood of a pair on a logarithmic scale, any origin. */
export type PairScore = (left: number, right: number) => number

export interface ScoredBatch {
  readonly size: number
  readonly score: PairScore
  /** The truth: the right partner of each left one. */
  readonly rightOf: ArrayLike<number>
}

export interface PairingOutcome {
  readonly pairs: GuessingAttack
  readonly whole: GuessingAttack
}

/** What stands for a pair that cannot be. */
export const IMPOSSIBLE = -1e9

/** Batches larger than this are not paired as a whole: the cost grows with the third power. */
const WHOLE_LIMIT = 400

export const playPairing = (name: string, batches: ReadonlyArray<ScoredBatch>, draw: Draw): PairingOutcome => {
  let [pairWins, pairTrials, hits, things, wholes] = [0, 0, 0, 0, 0]
  for (const { rightOf, score, size } of batches) {
    const order = drawOrder(draw, size)
    for (let place = 0; place + 1 < size; place += 2) {
      const [one, other] = [at(order, place), at(order, place + 1)]
      const [mine, others] = [at(rightOf, one), at(rightOf, other)]
      pairTrials++
      if (firstWins(score(one, mine) + score(other, others), score(one, others) + score(other, mine), draw())) pairWins++
    }
    if (size < 2 || size > WHOLE_LIMIT) continue
    // both sides are shuffled, so that equal costs are not settled by the order in which things were handed in
    const [rows, columns] = [order, drawOrder(draw, size)]
    const costs = Float64Array.from({ length: size * size }, (_, cell) => -score(at(rows, Math.floor(cell / size)), at(columns, cell % size)))
    const columnOf = cheapestAssignment(costs, size)
    for (let row = 0; row < size; row++) if (at(columns, at(columnOf, row)) === at(rightOf, at(rows, row))) hits++
    things += size
    wholes++
  }
  const meanSize = batches.length === 0 ? 0 : batches.reduce((total, { size }) => total + size, 0) / batches.length
  return {
    pairs: guessingAttack(`${name}, of two`, pairWins, pairTrials, 0.5, meanSize),
    whole: guessingAttack(`${name}, of all`, hits, things, things === 0 ? 0.5 : wholes / things, meanSize)
  }
}
