/**
 * What a plan is made from: how many nodes of each kind, at which rates, and what work costs.
 *
 * Contract: plain values with nothing left out; a topology gives them, and single ones can be changed. Rates are per millisecond.
 * Knows nothing of: files, machines, who asks.
 * Source: mixnet.md §2, §3, funion.md §3, §6.3; departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../params/mixnet-params.ts"
import { gatewayLoopRate, userPayloadBytesFor } from "../params/mixnet-params.ts"
import type { ServicePlan, ServiceProfile } from "../params/service-profile.ts"
import type { Topology } from "../topology/topology.ts"

export interface NodeCounts {
  /** Clients that are online. */
  readonly users: number
  readonly gateways: number
  /** Mixes in each layer. */
  readonly mixesPerLayer: ReadonlyArray<number>
  readonly serviceNodes: number
  readonly couriers: number
  readonly replicas: number
}

export interface ServiceFigures extends ServicePlan {
  readonly name: string
  /** Dispatch queues, each with a link of its own. */
  readonly queues: number
}

/** What work costs on a node's machine. */
export interface HardwareFigures {
  /** Microseconds of one core to unwrap a packet. */
  readonly unwrapUs: number
  /** Time that a packet takes from one node to the next, beside its delays. */
  readonly linkMs: number
}

export interface NetworkFigures {
  readonly name: string
  readonly params: MixnetParams
  readonly counts: NodeCounts
  /** At least one. */
  readonly services: ReadonlyArray<ServiceFigures>
}

/** The figures of a topology. */
export const figuresOf = ({ clients, computes, couriers, gateways, mixes, name, params, replicas, serviceNodes }: Topology): NetworkFigures => ({
  name,
  params,
  counts: {
    users: clients.length,
    gateways: gateways.length,
    mixesPerLayer: Array.from({ length: params.mixLayers }, (_, layer) => mixes.filter((mix) => mix.layer === layer).length),
    serviceNodes: serviceNodes.length,
    couriers: couriers.length,
    replicas: replicas.length
  },
  services: computes.map(({ deadlinesMs, maxComputeMs, name: service, profiles, queues, releaseWindowMs, sessions, workers }) =>
    ({ name: service, queues: queues.length, deadlinesMs, maxComputeMs, profiles, releaseWindowMs, sessions, workers }))
})

/** What may be changed. A count of mixes is for each layer. */
export interface FigureChanges extends Partial<Omit<NodeCounts, "mixesPerLayer">> {
  readonly muPerMs?: number
  readonly lambdaPPerMs?: number
  readonly lambdaLPerMs?: number
  readonly lambdaMPerMs?: number
  readonly lambdaGPerMs?: number
  readonly lambdaRPerMs?: number
  readonly quantumMs?: number
  readonly answerMs?: number
  readonly mixLayers?: number
  readonly mixesPerLayer?: number
  readonly userPayloadBytes?: number
  /** Plaintext of one box; chooses the packet's payload. */
  readonly boxBytes?: number
  readonly sessions?: number
  readonly coverJobs?: number
}

const defined = <A extends object>(choice: A): Partial<A> => Object.fromEntries(Object.entries(choice).filter(([, value]) => value !== undefined)) as Partial<A>

const changedCounts = (counts: NodeCounts, changes: FigureChanges, mixLayers: number): NodeCounts => {
  const { couriers, gateways, mixesPerLayer, replicas, serviceNodes, users } = changes
  return {
    ...counts,
    ...defined({ users, gateways, serviceNodes, couriers, replicas }),
    mixesPerLayer: Array.from({ length: mixLayers }, (_, layer) => mixesPerLayer ?? counts.mixesPerLayer[layer] ?? counts.mixesPerLayer.at(-1) ?? 1)
  }
}

const changedParams = (params: MixnetParams, changes: FigureChanges): MixnetParams => {
  const { answerMs, boxBytes, lambdaGPerMs, lambdaLPerMs, lambdaMPerMs, lambdaPPerMs, lambdaRPerMs, mixLayers = params.mixLayers, muPerMs, quantumMs } = changes
  const userPayloadBytes = changes.userPayloadBytes ?? (boxBytes === undefined ? params.geometry.userPayloadBytes : userPayloadBytesFor(boxBytes))
  return {
    ...params,
    ...defined({ muPerMs, lambdaPPerMs, lambdaLPerMs, lambdaMPerMs, lambdaGPerMs, lambdaRPerMs, quantumMs, answerMs }),
    mixLayers,
    geometry: { ...params.geometry, hopCount: mixLayers + 2, userPayloadBytes }
  }
}

/** Deadlines and windows move with the grid that they lie on. */
const changedService = (service: ServiceFigures, changes: FigureChanges, stretch: number): ServiceFigures => ({
  ...service,
  ...defined({ sessions: changes.sessions }),
  deadlinesMs: service.deadlinesMs.map((deadlineMs) => Math.round(deadlineMs * stretch)),
  releaseWindowMs: Math.round(service.releaseWindowMs * stretch),
  profiles: service.profiles.map((profile) => ({ ...profile, ...defined({ coverJobs: changes.coverJobs }) }))
})

/** Whether λG is the one that the reference's formula gives. */
const followsFormula = ({ counts, params }: NetworkFigures): boolean => {
  const formulaPerMs = gatewayLoopRate(params, Math.max(...counts.mixesPerLayer), counts.gateways)
  return Math.abs(formulaPerMs - params.lambdaGPerMs) <= 1e-9 * formulaPerMs
}

/** The figures with some of them changed. A λG that follows its formula goes on doing so, unless it is given. */
export const changeFigures = (figures: NetworkFigures, changes: FigureChanges): NetworkFigures => {
  const params = changedParams(figures.params, changes)
  const counts = changedCounts(figures.counts, changes, params.mixLayers)
  const lambdaGPerMs = changes.lambdaGPerMs === undefined && followsFormula(figures)
    ? gatewayLoopRate(params, Math.max(...counts.mixesPerLayer), counts.gateways)
    : params.lambdaGPerMs
  const stretch = params.quantumMs / figures.params.quantumMs
  return {
    ...figures, counts,
    params: { ...params, lambdaGPerMs },
    services: figures.services.map((service) => changedService(service, changes, stretch))
  }
}

/** Sessions of all services. */
export const serviceSessions = ({ services }: Pick<NetworkFigures, "services">): number => services.reduce((sum, { sessions }) => sum + sessions, 0)

/** A profile's jobs of one quantum that every service keeps going of its own. */
export const coverJobsOf = (profiles: ReadonlyArray<ServiceProfile>): number => profiles.reduce((sum, { coverJobs }) => sum + coverJobs, 0)
