/**
 * A network as a plain value: who takes part, who belongs to whom, and with which parameters.
 *
 * Contract: plain data without functions, so that it can be printed, compared and sent to another process. Names are unique in the whole topology; they
 * address actors. Only `validateTopology` says that a value of this shape can run.
 * `placement` says where each actor runs when every actor is a process of its own; a network in one process does not look at it.
 * Knows nothing of: keys, processes.
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
  /** Names `<compute>-runner-<index>` of the actors that run its models, `workers` shared out among them; absent or empty: it runs them itself. */
  readonly runners?: ReadonlyArray<string>
}

/** Where an actor runs when every actor is a process of its own. */
export interface Place {
  /** What actors share whose links nobody else sees: one host, or one host's private network. */
  readonly machine: string
  /** Host name or address that the others dial. */
  readonly host: string
  readonly port: number
  /** Where to listen; default: `host`. */
  readonly listenHost?: string
  /** Default: `port`; another one where the host maps ports. */
  readonly listenPort?: number
  /** Port of the operator's own page, at `operatorHost`. */
  readonly operatorPort: number
  /** Default: 127.0.0.1. */
  readonly operatorHost?: string
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
  /** By actor name; absent: the network lives in one process. Every actor has a place but clients, which may do without. */
  readonly placement?: Readonly<Record<string, Place>>
}

/** The roles that an operator can start. */
export const ROLES = ["authority", "gateway", "mix", "service-node", "courier", "replica", "compute", "client"] as const
export type Role = typeof ROLES[number]

/** Every actor with its role, in the order of the topology's fields. */
export const actorsOf = (topology: Topology): ReadonlyArray<{ readonly name: string; readonly role: Role }> => {
  const as = (role: Role, group: ReadonlyArray<NamedActor>) => group.map(({ name }) => ({ name, role }))
  return [
    ...as("authority", topology.authorities), ...as("gateway", topology.gateways), ...as("mix", topology.mixes),
    ...as("service-node", topology.serviceNodes), ...as("courier", topology.couriers), ...as("replica", topology.replicas),
    ...as("compute", topology.computes), ...as("client", topology.clients)
  ]
}

/** Every runner with its compute service. They are no actors of the mix network: they are in no document and only their service and they call each other. */
export const runnersOf = (topology: Pick<Topology, "computes">): ReadonlyArray<{ readonly name: string; readonly compute: string }> =>
  topology.computes.flatMap((compute) => (compute.runners ?? []).map((name) => ({ name, compute: compute.name })))

/** Every process of a placed topology: its actors, and runners in the role of their service. */
export const processesOf = (topology: Topology): ReadonlyArray<{ readonly name: string; readonly role: Role }> =>
  [...actorsOf(topology), ...runnersOf(topology).map(({ name }) => ({ name, role: "compute" as const }))]

/** The deadlines of a compute in quanta, as its descriptor carries them; exact for a validated topology. */
export const deadlinesQuantaOf = (params: Pick<MixnetParams, "quantumMs">, compute: Pick<ServicePlan, "deadlinesMs">): ReadonlyArray<number> =>
  compute.deadlinesMs.map((deadlineMs) => deadlineMs / params.quantumMs)
