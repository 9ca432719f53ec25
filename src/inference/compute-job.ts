/**
 * What a compute service knows of its jobs: the state that the journal's records build, and which record may follow which.
 *
 * Contract: `conflictOf` and `applyRecord` keep the unique keys of funion.md §8: jobId; token; (jobId, slot); (jobId, r) of Sealed and of
 * Released. A job's Sealed records come in the order of r, and none after the record that ends it. Closing wipes caps, slots and boxes from
 * the state, in place: byte arrays of a record belong to the journal once appended. What answers a repeated dispatch stays.
 * Knows nothing of: time, files, what happens next (compute-step.ts).
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { boxesOfClass, isSizeClass } from "../params/size-class.ts"
import type { ComputeRecord, OutcomeCode } from "./compute-record.ts"
import { quantaToNext } from "./bucket.ts"
import { decodeDispatchContent, DISPATCH_CONTENT_BYTES, type DispatchContent } from "./dispatch.ts"
import { tokenDigest, type AdmissionDecision } from "./dispatch-check.ts"
import type { Acceptance } from "./dispatch-reply.ts"
import type { OpenedDispatch } from "./dispatch-seal.ts"
import { isFinalKind, type ReleaseKind, type ReleasePlace } from "./release-record.ts"
import type { Attestor } from "./stream-manifest.ts"

/** Runs of a model per job, crashes included. */
export const ATTEMPT_LIMIT = 2

export interface SealedRelease {
  readonly kind: ReleaseKind
  /** Failure code, else 0 */
  readonly code: OutcomeCode
  /** All n_c box plaintexts, the manifest first */
  readonly slots: ReadonlyArray<Uint8Array>
  readonly digest: Uint8Array
  /** Slots of the release that storage has confirmed */
  readonly confirmed: ReadonlySet<number>
  readonly released: boolean
}

interface JobBasis {
  readonly jobId: Uint8Array
  readonly contentDigest: Uint8Array
  readonly tokenDigest: Uint8Array | undefined
  readonly profileId: number
  /** k */
  readonly quantumIndex: number
  readonly acceptance: Acceptance
  readonly notAfterMs: number
  /** A job of the service's own (O1); in nothing that leaves the service does it differ from any other. */
  readonly cover: boolean
}

export interface OpenJob extends JobBasis {
  readonly _tag: "Open"
  readonly dispatch: DispatchContent
  /** plaintext[0..416] */
  readonly content: Uint8Array
  readonly keyDigest: Uint8Array
  /** Edge of every release r */
  readonly edgesMs: ReadonlyArray<number>
  /** Element s is the verified plaintext of input slot s, empty for a tombstone; all undefined again once the final record is sealed */
  readonly inputSlots: ReadonlyArray<Uint8Array | undefined>
  /** Runs begun */
  readonly attempts: number
  /** Element r is Sealed(r) */
  readonly sealed: ReadonlyArray<SealedRelease>
  /** The service has read the output back; of its own jobs only */
  readonly readBack: boolean
}

export interface ClosedJob extends JobBasis {
  readonly _tag: "Closed"
  readonly outcome: OutcomeCode
}

export type JobState = OpenJob | ClosedJob

/** Jobs by jobId in hex, and every token ever spent, by digest in hex. */
export interface JobTable {
  readonly jobs: Map<string, JobState>
  readonly spentTokens: Set<string>
}

export const emptyJobTable = (): JobTable => ({ jobs: new Map(), spentTokens: new Set() })

export type ConflictReason =
  | "job-known" | "token-spent" | "job-unknown" | "job-closed" | "job-malformed" | "slot-known" | "slot-out-of-range" | "attempt"
  | "release-known" | "release-order" | "release-size" | "not-sealed" | "not-released" | "not-ours"

/** The record must not be written: a unique key is taken, or nothing lets it follow. The state is unchanged. */
export class JournalConflict extends Data.TaggedError("JournalConflict")<{ readonly reason: ConflictReason }> {}

/** Element of the releases that ends the job's content: its Result or Failure, if sealed. */
export const finalRelease = (job: OpenJob): SealedRelease | undefined => job.sealed.find((release) => isFinalKind(release.kind))

/** True when no further release can be sealed: unstaged after the final one, staged after that of t_n. */
export const isFullySealed = (job: OpenJob): boolean =>
  job.sealed.length === job.edgesMs.length || (!job.dispatch.staged && finalRelease(job) !== undefined)

/** True when nothing is left to be done for a job whose releases are all out: one of the service's own has been read back as well. */
export const isAnswered = (job: OpenJob): boolean => !job.cover || job.readBack

/** Number of boxes of each release. */
export const releaseSlotCount = (job: OpenJob): number => boxesOfClass(job.dispatch.outputClass)

/** Number of boxes of the input. */
export const inputSlotCount = (job: OpenJob): number => boxesOfClass(job.dispatch.inputClass)

const admissionConflict = (table: JobTable, record: Extract<ComputeRecord, { _tag: "Admitted" }>): ConflictReason | undefined => {
  if (table.jobs.has(toHex(record.jobId))) return "job-known"
  if (record.tokenDigest !== undefined && table.spentTokens.has(toHex(record.tokenDigest))) return "token-spent"
  const content = Either.getOrUndefined(decodeDispatchContent(record.content))
  const wellFormed = content !== undefined && constantTimeEqual(content.jobId, record.jobId) && isSizeClass(content.inputClass) &&
    isSizeClass(content.outputClass) && record.edgesMs.length > 0 && Number.isSafeInteger(content.notAfterMs) &&
    record.edgesMs.every((edge, index) => edge > (record.edgesMs[index - 1] ?? record.acceptedAtMs))
  return wellFormed ? undefined : "job-malformed"
}

const sealedConflict = (crypto: CryptoBackend, job: OpenJob, record: Extract<ComputeRecord, { _tag: "Sealed" }>): ConflictReason | undefined => {
  if (record.releaseIndex < job.sealed.length) return "release-known"
  if (record.releaseIndex > job.sealed.length || record.releaseIndex >= job.edgesMs.length || isFullySealed(job)) return "release-order"
  if (record.slots.length !== releaseSlotCount(job)) return "release-size"
  return constantTimeEqual(crypto.blake2b256(...record.slots), record.digest) ? undefined : "release-size"
}

const workConflict = (crypto: CryptoBackend, job: OpenJob, record: ComputeRecord): ConflictReason | undefined => {
  switch (record._tag) {
    case "Input":
      if (record.slotIndex >= inputSlotCount(job)) return "slot-out-of-range"
      return job.inputSlots[record.slotIndex] === undefined ? undefined : "slot-known"
    case "Attempt": return record.attempt === job.attempts + 1 && record.attempt <= ATTEMPT_LIMIT ? undefined : "attempt"
    case "Sealed": return sealedConflict(crypto, job, record)
    case "Confirmed": {
      if (job.sealed[record.releaseIndex] === undefined) return "not-sealed"
      return record.slotsInRelease.every((slot) => slot < releaseSlotCount(job)) ? undefined : "slot-out-of-range"
    }
    case "Released": {
      const release = job.sealed[record.releaseIndex]
      if (release === undefined) return "not-sealed"
      return release.released ? "release-known" : undefined
    }
    case "ReadBack": return job.cover && !job.readBack ? undefined : "not-ours"
    case "Closed": return isFullySealed(job) && job.sealed.every((release) => release.released) && isAnswered(job) ? undefined : "not-released"
    case "Admitted":
    case "Spent": return undefined
  }
}

/** @returns why the record must not follow, or nothing */
export const conflictOf = (crypto: CryptoBackend, table: JobTable, record: ComputeRecord): ConflictReason | undefined => {
  if (record._tag === "Admitted") return admissionConflict(table, record)
  if (record._tag === "Spent") return undefined
  const job = table.jobs.get(toHex(record.jobId))
  if (job?._tag === "Closed") return "job-closed"
  if (job !== undefined) return workConflict(crypto, job, record)
  // after compaction a closed job is its Closed record alone
  return record._tag === "Closed" ? undefined : "job-unknown"
}

const noSlots = (dispatch: DispatchContent): ReadonlyArray<Uint8Array | undefined> =>
  Array.from({ length: boxesOfClass(dispatch.inputClass) }, () => undefined)

const openJobOf = (record: Extract<ComputeRecord, { _tag: "Admitted" }>, dispatch: DispatchContent): OpenJob => ({
  _tag: "Open",
  jobId: record.jobId,
  contentDigest: record.contentDigest,
  tokenDigest: record.tokenDigest,
  profileId: record.profileId,
  quantumIndex: record.quantumIndex,
  acceptance: {
    acceptedAtMs: record.acceptedAtMs,
    firstEdgeMs: record.edgesMs[0] ?? record.acceptedAtMs,
    lastEdgeMs: record.edgesMs.at(-1) ?? record.acceptedAtMs
  },
  notAfterMs: dispatch.notAfterMs,
  cover: record.cover === true,
  dispatch,
  content: record.content,
  keyDigest: record.keyDigest,
  edgesMs: record.edgesMs,
  inputSlots: noSlots(dispatch),
  attempts: 0,
  sealed: [],
  readBack: false
})

const withRelease = (job: OpenJob, releaseIndex: number, change: (release: SealedRelease) => SealedRelease): OpenJob => ({
  ...job, sealed: job.sealed.map((release, index) => (index === releaseIndex ? change(release) : release))
})

const applyWork = (job: OpenJob, record: ComputeRecord): OpenJob => {
  switch (record._tag) {
    case "Input": return { ...job, inputSlots: job.inputSlots.with(record.slotIndex, record.bytes) }
    case "Attempt": return { ...job, attempts: record.attempt }
    case "Sealed": {
      const release: SealedRelease = {
        kind: record.kind, code: record.code, slots: record.slots, digest: record.digest, confirmed: new Set(), released: false
      }
      return { ...job, sealed: [...job.sealed, release], ...(isFinalKind(record.kind) ? { inputSlots: noSlots(job.dispatch) } : {}) }
    }
    case "Confirmed":
      return withRelease(job, record.releaseIndex, (release) => ({ ...release, confirmed: new Set([...release.confirmed, ...record.slotsInRelease]) }))
    case "Released":
      return withRelease(job, record.releaseIndex, (release) => ({ ...release, confirmed: new Set(release.slots.keys()), released: true }))
    case "ReadBack": return { ...job, readBack: true }
    case "Admitted":
    case "Closed":
    case "Spent": return job
  }
}

const wipe = (job: OpenJob): void => zeroize(
  job.content, job.dispatch.inputReadCap, job.dispatch.outputWriteCap,
  ...job.inputSlots.flatMap((slot) => slot ?? []), ...job.sealed.flatMap((release) => release.slots)
)

/** Enters a record that has no conflict. */
const enter = (table: JobTable, record: ComputeRecord): void => {
  if (record._tag === "Spent") {
    for (const digest of record.tokenDigests) table.spentTokens.add(toHex(digest))
    return
  }
  const key = toHex(record.jobId)
  const job = table.jobs.get(key)
  if (record._tag === "Admitted") {
    const dispatch = Either.getOrUndefined(decodeDispatchContent(record.content))
    if (dispatch !== undefined) table.jobs.set(key, openJobOf(record, dispatch))
  } else if (record._tag === "Closed") {
    if (job?._tag === "Open") wipe(job)
    const { _tag, acceptedAtMs, cover, firstEdgeMs, lastEdgeMs, ...fields } = record
    table.jobs.set(key, { _tag, ...fields, cover: cover === true, acceptance: { acceptedAtMs, firstEdgeMs, lastEdgeMs } })
  } else if (job?._tag === "Open") {
    table.jobs.set(key, applyWork(job, record))
  }
  if ((record._tag === "Admitted" || record._tag === "Closed") && record.tokenDigest !== undefined) table.spentTokens.add(toHex(record.tokenDigest))
}

/** Enters a record into the table. @errors JournalConflict, with the table unchanged */
export const applyRecord = (crypto: CryptoBackend, table: JobTable, record: ComputeRecord): Either.Either<void, JournalConflict> => {
  const reason = conflictOf(crypto, table, record)
  return reason === undefined ? Either.right(enter(table, record)) : Either.left(new JournalConflict({ reason }))
}

const coverMark = (cover: boolean): { readonly cover?: true } => (cover ? { cover } : {})

/** The Admitted record of a decision. @param opened  the delivery that was decided about @param cover  it is the service's own */
export const admittedRecord = (
  crypto: CryptoBackend,
  decision: Extract<AdmissionDecision, { readonly _tag: "Admit" }>,
  opened: Pick<OpenedDispatch, "plaintext" | "keyDigest">,
  cover = false
): Extract<ComputeRecord, { _tag: "Admitted" }> => ({
  _tag: "Admitted",
  jobId: decision.dispatch.jobId,
  content: opened.plaintext.slice(0, DISPATCH_CONTENT_BYTES),
  contentDigest: decision.contentDigest,
  tokenDigest: tokenDigest(crypto, decision.token),
  keyDigest: opened.keyDigest,
  profileId: decision.profile.id,
  quantumIndex: decision.quantumIndex,
  acceptedAtMs: decision.acceptance.acceptedAtMs,
  edgesMs: decision.edgesMs,
  ...coverMark(cover)
})

/** Where the next release to be sealed stands. @param boxBytes  M */
export const nextReleasePlace = (job: OpenJob, boxBytes: number, quantumMs: number, attestor?: Attestor): ReleasePlace => ({
  boxBytes,
  classId: job.dispatch.outputClass,
  jobId: job.jobId,
  staged: job.dispatch.staged,
  releaseIndex: job.sealed.length,
  releaseCount: job.edgesMs.length,
  quantaToNext: quantaToNext(quantumMs, job.edgesMs, job.sealed.length),
  ...(attestor === undefined ? {} : { attestor })
})

/** The record that closes a job that has released everything. */
export const closingRecord = (job: OpenJob): Extract<ComputeRecord, { _tag: "Closed" }> => ({
  _tag: "Closed",
  jobId: job.jobId,
  notAfterMs: job.notAfterMs,
  outcome: finalRelease(job)?.code ?? 0,
  contentDigest: job.contentDigest,
  tokenDigest: job.tokenDigest,
  profileId: job.profileId,
  quantumIndex: job.quantumIndex,
  ...job.acceptance,
  ...coverMark(job.cover)
})

/** The Sealed record of one release. @param slots  as made by `sealRelease` */
export const sealedRecord = (
  crypto: CryptoBackend,
  job: OpenJob,
  kind: ReleaseKind,
  code: OutcomeCode,
  slots: ReadonlyArray<Uint8Array>
): Extract<ComputeRecord, { _tag: "Sealed" }> =>
  ({ _tag: "Sealed", jobId: job.jobId, releaseIndex: job.sealed.length, kind, code, digest: crypto.blake2b256(...slots), slots })

/** The fewest records that build this state: what compaction keeps. */
export const recordsOf = (job: JobState): ReadonlyArray<ComputeRecord> => {
  const { jobId } = job
  if (job._tag === "Closed") {
    const { _tag, acceptance, cover, ...fields } = job
    return [{ _tag, ...fields, ...acceptance, ...coverMark(cover) }]
  }
  const attempts = Array.from({ length: job.attempts }, (_, index): ComputeRecord => ({ _tag: "Attempt", jobId, attempt: index + 1 }))
  const releases = job.sealed.flatMap((release, releaseIndex): ReadonlyArray<ComputeRecord> => [
    { _tag: "Sealed", jobId, releaseIndex, kind: release.kind, code: release.code, digest: release.digest, slots: release.slots },
    ...(release.released
      ? [{ _tag: "Released" as const, jobId, releaseIndex }]
      : release.confirmed.size > 0 ? [{ _tag: "Confirmed" as const, jobId, releaseIndex, slotsInRelease: [...release.confirmed].sort((a, b) => a - b) }] : [])
  ])
  return [
    {
      _tag: "Admitted", jobId, content: job.content, contentDigest: job.contentDigest, tokenDigest: job.tokenDigest, keyDigest: job.keyDigest,
      profileId: job.profileId, quantumIndex: job.quantumIndex, acceptedAtMs: job.acceptance.acceptedAtMs, edgesMs: job.edgesMs,
      ...coverMark(job.cover)
    },
    ...job.inputSlots.flatMap((bytes, slotIndex): ReadonlyArray<ComputeRecord> => (bytes === undefined ? [] : [{ _tag: "Input", jobId, slotIndex, bytes }])),
    ...attempts,
    ...releases,
    ...(job.readBack ? [{ _tag: "ReadBack" as const, jobId }] : [])
  ]
}
