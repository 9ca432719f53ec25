/**
 * One Poisson stream whose rate comes from the current document.
 *
 * Contract: waits for the first document, then ticks for ever, with or without one. A changed rate takes effect at the tick after it is seen; a
 * rate of zero silences the stream until it changes.
 * Knows nothing of: what a tick sends.
 * Source: mixnet.md §3 (ticker semantics), §4.2; departures: the loss of a document does not stop the ticks.
 *
 * @module
 */
import type { Effect } from "effect"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { paced } from "./pacer.ts"

/** Wait between two looks for a document, or for a rate above zero. */
const LOOK_PERIOD_MS = 1000

export interface RateFollower {
  /** Parameters of the newest document; undefined while there is none. */
  readonly params: () => MixnetParams | undefined
  /** Ticks per millisecond. */
  readonly rateOf: (params: MixnetParams) => number
  /** Runs on every tick that is served in time, with the newest parameters known; what it leaves to do, the next tick waits for. */
  readonly onTick: (params: MixnetParams) => Effect.Effect<void> | undefined
  /** Told of every tick that came more than `sendSlackMs` late and was dropped. */
  readonly onLate: () => void
}

/** Runs the stream; never ends. */
export const followRate = ({ onLate, onTick, params, rateOf }: RateFollower): Effect.Effect<never> => {
  let newest: MixnetParams | undefined
  const pace = () => {
    newest = params() ?? newest
    const ratePerMs = newest === undefined ? 0 : rateOf(newest)
    return newest !== undefined && ratePerMs > 0 ? { ratePerMs, sendSlackMs: newest.sendSlackMs } : undefined
  }
  return paced({
    pace,
    lookMs: LOOK_PERIOD_MS,
    onTick: () => {
      newest = params() ?? newest
      return newest === undefined ? undefined : onTick(newest)
    },
    onDropped: onLate
  })
}
