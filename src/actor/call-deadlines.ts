/**
 * The time limits of one connection's calls: one sleeping fiber for all of them.
 *
 * Contract: a call that was added and not removed expires at its deadline, never earlier. All calls of one ledger have the same limit, so the order
 * of adding is the order of expiring. Costs one set operation per call; the fiber exists only while calls are pending and sleeps until the oldest.
 * Knows nothing of: what a call is.
 * Source: none (a timer per call costs more than the call); departures: none.
 *
 * @module
 */
import { Duration, Effect, Fiber, Runtime, type Scope } from "effect"

/** Something that ends by itself at an instant. */
export interface Timed {
  /** Milliseconds since the Unix epoch. */
  readonly deadlineMs: number
  /** Called at most once, after the deadline; the ledger has removed the call. */
  readonly expire: () => void
}

export interface CallDeadlines {
  readonly add: (call: Timed) => void
  readonly remove: (call: Timed) => void
  /** The deadline of a call that starts now, in milliseconds since the Unix epoch. */
  readonly fromNow: () => number
}

/** A ledger of calls with one limit in milliseconds; its fiber ends with the scope. */
export const makeCallDeadlines = (limitMs: number): Effect.Effect<CallDeadlines, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const runtime = yield* Effect.runtime<never>()
    const calls = new Set<Timed>()
    let sweeper: Fiber.RuntimeFiber<void> | undefined
    let sweeping = false
    let closed = false
    const sweep: Effect.Effect<void> = Effect.suspend(() => {
      const nowMs = clock.unsafeCurrentTimeMillis()
      for (const call of calls) {
        const waitMs = call.deadlineMs - nowMs
        if (waitMs > 0) return Effect.zipRight(clock.sleep(Duration.millis(Math.ceil(waitMs))), sweep)
        calls.delete(call)
        call.expire()
      }
      sweeping = false
      return Effect.void
    })
    yield* Effect.addFinalizer(() => {
      closed = true
      return sweeper === undefined ? Effect.void : Fiber.interrupt(sweeper)
    })
    return {
      add: (call) => {
        calls.add(call)
        if (sweeping || closed) return
        sweeping = true
        sweeper = Runtime.runFork(runtime, sweep)
      },
      remove: (call) => {
        calls.delete(call)
      },
      fromNow: () => clock.unsafeCurrentTimeMillis() + limitMs
    }
  })

