/**
 * A payload as the slots of a stream, and back: the manifest, the data chunks, the fillers.
 *
 * A slot after the manifest is u8 kind (1 data, 2 parity, 3 filler) ‖ 3 zero bytes ‖ u32 sequence ‖ C bytes; chunk q is slot q + 1 of its
 * release, the last chunk is zero-filled, fillers are zeros, and every slot carries the sequence that its place implies.
 *
 * Contract: every stream, and every release, of a class has the same number of slots, each of exactly M bytes, whatever it holds. Reading
 * gives the payload that was framed, or a typed refusal; memory is bounded by the manifest that was checked before.
 * Knows nothing of: boxes, capabilities, what the payload means beyond tensor or container.
 * Source: pigeonhole.md §8.2, funion.md §6.4; departures: parity slots are refused (not built).
 *
 * @module
 */
import { Data, Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { decodeContainer, encodeContainer, type TensorShape } from "../model/tensor-container.ts"
import type { Tensor } from "../model/tensor.ts"
import { boxesOfClass, classFor } from "../params/size-class.ts"
import {
  attestManifest, CONTENT_TYPES, dataChunkCount, encodeManifest, inputTag, payloadHashOf, SLOT_HEADER_BYTES,
  type Attestor, type ContentType, type StreamManifest
} from "./stream-manifest.ts"

const KIND_DATA = 1
const KIND_FILLER = 3

/** The payload needs more slots than the class has. Nothing was framed. */
export class PayloadTooLarge extends Data.TaggedError("PayloadTooLarge")<{ readonly slotsNeeded: number; readonly slotCount: number }> {
  override get message(): string {
    return `the content needs ${this.slotsNeeded} boxes, its size class has ${this.slotCount}`
  }
}

export type SlotReason = "wrong-length" | "missing" | "kind" | "reserved" | "sequence" | "filler" | "chunk-padding" | "payload-hash"

/** The slots do not hold what the manifest commits to. */
export class SlotsRefused extends Data.TaggedError("SlotsRefused")<{ readonly reason: SlotReason }> {}

/** What a stream or release is about to hold. */
export interface StreamContent {
  readonly contentType: ContentType
  /** Of a raw tensor, else undefined */
  readonly shape: TensorShape | undefined
  readonly payload: Uint8Array
}

/** The frame around a content: all that the manifest says beside it. */
export interface StreamFrame {
  /** M */
  readonly boxBytes: number
  readonly classId: number
  readonly jobTag: Uint8Array
  /** r; 0 for inputs */
  readonly releaseIndex: number
  readonly last: boolean
  readonly quantaToNext: number
  /** Present: the manifest is signed. */
  readonly attestor?: Attestor
}

/** The smallest class with room for a payload, or nothing when the ladder ends below. @param boxBytes  M */
export const classForPayload = (boxBytes: number, payloadBytes: number): number | undefined =>
  classFor(1 + dataChunkCount(payloadBytes, boxBytes - SLOT_HEADER_BYTES))

/** Longest payload of a class in bytes: (n − 1)·C. */
export const payloadBytesOfClass = (boxBytes: number, classId: number): number => (boxesOfClass(classId) - 1) * (boxBytes - SLOT_HEADER_BYTES)

const encodeSlot = (boxBytes: number, kind: number, sequence: number, chunk: Uint8Array): Uint8Array =>
  new ByteWriter(boxBytes).u8(kind).zeros(3).u32(sequence).bytes(chunk).zeroFill().finish()

/**
 * Frames a content.
 * @returns the plaintexts of slots 0 … n − 1 of the release, M bytes each; element 0 is the manifest
 * @errors PayloadTooLarge
 */
export const encodeSlots = (
  crypto: CryptoBackend,
  frame: StreamFrame,
  content: StreamContent
): Either.Either<ReadonlyArray<Uint8Array>, PayloadTooLarge> => {
  const { boxBytes, classId } = frame
  const chunkBytes = boxBytes - SLOT_HEADER_BYTES
  const slotCount = boxesOfClass(classId)
  const chunkCount = dataChunkCount(content.payload.length, chunkBytes)
  if (1 + chunkCount > slotCount) return Either.left(new PayloadTooLarge({ slotsNeeded: 1 + chunkCount, slotCount }))
  const unhashed: Omit<StreamManifest, "payloadHash"> = {
    contentType: content.contentType, shape: content.shape, payloadBytes: content.payload.length, chunkBytes, classId, jobTag: frame.jobTag,
    releaseIndex: frame.releaseIndex, last: frame.last, quantaToNext: frame.quantaToNext, attestation: undefined
  }
  const unsigned: StreamManifest = { ...unhashed, payloadHash: payloadHashOf(crypto, unhashed, content.payload) }
  const manifest = frame.attestor === undefined ? unsigned : attestManifest(crypto, unsigned, frame.attestor)
  const slots = [encodeManifest(manifest)]
  for (let sequence = 0; sequence < slotCount - 1; sequence++) {
    const chunk = content.payload.subarray(sequence * chunkBytes, (sequence + 1) * chunkBytes)
    slots.push(encodeSlot(boxBytes, sequence < chunkCount ? KIND_DATA : KIND_FILLER, sequence, chunk))
  }
  return Either.right(slots)
}

/** Frames the input of a job: release 0 with no flags, under the input tag. @errors PayloadTooLarge */
export const encodeInputSlots = (
  crypto: CryptoBackend,
  input: { readonly boxBytes: number; readonly classId: number; readonly jobId: Uint8Array },
  content: StreamContent
): Either.Either<ReadonlyArray<Uint8Array>, PayloadTooLarge> =>
  encodeSlots(crypto, {
    boxBytes: input.boxBytes, classId: input.classId, jobTag: inputTag(crypto, input.jobId), releaseIndex: 0, last: false, quantaToNext: 0
  }, content)

/**
 * Reads one slot after the manifest.
 * @param slotInRelease  1 … n − 1
 * @returns the bytes of the payload that it holds; none for a filler
 * @errors SlotsRefused
 */
export const openSlot = (manifest: StreamManifest, slotInRelease: number, bytes: Uint8Array): Either.Either<Uint8Array, SlotsRefused> => {
  const refused = (reason: SlotReason) => Either.left(new SlotsRefused({ reason }))
  const { chunkBytes, payloadBytes } = manifest
  if (bytes.length !== chunkBytes + SLOT_HEADER_BYTES) return refused("wrong-length")
  const reader = new ByteReader("Slot", bytes)
  const kind = reader.u8()
  const reserved = reader.bytes(3)
  const sequence = reader.u32()
  const dataBytes = Math.min(Math.max(payloadBytes - (slotInRelease - 1) * chunkBytes, 0), chunkBytes)
  if (kind !== (dataBytes > 0 ? KIND_DATA : KIND_FILLER)) return refused("kind")
  if (!isAllZero(reserved)) return refused("reserved")
  if (sequence !== slotInRelease - 1) return refused("sequence")
  if (!isAllZero(bytes.subarray(SLOT_HEADER_BYTES + dataBytes))) return refused(dataBytes > 0 ? "chunk-padding" : "filler")
  return Either.right(bytes.subarray(SLOT_HEADER_BYTES, SLOT_HEADER_BYTES + dataBytes))
}

/**
 * The payload that a checked manifest commits to.
 * @param chunks  slots 1 … n − 1 of the release in order, fillers too
 * @errors SlotsRefused
 */
export const assemble = (
  crypto: CryptoBackend,
  manifest: StreamManifest,
  chunks: ReadonlyArray<Uint8Array>
): Either.Either<Uint8Array, SlotsRefused> => {
  if (chunks.length !== boxesOfClass(manifest.classId) - 1) return Either.left(new SlotsRefused({ reason: "missing" }))
  const payload = new Uint8Array(manifest.payloadBytes)
  for (const [sequence, bytes] of chunks.entries()) {
    const data = openSlot(manifest, sequence + 1, bytes)
    if (Either.isLeft(data)) return Either.left(data.left)
    if (data.right.length > 0) payload.set(data.right, sequence * manifest.chunkBytes)
  }
  return constantTimeEqual(payloadHashOf(crypto, manifest, payload), manifest.payloadHash)
    ? Either.right(payload)
    : Either.left(new SlotsRefused({ reason: "payload-hash" }))
}

/**
 * Tensors as a content: one alone as its raw bytes (its name stays behind), any other number as a container.
 * @errors DecodeError when the tensors make no container
 */
export const contentOfTensors = (tensors: ReadonlyArray<Tensor>): Either.Either<StreamContent, DecodeError> => {
  const [only] = tensors
  if (only !== undefined && tensors.length === 1) {
    return Either.right({ contentType: CONTENT_TYPES.tensor, shape: { dtype: only.dtype, dims: only.dims }, payload: only.data })
  }
  return Either.map(encodeContainer(tensors), (payload) => ({ contentType: CONTENT_TYPES.container, shape: undefined, payload }))
}

/**
 * The tensors of a content.
 * @param rawName     name for a tensor that came alone, from the model card
 * @param bytesLimit  containers longer than this are refused
 * @errors DecodeError for a container that is none
 */
export const tensorsOfContent = (
  content: StreamContent,
  rawName: string,
  bytesLimit: number
): Either.Either<ReadonlyArray<Tensor>, DecodeError> =>
  content.shape === undefined
    ? decodeContainer(content.payload, bytesLimit)
    : Either.right([{ name: rawName, ...content.shape, data: content.payload }])
