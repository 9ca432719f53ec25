/**
 * What a compute service offers: its profiles, deadlines and means.
 *
 * Contract: plain values; everything an observer of storage can learn about a job is its profile.
 * Knows nothing of: models, keys, the network around the service.
 * Source: funion.md §3, §4, §6.3; departures: none.
 *
 * @module
 */

/** At most this many profiles per service: what storage sees of a job is worth at most two bits. */
export const PROFILE_COUNT_LIMIT = 4
/** At most this many deadlines per service. */
export const DEADLINE_COUNT_LIMIT = 8
/** At most this many queues, and this many model cards, per service. */
export const QUEUE_COUNT_LIMIT = 4
export const MODEL_COUNT_LIMIT = 16

export interface ServiceProfile {
  /** Unique in the service, 0..255. */
  readonly id: number
  /** Size class of the input stream. */
  readonly inputClass: number
  /** Size class of every release. */
  readonly outputClass: number
  /** j, from 1: a job is due at the service's j-th deadline. */
  readonly bucket: number
  /** True: one release at every deadline, filled or empty. */
  readonly staged: boolean
  /** J: real jobs admitted per quantum. */
  readonly jobsPerQuantum: number
  /** F: the service's own jobs per quantum. */
  readonly coverJobs: number
}

/** One service with the means that must suffice for its profiles. */
export interface ServicePlan {
  /** d_1 < d_2 < …, multiples of the network's quantum. */
  readonly deadlinesMs: ReadonlyArray<number>
  /** w: a whole edge is on the replicas this long after it. */
  readonly releaseWindowMs: number
  readonly profiles: ReadonlyArray<ServiceProfile>
  /** m: client sessions that the service keeps. */
  readonly sessions: number
  /** Models that run at the same time. */
  readonly workers: number
  /** The longest that any job may compute; model cards above it are refused. */
  readonly maxComputeMs: number
}
