/**
 * A pause in which everything else of the process gets its turn: sockets, timers, other fibers.
 *
 * Effect's own `yieldNow` lets other fibers run but not the event loop: with it a fiber that always has work would keep timers and sockets waiting.
 *
 * Contract: under another scheduler than Effect's own (virtual time) it is `yieldNow`, so that nothing happens outside of that scheduler.
 * Knows nothing of: why one gives way.
 * Source: none; departures: none.
 *
 * @module
 */
import { Effect, FiberRef, Scheduler } from "effect"

const turn = Effect.async<void>((resume) => {
  const pending = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(pending))
})

/** Goes on after one turn of the event loop. */
export const giveWay: Effect.Effect<void> = Effect.flatMap(
  FiberRef.get(FiberRef.currentScheduler),
  (scheduler) => (scheduler === Scheduler.defaultScheduler ? turn : Effect.yieldNow())
)
