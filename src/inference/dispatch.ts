/**
 * The plaintext of a dispatch: what a client asks of a compute service, in one message of fixed size.
 *
 * | offset | bytes | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | version | 1 |
 * | 1 | 1 | flags | bit 0 staged, bit 1 attested result wanted |
 * | 2 | 1 | `bucket` | j, from 1 |
 * | 3 | 1 | | zero |
 * | 4 | 2 + 2 | `inputClass`, `outputClass` | steps of the ladder of sizes |
 * | 8 | 8 | `notAfterMs` | Unix milliseconds, multiple of q |
 * | 16 | 32 | `jobId` | random |
 * | 48 | 32 | `modelIdHash` | H256(model card) |
 * | 80 | 4 | `modelVersion` | must equal the card's |
 * | 84 | 4 | | zero |
 * | 88 | 136 | `inputReadCap` | R_in |
 * | 224 | 168 | `outputWriteCap` | W_out |
 * | 392 | 24 | | zero |
 * | 416 | 432 / 512 | `tokenArea` | type 2, length 2, token, zeros |
 *
 * Contract: decoding refuses version and reserved bytes, which the service answers with reason 1; every other judgement, caps and token area
 * included, belongs to later checks and is kept as it came.
 * Knows nothing of: encryption, clocks, which models exist. Caps are secrets: nothing here prints them.
 * Source: funion.md §6.2; departures: none (a malformed token area is the token check's business, reason 4).
 *
 * @module
 */
import { Either } from "effect"
import { DecodeError } from "../bytes/decode-error.ts"
import { fixedBytes, type Bytes } from "../bytes/fixed-bytes.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { READ_CAP_BYTES, WRITE_CAP_BYTES } from "../bacap/capability.ts"
import { utf8 } from "../bytes/concat.ts"
import type { CryptoBackend } from "../crypto/backend.ts"

/** One per network, stated by the document: 1 = X25519, 2 = X-Wing. */
export type DispatchSuite = 1 | 2

export const JOB_ID_BYTES = 32
export type JobId = Bytes<"JobId">
export const JobId = fixedBytes("JobId", JOB_ID_BYTES)

export const MODEL_ID_HASH_BYTES = 32
/** Everything before the token area, in both suites. */
export const DISPATCH_CONTENT_BYTES = 416
export const DISPATCH_VERSION = 1

const RESERVED_BYTES = 24
const NOT_AFTER_OFFSET = 8
const JOB_ID_OFFSET = 16
const FLAG_STAGED = 1
const FLAG_ATTESTED = 2
const TOKEN_HEADER_BYTES = 4

const TOKEN_AREA_BYTES: Readonly<Record<DispatchSuite, number>> = { 1: 512, 2: 432 }

export const tokenAreaBytes = (suite: DispatchSuite): number => TOKEN_AREA_BYTES[suite]
/** 928 for suite 1, 848 for suite 2. */
export const dispatchPlaintextBytes = (suite: DispatchSuite): number => DISPATCH_CONTENT_BYTES + TOKEN_AREA_BYTES[suite]

const FIXED_FIELD_BYTES = 4 + 4 + 8 + JOB_ID_BYTES + MODEL_ID_HASH_BYTES + 8 + READ_CAP_BYTES + WRITE_CAP_BYTES + RESERVED_BYTES
if (FIXED_FIELD_BYTES !== DISPATCH_CONTENT_BYTES) throw new RangeError("dispatch content must be 416 bytes")
if (dispatchPlaintextBytes(1) !== 928 || dispatchPlaintextBytes(2) !== 848) throw new RangeError("dispatch plaintext must be 928 or 848 bytes")

/** Admission token types; 0xff00 and up are private. */
export const TOKEN_NONE = 0
export const TOKEN_BLIND_RSA = 1
export const TOKEN_VOPRF = 2

export interface AdmissionToken {
  readonly type: number
  readonly value: Uint8Array
}

/** All of a dispatch but the token. */
export interface DispatchContent {
  readonly staged: boolean
  readonly attested: boolean
  /** j, from 1; 1 when staged */
  readonly bucket: number
  readonly inputClass: number
  readonly outputClass: number
  /** A value beyond 2^53 decodes to the nearest double: it is too far ahead in any case. */
  readonly notAfterMs: number
  readonly jobId: JobId
  /** 32 bytes */
  readonly modelIdHash: Uint8Array
  readonly modelVersion: number
  /** R_in, 136 bytes as in BACAP */
  readonly inputReadCap: Uint8Array
  /** W_out, 168 bytes as in BACAP */
  readonly outputWriteCap: Uint8Array
}

export interface Dispatch extends DispatchContent {
  /** 512 bytes for suite 1, 432 for suite 2; made by `encodeTokenArea` */
  readonly tokenArea: Uint8Array
}

/** @errors DecodeError `out-of-range` when the token does not fit the suite's area */
export const encodeTokenArea = (suite: DispatchSuite, token: AdmissionToken): Either.Either<Uint8Array, DecodeError> => {
  const areaBytes = TOKEN_AREA_BYTES[suite]
  if (token.value.length > areaBytes - TOKEN_HEADER_BYTES) return Either.left(new DecodeError({ what: "AdmissionToken", reason: "out-of-range" }))
  return Either.right(new ByteWriter(areaBytes).u16(token.type).u16(token.value.length).bytes(token.value).zeroFill().finish())
}

/** The token area of a network without tokens: type 0, all zero. */
export const emptyTokenArea = (suite: DispatchSuite): Uint8Array => new Uint8Array(TOKEN_AREA_BYTES[suite])

/** @errors DecodeError `truncated`, `padding-not-zero`; `inconsistent` for type 0 with a token. All of them are reason 4. */
export const decodeTokenArea = (area: Uint8Array): Either.Either<AdmissionToken, DecodeError> => {
  const reader = new ByteReader("AdmissionToken", area)
  const type = reader.u16()
  const value = reader.bytes(reader.u16())
  reader.zeros(reader.remaining, "padding-not-zero")
  reader.require(type !== TOKEN_NONE || value.length === 0, "inconsistent")
  return reader.finish({ type, value })
}

/**
 * The plaintext of a dispatch; a field of the wrong length, an instant off 2^53 or a staged job with j ≠ 1 is a mistake of ours and dies.
 * @returns 928 bytes for suite 1, 848 for suite 2
 */
export const encodeDispatch = (suite: DispatchSuite, dispatch: Dispatch): Uint8Array => {
  const lengths = dispatch.modelIdHash.length === MODEL_ID_HASH_BYTES && dispatch.inputReadCap.length === READ_CAP_BYTES &&
    dispatch.outputWriteCap.length === WRITE_CAP_BYTES && dispatch.tokenArea.length === TOKEN_AREA_BYTES[suite]
  if (!lengths) throw new RangeError("a field of the dispatch has the wrong length")
  if (!Number.isSafeInteger(dispatch.notAfterMs) || (dispatch.staged && dispatch.bucket !== 1)) throw new RangeError("dispatch cannot be expressed")
  return new ByteWriter(dispatchPlaintextBytes(suite))
    .u8(DISPATCH_VERSION)
    .u8((dispatch.staged ? FLAG_STAGED : 0) | (dispatch.attested ? FLAG_ATTESTED : 0))
    .u8(dispatch.bucket).u8(0)
    .u16(dispatch.inputClass).u16(dispatch.outputClass)
    .u64(dispatch.notAfterMs)
    .bytes(dispatch.jobId)
    .bytes(dispatch.modelIdHash)
    .u32(dispatch.modelVersion).u32(0)
    .bytes(dispatch.inputReadCap)
    .bytes(dispatch.outputWriteCap)
    .zeros(RESERVED_BYTES)
    .bytes(dispatch.tokenArea)
    .finish()
}

const readContent = (reader: ByteReader): DispatchContent => {
  reader.require(reader.u8() === DISPATCH_VERSION, "unknown-type")
  const flags = reader.u8()
  reader.require((flags & ~(FLAG_STAGED | FLAG_ATTESTED)) === 0, "reserved-not-zero")
  const bucket = reader.u8()
  reader.zeros(1)
  const inputClass = reader.u16()
  const outputClass = reader.u16()
  const notAfterMs = Number(reader.u64())
  const jobId = JobId.unsafe(reader.bytes(JOB_ID_BYTES))
  const modelIdHash = reader.bytes(MODEL_ID_HASH_BYTES)
  const modelVersion = reader.u32()
  reader.zeros(4)
  const inputReadCap = reader.bytes(READ_CAP_BYTES)
  const outputWriteCap = reader.bytes(WRITE_CAP_BYTES)
  reader.zeros(RESERVED_BYTES)
  return {
    staged: (flags & FLAG_STAGED) !== 0,
    attested: (flags & FLAG_ATTESTED) !== 0,
    bucket, inputClass, outputClass, notAfterMs, jobId, modelIdHash, modelVersion, inputReadCap, outputWriteCap
  }
}

/**
 * Reads a plaintext of the suite.
 * @errors DecodeError `wrong-length`; `unknown-type` for another version; `reserved-not-zero`
 */
export const decodeDispatch = (suite: DispatchSuite, plaintext: Uint8Array): Either.Either<Dispatch, DecodeError> => {
  const reader = new ByteReader("Dispatch", plaintext)
  reader.require(plaintext.length === dispatchPlaintextBytes(suite), "wrong-length")
  const content = readContent(reader)
  return reader.finish({ ...content, tokenArea: reader.bytes(TOKEN_AREA_BYTES[suite]) })
}

/** Reads the 416 bytes before the token area, as the journal keeps them. @errors as `decodeDispatch` */
export const decodeDispatchContent = (content: Uint8Array): Either.Either<DispatchContent, DecodeError> => {
  const reader = new ByteReader("Dispatch", content)
  reader.require(content.length === DISPATCH_CONTENT_BYTES, "wrong-length")
  return reader.finish(readContent(reader))
}

const CONTENT_LABEL = utf8("funion-accept-v1")

/**
 * What makes two dispatches with one jobId the same: all but notAfter and token. Every reply repeats it.
 * @param plaintext  at least the first 416 bytes of a dispatch plaintext
 * @returns H256("funion-accept-v1" ‖ plaintext[0..8] ‖ plaintext[16..416])
 */
export const contentDigest = (crypto: CryptoBackend, plaintext: Uint8Array): Uint8Array => {
  if (plaintext.length < DISPATCH_CONTENT_BYTES) throw new RangeError("dispatch plaintext too short")
  return crypto.blake2b256(CONTENT_LABEL, plaintext.subarray(0, NOT_AFTER_OFFSET), plaintext.subarray(JOB_ID_OFFSET, DISPATCH_CONTENT_BYTES))
}
