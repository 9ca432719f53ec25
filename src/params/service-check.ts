/**
 * Start-up checks of a compute service: its sessions and workers must suffice for a full quantum, so that overflow is left for breakdowns.
 *
 * Contract: pure sums over public values; an empty list means that the service may start. Values are already finite and in range.
 *
 * Times are means, as measured for one session with a window that never stalls: a batch of n boxes over m sessions takes
 *
 *   (2·n/m + 2)/λP    two packets a box, spread over the sessions; 2 stands for the ticks that the first and the last packet wait
 *   + 16/µ            two round trips of 8 hop delays; in general 2·(2L + 2)/µ
 *   + 6/λR            two answers of a replica by way of another, about 3/λR each
 *
 * Knows nothing of: models, keys, clocks.
 * Source: funion.md §3, §6.1, §6.3, milestones.md (times to expect); departures: 16/µ is written for L layers, and two further checks:
 * workers keep up with full quanta for ever, and an edge's data fits the release window (a warning).
 *
 * @module
 */
import type { MixnetParams } from "./mixnet-params.ts"
import type { ServicePlan, ServiceProfile } from "./service-profile.ts"
import { boxesOfClass } from "./size-class.ts"

/** One broken rule: the field to change, as a path below the plan, and one sentence that says how. */
export interface CheckProblem {
  readonly field: string
  readonly message: string
}

type Rates = Pick<MixnetParams, "muPerMs" | "lambdaPPerMs" | "lambdaRPerMs" | "mixLayers">

const jobsOf = (profile: ServiceProfile): number => profile.jobsPerQuantum + profile.coverJobs

const sumOver = (profiles: ReadonlyArray<ServiceProfile>, value: (profile: ServiceProfile) => number): number =>
  profiles.reduce((sum, profile) => sum + value(profile), 0)

/** Jobs of one full quantum, cover jobs included. */
export const jobsPerFullQuantum = (profiles: ReadonlyArray<ServiceProfile>): number => sumOver(profiles, jobsOf)

/** Mean time to write or read `boxes` boxes over `sessions` sessions, milliseconds (formula above). */
export const batchTimeMs = (params: Rates, boxes: number, sessions: number): number =>
  ((2 * boxes) / sessions + 2) / params.lambdaPPerMs + (2 * (2 * params.mixLayers + 2)) / params.muPerMs + 6 / params.lambdaRPerMs

/** Mean time to fetch the inputs of a full quantum. */
export const fetchTimeMs = (params: Rates, plan: Pick<ServicePlan, "profiles" | "sessions">): number =>
  batchTimeMs(params, sumOver(plan.profiles, (profile) => jobsOf(profile) * boxesOfClass(profile.inputClass)), plan.sessions)

/** Mean time until the data boxes (all but the manifests) of a full edge are confirmed. */
export const releaseTimeMs = (params: Rates, plan: Pick<ServicePlan, "profiles" | "sessions">): number =>
  batchTimeMs(params, sumOver(plan.profiles, (profile) => jobsOf(profile) * (boxesOfClass(profile.outputClass) - 1)), plan.sessions)

/** Packets that a full quantum needs: two a box, half of the ticks for each direction. */
export const packetsPerQuantumNeeded = (plan: Pick<ServicePlan, "profiles" | "deadlinesMs">): number =>
  4 * sumOver(plan.profiles, (profile) => {
    const releases = profile.staged ? plan.deadlinesMs.length : 1
    return jobsOf(profile) * (boxesOfClass(profile.inputClass) + releases * boxesOfClass(profile.outputClass))
  })

/** A sum of decimal rates may lie this far, relatively, above the whole number it stands for. */
const ROUNDING = 1e-9

/** The fewest sessions whose λP ticks suffice for a full quantum. */
export const sessionsNeeded = (params: Pick<MixnetParams, "lambdaPPerMs" | "quantumMs">, plan: Pick<ServicePlan, "profiles" | "deadlinesMs">): number =>
  Math.max(1, Math.ceil((packetsPerQuantumNeeded(plan) / (params.lambdaPPerMs * params.quantumMs)) * (1 - ROUNDING)))

/** `4·Σ(J+F)·(n_in + n_out) ≤ m·λP·q`, staged profiles with n·n_out. */
export const checkCapacity = (params: MixnetParams, plan: ServicePlan): ReadonlyArray<CheckProblem> => {
  const needed = packetsPerQuantumNeeded(plan)
  const leastSessions = sessionsNeeded(params, plan)
  return leastSessions <= plan.sessions ? [] : [{
    field: "sessions",
    message: `a full quantum needs ${needed} packets but ${plan.sessions} sessions send ${Math.floor(plan.sessions * params.lambdaPPerMs * params.quantumMs)}: `
      + `use at least ${leastSessions} sessions, fewer jobs per quantum or a longer quantum`
  }]
}

/** `d_j − s ≥ fetch time of a full quantum + ceil(jobs / workers)·maxComputeMs`, for the bucket of every profile. */
export const checkDeadlines = (params: MixnetParams, plan: ServicePlan): ReadonlyArray<CheckProblem> => {
  const fetchMs = Math.ceil(fetchTimeMs(params, plan))
  const computeMs = Math.ceil(jobsPerFullQuantum(plan.profiles) / plan.workers) * plan.maxComputeMs
  const neededMs = params.sealBeforeEdgeMs + fetchMs + computeMs
  const buckets = [...new Set(plan.profiles.map((profile) => profile.bucket))].sort((a, b) => a - b)
  return buckets.flatMap((bucket) => {
    const deadlineMs = plan.deadlinesMs[bucket - 1] ?? 0
    return deadlineMs >= neededMs ? [] : [{
      field: `deadlinesMs[${bucket - 1}]`,
      message: `the edge comes ${deadlineMs} ms after the quantum, before the inputs of a full quantum can be fetched (${fetchMs} ms), computed `
        + `(${computeMs} ms) and sealed (${params.sealBeforeEdgeMs} ms): use at least ${Math.ceil(neededMs / params.quantumMs) * params.quantumMs} ms`
    }]
  })
}

/** Full quanta in a row must not pile up before the workers: `Σ(J+F)·maxComputeMs ≤ workers·q`. */
export const checkWorkers = (params: MixnetParams, plan: ServicePlan): ReadonlyArray<CheckProblem> => {
  const neededMs = jobsPerFullQuantum(plan.profiles) * plan.maxComputeMs
  return neededMs <= plan.workers * params.quantumMs ? [] : [{
    field: "workers",
    message: `the jobs of a full quantum may compute for ${neededMs} ms but ${plan.workers} workers have ${plan.workers * params.quantumMs} ms: `
      + `use at least ${Math.ceil(neededMs / params.quantumMs)} workers or a smaller maxComputeMs`
  }]
}

/** All that must hold before a service may start. */
export const checkService = (params: MixnetParams, plan: ServicePlan): ReadonlyArray<CheckProblem> => [
  ...(plan.releaseWindowMs <= params.quantumMs ? [] : [{
    field: "releaseWindowMs",
    message: `the release window is longer than the quantum: use at most ${params.quantumMs} ms`
  }]),
  ...checkCapacity(params, plan),
  ...checkDeadlines(params, plan),
  ...checkWorkers(params, plan)
]

/** What may start but will disappoint. */
export const warnService = (params: MixnetParams, plan: ServicePlan): ReadonlyArray<CheckProblem> => {
  const releaseMs = Math.ceil(releaseTimeMs(params, plan))
  return [
    ...(releaseMs <= plan.releaseWindowMs ? [] : [{
      field: "releaseWindowMs",
      message: `a full edge takes about ${releaseMs} ms to write, longer than the window: many results will come an edge late`
    }]),
    ...(plan.profiles.every((profile) => profile.coverJobs > 0) ? [] : [{
      field: "profiles",
      message: "no cover jobs: storage can tie the input of a job that is alone in its quantum to its output"
    }])
  ]
}
