/**
 * Goal: no bytes make a parser of the directory throw, and any value in its limits survives the way to bytes and back.
 * Method: random bytes, random tokens, spliced good records, and generated descriptors.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DecodeError } from "../../src/bytes/decode-error.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { Epoch } from "../../src/params/epoch.ts"
import { CertificateRefused, decodeCertificate, encodeCertificate, verifyCertificate } from "../../src/pki/certificate.ts"
import { openDescriptor, signDescriptor, type Descriptor } from "../../src/pki/descriptor.ts"
import { decodeDocument } from "../../src/pki/document.ts"
import { decodePlain, encodePlain, type PlainValue } from "../../src/pki/plain-msgpack.ts"

const crypto = Either.getOrThrow(selectBackend())
const seed = new Uint8Array(32).fill(9)
const identityKey = crypto.ed25519PublicKey(seed)

const name = fc.string({ minLength: 1, maxLength: 8, unit: "grapheme-ascii" })
const key = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const epoch = fc.integer({ min: 0, max: 2 ** 33 }).map((number) => Epoch(number))

/** Names of fields; JavaScript moves whole numbers to the front, so they are none. */
const field = fc.string({ minLength: 1, unit: "grapheme-ascii" }).filter((text) => text !== "__proto__" && !/^\d+$/.test(text))

const plain: fc.Arbitrary<PlainValue> = fc.letrec<{ value: PlainValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(null), fc.boolean(), fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
    fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 300 }), fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(field, tie("value"), { maxKeys: 20, noNullPrototype: true })
  )
})).value

const descriptor: fc.Arbitrary<Descriptor> = fc.oneof(
  fc.record({ epoch, name, length: fc.constantFrom(32, 1216), layer: fc.integer({ min: 0, max: 15 }) }).chain(({ length, layer, ...rest }) =>
    fc.array(key(length), { minLength: 1, maxLength: 3 }).map((keys): Descriptor => ({
      kind: "node", role: "mix", identityKey, mixLayer: layer, services: [], ...rest, mixKeys: new Map(keys.map((each, index) => [rest.epoch + index, each]))
    }))),
  fc.record({ epoch, name, endpoints: fc.uniqueArray(name, { maxLength: 5 }), own: key(32) }).map(({ endpoints, own, ...rest }): Descriptor => ({
    kind: "node", role: "service-node", identityKey, mixLayer: -1, ...rest, mixKeys: new Map([[rest.epoch, own]]),
    services: endpoints.map((endpoint) => ({ capability: "courier", endpoint }))
  })),
  fc.record({ epoch, name, replicaId: fc.integer({ min: 0, max: 255 }), first: fc.nat(10_000), keys: fc.array(key(32), { minLength: 1, maxLength: 3 }) })
    .map(({ first, keys, ...rest }): Descriptor => ({
      kind: "replica", identityKey, ...rest, envelopeKeys: new Map(keys.map((each, index) => [first + index, each]))
    }))
)

describe("plain MessagePack", () => {
  it("every plain value survives the way to bytes and back", () => {
    fc.assert(fc.property(plain, (value) => {
      expect(Either.getOrThrow(decodePlain("test", encodePlain(value)))).toEqual(value)
    }))
  })
  it("random bytes, and random tokens, give a value with exactly these bytes or a typed error", () => {
    const kinds = [0x80, 0x81, 0x90, 0x92, 0xa1, 0xc0, 0xc1, 0xc4, 0xc7, 0xcb, 0xcf, 0xd4, 0xd9, 0xdc, 0xdd, 0xdf, 0x61, 0x01, 0xff, 0x72]
    const tokens = fc.array(fc.constantFrom(...kinds))
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), tokens.map((list) => Uint8Array.from(list))), (bytes) => {
      Either.match(decodePlain("test", bytes), {
        onLeft: (error) => expect(error).toBeInstanceOf(DecodeError),
        onRight: (value) => expect(encodePlain(value)).toEqual(bytes)
      })
    }), { numRuns: 2000 })
  })
})

describe("records of the directory", () => {
  it("every descriptor in its limits survives signing and opening", () => {
    fc.assert(fc.property(descriptor, (value) => {
      expect(Either.getOrThrow(openDescriptor(crypto, signDescriptor(crypto, seed, value)))).toEqual(value)
    }))
  })
  it("random bytes never throw and are never accepted", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(Either.isLeft(openDescriptor(crypto, bytes))).toBe(true)
      expect(Either.isLeft(decodeDocument(crypto, bytes))).toBe(true)
      expect(Either.isLeft(decodeCertificate(bytes))).toBe(true)
      const verified = verifyCertificate(crypto, bytes, [identityKey], 1, Epoch(1))
      expect(Either.isLeft(verified) && verified.left).toBeInstanceOf(CertificateRefused)
    }), { numRuns: 500 })
  })
  it("random plain values in place of a record, and in place of its fields, never throw and are never accepted", () => {
    const good = { kind: "replica", name: "r", replicaId: 1, epoch: 1, identityKey, envelopeKeys: [[1, identityKey]], linkKey: identityKey, addresses: [] }
    fc.assert(fc.property(plain, fc.constantFrom(...Object.keys(good)), (value, field) => {
      expect(Either.isLeft(openDescriptor(crypto, encodePlain(value)))).toBe(true)
      const body = encodePlain({ ...good, [field]: value })
      expect(Either.isLeft(openDescriptor(crypto, encodePlain({ body, signature: new Uint8Array(64) })))).toBe(true)
      expect(Either.isLeft(decodeDocument(crypto, encodePlain(value)))).toBe(true)
      const certificate = { version: 0, expirationEpoch: 5, keyType: "ed25519", certified: value, signatures: value }
      expect(Either.isLeft(decodeCertificate(encodePlain(certificate)))).toBe(true)
    }))
  })
  it("a certificate's wrapper survives whatever it certifies, signatures in order of their signers", () => {
    const signatures = fc.array(fc.record({ signer: key(32), signature: key(64) }), { maxLength: 8 })
    const document = fc.uint8Array({ minLength: 1, maxLength: 100 })
    fc.assert(fc.property(epoch.filter((number) => number > 0), document, signatures, (expirationEpoch, certified, list) => {
      const bytes = encodeCertificate({ expirationEpoch, certified, signatures: list })
      const decoded = Either.getOrThrow(decodeCertificate(bytes))
      expect(decoded.certified).toEqual(certified)
      expect(decoded.signatures).toHaveLength(list.length)
      expect(encodeCertificate(decoded)).toEqual(bytes)
    }))
  })
})
