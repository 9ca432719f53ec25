/**
 * Holds items until they are due: the mixing step of a node.
 *
 * Contract: an item is handed over at its due time, never before it, in order of due time and then of offering; or it is dropped and counted, and
 * nothing tells its sender. Dropped are: a random entry when there is no room (`delay-queue-overflow`), an item that could be handed over only
 * more than `slackMs` late (`deadline-blown`), a batch whose handler died (`outgoing-failed`). One fiber serves the whole queue.
 * Knows nothing of: packets, nodes.
 * Source: mixnet.md §5 (delay heap, SchedulerQueueSize, SchedulerSlack, SchedulerMaxBurst), §17; departures: the queue always has a bound.
 *
 * @module
 */
import { Duration, Effect, type Fiber, FiberId, Random, Runtime, type Scope } from "effect"
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
  /** Gets items that are due, at most 64. Must not wait for anything slow: what is due meanwhile waits too. */
  readonly onDue: (items: ReadonlyArray<A>) => Effect.Effect<void, never, R>
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

/** A fiber's wait that ends at an instant which may be brought forward. */
interface Alarm {
  readonly wait: (untilMs: number) => Effect.Effect<void>
  /** Brings the end of the wait forward to `dueMs`, if that is earlier. */
  readonly wake: (dueMs: number) => void
}

/** Sleeps are kept as long as they do not end too late: one that ends early finds out and is followed by another. */
const makeAlarm: Effect.Effect<Alarm, never, Scope.Scope> = Effect.gen(function*() {
  const clock = yield* Effect.clock
  const runtime = yield* Effect.runtime<never>()
  let waiting: { untilMs: number; readonly ring: () => void } | undefined
  let sleep: { readonly untilMs: number; readonly fiber: Fiber.RuntimeFiber<void> } | undefined

  const sleepUntil = (untilMs: number): void => {
    if (untilMs === Number.POSITIVE_INFINITY || (sleep !== undefined && sleep.untilMs <= untilMs)) return
    sleep?.fiber.unsafeInterruptAsFork(FiberId.none)
    const fiber = Runtime.runFork(runtime, clock.sleep(Duration.millis(Math.max(0, untilMs - clock.unsafeCurrentTimeMillis()))))
    const current = { untilMs, fiber }
    sleep = current
    fiber.addObserver(() => {
      if (sleep !== current) return
      sleep = undefined
      if (waiting === undefined) return
      if (waiting.untilMs <= untilMs) waiting.ring()
      else sleepUntil(waiting.untilMs)
    })
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => {
    waiting = undefined
    sleep?.fiber.unsafeInterruptAsFork(FiberId.none)
  }))
  return {
    wait: (untilMs) =>
      Effect.async<void>((resume) => {
        const ring = (): void => {
          waiting = undefined
          resume(Effect.void)
        }
        waiting = { untilMs, ring }
        sleepUntil(untilMs)
      }),
    wake: (dueMs) => {
      if (waiting === undefined || dueMs >= waiting.untilMs) return
      waiting.untilMs = dueMs
      if (dueMs <= clock.unsafeCurrentTimeMillis()) waiting.ring()
      else sleepUntil(dueMs)
    }
  }
})

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

/** A queue that works until the scope closes; what waits then is forgotten. */
export const makeDelayQueue = <A, R = never>(options: DelayQueueOptions<A, R>): Effect.Effect<DelayQueue<A>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const alarm = yield* makeAlarm
    const heap = new DueHeap<A>()
    const tally = new Tally()
    const drops = options.drops ?? new DropCounters()

    const takeDue = (nowMs: number): ReadonlyArray<A> => {
      const due: Array<A> = []
      while (due.length < BATCH_SIZE && heap.head !== undefined && heap.head.dueMs - nowMs <= CLOCK_GRAIN_MS) {
        const entry = heap.pop()
        if (entry === undefined) break
        const latenessMs = Math.max(0, nowMs - entry.dueMs)
        if (latenessMs > options.slackMs) {
          tally.late += 1
          drops.count("deadline-blown")
          continue
        }
        tally.release(latenessMs)
        due.push(entry.item)
      }
      return due
    }

    const handOver = (items: ReadonlyArray<A>): Effect.Effect<void, never, R> =>
      Effect.suspend(() => options.onDue(items)).pipe(
        Effect.catchAllDefect(() => Effect.sync(() => {
          tally.failed += items.length
          tally.released -= items.length
          drops.count("outgoing-failed", items.length)
        })),
        Effect.zipRight(Effect.yieldNow())
      )

    const step = Effect.suspend(() => {
      const due = takeDue(clock.unsafeCurrentTimeMillis())
      return due.length > 0 ? handOver(due) : alarm.wait(heap.head?.dueMs ?? Number.POSITIVE_INFINITY)
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => heap.clear()))
    const work = Effect.whileLoop({ while: () => true, body: () => step, step: () => undefined })
    yield* Effect.forkScoped(Effect.interruptible(work))

    const dropRandom = Effect.map(Random.nextIntBetween(0, options.capacity + 1), (index) => {
      heap.removeAt(index)
      tally.overflow += 1
      drops.count("delay-queue-overflow")
    })

    const put: DelayQueue<A>["put"] = (item, dueMs) => {
      heap.push(item, dueMs)
      alarm.wake(dueMs)
      return heap.size > options.capacity ? dropRandom : undefined
    }

    return {
      put,
      offer: (item, dueMs) => Effect.suspend(() => put(item, dueMs) ?? Effect.void),
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
