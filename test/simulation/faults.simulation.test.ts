/**
 * A short run with faults passes all checkers; one with an actor that loses or tampers does not, and the findings say what happened.
 *
 * Goal: what links and crashes do to a network is borne, and told from what a bad actor does.
 * Method: some twenty seconds of the smallest network with loss, corruption and a replica that crashes; then without faults, with a lossy mix, a forgetful
 * replica and a service that gives wrong numbers.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { bentMount } from "../../actors/simulator/planted/bent-mount.ts"
import { simulate, type SimulationReport } from "../../actors/simulator/simulation.ts"
import type { Variant } from "../../actors/simulator/world.ts"
import { calm, type Scenario } from "../../src/simulation/fault-plan.ts"
import { briskTopology } from "../network/brisk-network.ts"

const topology = briskTopology(["affine"])
/** With time to write again what was lost. */
const patient = briskTopology(["affine"], {}, [4000, 8000, 12_000])
/** No claim about speed: many of these run beside each other. */
const LIMIT_MS = 300_000

const troubled: Scenario = {
  name: "short", about: "Links lose and damage a little, and one replica crashes: every job is answered all the same.", runMs: 10_000, jobs: 2,
  faults: [
    { kind: "loss", from: ["*"], to: ["mix-*", "replica-*"], fromMs: 1000, untilMs: 7000, share: 0.01 },
    { kind: "corruption", from: ["*"], to: ["mix-*", "service-node-*", "replica-*"], fromMs: 2000, untilMs: 8000, share: 0.01 },
    { kind: "crash", actors: ["replica-*"], pick: 1, fromMs: 2000, untilMs: 5000 }
  ]
}

const run = (scenario: Scenario, variants: ReadonlyMap<string, Variant> = new Map(), network = topology): Promise<SimulationReport> =>
  simulate({ topology: network, seed: 7, backend: "elided", scenario, variants })

const findingsOf = ({ verdicts }: SimulationReport): ReadonlyArray<string> =>
  verdicts.flatMap(({ checker, findings }) => findings.map((finding) => `${checker}: ${finding}`))

/** A mix that throws every twentieth packet away and counts nothing. */
const lossyMix: Variant = (life, { around, lifeWith, stock }) => {
  let count = 0
  const kept = (packets: ReadonlyArray<Uint8Array>) => packets.filter(() => ++count % 20 !== 0)
  return lifeWith({
    ...around,
    mount: bentMount(around.mount, {
      served: () => Effect.succeed((call, payload, handle) =>
        handle(call === "Forward" ? { packets: kept((payload as { readonly packets: ReadonlyArray<Uint8Array> }).packets) } : payload))
    })
  }, stock)
}

/** Longer than between two steps of a job, shorter than a run goes on after the last answer. */
const FORGET_MS = 4000

/** A replica that stores boxes and gives them out, and forgets all of them when nobody has asked for a while. */
const forgetfulReplica: Variant = (life, { around, lifeWith, stock }) => {
  if (stock.role !== "replica") return life
  const { table } = stock
  let useCount = 0
  const forgetSoon = Effect.suspend(() => {
    const use = ++useCount
    const forget = Effect.suspend(() => (use === useCount ? table.dropBefore(Number.MAX_SAFE_INTEGER) : Effect.void))
    return Effect.forkDaemon(Effect.delay(Effect.ignore(forget), FORGET_MS))
  })
  return lifeWith(around, {
    ...stock,
    table: {
      ...table,
      get: (boxId, replicaEpochs) => Effect.zipLeft(table.get(boxId, replicaEpochs), forgetSoon),
      put: (replicaEpoch, box, owedTo) => Effect.zipLeft(table.put(replicaEpoch, box, owedTo), forgetSoon)
    }
  })
}

/** A service whose models give a number that is not theirs. */
const lyingCompute: Variant = (life, { around, lifeWith, stock }) =>
  stock.role !== "compute" ? life : lifeWith(around, {
    ...stock,
    modelHost: {
      ...stock.modelHost,
      run: (modelId, inputs, limitMs) => Effect.map(stock.modelHost.run(modelId, inputs, limitMs), (outputs) =>
        outputs.map((output) => ({ ...output, data: output.data.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) })))
    }
  })

describe("a simulation", () => {
  it("with loss, damage and a crash for a while passes every checker", async () => {
    const report = await run(troubled, new Map(), patient)
    expect(findingsOf(report)).toEqual([])
    expect(report.verdicts.find(({ checker }) => checker === "jobs")?.figures).toMatchObject({ asked: 2, accepted: 2, answered: 2 })
    expect(report.linkFaults).toBeGreaterThan(50)
    expect(report.settled.faults.find(({ kind }) => kind === "crash")).toMatchObject({ actors: [expect.stringMatching(/^replica-\d$/)] })
  }, LIMIT_MS)
  it("with a mix that loses packets fails by the accounts, which name the mix", async () => {
    expect(findingsOf(await run(calm(1000, 1), new Map([["mix-0-0", lossyMix]]))).join("\n"))
      .toMatch(/^accounting: mix-0-0: \d+ packets are gone and were not counted$/m)
  }, LIMIT_MS)
  it("with replicas that forget what was confirmed fails by the boxes that are read back", async () => {
    const all = new Map(topology.replicas.map(({ name }) => [name, forgetfulReplica]))
    const findings = findingsOf(await run(calm(1000, 1), all)).join("\n")
    expect(findings).toMatch(/^storage: job 0 \(affine by client-0\), input: a confirmed box can not be read, though a replica that held it lives/m)
  }, LIMIT_MS)
  it("with a service that gives wrong numbers fails by the job, which names who asked what of whom", async () => {
    expect(findingsOf(await run(calm(1000, 1), new Map([["compute-0", lyingCompute]])))).toEqual(["jobs: job 0 (affine by client-0): answered wrongly"])
  }, LIMIT_MS)
})
