/**
 * Chance for numerical models.
 *
 * Goal: the generator is uniform enough for means, repeats itself for a seed and for no other, and the draws have the means they are named for.
 * Method: fixed seeds; means within five standard errors, which one seed in a million leaves, and the seeds are those that were tried.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { hopsMs, modelUniform, pickOf, poissonCount, spreadOf, tickMs } from "../../../src/planning/draws.ts"

const COUNT = 20_000
const drawsOf = (draw: (uniform: () => number) => number, seed = 7) => {
  const uniform = modelUniform(seed)
  return spreadOf(Array.from({ length: COUNT }, () => draw(uniform)))
}
const isMean = (spread: { readonly mean: number; readonly error: number }, mean: number): void =>
  expect(Math.abs(spread.mean - mean)).toBeLessThan(5 * spread.error)

describe("draws of a model", () => {
  it("repeat for one seed, and differ for another", () => {
    const [first, again, other] = [1, 1, 2].map((seed) => Array.from({ length: 8 }, modelUniform(seed)))
    expect(first).toEqual(again)
    expect(first).not.toEqual(other)
  })
  it("are uniform: ten bins of equal weight by a chi-square of at most 33.7 (one in 10,000)", () => {
    const uniform = modelUniform(3)
    const bins = new Array<number>(10).fill(0)
    for (let index = 0; index < COUNT; index++) bins[pickOf(uniform, 10)]! += 1
    expect(bins.reduce((sum, count) => sum + (count - COUNT / 10) ** 2 / (COUNT / 10), 0)).toBeLessThan(33.7)
  })
  it("have the means of a tick, of some hops in whole milliseconds, and of arrivals", () => {
    isMean(drawsOf((uniform) => tickMs(uniform, 0.02)), 50)
    isMean(drawsOf((uniform) => hopsMs(uniform, 0.05, 5)), 5 / -Math.expm1(-0.05))
    isMean(drawsOf((uniform) => poissonCount(uniform, 2.5)), 2.5)
    expect(drawsOf((uniform) => poissonCount(uniform, 0)).mean).toBe(0)
  })
  it("are summed up with mean, 95 % mark and standard error", () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, p95: 4, error: Math.sqrt(5 / 3 / 4) })
  })
})
