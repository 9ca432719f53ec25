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
import { threadsHere } from "../../../actors/cli/doctor-command.ts"
import { unwrapOf } from "../../../actors/cli/plan-command.ts"
import { chooseThreads, companyAt, companyOf, type NodeMachine } from "../../../actors/cli/unwrap-threads.ts"
import { childrenOf } from "../../../actors/cli/up-command.ts"
import { makeMissingKeyFiles } from "../../../actors/key-file.ts"
import { systemEntropy } from "../../../src/crypto/entropy.ts"
import { modestParams, modestService } from "../../../src/params/presets.ts"
import { expectedPacketsPerSecond } from "../../../src/planning/unwrap-work.ts"
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
    expect(choice.message).toMatch(/^2 threads unwrap: \d+ packets a second are expected, a core unwraps 10000$/)
  })
  it("up says which of its children have threads, and why, each after its name", async () => {
    const processes = processesOf(busy)
    const { children, lines } = await Effect.runPromise(childrenOf(busy, processes, machineOf(processes.length + companyOf(processes).nodes)))
    expect(children.map(({ name }) => name)).toEqual(processes.map(({ name }) => name))
    const threaded = children.filter(({ threads }) => threads > 0)
    expect(threaded.map(({ name }) => name)).toContain("mix-1-0")
    expect(lines.map((line) => line.split(/ +/).slice(0, 4).join(" "))).toEqual(threaded.map(({ name, threads }) => `${name} ${threads} threads unwrap:`))
    expect((await Effect.runPromise(childrenOf(busy, processes, unmeasured(2)))).lines).toEqual([])
  })
})

describe("an X-Wing packet costs five of X25519", () => {
  const xwing = { ...busy, params: { ...busy.params, geometry: { ...busy.params.geometry, scheme: "XWING" as const } } }
  it("for run and up", async () => {
    const choice = await Effect.runPromise(chooseThreads(xwing, { name: "mix-1-0", role: "mix" }, { processes: 1, nodes: 1 }, machineOf(64)))
    expect(choice.threads).toBe(Math.ceil(expectedPacketsPerSecond(xwing, { name: "mix-1-0", role: "mix" }) / 1_000))
    expect(choice.message).toContain("a core unwraps 2000")
  })
  it("for plan, whether measured or assumed; not where the cost is given", () => {
    for (const stored of [FIGURES, undefined]) {
      expect(unwrapOf(busy, { unwrapUs: undefined }, stored).unwrapUs).toBeCloseTo(100)
      expect(unwrapOf(xwing, { unwrapUs: undefined }, stored).unwrapUs).toBeCloseTo(500)
      expect(unwrapOf(xwing, { unwrapUs: 70 }, stored)).toEqual({ unwrapUs: 70, unwrapFrom: "given" })
    }
  })
  it("for doctor, which shows both borders", () => {
    expect(threadsHere(FIGURES, 4)).toEqual({ abovePacketsPerSecond: 5_000, aboveXWingPacketsPerSecond: 1_000, most: 4 })
    expect(threadsHere(FIGURES, 1).most).toBe(0)
  })
})
