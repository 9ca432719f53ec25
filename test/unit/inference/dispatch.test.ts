/**
 * Goal: the dispatch has the protocol's layout, and only its own bytes are read as one.
 * Method: sizes and offsets spelled out by hand; round trips, truncations, bit flips, one byte too long.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import {
  contentDigest, decodeDispatch, decodeDispatchContent, decodeTokenArea, dispatchPlaintextBytes, emptyTokenArea, encodeDispatch, encodeTokenArea,
  tokenAreaBytes, TOKEN_BLIND_RSA, type DispatchSuite
} from "../../../src/inference/dispatch.ts"
import { crypto, flipped, leftOf, QUANTUM_MS, sampleDispatch } from "./sample-job.ts"

const SUITES: ReadonlyArray<DispatchSuite> = [1, 2]

describe("dispatch plaintext", () => {
  it("has 928 bytes in suite 1 and 848 in suite 2, with token areas of 512 and 432", () => {
    expect(SUITES.map(dispatchPlaintextBytes)).toEqual([928, 848])
    expect(SUITES.map(tokenAreaBytes)).toEqual([512, 432])
  })

  it.each(SUITES)("puts every field of suite %i at its offset", (suite) => {
    const dispatch = sampleDispatch(suite, { attested: true })
    const bytes = encodeDispatch(suite, dispatch)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    expect([bytes[0], bytes[1], bytes[2], bytes[3]]).toEqual([1, 2, 2, 0])
    expect([view.getUint16(4), view.getUint16(6)]).toEqual([0, 1])
    expect(view.getBigUint64(8)).toBe(BigInt(108 * QUANTUM_MS))
    expect(bytes.slice(16, 48)).toEqual(new Uint8Array(dispatch.jobId))
    expect(bytes.slice(48, 80)).toEqual(dispatch.modelIdHash)
    expect([view.getUint32(80), view.getUint32(84)]).toEqual([3, 0])
    expect(bytes.slice(88, 224)).toEqual(dispatch.inputReadCap)
    expect(bytes.slice(224, 392)).toEqual(dispatch.outputWriteCap)
    expect(bytes.slice(392)).toEqual(new Uint8Array(24 + tokenAreaBytes(suite)))
  })

  it.each(SUITES)("comes back from its bytes in suite %i", (suite) => {
    for (const change of [{}, { attested: true }, { staged: true, bucket: 1 }, { modelVersion: 0xffff_ffff, inputClass: 23, outputClass: 0xffff }]) {
      const dispatch = sampleDispatch(suite, change)
      expect(Either.getOrThrow(decodeDispatch(suite, encodeDispatch(suite, dispatch)))).toEqual(dispatch)
    }
    const { tokenArea: _, ...content } = sampleDispatch(suite)
    expect(Either.getOrThrow(decodeDispatchContent(encodeDispatch(suite, sampleDispatch(suite)).slice(0, 416)))).toEqual(content)
  })

  it("is refused at every truncation, one byte too long, and under the other suite's length", () => {
    const bytes = encodeDispatch(2, sampleDispatch(2))
    for (let length = 0; length < bytes.length; length++) expect(Either.isLeft(decodeDispatch(2, bytes.slice(0, length)))).toBe(true)
    expect(Either.isLeft(decodeDispatch(2, new Uint8Array(849)))).toBe(true)
    expect(Either.isLeft(decodeDispatch(1, bytes))).toBe(true)
  })

  it("is refused or reads differently after any single bit flip", () => {
    const dispatch = sampleDispatch(2)
    const bytes = encodeDispatch(2, dispatch)
    for (let index = 0; index < bytes.length; index++) {
      const decoded = decodeDispatch(2, flipped(bytes, index))
      if (Either.isRight(decoded)) expect(decoded.right).not.toEqual(dispatch)
      const reserved = index === 0 || index === 3 || (index >= 84 && index < 88) || (index >= 392 && index < 416)
      if (reserved) expect(Either.isLeft(decoded)).toBe(true)
    }
  })

  it("refuses each unknown flag", () => {
    const bytes = encodeDispatch(2, sampleDispatch(2))
    for (let bit = 2; bit < 8; bit++) expect(leftOf(decodeDispatch(2, flipped(bytes, 1, bit))).reason).toBe("reserved-not-zero")
  })

  it("digests all content but notAfter and token", () => {
    const bytes = encodeDispatch(2, sampleDispatch(2))
    const digest = contentDigest(crypto, bytes)
    for (let index = 0; index < bytes.length; index++) {
      const counted = index < 8 || (index >= 16 && index < 416)
      expect(contentDigest(crypto, flipped(bytes, index)).every((byte, at) => byte === digest[at])).toBe(!counted)
    }
    expect(digest).toEqual(crypto.blake2b256(new TextEncoder().encode("funion-accept-v1"), bytes.slice(0, 8), bytes.slice(16, 416)))
  })
})

describe("admission token area", () => {
  it.each(SUITES)("holds a token up to the area's end in suite %i, and no longer one", (suite) => {
    for (const length of [0, 1, 354, tokenAreaBytes(suite) - 4]) {
      const token = { type: TOKEN_BLIND_RSA, value: new Uint8Array(length).fill(3) }
      const area = Either.getOrThrow(encodeTokenArea(suite, token))
      expect(area.length).toBe(tokenAreaBytes(suite))
      expect(Either.getOrThrow(decodeTokenArea(area))).toEqual(token)
    }
    const tooLong = { type: TOKEN_BLIND_RSA, value: new Uint8Array(tokenAreaBytes(suite) - 3) }
    expect(Either.isLeft(encodeTokenArea(suite, tooLong))).toBe(true)
  })

  it("refuses a length beyond the area, bytes after the token, and a token of type 0", () => {
    const area = emptyTokenArea(2)
    expect(Either.getOrThrow(decodeTokenArea(area))).toEqual({ type: 0, value: new Uint8Array(0) })
    expect(leftOf(decodeTokenArea(Uint8Array.of(0, 1, 0xff, 0xff, ...area.slice(4)))).reason).toBe("truncated")
    expect(leftOf(decodeTokenArea(flipped(area, 431))).reason).toBe("padding-not-zero")
    expect(leftOf(decodeTokenArea(Uint8Array.of(0, 0, 0, 1, ...area.slice(4)))).reason).toBe("inconsistent")
  })
})
