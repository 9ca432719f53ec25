/**
 * Copy streams. Goal: what the encoder cuts the decoder joins, and a hostile stream is refused within bounds.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { copyStreamDecoder, copyStreamEncoder, encodeCopyStream, encodeCopyStreamElement } from "../../../src/pigeonhole/copy-stream.ts"
import { encodeEnvelope } from "../../../src/pigeonhole/envelope.ts"
import { pigeonholeGeometryForPlaintext } from "../../../src/pigeonhole/geometry.ts"
import { pattern } from "./codec-claims.ts"

const geometry = Either.getOrThrow(pigeonholeGeometryForPlaintext(100, 32))
const envelopeOf = (ciphertextBytes: number, seed: number): Uint8Array =>
  encodeEnvelope({
    intermediateReplicas: [1, 2], deks: [pattern(60, seed), pattern(60)], replyIndex: 0, epoch: 7n,
    senderPublicKey: pattern(32, seed), ciphertext: pattern(ciphertextBytes, seed)
  })

/** Pushes all elements; the envelopes, and the reason when one was refused. */
const decodeAll = (elements: ReadonlyArray<Uint8Array>) => {
  const decoder = copyStreamDecoder(geometry)
  const envelopes: Array<Uint8Array> = []
  let ended = false
  for (const element of elements) {
    const progress = decoder.push(element)
    if (Either.isLeft(progress)) return { envelopes, refused: progress.left.reason, ended }
    envelopes.push(...progress.right.completed.map((one) => one.bytes))
    ended = progress.right.ended
  }
  return { envelopes, refused: undefined, ended }
}

describe("copy stream", () => {
  it("joins what was cut, for every fill of the last element", () => {
    for (let ciphertextBytes = 0; ciphertextBytes < 110; ciphertextBytes++) {
      const envelopes = [envelopeOf(ciphertextBytes, 1), envelopeOf(50, 2), envelopeOf(0, 3)]
      const elements = encodeCopyStream(geometry, envelopes)
      expect(elements.slice(0, -1).every((element) => element.length === 100)).toBe(true)
      expect(elements.at(-1)!.length).toBeGreaterThan(5)
      expect(elements.map((element) => element[0])).toEqual(elements.map((_, i) => (i === 0 ? 1 : 0) | (i === elements.length - 1 ? 2 : 0)))
      expect(decodeAll(elements)).toEqual({ envelopes, refused: undefined, ended: true })
    }
  })
  it("emits while the buffer is longer than an element, never at equality", () => {
    const encoder = copyStreamEncoder(geometry)
    expect(encoder.add(new Uint8Array(geometry.copyElementDataBytes - 4))).toEqual([])
    const [last] = encoder.finish()
    expect([last![0], last!.length]).toEqual([3, 100])
  })
  it("refuses an element longer than a box, an envelope longer than a payload, and a cut-off last envelope", () => {
    expect(decodeAll([encodeCopyStreamElement({ start: true, final: true, data: new Uint8Array(96) })]).refused).toBe("out-of-range")
    expect(decodeAll([encodeCopyStreamElement({ start: true, final: false, data: Uint8Array.of(0, 1, 0, 0) })]).refused).toBe("out-of-range")
    expect(decodeAll([encodeCopyStreamElement({ start: true, final: true, data: Uint8Array.of(0, 0, 0) })]).refused).toBe("truncated")
  })
  it("refuses a second start, a missing start, data after the end, and unknown flags", () => {
    const whole = encodeCopyStream(geometry, [envelopeOf(3, 1)])
    expect(decodeAll([whole[0]!, whole[0]!]).refused).toBe("inconsistent")
    expect(decodeAll(whole.slice(1)).refused).toBe("inconsistent")
    expect(decodeAll([...whole, whole.at(-1)!]).refused).toBe("inconsistent")
    expect(decodeAll([Uint8Array.of(4, 0, 0, 0, 0)]).refused).toBe("reserved-not-zero")
  })
  it("refuses trailing bytes inside an envelope", () => {
    const elements = encodeCopyStream(geometry, [Uint8Array.of(...envelopeOf(3, 1), 0)])
    expect(decodeAll(elements).refused).toBe("trailing-bytes")
  })
  it("stays refused after a refusal", () => {
    const decoder = copyStreamDecoder(geometry)
    expect(Either.isLeft(decoder.push(Uint8Array.of(9)))).toBe(true)
    expect(Either.isLeft(decoder.push(encodeCopyStream(geometry, [envelopeOf(3, 1)])[0]!))).toBe(true)
  })
  it("needs as many boxes for 64 KiB as upstream measured: 56, 10, 4", () => {
    const counts = [2000, 8000, 32000].map((ufpl) => {
      const g = Either.getOrThrow(pigeonholeGeometryForPlaintext(ufpl - 451, 160))
      const envelopeCount = Math.ceil(65536 / (g.maxPlaintextBytes - 4))
      return encodeCopyStream(g, Array.from({ length: envelopeCount }, () => new Uint8Array(g.envelopeBytes))).length
    })
    expect(counts).toEqual([56, 10, 4])
  })
})
