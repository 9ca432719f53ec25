/**
 * What a replica answers, inside the sealed reply: u8 type (0 read reply, 1 write reply) ‖ content.
 *
 * | offset | bytes | field of ReplicaReadReply |
 * |---|---|---|
 * | 0 | 1 | `errorCode` |
 * | 1 | 32 | `boxId`, zero on database errors |
 * | 33 | 64 | `signature`, zero unless success or tombstone |
 * | 97 | 4 | payload length |
 * | 101 | n | `payload`: box ciphertext |
 *
 * ReplicaWriteReply: u8 error code.
 *
 * Contract: a tombstone answers code 11 with box id and signature and no payload, so that the reader can verify the deletion.
 * Knows nothing of: envelopes, padding (see padding.ts).
 * Source: pigeonhole.md §3.2; departures: none.
 *
 * @module
 */
import { BOX_ID_BYTES, type BoxId } from "../bacap/box-id.ts"
import { SIGNATURE_BYTES } from "../bacap/box.ts"
import type { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { withType } from "./courier-query.ts"
import { replicaErrorCode, type ReplicaErrorCode } from "./error-code.ts"
import { decodeExact, readSwitch, viewSized, type MessageCodec } from "./message.ts"
import { readBoxId } from "./replica-message.ts"

export interface ReplicaReadReply {
  readonly errorCode: ReplicaErrorCode
  readonly boxId: BoxId
  readonly signature: Uint8Array
  readonly payload: Uint8Array
}

export interface ReplicaWriteReply {
  readonly errorCode: ReplicaErrorCode
}

export type ReplicaReplyInnerMessage = ({ readonly _tag: "ReadReply" } & ReplicaReadReply) | ({ readonly _tag: "WriteReply" } & ReplicaWriteReply)

const writeReadReply = (reply: ReplicaReadReply): Uint8Array => {
  if (reply.signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature is 64 bytes")
  return new ByteWriter(1 + BOX_ID_BYTES + SIGNATURE_BYTES + 4 + reply.payload.length)
    .u8(reply.errorCode).bytes(reply.boxId).bytes(reply.signature).u32(reply.payload.length).bytes(reply.payload).finish()
}

const readReadReply = (reader: ByteReader): ReplicaReadReply => {
  const errorCode = replicaErrorCode(reader.u8())
  const boxId = readBoxId(reader)
  return { errorCode, boxId, signature: reader.bytes(SIGNATURE_BYTES), payload: viewSized(reader) }
}

export const replicaReadReplyCodec: MessageCodec<ReplicaReadReply> = { name: "ReplicaReadReply", encode: writeReadReply, read: readReadReply }

export const replicaWriteReplyCodec: MessageCodec<ReplicaWriteReply> = {
  name: "ReplicaWriteReply",
  encode: (reply) => new ByteWriter(1).u8(reply.errorCode).finish(),
  read: (reader) => ({ errorCode: replicaErrorCode(reader.u8()) })
}

export const replicaReplyInnerMessageCodec: MessageCodec<ReplicaReplyInnerMessage> = {
  name: "ReplicaMessageReplyInnerMessage",
  encode: (reply) =>
    reply._tag === "ReadReply" ? withType(0, replicaReadReplyCodec.encode(reply)) : withType(1, replicaWriteReplyCodec.encode(reply)),
  read: (reader) =>
    readSwitch(reader) === 0
      ? { _tag: "ReadReply", ...replicaReadReplyCodec.read(reader) }
      : { _tag: "WriteReply", ...replicaWriteReplyCodec.read(reader) }
}

export const encodeReplicaReplyInnerMessage = replicaReplyInnerMessageCodec.encode
/** Nothing but one reply (after `unpad`). @errors DecodeError */
export const decodeReplicaReplyInnerMessage = (bytes: Uint8Array) => decodeExact(replicaReplyInnerMessageCodec, bytes)
