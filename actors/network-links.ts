/**
 * Who may link to whom when actors are processes of their own: the peer directory of the TCP mount, from documents and public key files.
 *
 * Contract: a node, replica or compute service is let in when a document of the previous or the current epoch, or in the last eighth of an epoch the next
 * one, lists its identity with this link key, at a place that calls us. Authorities, couriers and, at authorities, everybody of the topology are known
 * by their public key files: they are in no document, or there is none yet. Clients prove nothing: they are named by their queue and find the gateway's
 * calls only. Anybody may fetch documents from an authority without a name.
 *
 * | callee | callers | calls |
 * |---|---|---|
 * | authority | authorities; actors of the topology; anybody | all; descriptors and documents; documents |
 * | gateway | mixes of the last layer; clients by queue | Forward; the others |
 * | mix | the layer before: gateways and service nodes for the first | all |
 * | service node | mixes of the last layer; compute services with a queue here | Forward; the queue's |
 * | courier | its service node | all |
 * | replica | couriers; replicas | CourierCommand; ReplicaCommand |
 * | compute | its runners | the desk's |
 * | runner | its compute service | all |
 * | client | the person who holds its secret | all |
 *
 * Knows nothing of: sockets, what calls mean.
 * Source: mixnet.md §1, §14 (table of peers), §16 (lengths by direction), pigeonhole.md §5.6; departures: documents of two epochs instead of four, since
 * older ones list keys that are destroyed; couriers have identities of their own.
 *
 * @module
 */
import type { PeerDirectory, TcpMountOptions } from "../src/actor/mount-tcp.ts"
import { utf8 } from "../src/bytes/concat.ts"
import { toHex } from "../src/bytes/hex.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import type { Entropy } from "../src/crypto/entropy.ts"
import type { HandshakeIdentity } from "../src/link/handshake.ts"
import type { LinkSizes } from "../src/link/link-end.ts"
import { claimMatches, type PeerClaim } from "../src/link/peer-check.ts"
import { epochAt, Epoch, epochStartMs } from "../src/params/epoch.ts"
import { nodeIdOf, type Descriptor, type Reach } from "../src/pki/descriptor.ts"
import type { Document } from "../src/pki/document.ts"
import type { Place, Role, Topology } from "../src/topology/topology.ts"
import { actorsOf, processesOf, runnersOf } from "../src/topology/topology.ts"
import type { PublicHalf } from "./key-file.ts"
import { isQueueName } from "./gateway/protocol.ts"
import type { Knowledge } from "./roles.ts"

export interface LinkConfig {
  readonly knowledge: Knowledge
  readonly self: { readonly name: string; readonly role: Role }
  /** Public halves known here, by name. */
  readonly publics: ReadonlyMap<string, PublicHalf>
  /** The documents held now. */
  readonly documents: () => ReadonlyArray<Document>
  readonly nowMs: () => number
  /** The key by which the person beside a client, or the runner beside a service, proves itself. */
  readonly attendants?: ReadonlyMap<string, PeerClaim>
}

/** Who somebody is, and where in the network. */
interface Standing {
  readonly name: string
  readonly role: Role
  /** Of a mix, else -1. */
  readonly layer: number
}

interface Listed extends Standing {
  readonly claim: PeerClaim
  readonly addresses: ReadonlyArray<string>
}

const NO_KEY = new Uint8Array(0)

const placeOf = (descriptor: Descriptor): Standing =>
  descriptor.kind === "node"
    ? { name: descriptor.name, role: descriptor.role, layer: descriptor.mixLayer }
    : { name: descriptor.name, role: descriptor.kind, layer: -1 }

const descriptorsOf = (document: Document): ReadonlyArray<Descriptor> =>
  [...document.gateways, ...document.mixLayers.flat(), ...document.serviceNodes, ...document.replicas, ...document.computeServices]

/** Everybody whom a document lists with a way to reach them. */
const listedIn = (crypto: CryptoBackend, document: Document): ReadonlyArray<Listed> =>
  descriptorsOf(document).flatMap((descriptor) => {
    const reach: Reach | undefined = descriptor.reach
    if (reach === undefined) return []
    const claim = { additionalData: nodeIdOf(crypto, descriptor.identityKey), linkKey: reach.linkKey }
    return [{ ...placeOf(descriptor), claim, addresses: reach.addresses }]
  })

/** Whether `caller` stands where calls to us come from. */
const isNeighbour = ({ knowledge: { topology }, self }: LinkConfig, caller: Standing): boolean => {
  const lastLayer = topology.params.mixLayers - 1
  switch (self.role) {
    case "authority": return caller.role !== "client"
    case "gateway": return caller.role === "mix" && caller.layer === lastLayer
    case "mix": {
      const layer = topology.mixes.find(({ name }) => name === self.name)?.layer ?? 0
      return layer === 0 ? caller.role === "gateway" || caller.role === "service-node" : caller.role === "mix" && caller.layer === layer - 1
    }
    case "service-node":
      return (caller.role === "mix" && caller.layer === lastLayer)
        || topology.computes.some((compute) => compute.name === caller.name && compute.queues.includes(self.name))
    case "courier": return topology.couriers.some((courier) => courier.name === self.name && courier.serviceNode === caller.name)
    case "replica": return caller.role === "courier" || (caller.role === "replica" && caller.name !== self.name)
    case "compute": return isOwnRunner(topology, self.name, caller.name) || isOwnRunner(topology, caller.name, self.name)
    case "client": return false
  }
}

const isOwnRunner = (topology: Topology, compute: string, runner: string): boolean =>
  runnersOf(topology).some((each) => each.name === runner && each.compute === compute)

/** Who is known by a key file here: those who are in no document, and at authorities everybody. */
const isKnownByFile = (self: LinkConfig["self"], role: Role): boolean =>
  self.role === "authority" || self.role === "compute" || role === "authority" || role === "courier"

/** The documents in force for who may call: the next one shortly before its epoch. */
const inForce = ({ documents, knowledge, nowMs }: LinkConfig): ReadonlyArray<Document> => {
  const { params } = knowledge.setting
  const now = nowMs()
  const epoch = epochAt(params, now)
  const nextIsNear = now >= epochStartMs(params, Epoch(epoch + 1)) - params.epochPeriodMs / 8
  return documents().filter((document) => document.epoch === epoch || document.epoch === epoch - 1 || (document.epoch === epoch + 1 && nextIsNear))
}

const GATEWAY_CALLS_OF_NODES: ReadonlySet<string> = new Set(["Forward"])
const SERVICE_NODE_CALLS_OF_COMPUTES: ReadonlySet<string> = new Set(["QueueDeliveries", "QueueAnswer"])
const COMPUTE_CALLS_OF_RUNNERS: ReadonlySet<string> = new Set(["Models", "TakeInput", "GiveOutput"])
const RUNNER_CALLS: ReadonlySet<string> = new Set(["Wake", "Status"])
const AUTHORITY_CALLS_OF_NODES: ReadonlySet<string> = new Set(["PostDescriptor", "Withdraw", "GetConsensus"])

/** Whether a caller whom we let in may make a call. */
const mayCallAt = (self: LinkConfig["self"], roleOf: (name: string) => Role | undefined) => (caller: string, call: string): boolean => {
  const role = roleOf(caller)
  switch (self.role) {
    case "authority":
      if (role === "authority") return true
      return role === undefined || role === "courier" || role === "client" ? call === "GetConsensus" : AUTHORITY_CALLS_OF_NODES.has(call)
    case "gateway": return GATEWAY_CALLS_OF_NODES.has(call) !== isQueueName(caller)
    case "service-node": return SERVICE_NODE_CALLS_OF_COMPUTES.has(call) === (role === "compute")
    case "replica": return call === (role === "courier" ? "CourierCommand" : "ReplicaCommand")
    case "compute": return COMPUTE_CALLS_OF_RUNNERS.has(call) || RUNNER_CALLS.has(call)
    case "mix":
    case "courier":
    case "client": return true
  }
}

/** The peers of one process. */
export const peersOf = (config: LinkConfig): PeerDirectory => {
  const { knowledge, publics, self } = config
  const { crypto } = knowledge.setting
  const roles = new Map(processesOf(knowledge.topology).map(({ name, role }) => [name, role]))
  const layers = new Map(knowledge.topology.mixes.map(({ layer, name }) => [name, layer]))
  const claims = new Map([...publics.values()].map(({ identityKey, linkKey, name }) => [name, { additionalData: nodeIdOf(crypto, identityKey), linkKey }]))
  const byFile = new Map([...claims].flatMap(([name, claim]) => {
    const role = roles.get(name)
    const place = role === undefined ? undefined : { name, role, layer: layers.get(name) ?? -1 }
    const isCaller = place !== undefined && name !== self.name && isKnownByFile(self, place.role) && isNeighbour(config, place)
    return isCaller ? [[toHex(claim.additionalData), { place, claim }]] : []
  }))
  const attendants = new Map([...(config.attendants ?? [])].map(([name, claim]) => [toHex(claim.additionalData), { name, claim }]))
  const index = new WeakMap<Document, ReadonlyMap<string, Listed>>()
  const listed = (document: Document): ReadonlyMap<string, Listed> => {
    const known = index.get(document) ?? new Map(listedIn(crypto, document).map((each) => [toHex(each.claim.additionalData), each]))
    index.set(document, known)
    return known
  }
  const accept: PeerDirectory["accept"] = (claim) => {
    const id = toHex(claim.additionalData)
    for (const document of inForce(config)) {
      const peer = listed(document).get(id)
      if (peer !== undefined && peer.name !== self.name && claimMatches(claim, peer.claim) && isNeighbour(config, peer)) return peer.name
    }
    const filed = byFile.get(id)
    if (filed !== undefined) return claimMatches(claim, filed.claim) ? filed.place.name : undefined
    const attendant = attendants.get(id)
    if (attendant !== undefined) return claimMatches(claim, attendant.claim) ? attendant.name : undefined
    if (self.role === "authority" && claim.additionalData.length === 0) return ""
    const text = Buffer.from(claim.additionalData).toString("latin1")
    return self.role === "gateway" && isQueueName(text) ? text : undefined
  }
  const expects: PeerDirectory["expects"] = (to, claim) => {
    const own = claims.get(to)
    const id = toHex(claim.additionalData)
    for (const document of config.documents()) {
      const peer = listed(document).get(id)
      if (peer?.name === to && claimMatches(claim, peer.claim)) return true
    }
    return claimMatches(claim, own ?? { additionalData: NO_KEY, linkKey: NO_KEY }) && own !== undefined
  }
  return { accept, expects, mayCall: mayCallAt(self, (name) => roles.get(name)) }
}

/** Bytes that a call adds to the one byte string it carries, generously. */
const CALL_BYTES = 96
/** An acknowledgement without content. */
const ACK_BYTES = 128
const DIRECTORY_BYTES = 4_096

/**
 * Command lengths towards each actor, so that a packet, a link command or a reply is one frame; what else crosses such a link is cut into frames of
 * the same length.
 */
export const linkSizesOf = ({ pigeonhole, setting: { geometry }, topology }: Knowledge): (callee: string) => LinkSizes => {
  const roles = new Map(actorsOf(topology).map(({ name, role }) => [name, role]))
  const both = (byteLength: number): LinkSizes => ({ fromInitiatorBytes: byteLength, fromResponderBytes: byteLength })
  return (callee) => {
    switch (roles.get(callee)) {
      case "gateway": return {
        fromInitiatorBytes: geometry.packetBytes + CALL_BYTES,
        fromResponderBytes: geometry.forwardPayloadBytes + 48 + CALL_BYTES
      }
      case "mix": return { fromInitiatorBytes: geometry.packetBytes + CALL_BYTES, fromResponderBytes: ACK_BYTES }
      case "service-node": return { fromInitiatorBytes: geometry.packetBytes + CALL_BYTES, fromResponderBytes: geometry.userPayloadBytes + CALL_BYTES }
      case "courier": return both(geometry.userPayloadBytes + CALL_BYTES)
      case "replica": return both(pigeonhole.linkCommandBytes + CALL_BYTES)
      default: return both(DIRECTORY_BYTES)
    }
  }
}

/** Where actors listen: as the newest document says, else as the topology does. */
export const addressesOf = (
  placement: Readonly<Record<string, Place>>, crypto: CryptoBackend, documents: () => ReadonlyArray<Document>
): TcpMountOptions["addresses"] => (name) => {
  const newest = [...documents()].sort((a, b) => b.epoch - a.epoch)
  for (const document of newest) {
    const [address] = listedIn(crypto, document).find((peer) => peer.name === name)?.addresses ?? []
    if (address !== undefined) return parseAddress(address)
  }
  const place = placement[name]
  return place === undefined ? undefined : { host: place.host, port: place.port }
}

/** `tcp://host:port` of a descriptor. */
export const formatAddress = ({ host, port }: Pick<Place, "host" | "port">): string => `tcp://${host.includes(":") ? `[${host}]` : host}:${port}`

const parseAddress = (address: string): { readonly host: string; readonly port: number } | undefined => {
  const match = /^tcp:\/\/(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(address)
  const host = match?.[1] ?? match?.[2]
  return host === undefined ? undefined : { host, port: Number(match?.[3]) }
}

/** Connections of clients prove their queue id alone, each with a fresh link key. */
export const anonymousCredentials = (crypto: CryptoBackend, entropy: Entropy) => (from: string): HandshakeIdentity | undefined =>
  isQueueName(from) ? { linkKey: crypto.xwingPrivateKey(entropy(32)), additionalData: utf8(from) } : undefined
