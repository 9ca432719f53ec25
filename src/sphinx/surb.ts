/**
 * Single-use reply blocks: a ready header back to its maker, who alone can read what returns with it.
 *
 *   offset            length       field of a SURB
 *   0                 headerBytes  header of the return path
 *   headerBytes       32           node id of its first hop
 *   headerBytes + 32  48           reply key
 *   headerBytes + 80  16           reply IV
 *
 * Contract: a reply packet has the length of a forward packet and no hop can tell the two apart. A SURB works once: its second use is a replay.
 * `createSurb` draws, in this order: reply key and IV (64 bytes), then as `createPacket`.
 * Knows nothing of: which SURB id belongs to which keys; the owner finds the keys by id, and wipes them after the first use.
 * Source: Katzenpost core/sphinx/surb as in sphinx.md §12; departures: replies are padded here, so that none is recognisable by size; the
 * return path must end with a SurbReply.
 *
 * @module
 */
import { Either } from "effect"
import { waitingZeros, zeroed } from "../bytes/allocate.ts"
import { isAllZero } from "../bytes/equal.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { NODE_ID_BYTES, NodeId, PAYLOAD_TAG_BYTES, SPRP_KEY_MATERIAL_BYTES, type Geometry } from "./geometry.ts"
import { checkPath, createHeaderInto, unusedHopsBytes, type PathHop } from "./header.ts"
import { drawHopSecrets, lentKeysOf, wipeHopSecrets, type HopSecret } from "./hop-secret.ts"
import { invalid, refuse, type PacketInvalid, type PacketRefused } from "./packet-invalid.ts"
import { findCommand } from "./routing-command.ts"

const SPRP_KEY_BYTES = 48

export interface CreatedSurb {
  /** `surbBytes` bytes, to be sent along. */
  readonly surb: Uint8Array
  /** 64 bytes per hop in reverse order, then 64 of the reply key: secret, kept by the maker. */
  readonly keys: Uint8Array
}

const checkReturnPath = (geometry: Geometry, path: ReadonlyArray<PathHop>): Either.Either<void, PacketInvalid> => {
  const last = path.at(-1)
  if (last !== undefined && findCommand(last.commands, "SurbReply") === undefined) return invalid("no-surb-reply")
  return checkPath(geometry, path)
}

/**
 * A SURB from given keys, secrets and random bytes: the deterministic twin of `createSurb`.
 * @param replyKeyMaterial 64 bytes: reply key 48, IV 16
 * @param secrets one per hop; left as they are
 * @param unusedHops exactly `unusedHopsBytes(geometry, path)` bytes
 */
export const createSurbWith = (
  crypto: CryptoBackend,
  geometry: Geometry,
  path: ReadonlyArray<PathHop>,
  replyKeyMaterial: Uint8Array,
  secrets: ReadonlyArray<HopSecret>,
  unusedHops: Uint8Array
): Either.Either<CreatedSurb, PacketInvalid> => {
  const [first] = path
  if (first === undefined) return invalid("path-length")
  if (replyKeyMaterial.length !== SPRP_KEY_MATERIAL_BYTES) return invalid("bad-key")
  const checked = checkReturnPath(geometry, path)
  if (Either.isLeft(checked)) return Either.left(checked.left)
  const surb = zeroed(geometry.surbBytes)
  const header = createHeaderInto(crypto, geometry, path, secrets, unusedHops, surb.subarray(0, geometry.headerBytes))
  if (Either.isLeft(header)) return Either.left(header.left)
  surb.set(first.nodeId, geometry.headerBytes)
  surb.set(replyKeyMaterial, geometry.headerBytes + NODE_ID_BYTES)
  const keys = new ByteWriter(waitingZeros((secrets.length + 1) * SPRP_KEY_MATERIAL_BYTES))
  for (let hopIndex = secrets.length - 1; hopIndex >= 0; hopIndex--) {
    const hop = (secrets[hopIndex] as HopSecret).keys
    keys.bytes(hop.payloadEncryption).bytes(hop.headerIv)
  }
  return Either.right({ surb, keys: keys.bytes(replyKeyMaterial).finish() })
}

/**
 * A SURB for a return path.
 * @param path 1..hopCount hops; the commands of the last one name the reply queue (Recipient) and the SURB id (SurbReply)
 * @errors PacketInvalid `path-length`, `no-surb-reply`, `bad-command`, `commands-too-long`, `bad-key`
 * @source sphinx.md §12      @cost as the header of a packet
 */
export const createSurb = (
  crypto: CryptoBackend,
  geometry: Geometry,
  path: ReadonlyArray<PathHop>,
  entropy: Entropy
): Either.Either<CreatedSurb, PacketInvalid> => {
  const checked = checkReturnPath(geometry, path)
  if (Either.isLeft(checked)) return Either.left(checked.left)
  const replyKeyMaterial = entropy(SPRP_KEY_MATERIAL_BYTES)
  const secrets = drawHopSecrets(crypto, geometry, path.map(({ publicKey }) => publicKey), entropy, lentKeysOf)
  try {
    if (Either.isLeft(secrets)) return Either.left(secrets.left)
    return createSurbWith(crypto, geometry, path, replyKeyMaterial, secrets.right, entropy(unusedHopsBytes(geometry, path)))
  } finally {
    if (Either.isRight(secrets)) wipeHopSecrets(secrets.right)
    zeroize(replyKeyMaterial)
  }
}

/**
 * A packet that carries a reply back.
 * @param payload at most `forwardPayloadBytes` bytes; zeros are added up to that
 * @param memory where the packet goes, `packetBytes` bytes, such as the memory of the packet that brought SURB and payload: both may lie in it, behind its
 * header; by default fresh memory
 * @returns the packet (`packetBytes`) and the node that must get it
 * @errors PacketInvalid `surb-length`, `payload-length`
 */
export const useSurb = (
  crypto: CryptoBackend,
  geometry: Geometry,
  surb: Uint8Array,
  payload: Uint8Array,
  memory?: Uint8Array
): Either.Either<{ readonly packet: Uint8Array; readonly firstHop: NodeId }, PacketInvalid> => {
  if (memory !== undefined && memory.length !== geometry.packetBytes) throw new RangeError(`a packet has ${geometry.packetBytes} bytes, not ${memory.length}`)
  if (surb.length !== geometry.surbBytes) return invalid("surb-length")
  if (payload.length > geometry.forwardPayloadBytes) return invalid("payload-length")
  const idOffset = geometry.headerBytes
  const keyOffset = idOffset + NODE_ID_BYTES
  const firstHop = NodeId.unsafe(surb.slice(idOffset, keyOffset))
  const key = surb.slice(keyOffset)
  const packet = memory ?? zeroed(geometry.packetBytes)
  packet.set(surb.subarray(0, idOffset))
  const text = packet.subarray(geometry.headerBytes)
  text.set(payload, PAYLOAD_TAG_BYTES)
  if (memory !== undefined) text.fill(0, 0, PAYLOAD_TAG_BYTES).fill(0, PAYLOAD_TAG_BYTES + payload.length)
  crypto.sprpEncipherInto(key.subarray(0, SPRP_KEY_BYTES), key.subarray(SPRP_KEY_BYTES), text, text)
  zeroize(key)
  return Either.right({ packet, firstHop })
}

/**
 * Reads a reply that came back through a SURB.
 * @param keys as `createSurb` gave them; left as they are, the owner wipes them
 * @param payload tag and payload as the last hop handed it out; overwritten, and what is returned is in it
 * @returns the payload, zeros at the end included
 * @errors PacketRefused `bad-payload`: not a reply to this SURB, or changed on its way
 * @cost one wide-block pass over the payload per hop, and one
 */
export const openSurbReply = (crypto: CryptoBackend, keys: Uint8Array, payload: Uint8Array): Either.Either<Uint8Array, PacketRefused> => {
  const entryCount = keys.length / SPRP_KEY_MATERIAL_BYTES
  if (!Number.isInteger(entryCount) || entryCount < 1 || payload.length < PAYLOAD_TAG_BYTES) return refuse("bad-payload")
  for (let i = 0; i < entryCount; i++) {
    const entry = keys.subarray(i * SPRP_KEY_MATERIAL_BYTES, (i + 1) * SPRP_KEY_MATERIAL_BYTES)
    const permute = i < entryCount - 1 ? crypto.sprpEncipherInto : crypto.sprpDecipherInto
    permute(entry.subarray(0, SPRP_KEY_BYTES), entry.subarray(SPRP_KEY_BYTES), payload, payload)
  }
  return isAllZero(payload.subarray(0, PAYLOAD_TAG_BYTES)) ? Either.right(payload.subarray(PAYLOAD_TAG_BYTES)) : refuse("bad-payload")
}
