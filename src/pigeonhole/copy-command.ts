/**
 * CopyCommand: u32 length ‖ write cap of a temporary stream. Its reply, 10 bytes: u8 status ‖ u8 replica error code ‖ u64 failed envelope.
 *
 * Contract: the write cap stays bytes here; opening it (and refusing it) is the courier's. A status nobody has named stays readable.
 * Knows nothing of: the copy job.
 * Source: pigeonhole.md §3.1; departures: none.
 *
 * @module
 */
import type { Bytes } from "../bytes/fixed-bytes.ts"
import { fixedBytes } from "../bytes/fixed-bytes.ts"
import type { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { copyStatus, replicaErrorCode, type CopyStatus, type ReplicaErrorCode } from "./error-code.ts"
import { decodeExact, readSized, type MessageCodec } from "./message.ts"

export interface CopyCommand {
  /** Serialised write cap, 168 bytes when honest. */
  readonly writeCap: Uint8Array
}

export interface CopyCommandReply {
  readonly status: CopyStatus
  /** Meaningful with status `failed` only. */
  readonly errorCode: ReplicaErrorCode
  /** Position from 1 of the envelope that failed; 0 when not applicable. */
  readonly failedEnvelopeIndex: bigint
}

/** Name of a copy command in caches: H256 of the serialised write cap. */
export type CopyKey = Bytes<"CopyKey">
export const CopyKey = fixedBytes("CopyKey", 32)
export const copyKeyOf = (crypto: CryptoBackend, command: CopyCommand): CopyKey => CopyKey.unsafe(crypto.blake2b256(command.writeCap))

export const copyCommandCodec: MessageCodec<CopyCommand> = {
  name: "CopyCommand",
  encode: (command) => new ByteWriter(4 + command.writeCap.length).u32(command.writeCap.length).bytes(command.writeCap).finish(),
  read: (reader) => ({ writeCap: readSized(reader) })
}

const readReply = (reader: ByteReader): CopyCommandReply => {
  const status = copyStatus(reader.u8())
  const errorCode = replicaErrorCode(reader.u8())
  return { status, errorCode, failedEnvelopeIndex: reader.u64() }
}

export const copyCommandReplyCodec: MessageCodec<CopyCommandReply> = {
  name: "CopyCommandReply",
  encode: (reply) => new ByteWriter(10).u8(reply.status).u8(reply.errorCode).u64(reply.failedEnvelopeIndex).finish(),
  read: readReply
}

export const encodeCopyCommand = copyCommandCodec.encode
/** @errors DecodeError */
export const decodeCopyCommand = (bytes: Uint8Array) => decodeExact(copyCommandCodec, bytes)
export const encodeCopyCommandReply = copyCommandReplyCodec.encode
/** @errors DecodeError */
export const decodeCopyCommandReply = (bytes: Uint8Array) => decodeExact(copyCommandReplyCodec, bytes)
