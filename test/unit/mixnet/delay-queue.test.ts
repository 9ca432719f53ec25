/**
 * The delay queue: exact, ordered, bounded, and never late in bulk.
 *
 * Goal: every way in which an item leaves the queue, and the count that each way leaves.
 * Method: test clock for single events; a fixed seed and five standard deviations for the random drop.
 *
 * @module
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Random, Scope, TestClock } from "effect"
import { makeDelayQueue, type DelayQueueOptions } from "../../../src/mixnet/delay-queue.ts"
import { DropCounters } from "../../../src/mixnet/drop-counters.ts"
import { DueHeap } from "../../../src/mixnet/due-heap.ts"
import { runVirtual } from "./virtual-time.ts"

interface Served {
  readonly item: string
  readonly atMs: number
}

const recording = (options: Partial<DelayQueueOptions<string, never>> = {}) =>
  Effect.gen(function*() {
    const served: Array<Served> = []
    const batches: Array<number> = []
    const drops = new DropCounters()
    const queue = yield* makeDelayQueue<string>({
      capacity: 1_000,
      slackMs: 20,
      drops,
      onDue: (items) => Effect.flatMap(Clock.currentTimeMillis, (atMs) => {
        batches.push(items.length)
        for (const item of items) served.push({ item, atMs })
        return Effect.void
      }),
      ...options
    })
    return { queue, served, batches, drops }
  })

describe("release", () => {
  it.scoped("items leave at their due time, whatever the order of offering", () =>
    Effect.gen(function*() {
      const { queue, served } = yield* recording()
      for (const dueMs of [50, 10, 30, 10, 40]) yield* queue.offer(`due ${dueMs}`, dueMs)
      yield* TestClock.adjust(9)
      expect(served).toEqual([])
      expect((yield* queue.stats).queued).toBe(5)
      yield* TestClock.adjust(91)
      expect(served.map(({ atMs }) => atMs)).toEqual([10, 10, 30, 40, 50])
      expect(served.every(({ atMs, item }) => item === `due ${atMs}`)).toBe(true)
    }))
  it.scoped("an item that comes later and is due earlier is not held up by the one waited for", () =>
    Effect.gen(function*() {
      const { queue, served } = yield* recording()
      yield* queue.offer("late", 100)
      yield* TestClock.adjust(10)
      yield* queue.offer("early", 20)
      yield* TestClock.adjust(10)
      expect(served).toEqual([{ item: "early", atMs: 20 }])
      yield* TestClock.adjust(80)
      expect(served).toEqual([{ item: "early", atMs: 20 }, { item: "late", atMs: 100 }])
    }))
  it.scoped("items due at the same instant leave in the order of offering, in batches of at most 64", () =>
    Effect.gen(function*() {
      const { batches, queue, served } = yield* recording()
      for (let index = 0; index < 150; index++) yield* queue.offer(String(index), 5)
      yield* TestClock.adjust(5)
      expect(served.map(({ item }) => item)).toEqual(Array.from({ length: 150 }, (_, index) => String(index)))
      expect(batches).toEqual([64, 64, 22])
    }))
  it.scoped("an item that is due already leaves at once", () =>
    Effect.gen(function*() {
      const { queue, served } = yield* recording()
      yield* TestClock.adjust(100)
      yield* queue.offer("now", 95)
      yield* TestClock.adjust(0)
      expect(served).toEqual([{ item: "now", atMs: 100 }])
      expect(yield* queue.stats).toMatchObject({ latenessMsSum: 5, latenessMsMax: 5, released: 1 })
    }))
})

describe("drops", () => {
  it.scoped("after a stall what is later than the slack is dropped and counted, the rest leaves", () =>
    Effect.gen(function*() {
      let stalled = false
      const served: Array<string> = []
      const { drops, queue } = yield* recording({
        onDue: (items) => Effect.suspend(() => {
          served.push(...items)
          if (stalled) return Effect.void
          stalled = true
          return Effect.sleep(100)
        })
      })
      for (const dueMs of [10, 89, 90, 105, 120]) yield* queue.offer(String(dueMs), dueMs)
      yield* TestClock.adjust(200)
      expect(served).toEqual(["10", "90", "105", "120"])
      expect(drops.get("deadline-blown")).toBe(1)
      expect(yield* queue.stats).toMatchObject({ droppedLate: 1, released: 4, queued: 0 })
    }))
  it.scoped("a handler that dies loses its batch, which is counted, and the queue goes on", () =>
    Effect.gen(function*() {
      const served: Array<string> = []
      const { drops, queue } = yield* recording({
        onDue: (items) => items.includes("bad") ? Effect.die("planted") : Effect.sync(() => served.push(...items))
      })
      yield* queue.offer("bad", 1)
      yield* queue.offer("good", 2)
      yield* TestClock.adjust(2)
      expect(served).toEqual(["good"])
      expect(drops.get("outgoing-failed")).toBe(1)
      expect(yield* queue.stats).toMatchObject({ droppedFailed: 1, released: 1 })
    }))
  it.scoped("nothing leaves after the scope has closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { queue, served } = yield* Scope.extend(recording(), scope)
      yield* queue.offer("x", 10)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(10)
      expect(served).toEqual([])
      expect((yield* queue.stats).queued).toBe(0)
    }))

  const CAPACITY = 50
  const RUNS = 400
  /** How often each of 100 items offered to a queue of 50 is still there at the end. */
  const survivals = runVirtual(Effect.withRandom(
    Effect.gen(function*() {
      const counts = new Array<number>(2 * CAPACITY).fill(0)
      let overflows = 0
      for (let run = 0; run < RUNS; run++) {
        yield* Effect.scoped(Effect.gen(function*() {
          const queue = yield* makeDelayQueue<number>({
            capacity: CAPACITY,
            slackMs: 0,
            onDue: (items) => Effect.sync(() => items.forEach((index) => counts[index] = (counts[index] ?? 0) + 1))
          })
          const dueMs = (yield* Clock.currentTimeMillis) + 1_000
          for (let index = 0; index < counts.length; index++) yield* queue.offer(index, dueMs - index)
          overflows += (yield* queue.stats).droppedOverflow
          yield* Effect.sleep(1_001)
        }))
      }
      return { counts, overflows }
    }),
    Random.make("overflow")
  ))
  const shareOf = (from: number, to: number) => survivals.counts.slice(from, to).reduce((a, b) => a + b, 0) / RUNS / (to - from)

  it("a full queue drops one entry for every one it takes, and keeps to its capacity", () => {
    expect(survivals.overflows).toBe(RUNS * CAPACITY)
    expect(survivals.counts.reduce((a, b) => a + b, 0)).toBe(RUNS * CAPACITY)
  })
  it("the dropped entry is uniform over all, the new one included: neither age nor due time protects", () => {
    const stay = CAPACITY / (CAPACITY + 1)
    const within = (share: number, expected: number, samples: number) =>
      expect(Math.abs(share - expected)).toBeLessThan(5 * Math.sqrt(expected * (1 - expected) / samples))
    within(shareOf(0, 25), stay ** CAPACITY, 25 * RUNS)
    within(shareOf(25, 50), stay ** CAPACITY, 25 * RUNS)
    within(shareOf(75, 76), stay ** 25, RUNS)
    within(shareOf(99, 100), stay, RUNS)
  })
})

describe("the heap beneath", () => {
  it("tells its earliest entry and is empty after clear", () => {
    const heap = new DueHeap<string>()
    expect(heap.head).toBeUndefined()
    expect(heap.pop()).toBeUndefined()
    heap.push("b", 2)
    heap.push("a", 1)
    expect(heap.head).toMatchObject({ item: "a", dueMs: 1 })
    expect(heap.removeAt(7)).toBeUndefined()
    heap.clear()
    expect(heap.size).toBe(0)
  })
})
