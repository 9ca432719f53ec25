/**
 * Goal: only the manifest that the reader expects is believed; every lie of pigeonhole.md §8.9 and funion.md §6.4 is refused by name.
 * Method: one honest manifest slot, patched at known offsets.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { sealRelease, type ReleasePlace } from "../../../src/inference/release-record.ts"
import { encodeInputSlots, type StreamContent } from "../../../src/inference/slots.ts"
import { inputTag, openManifest, outputTag, type AttestedBy, type ExpectedManifest } from "../../../src/inference/stream-manifest.ts"
import { BOX_BYTES, crypto, flipped, leftOf, MODEL_ID_HASH, SERVICE_ID } from "./sample-job.ts"

const jobId = new Uint8Array(32).fill(6)
const content: StreamContent = { contentType: 1, shape: { dtype: "f32", dims: [10, 10] }, payload: new Uint8Array(400).fill(1) }
const input = Either.getOrThrow(encodeInputSlots(crypto, { boxBytes: BOX_BYTES, classId: 1, jobId }, content))[0]!
const expectedInput: ExpectedManifest = {
  boxBytes: BOX_BYTES, classId: 1, jobTag: inputTag(crypto, jobId), payloadBytesLimit: 400, stream: { _tag: "Input" }
}
const openInput = (bytes: Uint8Array, change: Partial<ExpectedManifest> = {}) => openManifest(crypto, bytes, { ...expectedInput, ...change })

const place: ReleasePlace = { boxBytes: BOX_BYTES, classId: 1, jobId, staged: false, releaseIndex: 1, releaseCount: 3, quantaToNext: 10 }
type OutputStream = Extract<ExpectedManifest["stream"], { readonly _tag: "Output" }>
const expectedOutput = (change: Partial<OutputStream> = {}): ExpectedManifest => ({
  ...expectedInput, jobTag: outputTag(crypto, jobId),
  stream: { _tag: "Output", releaseIndex: 1, releaseCount: 3, staged: false, quantaToNext: 10, ...change }
})
const result = Either.getOrThrow(sealRelease(crypto, place, { _tag: "Result", content }))[0]!
const overflow = Either.getOrThrow(sealRelease(crypto, place, { _tag: "Overflow" }))[0]!

/** A copy with big-endian `value` of `size` bytes at `offset`. */
const patched = (bytes: Uint8Array, offset: number, size: number, value: number): Uint8Array => {
  const copy = bytes.slice()
  for (let i = 0; i < size; i++) copy[offset + i] = Math.floor(value / 256 ** (size - 1 - i)) % 256
  return copy
}

describe("manifest layout", () => {
  it("puts every field at its offset", () => {
    const view = new DataView(input.buffer, input.byteOffset, input.length)
    expect(input.length).toBe(BOX_BYTES)
    expect([...input.slice(0, 8)]).toEqual([0x66, 0x54, 0x4d, 0x31, 1, 0, 1, 2])
    expect([view.getUint32(8), view.getUint32(12), view.getUint32(16)]).toEqual([10, 10, 0])
    expect([view.getBigUint64(40), view.getUint32(48), view.getUint32(52), view.getUint32(56), view.getUint32(60)]).toEqual([400n, 248, 2, 0, 6])
    expect([view.getUint16(64), view.getUint16(66), view.getUint32(68)]).toEqual([1, 1, 0])
    expect(input.slice(72, 104)).toEqual(crypto.blake2b256(new TextEncoder().encode("funion-tensor-v1"), input.slice(0, 72), content.payload))
    expect(input.slice(104, 120)).toEqual(crypto.blake2b256(new TextEncoder().encode("funion-in-tag-v1"), jobId).slice(0, 16))
    expect(input.slice(120)).toEqual(new Uint8Array(BOX_BYTES - 120))
    expect([...overflow.slice(120, 128)]).toEqual([1, 0, 0, 10, 0, 0, 0, 0])
    expect([...result.slice(120, 128)]).toEqual([1, 1, 0, 0, 0, 0, 0, 0])
    expect(result.slice(104, 120)).toEqual(crypto.blake2b256(new TextEncoder().encode("funion-out-tag-v1"), jobId).slice(0, 16))
  })

  it("comes back with what it says", () => {
    expect(Either.getOrThrow(openInput(input))).toMatchObject({ contentType: 1, shape: content.shape, payloadBytes: 400, chunkBytes: 248, last: false })
    expect(Either.getOrThrow(openManifest(crypto, overflow, expectedOutput()))).toMatchObject({
      contentType: 5, releaseIndex: 1, last: false, quantaToNext: 10
    })
  })
})

describe("lying manifest", () => {
  it.each([
    ["magic", 0, 1, 0], ["version", 4, 1, 2], ["parity", 5, 1, 1], ["parity", 56, 4, 1], ["parity", 68, 4, 1],
    ["shape", 6, 1, 4], ["shape", 7, 1, 9], ["shape", 16, 4, 1], ["payload-length", 8, 4, 9], ["payload-length", 40, 8, 399],
    ["chunk-size", 48, 4, 247], ["chunk-size", 48, 4, 0], ["chunk-count", 52, 4, 3], ["chunk-count", 52, 4, 0], ["chunk-count", 40, 8, 2 ** 53],
    ["chunk-count", 40, 8, 5 * 248 + 1], ["slot-count", 60, 4, 7], ["slot-count", 60, 4, 8], ["slot-count", 60, 4, 2 ** 32 - 1],
    ["class", 66, 2, 2], ["class", 66, 2, 999], ["content-type", 64, 2, 0], ["content-type", 64, 2, 7],
    ["job-tag", 104, 1, 0], ["reserved", 120, 1, 1], ["reserved", 121, 1, 1], ["reserved", 121, 1, 4], ["reserved", 122, 2, 1], ["reserved", 124, 4, 1],
    ["reserved", 128, 1, 1], ["reserved", 191, 1, 1], ["reserved", 192, 1, 1], ["reserved", 255, 1, 1]
  ] as const)("is refused for its %s (bytes at %i)", (reason, offset, size, value) => {
    expect(leftOf(openInput(patched(input, offset, size, value))).reason).toBe(reason)
  })

  it("is refused when a consistent N and k exceed the class", () => {
    const at = (chunks: number) => patched(patched(input, 40, 8, chunks * 248), 52, 4, chunks)
    expect(leftOf(openInput(at(6), { payloadBytesLimit: 1e6 })).reason).toBe("chunk-count")
    expect(leftOf(openInput(at(5), { payloadBytesLimit: 1e6 })).reason).toBe("payload-length")
  })

  it("is refused when dimensions overflow, whatever N says", () => {
    const huge = [0, 1, 2].reduce((bytes, i) => patched(bytes, 8 + 4 * i, 4, 2 ** 32 - 1), patched(input, 7, 1, 3))
    expect(leftOf(openInput(huge)).reason).toBe("payload-length")
  })

  it("is refused above the model's limit, in another class, box size, job or direction", () => {
    expect(leftOf(openInput(input, { payloadBytesLimit: 399 })).reason).toBe("payload-too-long")
    expect(leftOf(openInput(input, { classId: 2 })).reason).toBe("class")
    expect(leftOf(openInput(input, { boxBytes: 257 })).reason).toBe("wrong-length")
    expect(leftOf(openInput(input, { jobTag: inputTag(crypto, new Uint8Array(32)) })).reason).toBe("job-tag")
    expect(leftOf(openManifest(crypto, input, expectedOutput())).reason).toBe("job-tag")
    expect(leftOf(openInput(result, { jobTag: outputTag(crypto, jobId) })).reason).toBe("reserved")
  })

  it("is refused at every truncation, one byte too long, and refused or different after a flip of any byte", () => {
    const honest = Either.getOrThrow(openInput(input))
    for (let length = 0; length < input.length; length += 5) expect(leftOf(openInput(input.slice(0, length))).reason).toBe("wrong-length")
    expect(leftOf(openInput(Uint8Array.of(...input, 0))).reason).toBe("wrong-length")
    for (let index = 0; index < input.length; index++) {
      const opened = openInput(flipped(input, index))
      if (Either.isRight(opened)) expect(opened.right).not.toEqual(honest)
      expect(Either.isLeft(opened)).toBe(index < 72 || index >= 104)
    }
  })

  it("is refused as a record that this release cannot be", () => {
    const refusal = (bytes: Uint8Array, change: Partial<OutputStream>) => leftOf(openManifest(crypto, bytes, expectedOutput(change))).reason
    expect(refusal(result, { releaseIndex: 0 })).toBe("release")
    expect(refusal(overflow, { releaseCount: 2 })).toBe("last")
    expect(refusal(overflow, { staged: true })).toBe("content-type")
    expect(refusal(result, { staged: true })).toBe("last")
    expect(refusal(overflow, { quantaToNext: 4 })).toBe("next-release")
    expect(refusal(patched(overflow, 64, 2, 4), {})).toBe("content-type")
    expect(refusal(patched(overflow, 64, 2, 6), {})).toBe("content-type")
    expect(refusal(patched(overflow, 64, 2, 3), {})).toBe("payload-length")
    expect(refusal(patched(overflow, 121, 1, 1), {})).toBe("last")
    expect(refusal(patched(result, 121, 1, 0), {})).toBe("last")
    expect(refusal(patched(result, 122, 2, 1), {})).toBe("next-release")
  })

  it("makes nothing larger than the class before it is refused", () => {
    expect(boxesOfClass(1)).toBe(6)
    expect(leftOf(openInput(patched(patched(input, 40, 8, 2 ** 50), 52, 4, Math.ceil(2 ** 50 / 248))))._tag).toBe("LyingManifest")
  })
})

describe("attestation", () => {
  const resultSeed = new Uint8Array(32).fill(8)
  const attestedBy: AttestedBy = { resultKey: crypto.ed25519PublicKey(resultSeed), serviceId: SERVICE_ID, modelIdHash: MODEL_ID_HASH }
  const attested = Either.getOrThrow(
    sealRelease(crypto, { ...place, attestor: { resultSeed, serviceId: SERVICE_ID, modelIdHash: MODEL_ID_HASH } }, { _tag: "Result", content })
  )[0]!
  const open = (bytes: Uint8Array, by: AttestedBy = attestedBy) => openManifest(crypto, bytes, expectedOutput({ attestedBy: by }))

  it("signs the first 128 bytes, with the flag set, under the result key", () => {
    const message = Uint8Array.of(...new TextEncoder().encode("funion-result-v1"), ...SERVICE_ID, ...MODEL_ID_HASH, ...attested.slice(0, 128))
    expect(attested[121]).toBe(3)
    expect(crypto.ed25519Verify(attestedBy.resultKey, message, attested.slice(128, 192))).toBe(true)
    expect(Either.isRight(open(attested))).toBe(true)
    expect(Either.isRight(openManifest(crypto, attested, expectedOutput()))).toBe(true)
  })

  it("is refused for another service, model or key, when absent, and when payload hash, tag or signature differ", () => {
    expect(leftOf(open(attested, { ...attestedBy, serviceId: MODEL_ID_HASH })).reason).toBe("attestation")
    expect(leftOf(open(attested, { ...attestedBy, modelIdHash: SERVICE_ID })).reason).toBe("attestation")
    expect(leftOf(open(attested, { ...attestedBy, resultKey: crypto.ed25519PublicKey(SERVICE_ID) })).reason).toBe("attestation")
    expect(leftOf(open(result)).reason).toBe("attestation")
    for (const index of [72, 103, 128, 191]) expect(leftOf(open(flipped(attested, index))).reason).toBe("attestation")
  })
})
