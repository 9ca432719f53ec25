/**
 * CourierQueryReply, what a courier answers: u8 type (0 envelope reply, 1 copy reply) ‖ content.
 *
 * CourierEnvelopeReply:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 32 | `envelopeHash` |
 * | 32 | 1 | `replyIndex` that was served |
 * | 33 | 1 | `replyType`: 0 ACK, 1 PAYLOAD |
 * | 34 | 4 | payload length |
 * | 38 | n | `payload`: the replica's EnvelopeReply; empty for ACK |
 * | 38+n | 1 | `errorCode`, courier namespace |
 *
 * Contract: a reply type other than 0 and 1 does not parse. Whether an ACK carries a payload is not judged here.
 * Knows nothing of: caches, what the payload holds.
 * Source: pigeonhole.md §3.1; departures: none.
 *
 * @module
 */
import type { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { copyCommandReplyCodec, type CopyCommandReply } from "./copy-command.ts"
import { withType } from "./courier-query.ts"
import { EnvelopeHash } from "./envelope.ts"
import { courierErrorCode, type CourierErrorCode } from "./error-code.ts"
import { ENVELOPE_HASH_BYTES } from "./geometry.ts"
import { decodeExact, decodeTop, readSwitch, viewSized, type MessageCodec } from "./message.ts"

export interface CourierEnvelopeReply {
  readonly envelopeHash: EnvelopeHash
  /** Index of the replica whose reply this is: 0 or 1 when honest. */
  readonly replyIndex: number
  readonly replyType: "ack" | "payload"
  readonly payload: Uint8Array
  readonly errorCode: CourierErrorCode
}

export type CourierQueryReply =
  | { readonly _tag: "EnvelopeReply"; readonly envelopeReply: CourierEnvelopeReply }
  | { readonly _tag: "CopyCommandReply"; readonly copyCommandReply: CopyCommandReply }

const writeEnvelopeReply = (reply: CourierEnvelopeReply): Uint8Array =>
  new ByteWriter(ENVELOPE_HASH_BYTES + 1 + 1 + 4 + reply.payload.length + 1)
    .bytes(reply.envelopeHash)
    .u8(reply.replyIndex)
    .u8(reply.replyType === "payload" ? 1 : 0)
    .u32(reply.payload.length).bytes(reply.payload)
    .u8(reply.errorCode)
    .finish()

const readEnvelopeReply = (reader: ByteReader): CourierEnvelopeReply => {
  const hash = EnvelopeHash.unsafe(reader.bytes(ENVELOPE_HASH_BYTES))
  const replyIndex = reader.u8()
  const replyType = readSwitch(reader) === 1 ? "payload" : "ack"
  const payload = viewSized(reader)
  return { envelopeHash: hash, replyIndex, replyType, payload, errorCode: courierErrorCode(reader.u8()) }
}

export const courierEnvelopeReplyCodec: MessageCodec<CourierEnvelopeReply> = {
  name: "CourierEnvelopeReply",
  encode: writeEnvelopeReply,
  read: readEnvelopeReply
}

export const courierQueryReplyCodec: MessageCodec<CourierQueryReply> = {
  name: "CourierQueryReply",
  encode: (reply) =>
    reply._tag === "EnvelopeReply"
      ? withType(0, courierEnvelopeReplyCodec.encode(reply.envelopeReply))
      : withType(1, copyCommandReplyCodec.encode(reply.copyCommandReply)),
  read: (reader) =>
    readSwitch(reader) === 0
      ? { _tag: "EnvelopeReply", envelopeReply: courierEnvelopeReplyCodec.read(reader) }
      : { _tag: "CopyCommandReply", copyCommandReply: copyCommandReplyCodec.read(reader) }
}

export const encodeCourierQueryReply = courierQueryReplyCodec.encode
/** Nothing but one reply. @errors DecodeError */
export const decodeCourierQueryReply = (bytes: Uint8Array) => decodeExact(courierQueryReplyCodec, bytes)
/** The reply at the head of a SURB payload. @errors DecodeError */
export const decodeCourierQueryReplyTop = (payload: Uint8Array) => decodeTop(courierQueryReplyCodec, payload)
