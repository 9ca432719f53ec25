/**
 * A network on paper: what it costs and gives, before anybody runs it.
 *
 * Contract: pure; the same request gives the same plan. Latencies are of a job that begins at a chance instant in a network that runs, and meets its edge.
 * What will not work is in `problems`.
 * Knows nothing of: files, terminals.
 * Source: the list, funion.md §3–§5, §7 (O1); departures: none.
 *
 * @module
 */
import { payloadBytesOfClass } from "../inference/slots.ts"
import { boxPlaintextBytes } from "../params/mixnet-params.ts"
import { checkService } from "../params/service-check.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { boxesOfClass } from "../params/size-class.ts"
import { releaseCountOf } from "../inference/bucket.ts"
import { drawsWithin, jobFigures, type JobFigures, type JobSetting } from "./job-model.ts"
import { type HardwareFigures, type NetworkFigures, type ServiceFigures, serviceSessions } from "./network-figures.ts"
import { type ClientLine, clientLine, meanGatherMs, nodeLoads, type NodeLoads, storageLoad, type StorageLoad } from "./node-load.ts"
import { pathEntropyBits } from "./pool-entropy.ts"

/** No stream of ticks is taken to be busier than this: beyond it waits have no mean. */
const MOST_USE = 0.95
const HOUR_MS = 3_600_000

export interface PlanRequest {
  readonly figures: NetworkFigures
  readonly hardware: HardwareFigures
  /** Of `figures.services`. */
  readonly service: ServiceFigures
  readonly profile: ServiceProfile
  /** Time that a run of the model takes. */
  readonly computeMs: number
  /** Jobs that a user commissions in an hour. */
  readonly jobsPerUserHour: number
  readonly draws?: number
}

/** What watchers can be uncertain about, in bits. */
export interface PlanEntropy {
  /** One mix of each layer, layer 0 first. */
  readonly perMixBits: ReadonlyArray<number>
  /** The layer that hides least: what is left when only that one is honest. */
  readonly leastMixBits: number
  /** All hops of the way out honest, seen at its ends. */
  readonly pathBits: number
  /** Jobs that share a quantum and a profile for certain, F + 1, and on average. */
  readonly batchSure: number
  readonly batchMean: number
}

/** What storage learns from the shape of a job, in bits. */
export interface PlanLeakage {
  readonly profiles: number
  readonly sizeBits: number
  /** Overflow of a job, to its receiver and to everybody else. */
  readonly bucketBits: number
  readonly bucketBitsOutside: number
}

export interface Plan {
  readonly network: string
  readonly users: number
  readonly service: string
  readonly profile: number
  readonly boxes: { readonly in: number; readonly out: number }
  /** Room for contents of the size classes. */
  readonly contentBytes: { readonly in: number; readonly out: number }
  readonly bucket: number
  readonly job: JobFigures
  readonly client: ClientLine & { readonly jobBytesPerSecond: number }
  readonly nodes: NodeLoads
  readonly storage: StorageLoad
  readonly entropy: PlanEntropy
  readonly leakage: PlanLeakage
  readonly problems: ReadonlyArray<string>
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

const boxesOf = ({ inputClass, outputClass }: ServiceProfile) => ({ in: boxesOfClass(inputClass), out: boxesOfClass(outputClass) })

/** Real jobs of one service in a quantum, on average. */
const realJobs = ({ figures, jobsPerUserHour }: PlanRequest): number =>
  (figures.counts.users * jobsPerUserHour * figures.params.quantumMs) / HOUR_MS / figures.services.length

/** Draws that the plan is made of; 0 where a quantum has more boxes than can be played. */
export const planDraws = (request: PlanRequest): number => {
  const { coverJobs } = request.profile
  const boxes = boxesOf(request.profile)
  return drawsWithin({ boxesIn: boxes.in, boxesOut: boxes.out, coverJobs, otherJobs: realJobs(request) }, request.draws)
}

/** Boxes that all jobs write and read per millisecond; every job writes and reads its input and its output, a cover job like any other. */
const boxRates = (request: PlanRequest): { readonly written: number; readonly read: number } => {
  const { figures, profile } = request
  const boxes = boxesOf(profile)
  const real = realJobs(request) * figures.services.length * (boxes.in + boxes.out)
  const cover = sum(figures.services.flatMap(({ profiles }) => profiles.map((each) => each.coverJobs * (boxesOf(each).in + boxesOf(each).out))))
  const perMs = (real + cover) / figures.params.quantumMs
  return { written: perMs, read: perMs }
}

/** Share of a service's ticks that carry other work than reading this quantum's inputs. */
const serviceUse = (request: PlanRequest): number => {
  const { figures, profile, service } = request
  const { lambdaPPerMs, quantumMs } = figures.params
  const released = (1 + realJobs(request)) * boxesOf(profile).out
  const cover = sum(service.profiles.map((each) => each.coverJobs * (2 * boxesOf(each).out + boxesOf(each).in)))
  return Math.min(MOST_USE, (2 * (released + cover)) / (service.sessions * lambdaPPerMs * quantumMs))
}

const settingOf = (request: PlanRequest, storage: StorageLoad): JobSetting => {
  const { computeMs, figures, hardware, profile, service } = request
  const { counts, params } = figures
  const boxes = boxesOf(profile)
  return {
    params,
    storage: {
      params, couriers: counts.couriers, replicas: counts.replicas, linkMs: hardware.linkMs, gatherMs: meanGatherMs(figures),
      linkUse: { courier: Math.min(MOST_USE, storage.courierLinkUse), replica: Math.min(MOST_USE, storage.replicaLinkUse) }
    },
    client: { sessions: 1, use: 0 },
    service: { sessions: service.sessions, use: serviceUse(request) },
    boxesIn: boxes.in,
    boxesOut: boxes.out,
    deadlinesMs: service.deadlinesMs.slice(profile.bucket - 1),
    releaseWindowMs: service.releaseWindowMs,
    workers: service.workers,
    computeMs,
    coverJobs: profile.coverJobs,
    otherJobs: realJobs(request)
  }
}

const entropyOf = (request: PlanRequest, nodes: NodeLoads): PlanEntropy => {
  const { figures, profile } = request
  const { lambdaLPerMs, lambdaPPerMs, mixLayers, muPerMs } = figures.params
  const perMixBits = nodes.layers.map(({ entropyBits }) => entropyBits)
  const sessions = figures.counts.users + serviceSessions(figures)
  return {
    perMixBits,
    leastMixBits: Math.min(...perMixBits),
    pathBits: pathEntropyBits((sessions * (lambdaPPerMs + lambdaLPerMs)) / muPerMs, mixLayers + 2),
    batchSure: profile.coverJobs + 1,
    batchMean: profile.coverJobs + 1 + realJobs(request)
  }
}

/** The choices that an observer of storage can tell apart by sizes and deadlines. */
const leakageOf = ({ profile, service }: PlanRequest): PlanLeakage => {
  const shapes = new Set(service.profiles.map((each) => `${each.inputClass}/${each.outputClass}/${each.bucket}/${each.staged ? "staged" : ""}`))
  const releases = releaseCountOf(service.deadlinesMs, profile.bucket)
  return { profiles: shapes.size, sizeBits: Math.log2(shapes.size), bucketBits: Math.log2(releases + 1), bucketBitsOutside: Math.log2(releases) }
}

const percent = (share: number): string => `${(100 * share).toPrecision(2)} %`

/** What will not work, one sentence each. */
const problemsOf = (request: PlanRequest, plan: Pick<Plan, "job" | "nodes" | "storage">): ReadonlyArray<string> => {
  const { figures, profile, service } = request
  const admitted = profile.jobsPerQuantum
  const busiest = Math.max(plan.nodes.gateway.cpuShare, plan.nodes.serviceNode.cpuShare, ...plan.nodes.layers.map(({ cpuShare }) => cpuShare))
  return [
    ...checkService(figures.params, service).map(({ field, message }) => `${service.name}: ${field}: ${message}`),
    ...(realJobs(request) > admitted
      ? [`users commission ${realJobs(request).toPrecision(3)} jobs a quantum and service, of which ${admitted} are admitted`]
      : []),
    ...(busiest > 1 ? [`a node needs ${busiest.toPrecision(2)} cores to unwrap; use more nodes, threads, or lower rates`] : []),
    ...(Math.max(plan.storage.courierLinkUse, plan.storage.replicaLinkUse) > MOST_USE
      ? ["storage links carry more than their ticks; raise lambdaRPerMs"]
      : []),
    ...(plan.job.unfinishedShare > 0 ? [`${percent(plan.job.unfinishedShare)} of the jobs come to no end: the links cannot carry them`] : []),
    ...(plan.job.overflowShare > 0.01 ? [`${percent(plan.job.overflowShare)} of the jobs miss their edge`] : []),
    ...(profile.coverJobs === 0 ? ["no cover jobs: storage can tie the input of a job that is alone in its quantum to its output"] : [])
  ]
}

/** Makes the plan, where `planDraws` is above 0. @cost about a second for 2,000 draws of a small job, at most some ten seconds */
export const makePlan = (request: PlanRequest): Plan => {
  const { figures, hardware, profile, service } = request
  const boxBytes = boxPlaintextBytes(figures.params)
  const boxes = boxesOf(profile)
  const contentBytes = { in: payloadBytesOfClass(boxBytes, profile.inputClass), out: payloadBytesOfClass(boxBytes, profile.outputClass) }
  const nodes = nodeLoads(figures, hardware)
  const storage = storageLoad(figures, boxRates(request))
  const job = jobFigures(settingOf(request, storage), Math.max(1, planDraws(request)))
  const jobBytesPerSecond = (1_000 * (contentBytes.in + contentBytes.out)) / job.steps.totalMs.mean
  return {
    network: figures.name,
    users: figures.counts.users,
    service: service.name,
    profile: profile.id,
    boxes,
    contentBytes,
    bucket: profile.bucket,
    job,
    client: { ...clientLine(figures.params), jobBytesPerSecond },
    nodes,
    storage,
    entropy: entropyOf(request, nodes),
    leakage: leakageOf(request),
    problems: problemsOf(request, { job, nodes, storage })
  }
}
