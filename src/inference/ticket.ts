/**
 * The ticket for a receiver other than the sender: all it takes to read a job's output, and nothing of the input.
 *
 * | offset | bytes | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | version | 1 |
 * | 1 | 1 | flags | bit 0 staged, bit 1 attested, as in the dispatch |
 * | 2 | 1 | `bucket` | j, from 1 |
 * | 3 | 1 | | zero |
 * | 4 | 2 | `outputClass` | step of the ladder of sizes |
 * | 6 | 2 | | zero |
 * | 8 | 8 | `acceptedAtMs` | (k + 1)·q |
 * | 16 | 136 | `outputReadCap` | R_out |
 * | 152 | 16 | `outputTag` | tag of every output manifest |
 * | 168 | 32 | `serviceId` | H256(identity key of the service) |
 * | 200 | 32 | `modelIdHash` | or zeros, when the sender does not tell |
 * | 232 | 24 | | zero |
 *
 * Contract: exactly 256 bytes; one ticket has one encoding. How it travels, and its secrecy, are the sender's business.
 * Knows nothing of: deadlines (the receiver takes them from the document), boxes.
 * Source: funion.md §6.4; departures: none.
 *
 * @module
 */
import type { Either } from "effect"
import { READ_CAP_BYTES } from "../bacap/capability.ts"
import type { DecodeError } from "../bytes/decode-error.ts"
import { isAllZero } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { MODEL_ID_HASH_BYTES } from "./dispatch.ts"
import { SERVICE_ID_BYTES } from "./dispatch-seal.ts"
import { JOB_TAG_BYTES } from "./stream-manifest.ts"

export const TICKET_BYTES = 256
const TICKET_VERSION = 1
const FLAG_STAGED = 1
const FLAG_ATTESTED = 2
const RESERVED_BYTES = 24

if (16 + READ_CAP_BYTES + JOB_TAG_BYTES + SERVICE_ID_BYTES + MODEL_ID_HASH_BYTES + RESERVED_BYTES !== TICKET_BYTES) {
  throw new RangeError("ticket must be 256 bytes")
}

export interface Ticket {
  readonly staged: boolean
  readonly attested: boolean
  /** j, from 1; 1 when staged */
  readonly bucket: number
  readonly outputClass: number
  readonly acceptedAtMs: number
  /** R_out, 136 bytes as in BACAP */
  readonly outputReadCap: Uint8Array
  /** 16 bytes */
  readonly outputTag: Uint8Array
  /** 32 bytes */
  readonly serviceId: Uint8Array
  /** 32 bytes; undefined when the sender does not tell */
  readonly modelIdHash: Uint8Array | undefined
}

/** 256 bytes; a field of the wrong length is a mistake of ours and dies. */
export const encodeTicket = (ticket: Ticket): Uint8Array => {
  const modelIdHash = ticket.modelIdHash ?? new Uint8Array(MODEL_ID_HASH_BYTES)
  return new ByteWriter(TICKET_BYTES)
    .u8(TICKET_VERSION)
    .u8((ticket.staged ? FLAG_STAGED : 0) | (ticket.attested ? FLAG_ATTESTED : 0))
    .u8(ticket.bucket).u8(0)
    .u16(ticket.outputClass).u16(0)
    .u64(ticket.acceptedAtMs)
    .bytes(ticket.outputReadCap)
    .bytes(ticket.outputTag)
    .bytes(ticket.serviceId)
    .bytes(modelIdHash)
    .zeros(RESERVED_BYTES)
    .finish()
}

/** @errors DecodeError: length, version, reserved bytes; `inconsistent` for bucket 0 or a staged ticket with j ≠ 1 */
export const decodeTicket = (bytes: Uint8Array): Either.Either<Ticket, DecodeError> => {
  const reader = new ByteReader("Ticket", bytes)
  reader.require(bytes.length === TICKET_BYTES, "wrong-length")
  reader.require(reader.u8() === TICKET_VERSION, "unknown-type")
  const flags = reader.u8()
  reader.require((flags & ~(FLAG_STAGED | FLAG_ATTESTED)) === 0, "reserved-not-zero")
  const staged = (flags & FLAG_STAGED) !== 0
  const bucket = reader.u8()
  reader.require(bucket > 0 && (!staged || bucket === 1), "inconsistent")
  reader.zeros(1)
  const outputClass = reader.u16()
  reader.zeros(2)
  const acceptedAtMs = reader.u64number()
  const outputReadCap = reader.bytes(READ_CAP_BYTES)
  const outputTag = reader.bytes(JOB_TAG_BYTES)
  const serviceId = reader.bytes(SERVICE_ID_BYTES)
  const modelIdHash = reader.bytes(MODEL_ID_HASH_BYTES)
  reader.zeros(RESERVED_BYTES)
  return reader.finish({
    staged, attested: (flags & FLAG_ATTESTED) !== 0, bucket, outputClass, acceptedAtMs, outputReadCap, outputTag, serviceId,
    modelIdHash: isAllZero(modelIdHash) ? undefined : modelIdHash
  })
}
