/**
 * The journal of a compute service: what it has promised, decided and done, so that a crash never makes it do anything twice or differently.
 *
 * Contract: a record is durable before `append` returns and only then part of the state; a record that breaks a unique key is refused and
 * leaves no trace. One owner at a time; concurrent appends are made one after another. Wiped data leaves the disk at the next compaction.
 * Knows nothing of: the network, models, when to do what.
 * Source: funion.md §8, §7 (O7); departures: tokens of forgotten jobs stay known (the document gives no term for them), 32 bytes each.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { fromHex, toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { forgetAfterMs, quantumIndexAt } from "./bucket.ts"
import { applyRecord, conflictOf, emptyJobTable, JournalConflict, recordsOf, type JobState, type JobTable, type OpenJob } from "./compute-job.ts"
import { readComputeRecord, storeComputeRecord, type ComputeRecord } from "./compute-record.ts"
import type { KnownJob } from "./dispatch-check.ts"
import type { JournalFile, JournalUnavailable } from "./journal-file.ts"
import { JournalCorrupt } from "./journal-frame.ts"
import { openJournalLog, type JournalLog } from "./journal-log.ts"

const LABEL = "funion-compute-journal-v1"

interface CompactionTerms {
  readonly nowMs: number
  readonly quantumMs: number
  readonly epochPeriodMs: number
}

export interface ComputeJournal {
  /** Makes the record durable, then part of the state. @errors JournalConflict; JournalUnavailable: whatever needed the record must not happen */
  readonly append: (record: ComputeRecord) => Effect.Effect<void, JournalConflict | JournalUnavailable>
  readonly job: (jobId: Uint8Array) => JobState | undefined
  readonly openJobs: () => ReadonlyArray<OpenJob>
  /** For `decideAdmission`: open and closed jobs alike */
  readonly knownJob: (jobId: Uint8Array) => KnownJob | undefined
  readonly tokenIsSpent: (tokenDigest: Uint8Array) => boolean
  /** Clients' jobs admitted in quantum k under the profile, closed ones too */
  readonly realJobs: (quantumIndex: number, profileId: number) => number
  /** The same of the service's own jobs, as long as the quantum lasts */
  readonly coverJobs: (quantumIndex: number, profileId: number) => number
  /**
   * Rewrites the journal without what is no longer needed: wiped contents, closed jobs past their term, and closed jobs of the service's own
   * once their quantum is over: nobody else knows their jobId, so that no dispatch can repeat it.
   * @returns number of jobs forgotten
   */
  readonly compact: (terms: CompactionTerms) => Effect.Effect<number, JournalUnavailable>
}

const bytesOfHex = (text: string): Uint8Array => Either.getOrElse(fromHex(text), () => new Uint8Array(0))

/** Spent tokens that no kept job accounts for, in one record. */
const spentRecord = (table: JobTable): ReadonlyArray<ComputeRecord> => {
  const accounted = new Set([...table.jobs.values()].flatMap((job) => (job.tokenDigest === undefined ? [] : [toHex(job.tokenDigest)])))
  const tokenDigests = [...table.spentTokens].filter((digest) => !accounted.has(digest)).map(bytesOfHex)
  return tokenDigests.length === 0 ? [] : [{ _tag: "Spent", tokenDigests }]
}

/** A closed job that nothing can refer to any more. */
const isForgettable = (job: JobState, { epochPeriodMs, nowMs, quantumMs }: CompactionTerms): boolean =>
  job._tag === "Closed" && (job.cover
    ? job.quantumIndex < quantumIndexAt(quantumMs, nowMs)
    : nowMs > forgetAfterMs(quantumMs, epochPeriodMs, job.notAfterMs))

const countJobs = (table: JobTable, isCounted: (job: JobState) => boolean): number => {
  let count = 0
  for (const job of table.jobs.values()) if (isCounted(job)) count += 1
  return count
}

const makeJournal = (crypto: CryptoBackend, log: JournalLog, table: JobTable, lock: Effect.Semaphore): ComputeJournal => ({
  append: (record) => lock.withPermits(1)(Effect.uninterruptible(Effect.suspend((): Effect.Effect<void, JournalConflict | JournalUnavailable> => {
    const reason = conflictOf(crypto, table, record)
    if (reason !== undefined) return Effect.fail(new JournalConflict({ reason }))
    return Effect.map(log.append(storeComputeRecord(record)), () => {
      applyRecord(crypto, table, record)
    })
  }))),
  job: (jobId) => table.jobs.get(toHex(jobId)),
  openJobs: () => [...table.jobs.values()].filter((job) => job._tag === "Open"),
  knownJob: (jobId) => table.jobs.get(toHex(jobId)),
  tokenIsSpent: (tokenDigest) => table.spentTokens.has(toHex(tokenDigest)),
  realJobs: (quantumIndex, profileId) => countJobs(table, (job) => !job.cover && job.quantumIndex === quantumIndex && job.profileId === profileId),
  coverJobs: (quantumIndex, profileId) => countJobs(table, (job) => job.cover && job.quantumIndex === quantumIndex && job.profileId === profileId),
  compact: (terms) => lock.withPermits(1)(Effect.uninterruptible(Effect.suspend(() => {
    const expired = [...table.jobs].filter(([, job]) => isForgettable(job, terms)).map(([key]) => key)
    const kept: JobTable = { jobs: new Map(table.jobs), spentTokens: table.spentTokens }
    for (const key of expired) kept.jobs.delete(key)
    const records = [...spentRecord(kept), ...[...kept.jobs.values()].flatMap(recordsOf)]
    return Effect.map(log.replaceAll(records.map(storeComputeRecord)), () => {
      for (const key of expired) table.jobs.delete(key)
      return expired.length
    })
  })))
})

export interface JournalOptions {
  /** 32 bytes; seals caps and tensors */
  readonly localKey: Uint8Array
  readonly entropy: Entropy
}

/**
 * Opens the journal in `JournalFile` and rebuilds the state.
 * @errors JournalCorrupt: start empty and with fresh job keys; JournalUnavailable
 */
export const openComputeJournal = (
  crypto: CryptoBackend,
  options: JournalOptions
): Effect.Effect<ComputeJournal, JournalCorrupt | JournalUnavailable, JournalFile> =>
  Effect.gen(function* () {
    const { records, log } = yield* openJournalLog(crypto, { label: LABEL, ...options })
    const table = emptyJobTable()
    for (const [recordIndex, stored] of records.entries()) {
      const record = readComputeRecord(stored)
      if (record === undefined) return yield* new JournalCorrupt({ reason: "record", recordIndex })
      if (Either.isLeft(applyRecord(crypto, table, record))) return yield* new JournalCorrupt({ reason: "conflict", recordIndex })
    }
    return makeJournal(crypto, log, table, yield* Effect.makeSemaphore(1))
  })
