/**
 * Goal: a descriptor is believed only as its identity signed it, and only within its limits.
 * Method: one descriptor of each kind, every damage to its bytes, and one change out of limits per case, signed with the right key.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { concatBytes, utf8 } from "../../../src/bytes/concat.ts"
import { Epoch } from "../../../src/params/epoch.ts"
import { nodeIdOf, openDescriptor, signDescriptor, type Descriptor } from "../../../src/pki/descriptor.ts"
import { decodePlain, encodePlain, type PlainValue } from "../../../src/pki/plain-msgpack.ts"
import { compute, crypto, damaged, epoch, identityOf, node, replica, seedOf } from "./sample-network.ts"

const samples: ReadonlyArray<readonly [string, Descriptor]> = [
  ["gateway", node(1, "gateway")], ["mix", node(1, "mix", { mixLayer: 2 })], ["service node", node(1, "service-node")], ["replica", replica(1)],
  ["compute", compute(1, { tokenIssuers: new Map([[1, new Uint8Array(300)]]), models: [new Uint8Array(2048), utf8("{}")] })]
]

type Fields = { readonly [name: string]: PlainValue }

/** Signs a body whose fields were changed behind the back of `signDescriptor`. */
const signChanged = (descriptor: Descriptor, change: (fields: Fields) => PlainValue): Uint8Array => {
  const signed = Either.getOrThrow(decodePlain("test", signDescriptor(crypto, seedOf(1), descriptor))) as { readonly body: Uint8Array }
  const body = encodePlain(change(Either.getOrThrow(decodePlain("test", signed.body)) as Fields))
  return encodePlain({ body, signature: crypto.ed25519Sign(seedOf(1), concatBytes(utf8("funion-descriptor-v1"), body)) })
}
const reasonOf = (bytes: Uint8Array): string =>
  Either.match(openDescriptor(crypto, bytes), { onLeft: (error) => error.reason, onRight: () => "accepted" })
const withField = (descriptor: Descriptor, name: string, value: PlainValue): string =>
  reasonOf(signChanged(descriptor, (fields) => ({ ...fields, [name]: value })))
const key = new Uint8Array(32)

describe("signed descriptor", () => {
  it.each(samples)("a %s comes back equal", (_, descriptor) => {
    expect(Either.getOrThrow(openDescriptor(crypto, signDescriptor(crypto, seedOf(1), descriptor)))).toEqual(descriptor)
  })
  it.each(samples.slice(0, 4))("no damaged %s is accepted", (_, descriptor) => {
    for (const bytes of damaged(signDescriptor(crypto, seedOf(1), descriptor))) expect(reasonOf(bytes)).not.toBe("accepted")
  })
  it("no damaged compute is accepted", () => {
    for (const bytes of damaged(signDescriptor(crypto, seedOf(1), compute(1)))) expect(reasonOf(bytes)).not.toBe("accepted")
  })
  it("the signature of another key is refused", () => {
    const signed = Either.getOrThrow(decodePlain("test", signDescriptor(crypto, seedOf(1), replica(1)))) as { readonly body: Uint8Array }
    const signature = crypto.ed25519Sign(seedOf(2), concatBytes(utf8("funion-descriptor-v1"), signed.body))
    expect(reasonOf(encodePlain({ body: signed.body, signature }))).toBe("bad-signature")
  })
  it("a signature over the body alone, without the label, is refused", () => {
    const signed = Either.getOrThrow(decodePlain("test", signDescriptor(crypto, seedOf(1), replica(1)))) as { readonly body: Uint8Array }
    expect(reasonOf(encodePlain({ body: signed.body, signature: crypto.ed25519Sign(seedOf(1), signed.body) }))).toBe("bad-signature")
  })
  it("signing under a foreign identity or out of limits dies", () => {
    expect(() => signDescriptor(crypto, seedOf(2), replica(1))).toThrow(RangeError)
    expect(() => signDescriptor(crypto, seedOf(1), replica(1, { name: "" }))).toThrow(RangeError)
  })
  it("a node id is the BLAKE2b-256 of the identity key", () => {
    expect(nodeIdOf(crypto, identityOf(1))).toEqual(crypto.blake2b256(identityOf(1)))
  })
})

describe("limits of a descriptor", () => {
  it("unchanged fields, signed the same way, are accepted", () => {
    for (const [, descriptor] of samples) expect(reasonOf(signChanged(descriptor, (fields) => fields))).toBe("accepted")
  })
  it("a missing, added or moved field, and an unknown kind, are refused", () => {
    expect(reasonOf(signChanged(replica(1), ({ replicaId: _, ...rest }) => rest))).toBe("unknown-type")
    expect(reasonOf(signChanged(replica(1), (fields) => ({ ...fields, extra: 1 })))).toBe("unknown-type")
    expect(reasonOf(signChanged(replica(1), ({ kind, name, ...rest }) => ({ name: name ?? "", kind: kind ?? "", ...rest })))).toBe("unknown-type")
    expect(withField(replica(1), "kind", "mint")).toBe("unknown-type")
    expect(reasonOf(signChanged(replica(1), () => [1, 2]))).toBe("unknown-type")
    expect(reasonOf(signChanged(replica(1), () => null))).toBe("unknown-type")
  })
  it.each<readonly [string, Descriptor, string, PlainValue]>([
    ["a name of 33 bytes", replica(1), "name", "ü".repeat(16) + "x"],
    ["an empty name", replica(1), "name", ""],
    ["a replica id of 256", replica(1), "replicaId", 256],
    ["a fractional epoch", replica(1), "epoch", 1.5],
    ["a short identity key", replica(1), "identityKey", new Uint8Array(31)],
    ["no envelope key", replica(1), "envelopeKeys", []],
    ["four envelope keys", replica(1), "envelopeKeys", [[1, key], [2, key], [3, key], [4, key]]],
    ["envelope keys far apart", replica(1), "envelopeKeys", [[1, key], [4, key]]],
    ["envelope keys out of order", replica(1), "envelopeKeys", [[2, key], [1, key]]],
    ["an envelope key twice", replica(1), "envelopeKeys", [[1, key], [1, key]]],
    ["an envelope key of 33 bytes", replica(1), "envelopeKeys", [[1, new Uint8Array(33)]]],
    ["a role of no node", node(1, "gateway"), "role", "replica"],
    ["a gateway with a layer", node(1, "gateway"), "mixLayer", 0],
    ["a mix without a layer", node(1, "mix"), "mixLayer", -1],
    ["a mix in layer 16", node(1, "mix"), "mixLayer", 16],
    ["a mix with a service", node(1, "mix"), "services", [{ capability: "echo", endpoint: "echo" }]],
    ["two services at one endpoint", node(1, "service-node"), "services", [{ capability: "echo", endpoint: "e" }, { capability: "courier", endpoint: "e" }]],
    ["an endpoint of 33 bytes", node(1, "service-node"), "services", [{ capability: "echo", endpoint: "e".repeat(33) }]],
    ["mix keys without the epoch's own", node(1, "mix"), "mixKeys", [[epoch + 1, key]]],
    ["a mix key of the epoch before", node(1, "mix"), "mixKeys", [[epoch - 1, key], [epoch, key]]],
    ["a mix key three epochs ahead", node(1, "mix"), "mixKeys", [[epoch, key], [epoch + 3, key]]],
    ["mix keys of two schemes", node(1, "mix"), "mixKeys", [[epoch, key], [epoch + 1, new Uint8Array(1216)]]],
    ["another version", compute(1), "version", 2],
    ["no queue", compute(1), "queues", []],
    ["a queue twice", compute(1), "queues", [{ serviceNodeId: key, endpoint: "q" }, { serviceNodeId: key, endpoint: "q" }]],
    ["nine deadlines", compute(1), "deadlinesQuanta", [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["deadlines that do not grow", compute(1), "deadlinesQuanta", [3, 3]],
    ["a deadline of 65536 quanta", compute(1), "deadlinesQuanta", [65_536]],
    ["a job key two epochs ahead", compute(1), "jobKeys", [[epoch, key], [epoch + 2, key]]],
    ["no model", compute(1), "models", []],
    ["a card of 2049 bytes", compute(1), "models", [new Uint8Array(2049)]],
    ["seventeen cards", compute(1), "models", Array.from({ length: 17 }, (_, index) => new Uint8Array([index + 1]))],
    ["a card twice", compute(1), "models", [utf8("{}"), utf8("{}")]],
    ["a token type above 65535", compute(1), "tokenIssuers", [[65_536, key]]]
  ])("%s is refused", (_, descriptor, name, value) => {
    expect(withField(descriptor, name, value)).not.toBe("accepted")
  })
  it.each<readonly [string, { readonly [name: string]: PlainValue }]>([
    ["a class that does not exist", { inputClass: 24 }], ["a bucket above the deadlines", { bucket: 5 }], ["bucket 0", { bucket: 0 }],
    ["a staged profile in bucket 2", { bucket: 2, staged: true }], ["as many cover jobs as jobs", { coverJobs: 2 }], ["no jobs", { jobsPerQuantum: 0 }]
  ])("a profile with %s is refused", (_, change) => {
    const { id, inputClass, outputClass, bucket, staged, jobsPerQuantum, coverJobs } = { ...compute(1).profiles[0]! }
    const profile = { id, inputClass, outputClass, bucket, staged, jobsPerQuantum, coverJobs }
    expect(withField(compute(1), "profiles", [profile])).toBe("accepted")
    expect(withField(compute(1), "profiles", [{ ...profile, ...change }])).not.toBe("accepted")
    expect(withField(compute(1), "profiles", [profile, profile])).not.toBe("accepted")
  })
  it("the epoch is branded and kept", () => {
    expect(Either.getOrThrow(openDescriptor(crypto, signDescriptor(crypto, seedOf(1), replica(1, { epoch: Epoch(9) })))).epoch).toBe(9)
  })
})
