/**
 * Frames between queue host and compute service.
 *
 * Goal: one length for everything, exact decoding, garbage refused.
 * Method: round trips, every truncation, one flipped bit in each byte, one byte too long, random bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { decodeQueueFrame, encodeQueueFrame, type QueueFrame, queueFrameBytes } from "../../../src/inference/queue-frame.ts"

const PAYLOAD_BYTES = 120
const entropy = seededEntropy("queue frame tests", "bytes")
const queryId = entropy(16)
const frames: ReadonlyArray<readonly [QueueFrame["_tag"], QueueFrame]> = [
  ["Decoy", { _tag: "Decoy" }],
  ["Deliver", { _tag: "Deliver", queryId, dispatch: entropy(PAYLOAD_BYTES) }],
  ["Answer", { _tag: "Answer", queryId, reply: entropy(93) }]
]

describe.each(frames)("a %s frame", (_, frame) => {
  const bytes = encodeQueueFrame(frame, PAYLOAD_BYTES)
  it("has userPayloadBytes + 22 bytes and comes back as it was", () => {
    expect([bytes.length, queueFrameBytes(PAYLOAD_BYTES)]).toEqual([142, 142])
    expect(decodeQueueFrame(bytes, PAYLOAD_BYTES)).toEqual(Either.right(frame))
  })
  it("is refused when cut anywhere or a byte longer", () => {
    for (let length = 0; length < bytes.length; length++) expect(Either.isLeft(decodeQueueFrame(bytes.slice(0, length), PAYLOAD_BYTES))).toBe(true)
    expect(Either.isLeft(decodeQueueFrame(new Uint8Array([...bytes, 0]), PAYLOAD_BYTES))).toBe(true)
  })
  it("with a bit flipped is refused or is another frame of the same canonical form", () => {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice()
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8))
      const decoded = decodeQueueFrame(flipped, PAYLOAD_BYTES)
      if (Either.isRight(decoded)) expect(encodeQueueFrame(decoded.right, PAYLOAD_BYTES)).toEqual(flipped)
      if (at < 6 || frame._tag === "Decoy") expect(Either.isLeft(decoded)).toBe(true)
    }
  })
})

describe("garbage", () => {
  it("random bytes of any length give an error or a frame, never a throw", () => {
    for (let attempt = 0; attempt < 2000; attempt++) {
      const bytes = entropy(attempt % 2 === 0 ? 142 : attempt % 300)
      if (attempt % 4 === 0) bytes.set([attempt % 3, 0, 0, 0, 0, attempt % 137])
      const decoded = decodeQueueFrame(bytes, PAYLOAD_BYTES)
      if (Either.isRight(decoded)) expect(encodeQueueFrame(decoded.right, PAYLOAD_BYTES)).toEqual(bytes)
    }
  })
})
