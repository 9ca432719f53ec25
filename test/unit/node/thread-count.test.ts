/**
 * Sizing of unwrap threads.
 *
 * Goal: a node that one core serves with room to spare gets none; others get what they need, and never more than there are cores.
 * Method: by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { workersFor } from "../../../src/node/thread-count.ts"

const speed = { cores: 8, unwrapsPerSecond: 10_000 }

describe("workersFor", () => {
  it.each([[0, 0], [5_000, 0], [5_001, 2], [12_000, 3], [20_000, 4], [1_000_000, 8]])("a load of %i packets per second gets %i threads", (load, threads) => {
    expect(workersFor({ packetsPerSecond: load }, speed)).toBe(threads)
  })
  it("one core gets none, and an unknown load neither", () => {
    expect(workersFor({ packetsPerSecond: 1_000_000 }, { ...speed, cores: 1 })).toBe(0)
    expect(workersFor({ packetsPerSecond: Number.NaN }, speed)).toBe(0)
  })
})
