/**
 * What `Upload` gives and `Dispatch` takes: all it takes to commission a job whose input is in storage.
 *
 * | offset | bytes | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 + 1 | version, zero | 1 |
 * | 2 | 1 + 1 | `bucket`, `profileId` | j, from 1 |
 * | 4 | 2 + 2 | `inputClass`, `outputClass` | steps of the ladder of sizes |
 * | 8 | 4 + 4 | `modelVersion`, zero | |
 * | 16 | 32 | `jobId` | |
 * | 48 | 32 | `serviceId` | H256(identity key of the service) |
 * | 80 | 32 | `modelIdHash` | H256(model card) |
 * | 112 | 168 | `inputWriteCap` | W_in |
 * | 280 | 168 | `outputWriteCap` | W_out |
 * | 448 | 32 | check | H256("funion-upload-v1" ‖ all before) |
 *
 * Contract: exactly 480 bytes; one record has one encoding, and any change to it is noticed. W_out is in it so that every dispatch of the record has
 * the same content, whoever sends it. Holding the record is owning the job: it is a secret, and nothing here prints it.
 * Knows nothing of: tickets, journals.
 * Source: none in the protocol (local to a person and their clients); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { decodeWriteCap, WRITE_CAP_BYTES } from "../bacap/capability.ts"
import { utf8 } from "../bytes/concat.ts"
import { DecodeError } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { isSizeClass } from "../params/size-class.ts"
import { JOB_ID_BYTES, MODEL_ID_HASH_BYTES } from "./dispatch.ts"
import { SERVICE_ID_BYTES } from "./dispatch-seal.ts"

const VERSION = 1
const HEAD_BYTES = 16
const CHECK_BYTES = 32
const CHECKED_BYTES = HEAD_BYTES + JOB_ID_BYTES + SERVICE_ID_BYTES + MODEL_ID_HASH_BYTES + 2 * WRITE_CAP_BYTES
export const UPLOAD_RECORD_BYTES = CHECKED_BYTES + CHECK_BYTES
const LABEL = utf8("funion-upload-v1")

if (UPLOAD_RECORD_BYTES !== 480) throw new RangeError("upload record must be 480 bytes")

export interface UploadRecord {
  /** j, from 1 */
  readonly bucket: number
  readonly profileId: number
  readonly inputClass: number
  readonly outputClass: number
  readonly modelVersion: number
  readonly jobId: Uint8Array
  readonly serviceId: Uint8Array
  readonly modelIdHash: Uint8Array
  /** W_in, 168 bytes */
  readonly inputWriteCap: Uint8Array
  /** W_out, 168 bytes */
  readonly outputWriteCap: Uint8Array
}

/** 480 bytes; a field of the wrong length is a mistake of ours and dies. */
export const encodeUploadRecord = (crypto: CryptoBackend, record: UploadRecord): Uint8Array => {
  const checked = new ByteWriter(CHECKED_BYTES)
    .u8(VERSION).u8(0)
    .u8(record.bucket).u8(record.profileId)
    .u16(record.inputClass).u16(record.outputClass)
    .u32(record.modelVersion).u32(0)
    .bytes(record.jobId)
    .bytes(record.serviceId)
    .bytes(record.modelIdHash)
    .bytes(record.inputWriteCap)
    .bytes(record.outputWriteCap)
    .finish()
  return new ByteWriter(UPLOAD_RECORD_BYTES).bytes(checked).bytes(crypto.blake2b256(LABEL, checked)).finish()
}

/** @errors DecodeError: length, version, reserved bytes; `inconsistent` for a wrong check, bucket 0, a class off the ladder or caps that are none */
export const decodeUploadRecord = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<UploadRecord, DecodeError> => {
  const reader = new ByteReader("UploadRecord", bytes)
  reader.require(bytes.length === UPLOAD_RECORD_BYTES, "wrong-length")
  reader.require(reader.u8() === VERSION, "unknown-type")
  reader.zeros(1)
  const head = { bucket: reader.u8(), profileId: reader.u8(), inputClass: reader.u16(), outputClass: reader.u16(), modelVersion: reader.u32() }
  reader.zeros(4)
  const record: UploadRecord = {
    ...head,
    jobId: reader.bytes(JOB_ID_BYTES),
    serviceId: reader.bytes(SERVICE_ID_BYTES),
    modelIdHash: reader.bytes(MODEL_ID_HASH_BYTES),
    inputWriteCap: reader.bytes(WRITE_CAP_BYTES),
    outputWriteCap: reader.bytes(WRITE_CAP_BYTES)
  }
  const check = reader.bytes(CHECK_BYTES)
  if (!reader.failed) {
    reader.require(constantTimeEqual(check, crypto.blake2b256(LABEL, bytes.subarray(0, CHECKED_BYTES))), "inconsistent")
    reader.require(record.bucket > 0 && isSizeClass(record.inputClass) && isSizeClass(record.outputClass), "inconsistent")
    const caps = [record.inputWriteCap, record.outputWriteCap]
    if (!reader.failed) reader.require(caps.every((cap) => Either.isRight(decodeWriteCap(crypto, cap))), "inconsistent")
  }
  return reader.finish(record)
}
