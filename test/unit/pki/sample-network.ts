/**
 * Descriptors and documents of a small network for the tests of this folder.
 *
 * Goal: one place that knows a good document, so that each test changes one thing.
 * Method: identity seeds are single repeated bytes; keys are patterns of the right length (nothing here is used for encryption).
 *
 * @module
 */
import { Either } from "effect"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { Epoch, replicaEpochOf } from "../../../src/params/epoch.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import {
  nodeIdOf, signDescriptor, type ComputeDescriptor, type Descriptor, type NodeDescriptor, type ReplicaDescriptor
} from "../../../src/pki/descriptor.ts"
import { encodeDocument, type DocumentContents } from "../../../src/pki/document.ts"

export const crypto = Either.getOrThrow(selectBackend())
export const params: MixnetParams = { ...tinyParams, dispatchSuite: 1 }
export const epoch = Epoch(231_000)

export const seedOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
export const identityOf = (byte: number): Uint8Array => crypto.ed25519PublicKey(seedOf(byte))
const keys = (...numbers: ReadonlyArray<number>): ReadonlyMap<number, Uint8Array> =>
  new Map(numbers.map((number) => [number, new Uint8Array(32).fill(number % 256)]))

export const node = (byte: number, role: NodeDescriptor["role"], change: Partial<NodeDescriptor> = {}): NodeDescriptor => ({
  kind: "node", name: `node-${byte}`, role, epoch, identityKey: identityOf(byte), mixLayer: role === "mix" ? 0 : -1,
  mixKeys: keys(epoch, epoch + 1, epoch + 2),
  services: role === "service-node" ? [{ capability: "echo", endpoint: "echo" }, { capability: "courier", endpoint: "courier-0" }] : [],
  ...change
})

export const replica = (byte: number, change: Partial<ReplicaDescriptor> = {}): ReplicaDescriptor => ({
  kind: "replica", name: `replica-${byte}`, replicaId: byte, epoch, identityKey: identityOf(byte),
  envelopeKeys: keys(replicaEpochOf(params, epoch), replicaEpochOf(params, epoch) + 1), ...change
})

export const compute = (byte: number, change: Partial<ComputeDescriptor> = {}): ComputeDescriptor => ({
  kind: "compute", name: `compute-${byte}`, version: 1, epoch, identityKey: identityOf(byte), jobKeys: keys(epoch, epoch + 1),
  resultKey: new Uint8Array(32).fill(7), queues: [{ serviceNodeId: nodeIdOf(crypto, identityOf(6)), endpoint: "queue-0" }],
  deadlinesQuanta: [3, 6, 10, 20], releaseWindowMs: 1000, sealBeforeEdgeMs: 200,
  profiles: [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 2, coverJobs: 0 }],
  tokenIssuers: new Map(), models: [new Uint8Array([123, 125])], ...change
})

/** One gateway, three layers (two mixes in the first), one service node, two of three replicas, one compute. */
export const network = (): ReadonlyArray<readonly [byte: number, Descriptor]> => [
  [1, node(1, "gateway")], [2, node(2, "mix")], [3, node(3, "mix")], [4, node(4, "mix", { mixLayer: 1 })], [5, node(5, "mix", { mixLayer: 2 })],
  [6, node(6, "service-node")], [7, replica(7)], [8, replica(8)], [10, compute(10)]
]

export const signAll = (descriptors: ReadonlyArray<readonly [byte: number, Descriptor]>): ReadonlyArray<Uint8Array> =>
  descriptors.map(([byte, descriptor]) => signDescriptor(crypto, seedOf(byte), descriptor))

export const contents = (change: Partial<DocumentContents> = {}): DocumentContents => ({
  epoch, genesisEpoch: Epoch(epoch - 10), params, descriptors: signAll(network()),
  configuredReplicas: [7, 8, 9].map((byte) => ({ replicaId: byte, identityKey: identityOf(byte) })),
  sharedRandomValue: new Uint8Array(32).fill(1), priorSharedRandom: [new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)], ...change
})

export const documentBytes = (): Uint8Array => Either.getOrThrow(encodeDocument(crypto, contents()))

/** Ways to break a byte string: one bit of each byte (or of every `stride`-th; the bit walks), each truncation, one byte more. */
export function* damaged(bytes: Uint8Array, stride = 1): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += stride) {
    const flipped = bytes.slice()
    flipped[at] = (flipped[at] as number) ^ (1 << (at % 8))
    yield flipped
    yield bytes.slice(0, at)
  }
  yield new Uint8Array([...bytes, 0])
}
