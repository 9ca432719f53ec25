/**
 * Virtual time for endpoint tests: the clock jumps to the next sleeper whenever nothing can run.
 *
 * Goal: minutes of a session's life in a fraction of a second, the same at every run.
 * Method: an own scheduler drained to the end between jumps. Every sleep takes at least one nanosecond, so that a loop which waits for an instant
 * that rounding keeps just ahead still moves; interrupted sleepers do not move the clock.
 *
 * @module
 */
import { Clock, Duration, Effect, Exit, type Scheduler } from "effect"
import { DueHeap } from "../../../src/mixnet/due-heap.ts"

const SHORTEST_SLEEP_MS = 1e-6

interface Sleeper {
  awake: boolean
  readonly wake: () => void
}

class VirtualTime implements Scheduler.Scheduler {
  nowMs = 0
  #ready: Array<() => void> = []
  readonly #sleepers = new DueHeap<Sleeper>()
  readonly clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => this.nowMs,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(this.nowMs * 1e6)),
    currentTimeMillis: Effect.sync(() => this.nowMs),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(this.nowMs * 1e6))),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        const sleeper: Sleeper = { awake: false, wake: () => resume(Effect.void) }
        this.#sleepers.push(sleeper, this.nowMs + Math.max(Duration.toMillis(duration), SHORTEST_SLEEP_MS))
        return Effect.sync(() => void (sleeper.awake = true))
      })
  }

  shouldYield(fiber: { readonly currentOpCount: number }): number | false {
    return fiber.currentOpCount > 2048 ? 0 : false
  }

  scheduleTask(task: () => void): void {
    this.#ready.push(task)
  }

  /** Runs what can run, then wakes the next sleeper; false when there is neither. */
  step(): boolean {
    const ready = this.#ready
    this.#ready = []
    for (const task of ready) task()
    if (this.#ready.length > 0) return true
    let next = this.#sleepers.pop()
    while (next?.item.awake === true) next = this.#sleepers.pop()
    if (next === undefined) return ready.length > 0
    this.nowMs = next.dueMs
    next.item.wake()
    return true
  }
}

/** Runs `effect` from instant 0 to its end; synchronous effects and sleeps only. Dies when nothing is left that could run. */
export const runVirtual = <A, E>(effect: Effect.Effect<A, E>): A => {
  const time = new VirtualTime()
  const fiber = Effect.runFork(Effect.withClock(effect, time.clock), { scheduler: time })
  let exit: Exit.Exit<A, E> | undefined
  fiber.addObserver((end) => {
    exit = end
  })
  while (exit === undefined) if (!time.step() && exit === undefined) throw new RangeError("nothing left to run")
  return Exit.getOrElse(exit as Exit.Exit<A, E>, (cause) => {
    throw new Error(String(cause))
  })
}
