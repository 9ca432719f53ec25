/**
 * Taking one layer off a Sphinx packet.
 *
 * Contract: every packet, whatever its bytes, gives either the next packet, a payload, or one refusal; nothing throws. The packet handed in is never
 * changed, except by `unwrapInPlace`, which changes it when its MAC is good: so several epoch keys may be tried on it. Length and version are checked before
 * any curve operation. Keys are wiped on return.
 * Knows nothing of: epochs, delays, the record of replay tags. A node looks a packet's tag up before this, which costs a hash, records it only after the MAC
 * was good here, and drops second delays and recipients itself.
 * Source: Katzenpost core/sphinx Unwrap as in sphinx.md §10; departures: a packet must have exactly the length of the geometry (nodes check that
 * anyway); a low-order element is a refusal, not a crash; refusals carry no tag.
 *
 * @module
 */
import { Either } from "effect"
import { zeroed } from "../bytes/allocate.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import type { CryptoBackend, XWingPrivateKey } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { MAC_BYTES, PAYLOAD_TAG_BYTES, VERSION_BYTES, type Geometry, type NodeId } from "./geometry.ts"
import { blankPacketKeys, blindingFactorOf, derivePacketKeys, wipePacketKeys, type PacketKeys } from "./key-material.ts"
import { refuse, type PacketRefused, type PacketRefusedReason } from "./packet-invalid.ts"
import { decodeCommands, findCommand, type NextNode, type RoutingCommand } from "./routing-command.ts"

export { PacketRefused } from "./packet-invalid.ts"
export { replayTagOf } from "./replay-tag.ts"

/** A private key of a node for one epoch. Prints without its secret. */
export class MixPrivateKey {
  /** 32 bytes (x25519) or 1216 (X-Wing). */
  readonly publicKey: Uint8Array
  readonly #secret: Uint8Array<SharedArrayBuffer>
  readonly #xwing: XWingPrivateKey | undefined

  /** @param secret the whole of a memory of its own */
  constructor(publicKey: Uint8Array, secret: Uint8Array<SharedArrayBuffer>, xwing: XWingPrivateKey | undefined) {
    this.publicKey = publicKey
    this.#secret = secret
    this.#xwing = xwing
  }

  /** What the sender shares with the owner of this key, 32 bytes; undefined for an element that gives no secret. */
  sharedSecret(crypto: CryptoBackend, element: Uint8Array): Uint8Array | undefined {
    return this.#xwing === undefined ? crypto.x25519(this.#secret, element) : crypto.xwingDecapsulate(this.#xwing, element)
  }

  /** The memory of the secret, for threads of this process; whoever borrows it must not write to it nor keep what it computes from it beyond `wipe`. */
  get lentSecret(): SharedArrayBuffer {
    return this.#secret.buffer
  }

  /** Overwrites the secret (best effort: what a backend has expanded from it stays until it is collected). The key opens nothing afterwards. */
  wipe(): void {
    zeroize(this.#secret)
    if (this.#xwing !== undefined) zeroize(this.#xwing.seed)
  }
}

/**
 * Prepares a private key; do it once per epoch, not per packet.
 * @param secret 32 bytes: X25519 private key (not clamped) or X-Wing seed. Copied. Dies for another length.
 */
export const mixPrivateKey = (crypto: CryptoBackend, geometry: Geometry, secret: Uint8Array): MixPrivateKey => {
  if (secret.length !== 32) throw new RangeError("a mix private key is 32 bytes")
  const kept = new Uint8Array(new SharedArrayBuffer(secret.length))
  kept.set(secret)
  return mixPrivateKeyOver(crypto, geometry, kept)
}

/** As `mixPrivateKey`, over memory that stays the lender's: see `lentSecret`. */
export const mixPrivateKeyOver = (crypto: CryptoBackend, geometry: Geometry, secret: Uint8Array<SharedArrayBuffer>): MixPrivateKey => {
  if (geometry.scheme.kind === "nike") return new MixPrivateKey(crypto.x25519PublicKey(secret), secret, undefined)
  const xwing = crypto.xwingPrivateKey(secret)
  return new MixPrivateKey(xwing.publicKey, secret, xwing)
}

/** What is under one layer. */
export interface Unwrapped {
  /** 32 bytes; the caller records it, after this success and not before. */
  readonly replayTag: Uint8Array
  /** All commands of this hop, NextNode included. */
  readonly commands: Array<RoutingCommand>
  /** Where the packet goes and what goes there, `packetBytes` bytes; undefined at the last hop. */
  readonly next: { readonly nodeId: NodeId; readonly packet: Uint8Array } | undefined
  /** At the last hop: `forwardPayloadBytes` bytes, or with a SurbReply command 32 more, still enciphered for the owner of the SURB. */
  readonly payload: Uint8Array | undefined
  /** Where the last layer was taken off in place: the packet's memory, which the payload ends; what lies before it is of no more use. */
  readonly memory?: Uint8Array | undefined
}

/** As `Unwrapped`, with the secrets on the way; for vectors. The caller wipes them. */
export interface UnwrappedDetailed extends Unwrapped {
  /** 32 bytes. */
  readonly sharedSecret: Uint8Array
  readonly keys: PacketKeys
}

const elementOf = (geometry: Geometry, packet: Uint8Array): Uint8Array => packet.subarray(VERSION_BYTES, VERSION_BYTES + geometry.elementBytes)

/** What can be refused without any cryptography. */
const cheapRefusal = (geometry: Geometry, packet: Uint8Array): PacketRefusedReason | undefined => {
  if (packet.length !== geometry.packetBytes) return "wrong-length"
  for (let at = 0; at < VERSION_BYTES; at++) if (packet[at] !== 0) return "wrong-version"
  return undefined
}

const macIsGood = (crypto: CryptoBackend, geometry: Geometry, keys: PacketKeys, packet: Uint8Array): boolean => {
  const macOffset = geometry.headerBytes - MAC_BYTES
  const mac = crypto.hmacSha256(keys.headerMac, packet.subarray(0, macOffset))
  return constantTimeEqual(mac, packet.subarray(macOffset, geometry.headerBytes))
}

/** Reused from packet to packet: a received header's routing information with zeros behind it, and what it says when it is deciphered. */
let paddedRoutingInfo = new Uint8Array(0)
let decryptedRoutingInfo = new Uint8Array(0)

/** The decrypted routing information with one block of fresh padding behind it; good until the next call. */
const decryptRoutingInfo = (crypto: CryptoBackend, geometry: Geometry, keys: PacketKeys, packet: Uint8Array): Uint8Array => {
  const byteCount = geometry.routingInfoBytes + geometry.perHopBytes
  if (paddedRoutingInfo.length !== byteCount) {
    paddedRoutingInfo = new Uint8Array(byteCount)
    decryptedRoutingInfo = new Uint8Array(byteCount)
  }
  paddedRoutingInfo.set(packet.subarray(VERSION_BYTES + geometry.elementBytes, geometry.headerBytes - MAC_BYTES))
  crypto.aes256CtrInto(keys.headerEncryption, keys.headerIv, paddedRoutingInfo, decryptedRoutingInfo)
  return decryptedRoutingInfo
}

/** The element that the next hop will find: the blinded one, or the ciphertext at the end of this hop's block. */
const nextElement = (
  crypto: CryptoBackend,
  geometry: Geometry,
  keys: PacketKeys,
  element: Uint8Array,
  routingInfo: Uint8Array
): Uint8Array | undefined => {
  if (geometry.scheme.kind === "kem") return routingInfo.subarray(geometry.perHopBytes - geometry.kemCiphertextBytes, geometry.perHopBytes)
  const factor = blindingFactorOf(crypto, keys)
  const blinded = crypto.x25519(factor, element)
  zeroize(factor)
  return blinded
}

/** Writes the header that the next hop will find. */
const writeHeader = (geometry: Geometry, onward: Uint8Array, element: Uint8Array, routingInfo: Uint8Array, { mac }: NextNode): void => {
  onward.set(element, VERSION_BYTES)
  onward.set(routingInfo.subarray(geometry.perHopBytes), VERSION_BYTES + geometry.elementBytes)
  onward.set(mac, geometry.headerBytes - MAC_BYTES)
}

/** Steps 4 to 10 of sphinx.md §10: everything behind the key schedule. */
const peel = (
  crypto: CryptoBackend,
  geometry: Geometry,
  keys: PacketKeys,
  packet: Uint8Array,
  isInPlace: boolean,
  knownTag?: Uint8Array
): Either.Either<Unwrapped, PacketRefused> => {
  if (!macIsGood(crypto, geometry, keys, packet)) return refuse("bad-mac")
  const element = elementOf(geometry, packet)
  const routingInfo = decryptRoutingInfo(crypto, geometry, keys, packet)
  const decoded = decodeCommands(routingInfo.subarray(0, geometry.perHopBytes - geometry.kemCiphertextBytes))
  if (Either.isLeft(decoded)) return refuse("bad-command")
  const commands = decoded.right
  const { headerBytes } = geometry
  const enciphered = packet.subarray(headerBytes)
  const replayTag = knownTag ?? crypto.sha512_256(element)
  const nextNode = findCommand(commands, "NextNode")
  if (nextNode !== undefined) {
    const blinded = nextElement(crypto, geometry, keys, element, routingInfo)
    if (blinded === undefined) return refuse("bad-element")
    const onward = isInPlace ? packet : zeroed(geometry.packetBytes)
    writeHeader(geometry, onward, blinded, routingInfo, nextNode)
    crypto.sprpDecipherInto(keys.payloadEncryption, keys.headerIv, enciphered, onward.subarray(headerBytes))
    return Either.right({ replayTag, commands, next: { nodeId: nextNode.nodeId, packet: onward }, payload: undefined })
  }
  const payload = isInPlace ? enciphered : crypto.sprpDecipher(keys.payloadEncryption, keys.headerIv, enciphered)
  if (isInPlace) crypto.sprpDecipherInto(keys.payloadEncryption, keys.headerIv, enciphered, enciphered)
  const memory = isInPlace ? packet : undefined
  if (findCommand(commands, "SurbReply") !== undefined) return Either.right({ replayTag, commands, next: undefined, payload, memory })
  if (!isAllZero(payload.subarray(0, PAYLOAD_TAG_BYTES))) return refuse("bad-payload")
  return Either.right({ replayTag, commands, next: undefined, payload: payload.subarray(PAYLOAD_TAG_BYTES), memory })
}

interface Opened {
  readonly sharedSecret: Uint8Array
  readonly keys: PacketKeys
}

/** Steps 1 to 3 and 5: the cheap checks, then the keys. */
const openKeys = (
  crypto: CryptoBackend, geometry: Geometry, key: MixPrivateKey, packet: Uint8Array, keys?: PacketKeys
): Either.Either<Opened, PacketRefused> => {
  const cheap = cheapRefusal(geometry, packet)
  if (cheap !== undefined) return refuse(cheap)
  const sharedSecret = key.sharedSecret(crypto, elementOf(geometry, packet))
  return sharedSecret === undefined ? refuse("bad-element") : Either.right({ sharedSecret, keys: derivePacketKeys(crypto, sharedSecret, keys) })
}

/** Where the keys of the packet at hand are, from packet to packet; zeros in between. */
const lentKeys = blankPacketKeys()

const wipe = ({ keys, sharedSecret }: Opened): void => {
  zeroize(sharedSecret)
  wipePacketKeys(keys)
}

const unwrapWith = (
  crypto: CryptoBackend, geometry: Geometry, key: MixPrivateKey, packet: Uint8Array, isInPlace: boolean, replayTag?: Uint8Array
): Either.Either<Unwrapped, PacketRefused> => {
  const opened = openKeys(crypto, geometry, key, packet, lentKeys)
  if (Either.isLeft(opened)) return Either.left(opened.left)
  try {
    return peel(crypto, geometry, opened.right.keys, packet, isInPlace, replayTag)
  } finally {
    wipe(opened.right)
  }
}

/** `unwrap` or `unwrapInPlace`. */
export type Unwrap = (
  crypto: CryptoBackend, geometry: Geometry, key: MixPrivateKey, packet: Uint8Array, replayTag?: Uint8Array
) => Either.Either<Unwrapped, PacketRefused>

/**
 * Takes one layer off a packet.
 * @param key this node's private key for the packet's epoch
 * @param packet not modified
 * @param replayTag of the packet, where it is known already (`replayTagOf`)
 * @returns commands, replay tag, and the next packet unless this was the last hop
 * @errors PacketRefused `wrong-length` | `wrong-version` | `bad-element` | `bad-mac` (also: another epoch's key) | `bad-command` | `bad-payload`
 * @source sphinx.md §10      @cost two scalar multiplications (KEM: one decapsulation), one wide-block pass over the payload
 */
export const unwrap: Unwrap = (crypto, geometry, key, packet, replayTag) => unwrapWith(crypto, geometry, key, packet, false, replayTag)

/**
 * As `unwrap`, in the packet's own memory: the next packet or the payload stands where the packet stood, so the caller must own it. A packet that is
 * refused is as it was, unless as `bad-payload`.
 */
export const unwrapInPlace: Unwrap = (crypto, geometry, key, packet, replayTag) => unwrapWith(crypto, geometry, key, packet, true, replayTag)

/** As `unwrap`, and hands out the shared secret and the keys; for vectors and diagnosis, never for traffic. */
export const unwrapDetailed = (
  crypto: CryptoBackend,
  geometry: Geometry,
  key: MixPrivateKey,
  packet: Uint8Array
): Either.Either<UnwrappedDetailed, PacketRefused> => {
  const opened = openKeys(crypto, geometry, key, packet)
  if (Either.isLeft(opened)) return Either.left(opened.left)
  const unwrapped = peel(crypto, geometry, opened.right.keys, packet, false)
  if (Either.isLeft(unwrapped)) wipe(opened.right)
  return Either.map(unwrapped, (layer) => ({ ...layer, ...opened.right }))
}
