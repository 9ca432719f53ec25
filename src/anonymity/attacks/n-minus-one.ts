/**
 * The n − 1 attack: everything but the target's packet is held back, so that what comes out must be it.
 *
 * The adversary waits until the node is empty, lets one packet in, blocks the rest and takes the exit that fits the law of delays best. It always works
 * against a node that sees nothing but packets; what stands against it is that the node's and the clients' own loops stop coming back, which is noticed. So
 * two things are measured: how often the packet is found, and how often that had been noticed before (`noticed`), when a network that pauses has stopped
 * answering.
 *
 * Contract: `advantage` counts a find only when nobody had noticed.
 * Knows nothing of: how blocking is done, who notices.
 * Source: Serjantov, Dingledine and Syverson 2002; Danezis and Sassaman 2003 (heartbeat traffic); departures: none.
 *
 * @module
 */
import { drawIndex, type Draw } from "../draws.ts"
import { clopperPearson, type Estimate } from "../metrics/interval.ts"
import { at } from "../series.ts"
import { guessingAttack, type GuessingAttack } from "./attack-result.ts"
import { logRouteDensity, type RouteLaw } from "./timing-matcher.ts"

/** One attempt at one node. */
export interface FlushTrial {
  readonly entryMs: number
  /** What left the node until the attempt ended. */
  readonly exitMs: ArrayLike<number>
  /** The truth: the exit that was the target's packet, −1 if it never came out. */
  readonly exit: number
  /** Whether loops had shown the attack before the target came out. */
  readonly noticed: boolean
}

export interface FlushOutcome {
  readonly attack: GuessingAttack
  readonly noticed: Estimate
}

/** @param batchSize  packets among which one hides in the node when nothing is blocked: blind guessing wins one in so many */
export const nMinusOne = (trials: ReadonlyArray<FlushTrial>, law: RouteLaw, batchSize: number, draw: Draw): FlushOutcome => {
  let wins = 0
  for (const { entryMs, exit, exitMs, noticed } of trials) {
    const scores = Float64Array.from(exitMs, (instant) => logRouteDensity(instant - entryMs, law))
    const best = scores.reduce((largest, score) => Math.max(largest, score), -Infinity)
    const equals = Array.from(scores.keys()).filter((index) => at(scores, index) === best)
    if (!noticed && equals[drawIndex(draw, equals.length)] === exit) wins++
  }
  const seen = trials.filter(({ noticed }) => noticed).length
  return {
    attack: guessingAttack("n − 1", wins, trials.length, 1 / Math.max(2, batchSize), batchSize),
    noticed: { value: seen / Math.max(1, trials.length), interval: clopperPearson(seen, trials.length) }
  }
}
