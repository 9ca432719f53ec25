/**
 * Time that jumps: runs an effect to its end with a clock that moves only when nothing else can run.
 *
 * Goal: statistical tests over tens of thousands of wake-ups, which the test clock of Effect is too slow for.
 * Method: a first-in-first-out scheduler drained to the end, then a jump to the next sleeper; sleepers wake at exactly their instant.
 *
 * @module
 */
import { Clock, Duration, Effect, Exit, Fiber, type Scheduler } from "effect"
import { DueHeap } from "../../../src/mixnet/due-heap.ts"

/** Runs `effect` from instant 0 and gives its result; synchronous effects and sleeps only. */
export const runVirtual = <A, E>(effect: Effect.Effect<A, E>): A => {
  let nowMs = 0
  let tasks: Array<() => void> = []
  const sleepers = new DueHeap<() => void>()
  const scheduler: Scheduler.Scheduler = {
    shouldYield: (fiber) => fiber.currentOpCount > 2048 ? 0 : false,
    scheduleTask: (task) => {
      tasks.push(task)
    }
  }
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => nowMs,
    unsafeCurrentTimeNanos: () => BigInt(Math.round(nowMs * 1e6)),
    currentTimeMillis: Effect.sync(() => nowMs),
    currentTimeNanos: Effect.sync(() => BigInt(Math.round(nowMs * 1e6))),
    sleep: (duration) => Effect.async<void>((resume) => sleepers.push(() => resume(Effect.void), nowMs + Duration.toMillis(duration)))
  }
  const fiber: Fiber.RuntimeFiber<A, E> = Effect.runFork(Effect.withClock(effect, clock), { scheduler })
  let exit: Exit.Exit<A, E> | undefined
  fiber.addObserver((end) => {
    exit = end
  })
  while (exit === undefined) {
    const ready = tasks
    tasks = []
    for (const task of ready) task()
    if (tasks.length > 0) continue
    const next = sleepers.pop()
    if (exit === undefined && next === undefined) throw new RangeError("nothing left to run")
    if (next !== undefined) {
      nowMs = next.dueMs
      next.item()
    }
  }
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(String(exit.cause))
}
