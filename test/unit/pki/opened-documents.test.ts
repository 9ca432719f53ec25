/**
 * Documents that one process reads once.
 *
 * Goal: the same bytes under the same backend give one document, and no others do; what is not well-formed is refused every time.
 * Method: documents that differ in one field; a backend that counts its verifications.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { decodeDocument, encodeDocument } from "../../../src/pki/document.ts"
import { openDocument } from "../../../src/pki/opened-documents.ts"
import { contents, crypto, damaged, documentBytes } from "./sample-network.ts"

const counting = (): { readonly backend: CryptoBackend; readonly verifications: () => number } => {
  let count = 0
  const backend: CryptoBackend = {
    ...crypto,
    ed25519Verify: (...parts) => {
      count += 1
      return crypto.ed25519Verify(...parts)
    }
  }
  return { backend, verifications: () => count }
}

describe("documents of a process", () => {
  it("are read once: the second reader gets the same document and verifies nothing", () => {
    const { backend, verifications } = counting()
    const first = Either.getOrThrow(openDocument(backend, documentBytes()))
    const after = verifications()
    expect(after).toBeGreaterThan(0)
    expect(Either.getOrThrow(openDocument(backend, documentBytes().slice()))).toBe(first)
    expect(verifications()).toBe(after)
  })
  it("are another's under another backend", () => {
    const [one, other] = [counting(), counting()]
    const document = Either.getOrThrow(openDocument(one.backend, documentBytes()))
    expect(Either.getOrThrow(openDocument(other.backend, documentBytes()))).not.toBe(document)
    expect(other.verifications()).toBe(one.verifications())
  })
  it("are the last four that were read: older ones are read anew", () => {
    const { backend, verifications } = counting()
    const documents = [1, 2, 3, 4, 5].map((byte) => Either.getOrThrow(encodeDocument(crypto, contents({ sharedRandomValue: new Uint8Array(32).fill(byte) }))))
    for (const bytes of documents) openDocument(backend, bytes)
    const after = verifications()
    for (const bytes of documents.slice(1)) openDocument(backend, bytes)
    expect(verifications()).toBe(after)
    openDocument(backend, documents[0]!)
    expect(verifications()).toBe(after + after / documents.length)
  })
  it("that are changed are read for themselves, or refused, before and after the sound one was read", () => {
    const { backend } = counting()
    const bytes = documentBytes()
    for (let round = 0; round < 2; round++) {
      const sound = Either.getOrThrow(openDocument(backend, bytes))
      for (const changed of damaged(bytes, 101)) {
        const [read, expected] = [openDocument(backend, changed), decodeDocument(crypto, changed)]
        expect(read).toEqual(expected)
        if (Either.isRight(read)) expect(read.right).not.toBe(sound)
      }
    }
  })
})
