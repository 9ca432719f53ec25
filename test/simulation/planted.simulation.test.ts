/**
 * Each planted fault is found by the checkers that its entry names, in a simulation that the sound network passes.
 *
 * Goal: a mix without delay, a client without cover, an early release, a service that acts at once, two boxes in one burst: each fails `simulate`.
 * Method: the same seconds of the smallest network, once sound and once with each fault in the place of one actor. The lab's gates are tried on the same
 * faults in test/lab/planted.lab.test.ts.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { PLANTED_FAULTS, plantedIn, type PlantedFault } from "../../actors/simulator/planted/planted.ts"
import { simulate, type SimulationReport } from "../../actors/simulator/simulation.ts"
import { calm } from "../../src/simulation/fault-plan.ts"
import { briskTopology } from "../network/brisk-network.ts"

const topology = briskTopology(["affine"])
const scenario = calm(6_000, 3)
/** No claim about speed: many of these run beside each other. */
const LIMIT_MS = 300_000

const reportOf = (fault?: PlantedFault): Promise<SimulationReport> =>
  simulate({ topology, seed: 7, backend: "elided", scenario, ...(fault === undefined ? {} : { variants: plantedIn(fault, topology) }) })

const failing = ({ verdicts }: SimulationReport): ReadonlyArray<string> => verdicts.filter(({ pass }) => !pass).map(({ checker }) => checker)

describe("planted faults", () => {
  it("are not found in a sound network, which answers all jobs", async () => {
    const report = await reportOf()
    expect(report.verdicts.flatMap(({ findings }) => findings)).toEqual([])
    expect(report.verdicts.find(({ checker }) => checker === "jobs")?.figures).toMatchObject({ asked: 3, answered: 3 })
    const asked = report.verdicts.find(({ checker }) => checker === "storage")?.figures
    expect(asked).toMatchObject({ confirmed: 24, boxes: 24, readsBack: 48 })
  }, LIMIT_MS)
  it("name who sees them", () => {
    expect(PLANTED_FAULTS.map(({ caughtBy, name }) => ({ name, caughtBy }))).toEqual([
      { name: "mix-without-delay", caughtBy: ["hop delays"] },
      { name: "client-without-cover", caughtBy: ["emissions"] },
      { name: "early-release", caughtBy: ["releases"] },
      { name: "hasty-service", caughtBy: ["turn-around", "service delays"] },
      { name: "packet-bursts", caughtBy: ["emissions"] }
    ])
  })
  it.each(PLANTED_FAULTS.map((fault) => [fault.name, fault] as const))("%s is found by every checker that it names", async (_, fault) => {
    const report = await reportOf(fault)
    expect(failing(report)).toEqual(expect.arrayContaining([...fault.caughtBy]))
    const [victim] = plantedIn(fault, topology).keys()
    const sentences = report.verdicts.filter(({ checker }) => fault.caughtBy.includes(checker)).flatMap(({ findings }) => findings)
    // who releases early shows at the jobs, everybody else by name
    expect(sentences.every((sentence) => sentence.startsWith(fault.role === "compute" ? "job " : `${victim}: `)), sentences.join("\n")).toBe(true)
  }, LIMIT_MS)
})
