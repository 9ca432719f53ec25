/**
 * What the parts of a compute service's clockwork share while it runs: the journal, and the little that need not survive a crash.
 *
 * Contract: everything here but the journal may be lost at any instant without a job being done twice or differently. Work that is forked
 * through `fibers` ends with the scope, and its failure fails the clockwork.
 * Knows nothing of: when anything happens (compute-workflow.ts).
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Effect, FiberSet, type Scope } from "effect"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { StorageError } from "../storage/storage-error.ts"
import type { ComputeJournal } from "./compute-journal.ts"
import { closingRecord, type JournalConflict, type OpenJob } from "./compute-job.ts"
import { nextStep, type StepContext } from "./compute-step.ts"
import type { JournalUnavailable } from "./journal-file.ts"
import type { ReleaseRecord } from "./release-record.ts"

/** What the clockwork is set to. */
export interface ComputeSetting {
  readonly crypto: CryptoBackend
  /** q */
  readonly quantumMs: number
  /** s */
  readonly sealBeforeEdgeMs: number
  /** w */
  readonly releaseWindowMs: number
  readonly epochPeriodMs: number
  /** M */
  readonly boxBytes: number
  /** Models that run at the same time. */
  readonly workers: number
  /** Most operations of one shuffle at once; see `windowCountFor`. */
  readonly windowCount: number
  /** Mean pause before the second look at a box that is not there. */
  readonly missPauseMs: number
  readonly serviceId: Uint8Array
  /** Ed25519 seed of attested results, 32 bytes. */
  readonly resultSeed: Uint8Array
}

/** Coarse counts since the service began; nothing names a job. */
export interface ComputeCounters {
  admitted: number
  repeated: number
  rejected: number
  unreadable: number
  /** The service's own jobs that were admitted … */
  cover: number
  /** … that a quantum went without, */
  coverMissing: number
  /** whose output was read back, and whose could not be. */
  coverRead: number
  coverUnread: number
  /** Releases whose every slot is confirmed. */
  released: number
  /** Slots that somebody else had written before (O18), and releases that were given up. */
  alarms: number
}

/** The clockwork cannot go on; the journal says where to begin anew. */
export type ComputeStopped = JournalConflict | JournalUnavailable | StorageError

export interface ComputeState {
  readonly setting: ComputeSetting
  readonly journal: ComputeJournal
  readonly counters: ComputeCounters
  readonly fibers: FiberSet.FiberSet<void, ComputeStopped>
  /** Held while an admission is decided and made durable, and at the turn of a quantum, so that no admission is half in it. */
  readonly admitting: Effect.Semaphore
  /** Held while releases are sealed. */
  readonly sealing: Effect.Semaphore
  /** Held while ends of releases and jobs are journalled. */
  readonly settling: Effect.Semaphore
  /** Permits: workers. */
  readonly running: Effect.Semaphore
  /** Jobs that were open when the journal was opened. */
  readonly restarted: ReadonlySet<string>
  /** Jobs whose slots are being read. */
  readonly reads: Set<string>
  /** Jobs that run or wait for a worker. */
  readonly runs: Set<string>
  /** What finished runs gave and no release holds yet. */
  readonly results: Map<string, ReleaseRecord>
  /** Slots that are on their way, as `slotKeyOf`. */
  readonly inFlight: Set<string>
  /** Slots that are confirmed, the journal's included or not, by `releaseKeyOf`. */
  readonly confirmed: Map<string, Set<number>>
  /** Called when a job is closed. */
  readonly onClosed: Set<() => void>
}

export const jobKeyOf = (job: { readonly jobId: Uint8Array }): string => toHex(job.jobId)
export const releaseKeyOf = (job: { readonly jobId: Uint8Array }, releaseIndex: number): string => `${jobKeyOf(job)} ${releaseIndex}`
export const slotKeyOf = (releaseKey: string, slotInRelease: number): string => `${releaseKey} ${slotInRelease}`

/** A fresh state over an opened journal; its forked work ends with the scope. */
export const makeComputeState = (setting: ComputeSetting, journal: ComputeJournal): Effect.Effect<ComputeState, never, Scope.Scope> =>
  Effect.gen(function* () {
    return {
      setting,
      journal,
      counters: { admitted: 0, repeated: 0, rejected: 0, unreadable: 0, cover: 0, coverMissing: 0, coverRead: 0, coverUnread: 0, released: 0, alarms: 0 },
      fibers: yield* FiberSet.make<void, ComputeStopped>(),
      admitting: yield* Effect.makeSemaphore(1),
      sealing: yield* Effect.makeSemaphore(1),
      settling: yield* Effect.makeSemaphore(1),
      running: yield* Effect.makeSemaphore(setting.workers),
      restarted: new Set(journal.openJobs().map(jobKeyOf)),
      reads: new Set(),
      runs: new Set(),
      results: new Map(),
      inFlight: new Set(),
      confirmed: new Map(),
      onClosed: new Set()
    }
  })

/** Forks work whose failure fails the clockwork. */
export const forkWork = <R>(state: ComputeState, work: Effect.Effect<void, ComputeStopped, R>): Effect.Effect<void, never, R> =>
  Effect.asVoid(FiberSet.run(state.fibers, work))

/** The job as the journal has it now, while it is open. */
export const openJobOf = (state: ComputeState, jobId: Uint8Array): OpenJob | undefined => {
  const job = state.journal.job(jobId)
  return job?._tag === "Open" ? job : undefined
}

/** @param instantMs  for which to decide: a sealing point or a grid instant, not the moment at which a loop woke up */
export const stepContext = (state: ComputeState, job: OpenJob, instantMs: number): StepContext => ({
  nowMs: instantMs,
  quantumMs: state.setting.quantumMs,
  sealBeforeEdgeMs: state.setting.sealBeforeEdgeMs,
  releaseWindowMs: state.setting.releaseWindowMs,
  restarted: state.restarted.has(jobKeyOf(job)),
  running: state.runs.has(jobKeyOf(job))
})

/** Journals that a job has released everything, and forgets what was kept for it. */
const closeJob = (state: ComputeState, job: OpenJob): Effect.Effect<void, ComputeStopped> =>
  Effect.map(state.journal.append(closingRecord(job)), () => {
    state.results.delete(jobKeyOf(job))
    for (const releaseIndex of job.edgesMs.keys()) state.confirmed.delete(releaseKeyOf(job, releaseIndex))
    for (const notify of state.onClosed) notify()
  })

/** Closes a job of which nothing is left to be done at the instant; with `settling` held. */
export const closeIfDone = (state: ComputeState, jobId: Uint8Array, instantMs: number): Effect.Effect<void, ComputeStopped> => {
  const job = openJobOf(state, jobId)
  return job !== undefined && nextStep(job, stepContext(state, job, instantMs)).close ? closeJob(state, job) : Effect.void
}

/** Sleeps until the clock shows the instant; returns at once when it has passed. */
export const sleepUntil = (instantMs: number): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    Effect.gen(function* () {
      for (let nowMs = yield* clock.currentTimeMillis; nowMs < instantMs; nowMs = yield* clock.currentTimeMillis) yield* Effect.sleep(instantMs - nowMs)
    }))
