/**
 * Calls back at a later instant, without a fiber where the clock can do that by itself.
 *
 * Contract: a task runs once, `delayMs` after it was ordered and never before (as far as the clock keeps that), unless it was called off. It must be short
 * and must not throw. A clock that has `unsafeSchedule` calls tasks itself; under any other each task costs a fiber that sleeps.
 * Knows nothing of: what tasks do.
 * Source: effect-notes.md §4 (what a fiber costs); departures: none.
 *
 * @module
 */
import { Clock, Duration, Effect, Exit, FiberId, Runtime } from "effect"

/** @returns calls the task off */
export type Timer = (task: () => void, delayMs: number) => () => void

/** A clock that can wake somebody who has no fiber. */
export interface CallingClock extends Clock.Clock {
  readonly unsafeSchedule: Timer
}

/** True for a clock that calls back by itself. */
export const isCalling = (clock: Clock.Clock): clock is CallingClock => "unsafeSchedule" in clock

/** The timer of the clock in force. */
export const makeTimer: Effect.Effect<Timer> = Effect.gen(function*() {
  const clock = yield* Effect.clock
  if (isCalling(clock)) return clock.unsafeSchedule
  const runtime = yield* Effect.runtime<never>()
  return (task, delayMs) => {
    const fiber = Runtime.runFork(runtime, clock.sleep(Duration.millis(delayMs)))
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit)) task()
    })
    return () => fiber.unsafeInterruptAsFork(FiberId.none)
  }
})

/** Longest delay that the machine's timer takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The machine's own clock, which calls back. */
export const machineClock: CallingClock = Object.assign(Clock.make(), {
  unsafeSchedule: (task: () => void, delayMs: number): () => void => {
    if (delayMs > LONGEST_TIMER_MS) return () => undefined
    const handle = setTimeout(task, delayMs)
    return () => clearTimeout(handle)
  }
})

/**
 * A clock that goes wrong, or right, by an amount; who sleeps under it sleeps as long as under `base`.
 * @param offsetMs  what is added to `base` now, in milliseconds
 */
export const offsetClock = (base: Clock.Clock, offsetMs: () => number): Clock.Clock => {
  const nowMs = (): number => base.unsafeCurrentTimeMillis() + Math.round(offsetMs())
  const nowNanos = (): bigint => base.unsafeCurrentTimeNanos() + BigInt(Math.round(offsetMs() * 1e6))
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: nowMs,
    unsafeCurrentTimeNanos: nowNanos,
    currentTimeMillis: Effect.sync(nowMs),
    currentTimeNanos: Effect.sync(nowNanos),
    sleep: (duration) => base.sleep(duration)
  }
  return isCalling(base) ? Object.assign(clock, { unsafeSchedule: base.unsafeSchedule }) : clock
}
