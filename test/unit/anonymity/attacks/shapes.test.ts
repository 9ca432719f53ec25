/**
 * Shapes of traffic: learners win where a line or a job shows its kind, guess where it does not, and chance is given its due.
 *
 * Goal: as in matching.test.ts; above all that what is called unlikely is, for few jobs in batches that have much in common.
 * Method: synthetic samples from fixed seeds; rates of false alarms over many repetitions, with bounds that chance crosses once in some thousand seeds.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { shapesInTurn, type ShapeSample, type ShapeStratum } from "../../../../src/anonymity/attacks/shape-classifier.ts"
import { standings, testStrata } from "../../../../src/anonymity/attacks/strata-test.ts"
import { drawIndex, seededDraws, type Draw } from "../../../../src/anonymity/draws.ts"
import { FALSE_ALARM_RATE, kindsBlindly } from "../../../../src/anonymity/gate.ts"
import { areaUnderCurve } from "../../../../src/anonymity/metrics/roc.ts"
import { stratifiedArea } from "../../../../src/anonymity/metrics/stratified-area.ts"
import { drawPoissonProcess } from "../mixnet-model.ts"

type RateOf = (draw: Draw, part: number) => number

const sampleOf = (draw: Draw, rateOf: RateOf): ShapeSample => ({
  startMs: 0, endMs: 4000,
  instantMs: [0, 1000, 2000, 3000].flatMap((start, part) => [...drawPoissonProcess(draw, rateOf(draw, part), start, start + 1000)])
})

/** Windows in which so many clients of each kind send. */
const windows = (seed: number, count: number, positive: RateOf, negative: RateOf): ReadonlyArray<ShapeStratum> => {
  const draw = seededDraws(seed)
  const some = (rateOf: RateOf): ReadonlyArray<ShapeSample> => Array.from({ length: 6 }, () => sampleOf(draw, rateOf))
  return Array.from({ length: count }, () => ({ positive: some(positive), negative: some(negative) }))
}

const steady = (): number => 0.02
const DEALINGS = 20_000

describe("shape of traffic", () => {
  it("gives away a client that stops its cover while it works", () => {
    const pausing = (_: Draw, part: number): number => (part === 2 ? 0.005 : 0.02)
    const { area, curve, test } = shapesInTurn("cover", windows(1, 26, pausing, steady), seededDraws(2), DEALINGS)
    expect(area.interval.lower).toBeGreaterThan(0.85)
    expect(test.probability).toBeLessThan(FALSE_ALARM_RATE)
    expect(kindsBlindly({ name: "shape/test", meaning: "" }, test, 40).pass).toBe(false)
    expect(curve.at(-1)).toEqual({ falsePositiveRate: 1, truePositiveRate: 1 })
  })
  it("gives away bursts though the number of packets is the same", () => {
    const bursty = (draw: Draw): number => (draw() < 0.5 ? 0.004 : 0.036)
    expect(shapesInTurn("bursts", windows(5, 26, bursty, steady), seededDraws(6), DEALINGS).area.interval.lower).toBeGreaterThan(0.8)
  })
  it("gives nothing away on a schedule that never changes", () => {
    const { area, test } = shapesInTurn("nothing", windows(9, 26, steady, steady), seededDraws(10), DEALINGS)
    expect(test.probability).toBeGreaterThan(0.001)
    expect(area.interval.lower).toBeLessThan(0.5)
    expect(kindsBlindly({ name: "shape/test", meaning: "" }, test, 40).pass).toBe(true)
  })
})

describe("jobs in small batches", () => {
  /** Batches of six whose members share a rate, as jobs share the state of the network; who is of which kind is chance, the numbers of both vary. */
  const batches = (draw: Draw): ReadonlyArray<ShapeStratum> => Array.from({ length: 20 }, () => {
    const rate = 0.002 + 0.02 * draw()
    const jobs = Array.from({ length: 6 }, () => sampleOf(draw, () => rate))
    const large = 1 + drawIndex(draw, 5)
    return { positive: jobs.slice(0, large), negative: jobs.slice(large) }
  })
  it("that show nothing are called unlikely as seldom as the probability says, and chance alone keeps their intervals from 0.5 no more often", () => {
    const REPEATS = 100
    const draw = seededDraws(21)
    let [unlikely, apart] = [0, 0]
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const { area, test } = shapesInTurn("nothing", batches(draw), draw, 199)
      if (test.probability <= 0.05) unlikely++
      if (area.interval.lower > 0.5) apart++
    }
    // Binomial(100, 0.05): more than 13 once in two thousand seeds
    expect(unlikely).toBeLessThanOrEqual(13)
    expect(apart).toBeLessThanOrEqual(13)
  })
  it("of which one kind is slower are told apart", () => {
    const draw = seededDraws(22)
    const slower = batches(draw).map(({ negative, positive }) => ({
      positive: positive.map((job) => ({ ...job, instantMs: Array.from(job.instantMs, (instantMs) => 800 + 0.8 * instantMs) })), negative
    }))
    expect(shapesInTurn("slower", slower, draw, DEALINGS).test.probability).toBeLessThan(FALSE_ALARM_RATE)
  })
})

describe("scores in strata", () => {
  it("are compared within their stratum only: the area is that of all such pairs, ties counted half", () => {
    const strata = [{ positive: [3, 1], negative: [2] }, { positive: [10], negative: [10, 11, 9, 8] }, { positive: [5], negative: [] }]
    // pairs won: 1 of 2, and 2.5 of 4
    expect(stratifiedArea(strata)).toMatchObject({ value: 3.5 / 6, positives: 3, negatives: 5 })
    expect(stratifiedArea(strata.slice(0, 1)).interval).toMatchObject({ lower: 0, upper: 1 })
  })
  it("of one stratum have the area of the plain curve; standings keep each stratum's order", () => {
    const draw = seededDraws(31)
    const stratum = { positive: Array.from({ length: 9 }, draw), negative: Array.from({ length: 7 }, draw) }
    expect(stratifiedArea([stratum]).value).toBeCloseTo(areaUnderCurve(stratum.positive, stratum.negative).value, 12)
    const { negative, positive } = standings([stratum])
    expect(areaUnderCurve(positive, negative).value).toBeCloseTo(stratifiedArea([stratum]).value, 12)
  })
  it("have an interval that covers the truth as often as it says, though members of a stratum hang together", () => {
    const draw = seededDraws(32)
    let covered = 0
    for (let repeat = 0; repeat < 400; repeat++) {
      const strata = Array.from({ length: 20 }, () => {
        // in half of the strata all positives are on top, in the others none
        const isTop = draw() < 0.5
        return { positive: [1, 2, 3].map((value) => (isTop ? 10 : 0) + value + draw() / 2), negative: [4, 5, 6] }
      })
      const { lower, upper } = stratifiedArea(strata).interval
      if (lower <= 0.5 && upper >= 0.5) covered++
    }
    expect(covered / 400).toBeGreaterThan(0.95 - 5 * Math.sqrt(0.95 * 0.05 / 400))
  })
  it("of which too few are there for any verdict make a gate that fails", () => {
    const perfect = new Map([["one", [{ positive: [2, 2.5], negative: [1] }, { positive: [2], negative: [1, 0] }]]])
    const test = testStrata(perfect, seededDraws(33), { dealings: 2000 })
    expect(test).toMatchObject({ critical: 1, pairs: 4, strata: 2 })
    expect(kindsBlindly({ name: "shape/test", meaning: "" }, test, 4).pass).toBe(false)
    const nothing = testStrata(new Map([["one", []]]), seededDraws(34))
    expect(nothing).toMatchObject({ pairs: 0, critical: 1, probability: 1 })
    expect(kindsBlindly({ name: "shape/test", meaning: "" }, nothing, 0).pass).toBe(false)
  })
})
