/**
 * Frames of the link between a queue host and its compute service.
 *
 *   offset  length                 field
 *   0       1                      kind: 0 decoy, 1 Deliver, 2 Answer
 *   1       1                      zero
 *   2       4                      length of the body
 *   6       userPayloadBytes + 16  body, zero-filled: query id 16 ‖ dispatch (userPayloadBytes), or query id 16 ‖ reply 93; empty for a decoy
 *
 * Contract: every frame has userPayloadBytes + 22 bytes whatever it holds.
 * Knows nothing of: when frames are sent.
 * Source: funion.md §6.1; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { REPLY_BYTES } from "./dispatch-reply.ts"

export const QUERY_ID_BYTES = 16
const HEADER_BYTES = 6

export type QueueFrame =
  | { readonly _tag: "Decoy" }
  | { readonly _tag: "Deliver"; readonly queryId: Uint8Array; readonly dispatch: Uint8Array }
  | { readonly _tag: "Answer"; readonly queryId: Uint8Array; readonly reply: Uint8Array }

export const queueFrameBytes = (userPayloadBytes: number): number => HEADER_BYTES + QUERY_ID_BYTES + userPayloadBytes

/** @param userPayloadBytes of the network's geometry: the length of every dispatch */
export const encodeQueueFrame = (frame: QueueFrame, userPayloadBytes: number): Uint8Array => {
  const writer = new ByteWriter(queueFrameBytes(userPayloadBytes))
  switch (frame._tag) {
    case "Decoy":
      return writer.u8(0).u8(0).u32(0).zeroFill().finish()
    case "Deliver":
      return writer.u8(1).u8(0).u32(QUERY_ID_BYTES + userPayloadBytes).bytes(frame.queryId).bytes(frame.dispatch).finish()
    case "Answer":
      return writer.u8(2).u8(0).u32(QUERY_ID_BYTES + REPLY_BYTES).bytes(frame.queryId).bytes(frame.reply).zeroFill().finish()
  }
}

/** @errors DecodeError for another total length, an unknown kind, a body length that is not the kind's, or anything but zeros behind the body */
export const decodeQueueFrame = (bytes: Uint8Array, userPayloadBytes: number): Either.Either<QueueFrame, DecodeError> => {
  const reader = new ByteReader("queue frame", bytes)
  reader.require(bytes.length === queueFrameBytes(userPayloadBytes), "wrong-length")
  const kind = reader.u8()
  reader.zeros(1)
  const bodyBytes = reader.u32()
  const read = (expectedBytes: number): { readonly queryId: Uint8Array; readonly rest: Uint8Array } => {
    reader.require(bodyBytes === expectedBytes, "inconsistent")
    return { queryId: reader.bytes(QUERY_ID_BYTES), rest: reader.bytes(Math.max(0, expectedBytes - QUERY_ID_BYTES)) }
  }
  const frame = ((): QueueFrame => {
    if (kind === 1) {
      const { queryId, rest } = read(QUERY_ID_BYTES + userPayloadBytes)
      return { _tag: "Deliver", queryId, dispatch: rest }
    }
    if (kind === 2) {
      const { queryId, rest } = read(QUERY_ID_BYTES + REPLY_BYTES)
      return { _tag: "Answer", queryId, reply: rest }
    }
    reader.require(kind === 0, "unknown-type")
    reader.require(bodyBytes === 0, "inconsistent")
    return { _tag: "Decoy" }
  })()
  if (!reader.failed) reader.zeros(reader.remaining, "padding-not-zero")
  return reader.finish(frame)
}
