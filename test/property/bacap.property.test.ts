/**
 * BACAP on arbitrary input. Goal: decoders never throw, what they accept encodes to the same bytes, and streams are consistent.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { openBox, sealBox } from "../../src/bacap/box.ts"
import { advanceTo, decodeBoxIndex, encodeBoxIndex, indexIsOnStream } from "../../src/bacap/box-index.ts"
import { decodeReadCap, decodeWriteCap, encodeReadCap, encodeWriteCap, newWriteCap } from "../../src/bacap/capability.ts"
import { referenceBackend as crypto } from "../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../src/crypto/entropy.ts"

const bytesOf = (byteLength: number) => fc.uint8Array({ minLength: byteLength, maxLength: byteLength })

describe("BACAP", () => {
  it("any 104 bytes are an index that encodes to them; caps are canonical or refused", () => {
    fc.assert(
      fc.property(bytesOf(104), (bytes) => {
        expect(encodeBoxIndex(Either.getOrThrow(decodeBoxIndex(bytes)))).toEqual(bytes)
      })
    )
    fc.assert(
      fc.property(fc.oneof(bytesOf(136), bytesOf(168), fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const read = decodeReadCap(crypto, bytes)
        if (Either.isRight(read)) expect(encodeReadCap(read.right)).toEqual(bytes)
        const write = decodeWriteCap(crypto, bytes)
        if (Either.isRight(write)) expect(encodeWriteCap(write.right)).toEqual(bytes)
      }),
      { numRuns: 60 }
    )
  })
  it("walking in two legs equals walking at once", () => {
    const { index } = newWriteCap(crypto, seededEntropy(4, "walk"))
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), (a, b) => {
        const middle = Either.getOrThrow(advanceTo(crypto, index, index.counter + BigInt(a)))
        const end = Either.getOrThrow(advanceTo(crypto, middle, middle.counter + BigInt(b)))
        expect(end).toEqual(Either.getOrThrow(advanceTo(crypto, index, index.counter + BigInt(a + b))))
        expect(indexIsOnStream(crypto, index, end)).toBe(true)
      }),
      { numRuns: 40 }
    )
  })
  it("any plaintext opens as sealed; arbitrary boxes are refused, never thrown", () => {
    const cap = newWriteCap(crypto, seededEntropy(5, "box"))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytesOf(32), bytesOf(64), (plaintext, boxId, signature) => {
        const sealed = sealBox(crypto, cap, cap.index, plaintext)
        expect(Either.getOrThrow(openBox(crypto, cap.publicKey, cap.index, sealed))).toEqual({ _tag: "Data", plaintext })
        expect(Either.isLeft(openBox(crypto, cap.publicKey, cap.index, { boxId, ciphertext: plaintext, signature }))).toBe(true)
        expect(Either.isLeft(openBox(crypto, cap.publicKey, cap.index, { ...sealed, signature }))).toBe(true)
      }),
      { numRuns: 25 }
    )
  })
})
