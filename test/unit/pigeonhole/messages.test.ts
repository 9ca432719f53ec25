/**
 * Every Pigeonhole message: exact and top-level parsing. Goal: the parsers accept what the encoders write and nothing else.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { DecodeError } from "../../../src/bytes/decode-error.ts"
import { BoxId } from "../../../src/bacap/box-id.ts"
import * as copy from "../../../src/pigeonhole/copy-command.ts"
import * as stream from "../../../src/pigeonhole/copy-stream.ts"
import * as query from "../../../src/pigeonhole/courier-query.ts"
import * as courierReply from "../../../src/pigeonhole/courier-reply.ts"
import * as envelope from "../../../src/pigeonhole/envelope.ts"
import { COPY_STATUS, COURIER_ERROR, courierErrorCode, REPLICA_ERROR, replicaErrorClass, replicaErrorCode } from "../../../src/pigeonhole/error-code.ts"
import { decodeExact, MESSAGE_LIMIT_BYTES } from "../../../src/pigeonhole/message.ts"
import * as replicaMessage from "../../../src/pigeonhole/replica-message.ts"
import * as replicaReply from "../../../src/pigeonhole/replica-reply.ts"
import { decodeStoredBox, encodeStoredBox } from "../../../src/pigeonhole/stored-box.ts"
import { expectExactCodec, pattern } from "./codec-claims.ts"

const boxId = BoxId.unsafe(pattern(32, 1))
const anEnvelope: envelope.CourierEnvelope = {
  intermediateReplicas: [3, 255],
  deks: [pattern(60), pattern(60, 100)],
  replyIndex: 1,
  epoch: 0xffff_ffff_ffff_fffen,
  senderPublicKey: pattern(32),
  ciphertext: pattern(40)
}
const envelopeReply: courierReply.CourierEnvelopeReply = {
  envelopeHash: envelope.EnvelopeHash.unsafe(pattern(32)),
  replyIndex: 1,
  replyType: "payload",
  payload: pattern(20),
  errorCode: COURIER_ERROR.invalidEpoch
}
const copyReply: copy.CopyCommandReply = { status: COPY_STATUS.failed, errorCode: REPLICA_ERROR.boxAlreadyExists, failedEnvelopeIndex: 5n }

describe("exact parsing", () => {
  it("a courier envelope survives the round trip and nothing shorter, longer or flipped passes for it", () => {
    expectExactCodec({ encode: envelope.encodeEnvelope, decode: envelope.decodeEnvelope }, anEnvelope)
  })
  it("so do both courier queries", () => {
    const codec = { encode: query.encodeCourierQuery, decode: query.decodeCourierQuery }
    expectExactCodec(codec, { _tag: "Envelope", envelope: anEnvelope })
    expectExactCodec(codec, { _tag: "CopyCommand", copyCommand: { writeCap: pattern(168) } })
  })
  it("so do both courier replies", () => {
    const codec = { encode: courierReply.encodeCourierQueryReply, decode: courierReply.decodeCourierQueryReply }
    expectExactCodec(codec, { _tag: "EnvelopeReply", envelopeReply })
    expectExactCodec(codec, { _tag: "EnvelopeReply", envelopeReply: { ...envelopeReply, replyType: "ack", payload: new Uint8Array(0) } })
    expectExactCodec(codec, { _tag: "CopyCommandReply", copyCommandReply: copyReply })
  })
  it("so do copy command and reply", () => {
    expectExactCodec({ encode: copy.encodeCopyCommand, decode: copy.decodeCopyCommand }, { writeCap: pattern(168) })
    expectExactCodec({ encode: copy.encodeCopyCommandReply, decode: copy.decodeCopyCommandReply }, copyReply)
  })
  it("so do reads, writes and tombstones inside the envelope", () => {
    const codec = { encode: replicaMessage.encodeReplicaInnerMessage, decode: replicaMessage.decodeReplicaInnerMessage }
    expectExactCodec(codec, { _tag: "Read", boxId })
    expectExactCodec(codec, { _tag: "Write", boxId, signature: pattern(64), payload: pattern(30) })
    expectExactCodec(codec, { _tag: "Write", boxId, signature: pattern(64), payload: new Uint8Array(0) })
  })
  it("so do read and write replies", () => {
    const codec = { encode: replicaReply.encodeReplicaReplyInnerMessage, decode: replicaReply.decodeReplicaReplyInnerMessage }
    expectExactCodec(codec, { _tag: "ReadReply", errorCode: REPLICA_ERROR.tombstone, boxId, signature: pattern(64), payload: pattern(3) })
    expectExactCodec(codec, { _tag: "WriteReply", errorCode: REPLICA_ERROR.storageFull })
  })
  it("so do stored boxes and copy stream elements", () => {
    expectExactCodec({ encode: encodeStoredBox, decode: decodeStoredBox }, { boxId, payload: pattern(16), signature: pattern(64) })
    expectExactCodec(
      { encode: stream.encodeCopyStreamElement, decode: stream.decodeCopyStreamElement },
      { start: true, final: false, data: pattern(9) }
    )
  })
})

describe("top-level parsing", () => {
  it("ignores the zero fill behind a query and behind a reply", () => {
    const wanted: query.CourierQuery = { _tag: "Envelope", envelope: anEnvelope }
    const filled = new Uint8Array(2000)
    filled.set(query.encodeCourierQuery(wanted))
    expect(Either.getOrThrow(query.decodeCourierQueryTop(filled))).toEqual(wanted)
    const reply: courierReply.CourierQueryReply = { _tag: "EnvelopeReply", envelopeReply }
    const filledReply = new Uint8Array(2000)
    filledReply.set(courierReply.encodeCourierQueryReply(reply))
    expect(Either.getOrThrow(courierReply.decodeCourierQueryReplyTop(filledReply))).toEqual(reply)
  })
  it("still refuses every truncation", () => {
    const bytes = query.encodeCourierQuery({ _tag: "Envelope", envelope: anEnvelope })
    for (let end = 0; end < bytes.length; end++) expect(Either.isLeft(query.decodeCourierQueryTop(bytes.subarray(0, end)))).toBe(true)
  })
})

describe("discriminators and limits", () => {
  it("E7: a query, message or reply of type 2 is a parse error", () => {
    const decoders: ReadonlyArray<(bytes: Uint8Array) => Either.Either<unknown, DecodeError>> = [
      query.decodeCourierQuery, query.decodeCourierQueryTop, courierReply.decodeCourierQueryReply,
      replicaMessage.decodeReplicaInnerMessage, replicaReply.decodeReplicaReplyInnerMessage
    ]
    for (const decode of decoders) {
      const decoded = decode(Uint8Array.of(2, ...new Uint8Array(300)))
      expect(Either.isLeft(decoded) && decoded.left.reason).toBe("unknown-type")
    }
  })
  it("a courier reply that is neither ACK nor PAYLOAD is a parse error; a copy status nobody has named stays readable", () => {
    const bytes = courierReply.encodeCourierQueryReply({ _tag: "EnvelopeReply", envelopeReply })
    bytes[34] = 2
    expect(Either.isLeft(courierReply.decodeCourierQueryReply(bytes))).toBe(true)
    expect(Either.getOrThrow(copy.decodeCopyCommandReply(Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0, 0, 0))).status).toBe(7)
  })
  it("a length field of 4 GiB allocates nothing and is refused", () => {
    const decoded = copy.decodeCopyCommand(Uint8Array.of(255, 255, 255, 255, 1))
    expect(Either.isLeft(decoded) && decoded.left.reason).toBe("truncated")
  })
  it("an input above 16 MiB is refused before it is looked at", () => {
    const decoded = decodeExact(copy.copyCommandCodec, new Uint8Array(MESSAGE_LIMIT_BYTES + 1))
    expect(Either.isLeft(decoded) && decoded.left.reason).toBe("out-of-range")
  })
  it("parsed fields do not share memory with the input, but for the ciphertext of an envelope, which is passed on at once", () => {
    const bytes = envelope.encodeEnvelope(anEnvelope)
    const { ciphertext, ...rest } = Either.getOrThrow(envelope.decodeEnvelope(bytes))
    const { ciphertext: sent, ...sentRest } = anEnvelope
    expect(ciphertext).toEqual(sent)
    bytes.fill(0)
    expect(rest).toEqual(sentRest)
    expect(ciphertext).toEqual(new Uint8Array(sent.length))
    const command = copy.encodeCopyCommand({ writeCap: pattern(168) })
    const { writeCap } = Either.getOrThrow(copy.decodeCopyCommand(command))
    command.fill(0)
    expect(writeCap).toEqual(pattern(168))
  })
  it("a DEK or signature of another length is our own mistake and dies", () => {
    expect(() => envelope.encodeEnvelope({ ...anEnvelope, deks: [pattern(59), pattern(60)] })).toThrow(RangeError)
    expect(() => encodeStoredBox({ boxId, payload: pattern(1), signature: pattern(63) })).toThrow(RangeError)
  })
})

describe("error codes", () => {
  it("temporary, permanent and unknown codes are told apart", () => {
    expect([0, 1, 4, 6, 7, 9].map((code) => replicaErrorClass(replicaErrorCode(code)))).toEqual([
      "success", "temporary", "temporary", "temporary", "temporary", "temporary"
    ])
    for (const code of [2, 3, 5, 8, 10, 11, 12, 255]) expect(replicaErrorClass(replicaErrorCode(code))).toBe("permanent")
  })
  it("a replica code is not a courier code", () => {
    const courier = courierErrorCode(4)
    // @ts-expect-error the namespaces overlap numerically and must not mix
    const replica: ReturnType<typeof replicaErrorCode> = courier
    expect(replica).toBe(4)
    expect(() => replicaErrorCode(256)).toThrow(RangeError)
  })
})
