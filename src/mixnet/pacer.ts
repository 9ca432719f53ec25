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
import { Duration, Effect } from "effect"
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
  return Effect.flatMap(Effect.all([Effect.clock, Effect.random]), ([clock, random]) => {
    const nowMs = (): number => clock.unsafeCurrentTimeMillis()
    const sleepUntil = (instantMs: number): Effect.Effect<void> => clock.sleep(Duration.millis(instantMs - nowMs()))
    let dueMs = nowMs()
    /** Whether the gap before the tick is drawn. */
    let isDrawn = false
    const draw = Effect.map(random.next, (uniform) => {
      dueMs += sampleExponentialMs(uniform, ratePerMs)
      isDrawn = true
    })
    /** One step: the draw, a sleep (which may end too early), or the tick. Ticks are many, and a loop of steps is the cheapest loop that Effect has. */
    const step = (): Effect.Effect<void, E, R> => {
      if (!isDrawn) return draw
      const lateMs = nowMs() - dueMs
      if (-lateMs > CLOCK_GRAIN_MS) return sleepUntil(dueMs)
      isDrawn = false
      if (lateMs <= options.sendSlackMs) return onTick
      options.onDropped?.()
      return Effect.void
    }
    return Effect.zipRight(Effect.whileLoop({ while: () => true, body: step, step: () => undefined }), Effect.never)
  })
}
