/**
 * What a client knows of its jobs, and what it does next about each after a restart.
 *
 * Planned → Uploaded → Dispatched → Accepted → Seen(r) → Done
 *
 * Contract: records of a job follow in that order (Dispatched again with every later notAfter, Seen for r = 0, 1, …; Done after any). The
 * decision depends on the journal's state and the instant alone. Done wipes caps and payload.
 * Knows nothing of: files, the network.
 * Source: funion.md §8 (client's journal), §7 (O4, O5); departures: the journal keeps the framed slots instead of a
 * payload file; a reader whom an overflow record kept busy beyond the end of polling looks once more.
 *
 * @module
 */
import { Data, Either } from "effect"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { notAfterForResend, pollEndMs, releaseEdgesMs, quantumIndexAt } from "./bucket.ts"
import type { ReleaseKind } from "./release-record.ts"

/** How a job ended for the client. */
export type ClientOutcome = "result" | "failure" | "rejected" | "upload-failed" | "timed-out" | "cancelled" | "broken-service" | "handed-over"

/** Planned: on disk before the first write. */
export interface PlannedJob {
  readonly jobId: Uint8Array
  readonly serviceId: Uint8Array
  readonly modelIdHash: Uint8Array
  readonly modelVersion: number
  readonly bucket: number
  readonly inputClass: number
  readonly outputClass: number
  readonly staged: boolean
  readonly attested: boolean
  /** W_in, 168 bytes; sealed */
  readonly inputWriteCap: Uint8Array
  /** W_out, 168 bytes; sealed */
  readonly outputWriteCap: Uint8Array
  /** H256 of the input slots joined */
  readonly payloadHash: Uint8Array
  /** All slots of the input stream, the manifest first; sealed. None when another client wrote them. */
  readonly inputSlots: ReadonlyArray<Uint8Array>
  /** Its owner asks for every step; a restart goes on with none. */
  readonly stepwise?: true
}

export type ClientRecord =
  | ({ readonly _tag: "Planned" } & PlannedJob)
  | { readonly _tag: "Uploaded"; readonly jobId: Uint8Array; readonly confirmedAtMs: number }
  /** On disk before the first sending with this notAfter */
  | { readonly _tag: "Dispatched"; readonly jobId: Uint8Array; readonly sentAtMs: number; readonly notAfterMs: number }
  | { readonly _tag: "Accepted"; readonly jobId: Uint8Array; readonly acceptedAtMs: number; readonly edgesMs: ReadonlyArray<number> }
  | { readonly _tag: "Seen"; readonly jobId: Uint8Array; readonly releaseIndex: number; readonly kind: ReleaseKind; readonly last: boolean }
  | { readonly _tag: "Done"; readonly jobId: Uint8Array; readonly outcome: ClientOutcome }

export interface ActiveClientJob {
  readonly _tag: "Active"
  readonly planned: PlannedJob
  readonly uploadedAtMs: number | undefined
  readonly dispatched: { readonly firstSentAtMs: number; readonly firstNotAfterMs: number; readonly lastNotAfterMs: number } | undefined
  readonly accepted: { readonly acceptedAtMs: number; readonly edgesMs: ReadonlyArray<number> } | undefined
  /** Releases read, by r */
  readonly seen: ReadonlyArray<{ readonly kind: ReleaseKind; readonly last: boolean }>
}

export interface DoneClientJob {
  readonly _tag: "Done"
  readonly jobId: Uint8Array
  readonly outcome: ClientOutcome
}

export type ClientJob = ActiveClientJob | DoneClientJob

export type ClientConflictReason = "job-known" | "job-unknown" | "job-done" | "job-malformed" | "order" | "release-known"

/** The record must not be written; the state is unchanged. */
export class ClientJournalConflict extends Data.TaggedError("ClientJournalConflict")<{ readonly reason: ClientConflictReason }> {}

/** The payload hash of a Planned record. */
export const inputSlotsHash = (crypto: CryptoBackend, slots: ReadonlyArray<Uint8Array>): Uint8Array => crypto.blake2b256(...slots)

const mayFollow = (job: ActiveClientJob, record: ClientRecord): ClientConflictReason | undefined => {
  switch (record._tag) {
    case "Planned": return "job-known"
    case "Uploaded": return job.uploadedAtMs === undefined ? undefined : "order"
    case "Dispatched": {
      const notEarlier = job.dispatched === undefined || record.notAfterMs >= job.dispatched.lastNotAfterMs
      return job.uploadedAtMs !== undefined && job.accepted === undefined && notEarlier ? undefined : "order"
    }
    case "Accepted": return job.dispatched !== undefined && job.accepted === undefined && record.edgesMs.length > 0 ? undefined : "order"
    case "Seen":
      if (record.releaseIndex < job.seen.length) return "release-known"
      return job.dispatched !== undefined && record.releaseIndex === job.seen.length && job.seen.at(-1)?.last !== true ? undefined : "order"
    case "Done": return undefined
  }
}

/** @returns why the record must not follow, or nothing */
export const clientConflictOf = (
  crypto: CryptoBackend,
  jobs: ReadonlyMap<string, ClientJob>,
  record: ClientRecord
): ClientConflictReason | undefined => {
  const job = jobs.get(toHex(record.jobId))
  if (job?._tag === "Done") return record._tag === "Planned" ? "job-known" : "job-done"
  if (job !== undefined) return mayFollow(job, record)
  if (record._tag !== "Planned") return "job-unknown"
  return constantTimeEqual(inputSlotsHash(crypto, record.inputSlots), record.payloadHash) ? undefined : "job-malformed"
}

const advance = (job: ActiveClientJob, record: ClientRecord): ClientJob => {
  switch (record._tag) {
    case "Uploaded":
      return { ...job, uploadedAtMs: record.confirmedAtMs }
    case "Dispatched": {
      const { sentAtMs, notAfterMs } = record
      const first = job.dispatched ?? { firstSentAtMs: sentAtMs, firstNotAfterMs: notAfterMs, lastNotAfterMs: notAfterMs }
      return { ...job, dispatched: { ...first, lastNotAfterMs: notAfterMs } }
    }
    case "Accepted": return { ...job, accepted: { acceptedAtMs: record.acceptedAtMs, edgesMs: record.edgesMs } }
    case "Seen": return { ...job, seen: [...job.seen, { kind: record.kind, last: record.last }] }
    case "Done":
      zeroize(job.planned.inputWriteCap, job.planned.outputWriteCap, ...job.planned.inputSlots)
      return { _tag: "Done", jobId: record.jobId, outcome: record.outcome }
    case "Planned": return job
  }
}

/** Enters a record. @errors ClientJournalConflict, with the table unchanged */
export const applyClientRecord = (
  crypto: CryptoBackend,
  jobs: Map<string, ClientJob>,
  record: ClientRecord
): Either.Either<void, ClientJournalConflict> => {
  const reason = clientConflictOf(crypto, jobs, record)
  if (reason !== undefined) return Either.left(new ClientJournalConflict({ reason }))
  const key = toHex(record.jobId)
  const job = jobs.get(key)
  if (record._tag === "Planned") {
    const { _tag, ...planned } = record
    jobs.set(key, { _tag: "Active", planned, uploadedAtMs: undefined, dispatched: undefined, accepted: undefined, seen: [] })
  } else if (job?._tag === "Active") {
    jobs.set(key, advance(job, record))
  }
  return Either.right(undefined)
}

/** The fewest records that build this state. A done job needs none: its jobId is random and comes never again. */
export const clientRecordsOf = (job: ClientJob): ReadonlyArray<ClientRecord> => {
  if (job._tag === "Done") return []
  const { planned, uploadedAtMs, dispatched, accepted } = job
  const { jobId } = planned
  const records: Array<ClientRecord> = [{ _tag: "Planned", ...planned }]
  if (uploadedAtMs !== undefined) records.push({ _tag: "Uploaded", jobId, confirmedAtMs: uploadedAtMs })
  if (dispatched !== undefined) {
    const { firstSentAtMs: sentAtMs, firstNotAfterMs, lastNotAfterMs } = dispatched
    records.push({ _tag: "Dispatched", jobId, sentAtMs, notAfterMs: firstNotAfterMs })
    if (lastNotAfterMs > firstNotAfterMs) records.push({ _tag: "Dispatched", jobId, sentAtMs, notAfterMs: lastNotAfterMs })
  }
  if (accepted !== undefined) records.push({ _tag: "Accepted", jobId, ...accepted })
  for (const [releaseIndex, seen] of job.seen.entries()) records.push({ _tag: "Seen", jobId, releaseIndex, ...seen })
  return records
}

export interface ClientContext {
  readonly nowMs: number
  readonly quantumMs: number
  readonly releaseWindowMs: number
  /** Of the document in force, in quanta */
  readonly deadlinesQuanta: ReadonlyArray<number>
}

export type ClientStep =
  /** Write all input slots again: identical bytes at identical boxes. */
  | { readonly _tag: "Upload" }
  /** Seal anew under the same jobId; at a uniform instant of the quantum after `afterMs` when it was never sent, else at once. */
  | { readonly _tag: "Dispatch"; readonly first: boolean; readonly afterMs: number }
  /** Read release r: first poll from the edge on, until the end. `blind`: no answer ever came, so the edge is the last possible one. */
  | {
    readonly _tag: "Poll"
    readonly releaseIndex: number
    readonly edgeMs: number
    readonly lastEdgeMs: number
    readonly endMs: number
    readonly blind: boolean
  }
  /** Nothing more can come under this jobId: journal Done; the content needs a new job. */
  | { readonly _tag: "GiveUp" }
  /** The last release was read: journal Done. */
  | { readonly _tag: "Finish" }

/** Reads the next release while that can still succeed. */
const poll = (job: ActiveClientJob, edgesMs: ReadonlyArray<number>, context: ClientContext, blind: boolean): ClientStep => {
  const releaseIndex = job.seen.length
  const edgeMs = edgesMs[releaseIndex]
  const lastEdgeMs = edgesMs.at(-1)
  if (edgeMs === undefined || lastEdgeMs === undefined) return { _tag: "GiveUp" }
  const endMs = pollEndMs(context, lastEdgeMs)
  // Whoever was told "later" looks once more, even if reading that took until now.
  if (context.nowMs > endMs && releaseIndex === 0) return { _tag: "GiveUp" }
  return { _tag: "Poll", releaseIndex, edgeMs, lastEdgeMs, endMs: Math.max(endMs, context.nowMs), blind }
}

/**
 * What a client does about an unfinished job, from its journal alone.
 * @source funion.md §8: restart resumes in the same state; dispatch up to first notAfter + 16 q; then poll all the same
 */
export const nextClientStep = (job: ActiveClientJob, context: ClientContext): ClientStep => {
  const { quantumMs, nowMs } = context
  if (job.seen.at(-1)?.last === true) return { _tag: "Finish" }
  if (job.uploadedAtMs === undefined) return { _tag: "Upload" }
  if (job.dispatched === undefined) return { _tag: "Dispatch", first: true, afterMs: Math.max(job.uploadedAtMs, nowMs) }
  if (job.accepted !== undefined) return poll(job, job.accepted.edgesMs, context, false)
  const { firstNotAfterMs, lastNotAfterMs } = job.dispatched
  if (job.seen.length === 0 && notAfterForResend(quantumMs, nowMs, firstNotAfterMs) !== undefined) {
    return { _tag: "Dispatch", first: false, afterMs: nowMs }
  }
  // accepted at notAfter at the latest, so the quantum that begins there is the last possible k
  const lastQuantumIndex = quantumIndexAt(quantumMs, lastNotAfterMs)
  return poll(job, releaseEdgesMs(quantumMs, context.deadlinesQuanta, lastQuantumIndex, job.planned.bucket), context, true)
}
