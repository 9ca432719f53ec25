/**
 * Padding that hides a message's length: BE32(length) ‖ message ‖ zeros.
 *
 * Contract: padded messages of one kind have one length. Taking the padding off checks the length field, not that the filler is zero.
 * Knows nothing of: what is padded.
 * Source: pigeonhole.md §1.7, §3.2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { LENGTH_PREFIX_BYTES } from "./geometry.ts"

/** The message does not fit the room that every message of its kind has. */
export class MessageTooLong extends Data.TaggedError("MessageTooLong")<{ readonly messageBytes: number; readonly limitBytes: number }> {}

/**
 * @param totalBytes  length of the result, prefix included
 * @errors MessageTooLong
 */
export const padTo = (message: Uint8Array, totalBytes: number): Either.Either<Uint8Array, MessageTooLong> => {
  const limitBytes = totalBytes - LENGTH_PREFIX_BYTES
  return message.length > limitBytes
    ? Either.left(new MessageTooLong({ messageBytes: message.length, limitBytes: Math.max(limitBytes, 0) }))
    : Either.right(new ByteWriter(totalBytes).u32(message.length).bytes(message).zeroFill().finish())
}

/** @returns the message, in the memory of what is padded  @errors DecodeError `truncated` when the prefix is cut off or claims more than is there */
export const unpad = (padded: Uint8Array): Either.Either<Uint8Array, DecodeError> => {
  const reader = new ByteReader("padded message", padded)
  return reader.finishTop(reader.view(reader.u32()))
}
