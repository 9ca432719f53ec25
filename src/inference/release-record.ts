/**
 * The records of an output stream: result, failure, overflow, empty stage, partial. To storage they are all the same.
 *
 * Contract: every record of a class has the same number of slots, each of exactly M bytes. What a record says never holds text of a runtime:
 * failures are a closed list of codes.
 * Knows nothing of: edges (which record leaves when), boxes, models.
 * Source: funion.md §3, §4, §6.4; departures: a job that asked for attestation has all its records attested, overflow and failure too.
 *
 * @module
 */
import { Either } from "effect"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { DecodeError } from "../bytes/decode-error.ts"
import {
  CONTENT_TYPES, FAILURE_PAYLOAD_BYTES, openManifest, outputTag, type Attestor, type ExpectedManifest, type LyingManifest, type StreamManifest
} from "./stream-manifest.ts"
import { assemble, encodeSlots, SlotsRefused, type PayloadTooLarge, type StreamContent } from "./slots.ts"

/** Why an accepted job has no result; the closed list of the wire. */
export const FAILURE_CODES = {
  inputNotFound: 1,
  framing: 2,
  shape: 3,
  model: 4,
  timeLimit: 5,
  outputTooLarge: 6,
  inputWithdrawn: 7,
  lostInCrash: 8
} as const
export type FailureCode = (typeof FAILURE_CODES)[keyof typeof FAILURE_CODES]

export const isFailureCode = (value: number): value is FailureCode => Number.isInteger(value) && value >= 1 && value <= 8

/** What a release says. */
export type ReleaseRecord =
  | { readonly _tag: "Result"; readonly content: StreamContent }
  | { readonly _tag: "Failure"; readonly code: FailureCode }
  | { readonly _tag: "Overflow" }
  /** Staged only: nothing new at this edge */
  | { readonly _tag: "Empty" }
  /** Staged only: bytes to append */
  | { readonly _tag: "Partial"; readonly payload: Uint8Array }

export type ReleaseKind = ReleaseRecord["_tag"]

/** True for the record after which an unstaged job has nothing more to release. */
export const isFinalKind = (kind: ReleaseKind): boolean => kind === "Result" || kind === "Failure"

const NOTHING = new Uint8Array(0)

const contentOf = (record: ReleaseRecord): StreamContent => {
  switch (record._tag) {
    case "Result": return record.content
    case "Failure": {
      const payload = new ByteWriter(FAILURE_PAYLOAD_BYTES).u16(record.code).zeroFill().finish()
      return { contentType: CONTENT_TYPES.failure, shape: undefined, payload }
    }
    case "Overflow": return { contentType: CONTENT_TYPES.overflow, shape: undefined, payload: NOTHING }
    case "Empty": return { contentType: CONTENT_TYPES.empty, shape: undefined, payload: NOTHING }
    case "Partial": return { contentType: CONTENT_TYPES.partial, shape: undefined, payload: record.payload }
  }
}

/** Where a release stands in its job. */
export interface ReleasePlace {
  /** M */
  readonly boxBytes: number
  readonly classId: number
  readonly jobId: Uint8Array
  readonly staged: boolean
  /** r */
  readonly releaseIndex: number
  /** n − j + 1 */
  readonly releaseCount: number
  /** Quanta from this edge to the next one, 0 at t_n */
  readonly quantaToNext: number
  readonly attestor?: Attestor
}

/** True when nothing comes after this record: unstaged a result or failure, staged the record of t_n. */
export const isLastRelease = (place: Pick<ReleasePlace, "staged" | "releaseIndex" | "releaseCount">, kind: ReleaseKind): boolean =>
  place.staged ? place.releaseIndex === place.releaseCount - 1 : isFinalKind(kind)

/**
 * The plaintexts of all n_c slots of one release, M bytes each, the manifest first. A kind that the job cannot have at this place (a stage of
 * an unstaged job, an overflow of a staged one or at t_n) is a mistake of ours and dies.
 * @errors PayloadTooLarge only for results and partials; the caller then seals failure 6
 */
export const sealRelease = (
  crypto: CryptoBackend,
  place: ReleasePlace,
  record: ReleaseRecord
): Either.Either<ReadonlyArray<Uint8Array>, PayloadTooLarge> => {
  const isStage = record._tag === "Empty" || record._tag === "Partial"
  const last = isLastRelease(place, record._tag)
  if (place.staged ? record._tag === "Overflow" : isStage) throw new RangeError(`no ${record._tag} record in this job`)
  if (!last && place.releaseIndex >= place.releaseCount - 1) throw new RangeError("the record of the last edge must be the last one")
  return encodeSlots(crypto, {
    boxBytes: place.boxBytes,
    classId: place.classId,
    jobTag: outputTag(crypto, place.jobId),
    releaseIndex: place.releaseIndex,
    last,
    quantaToNext: last ? 0 : place.quantaToNext,
    ...(place.attestor === undefined ? {} : { attestor: place.attestor })
  }, contentOf(record))
}

/** A release as read: what it says and where it stands. */
export interface OpenedRelease {
  readonly record: ReleaseRecord
  readonly releaseIndex: number
  readonly last: boolean
  /** An attestation was demanded, and is valid */
  readonly attested: boolean
}

const decodeFailure = (payload: Uint8Array): Either.Either<FailureCode, DecodeError> => {
  const reader = new ByteReader("Failure", payload)
  const code = reader.u16()
  reader.zeros(6)
  if (!isFailureCode(code)) reader.fail("out-of-range")
  return reader.finish(isFailureCode(code) ? code : FAILURE_CODES.lostInCrash)
}

const recordOf = (manifest: StreamManifest, payload: Uint8Array): Either.Either<ReleaseRecord, DecodeError> => {
  switch (manifest.contentType) {
    case CONTENT_TYPES.tensor:
    case CONTENT_TYPES.container:
      return Either.right({ _tag: "Result", content: { contentType: manifest.contentType, shape: manifest.shape, payload } })
    case CONTENT_TYPES.failure: return Either.map(decodeFailure(payload), (code) => ({ _tag: "Failure", code }))
    case CONTENT_TYPES.overflow: return Either.right({ _tag: "Overflow" })
    case CONTENT_TYPES.empty: return Either.right({ _tag: "Empty" })
    case CONTENT_TYPES.partial: return Either.right({ _tag: "Partial", payload })
  }
}

/**
 * Reads all n_c slots of one release. The caller has read every one of them first, whatever the manifest says (O10).
 * @param expected  of an output stream
 * @param slots     plaintexts of slots 0 … n_c − 1 of the release
 * @errors LyingManifest; SlotsRefused; DecodeError for a failure code that is none
 */
export const openRelease = (
  crypto: CryptoBackend,
  expected: ExpectedManifest,
  slots: ReadonlyArray<Uint8Array>
): Either.Either<OpenedRelease, LyingManifest | SlotsRefused | DecodeError> => {
  const [first, ...chunks] = slots
  if (first === undefined) return Either.left(new SlotsRefused({ reason: "missing" }))
  return Either.gen(function* () {
    const manifest = yield* openManifest(crypto, first, expected)
    const payload = yield* assemble(crypto, manifest, chunks)
    const record = yield* recordOf(manifest, payload)
    const attested = expected.stream._tag === "Output" && expected.stream.attestedBy !== undefined
    return { record, releaseIndex: manifest.releaseIndex, last: manifest.last, attested }
  })
}

/**
 * Reads all slots of an input stream.
 * @param expected  of an input stream
 * @errors LyingManifest; SlotsRefused. Charlie answers both with failure 2.
 */
export const openInput = (
  crypto: CryptoBackend,
  expected: ExpectedManifest,
  slots: ReadonlyArray<Uint8Array>
): Either.Either<StreamContent, LyingManifest | SlotsRefused> => {
  const [first, ...chunks] = slots
  if (first === undefined) return Either.left(new SlotsRefused({ reason: "missing" }))
  return Either.gen(function* () {
    const manifest = yield* openManifest(crypto, first, expected)
    const payload = yield* assemble(crypto, manifest, chunks)
    return { contentType: manifest.contentType, shape: manifest.shape, payload }
  })
}
