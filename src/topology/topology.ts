/**
 * A network as a plain value: who takes part, who belongs to whom, and with which parameters.
 *
 * Contract: plain data without functions, so that it can be printed, compared and sent to another process. Names are unique in the whole topology; they
 * address actors. Only `validateTopology` says that a value of this shape can run.
 * Knows nothing of: keys, addresses, processes (an optional placement will say who runs where).
 * Source: style.md §1.1, mixnet.md §1, §2; departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { ServicePlan } from "../params/service-profile.ts"

export interface NamedActor {
  readonly name: string
}

export interface MixActor {
  /** `mix-<layer>-<index>` */
  readonly name: string
  /** From 0, below params.mixLayers. */
  readonly layer: number
  /** From 0 in its layer. */
  readonly index: number
}

export interface ServiceNodeActor {
  readonly name: string
  /** Names of the couriers it hosts. */
  readonly couriers: ReadonlyArray<string>
}

export interface CourierActor {
  readonly name: string
  readonly serviceNode: string
}

export interface ReplicaActor {
  readonly name: string
  /** 0..255 */
  readonly replicaId: number
}

/** A model that a compute hosts and the profiles under which it takes jobs, preferred one first. */
export interface HostedModel {
  readonly id: string
  readonly profiles: ReadonlyArray<number>
}

export interface ComputeActor extends ServicePlan {
  readonly name: string
  /** Names of the service nodes that hold its dispatch queues, 1..4. */
  readonly queues: ReadonlyArray<string>
  readonly models: ReadonlyArray<HostedModel>
}

export interface Topology {
  readonly name: string
  readonly params: MixnetParams
  readonly authorities: ReadonlyArray<NamedActor>
  /** T: signatures that make a document valid. */
  readonly authorityThreshold: number
  readonly gateways: ReadonlyArray<NamedActor>
  readonly mixes: ReadonlyArray<MixActor>
  readonly serviceNodes: ReadonlyArray<ServiceNodeActor>
  readonly couriers: ReadonlyArray<CourierActor>
  readonly replicas: ReadonlyArray<ReplicaActor>
  readonly computes: ReadonlyArray<ComputeActor>
  readonly clients: ReadonlyArray<NamedActor>
}

/** The deadlines of a compute in quanta, as its descriptor carries them; exact for a validated topology. */
export const deadlinesQuantaOf = (params: Pick<MixnetParams, "quantumMs">, compute: Pick<ServicePlan, "deadlinesMs">): ReadonlyArray<number> =>
  compute.deadlinesMs.map((deadlineMs) => deadlineMs / params.quantumMs)
