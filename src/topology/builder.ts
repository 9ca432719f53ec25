/**
 * The DSL of topology files: counts in, a whole topology out.
 *
 * Contract: whatever is left out gets a default that fits the parameters, so that a network of the default kind is a few lines. Nothing is checked here: a
 * value out of its range ends up in the topology, where `validateTopology` names it.
 *
 *   export const topology = network({ name: "mine", params: tinyParams, gateways: 2, mixLayers: [2, 2, 2], replicas: 8 })
 *
 * Knows nothing of: how a topology is run.
 * Source: style.md §1.1, the issue's `tiny`; departures: none.
 *
 * @module
 */
import { gatewayLoopRate, type MixnetParams, type ParamsChoice } from "../params/mixnet-params.ts"
import { jobsPerFullQuantum, sessionsNeeded } from "../params/service-check.ts"
import type { ServicePlan, ServiceProfile } from "../params/service-profile.ts"
import { isSizeClass } from "../params/size-class.ts"
import { type MachineChoice, placeOnMachines } from "./placement.ts"
import type { ComputeActor, HostedModel, NamedActor, Topology } from "./topology.ts"

/** A compute as a topology file states it. */
export interface ComputeChoice extends Partial<ServicePlan> {
  readonly name?: string
  /** Names of service nodes; default: the first four. */
  readonly queues?: ReadonlyArray<string>
  /** Default: all standard models that suit one of the compute's profiles, with those profiles. */
  readonly models?: ReadonlyArray<HostedModel>
}

/** A network as a topology file states it. Counts expand to `gateway-0`, `gateway-1`, … */
export interface NetworkChoice {
  readonly name: string
  /** λG is computed from the numbers of gateways and mixes unless it is given. */
  readonly params: ParamsChoice
  /** Default 1. */
  readonly authorities?: number
  /** Default: more than half of the authorities. */
  readonly authorityThreshold?: number
  /** Default 1. */
  readonly gateways?: number
  /** Mixes in each layer; default one in each of the layers that the parameters ask for. */
  readonly mixLayers?: ReadonlyArray<number>
  /** Couriers at each service node; default one service node with two. */
  readonly serviceNodes?: ReadonlyArray<{ readonly couriers: number }>
  /** Default 4, the fewest that work. */
  readonly replicas?: number
  /** Default: one with all defaults. */
  readonly computes?: ReadonlyArray<ComputeChoice>
  /** Default 1. */
  readonly clients?: number
  /** Who runs where, when every actor is a process of its own. Default: all in one process. */
  readonly machines?: ReadonlyArray<MachineChoice>
}

/** A list is never built longer than this; the check refuses it with its length. */
export const ACTOR_COUNT_LIMIT = 1024

/** Small jobs due at the first deadline, and jobs of up to an image line due at the second. */
const STANDARD_PROFILES: ReadonlyArray<ServiceProfile> = [
  { id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 2, coverJobs: 1 },
  { id: 1, inputClass: 3, outputClass: 0, bucket: 2, staged: false, jobsPerQuantum: 2, coverJobs: 1 }
]

/** The models that ship with the project, each with the profiles of the standard numbering that suit it. */
export const STANDARD_MODELS: ReadonlyArray<HostedModel> = [
  ...["affine", ...[1, 2, 3, 4, 5, 8, 16, 64, 256].map((layers) => `rotate-${layers}`), "lang-id", "tiny-lm"].map((id) => ({ id, profiles: [0, 1] })),
  { id: "ocr-line", profiles: [1] }
]

const WORKERS_DEFAULT = 3
const MAX_COMPUTE_MS_DEFAULT = 700
const DEADLINES_QUANTA_DEFAULT = [2, 3, 5, 10]

const times = <A>(count: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: Number.isInteger(count) && count > 0 ? Math.min(count, ACTOR_COUNT_LIMIT + 1) : 0 }, (_, index) => make(index))

const named = (count: number, role: string): ReadonlyArray<NamedActor> => times(count, (index) => ({ name: `${role}-${index}` }))

/** The fewest sessions that carry a full quantum; 1 where the plan makes no sense anyway. */
const sessionsDefault = (params: MixnetParams, plan: Pick<ServicePlan, "profiles" | "deadlinesMs">): number =>
  plan.profiles.every(({ inputClass, outputClass }) => isSizeClass(inputClass) && isSizeClass(outputClass)) ? sessionsNeeded(params, plan) : 1

/** The standard models that suit one of the profiles, each with the profiles that are there. */
const modelsFor = (profileIds: ReadonlySet<number>): ReadonlyArray<HostedModel> =>
  STANDARD_MODELS
    .map((model) => ({ ...model, profiles: model.profiles.filter((id) => profileIds.has(id)) }))
    .filter((model) => model.profiles.length > 0)

const compute = (params: MixnetParams, hosts: ReadonlyArray<string>, choice: ComputeChoice, index: number): ComputeActor => {
  const profiles = choice.profiles ?? STANDARD_PROFILES
  const deadlinesMs = choice.deadlinesMs ?? DEADLINES_QUANTA_DEFAULT.map((quanta) => quanta * params.quantumMs)
  const workers = choice.workers ?? WORKERS_DEFAULT
  const shareMs = Math.floor((workers * params.quantumMs) / Math.max(1, jobsPerFullQuantum(profiles)))
  return {
    name: choice.name ?? `compute-${index}`,
    queues: choice.queues ?? hosts.slice(0, 4),
    deadlinesMs,
    releaseWindowMs: choice.releaseWindowMs ?? params.quantumMs,
    profiles,
    sessions: choice.sessions ?? sessionsDefault(params, { profiles, deadlinesMs }),
    workers,
    maxComputeMs: choice.maxComputeMs ?? Math.min(MAX_COMPUTE_MS_DEFAULT, shareMs),
    models: choice.models ?? modelsFor(new Set(profiles.map(({ id }) => id)))
  }
}

/** Expands a choice to a topology. */
export const network = (choice: NetworkChoice): Topology => {
  const { name } = choice
  const gateways = named(choice.gateways ?? 1, "gateway")
  const layers = (choice.mixLayers ?? times(choice.params.mixLayers, () => 1))
    .map((count, layer) => times(count, (index) => ({ name: `mix-${layer}-${index}`, layer, index })))
  const largestLayer = Math.max(0, ...layers.map(({ length }) => length))
  const params: MixnetParams = { lambdaGPerMs: gatewayLoopRate(choice.params, largestLayer, gateways.length), ...choice.params }
  const authorities = named(choice.authorities ?? 1, "authority")
  const hosts = (choice.serviceNodes ?? [{ couriers: 2 }]).map(({ couriers }, index) => ({ name: `service-node-${index}`, courierCount: couriers }))
  const couriers = hosts
    .flatMap((host) => times(host.courierCount, () => host.name))
    .map((serviceNode, index) => ({ name: `courier-${index}`, serviceNode }))
  const hostNames = hosts.map((host) => host.name)
  const topology: Topology = {
    name,
    params,
    authorities,
    authorityThreshold: choice.authorityThreshold ?? Math.floor(authorities.length / 2) + 1,
    gateways,
    mixes: layers.flat(),
    serviceNodes: hostNames.map((host) => ({
      name: host,
      couriers: couriers.filter(({ serviceNode }) => serviceNode === host).map((courier) => courier.name)
    })),
    couriers,
    replicas: times(choice.replicas ?? 4, (replicaId) => ({ name: `replica-${replicaId}`, replicaId })),
    computes: (choice.computes ?? [{}]).map((each, index) => compute(params, hostNames, each, index)),
    clients: named(choice.clients ?? 1, "client")
  }
  return choice.machines === undefined ? topology : { ...topology, placement: placeOnMachines(topology, choice.machines) }
}
