/**
 * The networks of the lab: small, with several of everything an observer could be confused by, and cheap enough to run for many minutes of their own time.
 *
 * Contract: every function gives a topology that can run. Rates are low and delays long, since a run costs what its packets cost and not how long it takes;
 * what an observer sees depends on products of the two (λ/µ, λP·q) alone. Delays are long against the few milliseconds in which links gather packets.
 * Knows nothing of: experiments.
 * Source: mixnet.md §3, funion.md §3, §6.3; departures: the rates are the lab's own.
 *
 * @module
 */
import { Either } from "effect"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { packetsPerQuantumNeeded } from "../../src/params/service-check.ts"
import type { ServiceProfile } from "../../src/params/service-profile.ts"
import { network, type ComputeChoice } from "../../src/topology/builder.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { validateTopology } from "../../src/topology/validate.ts"

/** Checks what the lab has put together; a topology that cannot run is a mistake of the lab's. */
const checked = (topology: Topology): Topology =>
  Either.getOrThrowWith(validateTopology(topology), ({ field, message }) => new RangeError(`${topology.name}: ${field ?? "topology"}: ${message}`)).topology

const HOUR_MS = 3_600_000

/** 400 ms a hop; a client sends three packets a second. */
const mixingParams: MixnetParams = {
  ...tinyParams,
  muPerMs: 0.0025,
  lambdaPPerMs: 0.0025,
  lambdaLPerMs: 0.0005,
  lambdaMPerMs: 0.0003,
  lambdaGPerMs: 0.0003,
  lambdaRPerMs: 0.0005,
  epochPeriodMs: HOUR_MS,
  quantumMs: 60_000,
  answerMs: 12_000,
  sealBeforeEdgeMs: 1_000,
  retransmitSlackMs: 10_000,
  sendSlackMs: 500
}

/** A service that nobody asks in experiments about packets: a network has one. */
const IDLE_SERVICE: ComputeChoice = { sessions: 4, deadlinesMs: [120_000, 240_000], models: [{ id: "affine", profiles: [0] }] }

export interface MixingChoice {
  readonly clients: number
  readonly mixesPerLayer: number
  readonly params?: Partial<MixnetParams>
  /** Default: one whose cover fits the default rates. */
  readonly service?: ComputeChoice
}

/** Three layers of mixes and many clients: for entropy, matching and tracing. */
export const mixingNetwork = ({ clients, mixesPerLayer, params, service = IDLE_SERVICE }: MixingChoice): Topology =>
  checked(network({
    name: "lab-mixing",
    params: { ...mixingParams, ...params },
    gateways: 2,
    mixLayers: [mixesPerLayer, mixesPerLayer, mixesPerLayer],
    serviceNodes: [{ couriers: 1 }, { couriers: 1 }],
    replicas: 4,
    computes: [service],
    clients
  }))

/** Two layers of two mixes and as many loops as the smallest preset has packets: for somebody who holds packets back. */
export const blockedNetwork = (): Topology =>
  checked(network({
    name: "lab-blocked",
    params: {
      ...tinyParams, mixLayers: 2, geometry: { ...tinyParams.geometry, hopCount: 4 },
      lambdaPPerMs: 0.008, lambdaLPerMs: 0.002, lambdaMPerMs: 0.004, lambdaRPerMs: 0.004, answerMs: 2000
    },
    gateways: 2,
    mixLayers: [2, 2],
    serviceNodes: [{ couriers: 1 }, { couriers: 1 }],
    replicas: 4,
    computes: [],
    clients: 2
  }))

/** One layer, 50 ms a hop: jobs cross the network quickly, and storage sees them all the same. */
const jobParams: MixnetParams = {
  ...mixingParams,
  mixLayers: 1,
  geometry: { ...tinyParams.geometry, hopCount: 3 },
  muPerMs: 0.02,
  lambdaPPerMs: 0.0016,
  lambdaLPerMs: 0.0006,
  lambdaMPerMs: 0.0002,
  lambdaGPerMs: 0.0002,
  lambdaRPerMs: 0.001,
  quantumMs: 20_000,
  answerMs: 6_000,
  sealBeforeEdgeMs: 1_000,
  retransmitSlackMs: 4_000,
  sendSlackMs: 500
}

export interface JobChoice {
  readonly clients: number
  /** J: jobs that the service takes in a quantum. */
  readonly jobsPerQuantum: number
  /** F: jobs of its own. */
  readonly coverJobs: number
  readonly models?: ReadonlyArray<string>
  /** Default 6. */
  readonly replicas?: number
  readonly params?: Partial<MixnetParams>
}

/** Quanta from acceptance to the first edge: results are ready a whole quantum before, so that a service that lets one out too soon has an edge for it. */
const FIRST_EDGE_QUANTA = 3
/** Release edges of the service. */
export const JOB_BUCKETS = 3

/** Half of what a session's ticks carry in a quantum, so that a batch's boxes are through well before the quantum ends. */
const sessionsFor = (params: MixnetParams, profiles: ReadonlyArray<ServiceProfile>): number =>
  Math.ceil((1.5 * packetsPerQuantumNeeded({ profiles, deadlinesMs: [0] })) / (params.lambdaPPerMs * params.quantumMs))

/** Two couriers, one service, a few replicas: for everything that storage sees of jobs. */
export const jobNetwork = ({ clients, coverJobs, jobsPerQuantum, models = ["affine", "rotate-4"], params = {}, replicas = 6 }: JobChoice): Topology => {
  const all = { ...jobParams, ...params }
  const profiles: ReadonlyArray<ServiceProfile> = [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum, coverJobs }]
  return checked(network({
    name: "lab-jobs",
    params: all,
    gateways: 2,
    mixLayers: Array.from({ length: all.mixLayers }, () => 2),
    serviceNodes: [{ couriers: 1 }, { couriers: 1 }],
    replicas,
    computes: [{
      profiles,
      deadlinesMs: Array.from({ length: JOB_BUCKETS }, (_, index) => (FIRST_EDGE_QUANTA + index) * all.quantumMs),
      releaseWindowMs: all.quantumMs,
      sessions: sessionsFor(all, profiles),
      workers: jobsPerQuantum + coverJobs,
      maxComputeMs: 700,
      models: models.map((id) => ({ id, profiles: [0] }))
    }],
    clients
  }))
}
