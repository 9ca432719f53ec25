/**
 * Descriptors: what a node, a storage replica or a compute service says of itself for one epoch, and the signed bytes of it.
 *
 * Contract: plain public values, told apart by `kind`. `openDescriptor` gives one only when its own identity key signed exactly these bytes and
 * every field is in its limits. One signed form per descriptor: two readers cannot differ.
 *
 *   signed descriptor = plain map { body: bytes, signature: 64 bytes }
 *   body              = plain map of the descriptor's fields in the order of its list below; maps by number are ascending pairs
 *   signature         = Ed25519 over "funion-descriptor-v1" ‖ body
 *
 * Knows nothing of: whether the identity is known to anybody, or the values fit a network (document).
 * Source: mixnet.md §12, pigeonhole.md §5.1, funion.md §6.3; departures: MessagePack instead of CBOR; link key and addresses are both
 * there or both absent (a network in one process); load weights and loop statistics are absent.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { DecodeError } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Epoch } from "../params/epoch.ts"
import {
  DEADLINE_COUNT_LIMIT, MODEL_COUNT_LIMIT, PROFILE_COUNT_LIMIT, QUEUE_COUNT_LIMIT, type ServiceProfile
} from "../params/service-profile.ts"
import { SIZE_CLASS_COUNT } from "../params/size-class.ts"
import { NodeId } from "../sphinx/geometry.ts"
import { decodePlain, encodePlain, type PlainValue } from "./plain-msgpack.ts"
import { plainNumberedKeys, RecordReader } from "./record-reader.ts"

/** Bytes of UTF-8 in a name or an endpoint. */
export const NAME_BYTES_LIMIT = 32
/** Bytes of one model card. */
export const MODEL_CARD_BYTES_LIMIT = 2048

export type NodeRole = "gateway" | "mix" | "service-node"
export const NODE_ROLES: ReadonlyArray<NodeRole> = ["gateway", "mix", "service-node"]

/** An endpoint of a service node and what it is good for, e.g. `echo`, `courier`, `compute-queue`. */
export interface AdvertisedService {
  readonly capability: string
  /** Recipient name at the node, 1..32 bytes. */
  readonly endpoint: string
}

/** How an actor is reached from other processes. */
export interface Reach {
  /** X-Wing public key of its links, 1216 bytes. */
  readonly linkKey: Uint8Array
  /** `tcp://host:port`, 1 to 4 of them. */
  readonly addresses: ReadonlyArray<string>
}

interface Reachable {
  /** Absent in a network that is one process. */
  readonly reach?: Reach
}

export interface NodeDescriptor extends Reachable {
  readonly kind: "node"
  readonly name: string
  readonly role: NodeRole
  readonly epoch: Epoch
  /** Ed25519, 32 bytes; its hash is the node's id. */
  readonly identityKey: Uint8Array
  /** From 0; -1 unless the role is mix. */
  readonly mixLayer: number
  /** PKI epoch → Sphinx public key, for epochs e (always), e+1, e+2. */
  readonly mixKeys: ReadonlyMap<number, Uint8Array>
  /** Empty unless the role is service-node. */
  readonly services: ReadonlyArray<AdvertisedService>
}

export interface ReplicaDescriptor extends Reachable {
  readonly kind: "replica"
  readonly name: string
  /** 0..255, pinned by the authorities. */
  readonly replicaId: number
  readonly epoch: Epoch
  readonly identityKey: Uint8Array
  /** Replica epoch → X25519 public key: current and next, the previous one while it is held. */
  readonly envelopeKeys: ReadonlyMap<number, Uint8Array>
}

/** Where a compute service takes dispatches. */
export interface ComputeQueue {
  /** Node id of the queue host, 32 bytes. */
  readonly serviceNodeId: Uint8Array
  readonly endpoint: string
}

export interface ComputeDescriptor extends Reachable {
  readonly kind: "compute"
  readonly name: string
  /** Of this record's form: 1. */
  readonly version: number
  readonly epoch: Epoch
  readonly identityKey: Uint8Array
  /** PKI epoch → public key of the network's dispatch suite, for epochs e (always) and e+1. */
  readonly jobKeys: ReadonlyMap<number, Uint8Array>
  /** Ed25519 key of attested results. */
  readonly resultKey: Uint8Array
  /** 1..4 */
  readonly queues: ReadonlyArray<ComputeQueue>
  /** d_1 < d_2 < … in quanta, u16; 1..8 of them. */
  readonly deadlinesQuanta: ReadonlyArray<number>
  /** w ≤ q */
  readonly releaseWindowMs: number
  readonly sealBeforeEdgeMs: number
  /** 1..4 */
  readonly profiles: ReadonlyArray<ServiceProfile>
  /** Token type → issuer's public key; empty: no tokens asked. */
  readonly tokenIssuers: ReadonlyMap<number, Uint8Array>
  /** 1..16 model cards as their own bytes, at most 2048 each. */
  readonly models: ReadonlyArray<Uint8Array>
}

export type Descriptor = NodeDescriptor | ReplicaDescriptor | ComputeDescriptor

/** The version of the compute descriptor's form. */
export const COMPUTE_DESCRIPTOR_VERSION = 1

/** Node id, replica id hash or service id of an identity key: H256. */
export const nodeIdOf = (crypto: CryptoBackend, identityKey: Uint8Array): NodeId => NodeId.unsafe(crypto.blake2b256(identityKey))

/** By backend, since not all hash alike. */
const listedIds = new WeakMap<CryptoBackend, WeakMap<object, NodeId>>()

/** The node id of a descriptor, hashed once in its life: routes are drawn for every packet. */
export const listedNodeId = (crypto: CryptoBackend, descriptor: { readonly identityKey: Uint8Array }): NodeId => {
  let ids = listedIds.get(crypto)
  if (ids === undefined) listedIds.set(crypto, ids = new WeakMap())
  let id = ids.get(descriptor)
  if (id === undefined) ids.set(descriptor, id = nodeIdOf(crypto, descriptor.identityKey))
  return id
}

const SIGNED_FIELDS = ["body", "signature"]
const NODE_FIELDS = ["kind", "name", "role", "epoch", "identityKey", "mixLayer", "mixKeys", "services", "linkKey", "addresses"]
const SERVICE_FIELDS = ["capability", "endpoint"]
const REPLICA_FIELDS = ["kind", "name", "replicaId", "epoch", "identityKey", "envelopeKeys", "linkKey", "addresses"]
const COMPUTE_FIELDS = [
  "kind", "name", "version", "epoch", "identityKey", "jobKeys", "resultKey", "queues", "deadlinesQuanta", "releaseWindowMs",
  "sealBeforeEdgeMs", "profiles", "tokenIssuers", "models", "linkKey", "addresses"
]
const QUEUE_FIELDS = ["serviceNodeId", "endpoint"]
const PROFILE_FIELDS = ["id", "inputClass", "outputClass", "bucket", "staged", "jobsPerQuantum", "coverJobs"]

const SIGNATURE_LABEL = utf8("funion-descriptor-v1")
const SIGNATURE_BYTES = 64
const IDENTITY_KEY_BYTES = 32
const LINK_KEY_BYTES = 1216
const ADDRESS_COUNT_LIMIT = 4
const ADDRESS_BYTES_LIMIT = 300
/** A body is bounded by its fields (16 cards, keys); anything longer is not parsed. */
const BODY_BYTES_LIMIT = 1 << 16
const EPOCH_LIMIT = 2 ** 40
const MIX_LAYER_LIMIT = 16
const SERVICE_COUNT_LIMIT = 256
const WINDOW_MS_LIMIT = 3_600_000
const ISSUER_KEY_BYTES_LIMIT = 1024
const U16_MAX = 0xffff

const isKemOrNikeKey = (byteLength: number): boolean => byteLength === 32 || byteLength === 1216

const hasTwins = (keys: ReadonlyArray<string | number>): boolean => new Set(keys).size !== keys.length

const plainReach = ({ reach }: Reachable) => ({ linkKey: reach?.linkKey ?? new Uint8Array(0), addresses: reach?.addresses ?? [] })

const plainBody = (descriptor: Descriptor): PlainValue => {
  const { kind, name, epoch, identityKey } = descriptor
  switch (kind) {
    case "node":
      return {
        kind, name, role: descriptor.role, epoch, identityKey, mixLayer: descriptor.mixLayer, mixKeys: plainNumberedKeys(descriptor.mixKeys),
        services: descriptor.services.map(({ capability, endpoint }) => ({ capability, endpoint })), ...plainReach(descriptor)
      }
    case "replica":
      return {
        kind, name, replicaId: descriptor.replicaId, epoch, identityKey, envelopeKeys: plainNumberedKeys(descriptor.envelopeKeys), ...plainReach(descriptor)
      }
    case "compute":
      return {
        kind, name, version: descriptor.version, epoch, identityKey, jobKeys: plainNumberedKeys(descriptor.jobKeys), resultKey: descriptor.resultKey,
        queues: descriptor.queues.map(({ serviceNodeId, endpoint }) => ({ serviceNodeId, endpoint })),
        deadlinesQuanta: descriptor.deadlinesQuanta, releaseWindowMs: descriptor.releaseWindowMs, sealBeforeEdgeMs: descriptor.sealBeforeEdgeMs,
        profiles: descriptor.profiles.map(({ id, inputClass, outputClass, bucket, staged, jobsPerQuantum, coverJobs }) =>
          ({ id, inputClass, outputClass, bucket, staged, jobsPerQuantum, coverJobs })),
        tokenIssuers: plainNumberedKeys(descriptor.tokenIssuers), models: descriptor.models, ...plainReach(descriptor)
      }
  }
}

/** Keys for consecutive epochs from `epoch` on, of one length. */
const requireKeysFrom = (reader: RecordReader, keys: ReadonlyMap<number, Uint8Array>, epoch: number, span: number): void => {
  reader.require(keys.has(epoch) && [...keys.keys()].every((number) => number >= epoch && number < epoch + span), "inconsistent")
  reader.require(new Set([...keys.values()].map((key) => key.length)).size <= 1, "inconsistent")
}

const ADDRESS = /^tcp:\/\/(?:\[[0-9A-Fa-f:.%a-z]{2,60}\]|[A-Za-z0-9.-]{1,253}):\d{1,5}$/

/** The reach of a descriptor, to be spread into it: the field is absent when there is none. */
const readReach = (reader: RecordReader): Reachable => {
  const linkKey = reader.bytes("linkKey", 0, LINK_KEY_BYTES)
  const addresses = reader.texts("addresses", ADDRESS_COUNT_LIMIT, ADDRESS_BYTES_LIMIT)
  reader.require(linkKey.length === 0 ? addresses.length === 0 : linkKey.length === LINK_KEY_BYTES && addresses.length > 0, "inconsistent")
  reader.require(addresses.every((address) => ADDRESS.test(address)) && !hasTwins(addresses), "inconsistent")
  return linkKey.length === 0 ? {} : { reach: { linkKey, addresses } }
}

const readNode = (value: PlainValue): Either.Either<NodeDescriptor, DecodeError> => {
  const reader = new RecordReader("NodeDescriptor", value, NODE_FIELDS)
  const descriptor: NodeDescriptor = {
    kind: reader.literal("kind", ["node"]),
    name: reader.text("name", NAME_BYTES_LIMIT),
    role: reader.literal("role", NODE_ROLES),
    epoch: Epoch(reader.integer("epoch", 0, EPOCH_LIMIT)),
    identityKey: reader.bytes("identityKey", IDENTITY_KEY_BYTES),
    mixLayer: reader.integer("mixLayer", -1, MIX_LAYER_LIMIT - 1),
    mixKeys: reader.numberedKeys("mixKeys", 1, 3, isKemOrNikeKey),
    services: reader.parts("services", 0, SERVICE_COUNT_LIMIT, SERVICE_FIELDS, (part) => ({
      capability: part.text("capability", NAME_BYTES_LIMIT),
      endpoint: part.text("endpoint", NAME_BYTES_LIMIT)
    })),
    ...readReach(reader)
  }
  reader.require((descriptor.role === "mix") === (descriptor.mixLayer >= 0), "inconsistent")
  reader.require(descriptor.role === "service-node" || descriptor.services.length === 0, "inconsistent")
  reader.require(!hasTwins(descriptor.services.map(({ endpoint }) => endpoint)), "inconsistent")
  requireKeysFrom(reader, descriptor.mixKeys, descriptor.epoch, 3)
  return reader.finish(descriptor)
}

const readReplica = (value: PlainValue): Either.Either<ReplicaDescriptor, DecodeError> => {
  const reader = new RecordReader("ReplicaDescriptor", value, REPLICA_FIELDS)
  const descriptor: ReplicaDescriptor = {
    kind: reader.literal("kind", ["replica"]),
    name: reader.text("name", NAME_BYTES_LIMIT),
    replicaId: reader.integer("replicaId", 0, 255),
    epoch: Epoch(reader.integer("epoch", 0, EPOCH_LIMIT)),
    identityKey: reader.bytes("identityKey", IDENTITY_KEY_BYTES),
    envelopeKeys: reader.numberedKeys("envelopeKeys", 1, 3, (byteLength) => byteLength === 32),
    ...readReach(reader)
  }
  const epochs = [...descriptor.envelopeKeys.keys()]
  reader.require(Math.max(...epochs) - Math.min(...epochs) <= 2, "inconsistent")
  return reader.finish(descriptor)
}

const readProfile = (reader: RecordReader, deadlineCount: number): ServiceProfile => {
  const profile = {
    id: reader.integer("id", 0, 255),
    inputClass: reader.integer("inputClass", 0, SIZE_CLASS_COUNT - 1),
    outputClass: reader.integer("outputClass", 0, SIZE_CLASS_COUNT - 1),
    bucket: reader.integer("bucket", 1, Math.max(1, deadlineCount)),
    staged: reader.boolean("staged"),
    jobsPerQuantum: reader.integer("jobsPerQuantum", 1, U16_MAX),
    coverJobs: reader.integer("coverJobs", 0, U16_MAX)
  }
  reader.require(!profile.staged || profile.bucket === 1, "inconsistent")
  reader.require(profile.coverJobs < profile.jobsPerQuantum, "inconsistent")
  return profile
}

const readCompute = (value: PlainValue): Either.Either<ComputeDescriptor, DecodeError> => {
  const reader = new RecordReader("ComputeDescriptor", value, COMPUTE_FIELDS)
  const deadlinesQuanta = reader.integers("deadlinesQuanta", [1, DEADLINE_COUNT_LIMIT], [1, U16_MAX])
  const descriptor: ComputeDescriptor = {
    kind: reader.literal("kind", ["compute"]),
    name: reader.text("name", NAME_BYTES_LIMIT),
    version: reader.integer("version", COMPUTE_DESCRIPTOR_VERSION, COMPUTE_DESCRIPTOR_VERSION),
    epoch: Epoch(reader.integer("epoch", 0, EPOCH_LIMIT)),
    identityKey: reader.bytes("identityKey", IDENTITY_KEY_BYTES),
    jobKeys: reader.numberedKeys("jobKeys", 1, 2, isKemOrNikeKey),
    resultKey: reader.bytes("resultKey", 32),
    queues: reader.parts("queues", 1, QUEUE_COUNT_LIMIT, QUEUE_FIELDS, (part) => ({
      serviceNodeId: part.bytes("serviceNodeId", 32),
      endpoint: part.text("endpoint", NAME_BYTES_LIMIT)
    })),
    deadlinesQuanta,
    releaseWindowMs: reader.integer("releaseWindowMs", 1, WINDOW_MS_LIMIT),
    sealBeforeEdgeMs: reader.integer("sealBeforeEdgeMs", 1, WINDOW_MS_LIMIT),
    profiles: reader.parts("profiles", 1, PROFILE_COUNT_LIMIT, PROFILE_FIELDS, (part) => readProfile(part, deadlinesQuanta.length)),
    tokenIssuers: reader.numberedKeys("tokenIssuers", 0, 8, (byteLength) => byteLength > 0 && byteLength <= ISSUER_KEY_BYTES_LIMIT),
    models: reader.byteStrings("models", 1, MODEL_COUNT_LIMIT, MODEL_CARD_BYTES_LIMIT),
    ...readReach(reader)
  }
  reader.require(deadlinesQuanta.every((deadline, index) => index === 0 || deadline > (deadlinesQuanta[index - 1] ?? 0)), "inconsistent")
  reader.require(!hasTwins(descriptor.profiles.map(({ id }) => id)), "inconsistent")
  reader.require(!hasTwins(descriptor.queues.map(({ serviceNodeId, endpoint }) => `${toHex(serviceNodeId)} ${endpoint}`)), "inconsistent")
  reader.require(!hasTwins(descriptor.models.map(toHex)), "inconsistent")
  reader.require([...descriptor.tokenIssuers.keys()].every((type) => type <= U16_MAX), "out-of-range")
  requireKeysFrom(reader, descriptor.jobKeys, descriptor.epoch, 2)
  return reader.finish(descriptor)
}

const readBody = (body: Uint8Array): Either.Either<Descriptor, DecodeError> =>
  Either.flatMap(decodePlain("Descriptor", body), (value): Either.Either<Descriptor, DecodeError> => {
    switch ((value as { readonly kind?: unknown } | null)?.kind) {
      case "node": return readNode(value)
      case "replica": return readReplica(value)
      case "compute": return readCompute(value)
      default: return Either.left(new DecodeError({ what: "Descriptor", reason: "unknown-type" }))
    }
  })

/**
 * The signed bytes of a descriptor. A descriptor out of its limits, or with an identity key that is not the seed's, is a mistake of ours and dies.
 * @param seed  Ed25519 private key of `descriptor.identityKey`, 32 bytes
 */
export const signDescriptor = (crypto: CryptoBackend, seed: Uint8Array, descriptor: Descriptor): Uint8Array => {
  const body = encodePlain(plainBody(descriptor))
  const checked = readBody(body)
  if (Either.isLeft(checked)) throw new RangeError(`descriptor out of its limits (${checked.left.message})`)
  if (!constantTimeEqual(crypto.ed25519PublicKey(seed), descriptor.identityKey)) throw new RangeError("descriptor of another identity")
  return encodePlain({ body, signature: crypto.ed25519Sign(seed, concatBytes(SIGNATURE_LABEL, body)) })
}

/**
 * Reads a signed descriptor and verifies it under the identity key it names. Whether that identity is wanted is the caller's check.
 * @errors DecodeError, `bad-signature` for a good form with a wrong signature
 * @source mixnet.md §12    @cost one Ed25519 verification
 */
export const openDescriptor = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<Descriptor, DecodeError> =>
  Either.gen(function* () {
    const value = yield* decodePlain("SignedDescriptor", bytes)
    const outer = new RecordReader("SignedDescriptor", value, SIGNED_FIELDS)
    const signed = yield* outer.finish({ body: outer.variableBytes("body", BODY_BYTES_LIMIT), signature: outer.bytes("signature", SIGNATURE_BYTES) })
    const descriptor = yield* readBody(signed.body)
    return crypto.ed25519Verify(descriptor.identityKey, concatBytes(SIGNATURE_LABEL, signed.body), signed.signature)
      ? descriptor
      : yield* Either.left(new DecodeError({ what: "SignedDescriptor", reason: "bad-signature" }))
  })
