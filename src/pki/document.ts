/**
 * The directory document: the one view of the network that all parties of an epoch share.
 *
 * Contract: equal contents give equal bytes, whatever the order in which the descriptors came, so that authorities sign the same document.
 * `decodeDocument` verifies every descriptor in it under its own identity key and checks that all fit the document's epoch and parameters.
 *
 *   document = plain map, fields in the order of DOCUMENT_FIELDS; descriptors as their signed bytes; every list ascends by H256(identity key)
 *
 * Knows nothing of: who signed the document (certificate), which identities were pinned.
 * Source: mixnet.md §12, funion.md §6.3; departures: MessagePack; one list entry per descriptor.
 *
 * @module
 */
import { Either } from "effect"
import { DecodeError, type DecodeReason } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Epoch, replicaEpochOf } from "../params/epoch.ts"
import { ENVELOPE_KEY_BYTES, jobKeyBytes, mixKeyBytes, type MixnetParams } from "../params/mixnet-params.ts"
import { makeGeometry } from "../sphinx/geometry.ts"
import { geometryHash } from "../sphinx/geometry-hash.ts"
import {
  nodeIdOf, openDescriptor, type ComputeDescriptor, type Descriptor, type NodeDescriptor, type ReplicaDescriptor
} from "./descriptor.ts"
import { PARAMS_FIELDS, plainParams, readParams } from "./params-record.ts"
import { decodePlain, encodePlain, type PlainLimits, type PlainValue } from "./plain-msgpack.ts"
import { RecordReader } from "./record-reader.ts"
import { NO_SHARED_RANDOM, SHARED_RANDOM_BYTES, type SharedRandom } from "./shared-random.ts"

/** A replica that may be offline: it keeps its place in the sharding. */
export interface ConfiguredReplica {
  /** 0..255 */
  readonly replicaId: number
  readonly identityKey: Uint8Array
}

export interface Document extends SharedRandom {
  readonly epoch: Epoch
  /** First epoch with a document in this run of the network. */
  readonly genesisEpoch: Epoch
  readonly params: MixnetParams
  /** Of the geometry that `params` choose, 32 bytes. */
  readonly geometryHash: Uint8Array
  /** Layer index → mixes; `params.mixLayers` layers, none empty. */
  readonly mixLayers: ReadonlyArray<ReadonlyArray<NodeDescriptor>>
  readonly gateways: ReadonlyArray<NodeDescriptor>
  readonly serviceNodes: ReadonlyArray<NodeDescriptor>
  /** Those online. */
  readonly replicas: ReadonlyArray<ReplicaDescriptor>
  /** All, online or not. */
  readonly configuredReplicas: ReadonlyArray<ConfiguredReplica>
  readonly computeServices: ReadonlyArray<ComputeDescriptor>
}

/** What an authority puts into a document. */
export interface DocumentContents extends SharedRandom {
  readonly epoch: Epoch
  readonly genesisEpoch: Epoch
  readonly params: MixnetParams
  /** Signed bytes of all descriptors, in any order; roles and layers are read from them. */
  readonly descriptors: ReadonlyArray<Uint8Array>
  readonly configuredReplicas: ReadonlyArray<ConfiguredReplica>
}

export const DOCUMENT_VERSION = 1
const DOCUMENT_FIELDS = [
  "version", "epoch", "genesisEpoch", "params", "geometryHash", "mixLayers", "gateways", "serviceNodes", "replicas", "configuredReplicas",
  "computeServices", "sharedRandomValue", "priorSharedRandom"
]
const CONFIGURED_FIELDS = ["replicaId", "identityKey"]
const NODES_LIMIT = 4096
const REPLICAS_LIMIT = 256
const COMPUTES_LIMIT = 256
const SIGNED_BYTES_LIMIT = 1 << 17
const EPOCH_LIMIT = 2 ** 40
/** Room for a few thousand nodes and all model cards of the services. */
export const DOCUMENT_LIMITS: PlainLimits = { maxBytes: 1 << 24, maxItems: 1 << 16, maxDepth: 8 }

/**
 * Why a descriptor cannot stand in a document of these parameters and epoch, or `undefined`: what an authority asks at every upload.
 * Whether its identity is pinned under this name and role is the authority's own check.
 */
export const descriptorMisfit = (params: MixnetParams, epoch: Epoch, descriptor: Descriptor): DecodeReason | undefined => {
  if (descriptor.epoch !== epoch) return "inconsistent"
  switch (descriptor.kind) {
    case "node":
      if (descriptor.mixLayer >= params.mixLayers) return "out-of-range"
      return [...descriptor.mixKeys.values()].every((key) => key.length === mixKeyBytes(params)) ? undefined : "wrong-length"
    case "replica": {
      const current = replicaEpochOf(params, epoch)
      const numbers = [...descriptor.envelopeKeys.keys()]
      if (!numbers.includes(current) || numbers.some((number) => Math.abs(number - current) > 1)) return "inconsistent"
      return [...descriptor.envelopeKeys.values()].every((key) => key.length === ENVELOPE_KEY_BYTES) ? undefined : "wrong-length"
    }
    case "compute":
      if (descriptor.releaseWindowMs > params.quantumMs || descriptor.sealBeforeEdgeMs >= params.quantumMs) return "out-of-range"
      return [...descriptor.jobKeys.values()].every((key) => key.length === jobKeyBytes(params)) ? undefined : "wrong-length"
  }
}

interface Placed {
  readonly bytes: Uint8Array
  readonly idHex: string
  readonly descriptor: Descriptor
}

const refuse = (reason: DecodeReason) => Either.left(new DecodeError({ what: "Document", reason }))

const hashOf = (params: MixnetParams, crypto: CryptoBackend): Uint8Array | undefined =>
  makeGeometry(params.geometry).pipe(Either.map((geometry) => geometryHash(crypto, geometry)), Either.getOrElse(() => undefined))

const byId = (a: { readonly idHex: string }, b: { readonly idHex: string }): number => (a.idHex < b.idHex ? -1 : a.idHex > b.idHex ? 1 : 0)

/** The list of a document to which a descriptor belongs: `mixLayers/<index>` or the field's name. */
const listOf = (descriptor: Descriptor): string => {
  if (descriptor.kind === "replica") return "replicas"
  if (descriptor.kind === "compute") return "computeServices"
  return descriptor.role === "mix" ? `mixLayers/${descriptor.mixLayer}` : descriptor.role === "gateway" ? "gateways" : "serviceNodes"
}

/**
 * The bytes of a document, to be signed.
 * @errors DecodeError as `decodeDocument`, when a descriptor is bad or the whole is not well formed (no gateway, an empty layer, twins, …)
 */
export const encodeDocument = (crypto: CryptoBackend, contents: DocumentContents): Either.Either<Uint8Array, DecodeError> =>
  Either.gen(function* () {
    const placed: Array<Placed> = []
    for (const bytes of contents.descriptors) {
      const descriptor = yield* openDescriptor(crypto, bytes)
      placed.push({ bytes, idHex: toHex(nodeIdOf(crypto, descriptor.identityKey)), descriptor })
    }
    placed.sort(byId)
    const list = (name: string): ReadonlyArray<Uint8Array> =>
      placed.filter(({ descriptor }) => listOf(descriptor) === name).map(({ bytes }) => bytes)
    const configured = contents.configuredReplicas
      .map((replica) => ({ replica, idHex: toHex(nodeIdOf(crypto, replica.identityKey)) }))
      .sort(byId)
    const value: PlainValue = {
      version: DOCUMENT_VERSION,
      epoch: contents.epoch,
      genesisEpoch: contents.genesisEpoch,
      params: plainParams(contents.params),
      geometryHash: hashOf(contents.params, crypto) ?? new Uint8Array(32),
      mixLayers: Array.from({ length: contents.params.mixLayers }, (_, layer) => list(`mixLayers/${layer}`)),
      gateways: list("gateways"),
      serviceNodes: list("serviceNodes"),
      replicas: list("replicas"),
      configuredReplicas: configured.map(({ replica: { replicaId, identityKey } }) => ({ replicaId, identityKey })),
      computeServices: list("computeServices"),
      sharedRandomValue: contents.sharedRandomValue,
      priorSharedRandom: contents.priorSharedRandom
    }
    const bytes = encodePlain(value)
    // A mix of a layer that does not exist has no list, so reading back alone would not miss it.
    if (placed.some(({ descriptor }) => descriptorMisfit(contents.params, contents.epoch, descriptor) !== undefined)) return yield* refuse("inconsistent")
    yield* decodeDocument(crypto, bytes)
    return bytes
  })

/** Opens the signed descriptors of one list, in their order. */
const openList = (crypto: CryptoBackend, list: ReadonlyArray<Uint8Array>, name: string): Either.Either<ReadonlyArray<Placed>, DecodeError> =>
  Either.gen(function* () {
    const placed: Array<Placed> = []
    for (const bytes of list) {
      const descriptor = yield* openDescriptor(crypto, bytes)
      if (listOf(descriptor) !== name) return yield* refuse("inconsistent")
      placed.push({ bytes, idHex: toHex(nodeIdOf(crypto, descriptor.identityKey)), descriptor })
    }
    return placed
  })

const ascends = (idsHex: ReadonlyArray<string>): boolean => idsHex.every((idHex, index) => index === 0 || (idsHex[index - 1] ?? "") < idHex)

const areDistinct = (values: ReadonlyArray<string | number>): boolean => new Set(values).size === values.length

/** Rules between descriptors: order, no twins, everything of this epoch and these parameters, every replica configured. */
const checkTogether = (
  params: MixnetParams, epoch: Epoch, lists: ReadonlyArray<ReadonlyArray<Placed>>, configured: ReadonlyArray<ConfiguredReplica & { readonly idHex: string }>
): DecodeReason | undefined => {
  const all = lists.flat()
  if (!lists.every((list) => ascends(list.map(({ idHex }) => idHex))) || !ascends(configured.map(({ idHex }) => idHex))) return "inconsistent"
  if (!areDistinct(all.map(({ idHex }) => idHex)) || !areDistinct(all.map(({ descriptor }) => descriptor.name))) return "inconsistent"
  if (!areDistinct(configured.map(({ replicaId }) => replicaId))) return "inconsistent"
  for (const { descriptor, idHex } of all) {
    const misfit = descriptorMisfit(params, epoch, descriptor)
    if (misfit !== undefined) return misfit
    if (descriptor.kind === "replica" && !configured.some((replica) => replica.idHex === idHex && replica.replicaId === descriptor.replicaId)) {
      return "inconsistent"
    }
  }
  return undefined
}

const descriptorsOf = <D extends Descriptor>(list: ReadonlyArray<Placed>): ReadonlyArray<D> => list.map(({ descriptor }) => descriptor as D)

/** Two values of 32 bytes under `priorSharedRandom`. */
export const readPriorSharedRandom = (reader: RecordReader): SharedRandom["priorSharedRandom"] => {
  const [younger, older] = reader.byteStrings("priorSharedRandom", 2, 2, SHARED_RANDOM_BYTES)
  reader.require(younger?.length === SHARED_RANDOM_BYTES && older?.length === SHARED_RANDOM_BYTES, "wrong-length")
  return [younger ?? NO_SHARED_RANDOM, older ?? NO_SHARED_RANDOM]
}

const readHeader = (bytes: Uint8Array) =>
  Either.flatMap(decodePlain("Document", bytes, DOCUMENT_LIMITS), (value) => {
    const reader = new RecordReader("Document", value, DOCUMENT_FIELDS)
    const signedList = (name: string, least: number, most: number) => reader.byteStrings(name, least, most, SIGNED_BYTES_LIMIT)
    reader.integer("version", DOCUMENT_VERSION, DOCUMENT_VERSION)
    const epoch = Epoch(reader.integer("epoch", 0, EPOCH_LIMIT))
    const genesisEpoch = Epoch(reader.integer("genesisEpoch", 0, epoch))
    const params = readParams(reader.part("params", PARAMS_FIELDS))
    const header = {
      epoch,
      genesisEpoch,
      params,
      geometryHash: reader.bytes("geometryHash", 32),
      mixLayers: reader.nestedByteStrings("mixLayers", params.mixLayers, [1, NODES_LIMIT], SIGNED_BYTES_LIMIT),
      gateways: signedList("gateways", 1, NODES_LIMIT),
      serviceNodes: signedList("serviceNodes", 1, NODES_LIMIT),
      replicas: signedList("replicas", 0, REPLICAS_LIMIT),
      configuredReplicas: reader.parts("configuredReplicas", 0, REPLICAS_LIMIT, CONFIGURED_FIELDS, (part) => ({
        replicaId: part.integer("replicaId", 0, 255),
        identityKey: part.bytes("identityKey", 32)
      })),
      computeServices: signedList("computeServices", 0, COMPUTES_LIMIT),
      sharedRandomValue: reader.bytes("sharedRandomValue", SHARED_RANDOM_BYTES),
      priorSharedRandom: readPriorSharedRandom(reader)
    }
    // In the first epoch there was nothing before.
    reader.require(epoch > genesisEpoch || header.priorSharedRandom.every((value) => constantTimeEqual(value, NO_SHARED_RANDOM)), "inconsistent")
    return reader.finish(header)
  })

/**
 * Reads a document and verifies all descriptors in it. Its own signatures are the certificate's matter.
 * @errors DecodeError
 * @source mixnet.md §12 (well-formedness)    @cost one Ed25519 verification per descriptor
 */
export const decodeDocument = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<Document, DecodeError> =>
  Either.gen(function* () {
    const header = yield* readHeader(bytes)
    const expectedHash = hashOf(header.params, crypto)
    if (expectedHash === undefined || !constantTimeEqual(expectedHash, header.geometryHash)) return yield* refuse("inconsistent")
    const mixLayers: Array<ReadonlyArray<Placed>> = []
    for (const [layer, list] of header.mixLayers.entries()) mixLayers.push(yield* openList(crypto, list, `mixLayers/${layer}`))
    const gateways = yield* openList(crypto, header.gateways, "gateways")
    const serviceNodes = yield* openList(crypto, header.serviceNodes, "serviceNodes")
    const replicas = yield* openList(crypto, header.replicas, "replicas")
    const computeServices = yield* openList(crypto, header.computeServices, "computeServices")
    const configured = header.configuredReplicas.map((replica) => ({ ...replica, idHex: toHex(nodeIdOf(crypto, replica.identityKey)) }))
    const fault = checkTogether(header.params, header.epoch, [...mixLayers, gateways, serviceNodes, replicas, computeServices], configured)
    if (fault !== undefined) return yield* refuse(fault)
    return {
      epoch: header.epoch,
      genesisEpoch: header.genesisEpoch,
      params: header.params,
      geometryHash: header.geometryHash,
      mixLayers: mixLayers.map((list) => descriptorsOf<NodeDescriptor>(list)),
      gateways: descriptorsOf<NodeDescriptor>(gateways),
      serviceNodes: descriptorsOf<NodeDescriptor>(serviceNodes),
      replicas: descriptorsOf<ReplicaDescriptor>(replicas),
      configuredReplicas: header.configuredReplicas,
      computeServices: descriptorsOf<ComputeDescriptor>(computeServices),
      sharedRandomValue: header.sharedRandomValue,
      priorSharedRandom: header.priorSharedRandom
    }
  })
