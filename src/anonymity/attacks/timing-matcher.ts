/**
 * Matches packets that went in with packets that came out by the time between, by maximum likelihood.
 *
 * Contract: knows the law of the sum of delays of k exponential hops and the fixed waits, and nothing else of a packet. The most likely pairing of a batch
 * is the cheapest assignment of −log density.
 * Knows nothing of: single hops (route-posterior uses those).
 * Source: Erlang's density t^(k−1)·µ^k·exp(−µt)/(k−1)!; Danezis 2004; departures: none.
 *
 * @module
 */
import type { Draw } from "../draws.ts"
import { logGamma } from "../metrics/special-functions.ts"
import { at } from "../series.ts"
import { IMPOSSIBLE, playPairing, type PairingOutcome } from "./pairing-game.ts"

export interface RouteLaw {
  /** k: exponential delays on the way. */
  readonly hopCount: number
  readonly muPerMs: number
  /** What every packet waits besides. */
  readonly fixedMs: number
}

/** Packets that went in and came out, in any order. */
export interface MatchingBatch {
  readonly entryMs: ArrayLike<number>
  readonly exitMs: ArrayLike<number>
  /** The truth, for scoring: the exit of each entry. */
  readonly exitOf: ArrayLike<number>
}

/** Instants closer than this are one to the observer, and a density is not asked below. */
const GRAIN_MS = 0.01

/** log of the density of a whole way's time. */
export const logRouteDensity = (spentMs: number, { fixedMs, hopCount, muPerMs }: RouteLaw): number => {
  const waited = spentMs - fixedMs
  if (waited < -GRAIN_MS) return IMPOSSIBLE
  const time = Math.max(GRAIN_MS, waited)
  return (hopCount - 1) * Math.log(time) - muPerMs * time + hopCount * Math.log(muPerMs) - logGamma(hopCount)
}

export const timingMatcher = (batches: ReadonlyArray<MatchingBatch>, law: RouteLaw, draw: Draw): PairingOutcome =>
  playPairing("matching by timing", batches.map(({ entryMs, exitMs, exitOf }) => ({
    size: entryMs.length,
    rightOf: exitOf,
    score: (entry, exit) => logRouteDensity(at(exitMs, exit) - at(entryMs, entry), law)
  })), draw)
