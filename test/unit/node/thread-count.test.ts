/**
 * Sizing of unwrap threads.
 *
 * Goal: a node that one core serves with room to spare gets none; others get what they need, and never more than there are cores.
 * Method: by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { isCrowded, ownThreadLimit, workersAmong, workersFor } from "../../../src/node/thread-count.ts"

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

describe("workersAmong", () => {
  const load = { packetsPerSecond: 1_000_000 }
  it.each([[1, 1, 8], [2, 1, 7], [2, 2, 4], [4, 2, 3], [6, 2, 2], [7, 4, 0], [8, 1, 0], [16, 5, 0]])(
    "of %i processes, %i of which unwrap, on eight cores, a busy one gets %i threads", (processes, nodes, threads) => {
      expect(workersAmong(load, speed, { processes, nodes })).toBe(threads)
    })
  it("all nodes' threads and all other processes never need more cores than there are", () => {
    for (let cores = 1; cores <= 16; cores++) {
      for (let processes = 1; processes <= 20; processes++) {
        for (let nodes = 1; nodes <= processes; nodes++) {
          const threads = workersAmong(load, { ...speed, cores }, { processes, nodes })
          expect(threads).not.toBe(1)
          if (isCrowded(cores, { processes, nodes })) expect(threads).toBe(0)
          if (threads > 0) expect(nodes * threads + processes - nodes).toBeLessThanOrEqual(cores)
        }
      }
    }
  })
  it("alone it is as without others, and none is given up to the limit of one thread", () => {
    const alone = { processes: 1, nodes: 1 }
    expect(workersAmong({ packetsPerSecond: 12_000 }, speed, alone)).toBe(3)
    expect(workersAmong({ packetsPerSecond: ownThreadLimit(speed) }, speed, alone)).toBe(0)
    expect(workersAmong({ packetsPerSecond: ownThreadLimit(speed) + 1 }, speed, alone)).toBe(2)
  })
})
