/**
 * Poisson ticks: when things leave, whatever there is to send.
 *
 * Contract: gaps are independent exponential draws; each is added to the previous due time, not to the time at which the tick was served, so the mean
 * rate holds however late single ticks are served. A tick that can be served only more than `sendSlackMs` after its due time is dropped and
 * counted: a loop that stood still goes on with its schedule and never makes up for missed ticks in a burst.
 * Knows nothing of: what a tick sends.
 * Source: mixnet.md §3, §4.2, §5 ("forwarded close to its due time or dropped"); departures: gaps are not rounded to whole milliseconds, and the
 * mean gap is not cut to a whole number of them.
 *
 * @module
 */
import { Clock, Effect, Random } from "effect"
import { CLOCK_GRAIN_MS, sampleExponentialMs } from "./delay.ts"

export interface PacerOptions {
  /** Longest lateness at which a tick is still served, in milliseconds. */
  readonly sendSlackMs: number
  /** Told of every dropped tick. */
  readonly onDropped?: () => void
}

/**
 * Runs `onTick` on the ticks of one Poisson stream for ever; the first gap starts now. A tick that takes long delays the next ones (see Contract).
 * @param ratePerMs  ticks per millisecond, positive
 * @errors those of `onTick`, which end the stream
 */
export const poissonTicks = <E, R>(ratePerMs: number, onTick: Effect.Effect<void, E, R>, options: PacerOptions): Effect.Effect<never, E, R> => {
  if (!(ratePerMs > 0)) throw new RangeError("a tick rate must be positive")
  return Effect.gen(function*() {
    let dueMs = yield* Clock.currentTimeMillis
    while (true) {
      dueMs += sampleExponentialMs(yield* Random.next, ratePerMs)
      let nowMs = yield* Clock.currentTimeMillis
      while (dueMs - nowMs > CLOCK_GRAIN_MS) {
        yield* Effect.sleep(dueMs - nowMs)
        nowMs = yield* Clock.currentTimeMillis
      }
      if (nowMs - dueMs <= options.sendSlackMs) yield* onTick
      else options.onDropped?.()
    }
  })
}
