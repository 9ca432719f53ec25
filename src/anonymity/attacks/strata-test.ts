/**
 * Two kinds that nobody may tell apart, and how much of what was told can be chance: for few things, scored by observers who learned from few.
 *
 * Things are compared within their stratum only: jobs of one batch, lines in one stretch of time. All that is public about them is the same, so if what is
 * seen is a function of what is public and of chance alone, each way to deal the kinds to the members of a stratum is as likely as any other. What the best
 * of several blind observers reaches is found by dealing anew; all observers are scored with the same dealing, so that having taken the best is allowed for.
 *
 * Contract: exact where scores do not tie, each stratum was scored without its own truth, and by what was learned from earlier strata at most: by ranks, what
 * a stratum gives to the blind depends on nothing but how many of each kind it has. Strata that judge each other (each half by what was learned from the other)
 * do not give that: both halves learn and are judged by the same chance likeness between them, so that their results go up and down together.
 * Knows nothing of: what the kinds are.
 * Source: Fisher 1935 (randomisation), van Elteren 1960, Westfall and Young 1993 (the largest of several statistics); departures: none.
 *
 * @module
 */
import { shuffleInPlace, type Draw } from "../draws.ts"
import { LEVEL } from "../metrics/interval.ts"
import type { AreaUnderCurve } from "../metrics/roc.ts"
import { isMixed, ranksOf, stratifiedArea, winsOfRanks, type ScoredStratum } from "../metrics/stratified-area.ts"
import { quantileOf } from "../series.ts"

export interface StrataTest {
  /** The observer who told most. */
  readonly observer: string
  readonly observers: number
  /** That observer's; the interval is at 95 %, corrected for having taken the best. */
  readonly area: AreaUnderCurve
  /** The area that the best of as many blind observers reaches with probability `level`. */
  readonly critical: number
  readonly level: number
  /** The probability of so large an area by chance. */
  readonly probability: number
  /** Pairs of one stratum that were compared, and such strata. */
  readonly pairs: number
  readonly strata: number
}

/** What the best of all blind observers reaches, dealing by dealing, ascending. */
const blindAreas = (observers: ReadonlyArray<ReadonlyArray<ScoredStratum>>, pairs: number, dealings: number, draw: Draw): Float64Array => {
  const ranks = observers.map((strata) => strata.map(ranksOf))
  const [first = []] = observers
  const members = first.map(({ negative, positive }) => Int32Array.from({ length: positive.length + negative.length }, (_, member) => member))
  return Float64Array.from({ length: dealings }, () => {
    for (const dealt of members) shuffleInPlace(draw, dealt)
    const wins = ranks.map((strata) => strata.reduce((total, own, stratum) => {
      const count = first[stratum]?.positive.length ?? 0
      const dealt = members[stratum] ?? new Int32Array()
      let rankSum = 0
      for (let place = 0; place < count; place++) rankSum += own[dealt[place] as number] as number
      return total + winsOfRanks(rankSum, count)
    }, 0))
    return Math.max(...wins) / pairs
  }).sort()
}

/**
 * @param observers  by name: the same strata, in the same order, as each scores them
 * @param dealings  truths dealt anew; at least several times 1 / (1 − level)
 */
export const testStrata = (
  observers: ReadonlyMap<string, ReadonlyArray<ScoredStratum>>, draw: Draw, { dealings = 100_000, level = 0.9999 } = {}
): StrataTest => {
  const mixed = [...observers].map(([name, strata]) => ({ name, strata: strata.filter(isMixed) }))
  const shared = 1 - (1 - LEVEL) / Math.max(1, mixed.length)
  const areas = mixed.map(({ name, strata }) => ({ name, area: stratifiedArea(strata, shared) }))
  const [best = { name: "", area: stratifiedArea([]) }] = [...areas].sort((one, other) => other.area.value - one.area.value)
  const strata = mixed[0]?.strata ?? []
  const pairs = strata.reduce((total, { negative, positive }) => total + positive.length * negative.length, 0)
  const blind = pairs === 0 ? new Float64Array() : blindAreas(mixed.map((observer) => observer.strata), pairs, dealings, draw)
  // the same wins over the same pairs may differ in the last bit
  const asMuch = blind.filter((area) => area >= best.area.value - 1e-12).length
  return {
    observer: best.name,
    observers: mixed.length,
    area: { ...best.area, interval: { ...best.area.interval, level: LEVEL } },
    critical: blind.length === 0 ? 1 : quantileOf(blind, level),
    level,
    probability: (1 + asMuch) / (1 + blind.length),
    pairs,
    strata: strata.length
  }
}

/** Where a member stands in its stratum, 0 to 1: what may be pooled when scores of different strata may not be compared. */
export const standings = (strata: ReadonlyArray<ScoredStratum>): { readonly positive: ReadonlyArray<number>; readonly negative: ReadonlyArray<number> } => {
  const placed = strata.filter(isMixed).map((stratum) => {
    const ranks = ranksOf(stratum)
    const places = Array.from(ranks, (rank) => (rank - 0.5) / ranks.length)
    return { positive: places.slice(0, stratum.positive.length), negative: places.slice(stratum.positive.length) }
  })
  return { positive: placed.flatMap(({ positive }) => positive), negative: placed.flatMap(({ negative }) => negative) }
}
