/**
 * What a client can say of its own anonymity and wait.
 *
 * Goal: only what is certain counts; loss and lateness of loops make it worse; the mean wait is that of the drawn model.
 * Method: figures as a document gives them, by hand; the drawn model with a fixed seed.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { sessionsNeeded } from "../../../src/params/service-check.ts"
import { type EstimateRequest, estimateJob, worstOf } from "../../../src/planning/client-estimate.ts"
import type { DocumentFigures, OfferedService } from "../../../src/planning/document-figures.ts"
import { jobFigures } from "../../../src/planning/job-model.ts"
import { poolEntropyBits } from "../../../src/planning/pool-entropy.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { deadlinesQuantaOf, type Topology } from "../../../src/topology/topology.ts"
import { topology as echomix } from "../../../topologies/echomix.ts"
import { topology as tiny } from "../../../topologies/tiny.ts"
import { topology as twoMachines } from "../../../topologies/two-machines.ts"

const NO_LOOPS = { returned: 0, lost: 0, lateMs: 0 }

const figuresOf = ({ computes, gateways, mixes, params, serviceNodes }: Topology): DocumentFigures => ({
  params,
  mixesPerLayer: Array.from({ length: params.mixLayers }, (_, layer) => mixes.filter((mix) => mix.layer === layer).length),
  nodes: { gateways: gateways.length, serviceNodes: serviceNodes.length },
  services: computes.map((compute): OfferedService =>
    ({ deadlinesQuanta: deadlinesQuantaOf(params, compute), releaseWindowMs: compute.releaseWindowMs, profiles: compute.profiles }))
})

const requestOf = (topology: Topology, coverJobs = 0): EstimateRequest => {
  const figures = figuresOf(topology)
  const service = figures.services[0]!
  return { figures, service, profile: { ...service.profiles[0]!, coverJobs }, sessions: 1, loops: NO_LOOPS }
}

describe("a client's estimate", () => {
  it("promises nothing against storage without cover jobs, and log2(F + 1) bits with F of them", () => {
    expect(estimateJob(requestOf(tiny))).toMatchObject({ anonymityBits: 0, storageBits: 0, batch: 1 })
    expect(estimateJob(requestOf(tiny, 3))).toMatchObject({ anonymityBits: 2, storageBits: 2, batch: 4 })
  })
  it("never promises more against storage than against the network", () => {
    const crowd = estimateJob(requestOf(tiny, 1_000))
    expect(crowd.anonymityBits).toBe(crowd.networkBits)
    expect(crowd.networkBits).toBeLessThan(crowd.storageBits)
  })
  it("counts own packets, loops of nodes and the sessions that services must keep, and no other client", () => {
    const { figures } = requestOf(tiny)
    const { lambdaGPerMs, lambdaLPerMs, lambdaMPerMs, lambdaPPerMs, muPerMs } = tiny.params
    const sessions = 1 + sessionsNeeded(tiny.params, tiny.computes[0]!)
    const packets = (2 * (sessions * (lambdaPPerMs + lambdaLPerMs) + lambdaGPerMs + lambdaMPerMs) + 2 * lambdaMPerMs) / muPerMs
    expect(estimateJob({ ...requestOf(tiny), figures }).networkBits).toBeCloseTo(poolEntropyBits(packets), 9)
  })
  it("takes the layer that hides least", () => {
    const request = requestOf(echomix)
    const wide = { ...request.figures, mixesPerLayer: [4, 16, 4] }
    expect(estimateJob({ ...request, figures: wide }).networkBits).toBeLessThan(estimateJob(request).networkBits - 1)
  })
  it("believes a loss of loops once twenty have a known fate, and then counts on fewer others", () => {
    const request = requestOf(tiny)
    const [none, few, many] = [NO_LOOPS, { returned: 9, lost: 10, lateMs: 0 }, { returned: 10, lost: 10, lateMs: 0 }].map((loops) =>
      estimateJob({ ...request, loops }))
    expect(few).toEqual(none)
    expect(many?.loopLoss).toBe(0.5)
    expect(many?.networkBits).toBeLessThan((none?.networkBits ?? 0) - 0.5)
  })
  it("adds to every round trip what loops took beside their delays", () => {
    const request = requestOf(tiny)
    const late = estimateJob({ ...request, loops: { returned: 100, lost: 0, lateMs: 5_000 } })
    const prompt = estimateJob(request)
    expect(late.roundTripMs - prompt.roundTripMs).toBeCloseTo(50, 9)
    expect(late.latencyMs - prompt.latencyMs).toBeGreaterThan(8 * 50)
  })
  it.each([tiny, twoMachines, echomix])("of the wait is, for quick nodes, within a tenth of the drawn model in $name", (topology) => {
    const request = requestOf(topology)
    const compute = topology.computes[0]!
    const { params } = topology
    const drawn = jobFigures({
      params,
      storage: { params, couriers: topology.couriers.length, replicas: topology.replicas.length, linkUse: { courier: 0, replica: 0 }, linkMs: 0, gatherMs: 0 },
      client: { sessions: 1, use: 0 }, service: { sessions: compute.sessions, use: 0 },
      boxesIn: boxesOfClass(request.profile.inputClass), boxesOut: boxesOfClass(request.profile.outputClass),
      deadlinesMs: compute.deadlinesMs, releaseWindowMs: compute.releaseWindowMs, workers: compute.workers, computeMs: 5, coverJobs: 0, otherJobs: 0
    }, 1_000)
    const ratio = estimateJob(request).latencyMs / drawn.steps.totalMs.mean
    expect(ratio).toBeGreaterThan(0.9)
    expect(ratio).toBeLessThan(1.1)
  })
  it("over several services is the worst of them", () => {
    const [plain, covered] = [0, 1].map((coverJobs) => estimateJob(requestOf(tiny, coverJobs)))
    const slow = { ...covered!, latencyMs: 1e9 }
    expect(worstOf([slow, plain!])).toEqual({ ...plain!, latencyMs: 1e9 })
  })
})
