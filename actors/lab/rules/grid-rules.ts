/**
 * The rules that tear apart what a client does one after the other (O5, O15, O17), played on the very functions that draw the instants.
 *
 * A group of clients each do a first thing and then a second; whoever sees both lists tries to say which second thing is whose. Without the rule the second
 * comes right after the first, and the nearest one is the right one as often as the network's own delays allow.
 *
 * Contract: pure; the same seed gives the same rows. The guesser knows the rule, the mean delay of the network, and everything but who is who.
 * Knows nothing of: networks; delays of packets on their way are drawn from the law that packets draw them from.
 * Source: funion.md §7 (O5, O15, O17); departures: none.
 *
 * @module
 */
import { drawExponential, drawNormal, seededDraws, type Draw } from "../../../src/anonymity/draws.ts"
import { advantageOf, type Advantage } from "../../../src/anonymity/metrics/advantage.ts"
import { at } from "../../../src/anonymity/series.ts"
import { notAfterFor, uniformInNextQuantumMs } from "../../../src/inference/bucket.ts"
import type { RuleRow } from "../../../src/anonymity/findings.ts"

const QUANTUM_MS = 10_000
/** Clients whose first things fall into one quantum. */
const GROUP = 8
/** Hops from a client to what it asks, and mean delay of each. */
const HOPS = 5
const HOP_MS = 200

const travelMs = (draw: Draw): number => Array.from({ length: HOPS }, () => drawExponential(draw, 1 / HOP_MS)).reduce((sum, ms) => sum + ms, 0)

/** The position of the second thing that lies nearest to where it would be without the rule. */
const nearest = (seconds: ReadonlyArray<number>, expectedMs: number): number =>
  seconds.reduce((best, second, index) => (Math.abs(second - expectedMs) < Math.abs((seconds[best] ?? Infinity) - expectedMs) ? index : best), 0)

/** @param secondMs  when the second thing is sent, from the instant of the first */
const matchGames = (draw: Draw, rounds: number, secondMs: (firstMs: number) => number): Advantage => {
  let wins = 0
  for (let round = 0; round < rounds; round++) {
    const firsts = Array.from({ length: GROUP }, () => (round + draw()) * QUANTUM_MS)
    const seconds = firsts.map((firstMs) => secondMs(firstMs) + travelMs(draw))
    // one game a round: games of one round depend on each other
    if (nearest(seconds, (firsts[0] ?? 0) + HOPS * HOP_MS) === 0) wins++
  }
  return advantageOf(wins, rounds, 1 / GROUP)
}

const PEOPLE = 8
/** Spread of people's clocks. */
const CLOCK_SPREAD_MS = 2_000

/** Two jobs of one person among eight; a service looks for the notAfter that lies like the first one's. @param notAfterMs  from what the clock shows */
const clockGames = (draw: Draw, rounds: number, notAfterMs: (clockMs: number) => number): Advantage => {
  let wins = 0
  for (let round = 0; round < rounds; round++) {
    const offsets = Array.from({ length: PEOPLE }, () => CLOCK_SPREAD_MS * drawNormal(draw))
    /** What a service makes of a dispatch: how far its notAfter lies from where a right clock would put it. */
    const trace = (offsetMs: number): number => {
      const sentMs = (1_000 * round + draw()) * QUANTUM_MS
      return notAfterMs(sentMs + offsetMs) - notAfterMs(sentMs)
    }
    const known = trace(at(offsets, 0))
    const traces = offsets.map(trace)
    const closest = Math.min(...traces.map((each) => Math.abs(each - known)))
    const candidates = traces.flatMap((each, index) => (Math.abs(each - known) === closest ? [index] : []))
    if (candidates[Math.floor(draw() * candidates.length)] === 0) wins++
  }
  return advantageOf(wins, rounds, 1 / PEOPLE)
}

/** @param rounds  games for each figure */
export const gridRules = (seed: number, rounds: number): ReadonlyArray<RuleRow> => {
  const draw = seededDraws(seed)
  const rested = (firstMs: number): number => uniformInNextQuantumMs(QUANTUM_MS, firstMs, draw())
  const atOnce = (firstMs: number): number => firstMs
  return [
    {
      rule: "O5", adversary: "queue host + replicas", attack: "which dispatch belongs to an upload that was just committed", level: "component",
      games: rounds, seed, batch: GROUP,
      on: matchGames(draw, rounds, rested), off: matchGames(draw, rounds, atOnce),
      note: `${GROUP} uploads in one quantum`
    },
    {
      rule: "O15", adversary: "compute service", attack: "two jobs of one person by the offset of the clock in notAfter", level: "component",
      games: rounds, seed,
      on: clockGames(draw, rounds, (clockMs) => notAfterFor(QUANTUM_MS, clockMs)),
      off: clockGames(draw, rounds, (clockMs) => clockMs + 8 * QUANTUM_MS),
      note: `${PEOPLE} people whose clocks differ by ${CLOCK_SPREAD_MS / 1000} s; near a border of the grid a clock still shows now and then`
    },
    {
      rule: "O17", adversary: "replicas", attack: "which upload follows an answer that was just read", level: "component", games: rounds, seed, batch: GROUP,
      on: matchGames(draw, rounds, rested), off: matchGames(draw, rounds, atOnce),
      note: `${GROUP} answers in one quantum`
    }
  ]
}
