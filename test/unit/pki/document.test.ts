/**
 * Goal: authorities that hold the same descriptors make the same bytes, and no reader accepts a document that does not hang together.
 * Method: a good document; one change per case, made with valid signatures, so that only the rule under test can refuse it.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { Epoch, replicaEpochOf } from "../../../src/params/epoch.ts"
import { descriptorMisfit, decodeDocument, encodeDocument, type DocumentContents } from "../../../src/pki/document.ts"
import { decodePlain, encodePlain, type PlainValue } from "../../../src/pki/plain-msgpack.ts"
import { geometryHash } from "../../../src/sphinx/geometry-hash.ts"
import { makeGeometry } from "../../../src/sphinx/geometry.ts"
import type { Descriptor } from "../../../src/pki/descriptor.ts"
import { compute, contents, crypto, damaged, documentBytes, epoch, identityOf, network, node, params, replica, signAll } from "./sample-network.ts"

type Fields = { readonly [name: string]: PlainValue }
const fieldsOf = (bytes: Uint8Array): Fields => Either.getOrThrow(decodePlain("test", bytes)) as Fields
const refuses = (change: (fields: Fields) => PlainValue): boolean => Either.isLeft(decodeDocument(crypto, encodePlain(change(fieldsOf(documentBytes())))))
const cannotEncode = (change: Partial<DocumentContents>): boolean => Either.isLeft(encodeDocument(crypto, contents(change)))
/** The sample network with one actor replaced, or one more. */
const replaced = (byte: number, descriptor: Descriptor): Partial<DocumentContents> =>
  ({ descriptors: signAll([...network().filter(([other]) => other !== byte), [byte, descriptor]]) })

describe("document", () => {
  const document = Either.getOrThrow(decodeDocument(crypto, documentBytes()))
  it("what goes in comes out, each actor in its place", () => {
    expect(document.mixLayers.map((layer) => layer.map(({ name }) => name).sort())).toEqual([["node-2", "node-3"], ["node-4"], ["node-5"]])
    expect(document.gateways).toEqual([node(1, "gateway")])
    expect(document.serviceNodes).toEqual([node(6, "service-node")])
    expect([...document.replicas].sort((a, b) => a.replicaId - b.replicaId)).toEqual([replica(7), replica(8)])
    expect(document.configuredReplicas.map(({ replicaId }) => replicaId).sort()).toEqual([7, 8, 9])
    expect(document.computeServices).toEqual([compute(10)])
    expect(document.params).toEqual(params)
    expect([document.epoch, document.genesisEpoch]).toEqual([epoch, epoch - 10])
    expect(document.geometryHash).toEqual(geometryHash(crypto, Either.getOrThrow(makeGeometry(params.geometry))))
  })
  it("the order in which descriptors came does not show", () => {
    const reversed = contents({ descriptors: [...contents().descriptors].reverse(), configuredReplicas: [...contents().configuredReplicas].reverse() })
    expect(Either.getOrThrow(encodeDocument(crypto, reversed))).toEqual(documentBytes())
  })
  it("lists ascend by the hash of the identity key", () => {
    const ids = document.configuredReplicas.map(({ identityKey }) => Buffer.from(crypto.blake2b256(identityKey)).toString("hex"))
    expect(ids).toEqual([...ids].sort())
    expect(refuses((fields) => ({ ...fields, configuredReplicas: [...(fields["configuredReplicas"] as ReadonlyArray<PlainValue>)].reverse() }))).toBe(true)
  })
  it("truncation is refused, and a flipped bit is refused or leaves every descriptor as it was signed", () => {
    const bytes = documentBytes()
    for (const other of damaged(bytes, 29)) {
      const decoded = decodeDocument(crypto, other)
      if (other.length !== bytes.length) expect(Either.isLeft(decoded)).toBe(true)
      if (Either.isLeft(decoded)) continue
      const { mixLayers, gateways, serviceNodes, replicas, computeServices } = decoded.right
      expect([mixLayers, gateways, serviceNodes, replicas, computeServices])
        .toEqual([document.mixLayers, document.gateways, document.serviceNodes, document.replicas, document.computeServices])
    }
  })
})

describe("well-formedness of a document", () => {
  it("an unchanged document, encoded again, is accepted", () => {
    expect(refuses((fields) => fields)).toBe(false)
  })
  it.each<readonly [string, Partial<DocumentContents>]>([
    ["no gateway", { descriptors: signAll(network().filter(([byte]) => byte !== 1)) }],
    ["no service node", { descriptors: signAll(network().filter(([byte]) => byte !== 6)) }],
    ["an empty layer", { descriptors: signAll(network().filter(([byte]) => byte !== 4)) }],
    ["a mix in a fourth layer", replaced(11, node(11, "mix", { mixLayer: 3 }))],
    ["a descriptor twice", { descriptors: [...contents().descriptors, contents().descriptors[0]!] }],
    ["two descriptors of one identity", { descriptors: [...contents().descriptors, ...signAll([[2, node(2, "gateway", { name: "other" })]])] }],
    ["two actors of one name", replaced(11, node(11, "gateway", { name: "node-1" }))],
    ["a descriptor of another epoch", replaced(7, replica(7, { epoch: Epoch(epoch + 1) }))],
    ["a replica that is not configured", replaced(11, replica(11))],
    ["a replica under another id", replaced(7, replica(7, { replicaId: 70 }))],
    ["a replica without a key for the replica epoch", replaced(7, replica(7, {
      envelopeKeys: new Map([[replicaEpochOf(params, epoch) + 1, new Uint8Array(32)]])
    }))],
    ["a replica with a key of long ago", replaced(7, replica(7, {
      envelopeKeys: new Map([[replicaEpochOf(params, epoch) - 2, new Uint8Array(32)], [replicaEpochOf(params, epoch), new Uint8Array(32)]])
    }))],
    ["a mix with a key of another scheme", replaced(2, node(2, "mix", { mixKeys: new Map([[epoch, new Uint8Array(1216)]]) }))],
    ["a service with a job key of another suite", replaced(10, compute(10, { jobKeys: new Map([[epoch, new Uint8Array(1216)]]) }))],
    ["a service whose window is longer than the quantum", replaced(10, compute(10, { releaseWindowMs: params.quantumMs + 1 }))],
    ["a service that seals a quantum before the edge", replaced(10, compute(10, { sealBeforeEdgeMs: params.quantumMs }))],
    ["a configured id twice", { configuredReplicas: [7, 8, 8].map((id, index) => ({ replicaId: id, identityKey: identityOf(7 + index) })) }],
    ["a genesis after the epoch", { genesisEpoch: Epoch(epoch + 1) }],
    ["impossible parameters", { params: { ...params, answerMs: 1 } }],
    ["bytes that are no descriptor", { descriptors: [...contents().descriptors, new Uint8Array([0x80])] }]
  ])("%s cannot be made", (_, change) => {
    expect(cannotEncode(change)).toBe(true)
  })
  it("a descriptor in the wrong list is refused by a reader", () => {
    expect(refuses((fields) => ({ ...fields, gateways: fields["serviceNodes"] ?? [], serviceNodes: fields["gateways"] ?? [] }))).toBe(true)
    expect(refuses((fields) => ({ ...fields, mixLayers: [...(fields["mixLayers"] as ReadonlyArray<PlainValue>)].reverse() }))).toBe(true)
  })
  it("a geometry hash of another geometry is refused", () => {
    expect(refuses((fields) => ({ ...fields, geometryHash: new Uint8Array(32) }))).toBe(true)
  })
  it.each(["muPerMs", "lambdaPPerMs", "lambdaRPerMs", "quantumMs", "dispatchSuite", "mixLayers"])("a parameter %s of a wrong kind is refused", (name) => {
    for (const value of ["1", Number.NaN, -1, null]) {
      expect(refuses((fields) => ({ ...fields, params: { ...(fields["params"] as Fields), [name]: value } }))).toBe(true)
    }
  })
  it("an authority learns at upload why a descriptor does not fit", () => {
    expect(descriptorMisfit(params, epoch, node(2, "mix"))).toBeUndefined()
    expect(descriptorMisfit(params, Epoch(epoch + 1), node(2, "mix"))).toBe("inconsistent")
    expect(descriptorMisfit(params, epoch, node(2, "mix", { mixLayer: 3 }))).toBe("out-of-range")
  })
})
