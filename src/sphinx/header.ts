/**
 * Building Sphinx headers: one block of commands per hop, wrapped from the last hop to the first.
 *
 * Contract: the header of a path of n hops looks the same for every n up to the geometry's limit; unused blocks are random. Nothing is drawn and no
 * curve is touched before the path has been checked.
 * Knows nothing of: payloads, SURBs.
 * Source: Katzenpost core/sphinx createHeader as in sphinx.md §8.2, §8.3, §13; departures: a second SurbReply in one block is refused here
 * already, as every hop would refuse it.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import { MAC_BYTES, NODE_ID_BYTES, NEXT_NODE_BYTES, VERSION_BYTES, type Geometry, type NodeId } from "./geometry.ts"
import type { HopSecret } from "./hop-secret.ts"
import { invalid, type PacketInvalid } from "./packet-invalid.ts"
import { commandsByteLength, encodeCommands, isDelayMs, type RoutingCommand } from "./routing-command.ts"

/** One hop of a path, as the sender knows it. */
export interface PathHop {
  readonly nodeId: NodeId
  /** Mix key of the node for the epoch in which the packet passes it: 32 bytes (x25519) or 1216 (X-Wing). */
  readonly publicKey: Uint8Array
  /** Without NextNode: the header builder adds it at every hop but the last. */
  readonly commands: ReadonlyArray<RoutingCommand>
}

/** Bytes of a block that hold commands; the rest is the KEM ciphertext for the next hop. */
const commandAreaBytes = (geometry: Geometry): number => geometry.perHopBytes - geometry.kemCiphertextBytes

const commandIsUsable = (command: RoutingCommand): boolean =>
  command._tag !== "NextNode" && (command._tag !== "NodeDelay" || isDelayMs(command.delayMs))

/**
 * Whether a path fits the geometry.
 * @errors PacketInvalid `path-length`, `bad-key` (node id), `bad-command`, `commands-too-long`
 */
export const checkPath = (geometry: Geometry, path: ReadonlyArray<PathHop>): Either.Either<void, PacketInvalid> => {
  if (path.length < 1 || path.length > geometry.hopCount) return invalid("path-length")
  for (let hopIndex = 0; hopIndex < path.length; hopIndex++) {
    const { commands, nodeId } = path[hopIndex] as PathHop
    if (nodeId.length !== NODE_ID_BYTES) return invalid("bad-key")
    let surbReplies = 0
    for (const command of commands) {
      if (!commandIsUsable(command)) return invalid("bad-command")
      if (command._tag === "SurbReply") surbReplies += 1
    }
    if (surbReplies > 1) return invalid("bad-command")
    const nextNodeBytes = hopIndex < path.length - 1 ? NEXT_NODE_BYTES : 0
    if (commandsByteLength(commands) + nextNodeBytes > commandAreaBytes(geometry)) return invalid("commands-too-long")
  }
  return Either.void
}

/** Length of the random bytes that stand in the blocks of hops that a path does not use. */
export const unusedHopsBytes = (geometry: Geometry, path: ReadonlyArray<PathHop>): number =>
  Math.max(geometry.hopCount - path.length, 0) * geometry.perHopBytes

const xorInto = (target: Uint8Array, mask: Uint8Array): void => {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) ^ (mask[i] as number)
}

interface HopStream {
  /** Covers this hop's block and all behind it. */
  readonly stream: Uint8Array
  /** What the blocks cut off so far leave at the end of the routing information when this hop has decrypted it. */
  readonly pad: Uint8Array
}

/** Memory for the key streams of one header, reused for the next: one for each hop. */
const keystreams: Array<Uint8Array> = []

/** Zeros. */
const keystreamMemory = (hopIndex: number, byteCount: number): Uint8Array => {
  const held = keystreams[hopIndex]
  return held?.length === byteCount ? held.fill(0) : (keystreams[hopIndex] = new Uint8Array(byteCount))
}

const wipeKeystreams = (): void => {
  for (const keystream of keystreams) keystream.fill(0)
}

/** Key streams and paddings of all hops, hop 0 first; good until the next call. */
const hopStreams = (crypto: CryptoBackend, geometry: Geometry, secrets: ReadonlyArray<HopSecret>): ReadonlyArray<HopStream> => {
  const streams: Array<HopStream> = []
  for (const [hopIndex, { keys }] of secrets.entries()) {
    const keystream = keystreamMemory(hopIndex, geometry.routingInfoBytes + geometry.perHopBytes)
    crypto.aes256CtrInto(keys.headerEncryption, keys.headerIv, keystream, keystream)
    const cut = geometry.routingInfoBytes - hopIndex * geometry.perHopBytes
    const pad = keystream.subarray(cut)
    const before = streams.at(-1)
    if (before !== undefined) xorInto(pad.subarray(0, before.pad.length), before.pad)
    streams.push({ stream: keystream.subarray(0, cut), pad })
  }
  return streams
}

interface NextHop {
  readonly hop: PathHop
  readonly secret: HopSecret
}

/** Writes the command block of one hop, before encryption, over zeros. */
const writeBlock = (geometry: Geometry, { commands }: PathHop, next: NextHop | undefined, mac: Uint8Array, block: Uint8Array): void => {
  if (next === undefined) return void encodeCommands(commands, block)
  encodeCommands([...commands, { _tag: "NextNode", nodeId: next.hop.nodeId, mac }], block)
  if (geometry.kemCiphertextBytes > 0) block.set(next.secret.element, commandAreaBytes(geometry))
}

const VERSION = new Uint8Array(VERSION_BYTES)
const NO_PAD = new Uint8Array(0)

/**
 * Writes the header for a path, from given secrets and given random bytes.
 * @param secrets one per hop, hop 0 first; not wiped here, for the payload needs their keys
 * @param unusedHops exactly `unusedHopsBytes` random bytes
 * @param header `headerBytes` zeros, such as the beginning of a packet's memory; untouched for an error
 * @errors PacketInvalid as `checkPath`; `bad-key` when secrets or random bytes do not fit the path
 */
export const createHeaderInto = (
  crypto: CryptoBackend,
  geometry: Geometry,
  path: ReadonlyArray<PathHop>,
  secrets: ReadonlyArray<HopSecret>,
  unusedHops: Uint8Array,
  header: Uint8Array
): Either.Either<void, PacketInvalid> => {
  const checked = checkPath(geometry, path)
  if (Either.isLeft(checked)) return checked
  if (secrets.length !== path.length || secrets.some(({ element }) => element.length !== geometry.elementBytes)) return invalid("bad-key")
  if (unusedHops.length !== unusedHopsBytes(geometry, path)) return invalid("bad-key")
  const { elementBytes, headerBytes, perHopBytes } = geometry
  const routingInfo = header.subarray(VERSION_BYTES + elementBytes, headerBytes - MAC_BYTES)
  const hops = path.map((hop, hopIndex) => ({ hop, secret: secrets[hopIndex] as HopSecret }))
  routingInfo.set(unusedHops, path.length * perHopBytes)
  let mac: Uint8Array = NO_PAD
  try {
    const streams = hopStreams(crypto, geometry, secrets)
    for (let hopIndex = path.length - 1; hopIndex >= 0; hopIndex--) {
      const { hop, secret } = hops[hopIndex] as NextHop
      // this hop's block and all behind it
      const covered = routingInfo.subarray(hopIndex * perHopBytes)
      writeBlock(geometry, hop, hops[hopIndex + 1], mac, covered.subarray(0, perHopBytes))
      xorInto(covered, (streams[hopIndex] as HopStream).stream)
      mac = crypto.hmacSha256(secret.keys.headerMac, VERSION, secret.element, covered, streams[hopIndex - 1]?.pad ?? NO_PAD)
    }
  } finally {
    wipeKeystreams()
  }
  header.set((secrets[0] as HopSecret).element, VERSION_BYTES)
  header.set(mac, headerBytes - MAC_BYTES)
  return Either.void
}
