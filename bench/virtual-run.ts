/**
 * Whole networks in time that jumps: the clock moves only when no actor can do anything, so that a run takes what its work costs, and a slow machine
 * makes it slower but never late.
 *
 * Contract: a first-in-first-out scheduler drained to the end, one turn of the event loop for workers and promises, then a jump to the next sleeper. The
 * effect sees `Clock` alone; what reads the machine's own clock sees real time.
 * Knows nothing of: networks.
 * Source: style.md §1.1 (simulation); departures: none.
 *
 * @module
 */
import { Clock, Duration, Effect, Exit, type Scheduler } from "effect"
import { DueHeap } from "../src/mixnet/due-heap.ts"

/** Any instant in a time when the protocol's epochs have long begun. */
const START_MS = Date.UTC(2026, 0, 1)
/** See `runVirtually`; for tests whose workers have next to nothing to do. */
const JUMP_FACTOR = 20
/** The clock may be ahead of its pace by this much. */
const CREDIT_LIMIT_MS = 50
/** How long to wait for workers before the next look. */
const WORKER_LOOK_MS = 1

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
const rest = (): Promise<void> => new Promise((done) => setTimeout(done, WORKER_LOOK_MS))

/**
 * Runs `effect` to its end.
 * @param jumpFactor  the clock is at most this many times as fast as the real one, so that other threads get their time: work of theirs that takes
 * 100 ms takes at most this many times 100 ms of the clock, and 50 ms
 */
export const runVirtually = async <A, E>(effect: Effect.Effect<A, E>, jumpFactor = JUMP_FACTOR): Promise<A> => {
  let nowMs = START_MS
  let lookedMs = performance.now()
  let creditMs = 0
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
    unsafeCurrentTimeMillis: () => Math.floor(nowMs),
    unsafeCurrentTimeNanos: () => BigInt(Math.floor(nowMs * 1e3)) * 1000n,
    currentTimeMillis: Effect.sync(() => Math.floor(nowMs)),
    currentTimeNanos: Effect.sync(() => BigInt(Math.floor(nowMs * 1e3)) * 1000n),
    sleep: (duration) => Effect.async<void>((resume) => sleepers.push(() => resume(Effect.void), nowMs + Duration.toMillis(duration)))
  }
  const fiber = Effect.runFork(Effect.withClock(effect, clock), { scheduler })
  let exit: Exit.Exit<A, E> | undefined
  fiber.addObserver((end) => {
    exit = end
  })
  while (exit === undefined) {
    const ready = tasks
    tasks = []
    for (const task of ready) task()
    if (tasks.length > 0) continue
    await turn()
    if (tasks.length > 0 || exit !== undefined) continue
    const realMs = performance.now()
    creditMs += jumpFactor * (realMs - lookedMs)
    lookedMs = realMs
    const next = sleepers.head
    if (next === undefined || next.dueMs - nowMs > creditMs) {
      await rest()
      continue
    }
    sleepers.pop()
    creditMs = Math.min(creditMs - Math.max(0, next.dueMs - nowMs), CREDIT_LIMIT_MS)
    nowMs = Math.max(nowMs, next.dueMs)
    next.item()
  }
  return Exit.getOrElse(exit, (cause) => {
    throw new Error(String(cause))
  })
}
