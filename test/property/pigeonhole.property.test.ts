/**
 * Pigeonhole parsers on arbitrary input. Goal: never an exception, never an over-read, and what is accepted encodes to the same bytes.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { copyCommandCodec, copyCommandReplyCodec } from "../../src/pigeonhole/copy-command.ts"
import { copyStreamDecoder, copyStreamElementCodec, encodeCopyStream } from "../../src/pigeonhole/copy-stream.ts"
import { courierQueryCodec } from "../../src/pigeonhole/courier-query.ts"
import { courierQueryReplyCodec } from "../../src/pigeonhole/courier-reply.ts"
import { courierEnvelopeCodec, encodeEnvelope } from "../../src/pigeonhole/envelope.ts"
import { pigeonholeGeometryForPlaintext } from "../../src/pigeonhole/geometry.ts"
import { decodeLinkCommand, encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import { decodeExact, type MessageCodec } from "../../src/pigeonhole/message.ts"
import { padTo, unpad } from "../../src/pigeonhole/padding.ts"
import { replicaInnerMessageCodec } from "../../src/pigeonhole/replica-message.ts"
import { replicaReplyInnerMessageCodec } from "../../src/pigeonhole/replica-reply.ts"
import { storedBoxCodec } from "../../src/pigeonhole/stored-box.ts"

const CODECS = [
  copyCommandCodec, copyCommandReplyCodec, copyStreamElementCodec, courierQueryCodec, courierQueryReplyCodec, courierEnvelopeCodec,
  replicaInnerMessageCodec, replicaReplyInnerMessageCodec, storedBoxCodec
] as unknown as ReadonlyArray<MessageCodec<unknown>>

/** Mostly zeros, so that length fields are often plausible. */
const sparseBytes = fc
  .array(fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) }), { maxLength: 260 })
  .map((numbers) => Uint8Array.from(numbers))

describe("E6: parsers", () => {
  it.each(CODECS.map((codec) => [codec.name, codec] as const))("%s accepts only canonical bytes and never throws", (_, codec) => {
    fc.assert(
      fc.property(fc.oneof(sparseBytes, fc.uint8Array({ maxLength: 260 })), (bytes) => {
        const decoded = decodeExact(codec, bytes)
        if (Either.isRight(decoded)) expect(codec.encode(decoded.right)).toEqual(bytes)
      }),
      { numRuns: 300 }
    )
  })
  it("link commands: any input gives a command that encodes to the same bytes, or an error", () => {
    fc.assert(
      fc.property(fc.nat(40), sparseBytes, fc.nat(20), (id, body, fill) => {
        const bytes = Uint8Array.of(id, 0, 0, 0, body.length >> 8, body.length & 255, ...body, ...new Uint8Array(fill))
        const decoded = decodeLinkCommand(bytes)
        if (Either.isRight(decoded)) expect(encodeLinkCommand(decoded.right, bytes.length)).toEqual(bytes)
      }),
      { numRuns: 500 }
    )
  })
  it("random bytes never crash padding or a copy stream", () => {
    const geometry = Either.getOrThrow(pigeonholeGeometryForPlaintext(60, 32))
    fc.assert(
      fc.property(fc.array(fc.oneof(sparseBytes, fc.uint8Array({ maxLength: 60 })), { maxLength: 5 }), (elements) => {
        const decoder = copyStreamDecoder(geometry)
        for (const element of elements) {
          expect(Either.isEither(decoder.push(element))).toBe(true)
          expect(Either.isEither(unpad(element))).toBe(true)
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe("round trips", () => {
  it("padding returns any message that fits", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(50), (message, slack) => {
        expect(Either.getOrThrow(Either.flatMap(padTo(message, message.length + 4 + slack), unpad))).toEqual(message)
      })
    )
  })
  it("a copy stream returns any envelopes, whatever the box size", () => {
    const envelope = fc.record({ sender: fc.uint8Array({ maxLength: 60 }), ciphertext: fc.uint8Array({ maxLength: 150 }) }).map((f) =>
      encodeEnvelope({
        intermediateReplicas: [0, 1], deks: [new Uint8Array(60), new Uint8Array(60)], replyIndex: 0, epoch: 1n,
        senderPublicKey: f.sender, ciphertext: f.ciphertext
      })
    )
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 400 }), fc.array(envelope, { maxLength: 6 }), (maxPlaintextBytes, envelopes) => {
        const geometry = Either.getOrThrow(pigeonholeGeometryForPlaintext(maxPlaintextBytes, 160))
        fc.pre(envelopes.every((one) => one.length <= geometry.userPayloadBytes))
        const decoder = copyStreamDecoder(geometry)
        const joined = encodeCopyStream(geometry, envelopes).flatMap((element) => [...Either.getOrThrow(decoder.push(element)).completed])
        expect(joined.map((one) => one.bytes)).toEqual(envelopes)
      }),
      { numRuns: 100 }
    )
  })
})
