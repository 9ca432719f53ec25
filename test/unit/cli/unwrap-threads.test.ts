/**
 * How many unwrap threads `run` and `up` give a process that was told no number.
 *
 * Goal: `run` starts a node with what its rates need on its machine; a number that is given wins; where others have the cores nothing is even measured.
 * Method: a placed network at high rates, keys in a temporary folder, machines that are made up; what `run` would start an actor with.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { optionsOf, type RunRequest } from "../../../actors/cli/run-command.ts"
import {
  chooseThreads, companyAt, companyOf, expectedPacketsPerSecond, type NodeMachine, unwrapsPerSecondOf
} from "../../../actors/cli/unwrap-threads.ts"
import { makeMissingKeyFiles } from "../../../actors/key-file.ts"
import { systemEntropy } from "../../../src/crypto/entropy.ts"
import { modestParams, modestService } from "../../../src/params/presets.ts"
import { network } from "../../../src/topology/builder.ts"
import { processesOf, type Role } from "../../../src/topology/topology.ts"
import { fastest } from "../sphinx/sphinx-path.ts"

/** Some 11,000 packets a second at the only mix of the middle layer, which has a machine to itself. */
const busy = network({
  name: "busy",
  params: { ...modestParams, lambdaPPerMs: 0.4, lambdaLPerMs: 0.4 },
  authorities: 3, gateways: 1, mixLayers: [1, 1, 1], serviceNodes: [{ couriers: 2 }], replicas: 4, computes: [modestService], clients: 2,
  machines: [
    { name: "many", host: "10.0.0.1", firstPort: 27_100, actors: ["authorities", "gateways", "mix-0-0", "mix-2-0", "serviceNodes", "replicas", "computes"] },
    { name: "own", host: "10.0.0.2", firstPort: 27_100, actors: ["mix-1-0"] }
  ]
})
const FIGURES = { unwrapsPerSecond: 10_000, aezMegabytesPerSecond: 340 }
const machineOf = (cores: number): NodeMachine => ({ cores, figures: Effect.succeed(FIGURES) })
const unmeasured = (cores: number): NodeMachine => ({ cores, figures: Effect.die("measured in vain") })

const keys = mkdtempSync(join(tmpdir(), "funion-threads-"))
afterAll(() => rmSync(keys, { recursive: true }))

const requestFor = (role: Role, name: string, workers?: number): RunRequest => ({
  role, name, topology: "busy", keys, directory: join(keys, "data"), logFormat: "text", log: "error", linger: false, gpu: false, workers,
  clockOffsetMs: undefined, cluster: undefined, heartbeat: undefined, backend: undefined
})

const startedWith = async (request: RunRequest, machine: NodeMachine): Promise<number | undefined> => {
  const names = processesOf(busy).map(({ name }) => name)
  const test = Effect.zipRight(makeMissingKeyFiles(fastest, keys, names, systemEntropy), optionsOf(busy, request, machine))
  return (await Effect.runPromise(test)).unwrapThreads
}

describe("run", () => {
  it("gives a busy node that has its machine to itself the threads that it needs", async () => {
    const expected = expectedPacketsPerSecond(busy, { name: "mix-1-0", role: "mix" })
    expect(expected).toBeGreaterThan(10_000)
    expect(expected).toBeLessThan(15_000)
    expect(await startedWith(requestFor("mix", "mix-1-0"), machineOf(8))).toBe(Math.ceil(expected / 5_000))
    expect(await startedWith(requestFor("mix", "mix-1-0"), machineOf(2))).toBe(2)
  })
  it("takes the number that it is given, and measures nothing", async () => {
    expect(await startedWith(requestFor("mix", "mix-1-0", 0), unmeasured(8))).toBe(0)
    expect(await startedWith(requestFor("mix", "mix-0-0", 5), unmeasured(2))).toBe(5)
  })
  it("gives none, and measures nothing, on one core, among as many processes as cores, and to who unwraps nothing", async () => {
    expect(await startedWith(requestFor("mix", "mix-1-0"), unmeasured(1))).toBe(0)
    expect(await startedWith(requestFor("mix", "mix-0-0"), unmeasured(companyAt(busy, "mix-0-0").processes))).toBe(0)
    expect(await startedWith(requestFor("replica", "replica-0"), unmeasured(64))).toBe(0)
  })
})

describe("the choice", () => {
  it("counts who has the same host or machine", () => {
    const all = processesOf(busy)
    expect(companyAt(busy, "mix-1-0")).toEqual({ processes: 1, nodes: 1 })
    expect(companyAt(busy, "mix-0-0")).toEqual({ processes: all.filter(({ role }) => role !== "client").length - 1, nodes: 4 })
    const { placement: _, ...placeless } = busy
    expect(companyAt(placeless, "mix-0-0")).toEqual({ processes: 1, nodes: 1 })
  })
  it("among all processes of a network, as up has them, there are threads only with cores to spare", async () => {
    const company = companyOf(processesOf(busy))
    const mix = { name: "mix-1-0", role: "mix" } as const
    expect(await Effect.runPromise(chooseThreads(busy, mix, company, unmeasured(company.processes)))).toEqual({ threads: 0 })
    const choice = await Effect.runPromise(chooseThreads(busy, mix, company, machineOf(company.processes + company.nodes)))
    expect(choice.threads).toBe(2)
    expect(choice.reason).toMatch(/^\d+ packets a second are expected, a core unwraps 10000$/)
  })
  it("takes longer payloads and X-Wing into account", () => {
    const { geometry } = busy.params
    const rateOf = (change: Partial<typeof geometry>): number => unwrapsPerSecondOf({ geometry: { ...geometry, userPayloadBytes: 2_000, ...change } }, FIGURES)
    expect(rateOf({})).toBeCloseTo(10_000)
    expect(rateOf({ userPayloadBytes: 36_000 })).toBeCloseTo(5_000)
    expect(rateOf({ scheme: "XWING" })).toBeCloseTo(2_000)
  })
})
