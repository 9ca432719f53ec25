/**
 * What each end says of itself inside the handshake.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | length n of the additional data |
 * | 1 | n | additional data: identity hash of a node, queue id of a client, nothing |
 * | 1+n | 255-n | zero |
 * | 256 | 4 | Unix time in seconds, u32; 0 from the initiator |
 *
 * Contract: always 260 bytes; anything but zeros behind the additional data is refused.
 * Knows nothing of: who is who.
 * Source: mixnet.md §14; departures: padding that is not zero is refused.
 *
 * @module
 */
import type { Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"

export const AUTH_MESSAGE_BYTES = 260
export const ADDITIONAL_DATA_LIMIT_BYTES = 255

export interface AuthMessage {
  /** At most 255 bytes. */
  readonly additionalData: Uint8Array
  readonly unixTimeS: number
}

/** 260 bytes; longer additional data is a mistake of ours and dies. */
export const encodeAuthMessage = ({ additionalData, unixTimeS }: AuthMessage): Uint8Array =>
  new ByteWriter(AUTH_MESSAGE_BYTES)
    .u8(additionalData.length).bytes(additionalData).zeros(ADDITIONAL_DATA_LIMIT_BYTES - additionalData.length).u32(unixTimeS).finish()

/** @errors DecodeError `truncated`, `padding-not-zero`, `trailing-bytes` */
export const decodeAuthMessage = (bytes: Uint8Array): Either.Either<AuthMessage, DecodeError> => {
  const reader = new ByteReader("auth message", bytes)
  const length = reader.u8()
  const additionalData = reader.bytes(length)
  reader.zeros(ADDITIONAL_DATA_LIMIT_BYTES - length, "padding-not-zero")
  return reader.finish({ additionalData, unixTimeS: reader.u32() })
}
