/**
 * Goal: any payload that fits comes back from its slots; every stream and release of a class looks the same; damage is refused by name.
 * Method: payload lengths around chunk and class limits; each slot spoiled in each way; the five records side by side.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import {
  isFailureCode, openInput, openRelease, sealRelease, type ReleasePlace, type ReleaseRecord
} from "../../../src/inference/release-record.ts"
import {
  assemble, classForPayload, contentOfTensors, encodeInputSlots, payloadBytesOfClass, tensorsOfContent, type StreamContent
} from "../../../src/inference/slots.ts"
import { inputTag, openManifest, outputTag, type ExpectedManifest } from "../../../src/inference/stream-manifest.ts"
import type { Tensor } from "../../../src/model/tensor.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { BOX_BYTES, crypto, flipped, leftOf, MODEL_ID_HASH, SERVICE_ID } from "./sample-job.ts"

const CHUNK = BOX_BYTES - 8
const jobId = new Uint8Array(32).fill(6)
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 31 + 7) % 251)
const raw = (length: number): StreamContent => ({ contentType: 1, shape: { dtype: "u8", dims: [length] }, payload: bytesOf(length) })
const encode = (content: StreamContent, classId = 1) => encodeInputSlots(crypto, { boxBytes: BOX_BYTES, classId, jobId }, content)
const expectedInput = (classId = 1): ExpectedManifest =>
  ({ boxBytes: BOX_BYTES, classId, jobTag: inputTag(crypto, jobId), payloadBytesLimit: 1e6, stream: { _tag: "Input" } })

describe("slots of a stream", () => {
  it.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 5 * CHUNK - 1, 5 * CHUNK])("carry %i bytes in the slots of their class", (length) => {
    const slots = Either.getOrThrow(encode(raw(length)))
    expect(slots.map((slot) => slot.length)).toEqual(new Array<number>(6).fill(BOX_BYTES))
    expect(Either.getOrThrow(openInput(crypto, expectedInput(), slots))).toEqual(raw(length))
    const dataSlots = Math.ceil(length / CHUNK)
    expect(slots.slice(1).map((slot) => slot[0])).toEqual([0, 1, 2, 3, 4].map((sequence) => (sequence < dataSlots ? 1 : 3)))
    expect(slots.slice(1).map((slot) => new DataView(slot.buffer, slot.byteOffset).getUint32(4))).toEqual([0, 1, 2, 3, 4])
  })

  it("do not take a payload beyond the class", () => {
    expect(payloadBytesOfClass(BOX_BYTES, 1)).toBe(5 * CHUNK)
    expect(leftOf(encode(raw(5 * CHUNK + 1)))).toMatchObject({ _tag: "PayloadTooLarge", slotsNeeded: 7, slotCount: 6 })
    expect([0, 3 * CHUNK, 3 * CHUNK + 1, 5 * CHUNK + 1].map((length) => classForPayload(BOX_BYTES, length))).toEqual([0, 0, 1, 2])
    expect(classForPayload(BOX_BYTES, 1e9)).toBeUndefined()
  })

  it("are the same bytes every time", () => {
    expect(Either.getOrThrow(encode(raw(700)))).toEqual(Either.getOrThrow(encode(raw(700))))
  })

  it("are refused by name when one of them is spoiled", () => {
    const slots = Either.getOrThrow(encode(raw(2 * CHUNK + 10)))
    const refusal = (slot: number, bytes: Uint8Array) => leftOf(openInput(crypto, expectedInput(), slots.with(slot, bytes)))
    expect(refusal(1, slots[1]!.with(0, 2))).toMatchObject({ reason: "kind" })
    expect(refusal(1, slots[1]!.with(0, 3))).toMatchObject({ reason: "kind" })
    expect(refusal(4, slots[4]!.with(0, 1))).toMatchObject({ reason: "kind" })
    expect(refusal(1, slots[1]!.with(2, 1))).toMatchObject({ reason: "reserved" })
    expect(refusal(1, slots[2]!)).toMatchObject({ reason: "sequence" })
    expect(refusal(5, slots[4]!)).toMatchObject({ reason: "sequence" })
    expect(refusal(3, slots[3]!.with(18, 1))).toMatchObject({ reason: "chunk-padding" })
    expect(refusal(5, slots[5]!.with(255, 1))).toMatchObject({ reason: "filler" })
    expect(refusal(2, flipped(slots[2]!, 100))).toMatchObject({ reason: "payload-hash" })
    expect(refusal(2, slots[2]!.slice(1))).toMatchObject({ reason: "wrong-length" })
    expect(leftOf(openInput(crypto, expectedInput(), slots.slice(0, 5)))).toMatchObject({ reason: "missing" })
    expect(leftOf(openInput(crypto, expectedInput(), []))).toMatchObject({ reason: "missing" })
  })

  it("are refused after a flip of any byte of any slot", () => {
    const slots = Either.getOrThrow(encode(raw(2 * CHUNK + 10)))
    for (const [slot, bytes] of slots.entries()) {
      for (let index = 0; index < BOX_BYTES; index += slot === 0 ? 1 : 3) {
        expect(Either.isLeft(openInput(crypto, expectedInput(), slots.with(slot, flipped(bytes, index))))).toBe(true)
      }
    }
  })

  it("do not mix with the slots of another job", () => {
    const mine = Either.getOrThrow(encode(raw(700)))
    const other = Either.getOrThrow(encode({ ...raw(700), payload: bytesOf(701).slice(1) }))
    const manifest = Either.getOrThrow(openManifest(crypto, mine[0]!, expectedInput()))
    expect(leftOf(assemble(crypto, manifest, other.slice(1))).reason).toBe("payload-hash")
  })
})

describe("tensors as contents", () => {
  const tensor = (name: string): Tensor => ({ name, dtype: "f32", dims: [2, 3], data: bytesOf(24) })

  it("travel raw when alone, as a container otherwise, and come back", () => {
    const one = Either.getOrThrow(contentOfTensors([tensor("x")]))
    expect(one).toEqual({ contentType: 1, shape: { dtype: "f32", dims: [2, 3] }, payload: bytesOf(24) })
    expect(Either.getOrThrow(tensorsOfContent(one, "y", 1000))).toEqual([tensor("y")])
    for (const tensors of [[], [tensor("a"), tensor("b")]]) {
      const many = Either.getOrThrow(contentOfTensors(tensors))
      expect(many.contentType).toBe(2)
      const slots = Either.getOrThrow(encode(many))
      expect(Either.getOrThrow(tensorsOfContent(Either.getOrThrow(openInput(crypto, expectedInput(), slots)), "", 1000))).toEqual(tensors)
    }
  })

  it("are refused when the container is none or too long", () => {
    const content = { contentType: 2, shape: undefined, payload: bytesOf(9) } as const
    expect(Either.isLeft(tensorsOfContent(content, "", 1000))).toBe(true)
    const many = Either.getOrThrow(contentOfTensors([tensor("a"), tensor("b")]))
    expect(Either.isLeft(tensorsOfContent(many, "", many.payload.length - 1))).toBe(true)
  })
})

const place: ReleasePlace = { boxBytes: BOX_BYTES, classId: 2, jobId, staged: false, releaseIndex: 0, releaseCount: 3, quantaToNext: 4 }
const staged: ReleasePlace = { ...place, staged: true }
const expectedOf = (at: ReleasePlace): ExpectedManifest => ({
  boxBytes: BOX_BYTES, classId: at.classId, jobTag: outputTag(crypto, jobId), payloadBytesLimit: 1e6,
  stream: { _tag: "Output", releaseIndex: at.releaseIndex, releaseCount: at.releaseCount, staged: at.staged, quantaToNext: at.quantaToNext }
})
const seal = (at: ReleasePlace, record: ReleaseRecord) => Either.getOrThrow(sealRelease(crypto, at, record))
const read = (at: ReleasePlace, slots: ReadonlyArray<Uint8Array>) => openRelease(crypto, expectedOf(at), slots)

describe("releases", () => {
  const failure = { _tag: "Failure", code: 5 } as const
  const unstagedRecords: ReadonlyArray<ReleaseRecord> = [
    { _tag: "Result", content: raw(0) }, { _tag: "Result", content: raw(7 * CHUNK) }, failure, { _tag: "Overflow" }
  ]
  const stagedRecords: ReadonlyArray<ReleaseRecord> = [
    { _tag: "Empty" }, { _tag: "Partial", payload: bytesOf(300) }, { _tag: "Result", content: raw(5) }, failure
  ]

  it("have equally many slots of equal size, whatever they hold", () => {
    const attestor = { resultSeed: new Uint8Array(32), serviceId: SERVICE_ID, modelIdHash: MODEL_ID_HASH }
    const all = [
      ...unstagedRecords.map((record) => seal(place, record)), ...stagedRecords.map((record) => seal(staged, record)), seal({ ...place, attestor }, failure)
    ]
    for (const slots of all) expect(slots.map((slot) => slot.length)).toEqual(new Array<number>(boxesOfClass(2)).fill(BOX_BYTES))
  })

  it("come back as what they are, first and last", () => {
    for (const record of unstagedRecords) {
      const last = record._tag !== "Overflow"
      expect(Either.getOrThrow(read(place, seal(place, record)))).toEqual({ record, releaseIndex: 0, last, attested: false })
    }
    for (const record of stagedRecords) {
      expect(Either.getOrThrow(read(staged, seal(staged, record)))).toEqual({ record, releaseIndex: 0, last: false, attested: false })
      const end = { ...staged, releaseIndex: 2, quantaToNext: 0 }
      expect(Either.getOrThrow(read(end, seal(end, record)))).toEqual({ record, releaseIndex: 2, last: true, attested: false })
    }
  })

  it("know eight failure codes and refuse others", () => {
    expect([0, 1, 8, 9, 1.5].map(isFailureCode)).toEqual([false, true, true, false, false])
    const slots = seal(place, failure)
    const withCode = (code: number) => {
      // a writer that lies consistently: the payload hash is right
      const sealed = sealRelease(crypto, place, { _tag: "Failure", code: code as 1 })
      return read(place, Either.getOrThrow(sealed))
    }
    for (const code of [0, 9, 0xffff]) expect(leftOf(withCode(code))).toMatchObject({ _tag: "DecodeError" })
    expect(leftOf(read(place, slots.with(1, slots[1]!.with(9, 6))))).toMatchObject({ reason: "payload-hash" })
  })

  it("do not take a result beyond the class", () => {
    expect(leftOf(sealRelease(crypto, place, { _tag: "Result", content: raw(7 * CHUNK + 1) }))._tag).toBe("PayloadTooLarge")
  })

  it("cannot be sealed where the job has no such record", () => {
    const end = { ...place, releaseIndex: 2, quantaToNext: 0 }
    expect(() => sealRelease(crypto, end, { _tag: "Overflow" })).toThrow(RangeError)
    expect(() => sealRelease(crypto, staged, { _tag: "Overflow" })).toThrow(RangeError)
    expect(() => sealRelease(crypto, place, { _tag: "Empty" })).toThrow(RangeError)
  })

  it("of one job are not read at another place, nor for another job", () => {
    const slots = seal(place, { _tag: "Overflow" })
    expect(leftOf(read({ ...place, releaseIndex: 1 }, slots))).toMatchObject({ reason: "release" })
    expect(leftOf(openRelease(crypto, { ...expectedOf(place), jobTag: new Uint8Array(16) }, slots))).toMatchObject({ reason: "job-tag" })
  })
})
