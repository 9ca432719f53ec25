/**
 * Goal: a node that loses loops is named soon, its neighbours are not, and chance names nobody.
 * Method: seeded sequences of loops over a network of two layers of three.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { ALARM_LOG_RATIO, beyondChance, CLEAR_FAILURES, Heartbeat, logRatio, NOMINAL_LOSS } from "../../../src/mixnet/heartbeat.ts"
import { uniformFrom } from "../../../src/mixnet/path.ts"

/** P[Bin(count, NOMINAL_LOSS) ≥ failures]. */
const tail = (count: number, failures: number): number => {
  let sum = 0
  for (let k = failures; k <= count; k++) {
    let logTerm = k * Math.log(NOMINAL_LOSS) + (count - k) * Math.log1p(-NOMINAL_LOSS)
    for (let i = 1; i <= k; i++) logTerm += Math.log((count - k + i) / i)
    sum += Math.exp(logTerm)
  }
  return sum
}

const LAYERS = [["a0", "a1", "a2"], ["b0", "b1", "b2"]] as const

/** Loops over random paths until `stop` says so, or none is left. @returns how many */
const run = (heartbeat: Heartbeat, seed: number, lossOf: (nodes: ReadonlyArray<string>) => number, most: number, stop = (): boolean => false): number => {
  const uniform = uniformFrom(seededEntropy(seed, "heartbeat"))
  for (let count = 1; count <= most; count++) {
    const nodes = [...LAYERS, ...LAYERS].map((layer) => layer[Math.floor(uniform() * 3)]!)
    heartbeat.note(["gateway", ...nodes, "service"], uniform() < lossOf(nodes))
    if (stop()) return count
  }
  return most
}

const lossAt = (node: string, share: number) => (nodes: ReadonlyArray<string>): number => (nodes.includes(node) ? share : 0)

describe("tallies beyond chance", () => {
  it("are those that would name a node, the worst first", () => {
    const tallies = [{ count: 5, failures: 5 }, { count: 4, failures: 4 }, { count: 500, failures: 10 }, { count: 40, failures: 30 }, { count: 9, failures: 0 }]
    expect(beyondChance(tallies)).toEqual([{ count: 40, failures: 30 }, { count: 5, failures: 5 }])
  })
})

describe("the alarm", () => {
  it.each([1, 4, 5, 16, 32, 128, 512])("over %i loops has a probability of at most 2·10^-8 at the nominal loss", (count) => {
    const failures = Array.from({ length: count + 1 }, (_, each) => each).find((each) => logRatio({ count, failures: each }) >= ALARM_LOG_RATIO)
    if (failures !== undefined) expect(tail(count, failures)).toBeLessThan(2e-8)
  })
  it("needs five loops in a row that never passed", () => {
    expect([4, 5].map((count) => logRatio({ count, failures: count }) >= ALARM_LOG_RATIO)).toEqual([false, true])
  })
  it("is over when failures are few enough for 99 of 100 healthy runs", () => {
    expect(tail(32, CLEAR_FAILURES + 1)).toBeLessThan(0.01)
    expect(tail(32, CLEAR_FAILURES)).toBeGreaterThan(0.01)
  })
})

describe("a heartbeat", () => {
  it("names nobody in 40,000 loops at the nominal loss, looked at after every tenth", () => {
    const heartbeat = new Heartbeat()
    let count = 0
    let named = 0
    run(heartbeat, 1, () => NOMINAL_LOSS, 40_000, () => {
      count += 1
      if (count % 10 === 0) named += heartbeat.suspects().length
      return false
    })
    expect(named).toBe(0)
  })
  it.each([[1, 40], [0.75, 60], [0.5, 120]] as const)("notices within a few loops a mix that loses a share of %s, and names it alone", (share, most) => {
    for (let seed = 1; seed <= 10; seed++) {
      const heartbeat = new Heartbeat()
      run(heartbeat, seed, () => 0, 300)
      const loss = lossAt("b1", share)
      expect(run(heartbeat, seed + 100, loss, most, () => heartbeat.suspects().length > 0)).toBeLessThan(most)
      run(heartbeat, seed + 200, loss, 60)
      expect(heartbeat.suspects()).toEqual(["b1"])
    }
  })
  it("names all that share one fate when loops cannot tell them apart", () => {
    const heartbeat = new Heartbeat()
    for (let count = 0; count < 5; count++) heartbeat.note(["x", "y"], true)
    expect(heartbeat.suspects()).toEqual(["x", "y"])
  })
  it("names with it a node that comes close, such as the one whose loops these are, and tells which explains the loss better", () => {
    const heartbeat = new Heartbeat()
    for (let count = 0; count < 8; count++) heartbeat.note(["own", "x"], count < 7)
    expect(heartbeat.suspects()).toEqual(["own", "x"])
    expect([heartbeat.isForemost("own"), heartbeat.isForemost("x")]).toEqual([true, true])
    heartbeat.note(["own", "y"], false)
    expect(heartbeat.suspects()).toEqual(["own", "x"])
    expect([heartbeat.isForemost("own"), heartbeat.isForemost("x"), heartbeat.isForemost("y")]).toEqual([false, true, false])
    heartbeat.reset()
    expect(heartbeat.isForemost("x")).toBe(false)
  })
  it("clears a node that passes loops again", () => {
    const heartbeat = new Heartbeat()
    run(heartbeat, 1, lossAt("a0", 1), 200)
    expect(heartbeat.suspects()).toEqual(["a0"])
    expect(run(heartbeat, 2, () => 0, 300, () => heartbeat.suspects().length === 0)).toBeLessThan(100)
    run(heartbeat, 3, () => 0, 300)
    expect(heartbeat.suspects()).toEqual([])
  })
  it("forgets nodes that are gone", () => {
    const heartbeat = new Heartbeat()
    run(heartbeat, 1, lossAt("a0", 1), 200)
    heartbeat.retain(new Set(["gateway", "service", "a1", "a2", "b0", "b1", "b2"]))
    expect(heartbeat.suspects()).toEqual([])
  })
})
