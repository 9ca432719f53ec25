/**
 * The statistics of the lab against values of others and against their own promises.
 *
 * Goal: intervals cover as often as they say, tests raise false alarms as seldom as they say, special functions have published values.
 * Method: tables (R, scipy) for single values; fixed seeds for coverage, with bounds at five standard deviations.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { drawExponential, drawNormal, seededDraws } from "../../../../src/anonymity/draws.ts"
import { advantageOf, guessingProbability } from "../../../../src/anonymity/metrics/advantage.ts"
import { clopperPearson, studentInterval } from "../../../../src/anonymity/metrics/interval.ts"
import { compareWithLaw } from "../../../../src/anonymity/metrics/kolmogorov-smirnov.ts"
import { areaUnderCurve, midRanks, rocCurve } from "../../../../src/anonymity/metrics/roc.ts"
import { betaQuantile, logGamma, normalCdf, normalQuantile, regularisedBeta, studentQuantile } from "../../../../src/anonymity/metrics/special-functions.ts"
import { mean } from "../../../../src/anonymity/series.ts"

const REPEATS = 400
/** Five standard deviations below 95 of 100 covered, in REPEATS repetitions. */
const LEAST_COVER = 0.95 - 5 * Math.sqrt(0.95 * 0.05 / REPEATS)

describe("special functions", () => {
  it("have the values of the tables", () => {
    expect(logGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 12)
    expect(logGamma(101)).toBeCloseTo(363.73937555556347, 9)
    expect(regularisedBeta(0.3, 2, 5)).toBeCloseTo(0.579825, 9)
    expect(betaQuantile(0.025, 8, 3)).toBeCloseTo(0.44390454, 6)
    expect(studentQuantile(0.975, 9)).toBeCloseTo(2.262157163, 8)
    expect(studentQuantile(0.975, 1)).toBeCloseTo(12.7062047, 6)
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963985, 8)
    expect(normalCdf(-6)).toBeCloseTo(9.865876e-10, 15)
  })
})

describe("intervals", () => {
  it("of counts have the published values", () => {
    const exact = clopperPearson(8, 10)
    expect([exact.lower, exact.upper].map((bound) => Number(bound.toFixed(4)))).toEqual([0.4439, 0.9748])
    expect(clopperPearson(0, 10)).toMatchObject({ lower: 0 })
    expect(clopperPearson(0, 10).upper).toBeCloseTo(0.3085, 4)
  })
  it("cover the truth as often as they say: counts, means", () => {
    const draw = seededDraws(11)
    let [counts, means] = [0, 0]
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const wins = Array.from({ length: 60 }, () => draw()).filter((u) => u < 0.3).length
      const exact = clopperPearson(wins, 60)
      if (exact.lower <= 0.3 && exact.upper >= 0.3) counts++
      const student = studentInterval(Array.from({ length: 8 }, () => 5 + 2 * drawNormal(draw)))
      if (student.lower <= 5 && student.upper >= 5) means++
    }
    expect(counts / REPEATS).toBeGreaterThan(LEAST_COVER)
    expect(means / REPEATS).toBeGreaterThan(LEAST_COVER)
  })
})

describe("advantage", () => {
  it("is 0 for a blind guesser and 1 for one who always wins, whatever the number of candidates", () => {
    expect(advantageOf(50, 100, 0.5).value).toBe(0)
    expect(advantageOf(10, 100, 0.1).value).toBeCloseTo(0, 12)
    expect(advantageOf(100, 100, 0.1).value).toBe(1)
    expect(advantageOf(100, 100, 0.5).interval.lower).toBeGreaterThan(0.9)
  })
  it("60 of 100 coin flips are not yet proof, 80 are", () => {
    expect(guessingProbability(advantageOf(60, 100, 0.5))).toBeCloseTo(0.028444, 6)
    expect(guessingProbability(advantageOf(80, 100, 0.5))).toBeLessThan(1e-8)
    expect(guessingProbability(advantageOf(0, 100, 0.5))).toBe(1)
  })
})

describe("area under the curve", () => {
  it("counts pairs, ties half, as the definition says", () => {
    const draw = seededDraws(3)
    const positive = Array.from({ length: 40 }, () => Math.round(drawNormal(draw) * 2 + 1))
    const negative = Array.from({ length: 30 }, () => Math.round(drawNormal(draw) * 2))
    const pairs = positive.flatMap((p) => negative.map((n) => (p > n ? 1 : p === n ? 0.5 : 0)))
    expect(areaUnderCurve(positive, negative).value).toBeCloseTo(mean(pairs), 12)
    expect([...midRanks([3, 1, 3, 2])]).toEqual([3.5, 1, 3.5, 2])
  })
  it("DeLong's interval covers the true area", () => {
    const draw = seededDraws(5)
    const truth = normalCdf(1 / Math.SQRT2)
    let covered = 0
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const { interval } = areaUnderCurve(Array.from({ length: 60 }, () => drawNormal(draw) + 1), Array.from({ length: 60 }, () => drawNormal(draw)))
      if (interval.lower <= truth && interval.upper >= truth) covered++
    }
    expect(covered / REPEATS).toBeGreaterThan(LEAST_COVER - 0.02)
  })
  it("a perfect score still has an interval, and no members no opinion", () => {
    expect(areaUnderCurve([2, 3, 4], [0, 1]).interval.lower).toBeLessThan(0.2)
    expect(areaUnderCurve([], [1])).toMatchObject({ value: 0.5, interval: { lower: 0, upper: 1 } })
  })
  it("the curve runs from corner to corner and has the area", () => {
    const points = rocCurve([1, 3, 4, 4], [0, 1, 2, 2], 1000)
    expect(points[0]).toEqual({ falsePositiveRate: 0, truePositiveRate: 0 })
    expect(points.at(-1)).toEqual({ falsePositiveRate: 1, truePositiveRate: 1 })
    const area = points.slice(1).reduce((total, point, index) =>
      total + (point.falsePositiveRate - points[index]!.falsePositiveRate) * (point.truePositiveRate + points[index]!.truePositiveRate) / 2, 0)
    expect(area).toBeCloseTo(areaUnderCurve([1, 3, 4, 4], [0, 1, 2, 2]).value, 12)
  })
})

describe("tests of hypotheses", () => {
  it("a law raises an alarm at 5 % about 5 times of 100; another is told apart", () => {
    const draw = seededDraws(8)
    let alarms = 0
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const sample = Float64Array.from({ length: 100 }, () => drawExponential(draw, 1))
      if (compareWithLaw(sample, (x) => 1 - Math.exp(-x)).probability < 0.05) alarms++
    }
    expect(alarms / REPEATS).toBeLessThan(0.05 + 5 * Math.sqrt(0.05 * 0.95 / REPEATS))
    expect(alarms).toBeGreaterThan(6)
    const slow = Float64Array.from({ length: 500 }, () => drawExponential(draw, 0.5))
    expect(compareWithLaw(slow, (x) => 1 - Math.exp(-x)).probability).toBeLessThan(1e-6)
  })
})
