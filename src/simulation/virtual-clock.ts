/**
 * Virtual time: a clock that moves only when nobody can do anything, and the scheduler that makes "nobody" true.
 *
 * Contract: tasks run first in, first out, until none is left; then time jumps to the earliest sleeper, and of sleepers due at one instant the one that lay
 * down first wakes alone. So the order of everything follows from the program and its draws: two runs are the same run. Work is synchronous: `run` lets
 * the event loop turn now and then, for signals, and otherwise waits for nothing. An effect that waits for a promise, a socket or a thread is overtaken
 * by time, and its run can not be repeated. Who is interrupted while asleep is woken in vain when the time comes: to let every sleeper be called off would
 * cost each of them several times what its sleep does.
 * Knows nothing of: networks, randomness.
 * Source: style.md §1.1, §2.8; effect-notes.md §4; departures: none.
 *
 * @module
 */
import { Clock, Duration, Effect, Exit, type Fiber, type Scheduler } from "effect"
import type { CallingClock } from "../actor/timer.ts"
import { DueHeap } from "../mixnet/due-heap.ts"

/** Midnight of 1 January 2026, UTC: any instant when the protocol's epochs have long begun. */
export const START_MS = 1_767_225_600_000
/** Steps of one fiber before others get their turn, as in Effect's own scheduler. */
const STEPS_PER_TURN = 2_048
/** Sleepers woken between two turns of the event loop. */
const WAKES_PER_TURN = 256
/** Tasks at one instant after which it is said that time stands still: a fiber that always yields would hang the run for ever. */
const STALL_TASKS = 50_000_000
const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** One time, with the scheduler of everything that lives in it. */
export class VirtualTime {
  readonly scheduler: Scheduler.Scheduler
  readonly clock: CallingClock
  #nowMs: number
  #tasks: Array<() => void> = []
  readonly #sleepers = new DueHeap<() => void>()
  #tasksNow = 0

  constructor(startMs = START_MS) {
    this.#nowMs = startMs
    this.scheduler = {
      shouldYield: (fiber) => (fiber.currentOpCount > STEPS_PER_TURN ? 0 : false),
      scheduleTask: (task) => { this.#tasks.push(task) }
    }
    const millis = (): number => Math.floor(this.#nowMs)
    const nanos = (): bigint => BigInt(Math.floor(this.#nowMs * 1e3)) * 1000n
    this.clock = {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: millis,
      unsafeCurrentTimeNanos: nanos,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(nanos),
      unsafeSchedule: (task, delayMs) => {
        // who calls it off lets go of what it holds, though its place in the heap stays until the time comes
        let open: (() => void) | undefined = task
        this.#sleepers.push(() => open?.(), this.#nowMs + Math.max(0, delayMs))
        return () => { open = undefined }
      },
      sleep: (duration) => {
        const ms = Duration.toMillis(duration)
        return ms === Number.POSITIVE_INFINITY ? Effect.never : Effect.async<void>((resume) => this.#sleepers.push(() => resume(Exit.void), this.#nowMs + ms))
      }
    }
  }

  /** The instant, with fractions of a millisecond; actors see whole ones. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** True when a task is ready to run. */
  get isBusy(): boolean {
    return this.#tasks.length > 0
  }

  /** When the next sleeper wakes; undefined when nobody sleeps. */
  get nextDueMs(): number | undefined {
    return this.#sleepers.head?.dueMs
  }

  /** Runs tasks until none is left. */
  drain(): void {
    while (this.#tasks.length > 0) {
      const tasks = this.#tasks
      this.#tasks = []
      for (const task of tasks) task()
      this.#tasksNow += tasks.length
      if (this.#tasksNow > STALL_TASKS) throw new Error("virtual time stands still: something always has work at this instant")
    }
  }

  /** Moves time to the next sleeper and wakes it. False when nobody sleeps. */
  wakeNext(): boolean {
    const entry = this.#sleepers.pop()
    if (entry === undefined) return false
    if (entry.dueMs > this.#nowMs) {
      this.#nowMs = entry.dueMs
      this.#tasksNow = 0
    }
    entry.item()
    return true
  }

  /** Starts an effect in this time; `drain` and `wakeNext` move it on. @param onEnd  told how it ended */
  start<A, E>(effect: Effect.Effect<A, E>, onEnd: (exit: Exit.Exit<A, E>) => void): Fiber.RuntimeFiber<A, E> {
    const fiber = Effect.runFork(Effect.withClock(effect, this.clock), { scheduler: this.scheduler })
    fiber.addObserver(onEnd)
    return fiber
  }

  /** Runs an effect to its end. @param signal  interrupts it */
  async run<A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal): Promise<Exit.Exit<A, E>> {
    let end: Exit.Exit<A, E> | undefined
    const fiber = this.start(effect, (exit) => { end = exit })
    signal?.addEventListener("abort", () => fiber.unsafeInterruptAsFork(fiber.id()), { once: true })
    for (let wakes = 1; ; wakes++) {
      this.drain()
      if (end !== undefined) return end
      const isMoving = this.wakeNext()
      if (wakes % WAKES_PER_TURN !== 0 && isMoving) continue
      await turn()
      if (!isMoving && !this.isBusy && end === undefined) throw new Error("virtual time has come to an end: nobody sleeps and nothing is ready")
    }
  }
}
