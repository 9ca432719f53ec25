/**
 * Properties of the mix network's data structures.
 *
 * Goal: the heap and the replay filter agree with the simplest model of themselves on any sequence of operations.
 * Method: fast-check; models are a sorted array and a set.
 *
 * @module
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { exponentialCapMs, sampleHopDelayMs } from "../../src/mixnet/delay.ts"
import { DueHeap } from "../../src/mixnet/due-heap.ts"
import { ReplayFilter } from "../../src/mixnet/replay-filter.ts"

describe("due heap", () => {
  it("gives entries by due time, then by order of pushing, through any mix of pushes, pops and removals", () => {
    const operation = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 20 }) }),
      fc.constant({ pop: true }),
      fc.record({ removeAt: fc.nat(30) })
    )
    fc.assert(fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const heap = new DueHeap<number>()
      let model: Array<{ readonly item: number; readonly dueMs: number }> = []
      for (const [item, each] of operations.entries()) {
        if ("push" in each) {
          heap.push(item, each.push)
          model = [...model, { item, dueMs: each.push }].sort((a, b) => a.dueMs - b.dueMs || a.item - b.item)
        } else if ("pop" in each) {
          expect(heap.pop()?.item).toBe(model.shift()?.item)
        } else {
          const removed = heap.removeAt(each.removeAt)
          expect(removed === undefined).toBe(each.removeAt >= model.length)
          model = model.filter(({ item: other }) => other !== removed?.item)
        }
        expect(heap.size).toBe(model.length)
        expect(heap.head?.item).toBe(model[0]?.item)
      }
    }))
  })
})

describe("replay filter", () => {
  it("agrees with a set, whatever the salt", () => {
    const tag = fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 })
    fc.assert(fc.property(fc.array(tag, { maxLength: 150 }), fc.nat(), fc.integer({ min: 1, max: 120 }), (tags, salt, capacity) => {
      const filter = new ReplayFilter({ capacity, salt })
      const model = new Set<string>()
      for (const each of tags) {
        const name = String(each)
        const expected = model.has(name) ? "replay" : model.size >= capacity ? "full" : "fresh"
        expect(filter.has(each)).toBe(model.has(name))
        expect(filter.testAndSet(each)).toBe(expected)
        if (expected === "fresh") model.add(name)
        expect(filter.size).toBe(model.size)
      }
    }))
  })
})

describe("hop delays", () => {
  it("are whole, in 1 … cap, and grow with u", () => {
    const u = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(fc.property(u, u, fc.double({ min: 1e-5, max: 1, noNaN: true }), (a, b, muPerMs) => {
      const [low, high] = [sampleHopDelayMs(Math.min(a, b), muPerMs), sampleHopDelayMs(Math.max(a, b), muPerMs)]
      expect(Number.isInteger(low) && low >= 1 && low <= high && high <= exponentialCapMs(muPerMs)).toBe(true)
    }))
  })
})
