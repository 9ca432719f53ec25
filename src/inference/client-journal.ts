/**
 * The journal of a client: enough of every unfinished job to go on after a crash with the same bytes, and never with other ones.
 *
 * Contract: as the service's journal: durable before `append` returns; records that must not follow are refused and leave no trace; caps and
 * payload sealed under a local key. Compaction drops done jobs.
 * Knows nothing of: the network, when to do what (client-job.ts decides).
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Effect, Either, Schema } from "effect"
import { WRITE_CAP_BYTES } from "../bacap/capability.ts"
import { concatBytes } from "../bytes/concat.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import {
  applyClientRecord, clientConflictOf, ClientJournalConflict, clientRecordsOf, type ActiveClientJob, type ClientJob, type ClientRecord
} from "./client-job.ts"
import type { JournalOptions } from "./compute-journal.ts"
import { splitEvenly } from "./compute-record.ts"
import type { JournalFile, JournalUnavailable } from "./journal-file.ts"
import { JournalCorrupt } from "./journal-frame.ts"
import { openJournalLog, type JournalLog, type StoredRecord } from "./journal-log.ts"

const LABEL = "funion-client-journal-v1"
const NO_SECRET = new Uint8Array(0)

const Digest = Schema.declare((value: unknown): value is Uint8Array => value instanceof Uint8Array && value.length === 32)
const Count = Schema.Int.pipe(Schema.nonNegative())
const Instant = Schema.Number.pipe(Schema.finite(), Schema.nonNegative())
const Stored = Schema.Union(
  Schema.Struct({
    t: Schema.Literal("Planned"), jobId: Digest, serviceId: Digest, modelIdHash: Digest, modelVersion: Count, bucket: Count, inputClass: Count,
    outputClass: Count, staged: Schema.Boolean, attested: Schema.Boolean, payloadHash: Digest, slotCount: Count,
    stepwise: Schema.optionalWith(Schema.Literal(true), { exact: true })
  }),
  Schema.Struct({ t: Schema.Literal("Uploaded"), jobId: Digest, confirmedAtMs: Instant }),
  Schema.Struct({ t: Schema.Literal("Dispatched"), jobId: Digest, sentAtMs: Instant, notAfterMs: Count }),
  Schema.Struct({ t: Schema.Literal("Accepted"), jobId: Digest, acceptedAtMs: Count, edgesMs: Schema.Array(Count) }),
  Schema.Struct({
    t: Schema.Literal("Seen"), jobId: Digest, releaseIndex: Count, last: Schema.Boolean,
    kind: Schema.Literal("Result", "Failure", "Overflow", "Empty", "Partial")
  }),
  Schema.Struct({
    t: Schema.Literal("Done"), jobId: Digest,
    outcome: Schema.Literal("result", "failure", "rejected", "upload-failed", "timed-out", "cancelled", "broken-service", "handed-over")
  })
)
const readStored = Schema.decodeUnknownEither(Stored, { onExcessProperty: "error" })

/** The stored form; the sealed part of Planned is W_in ‖ W_out ‖ slots. */
export const storeClientRecord = (record: ClientRecord): StoredRecord => {
  if (record._tag !== "Planned") {
    const { _tag, ...fields } = record
    return { fields: { t: _tag, ...fields }, secret: NO_SECRET }
  }
  const { _tag, inputWriteCap, outputWriteCap, inputSlots, ...fields } = record
  if (inputWriteCap.length !== WRITE_CAP_BYTES || outputWriteCap.length !== WRITE_CAP_BYTES) throw new RangeError("write caps are 168 bytes")
  return { fields: { t: _tag, ...fields, slotCount: inputSlots.length }, secret: concatBytes(inputWriteCap, outputWriteCap, ...inputSlots) }
}

type PublicFields = Exclude<Schema.Schema.Type<typeof Stored>, { readonly t: "Planned" }>

const recordOf = (fields: PublicFields): ClientRecord => {
  const { jobId } = fields
  switch (fields.t) {
    case "Uploaded": return { _tag: fields.t, jobId, confirmedAtMs: fields.confirmedAtMs }
    case "Dispatched": return { _tag: fields.t, jobId, sentAtMs: fields.sentAtMs, notAfterMs: fields.notAfterMs }
    case "Accepted": return { _tag: fields.t, jobId, acceptedAtMs: fields.acceptedAtMs, edgesMs: fields.edgesMs }
    case "Seen": return { _tag: fields.t, jobId, releaseIndex: fields.releaseIndex, kind: fields.kind, last: fields.last }
    case "Done": return { _tag: fields.t, jobId, outcome: fields.outcome }
  }
}

/** @returns nothing for a record that no version of this journal writes */
export const readClientRecord = (stored: StoredRecord): ClientRecord | undefined => {
  const fields = Either.getOrUndefined(readStored(stored.fields))
  if (fields === undefined) return undefined
  if (fields.t !== "Planned") {
    return stored.secret.length === 0 ? recordOf(fields) : undefined
  }
  const { t, slotCount, ...rest } = fields
  const framed = stored.secret.subarray(2 * WRITE_CAP_BYTES)
  const inputSlots = slotCount === 0 && framed.length === 0 && stored.secret.length === 2 * WRITE_CAP_BYTES ? [] : splitEvenly(framed, slotCount)
  return inputSlots === undefined ? undefined : {
    _tag: t, ...rest, inputSlots,
    inputWriteCap: stored.secret.slice(0, WRITE_CAP_BYTES),
    outputWriteCap: stored.secret.slice(WRITE_CAP_BYTES, 2 * WRITE_CAP_BYTES)
  }
}

export interface ClientJournal {
  /** Makes the record durable, then part of the state. */
  readonly append: (record: ClientRecord) => Effect.Effect<void, ClientJournalConflict | JournalUnavailable>
  readonly job: (jobId: Uint8Array) => ClientJob | undefined
  /** Jobs that are not done, oldest first: what a restart goes on with */
  readonly activeJobs: () => ReadonlyArray<ActiveClientJob>
  /** Rewrites the journal without done jobs. @returns number of jobs dropped */
  readonly compact: Effect.Effect<number, JournalUnavailable>
}

const makeJournal = (crypto: CryptoBackend, log: JournalLog, jobs: Map<string, ClientJob>, lock: Effect.Semaphore): ClientJournal => ({
  append: (record) => lock.withPermits(1)(Effect.uninterruptible(Effect.suspend((): Effect.Effect<void, ClientJournalConflict | JournalUnavailable> => {
    const reason = clientConflictOf(crypto, jobs, record)
    if (reason !== undefined) return Effect.fail(new ClientJournalConflict({ reason }))
    return Effect.map(log.append(storeClientRecord(record)), () => {
      applyClientRecord(crypto, jobs, record)
    })
  }))),
  job: (jobId) => jobs.get(toHex(jobId)),
  activeJobs: () => [...jobs.values()].filter((job) => job._tag === "Active"),
  compact: lock.withPermits(1)(Effect.uninterruptible(Effect.suspend(() => {
    const done = [...jobs].filter(([, job]) => job._tag === "Done").map(([key]) => key)
    const records = [...jobs.values()].flatMap(clientRecordsOf)
    return Effect.map(log.replaceAll(records.map(storeClientRecord)), () => {
      for (const key of done) jobs.delete(key)
      return done.length
    })
  })))
})

/**
 * Opens the journal in `JournalFile` and rebuilds the state.
 * @errors JournalCorrupt; JournalUnavailable
 */
export const openClientJournal = (
  crypto: CryptoBackend,
  options: JournalOptions
): Effect.Effect<ClientJournal, JournalCorrupt | JournalUnavailable, JournalFile> =>
  Effect.gen(function* () {
    const { records, log } = yield* openJournalLog(crypto, { label: LABEL, ...options })
    const jobs = new Map<string, ClientJob>()
    for (const [recordIndex, stored] of records.entries()) {
      const record = readClientRecord(stored)
      if (record === undefined) return yield* new JournalCorrupt({ reason: "record", recordIndex })
      if (Either.isLeft(applyClientRecord(crypto, jobs, record))) return yield* new JournalCorrupt({ reason: "conflict", recordIndex })
    }
    return makeJournal(crypto, log, jobs, yield* Effect.makeSemaphore(1))
  })
