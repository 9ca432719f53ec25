/**
 * Goal: a document is believed only with valid signatures of enough different authorities, and only while it lives.
 * Method: five authorities, threshold three; every way to have fewer than three.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { Epoch } from "../../../src/params/epoch.ts"
import {
  decodeCertificate, DOCUMENT_LIFE_EPOCHS, encodeCertificate, mergeSignatures, signDocument, validSigners, verifyCertificate
} from "../../../src/pki/certificate.ts"
import { contents, crypto, damaged, documentBytes, epoch, identityOf, seedOf } from "./sample-network.ts"
import { encodeDocument } from "../../../src/pki/document.ts"

const AUTHORITIES = [101, 102, 103, 104, 105]
const authorityKeys = AUTHORITIES.map(identityOf)
const expiration = Epoch(epoch + DOCUMENT_LIFE_EPOCHS)
const document = documentBytes()
const signedBy = (...bytes: ReadonlyArray<number>) => bytes.map((byte) => signDocument(crypto, seedOf(byte), document, expiration))
const merged = (...bytes: ReadonlyArray<number>): Uint8Array =>
  Either.getOrThrow(mergeSignatures(crypto, signedBy(...bytes), [...authorityKeys, identityOf(200)]))
const verdict = (bytes: Uint8Array, threshold = 3, nowEpoch: number = epoch): string =>
  Either.match(verifyCertificate(crypto, bytes, authorityKeys, threshold, Epoch(nowEpoch)), { onLeft: (error) => error.reason, onRight: () => "accepted" })

describe("certificate", () => {
  it("three of five signatures are enough, and the document comes out", () => {
    const bytes = merged(101, 103, 105)
    expect(verdict(bytes)).toBe("accepted")
    expect(Either.getOrThrow(verifyCertificate(crypto, bytes, authorityKeys, 3, epoch)).epoch).toBe(epoch)
  })
  it("two are not, whatever is added to them", () => {
    expect(verdict(merged(101, 103))).toBe("below-threshold")
    expect(verdict(merged(101, 103, 200))).toBe("below-threshold")
    expect(verdict(merged(101, 103, 103, 101))).toBe("below-threshold")
  })
  it("a signature repeated inside one certificate counts once", () => {
    const [one] = Either.getOrThrow(decodeCertificate(signedBy(101)[0]!)).signatures
    const bytes = encodeCertificate({ expirationEpoch: expiration, certified: document, signatures: [one!, one!, one!] })
    expect(verdict(bytes)).toBe("below-threshold")
    expect(verdict(bytes, 1)).toBe("accepted")
  })
  it("an authority configured twice is one authority", () => {
    const verified = verifyCertificate(crypto, merged(101), [identityOf(101), identityOf(101), identityOf(102)], 2, epoch)
    expect(Either.isLeft(verified)).toBe(true)
  })
  it("a signature under another authority's name does not count, and does not hide that authority's own", () => {
    const certificate = Either.getOrThrow(decodeCertificate(merged(101, 102)))
    const forged = { signer: crypto.blake2b256(identityOf(103)), signature: certificate.signatures[0]!.signature }
    expect(verdict(encodeCertificate({ ...certificate, signatures: [forged, ...certificate.signatures] }))).toBe("below-threshold")
    const own = Either.getOrThrow(decodeCertificate(signedBy(103)[0]!)).signatures
    expect(verdict(encodeCertificate({ ...certificate, signatures: [forged, ...certificate.signatures, ...own] }))).toBe("accepted")
  })
  it("a threshold below one accepts nothing", () => {
    for (const threshold of [0, -1, Number.NaN]) expect(verdict(merged(101, 102, 103), threshold)).toBe("below-threshold")
  })
  it("it is valid until the epoch before its expiration", () => {
    expect(verdict(merged(101, 102, 103), 3, expiration - 1)).toBe("accepted")
    expect(verdict(merged(101, 102, 103), 3, expiration)).toBe("expired")
  })
  it("an expiration other than the document's is refused even when signed", () => {
    for (const other of [expiration - 1, expiration + 1]) {
      const all = AUTHORITIES.map((byte) => signDocument(crypto, seedOf(byte), document, Epoch(other)))
      expect(verdict(Either.getOrThrow(mergeSignatures(crypto, all, authorityKeys)))).toBe("document-invalid")
    }
  })
  it("signed bytes that are no document are refused", () => {
    const all = AUTHORITIES.map((byte) => signDocument(crypto, seedOf(byte), new Uint8Array([0xc0]), expiration))
    expect(verdict(Either.getOrThrow(mergeSignatures(crypto, all, authorityKeys)))).toBe("document-invalid")
  })
  it("no damaged certificate keeps both of its signatures", () => {
    const small = [101, 102].map((byte) => signDocument(crypto, seedOf(byte), seedOf(1), expiration))
    const bytes = Either.getOrThrow(mergeSignatures(crypto, small, authorityKeys))
    const signersOf = (other: Uint8Array): number =>
      Either.match(decodeCertificate(other), { onLeft: () => 0, onRight: (certificate) => validSigners(crypto, certificate, authorityKeys).size })
    expect(signersOf(bytes)).toBe(2)
    for (const other of damaged(bytes)) expect(signersOf(other)).toBeLessThan(2)
  })
  it("no damaged certificate over a whole document is accepted when all its signatures are needed", () => {
    const bytes = merged(101, 102)
    expect(verdict(bytes, 2)).toBe("accepted")
    for (const other of damaged(bytes, 41)) expect(verdict(other, 2)).not.toBe("accepted")
  })
})

describe("mergeSignatures", () => {
  it("the order of certificates does not show", () => {
    expect(merged(103, 101, 102)).toEqual(merged(101, 102, 103))
  })
  it("certificates over another document, bad signatures and bytes that do not parse are left out", () => {
    const other = Either.getOrThrow(encodeDocument(crypto, contents({ genesisEpoch: Epoch(epoch - 1) })))
    const bad = Either.getOrThrow(decodeCertificate(signedBy(104)[0]!))
    const wrong = encodeCertificate({ ...bad, signatures: bad.signatures.map(({ signer }) => ({ signer, signature: new Uint8Array(64) })) })
    const result = Either.getOrThrow(mergeSignatures(crypto, [
      ...signedBy(101), signDocument(crypto, seedOf(102), other, expiration), wrong, new Uint8Array(3), ...signedBy(103, 101)
    ], authorityKeys))
    expect(result).toEqual(merged(101, 103))
    expect(validSigners(crypto, Either.getOrThrow(decodeCertificate(result)), authorityKeys).size).toBe(2)
  })
  it("nothing, or a first certificate that does not parse, is refused", () => {
    expect(Either.isLeft(mergeSignatures(crypto, [], authorityKeys))).toBe(true)
    expect(Either.isLeft(mergeSignatures(crypto, [new Uint8Array(1), ...signedBy(101)], authorityKeys))).toBe(true)
  })
})
