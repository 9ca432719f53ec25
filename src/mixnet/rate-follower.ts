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
import { Data, Effect, Schedule } from "effect"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { NoDocument } from "../pki/pki-view.ts"
import { poissonTicks } from "./pacer.ts"

/** Wait between two looks for a document, or for a rate above zero. */
const LOOK_PERIOD_MS = 1000

export interface RateFollower {
  readonly params: Effect.Effect<MixnetParams, NoDocument>
  /** Ticks per millisecond. */
  readonly rateOf: (params: MixnetParams) => number
  /** Runs on every tick that is served in time, with the newest parameters known. */
  readonly onTick: (params: MixnetParams) => Effect.Effect<void>
  /** Told of every tick that came more than `sendSlackMs` late and was dropped. */
  readonly onLate: () => void
}

class RateChanged extends Data.TaggedError("RateChanged")<{ readonly params: MixnetParams }> {}

/** Waits for a document as long as there is none. */
const awaitParams = (params: RateFollower["params"]): Effect.Effect<MixnetParams> =>
  Effect.orDie(Effect.retry(params, Schedule.spaced(LOOK_PERIOD_MS)))

/** Runs the stream; never ends. */
export const followRate = ({ onLate, onTick, params, rateOf }: RateFollower): Effect.Effect<never> => {
  const runFrom = (started: MixnetParams): Effect.Effect<never> => {
    const ratePerMs = rateOf(started)
    if (!(ratePerMs > 0)) return Effect.sleep(LOOK_PERIOD_MS).pipe(Effect.zipRight(awaitParams(params)), Effect.flatMap(runFrom))
    const tick = Effect.gen(function* () {
      const newest = yield* Effect.orElseSucceed(params, () => started)
      yield* onTick(newest)
      if (rateOf(newest) !== ratePerMs || newest.sendSlackMs !== started.sendSlackMs) yield* new RateChanged({ params: newest })
    })
    return Effect.catchTag(poissonTicks(ratePerMs, tick, { sendSlackMs: started.sendSlackMs, onDropped: onLate }), "RateChanged", (changed) =>
      runFrom(changed.params)
    )
  }
  return Effect.flatMap(awaitParams(params), runFrom)
}
