/**
 * Commands on the links of the network, all padded to one length per link.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | id |
 * | 1 | 1 | zero |
 * | 2 | 4 | length of the body, u32 |
 * | 6 | n | body (see link-body.ts) |
 * | 6+n | … | zeros up to the length of the link |
 *
 * Contract: a reserved byte or padding that is not zero, a body length beyond what is there, a body shorter than its command: refused. An
 * unnamed id is `unknown-type`, which a link counts and ignores.
 * Knows nothing of: handshakes, pacing.
 * Source: mixnet.md §15, pigeonhole.md §3.4; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { zeroed } from "../bytes/allocate.ts"
import { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { LINK_HEADER_BYTES } from "./geometry.ts"
import { LINK_BODIES, type BodyWriter, type LinkBody, type LinkCommand } from "./link-body.ts"
import { MESSAGE_LIMIT_BYTES } from "./message.ts"

/** Public key length of X25519, the NIKE of this project's envelopes. */
const X25519_PUBLIC_KEY_BYTES = 32

const BODIES_BY_ID: ReadonlyMap<number, LinkBody<LinkCommand>> = new Map(
  Object.values(LINK_BODIES).map((body) => [body.id, body as unknown as LinkBody<LinkCommand>])
)

/** The body of a command, without header and padding. */
export const encodeLinkBody = (command: LinkCommand): Uint8Array =>
  encodeBody(command, (byteLength) => new ByteWriter(byteLength))

const encodeBody = (command: LinkCommand, body: BodyWriter): Uint8Array =>
  (LINK_BODIES[command._tag] as unknown as LinkBody<LinkCommand>).encode(command, body)

/**
 * @param paddedBytes  length of every command on the link; a longer command is a mistake of ours and dies. Without it: not padded
 */
export const encodeLinkCommand = (command: LinkCommand, paddedBytes?: number): Uint8Array => {
  let frame: Uint8Array = NO_FRAME
  encodeBody(command, (bodyBytes) => {
    frame = zeroed(paddedBytes ?? LINK_HEADER_BYTES + bodyBytes)
    new ByteWriter(frame.subarray(0, LINK_HEADER_BYTES)).u8(LINK_BODIES[command._tag].id).u8(0).u32(bodyBytes).finish()
    return new ByteWriter(frame.subarray(LINK_HEADER_BYTES, LINK_HEADER_BYTES + bodyBytes))
  })
  return frame
}

const NO_FRAME = new Uint8Array(0)

/**
 * @param nikePublicKeyBytes  length of the sender key in a ReplicaMessage, which has no length field
 * @errors DecodeError `truncated`, `reserved-not-zero`, `padding-not-zero`, `unknown-type`, `wrong-length`, `trailing-bytes`, `out-of-range`
 */
export const decodeLinkCommand = (
  bytes: Uint8Array,
  nikePublicKeyBytes: number = X25519_PUBLIC_KEY_BYTES
): Either.Either<LinkCommand, DecodeError> => {
  if (bytes.length > MESSAGE_LIMIT_BYTES) return Either.left(new DecodeError({ what: "link command", reason: "out-of-range" }))
  const header = new ByteReader("link command", bytes)
  const id = header.u8()
  header.zeros(1)
  const bodyBytes = header.u32()
  const body = header.view(bodyBytes)
  header.zeros(header.remaining, "padding-not-zero")
  const framed = header.finish(body)
  if (Either.isLeft(framed)) return Either.left(framed.left)
  const codec = BODIES_BY_ID.get(id)
  if (codec === undefined) return Either.left(new DecodeError({ what: "link command", reason: "unknown-type" }))
  const reader = new ByteReader(codec.name, framed.right)
  const command = codec.read(reader, nikePublicKeyBytes)
  return reader.finish(command)
}

export type { LinkCommand } from "./link-body.ts"
