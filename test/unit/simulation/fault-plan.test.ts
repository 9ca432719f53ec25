/**
 * Goal: a scenario file says what it means or is refused by the name of the field; what is left to chance is the seed's.
 * Method: good and bad texts, round trips, schedules of one scenario under several seeds.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { calm, matches, parseScenario, renderScenario, scenarioOf, type Scenario } from "../../../src/simulation/fault-plan.ts"
import { FaultSchedule, heldUntilMs } from "../../../src/simulation/fault-schedule.ts"

const head = { name: "sample", about: "A sample.", runMs: 10_000, jobs: 2 }
const loss = { kind: "loss", from: ["client-*"], to: ["gateway-0"], fromMs: 1000, untilMs: 2000, share: 0.5 } as const

const sample: Scenario = {
  ...head,
  faults: [
    loss,
    { kind: "delay", from: ["*"], to: ["mix-*"], fromMs: 0, untilMs: 10, share: 1, delayMs: 30 },
    { kind: "duplication", from: ["a"], to: ["b"], fromMs: 0, untilMs: 10, share: 0.1 },
    { kind: "reordering", from: ["a"], to: ["b"], fromMs: 0, untilMs: 10, share: 0.1, delayMs: 5 },
    { kind: "corruption", from: ["a"], to: ["b"], fromMs: 0, untilMs: 10, share: 0.1 },
    { kind: "partition", from: ["courier-*"], to: ["replica-1"], fromMs: 0, untilMs: 10 },
    { kind: "crash", actors: ["replica-*"], pick: 2, fromMs: 100, untilMs: 200, shiftMs: 500 },
    { kind: "restart", actors: ["mix-0-0"], fromMs: 100, untilMs: 100 },
    { kind: "pause", actors: ["service-node-0"], fromMs: 100, untilMs: 300 },
    { kind: "clock-offset", actors: ["client-0"], fromMs: 100, untilMs: 300, offsetMs: -250 }
  ]
}

const problemsOf = (value: unknown): ReadonlyArray<string> => Either.match(scenarioOf(value), { onLeft: ({ problems }) => problems, onRight: () => [] })

describe("a scenario", () => {
  it("is the same after it was written to a file and read again, whatever the faults", () => {
    expect(Either.getOrThrow(parseScenario(renderScenario(sample)))).toEqual(sample)
    expect(Either.getOrThrow(parseScenario(renderScenario(calm(5, 0))))).toEqual(calm(5, 0))
  })

  it("is refused by the name of each field that is missing, unknown or out of range", () => {
    const bad: ReadonlyArray<readonly [unknown, RegExp]> = [
      [{ ...head }, /^faults: /],
      [{ ...head, faults: [], color: "red" }, /^color: /],
      [{ ...head, name: "Two Words", faults: [] }, /^name: /],
      [{ ...head, jobs: 1.5, faults: [] }, /^jobs: /],
      [{ ...head, faults: [{ ...loss, share: 0 }] }, /^faults\[0\]/],
      [{ ...head, faults: [{ ...loss, kind: "gossip" }] }, /^faults\[0\]/],
      [{ ...head, faults: [{ ...loss, from: [] }] }, /^faults\[0\]/],
      [{ ...head, faults: [{ ...loss, from: ["a b"] }] }, /^faults\[0\]/],
      [{ ...head, faults: [{ ...loss, untilMs: 1000 }] }, /^faults\[0\]\.untilMs: must be after fromMs/],
      [{ ...head, faults: [{ ...loss, fromMs: 10_000, untilMs: 11_000 }] }, /^faults\[0\]\.fromMs: the run is over/]
    ]
    for (const [value, expected] of bad) expect(problemsOf(value).join("\n"), JSON.stringify(value)).toMatch(new RegExp(expected, "m"))
    expect(Either.isLeft(parseScenario("{"))).toBe(true)
    expect(Either.isLeft(parseScenario("[]"))).toBe(true)
  })

  it("chooses actors by pattern, and a dot stands for a dot", () => {
    expect(matches(["mix-*"], "mix-0-1")).toBe(true)
    expect(matches(["mix-*-1"], "mix-0-2")).toBe(false)
    expect(matches(["a.b"], "axb")).toBe(false)
    expect(matches(["gateway-0", "client-*"], "client-7")).toBe(true)
    expect(matches(["gateway-0"], "gateway-00")).toBe(false)
  })
})

describe("a schedule", () => {
  const names = ["client-0", "gateway-0", "mix-0-0", "courier-0", "replica-0", "replica-1", "replica-2", "service-node-0"]
  const scheduleOf = (seed: number) => new FaultSchedule(sample, names, seededEntropy(seed, "faults"))

  it("is the same for one seed, and draws other victims and instants for others", () => {
    expect(scheduleOf(1).afflictions).toEqual(scheduleOf(1).afflictions)
    const victims = Array.from({ length: 20 }, (_, seed) =>
      scheduleOf(seed).afflictions.filter(({ kind }) => kind === "crash").map(({ actor }) => actor).sort().join())
    expect(new Set(victims).size).toBe(3)
    for (const { fromMs, kind, untilMs } of scheduleOf(7).afflictions) {
      if (kind !== "crash") continue
      expect(fromMs).toBeGreaterThanOrEqual(100)
      expect(fromMs).toBeLessThan(600)
      expect(untilMs - fromMs).toBeCloseTo(100)
    }
  })

  it("cuts a partition both ways and any other link fault one way", () => {
    const schedule = scheduleOf(1)
    expect(schedule.conditionsOf("courier-0", "replica-1").map(({ kind }) => kind)).toEqual(["partition"])
    expect(schedule.conditionsOf("replica-1", "courier-0").map(({ kind }) => kind)).toEqual(["partition"])
    expect(schedule.conditionsOf("client-0", "gateway-0").map(({ kind }) => kind)).toEqual(["loss"])
    expect(schedule.conditionsOf("gateway-0", "client-0")).toEqual([])
  })

  it("knows what troubles a group of actors, and when the last of overlapping windows is over", () => {
    expect(scheduleOf(1).troublesOf(["client-0", "gateway-0"])).toHaveLength(2)
    expect(heldUntilMs([{ fromMs: 10, untilMs: 20 }, { fromMs: 5, untilMs: 12 }, { fromMs: 20, untilMs: 25 }], 6)).toBe(25)
    expect(heldUntilMs([{ fromMs: 10, untilMs: 20 }], 20)).toBe(20)
  })
})
