/**
 * Forward packets: a header for a path and a payload enciphered once per hop; and the framing of what the last hop finds inside.
 *
 *   offset            length            field of a forward payload (geometry with SURB)
 *   0                 1                 flags: 0 no SURB, 1 SURB present
 *   1                 1                 reserved, zero
 *   2                 surbBytes         SURB, or zeros
 *   2 + surbBytes     userPayloadBytes  user payload
 *
 * Contract: all packets of a geometry have one length. `createPacket` draws, in this order: NIKE ephemeral key 32 bytes (or KEM coins 64 bytes per hop),
 * then the bytes of unused hops; nothing for an invalid path.
 * Knows nothing of: which path is a good one.
 * Source: sphinx.md §8, §9; departures: a payload without SURB carries the two-byte header as well (the reference client leaves it out, and its
 * receivers then misread it). A geometry without SURB has no framing: its forward payload is the user payload.
 *
 * @module
 */
import { Either } from "effect"
import { zeroed } from "../bytes/allocate.ts"
import type { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { PLAINTEXT_HEADER_BYTES, type Geometry } from "./geometry.ts"
import { checkPath, createHeaderInto, unusedHopsBytes, type PathHop } from "./header.ts"
import { drawHopSecrets, lentKeysOf, wipeHopSecrets, type HopSecret } from "./hop-secret.ts"
import { invalid, type PacketInvalid } from "./packet-invalid.ts"

export { PacketInvalid } from "./packet-invalid.ts"
export type { PathHop } from "./header.ts"

/**
 * A packet from given secrets and given random bytes: the deterministic twin of `createPacket`.
 * @param secrets one per hop; left as they are
 * @param unusedHops exactly `unusedHopsBytes(geometry, path)` bytes
 */
export const createPacketWith = (
  crypto: CryptoBackend,
  geometry: Geometry,
  path: ReadonlyArray<PathHop>,
  forwardPayload: Uint8Array,
  secrets: ReadonlyArray<HopSecret>,
  unusedHops: Uint8Array
): Either.Either<Uint8Array, PacketInvalid> => {
  const packet = placed(geometry, forwardPayload)
  return Either.isLeft(packet) ? packet : sealInPlace(crypto, geometry, path, packet.right, secrets, unusedHops)
}

/** A packet's memory with a forward payload at its end, behind zeros. */
const placed = (geometry: Geometry, forwardPayload: Uint8Array): Either.Either<Uint8Array, PacketInvalid> => {
  if (forwardPayload.length !== geometry.forwardPayloadBytes) return invalid("payload-length")
  const packet = zeroed(geometry.packetBytes)
  packet.set(forwardPayload, geometry.packetBytes - forwardPayload.length)
  return Either.right(packet)
}

/** As `createPacketWith`, around a forward payload that lies at the end of the packet already, behind zeros. */
const sealInPlace = (
  crypto: CryptoBackend,
  geometry: Geometry,
  path: ReadonlyArray<PathHop>,
  packet: Uint8Array,
  secrets: ReadonlyArray<HopSecret>,
  unusedHops: Uint8Array
): Either.Either<Uint8Array, PacketInvalid> => {
  const header = createHeaderInto(crypto, geometry, path, secrets, unusedHops, packet.subarray(0, geometry.headerBytes))
  if (Either.isLeft(header)) return Either.left(header.left)
  const payload = packet.subarray(geometry.headerBytes)
  for (let hopIndex = secrets.length - 1; hopIndex >= 0; hopIndex--) {
    const { keys } = secrets[hopIndex] as HopSecret
    crypto.sprpEncipherInto(keys.payloadEncryption, keys.headerIv, payload, payload)
  }
  return Either.right(packet)
}

/**
 * A packet that carries `forwardPayload` along `path`.
 * @param path 1..hopCount hops, first hop first
 * @param forwardPayload exactly `forwardPayloadBytes` bytes; see `encodeForwardPayload`
 * @returns `packetBytes` bytes
 * @errors PacketInvalid `payload-length`, `path-length`, `bad-command`, `commands-too-long`, `bad-key`
 * @source sphinx.md §8      @cost n(n + 3)/2 scalar multiplications (NIKE) or n encapsulations (KEM), n wide-block passes over the payload
 */
export const createPacket = (
  crypto: CryptoBackend,
  geometry: Geometry,
  path: ReadonlyArray<PathHop>,
  forwardPayload: Uint8Array,
  entropy: Entropy
): Either.Either<Uint8Array, PacketInvalid> => {
  const packet = placed(geometry, forwardPayload)
  return Either.isLeft(packet) ? packet : drawAndSeal(crypto, geometry, path, packet.right, entropy)
}

const drawAndSeal = (
  crypto: CryptoBackend, geometry: Geometry, path: ReadonlyArray<PathHop>, packet: Uint8Array, entropy: Entropy
): Either.Either<Uint8Array, PacketInvalid> => {
  const checked = checkPath(geometry, path)
  if (Either.isLeft(checked)) return Either.left(checked.left)
  const secrets = drawHopSecrets(crypto, geometry, path.map(({ publicKey }) => publicKey), entropy, lentKeysOf)
  if (Either.isLeft(secrets)) return Either.left(secrets.left)
  try {
    return sealInPlace(crypto, geometry, path, packet, secrets.right, entropy(unusedHopsBytes(geometry, path)))
  } finally {
    wipeHopSecrets(secrets.right)
  }
}

/**
 * What `encodeForwardPayload` and `createPacket` make together, without the copy between them.
 * @errors PacketInvalid  those of both
 */
export const createFramedPacket = (
  crypto: CryptoBackend, geometry: Geometry, path: ReadonlyArray<PathHop>, content: FramedContent, entropy: Entropy
): Either.Either<Uint8Array, PacketInvalid> => {
  const packet = zeroed(geometry.packetBytes)
  const framed = frameInto(geometry, content, packet.subarray(geometry.packetBytes - geometry.forwardPayloadBytes))
  return Either.isLeft(framed) ? Either.left(framed.left) : drawAndSeal(crypto, geometry, path, packet, entropy)
}

/** What a sender has to say: at most `userPayloadBytes` bytes, with a SURB or without one. */
export interface FramedContent {
  readonly surb?: Uint8Array | undefined
  readonly userPayload: Uint8Array
}

const WITHOUT_SURB = 0
const WITH_SURB = 1

/** What the last hop of a forward packet finds. */
export interface ForwardPayload {
  /** `surbBytes` bytes, for the answer. */
  readonly surb: Uint8Array | undefined
  /** `userPayloadBytes` bytes, zeros at the end where the sender had less to say. */
  readonly userPayload: Uint8Array
}

/**
 * Frames a user payload, zero-padded, with or without a SURB.
 * @returns `forwardPayloadBytes` bytes
 * @errors PacketInvalid `payload-length` above `userPayloadBytes`; `surb-length` for a SURB of other length, or in a geometry without room for one
 */
export const encodeForwardPayload = (
  geometry: Geometry,
  content: FramedContent
): Either.Either<Uint8Array, PacketInvalid> => frameInto(geometry, content, zeroed(geometry.forwardPayloadBytes))

/** @param target  zeros, of the length of a forward payload  @returns the same memory */
const frameInto = (geometry: Geometry, { surb, userPayload }: FramedContent, target: Uint8Array): Either.Either<Uint8Array, PacketInvalid> => {
  if (userPayload.length > geometry.userPayloadBytes) return invalid("payload-length")
  if (surb !== undefined && (!geometry.withSurb || surb.length !== geometry.surbBytes)) return invalid("surb-length")
  const writer = new ByteWriter(target)
  if (geometry.withSurb) {
    writer.u8(surb === undefined ? WITHOUT_SURB : WITH_SURB).u8(0)
    if (surb === undefined) writer.zeros(geometry.surbBytes)
    else writer.bytes(surb)
  }
  return Either.right(writer.bytes(userPayload).zeroFill().finish())
}

/**
 * Reads the payload of a forward packet at its last hop.
 * @errors DecodeError `wrong-length`; `unknown-type` for flags other than 0 and 1; `reserved-not-zero`
 */
export const decodeForwardPayload = (geometry: Geometry, bytes: Uint8Array): Either.Either<ForwardPayload, DecodeError> => {
  const reader = new ByteReader("forward payload", bytes)
  reader.require(bytes.length === geometry.forwardPayloadBytes, "wrong-length")
  if (!geometry.withSurb) return reader.finish({ surb: undefined, userPayload: reader.view(reader.remaining) })
  const flags = reader.u8()
  reader.require(flags === WITHOUT_SURB || flags === WITH_SURB, "unknown-type")
  reader.zeros(PLAINTEXT_HEADER_BYTES - 1)
  const surb = reader.view(geometry.surbBytes)
  const userPayload = reader.view(reader.remaining)
  return reader.finish({ surb: flags === WITH_SURB ? surb : undefined, userPayload })
}
