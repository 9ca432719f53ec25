/**
 * The clock of one actor: it may lie, and while the actor is paused nothing wakes up.
 *
 * Contract: an actor without such faults keeps the clock it would have anyway. A paused actor's timers ring when the pause is over, in the order in which
 * they would have rung; the time it reads then has gone on, as that of a process that was stopped and continued.
 * Knows nothing of: what the actor does.
 * Source: issue 5, part 1 (actors pause and lie about time); departures: none.
 *
 * @module
 */
import { Clock, Duration, Effect } from "effect"
import { type FaultSchedule, heldUntilMs, isOpen } from "./fault-schedule.ts"

/** Added to a sleep until the end of a pause, so that rounding does not wake anybody just before it. */
const GRAIN_MS = 1e-6

/** The clock of `actor` over the true one. */
export const faultyClock = (base: Clock.Clock, schedule: FaultSchedule, actor: string): Clock.Clock => {
  const pauses = schedule.pausesOf(actor)
  const lies = schedule.liesOf(actor)
  if (pauses.length === 0 && lies.length === 0) return base
  const offsetMs = (): number => {
    const elapsedMs = schedule.elapsedMs(base.unsafeCurrentTimeMillis())
    let sumMs = 0
    for (const lie of lies) if (isOpen(lie, elapsedMs)) sumMs += lie.offsetMs
    return sumMs
  }
  const nowMs = (): number => base.unsafeCurrentTimeMillis() + offsetMs()
  const nowNanos = (): bigint => base.unsafeCurrentTimeNanos() + BigInt(Math.round(offsetMs() * 1e6))
  const awaitResumed: Effect.Effect<void> = Effect.suspend(() => {
    const elapsedMs = schedule.elapsedMs(base.unsafeCurrentTimeMillis())
    const heldMs = heldUntilMs(pauses, elapsedMs) - elapsedMs
    return heldMs > 0 ? Effect.zipRight(base.sleep(Duration.nanos(BigInt(Math.ceil((heldMs + GRAIN_MS) * 1e6)))), awaitResumed) : Effect.void
  })
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: nowMs,
    unsafeCurrentTimeNanos: nowNanos,
    currentTimeMillis: Effect.sync(nowMs),
    currentTimeNanos: Effect.sync(nowNanos),
    sleep: pauses.length === 0 ? (duration) => base.sleep(duration) : (duration) => Effect.zipRight(base.sleep(duration), awaitResumed)
  }
}
