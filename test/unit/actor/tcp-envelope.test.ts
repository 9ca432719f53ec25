/**
 * Messages of calls on links.
 *
 * Goal: what is written comes back; nothing else is read, and no length that is not there allocates anything.
 * Method: round trips, truncations, altered bytes, random bytes, every way of cutting.
 *
 * @module
 */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../../src/bytes/concat.ts"
import { decodeEnvelope, encodeEnvelope, type Envelope, MessageAssembler, Outgoing, REFUSALS } from "../../../src/actor/tcp-envelope.ts"
import { packPlain, unpackPlain } from "../../../src/actor/tcp-msgpack.ts"

const ENVELOPES: ReadonlyArray<Envelope> = [
  { _tag: "Request", id: 1, call: "Echo", payload: { frames: [new Uint8Array(0), Uint8Array.of(1, 2, 255)], tag: -5 } },
  { _tag: "Request", id: 2 ** 40, call: "WhoAmI", payload: undefined },
  { _tag: "Success", id: 3, value: { a: [1.5, null, true, "text", { b: undefined }] } },
  { _tag: "Failure", id: 4, error: { _tag: "Refused", code: 3 } },
  ...REFUSALS.map((reason): Envelope => ({ _tag: "Refusal", id: 5, reason })),
  { _tag: "Items", id: 6, values: [new Uint8Array(300).fill(7), 2 ** 53, -(2 ** 31)] },
  { _tag: "Credit", id: 7, count: 8 },
  { _tag: "Cancel", id: 8 }
]

const bodyOf = (envelope: Envelope): Uint8Array => encodeEnvelope(envelope).subarray(4)

describe("envelope", () => {
  for (const envelope of ENVELOPES) {
    it(`${envelope._tag} ${envelope.id} comes back, and no truncation or longer form of it does`, () => {
      const body = bodyOf(envelope)
      expect(decodeEnvelope(body)).toEqual(envelope)
      for (let length = 0; length < body.length; length++) expect(decodeEnvelope(body.subarray(0, length))).toBeUndefined()
      expect(decodeEnvelope(concatBytes(body, Uint8Array.of(0)))).toBeUndefined()
    })
  }
  it("byte strings come back as plain Uint8Arrays", () => {
    const body = bodyOf({ _tag: "Success", id: 1, value: { frame: Uint8Array.of(1, 2) } })
    const decoded = decodeEnvelope(body) as { readonly value: { readonly frame: Uint8Array } }
    expect(Object.getPrototypeOf(decoded.value.frame)).toBe(Uint8Array.prototype)
    expect(decoded.value.frame.slice()).toEqual(Uint8Array.of(1, 2))
  })
  it("lists of another shape are refused", () => {
    const wrong = [
      [], [0], [0, 1], [0, 1, 2, 3], [0, 1, "Call"], [0, 1, "Call", 1, 1], [1, -1, 0], [1, 1.5, 0], [7, 1], [6, 1, 1], [5, 1, -1], [3, 1, 5], [4, 1, 1],
      "text", { 0: 1 }
    ]
    for (const list of wrong) expect(decodeEnvelope(packPlain(list))).toBeUndefined()
  })
  it("one flipped bit never throws", () => {
    const body = bodyOf(ENVELOPES[0] as Envelope)
    for (let at = 0; at < body.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const altered = body.slice()
        altered[at] = (altered[at] as number) ^ (1 << bit)
        decodeEnvelope(altered)
      }
    }
  })
  it("random bytes never throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => { decodeEnvelope(bytes) }), { numRuns: 500 })
  })
  it("extensions, records, huge counts and deep nesting never reach the library", () => {
    const deep = concatBytes(new Uint8Array(17).fill(0x91), Uint8Array.of(0xc0))
    const cases = [
      [0xd4, 0x72, 0x40], [0xd5, 0, 0, 0], [0xc7, 0, 0x78], [0xd6, 0xff, 0, 0, 0, 0], [0xc1], [0xdd, 255, 255, 255, 255], [0xdf, 255, 255, 255, 255],
      [0xc6, 255, 255, 255, 255], [0xdb, 127, 0, 0, 0], [0xdc, 255, 255]
    ]
    for (const bytes of cases) expect(unpackPlain(Uint8Array.from(bytes))).toBeUndefined()
    expect(unpackPlain(deep)).toBeUndefined()
    expect(unpackPlain(deep.subarray(1))).toBeDefined()
  })
  it("a key named __proto__ pollutes nothing", () => {
    const bytes = concatBytes(Uint8Array.of(0x81, 0xa9), new TextEncoder().encode("__proto__"), Uint8Array.of(0x81, 0xa1, 0x78, 1))
    unpackPlain(bytes)
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined()
  })
})

describe("assembler and queue", () => {
  it("messages survive any cutting into bodies", () => {
    const values = fc.array(fc.uint8Array({ minLength: 1, maxLength: 90 }), { maxLength: 12 })
    fc.assert(fc.property(values, fc.integer({ min: 1, max: 64 }), (payloads, bodyBytes) => {
      const queue = new Outgoing(1 << 20)
      const envelopes = payloads.map((value, id): Envelope => ({ _tag: "Success", id, value }))
      for (const envelope of envelopes) expect(queue.offer(encodeEnvelope(envelope))).toBe(true)
      const assembler = new MessageAssembler(1000)
      const arrived: Array<Envelope | undefined> = []
      for (let body = queue.take(bodyBytes); body !== undefined; body = queue.take(bodyBytes)) {
        expect(body.length).toBeLessThanOrEqual(bodyBytes)
        arrived.push(...(assembler.push(body) ?? []).map(decodeEnvelope))
      }
      expect(arrived).toEqual(envelopes)
      expect([queue.bytes, assembler.heldBytes]).toEqual([0, 0])
    }), { numRuns: 100 })
  })
  it("short messages share a body", () => {
    const queue = new Outgoing(1000)
    for (let id = 0; id < 5; id++) queue.offer(encodeEnvelope({ _tag: "Cancel", id }))
    expect(queue.take(1000)?.length).toBe(5 * 7)
    expect(queue.take(1000)).toBeUndefined()
  })
  it("a full queue drops the newest message unless it must not be lost", () => {
    const queue = new Outgoing(10)
    expect([queue.offer(new Uint8Array(6)), queue.offer(new Uint8Array(5)), queue.offer(new Uint8Array(4)), queue.offer(new Uint8Array(1), true)])
      .toEqual([true, false, true, true])
    expect(queue.bytes).toBe(11)
    queue.clear()
    expect([queue.bytes, queue.take(5)]).toEqual([0, undefined])
  })
  it("many messages leave no trail", () => {
    const queue = new Outgoing(1 << 20)
    for (let round = 0; round < 1_000; round++) {
      queue.offer(Uint8Array.of(round & 255, round >> 8))
      expect(queue.take(2)).toEqual(Uint8Array.of(round & 255, round >> 8))
    }
  })
  it("a claim above the limit, or of nothing, is refused with its last byte of length; a claim below it holds only what has come", () => {
    const long = new MessageAssembler(1000)
    expect(long.push(Uint8Array.of(0, 0, 3))).toEqual([])
    expect(long.push(Uint8Array.of(233))).toBeUndefined()
    expect(new MessageAssembler(1000).push(new Uint8Array(4))).toBeUndefined()
    const patient = new MessageAssembler(1 << 30)
    expect(patient.push(Uint8Array.of(63, 255, 255, 255, 1, 2, 3))).toEqual([])
    expect(patient.heldBytes).toBe(3)
  })
})
