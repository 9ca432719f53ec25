/**
 * The plan against the simulator.
 *
 * Goal: on three networks the plan's mean latency by step, packets a second of every kind of node, and entropy of a mix's pool are within a tenth of what
 * whole networks in virtual time show.
 * Method: simulated worlds without cryptography, fixed seeds; four clients, each with jobs in a row that begin at chance instants. A mean of few jobs is itself
 * uncertain: beside the tenth a step may be off by twice the standard error that the plan's own spread gives for that many jobs. The pool's entropy is that
 * of the posterior over all arrivals at a mix, by the instants that an observer of its links sees.
 *
 * @module
 */
import { Effect, Either, Random } from "effect"
import { describe, expect, it } from "vitest"
import { inferTensors } from "../../actors/session-api.ts"
import { runWorld } from "../../actors/simulator/world.ts"
import { tensorOf } from "../../src/model/tensor.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { spreadOf, type Spread } from "../../src/planning/draws.ts"
import { JOB_DRAWS } from "../../src/planning/job-model.ts"
import { figuresOf } from "../../src/planning/network-figures.ts"
import { makePlan, type Plan } from "../../src/planning/plan.ts"
import type { LinkEvent } from "../../src/simulation/link-event.ts"
import { network, type NetworkChoice } from "../../src/topology/builder.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { briskParams } from "./brisk-network.ts"

const STEPS = ["uploadMs", "dispatchMs", "heldMs", "fetchMs", "totalMs"] as const
type Step = typeof STEPS[number]

/** Nodes' own loops are switched off, so that a world costs half; loads with loops are test/unit/planning/node-load's. */
const quietParams: MixnetParams = { ...briskParams, lambdaMPerMs: 0, lambdaGPerMs: 0 }

/** One service with room for a job of every client in each quantum, and little else to do. */
const networkOf = (name: string, params: MixnetParams, choice: Partial<NetworkChoice> = {}): Topology =>
  network({
    name, params, clients: 4,
    computes: [{
      deadlinesMs: [2 * params.quantumMs, 4 * params.quantumMs], releaseWindowMs: params.quantumMs, workers: 4, maxComputeMs: 700,
      models: [{ id: "affine", profiles: [0] }],
      profiles: [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 4, coverJobs: 0 }]
    }],
    ...choice
  })

const brisk = networkOf("brisk", quietParams)
/** Two layers of two, slow hops, two gateways: packets of several senders meet. */
const wide = networkOf("wide", {
  ...quietParams, muPerMs: 0.02, lambdaPPerMs: 0.02, mixLayers: 2, quantumMs: 3_000, geometry: { ...tinyParams.geometry, hopCount: 4 }
}, { gateways: 2, mixLayers: [2, 2], serviceNodes: [{ couriers: 1 }, { couriers: 1 }], replicas: 6 })
/** Slow storage links: what the courier says first is seldom the answer. */
const slowStorage = networkOf("slow-storage", { ...quietParams, lambdaRPerMs: 0.005, answerMs: 1_200, quantumMs: 4_000 })

const NETWORKS: ReadonlyArray<{ readonly topology: Topology; readonly jobs: number }> = [
  { topology: brisk, jobs: 6 },
  { topology: wide, jobs: 6 },
  { topology: slowStorage, jobs: 6 }
]

interface Seen {
  readonly steps: Readonly<Record<Step, Spread>>
  /** Packets that one node of a kind sends in a second. */
  readonly sentPerSecond: Readonly<Record<string, number>>
  readonly poolBits: number
}

const packetFlow = (topology: Topology) => {
  const sent = new Map<string, number>()
  const mix = topology.mixes[0]?.name ?? ""
  const [came, left]: [Array<number>, Array<number>] = [[], []]
  const onLink = ({ call, direction, from, instantMs, to }: LinkEvent): void => {
    if (direction !== "request" || (call !== "Forward" && call !== "Submit")) return
    sent.set(from, (sent.get(from) ?? 0) + 1)
    if (to === mix) came.push(instantMs)
    if (from === mix) left.push(instantMs)
  }
  return { sent, came, left, onLink }
}

/** Mean entropy of the weights e^(−µ·age) of all that came before a packet left, over the packets that left. */
const poolBitsOf = (came: ReadonlyArray<number>, left: ReadonlyArray<number>, muPerMs: number): number => {
  const bits = left.slice(Math.floor(left.length / 10)).map((leftMs) => {
    let [sum, logSum] = [0, 0]
    for (let at = came.length - 1; at >= 0; at--) {
      const ageMs = leftMs - (came[at] ?? 0)
      if (ageMs < 0) continue
      if (ageMs * muPerMs > 30) break
      const weight = Math.exp(-muPerMs * ageMs)
      sum += weight
      logSum += weight * Math.log2(weight)
    }
    return sum > 0 ? Math.log2(sum) - logSum / sum : 0
  })
  return spreadOf(bits).mean
}

const INPUT = Either.getOrThrow(tensorOf("x", "f32", [1, 4], [1, 2, 3, 4]))

const see = async (topology: Topology, jobs: number): Promise<Seen> => {
  const flow = packetFlow(topology)
  const { quantumMs } = topology.params
  const { value: times, virtualMs } = await runWorld({ topology, seed: 5, backend: "elided", onLink: flow.onLink }, ({ network: running }) => {
    const pause = Effect.flatMap(Random.next, (uniform) => Effect.sleep(uniform * quantumMs))
    const one = (client: string) => Effect.zipRight(pause, Effect.map(inferTensors(running, "affine", [INPUT], { client }), ({ timings }) => timings))
    const all = Effect.forEach(topology.clients, ({ name }) => Effect.replicateEffect(one(name), jobs), { concurrency: "unbounded" })
    return Effect.map(all, (each) => each.flat())
  })
  const perSecond = (names: ReadonlyArray<{ readonly name: string }>): number =>
    names.reduce((sum, { name }) => sum + (flow.sent.get(name) ?? 0), 0) / names.length / (virtualMs / 1_000)
  return {
    steps: Object.fromEntries(STEPS.map((step) => [step, spreadOf(times.map((time) => time[step]))])) as Record<Step, Spread>,
    sentPerSecond: { gateway: perSecond(topology.gateways), mix: perSecond(topology.mixes), "service node": perSecond(topology.serviceNodes) },
    poolBits: poolBitsOf(flow.came, flow.left, topology.params.muPerMs)
  }
}

const planFor = (topology: Topology): Plan => {
  const figures = figuresOf(topology)
  const [service] = figures.services
  const [profile] = service?.profiles ?? []
  if (service === undefined || profile === undefined) throw new RangeError("a network of this test has a service")
  // every client has a job all the time
  const jobMs = service.deadlinesMs[0]! + 4 * figures.params.quantumMs
  return makePlan({ figures, hardware: { unwrapUs: 0, linkMs: 0 }, service, profile, computeMs: 0, jobsPerUserHour: 3_600_000 / jobMs })
}

/** No test fails for being slow. */
const RUN_LIMIT_MS = 1_800_000

/** How far the plan may be off: a tenth. */
const TOLERANCE = 0.1

describe.each(NETWORKS)("the plan of $topology.name", ({ jobs, topology }) => {
  const plan = planFor(topology)
  let seen: Seen | undefined
  const look = async (): Promise<Seen> => (seen ??= await see(topology, jobs))
  it("has the latency of every step", async () => {
    const { steps } = await look()
    const off = STEPS.flatMap((step) => {
      const { error, mean } = plan.job.steps[step]
      const uncertainMs = 2 * error * Math.sqrt(JOB_DRAWS / (jobs * topology.clients.length))
      const isNear = Math.abs(mean - steps[step].mean) <= TOLERANCE * steps[step].mean + uncertainMs
      return isNear ? [] : [{ step, planMs: mean, seenMs: steps[step].mean, uncertainMs }]
    })
    expect(off).toEqual([])
  }, RUN_LIMIT_MS)
  it("has the packets of every kind of node", async () => {
    const { sentPerSecond } = await look()
    const { gateway, layers, serviceNode } = plan.nodes
    const planned: Readonly<Record<string, number>> = {
      gateway: gateway.delayedPerSecond, mix: spreadOf(layers.map((layer) => layer.sentPerSecond)).mean, "service node": serviceNode.sentPerSecond
    }
    const off = Object.entries(sentPerSecond).map(([kind, perSecond]) => ({ kind, ratio: (planned[kind] ?? 0) / perSecond }))
      .filter(({ ratio }) => Math.abs(ratio - 1) > TOLERANCE)
    expect(off).toEqual([])
  }, RUN_LIMIT_MS)
  it("has the entropy of a mix's pool", async () => {
    const { poolBits } = await look()
    expect(Math.abs((plan.nodes.layers[0]?.entropyBits ?? 0) - poolBits) / poolBits).toBeLessThan(TOLERANCE)
  }, RUN_LIMIT_MS)
})
