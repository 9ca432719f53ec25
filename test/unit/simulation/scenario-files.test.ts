/**
 * Goal: the scenario files that come with the program can be played on `tiny`: each is one, bears its own name, and hits somebody.
 * Method: every file of the folder, read as the command reads it.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { builtInScenarios, loadScenario } from "../../../actors/cli/scenario-file.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { ACTOR_FAULT_KINDS, isLinkFault, LINK_FAULT_KINDS, matches } from "../../../src/simulation/fault-plan.ts"
import { FaultSchedule } from "../../../src/simulation/fault-schedule.ts"
import { actorsOf } from "../../../src/topology/topology.ts"
import { topology } from "../../../topologies/tiny.ts"

const names = actorsOf(topology).map(({ name }) => name)
const load = (name: string) => Effect.runSync(loadScenario(name))

describe("scenario files", () => {
  for (const file of builtInScenarios()) {
    it(`${file} is a scenario of that name in which every fault hits an actor or a link of tiny, and the network gets time to recover`, () => {
      const scenario = load(file)
      expect(scenario.name).toBe(file)
      for (const fault of scenario.faults) {
        const groups = isLinkFault(fault) ? [fault.from, fault.to] : [fault.actors]
        for (const group of groups) for (const pattern of group) expect(names.some((name) => matches([pattern], name)), pattern).toBe(true)
        expect(fault.untilMs + (fault.shiftMs ?? 0)).toBeLessThan(scenario.runMs)
      }
      expect(new FaultSchedule(scenario, names, seededEntropy(1, "faults")).settled.faults).toHaveLength(scenario.faults.length)
    })
  }

  it("there is one for every kind of fault, and standard has them all in five minutes", () => {
    const kinds = [...LINK_FAULT_KINDS, ...ACTOR_FAULT_KINDS]
    expect(builtInScenarios()).toEqual(expect.arrayContaining([...kinds, "standard"]))
    for (const kind of kinds) expect(new Set(load(kind).faults.map((fault) => fault.kind))).toEqual(new Set([kind]))
    const standard = load("standard")
    expect(new Set(standard.faults.map(({ kind }) => kind))).toEqual(new Set(kinds))
    expect(standard.runMs).toBe(300_000)
  })

  it("a name that is none is answered with those that there are", () => {
    const failure = Effect.runSync(Effect.flip(loadScenario("storm")))
    expect(failure.message).toMatch(/no scenario "storm"; there are .*standard/)
    expect(Effect.runSync(Effect.flip(loadScenario("./nowhere.json"))).message).toMatch(/can not be read/)
  })
})
