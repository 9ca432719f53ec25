/**
 * Holds items until they are due: the mixing step of a node.
 *
 * Contract: an item is handed over at its due time, never before it, in order of due time and then of offering; or it is dropped and counted, and
 * nothing tells its sender. Dropped are: a random entry when there is no room (`delay-queue-overflow`), an item that could be handed over only
 * more than `slackMs` late (`deadline-blown`), a batch whose handler died (`outgoing-failed`). The queue has no fiber: a timer calls it.
 * Knows nothing of: packets, nodes.
 * Source: mixnet.md §5 (delay heap, SchedulerQueueSize, SchedulerSlack, SchedulerMaxBurst), §17; departures: the queue always has a bound.
 *
 * @module
 */
import { Effect, Exit, Fiber, Random, Runtime, type Scope } from "effect"
import { makeTimer, type Timer } from "../actor/timer.ts"
import { CLOCK_GRAIN_MS } from "./delay.ts"
import { DropCounters } from "./drop-counters.ts"
import { DueHeap } from "./due-heap.ts"

/** Most items handed over at once; other fibers run between two batches. */
const BATCH_SIZE = 64

export interface DelayQueueOptions<A, R> {
  /** Most items that may wait. */
  readonly capacity: number
  /** An item later than this is dropped, in milliseconds. */
  readonly slackMs: number
  /** Gets items that are due, at most 64; gives what is left to do for them, if anything, while which whatever else is due waits. */
  readonly onDue: (items: ReadonlyArray<A>) => Effect.Effect<void, never, R> | undefined
  /** Where drops are counted; fresh counters by default. */
  readonly drops?: DropCounters
}

export interface DelayQueueStats {
  /** Items that wait now. */
  readonly queued: number
  readonly released: number
  readonly droppedOverflow: number
  readonly droppedLate: number
  readonly droppedFailed: number
  /** Sum and maximum over released items of release time minus due time, in milliseconds. */
  readonly latenessMsSum: number
  readonly latenessMsMax: number
}

export interface DelayQueue<A> {
  /** Takes an item to be released at `dueMs`, Unix milliseconds; never waits. One that is due already goes out at once, unless over the slack. */
  readonly offer: (item: A, dueMs: number) => Effect.Effect<void>
  /** As `offer`, at once and not as an effect; gives what is left to do when the queue was full, for which the next `put` waits. */
  readonly put: (item: A, dueMs: number) => Effect.Effect<void> | undefined
  readonly stats: Effect.Effect<DelayQueueStats>
}

/** What happened so far. */
class Tally {
  released = 0
  overflow = 0
  late = 0
  failed = 0
  latenessMsSum = 0
  latenessMsMax = 0

  release(latenessMs: number): void {
    this.released += 1
    this.latenessMsSum += latenessMs
    this.latenessMsMax = Math.max(this.latenessMsMax, latenessMs)
  }
}

/** What a queue needs of its surroundings. */
interface Around<R> {
  readonly nowMs: () => number
  readonly timer: Timer
  readonly runtime: Runtime.Runtime<R>
}

/** The queue at work: a timer calls `#serve`, which hands over what is due and sets the next one. */
class Releases<A, R> {
  readonly heap = new DueHeap<A>()
  readonly tally = new Tally()
  readonly #options: DelayQueueOptions<A, R>
  readonly #drops: DropCounters
  readonly #around: Around<R>
  #alarm: { readonly dueMs: number; readonly callOff: () => void } | undefined
  /** What the last batch has left to do. */
  #rest: Fiber.RuntimeFiber<void> | undefined
  #isClosed = false

  constructor(options: DelayQueueOptions<A, R>, around: Around<R>) {
    this.#options = options
    this.#around = around
    this.#drops = options.drops ?? new DropCounters()
  }

  put(item: A, dueMs: number): Effect.Effect<void> | undefined {
    this.heap.push(item, dueMs)
    this.#setAlarm()
    return this.heap.size > this.#options.capacity ? this.#dropRandom : undefined
  }

  /** Forgets everything. */
  readonly close = Effect.suspend(() => {
    this.#isClosed = true
    this.heap.clear()
    this.#alarm?.callOff()
    return this.#rest === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.#rest))
  })

  readonly #dropRandom = Effect.suspend(() =>
    Effect.map(Random.nextIntBetween(0, this.#options.capacity + 1), (index) => {
      this.heap.removeAt(index)
      this.tally.overflow += 1
      this.#drops.count("delay-queue-overflow")
    }))

  /** Sees to it that somebody looks when the earliest item is due, unless a batch has something left to do. */
  #setAlarm(): void {
    const dueMs = this.heap.head?.dueMs
    if (dueMs === undefined || this.#rest !== undefined || this.#isClosed) return
    if (this.#alarm !== undefined) {
      if (this.#alarm.dueMs <= dueMs) return
      this.#alarm.callOff()
    }
    const { nowMs, timer } = this.#around
    this.#alarm = { dueMs, callOff: timer(this.#serve, Math.max(0, dueMs - nowMs())) }
  }

  readonly #serve = (): void => {
    this.#alarm = undefined
    if (this.#isClosed) return
    const due = this.#takeDue()
    const left = due.length === 0 ? undefined : this.#handOver(due)
    if (left === undefined) return this.#setAlarm()
    const fiber = Runtime.runFork(this.#around.runtime, left)
    this.#rest = fiber
    fiber.addObserver((exit) => {
      if (Exit.isFailure(exit) && !this.#isClosed) this.#fail(due)
      this.#rest = undefined
      this.#setAlarm()
    })
  }

  #takeDue(): ReadonlyArray<A> {
    const nowMs = this.#around.nowMs()
    const due: Array<A> = []
    while (due.length < BATCH_SIZE && this.heap.head !== undefined && this.heap.head.dueMs - nowMs <= CLOCK_GRAIN_MS) {
      const entry = this.heap.pop()
      if (entry === undefined) break
      const latenessMs = Math.max(0, nowMs - entry.dueMs)
      if (latenessMs > this.#options.slackMs) {
        this.tally.late += 1
        this.#drops.count("deadline-blown")
        continue
      }
      this.tally.release(latenessMs)
      due.push(entry.item)
    }
    return due
  }

  /** Hands items over; gives what is left to do for them. */
  #handOver(items: ReadonlyArray<A>): Effect.Effect<void, never, R> | undefined {
    try {
      return this.#options.onDue(items)
    } catch {
      this.#fail(items)
      return undefined
    }
  }

  #fail(items: ReadonlyArray<A>): void {
    this.tally.failed += items.length
    this.tally.released -= items.length
    this.#drops.count("outgoing-failed", items.length)
  }
}

/** A queue that works until the scope closes; what waits then is forgotten. */
export const makeDelayQueue = <A, R = never>(options: DelayQueueOptions<A, R>): Effect.Effect<DelayQueue<A>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const runtime = yield* Effect.runtime<R>()
    const releases = new Releases(options, { nowMs: () => clock.unsafeCurrentTimeMillis(), timer: yield* makeTimer, runtime })
    yield* Effect.addFinalizer(() => releases.close)
    const { heap, tally } = releases
    return {
      put: (item, dueMs) => releases.put(item, dueMs),
      offer: (item, dueMs) => Effect.suspend(() => releases.put(item, dueMs) ?? Effect.void),
      stats: Effect.sync(() => ({
        queued: heap.size,
        released: tally.released,
        droppedOverflow: tally.overflow,
        droppedLate: tally.late,
        droppedFailed: tally.failed,
        latenessMsSum: tally.latenessMsSum,
        latenessMsMax: tally.latenessMsMax
      }))
    }
  })
