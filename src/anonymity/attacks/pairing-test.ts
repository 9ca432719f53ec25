/**
 * The pairing game with all pairs of a batch, and how much of what was won can be chance: for few and small batches, where disjoint pairs are too few games.
 *
 * Of a batch of n there are n(n − 1)/2 pairs, which hang together, since each thing is in n − 1 of them; they are worth about 1.2·n independent games instead
 * of n/2. What blind guessing wins is found by dealing the truth anew within each batch: under blindness every pairing of a batch is as likely as any other,
 * whatever the scores are. Several observers may score the same batches; the best of them counts, and the dealt truths are scored by all of them as well, so
 * that having taken the best is in what chance is given. How precisely the best observer's advantage itself is known is another question: its interval is
 * Student's over batches, each of which is one observation, and corrected for having taken the best (Bonferroni).
 *
 * Contract: exact when each batch was scored without its own truth and things of a batch are exchangeable; scores may have been learned from the truth of
 * earlier batches (each batch's dealing then still is uniform given all that came before).
 * Knows nothing of: what is paired.
 * Source: Fisher 1935 (randomisation); Westfall and Young 1993 (the largest of several statistics); departures: none.
 *
 * @module
 */
import { shuffleInPlace, type Draw } from "../draws.ts"
import { scaledInterval } from "../metrics/advantage.ts"
import { LEVEL, type Interval } from "../metrics/interval.ts"
import { groupedShare } from "../metrics/stratified-area.ts"
import { at, quantileOf, sum } from "../series.ts"
import type { ScoredBatch } from "./pairing-game.ts"

export interface PairingTest {
  /** Of each observer, by name: the advantage over all pairs. */
  readonly advantages: ReadonlyMap<string, number>
  /** That of the best, with an interval at 95 %. */
  readonly best: number
  readonly interval: Interval
  /** What the best of as many blind observers reaches with probability `level`. */
  readonly critical: number
  readonly level: number
  /** Pairs that were played. */
  readonly pairs: number
  /** Disjoint pairs that would tell as much as all pairs do to the best observer: 1 / variance of the advantage of as blind a one. */
  readonly effectiveGames: number
  readonly meanSize: number
}

/** Scores of a batch as a table. */
interface Table {
  readonly size: number
  readonly scores: Float64Array
  readonly rightOf: Int32Array
}

const tableOf = ({ rightOf, score, size }: ScoredBatch): Table => ({
  size,
  scores: Float64Array.from({ length: size * size }, (_, cell) => score(Math.floor(cell / size), cell % size)),
  rightOf: Int32Array.from({ length: size }, (_, index) => at(rightOf, index))
})

/** Pairs won under a truth; even ones count half. */
const winsOf = ({ scores, size }: Table, rightOf: Int32Array): number => {
  let wins = 0
  for (let one = 0; one < size; one++) {
    for (let other = 0; other < one; other++) {
      const [mine, others] = [rightOf[one] as number, rightOf[other] as number]
      const right = (scores[one * size + mine] as number) + (scores[other * size + others] as number)
      const wrong = (scores[one * size + others] as number) + (scores[other * size + mine] as number)
      wins += right > wrong ? 1 : right === wrong ? 0.5 : 0
    }
  }
  return wins
}

const pairCount = ({ size }: { readonly size: number }): number => size * (size - 1) / 2

/** @param dealings  truths dealt anew; at least several times 1 / (1 − level) */
export const testPairing = (
  observers: ReadonlyMap<string, ReadonlyArray<ScoredBatch>>, draw: Draw, { dealings = 100_000, level = 0.9999 } = {}
): PairingTest => {
  const all = [...observers.values()].map((batches) => batches.filter(({ size }) => size >= 2).map(tableOf))
  const [first = []] = all
  const games = first.map(pairCount)
  const pairs = sum(games)
  const advantage = (wins: number): number => (pairs === 0 ? 0 : 2 * wins / pairs - 1)
  const won = all.map((tables) => tables.map((table) => winsOf(table, table.rightOf)))
  const truth = won.map((wins) => advantage(sum(wins)))
  const bestAt = truth.indexOf(Math.max(...truth))
  const blind = new Float64Array(dealings)
  let squares = 0
  const truths = first.map(({ rightOf }) => rightOf.slice())
  for (let dealing = 0; dealing < dealings; dealing++) {
    for (const dealt of truths) shuffleInPlace(draw, dealt)
    const wins = all.map((tables) => tables.reduce((total, table, batch) => total + winsOf(table, truths[batch] ?? table.rightOf), 0))
    blind[dealing] = Math.max(...wins.map(advantage))
    squares += advantage(at(wins, bestAt)) ** 2 / dealings
  }
  const share = groupedShare(won[bestAt] ?? [], games, 1 - (1 - LEVEL) / Math.max(1, all.length))
  return {
    advantages: new Map([...observers.keys()].map((name, index) => [name, at(truth, index)])),
    best: at(truth, bestAt),
    interval: { ...scaledInterval(share.interval, 0.5), level: LEVEL },
    critical: pairs === 0 ? 1 : quantileOf(blind.sort(), level),
    level,
    pairs,
    effectiveGames: squares === 0 ? 0 : 1 / squares,
    meanSize: first.length === 0 ? 0 : first.reduce((total, { size }) => total + size, 0) / first.length
  }
}
