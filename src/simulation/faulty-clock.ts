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
import { type Clock, Duration, Effect } from "effect"
import { isCalling, offsetClock, type Timer } from "../actor/timer.ts"
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
  const heldMs = (): number => {
    const elapsedMs = schedule.elapsedMs(base.unsafeCurrentTimeMillis())
    return heldUntilMs(pauses, elapsedMs) - elapsedMs
  }
  const awaitResumed: Effect.Effect<void> = Effect.suspend(() => {
    const waitMs = heldMs()
    return waitMs > 0 ? Effect.zipRight(base.sleep(Duration.nanos(BigInt(Math.ceil((waitMs + GRAIN_MS) * 1e6)))), awaitResumed) : Effect.void
  })
  const clock = offsetClock(base, offsetMs)
  if (pauses.length === 0) return clock
  const paused: Clock.Clock = { ...clock, sleep: (duration) => Effect.zipRight(base.sleep(duration), awaitResumed) }
  if (!isCalling(base)) return paused
  const unsafeSchedule: Timer = (task, delayMs) => {
    const resumed = (): void => {
      const waitMs = heldMs()
      if (waitMs > 0) cancel = base.unsafeSchedule(resumed, waitMs + GRAIN_MS)
      else task()
    }
    let cancel = base.unsafeSchedule(resumed, delayMs)
    return () => cancel()
  }
  return Object.assign(paused, { unsafeSchedule })
}
