/**
 * What an authority accepts, signs and serves.
 *
 * Goal: pinned identities only, one descriptor each, nothing below the threshold, and no way for a liar to keep the others from agreeing.
 * Method: real descriptors of a small network; three authorities as plain objects.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { Ballot, type PinnedIdentity } from "../../../../actors/authority/ballot.ts"
import { Ballots } from "../../../../actors/authority/ballots.ts"
import { Epoch, epochStartMs } from "../../../../src/params/epoch.ts"
import { decodeCertificate, encodeCertificate, signDocument, verifyCertificate } from "../../../../src/pki/certificate.ts"
import { signDescriptor, type Descriptor } from "../../../../src/pki/descriptor.ts"
import { makeGeometry } from "../../../../src/sphinx/geometry.ts"
import { compute, crypto, epoch, identityOf, network, node, params, replica, seedOf } from "../../pki/sample-network.ts"

const AUTHORITIES = [101, 102, 103]
const authorityKeys = AUTHORITIES.map(identityOf)
const placeOf = (descriptor: Descriptor): Pick<PinnedIdentity, "place" | "number"> =>
  descriptor.kind === "node" ? { place: descriptor.role, number: descriptor.mixLayer }
    : descriptor.kind === "replica" ? { place: "replica", number: descriptor.replicaId } : { place: "compute", number: -1 }
const pinned: ReadonlyArray<PinnedIdentity> = network().map(([, descriptor]) =>
  ({ name: descriptor.name, identityKey: descriptor.identityKey, ...placeOf(descriptor) }))
const config = (authority: number) => ({
  crypto, params, geometry: Either.getOrThrow(makeGeometry(params.geometry)), authorityKeys, authorityThreshold: 2,
  identitySeed: seedOf(authority), pinned, genesisEpoch: epoch
})
const ballot = (authority = 101): Ballot => new Ballot(config(authority), epoch)
const signed = ([byte, descriptor]: readonly [number, Descriptor]): Uint8Array => signDescriptor(crypto, seedOf(byte), descriptor)
const full = (authority = 101, without?: number): Ballot => {
  const made = ballot(authority)
  for (const each of network()) if (each[0] !== without) expect(made.post(signed(each))).toBe(0)
  return made
}

describe("descriptors", () => {
  it("of all pinned identities fill the ballot; the same bytes are accepted again, before and after the document", () => {
    const made = full()
    expect(made.isFull).toBe(true)
    expect(made.post(signed([1, node(1, "gateway")]))).toBe(0)
    made.build()
    expect(made.post(signed([1, node(1, "gateway")]))).toBe(0)
  })
  it.each<readonly [string, readonly [number, Descriptor], number]>([
    ["an identity that is not pinned", [77, node(77, "gateway")], 3],
    ["a pinned identity in another role", [1, node(1, "mix")], 3],
    ["a pinned identity in another layer", [2, node(2, "mix", { mixLayer: 1 })], 3],
    ["a pinned identity under another name", [1, node(1, "gateway", { name: "node-2" })], 3],
    ["a replica with another id", [7, replica(7, { replicaId: 8 })], 3],
    ["another epoch", [1, node(1, "gateway", { epoch: Epoch(epoch + 1), mixKeys: new Map([[epoch + 1, new Uint8Array(32).fill(1)]]) })], 1],
    ["a compute with a window longer than the quantum", [10, compute(10, { releaseWindowMs: params.quantumMs + 1 })], 1]
  ])("%s is refused", (_, each, status) => {
    expect(ballot().post(signed(each))).toBe(status)
  })
  it("with a signature that is not the identity's, and garbage, are invalid", () => {
    const bytes = signed([1, node(1, "gateway")])
    expect(ballot().post(bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)))).toBe(1)
    expect(ballot().post(new Uint8Array(1000))).toBe(1)
  })
  it("with other bytes of an identity that has one are a conflict; the first stays", () => {
    const made = ballot()
    expect(made.post(signed([6, node(6, "service-node")]))).toBe(0)
    expect(made.post(signed([6, node(6, "service-node", { services: [{ capability: "echo", endpoint: "other" }] })]))).toBe(2)
    expect(made.post(signed([6, node(6, "service-node")]))).toBe(0)
  })
  it("that come after the document are a conflict", () => {
    const made = full(101, 10)
    expect([made.isFull, made.build() !== undefined, made.post(signed([10, compute(10)]))]).toEqual([false, true, 2])
  })
  it("handed in are copied: who posted them cannot change them later", () => {
    const made = ballot()
    const bytes = signed([1, node(1, "gateway")])
    made.post(bytes)
    const kept = bytes.slice()
    bytes.fill(0)
    expect(made.post(kept)).toBe(0)
  })
})

describe("documents", () => {
  it("are not built of too little", () => {
    expect([ballot().build(), full(101, 1).build()]).toEqual([undefined, undefined])
  })
  it("are complete with the threshold of signatures, not below; every authority serves a certificate that verifies", () => {
    const [first, second] = [full(101), full(102)]
    const [own, fellow] = [first.build() as Uint8Array, second.build() as Uint8Array]
    expect([first.complete, first.countersign(own), first.complete]).toEqual([undefined, 0, undefined])
    expect(first.countersign(fellow)).toBe(0)
    const verified = verifyCertificate(crypto, first.complete as Uint8Array, authorityKeys, 2, epoch)
    expect(Either.getOrThrow(verified).epoch).toBe(epoch)
  })
  it("are built once: building again gives the same bytes", () => {
    const made = full()
    expect(made.build()).toBe(made.build())
  })
  it("of which one authority alone is missing a descriptor are completed by the other two", () => {
    const [first, odd, third] = [full(101), full(102, 10), full(103)]
    const [, oddOwn, thirdOwn] = [first.build(), odd.build() as Uint8Array, third.build() as Uint8Array]
    expect([first.countersign(oddOwn), first.complete]).toEqual([2, undefined])
    expect(first.countersign(thirdOwn)).toBe(0)
    expect(first.complete).toBeDefined()
    expect([odd.countersign(thirdOwn), odd.complete]).toEqual([2, undefined])
  })
})

describe("certificates of fellows", () => {
  const forged = (own: Uint8Array, seed: Uint8Array): Uint8Array => {
    const certificate = Either.getOrThrow(decodeCertificate(own))
    return signDocument(crypto, seed, certificate.certified, certificate.expirationEpoch)
  }
  it("before our own document is built are not kept: the fellow has to come again", () => {
    const first = full(101)
    const fellow = full(102).build() as Uint8Array
    expect(first.countersign(fellow)).toBe(1)
    first.build()
    expect([first.complete, first.countersign(fellow)]).toEqual([undefined, 0])
    expect(first.complete).toBeDefined()
  })
  it("by strangers, with a changed signature or garbage count for nothing", () => {
    const first = full(101)
    const own = first.build() as Uint8Array
    expect(first.countersign(forged(own, seedOf(55)))).toBe(1)
    const fellow = Either.getOrThrow(decodeCertificate(full(102).build() as Uint8Array))
    const broken = fellow.signatures.map((each) => ({ ...each, signature: each.signature.map((byte) => byte ^ 1) }))
    expect(first.countersign(encodeCertificate({ ...fellow, signatures: broken }))).toBe(1)
    expect(first.countersign(new Uint8Array(500))).toBe(1)
    expect(first.complete).toBeUndefined()
  })
  it("over another document or with another expiration never count, and a hundred of them keep no true one away", () => {
    const first = full(101)
    const own = Either.getOrThrow(decodeCertificate(first.build() as Uint8Array))
    const liar = (expirationEpoch: number, extra: number) => {
      const certified = new Uint8Array([...own.certified, extra])
      return signDocument(crypto, seedOf(103), extra === 0 ? own.certified : certified, Epoch(expirationEpoch))
    }
    expect(first.countersign(liar(own.expirationEpoch + 1, 0))).toBe(2)
    for (let extra = 1; extra <= 100; extra++) expect(first.countersign(liar(own.expirationEpoch, extra))).toBe(2)
    expect(first.complete).toBeUndefined()
    expect(first.countersign(full(102).build() as Uint8Array)).toBe(0)
    expect(first.complete).toBeDefined()
  })
})

describe("ballots", () => {
  const nowMs = epochStartMs(params, epoch) + 1
  it("exist for the epochs around now, each once, and for no others", () => {
    const ballots = new Ballots(config(101))
    expect([-1, 0, 1].map((ahead) => ballots.at(epoch + ahead, nowMs)?.epoch)).toEqual([epoch - 1, epoch, epoch + 1])
    expect(ballots.at(epoch, nowMs)).toBe(ballots.at(epoch, nowMs))
    for (const odd of [epoch - 2, epoch + 2, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) expect(ballots.at(odd, nowMs)).toBeUndefined()
  })
  it("are kept for two epochs that have passed", () => {
    const ballots = new Ballots(config(101))
    ballots.at(epoch, nowMs)
    const later = (epochs: number): Ballot | undefined => {
      const laterMs = nowMs + epochs * params.epochPeriodMs
      ballots.prune(laterMs)
      return ballots.at(epoch, laterMs)
    }
    expect([later(2) === undefined, later(3) === undefined]).toEqual([false, true])
  })
})
