/**
 * The entropy of a pool.
 *
 * Goal: the integral is the mean entropy of the posterior over what came in, for few packets and for many.
 * Method: Poisson arrivals drawn and weighted by hand, each configuration counted as often as packets leave it; known limits.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { modelUniform, tickMs } from "../../../src/planning/draws.ts"
import { manyPacketsBits, pathEntropyBits, poolEntropyBits } from "../../../src/planning/pool-entropy.ts"

const LONGEST_AGE = 40

/** Mean over configurations of arrivals in the past, each with the weight of its departures. */
const sampledBits = (packets: number, seed: number): number => {
  const uniform = modelUniform(seed)
  let [entropySum, weightSum] = [0, 0]
  for (let sample = 0; sample < 8_000; sample++) {
    let [sum, logSum] = [0, 0]
    for (let age = tickMs(uniform, packets); age < LONGEST_AGE; age += tickMs(uniform, packets)) {
      const weight = Math.exp(-age)
      sum += weight
      logSum += weight * Math.log2(weight)
    }
    if (sum === 0) continue
    entropySum += sum * Math.log2(sum) - logSum
    weightSum += sum
  }
  return entropySum / weightSum
}

describe("the entropy of a mix's pool", () => {
  it.each([0.3, 1, 4])("for %d packets is that of drawn arrivals, within 0.03 bit", (packets) => {
    expect(Math.abs(poolEntropyBits(packets) - sampledBits(packets, 11))).toBeLessThan(0.03)
  })
  it("comes to log2(e·λ/µ) for many packets, to nothing for none, and always grows", () => {
    expect(poolEntropyBits(1_000)).toBeCloseTo(manyPacketsBits(1_000), 2)
    expect(poolEntropyBits(5) - manyPacketsBits(5)).toBeLessThan(0.1)
    expect(poolEntropyBits(0)).toBe(0)
    expect(poolEntropyBits(1e-6)).toBeLessThan(1e-3)
    const rising = [0.01, 0.1, 1, 10, 100].map(poolEntropyBits)
    expect([...rising].sort((a, b) => a - b)).toEqual(rising)
  })
  it("of a whole way of one hop is that of one mix, and more hops hide more", () => {
    expect(pathEntropyBits(100, 1)).toBeCloseTo(manyPacketsBits(100), 9)
    expect(pathEntropyBits(100, 5)).toBeGreaterThan(pathEntropyBits(100, 2))
    expect(pathEntropyBits(0, 5)).toBe(0)
  })
})
