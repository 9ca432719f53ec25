/**
 * Goal: every parser of src/inference takes any bytes without dying, and gives back exactly what was encoded.
 * Method: random values for round trips; random bytes, and honest bytes with random damage, for every parser.
 *
 * @module
 */
import { Effect, Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { openClientJournal } from "../../src/inference/client-journal.ts"
import { openComputeJournal } from "../../src/inference/compute-journal.ts"
import { readComputeRecord } from "../../src/inference/compute-record.ts"
import { decodeReply, encodeReply, openReply, type DispatchReply } from "../../src/inference/dispatch-reply.ts"
import { jobPrivateKey, openDispatch } from "../../src/inference/dispatch-seal.ts"
import {
  decodeDispatch, decodeTokenArea, encodeDispatch, encodeTokenArea, JobId, tokenAreaBytes, type Dispatch, type DispatchSuite
} from "../../src/inference/dispatch.ts"
import { JournalFile, memoryJournal } from "../../src/inference/journal-file.ts"
import { openInput } from "../../src/inference/release-record.ts"
import { encodeInputSlots, encodeSlots } from "../../src/inference/slots.ts"
import { inputTag, openManifest, type ExpectedManifest } from "../../src/inference/stream-manifest.ts"
import { decodeTicket, encodeTicket, type Ticket } from "../../src/inference/ticket.ts"
import { boxesOfClass } from "../../src/params/size-class.ts"

const crypto = Either.getOrThrow(selectBackend())
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const u16 = fc.nat(0xffff)
const instant = fc.nat(2 ** 31 - 1).map((value) => value * 4096)
const suite = fc.constantFrom<DispatchSuite>(1, 2)

const dispatch = (of: DispatchSuite): fc.Arbitrary<Dispatch> => fc.record({
  staged: fc.boolean(), attested: fc.boolean(), bucket: fc.nat(255), inputClass: u16, outputClass: u16, notAfterMs: instant,
  jobId: exactly(32).map(JobId.unsafe), modelIdHash: exactly(32), modelVersion: fc.nat(2 ** 31), inputReadCap: exactly(136),
  outputWriteCap: exactly(168), tokenArea: exactly(tokenAreaBytes(of))
}).map((value) => (value.staged ? { ...value, bucket: 1 } : value))

describe("inference codecs", () => {
  it("give back any dispatch", () => {
    fc.assert(fc.property(suite.chain((of) => fc.tuple(fc.constant(of), dispatch(of))), ([of, value]) => {
      expect(Either.getOrThrow(decodeDispatch(of, encodeDispatch(of, value)))).toEqual(value)
    }))
  })

  it("give back any token that fits", () => {
    fc.assert(fc.property(suite, fc.integer({ min: 1, max: 0xffff }), fc.uint8Array({ maxLength: 428 }), (of, type, value) => {
      expect(Either.getOrThrow(decodeTokenArea(Either.getOrThrow(encodeTokenArea(of, { type, value }))))).toEqual({ type, value })
    }))
  })

  it("give back any reply and any ticket", () => {
    const accepted: fc.Arbitrary<DispatchReply> = fc.record({
      _tag: fc.constant("Accepted" as const), acceptedAtMs: instant, firstEdgeMs: instant, lastEdgeMs: instant, contentDigest: exactly(32)
    })
    const rejected: fc.Arbitrary<DispatchReply> = fc.record({
      _tag: fc.constant("Rejected" as const), reason: fc.constantFrom(1 as const, 5 as const, 15 as const), retryAfterQuanta: u16, contentDigest: exactly(32)
    })
    fc.assert(fc.property(fc.oneof(accepted, rejected), (reply) => {
      expect(Either.getOrThrow(decodeReply(encodeReply(reply)))).toEqual(reply)
    }))
    const ticket: fc.Arbitrary<Ticket> = fc.record({
      staged: fc.constant(false), attested: fc.boolean(), bucket: fc.integer({ min: 1, max: 255 }), outputClass: u16, acceptedAtMs: instant,
      outputReadCap: exactly(136), outputTag: exactly(16), serviceId: exactly(32),
      modelIdHash: exactly(32).map((hash) => (hash.every((byte) => byte === 0) ? undefined : hash))
    })
    fc.assert(fc.property(ticket, (value) => {
      expect(Either.getOrThrow(decodeTicket(encodeTicket(value)))).toEqual(value)
    }))
  })

  it("give back any payload of any class that holds it, in slots of one number and size", () => {
    const jobId = new Uint8Array(32)
    fc.assert(fc.property(fc.nat(4), fc.integer({ min: 192, max: 400 }), fc.nat(6000), (classId, boxBytes, wanted) => {
      const length = Math.min(wanted, (boxesOfClass(classId) - 1) * (boxBytes - 8))
      const content = { contentType: 1, shape: { dtype: "u8", dims: [length] }, payload: seededEntropy(length, "payload")(length) } as const
      const slots = Either.getOrThrow(encodeInputSlots(crypto, { boxBytes, classId, jobId }, content))
      expect(slots.length).toBe(boxesOfClass(classId))
      expect(slots.every((slot) => slot.length === boxBytes)).toBe(true)
      const expected: ExpectedManifest = { boxBytes, classId, jobTag: inputTag(crypto, jobId), payloadBytesLimit: 1e4, stream: { _tag: "Input" } }
      expect(Either.getOrThrow(openInput(crypto, expected, slots))).toEqual(content)
    }), { numRuns: 60 })
  })
})

describe("inference parsers", () => {
  const key = jobPrivateKey(crypto, 1, 1, new Uint8Array(32).fill(1))
  const expected = (stream: ExpectedManifest["stream"]): ExpectedManifest =>
    ({ boxBytes: 200, classId: 1, jobTag: new Uint8Array(16), payloadBytesLimit: 1e9, stream })
  const output = { _tag: "Output", releaseIndex: 0, releaseCount: 2, staged: false, quantaToNext: 1 } as const

  it("take any bytes without dying", () => {
    const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 1100 }), ...[64, 93, 200, 256, 416, 848, 928, 978].map(exactly))
    fc.assert(fc.property(anyBytes, (bytes) => {
      const parsed = [
        decodeDispatch(1, bytes), decodeDispatch(2, bytes), decodeTokenArea(bytes), decodeReply(bytes), decodeTicket(bytes),
        openReply(crypto, new Uint8Array(32), new Uint8Array(32), bytes), openManifest(crypto, bytes, expected({ _tag: "Input" })),
        openManifest(crypto, bytes, expected(output)), openInput(crypto, expected({ _tag: "Input" }), [bytes, bytes])
      ]
      expect(parsed.every((result) => Either.isEither(result))).toBe(true)
    }), { numRuns: 300 })
  })

  it("find random bytes unreadable as a dispatch", () => {
    fc.assert(fc.property(exactly(976), (bytes) => {
      expect(Either.isLeft(openDispatch(crypto, 1, [key], new Uint8Array(32), Uint8Array.of(1, 1, ...bytes)))).toBe(true)
    }), { numRuns: 30 })
  })

  it("never believe a manifest with random damage to what is not its payload hash", () => {
    const frame = { boxBytes: 200, classId: 1, jobTag: new Uint8Array(16), releaseIndex: 0, last: false, quantaToNext: 1 }
    const [honest] = Either.getOrThrow(encodeSlots(crypto, frame, { contentType: 5, shape: undefined, payload: new Uint8Array(0) }))
    expect(Either.isRight(openManifest(crypto, honest!, expected(output)))).toBe(true)
    fc.assert(fc.property(fc.nat(199), fc.integer({ min: 1, max: 255 }), (index, xor) => {
      const bytes = honest!.slice()
      bytes[index] = bytes[index]! ^ xor
      // content type 5 with an attested flag is believed unless an attestation is demanded
      const mayPass = (index >= 72 && index < 104) || (index === 121 && xor === 2)
      expect(Either.isRight(openManifest(crypto, bytes, expected(output)))).toBe(mayPass)
    }), { numRuns: 400 })
  })

  it("refuse any bytes as a journal, unless they are a torn first record", () => {
    const options = { localKey: new Uint8Array(32), entropy: seededEntropy(1, "journal") }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const journals: ReadonlyArray<Effect.Effect<unknown, unknown, JournalFile>> = [openComputeJournal(crypto, options), openClientJournal(crypto, options)]
      for (const open of journals) {
        const outcome = Effect.runSync(Effect.either(Effect.provideService(open, JournalFile, memoryJournal(bytes))))
        expect(Either.isRight(outcome)).toBe(bytes.length < 8 || bytes.every((byte) => byte === 0))
      }
    }), { numRuns: 100 })
  })

  it("refuse any fields as a record", () => {
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.anything()), fc.uint8Array({ maxLength: 50 }), (fields, secret) => {
      expect(readComputeRecord({ fields: { t: "Attempt", ...fields }, secret })).toBeUndefined()
    }), { numRuns: 100 })
  })
})
