/**
 * Gates: they fail what is worse than the bound, and what is as good as the bound hardly ever.
 *
 * Goal: both errors of every kind of gate.
 * Method: fixed seeds; gates on networks that sit exactly on their bound, many times over.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { drawExponential, drawNormal, seededDraws } from "../../../src/anonymity/draws.ts"
import {
  atLeast, atMost, chanceExplains, criticalDistance, FALSE_ALARM_RATE, followsLaw, GATE_LEVEL, never, sharedLevel, strongestAtMost, tellsApartAtMost
} from "../../../src/anonymity/gate.ts"
import { advantageOf } from "../../../src/anonymity/metrics/advantage.ts"
import { studentInterval } from "../../../src/anonymity/metrics/interval.ts"
import { mean } from "../../../src/anonymity/series.ts"

const named = { name: "test/figure", meaning: "a figure" }
const REPEATS = 300
/** Guesses of one of two, as a gate. */
const guesses = (wins: number, games: number, margin: number) => strongestAtMost(named, [advantageOf(wins, games, 0.5, GATE_LEVEL)], margin, games)

describe("gates", () => {
  it("on the edge raise no alarm in 300 runs each: guesses, scores, laws", () => {
    const draw = seededDraws(1)
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const wins = Array.from({ length: 100 }, () => draw()).filter((u) => u < 0.5).length
      expect(guesses(wins, 100, 0).pass).toBe(true)
      const sample = (): ReadonlyArray<number> => Array.from({ length: 60 }, () => drawNormal(draw))
      expect(tellsApartAtMost(named, sample(), sample(), 0).pass).toBe(true)
      expect(followsLaw(named, Array.from({ length: 100 }, () => drawExponential(draw, 1)), (x) => 1 - Math.exp(-x), 0).pass).toBe(true)
    }
  })
  it("fail what is clearly beyond", () => {
    const draw = seededDraws(2)
    expect(guesses(85, 100, 0.1).pass).toBe(false)
    const shifted = (by: number): ReadonlyArray<number> => Array.from({ length: 100 }, () => drawNormal(draw) + by)
    expect(tellsApartAtMost(named, shifted(1.5), shifted(0), 0.1).pass).toBe(false)
    // the other way round tells as much
    expect(tellsApartAtMost(named, shifted(0), shifted(1.5), 0.1).pass).toBe(false)
    expect(followsLaw(named, Array.from({ length: 200 }, () => drawExponential(draw, 2)), (x) => 1 - Math.exp(-x), 0).pass).toBe(false)
    const bits = shifted(4)
    const estimate = { value: mean(bits), interval: studentInterval(bits, 0.9999) }
    expect(atLeast(named, estimate, 5, 100).pass).toBe(false)
    expect(atLeast(named, estimate, 3.9, 100).pass).toBe(true)
    expect(atMost(named, estimate, 3, 100).pass).toBe(false)
  })
  it("fail when nothing or too little was measured, and at the first of what must never be", () => {
    expect(guesses(5, 10, 0.1).pass).toBe(false)
    expect(never(named, 0, 0).pass).toBe(false)
    expect(never(named, 0, 10).pass).toBe(true)
    expect(never(named, 1, 1000).pass).toBe(false)
  })
  it("of several attacks count the strongest; a probability must not be below the rate of false alarms", () => {
    const advantage = (wins: number) => advantageOf(wins, 100, 0.5, sharedLevel(2))
    expect(sharedLevel(2)).toBeCloseTo(1 - FALSE_ALARM_RATE / 2, 12)
    expect(strongestAtMost(named, [advantage(50), advantage(52)], 0.1, 100)).toMatchObject({ value: advantage(52).value, pass: true })
    expect(strongestAtMost(named, [advantage(90), advantage(50)], 0.1, 100)).toMatchObject({ value: advantage(90).value, pass: false })
    expect(strongestAtMost(named, [], 0.1, 100).pass).toBe(false)
    const chance = (probability: number) => chanceExplains(named, { kind: "testing", name: "test", observed: 1, expected: 0, probability }, 100)
    expect([chance(0.2).pass, chance(5e-5).pass]).toEqual([true, false])
  })
  it("the critical distance shrinks with the root of the sample", () => {
    expect(criticalDistance(100) / criticalDistance(400)).toBeCloseTo(2, 9)
  })
})
