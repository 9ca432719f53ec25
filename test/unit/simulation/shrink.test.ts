/**
 * Goal: of a scenario that fails, what is left is what the failure needs, and it is a scenario.
 * Method: stand-ins for runs that fail under a known condition.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { parseScenario, renderScenario, type Fault, type Scenario } from "../../../src/simulation/fault-plan.ts"
import { FaultSchedule } from "../../../src/simulation/fault-schedule.ts"
import { shrink } from "../../../src/simulation/shrink.ts"

const loss = (index: number): Fault => ({ kind: "loss", from: ["a"], to: [`b-${index}`], fromMs: 1000, untilMs: 61_000, share: 0.5 })
const scenario: Scenario = { name: "many", about: "Many.", runMs: 300_000, jobs: 12, faults: Array.from({ length: 9 }, (_, index) => loss(index)) }

const hits = ({ faults }: Scenario, index: number, atMs: number): boolean =>
  faults.some((fault) => fault.kind === "loss" && fault.to.includes(`b-${index}`) && fault.fromMs <= atMs && fault.untilMs > atMs)

describe("shrinking", () => {
  it("keeps the two faults that are needed, in windows around the instant that matters, with as many jobs and as long as needed", async () => {
    const fails = (candidate: Scenario): boolean =>
      hits(candidate, 2, 30_000) && hits(candidate, 7, 40_000) && candidate.jobs >= 3 && candidate.runMs > 50_000
    const numbers: Array<number> = []
    const shrunkBy = (atOnce: number) =>
      Effect.runPromise(shrink(scenario, (candidate, number) => Effect.sync(() => (numbers.push(number), fails(candidate))), { runs: 500, atOnce }))
    const { runCount, scenario: least } = await shrunkBy(1)
    expect(numbers).toEqual(Array.from({ length: runCount }, (_, index) => index + 1))
    expect((await shrunkBy(3)).scenario).toEqual(least)
    expect(fails(least)).toBe(true)
    expect(least.faults).toHaveLength(2)
    expect(Math.max(...least.faults.map(({ fromMs, untilMs }) => untilMs - fromMs))).toBeLessThan(100)
    expect(least.jobs).toBe(3)
    expect(least.runMs).toBeLessThan(60_000)
    expect(runCount).toBeLessThan(150)
    expect(Either.isRight(parseScenario(renderScenario(least)))).toBe(true)
  })

  it("stops at its budget with what has failed so far", async () => {
    const { runCount, scenario: left } = await Effect.runPromise(
      shrink(scenario, ({ faults }) => Effect.succeed(faults.length > 0), { runs: 16, atOnce: 2 })
    )
    expect(runCount).toBe(16)
    expect(left.faults.length).toBeGreaterThan(0)
    expect(left.faults.length).toBeLessThan(9)
  })

  it("begins with a scenario whose lots are drawn, which is the same schedule under any seed", () => {
    const names = ["replica-0", "replica-1", "replica-2"]
    const lots: Scenario = { ...scenario, faults: [{ kind: "crash", actors: ["replica-*"], pick: 1, fromMs: 100, untilMs: 200, shiftMs: 1000 }, loss(0)] }
    const drawn = new FaultSchedule(lots, names, seededEntropy(5, "faults"))
    const again = new FaultSchedule(drawn.settled, names, seededEntropy(6, "faults"))
    expect(again.afflictions).toEqual(drawn.afflictions)
    expect(again.settled).toEqual(drawn.settled)
    expect(Either.isRight(parseScenario(renderScenario(drawn.settled)))).toBe(true)
  })
})
