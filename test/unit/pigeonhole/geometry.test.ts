/**
 * Lengths, padding and shard choice. Goal: the tables of pigeonhole.md §2.2 hold, and padding hides lengths without losing bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { pigeonholeGeometry, pigeonholeGeometryForPlaintext } from "../../../src/pigeonhole/geometry.ts"
import { padTo, unpad } from "../../../src/pigeonhole/padding.ts"
import { pattern } from "./codec-claims.ts"

describe("geometry", () => {
  it("E8: reproduces the document's table: UFPL, pk → M, box ciphertext, EnvelopeReply, link command", () => {
    const rows = [
      [2000, 160, 1549, 1569, 1703, 1928], [2000, 32, 1677, 1697, 1831, 1928], [8000, 32, 7677, 7697, 7831, 7928],
      [32000, 160, 31549, 31569, 31703, 31928], [32000, 32, 31677, 31697, 31831, 31928]
    ] as const
    for (const [ufpl, pk, m, box, reply, link] of rows) {
      const g = Either.getOrThrow(pigeonholeGeometry(ufpl, pk))
      expect([g.maxPlaintextBytes, g.boxCiphertextBytes, g.envelopeReplyBytes, g.linkCommandBytes]).toEqual([m, box, reply, link])
      expect([g.queryBytes, g.envelopeBytes, g.overheadBytes]).toEqual([ufpl, ufpl - 1, 291 + pk])
      expect([g.innerWriteBytes, g.innerPaddedBytes, g.envelopeCiphertextBytes]).toEqual([m + 121, m + 125, m + 153])
      expect([g.replyInnerReadBytes, g.replyInnerPaddedBytes, g.queryReplyBytes]).toEqual([m + 122, m + 126, m + 194])
      expect([g.storedBoxBytes, g.copyElementDataBytes, g.paddedPlaintextBytes]).toEqual([m + 120, m - 5, m + 4])
      expect(Either.getOrThrow(pigeonholeGeometryForPlaintext(m, pk))).toEqual(g)
    }
  })
  it("does not exist when no plaintext byte fits, nor for nonsense", () => {
    for (const ufpl of [323, 300, 0, -5, 2000.5, Number.NaN]) {
      const refused = pigeonholeGeometry(ufpl, 32)
      expect(Either.isLeft(refused) && refused.left.overheadBytes).toBe(323)
    }
    expect(Either.getOrThrow(pigeonholeGeometry(324, 32)).maxPlaintextBytes).toBe(1)
    expect(Either.isLeft(pigeonholeGeometryForPlaintext(0, 32))).toBe(true)
  })
})

describe("padding", () => {
  it("round-trips every length that fits into one total length", () => {
    for (let byteLength = 0; byteLength <= 20; byteLength++) {
      const padded = Either.getOrThrow(padTo(pattern(byteLength), 24))
      expect(padded.length).toBe(24)
      expect(Either.getOrThrow(unpad(padded))).toEqual(pattern(byteLength))
    }
  })
  it("refuses a message one byte too long, and says the limit", () => {
    const refused = padTo(pattern(21), 24)
    expect(Either.isLeft(refused) && refused.left).toMatchObject({ _tag: "MessageTooLong", messageBytes: 21, limitBytes: 20 })
    expect(Either.isLeft(padTo(pattern(0), 3))).toBe(true)
  })
  it("refuses a prefix that is cut off or claims more than is there, and does not judge the filler", () => {
    for (const bytes of [[], [0, 0, 0], [0, 0, 0, 2, 1], [255, 255, 255, 255, 1]]) expect(Either.isLeft(unpad(Uint8Array.from(bytes)))).toBe(true)
    expect(Either.getOrThrow(unpad(Uint8Array.of(0, 0, 0, 1, 7, 9)))).toEqual(Uint8Array.of(7))
  })
})
