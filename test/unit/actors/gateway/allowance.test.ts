/**
 * What clients may send through a gateway.
 *
 * Goal: honest clients never meet the bound, others do, and made-up connections cost bounded memory.
 * Method: instants are arguments; Poisson senders from a seeded generator.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { Allowance, Allowances } from "../../../../actors/gateway/allowance.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { sampleExponentialMs } from "../../../../src/mixnet/delay.ts"
import { tinyParams } from "../../../../src/params/presets.ts"

const HOUR_MS = 3_600_000
const ratePerMs = tinyParams.lambdaPPerMs + tinyParams.lambdaLPerMs

/** Uniform draws in [0, 1), from four bytes each. */
const uniforms = (label: string): (() => number) => {
  const entropy = seededEntropy("gateway tests", label)
  return () => new DataView(entropy(4).buffer).getUint32(0) / 2 ** 32
}

describe("allowance", () => {
  it.each([1, 2, 3])("an honest Poisson sender loses nothing in an hour (seed %i; one in 10^5 would lose one)", (seed) => {
    const next = uniforms(`hour ${seed}`)
    const allowance = new Allowance(tinyParams, 0)
    let sent = 0
    let lost = 0
    for (let nowMs = sampleExponentialMs(next(), ratePerMs); nowMs < HOUR_MS; nowMs += sampleExponentialMs(next(), ratePerMs)) {
      sent += 1
      if (!allowance.take(nowMs)) lost += 1
    }
    expect(lost).toBe(0)
    expect(sent).toBeGreaterThan(0.98 * ratePerMs * HOUR_MS)
  })
  it("it starts full: 256 packets at once pass, the next does not", () => {
    const allowance = new Allowance(tinyParams, 5)
    expect(Array.from({ length: 257 }, () => allowance.take(5)).lastIndexOf(true)).toBe(255)
    expect(allowance.isFull(5)).toBe(false)
  })
  it("in the long run a tenth more than the honest rate passes", () => {
    const allowance = new Allowance(tinyParams, 0)
    let passed = 0
    for (let nowMs = 0; nowMs < 600_000; nowMs += 1) if (allowance.take(nowMs)) passed += 1
    expect(passed - 256).toBeGreaterThan(1.09 * ratePerMs * 600_000)
    expect(passed - 256).toBeLessThan(1.11 * ratePerMs * 600_000)
  })
  it("a clock that is set back gives no tokens", () => {
    const allowance = new Allowance(tinyParams, 1_000_000)
    for (let packet = 0; packet < 256; packet++) allowance.take(1_000_000)
    for (const nowMs of [0, 1_000_000, 0, 1_000_000, 0, 1_000_000]) expect(allowance.take(nowMs)).toBe(false)
  })
})

describe("allowances", () => {
  it("each connection has its own bucket", () => {
    const allowances = new Allowances(tinyParams)
    for (let packet = 0; packet < 256; packet++) expect(allowances.take("a", 0)).toBe(true)
    expect([allowances.take("a", 0), allowances.take("b", 0)]).toEqual([false, true])
  })
  it("forgetting full buckets does not let anybody send more", () => {
    const allowances = new Allowances(tinyParams)
    allowances.take("a", 0)
    allowances.sweep(0)
    expect(allowances.size).toBe(1)
    allowances.sweep(60_000)
    expect(allowances.size).toBe(0)
    expect(Array.from({ length: 257 }, () => allowances.take("a", 60_000)).lastIndexOf(true)).toBe(255)
  })
  it("made-up connections are bounded, and cost those already known nothing", () => {
    const allowances = new Allowances(tinyParams, 10)
    allowances.take("honest", 0)
    for (let index = 0; index < 20; index++) allowances.take(`made up ${index}`, 0)
    expect(allowances.size).toBe(10)
    expect(allowances.take("honest", 0)).toBe(true)
    expect(allowances.take("late", 0)).toBe(false)
    expect(allowances.take("late", 10_000)).toBe(true)
  })
})
