/**
 * The two ways in which every Pigeonhole message is parsed.
 *
 * Contract: a codec reads at one place of a reader. `decodeExact` wants the message and nothing else; `decodeTop` takes a message at the head
 * of a zero-filled payload and ignores what follows. Neither looks at more than 16 MiB.
 * Knows nothing of: any particular message.
 * Source: pigeonhole.md §3; departures: exact parsing rejects trailing bytes everywhere, upstream only in copy streams.
 *
 * @module
 */
import { Either } from "effect"
import { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"

/** Longest input any parser accepts. */
export const MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024

export interface MessageCodec<A> {
  readonly name: string
  readonly encode: (message: A) => Uint8Array
  /** Reads the message in place; a failure sticks in the reader. */
  readonly read: (reader: ByteReader) => A
}

/** @errors DecodeError; `out-of-range` for an input above the limit, `trailing-bytes` */
export const decodeExact = <A>(codec: MessageCodec<A>, bytes: Uint8Array): Either.Either<A, DecodeError> => {
  if (bytes.length > MESSAGE_LIMIT_BYTES) return Either.left(new DecodeError({ what: codec.name, reason: "out-of-range" }))
  const reader = new ByteReader(codec.name, bytes)
  const message = codec.read(reader)
  return reader.finish(message)
}

/** As `decodeExact`, ignoring what follows the message. */
export const decodeTop = <A>(codec: MessageCodec<A>, bytes: Uint8Array): Either.Either<A, DecodeError> => {
  if (bytes.length > MESSAGE_LIMIT_BYTES) return Either.left(new DecodeError({ what: codec.name, reason: "out-of-range" }))
  const reader = new ByteReader(codec.name, bytes)
  const message = codec.read(reader)
  return reader.finishTop(message)
}

/** Reads a discriminator that knows two values. */
export const readSwitch = (reader: ByteReader): 0 | 1 => {
  const value = reader.u8()
  if (value > 1) reader.fail("unknown-type")
  return value === 1 ? 1 : 0
}

/** Reads bytes behind their u32 length, as a copy. */
export const readSized = (reader: ByteReader): Uint8Array => reader.bytes(reader.u32())

/** As `readSized`, in the memory that is read: for what whoever decodes is done with before that memory is. */
export const viewSized = (reader: ByteReader): Uint8Array => reader.view(reader.u32())
