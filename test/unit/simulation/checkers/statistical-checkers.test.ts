/**
 * Goal: the statistical checkers pass true samples and fail each broken variant that they are there for.
 * Method: seeded traces of known laws; one good trace and one of every kind of badness.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { EmissionChecker } from "../../../../src/simulation/checkers/emission-checker.ts"
import { HopDelayChecker } from "../../../../src/simulation/checkers/hop-delay-checker.ts"
import { binomialAtLeast, distanceBound, poissonAtLeast, poissonAtMost } from "../../../../src/simulation/checkers/statistics.ts"
import { TurnAroundChecker } from "../../../../src/simulation/checkers/turn-around-checker.ts"
import { exponentialDraw, nodeTrace, poissonInstants, uniformsOf } from "./sample-traces.ts"

const RUN_MS = 300_000
const RATE_PER_MS = 0.0285
const MU_PER_MS = 0.05
const GATHER_MS = 8
const watched = { fromMs: 0, untilMs: RUN_MS }
const work = [{ fromMs: 60_000, untilMs: 75_000 }, { fromMs: 150_000, untilMs: 165_000 }]

const isWork = (atMs: number): boolean => work.some(({ fromMs, untilMs }) => atMs >= fromMs && atMs < untilMs)

const emissionsOf = (instantsMs: ReadonlyArray<number>, troubles: ReadonlyArray<{ fromMs: number; untilMs: number }> = []) => {
  const checker = new EmissionChecker({ sender: "client-0", ratePerMs: RATE_PER_MS })
  for (const instantMs of instantsMs) checker.observe(instantMs)
  return checker.verdict(watched, work, troubles)
}

const hopsOf = (delayOf: (uniform: () => number) => number, gatherMs = GATHER_MS) => {
  const uniform = uniformsOf("hops")
  const checker = new HopDelayChecker({ checker: "hop delays", node: "mix-0-0", muPerMs: MU_PER_MS, gatherMs })
  for (const { instantMs, way } of nodeTrace(poissonInstants(uniform, 200_000, () => 0.2), () => delayOf(uniform), gatherMs)) {
    if (way === "in") checker.cameIn(instantMs)
    else checker.wentOut(instantMs)
  }
  return checker.verdict()
}

describe("statistics", () => {
  it("tails are those of tables", () => {
    expect(poissonAtLeast(10, 3)).toBeCloseTo(0.0011025, 7)
    expect(poissonAtMost(2, 8)).toBeCloseTo(0.0137540, 7)
    expect(poissonAtLeast(2, 8)).toBe(1)
    expect(poissonAtMost(90_000, 100_000)).toBeLessThan(1e-200)
    expect(binomialAtLeast(9, 10, 0.5)).toBeCloseTo(11 / 1024, 10)
    expect(binomialAtLeast(10, 10, 0)).toBe(0)
    expect(distanceBound(1000, 0.05)).toBeCloseTo(0.04294, 4)
  })
})

describe("the emission checker", () => {
  it("passes a Poisson stream of the stated rate", () => {
    const verdict = emissionsOf(poissonInstants(uniformsOf("sound"), RUN_MS, () => RATE_PER_MS))
    expect(verdict).toMatchObject({ pass: true, findings: [] })
    expect(verdict.falseAlarmRate).toBeLessThan(1e-7)
    expect(verdict.figures.workPackets).toBeGreaterThan(700)
  })
  it("fails a sender that stops, slows or speeds up under load, and one whose rate is another all the time", () => {
    for (const factor of [0.01, 0.75, 1.3]) {
      const instants = poissonInstants(uniformsOf(`load ${factor}`), RUN_MS, (atMs) => RATE_PER_MS * (isWork(atMs) ? factor : 1))
      expect(emissionsOf(instants).findings.join(), `${factor}`).toMatch(/of work/)
    }
    expect(emissionsOf(poissonInstants(uniformsOf("other"), RUN_MS, () => 0.9 * RATE_PER_MS)).findings.join()).toMatch(/of rest/)
  })
  it("fails packets that leave in pairs, and gaps that are not exponential", () => {
    const instants = poissonInstants(uniformsOf("pairs"), RUN_MS, () => RATE_PER_MS)
    const paired = instants.map((instantMs, index) => (isWork(instantMs) && index % 5 === 1 ? instants[index - 1] ?? 0 : instantMs))
    expect(emissionsOf(paired).findings.join()).toMatch(/two packets at once in its time of work/)
    expect(emissionsOf(paired).findings.join()).toMatch(/two packets at one instant in its time of work/)
    const even = Array.from({ length: Math.floor(RUN_MS * RATE_PER_MS) }, (_, index) => (index + 0.5) / RATE_PER_MS)
    expect(emissionsOf(even).findings.join()).toMatch(/not exponential/)
  })
  it("leaves out the time in which faults hinder the sender", () => {
    const troubles = [{ fromMs: 100_000, untilMs: 120_000 }]
    const instants = poissonInstants(uniformsOf("trouble"), RUN_MS, () => RATE_PER_MS).filter((atMs) => atMs < 100_000 || atMs >= 120_000)
    expect(emissionsOf(instants, troubles).pass).toBe(true)
    expect(emissionsOf(instants).pass).toBe(false)
  })
})

describe("the hop delay checker", () => {
  it("passes exponential delays in whole milliseconds, with batches and without", () => {
    for (const gatherMs of [0, GATHER_MS]) {
      const verdict = hopsOf((uniform) => Math.floor(exponentialDraw(uniform, MU_PER_MS)) + 1, gatherMs)
      expect(verdict).toMatchObject({ pass: true, findings: [] })
      expect(verdict.figures["mix-0-0Samples"]).toBe(2000)
    }
  })
  it("fails no delay, a constant one, and another mean", () => {
    const delays: ReadonlyArray<(uniform: () => number) => number> = [
      () => 0, () => 20, (uniform) => exponentialDraw(uniform, 2 * MU_PER_MS), (uniform) => exponentialDraw(uniform, MU_PER_MS / 2)
    ]
    for (const [index, delayOf] of delays.entries()) expect(hopsOf(delayOf).pass, `variant ${index}`).toBe(false)
  })
})

describe("the turn-around checker", () => {
  const arrivals = poissonInstants(uniformsOf("arrivals"), 60_000, () => 0.2)
  const verdictWith = (delayOf: (uniform: () => number) => number, roundTripMs = 700) => {
    const uniform = uniformsOf("actions")
    const checker = new TurnAroundChecker({ node: "service-node-0", muPerMs: MU_PER_MS, answerMs: 300 })
    const events = [
      ...arrivals.map((instantMs) => ({ instantMs, isAction: false })),
      ...arrivals.filter((_, index) => index % 100 === 0).map((instantMs) => ({ instantMs: instantMs + delayOf(uniform), isAction: true }))
    ].sort((a, b) => a.instantMs - b.instantMs)
    for (const { instantMs, isAction } of events) (isAction ? checker.acted : checker.cameIn).call(checker, instantMs)
    checker.answered(roundTripMs)
    return checker.verdict()
  }
  it("passes a service that acts after its delay", () => {
    expect(verdictWith((uniform) => Math.floor(exponentialDraw(uniform, MU_PER_MS)) + 1)).toMatchObject({ pass: true, findings: [] })
  })
  it("fails one that acts on arrival, and a commission that is answered before its time", () => {
    expect(verdictWith(() => 0).findings.join()).toMatch(/after an arrival/)
    expect(verdictWith((uniform) => exponentialDraw(uniform, MU_PER_MS) + 1, 299).findings.join()).toMatch(/sooner than 300 ms/)
  })
})
