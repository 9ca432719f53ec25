/**
 * The records of a compute service's journal and their stored form.
 *
 * Contract: each record can be stored and read back exactly; reading refuses unknown kinds, missing, surplus and ill-typed fields. Caps and
 * tensors are only ever in the sealed part.
 * Knows nothing of: which record may follow which (compute-job.ts), framing, files.
 * Source: funion.md §8, first table; departures: one Input record per slot (an empty one is a verified tombstone); Closed repeats what
 * answers a repeated dispatch, so that it can stand alone after compaction; Spent keeps tokens of forgotten jobs.
 *
 * @module
 */
import { Either, Schema } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import type { StoredRecord } from "./journal-log.ts"
import type { FailureCode, ReleaseKind } from "./release-record.ts"

/** 0 = a result left the service, else the failure code. */
export type OutcomeCode = 0 | FailureCode

export type ComputeRecord =
  | {
    readonly _tag: "Admitted"
    readonly jobId: Uint8Array
    /** plaintext[0..416]; sealed */
    readonly content: Uint8Array
    readonly contentDigest: Uint8Array
    readonly tokenDigest: Uint8Array | undefined
    /** H256 of the job public key that opened the dispatch */
    readonly keyDigest: Uint8Array
    readonly profileId: number
    /** k */
    readonly quantumIndex: number
    readonly acceptedAtMs: number
    /** Edge of every release r */
    readonly edgesMs: ReadonlyArray<number>
    /** A job of the service's own */
    readonly cover?: true
  }
  | {
    readonly _tag: "Input"
    readonly jobId: Uint8Array
    readonly slotIndex: number
    /** Verified plaintext of the slot; empty for a tombstone; sealed */
    readonly bytes: Uint8Array
  }
  | { readonly _tag: "Attempt"; readonly jobId: Uint8Array; readonly attempt: number }
  | {
    readonly _tag: "Sealed"
    readonly jobId: Uint8Array
    readonly releaseIndex: number
    readonly kind: ReleaseKind
    /** Failure code, else 0 */
    readonly code: OutcomeCode
    /** H256 of all slots joined */
    readonly digest: Uint8Array
    /** All n_c box plaintexts, the manifest first; sealed */
    readonly slots: ReadonlyArray<Uint8Array>
  }
  | { readonly _tag: "Confirmed"; readonly jobId: Uint8Array; readonly releaseIndex: number; readonly slotsInRelease: ReadonlyArray<number> }
  | { readonly _tag: "Released"; readonly jobId: Uint8Array; readonly releaseIndex: number }
  /** The service has read the output of a job of its own, as any reader does. */
  | { readonly _tag: "ReadBack"; readonly jobId: Uint8Array }
  | {
    readonly _tag: "Closed"
    readonly jobId: Uint8Array
    readonly notAfterMs: number
    readonly outcome: OutcomeCode
    readonly contentDigest: Uint8Array
    readonly tokenDigest: Uint8Array | undefined
    readonly profileId: number
    readonly quantumIndex: number
    readonly acceptedAtMs: number
    readonly firstEdgeMs: number
    readonly lastEdgeMs: number
    readonly cover?: true
  }
  | { readonly _tag: "Spent"; readonly tokenDigests: ReadonlyArray<Uint8Array> }

const NO_SECRET = new Uint8Array(0)
const bytesOf = (byteLength: number) =>
  Schema.declare((value: unknown): value is Uint8Array => value instanceof Uint8Array && value.length === byteLength)
const JobIdBytes = bytesOf(32)
const Digest = bytesOf(32)
const MaybeDigest = Schema.NullOr(Digest)
const AnyBytes = Schema.declare((value: unknown): value is Uint8Array => value instanceof Uint8Array)
const Count = Schema.Int.pipe(Schema.nonNegative())
const Instant = Count
const Cover = Schema.optionalWith(Schema.Literal(true), { exact: true })
const Outcome = Schema.Literal(0, 1, 2, 3, 4, 5, 6, 7, 8)

const Stored = Schema.Union(
  Schema.Struct({
    t: Schema.Literal("Admitted"), jobId: JobIdBytes, contentDigest: Digest, tokenDigest: MaybeDigest, keyDigest: Digest, profileId: Count,
    quantumIndex: Count, acceptedAtMs: Instant, edgesMs: Schema.Array(Instant), cover: Cover
  }),
  Schema.Struct({ t: Schema.Literal("Input"), jobId: JobIdBytes, slotIndex: Count }),
  Schema.Struct({ t: Schema.Literal("Attempt"), jobId: JobIdBytes, attempt: Count }),
  Schema.Struct({
    t: Schema.Literal("Sealed"), jobId: JobIdBytes, releaseIndex: Count, code: Outcome, digest: Digest, slotCount: Count,
    kind: Schema.Literal("Result", "Failure", "Overflow", "Empty", "Partial")
  }),
  Schema.Struct({ t: Schema.Literal("Confirmed"), jobId: JobIdBytes, releaseIndex: Count, bitmap: AnyBytes }),
  Schema.Struct({ t: Schema.Literal("Released"), jobId: JobIdBytes, releaseIndex: Count }),
  Schema.Struct({ t: Schema.Literal("ReadBack"), jobId: JobIdBytes }),
  Schema.Struct({
    t: Schema.Literal("Closed"), jobId: JobIdBytes, notAfterMs: Instant, outcome: Outcome, contentDigest: Digest, tokenDigest: MaybeDigest,
    profileId: Count, quantumIndex: Count, acceptedAtMs: Instant, firstEdgeMs: Instant, lastEdgeMs: Instant, cover: Cover
  }),
  Schema.Struct({ t: Schema.Literal("Spent"), tokenDigests: Schema.Array(Digest) })
)
type StoredFields = Schema.Schema.Type<typeof Stored>

const readStored = Schema.decodeUnknownEither(Stored, { onExcessProperty: "error" })

/** Bit i of byte floor(i / 8), from the least significant. */
export const encodeBitmap = (indexes: ReadonlyArray<number>): Uint8Array => {
  const bitmap = new Uint8Array(Math.floor(Math.max(-1, ...indexes) / 8) + 1)
  for (const index of indexes) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
  return bitmap
}

export const decodeBitmap = (bitmap: Uint8Array): ReadonlyArray<number> =>
  Array.from({ length: 8 * bitmap.length }, (_, index) => index).filter((index) => ((bitmap[index >> 3] ?? 0) & (1 << (index & 7))) !== 0)

/** Equal parts of a byte string, or nothing when it does not divide. */
export const splitEvenly = (bytes: Uint8Array, count: number): ReadonlyArray<Uint8Array> | undefined => {
  if (count < 1 || bytes.length === 0 || bytes.length % count !== 0) return undefined
  const size = bytes.length / count
  return Array.from({ length: count }, (_, index) => bytes.slice(index * size, (index + 1) * size))
}

export const storeComputeRecord = (record: ComputeRecord): StoredRecord => {
  switch (record._tag) {
    case "Admitted": {
      const { _tag, content, tokenDigest, ...fields } = record
      return { fields: { t: _tag, ...fields, tokenDigest: tokenDigest ?? null }, secret: content }
    }
    case "Input": return { fields: { t: record._tag, jobId: record.jobId, slotIndex: record.slotIndex }, secret: record.bytes }
    case "Sealed": {
      const { _tag, slots, ...fields } = record
      return { fields: { t: _tag, ...fields, slotCount: slots.length }, secret: concatBytes(...slots) }
    }
    case "Confirmed": {
      const { _tag, slotsInRelease, ...fields } = record
      return { fields: { t: _tag, ...fields, bitmap: encodeBitmap(slotsInRelease) }, secret: NO_SECRET }
    }
    case "Closed": {
      const { _tag, tokenDigest, ...fields } = record
      return { fields: { t: _tag, ...fields, tokenDigest: tokenDigest ?? null }, secret: NO_SECRET }
    }
    case "Attempt":
    case "Released":
    case "ReadBack":
    case "Spent": {
      const { _tag, ...fields } = record
      return { fields: { t: _tag, ...fields }, secret: NO_SECRET }
    }
  }
}

const recordOf = (stored: StoredFields, secret: Uint8Array): ComputeRecord | undefined => {
  switch (stored.t) {
    case "Admitted": {
      const { t, tokenDigest, ...fields } = stored
      return { _tag: t, ...fields, tokenDigest: tokenDigest ?? undefined, content: secret }
    }
    case "Input": return { _tag: stored.t, jobId: stored.jobId, slotIndex: stored.slotIndex, bytes: secret }
    case "Sealed": {
      const { t, slotCount, ...fields } = stored
      const slots = splitEvenly(secret, slotCount)
      return slots === undefined ? undefined : { _tag: t, ...fields, slots }
    }
    case "Confirmed": {
      const { t, bitmap, ...fields } = stored
      return { _tag: t, ...fields, slotsInRelease: decodeBitmap(bitmap) }
    }
    case "Closed": {
      const { t, tokenDigest, ...fields } = stored
      return { _tag: t, ...fields, tokenDigest: tokenDigest ?? undefined }
    }
    case "Attempt": return { _tag: stored.t, jobId: stored.jobId, attempt: stored.attempt }
    case "Released": return { _tag: stored.t, jobId: stored.jobId, releaseIndex: stored.releaseIndex }
    case "ReadBack": return { _tag: stored.t, jobId: stored.jobId }
    case "Spent": return { _tag: stored.t, tokenDigests: stored.tokenDigests }
  }
}

/** @returns nothing for a record that no version of this journal writes */
export const readComputeRecord = (stored: StoredRecord): ComputeRecord | undefined => {
  const fields = Either.getOrUndefined(readStored(stored.fields))
  if (fields === undefined) return undefined
  const carriesSecret = fields.t === "Admitted" || fields.t === "Input" || fields.t === "Sealed"
  return carriesSecret || stored.secret.length === 0 ? recordOf(fields, stored.secret) : undefined
}
