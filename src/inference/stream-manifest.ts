/**
 * The manifest: the first slot of an input stream, and of every release of an output stream; the commit record of the slots after it.
 *
 * | offset | bytes | field | meaning |
 * |---|---|---|---|
 * | 0 | 4 | magic | `66 54 4d 31` |
 * | 4 | 1 + 1 | version, flags | 1; 0 (no parity) |
 * | 6 | 34 | `shape` | element type, rank, eight dimensions; zeros unless content type 1 |
 * | 40 | 8 | `payloadBytes` | N |
 * | 48 | 4 | chunk size | C = M − 8 |
 * | 52 | 4 + 4 | data chunks, parity chunks | k = ceil(N / C); 0 |
 * | 60 | 4 | slots | n of the class |
 * | 64 | 2 + 2 | `contentType`, `classId` | |
 * | 68 | 4 | erasure groups | zero without parity |
 * | 72 | 32 | `payloadHash` | H256("funion-tensor-v1" ‖ manifest[0..72] ‖ payload) |
 * | 104 | 16 | `jobTag` | H256("funion-in-tag-v1" or "funion-out-tag-v1" ‖ jobId)[0..16] |
 * | 120 | 1 + 1 | `releaseIndex`, flags | bit 0 last release, bit 1 attested |
 * | 122 | 2 | `quantaToNext` | from this edge to the next release, 0 if last |
 * | 124 | 4 | | zero |
 * | 128 | 64 | `attestation` | Ed25519 of "funion-result-v1" ‖ serviceId ‖ model id hash ‖ manifest[0..128], or zeros |
 *
 * The rest of the M bytes is zero.
 *
 * Contract: one manifest has one encoding. Nothing of a manifest is believed before `openManifest` has compared it with what the reader
 * knows (class, M, tag, release, limits), and nothing is allocated by its numbers before that.
 * Knows nothing of: boxes, capabilities, how slots travel.
 * Source: pigeonhole.md §8.2, funion.md §6.4; departures: parity is not built and refused; dtype and dimensions of a payload that is no raw
 * tensor are zero.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { elementBytes } from "../model/dtype.ts"
import { readShape, SHAPE_BYTES, writeShape, type TensorShape } from "../model/tensor-container.ts"
import { elementCount } from "../model/tensor.ts"
import { boxesOfClass, isSizeClass } from "../params/size-class.ts"

/** The part that is not filler; the smallest M that a network may have. */
export const MANIFEST_BYTES = 192
/** kind 1, zeros 3, sequence 4: what a slot holds beside its chunk, M − C. */
export const SLOT_HEADER_BYTES = 8
export const JOB_TAG_BYTES = 16
const HEAD_BYTES = 72
const ATTESTED_BYTES = 128
const HASH_BYTES = 32
const SIGNATURE_BYTES = 64
const MAGIC = Uint8Array.of(0x66, 0x54, 0x4d, 0x31)
const VERSION = 1
const FLAG_LAST = 1
const FLAG_ATTESTED = 2
/** u16 code ‖ u16 0 ‖ u32 0 */
export const FAILURE_PAYLOAD_BYTES = 8

if (MAGIC.length + 2 + SHAPE_BYTES + 8 + 4 * 4 + 2 + 2 + 4 !== HEAD_BYTES) throw new RangeError("manifest head must be 72 bytes")
if (HEAD_BYTES + HASH_BYTES + JOB_TAG_BYTES + 8 !== ATTESTED_BYTES) throw new RangeError("attested part of the manifest must be 128 bytes")
if (ATTESTED_BYTES + SIGNATURE_BYTES !== MANIFEST_BYTES) throw new RangeError("manifest must be 192 bytes")

export const CONTENT_TYPES = { tensor: 1, container: 2, failure: 3, empty: 4, overflow: 5, partial: 6 } as const
export type ContentType = (typeof CONTENT_TYPES)[keyof typeof CONTENT_TYPES]

export interface StreamManifest {
  readonly contentType: ContentType
  /** Of a raw tensor, else undefined */
  readonly shape: TensorShape | undefined
  /** N */
  readonly payloadBytes: number
  /** C */
  readonly chunkBytes: number
  readonly classId: number
  readonly payloadHash: Uint8Array
  readonly jobTag: Uint8Array
  /** r; 0 for inputs */
  readonly releaseIndex: number
  /** Last release of the job; false for inputs */
  readonly last: boolean
  readonly quantaToNext: number
  /** 64 bytes when attested */
  readonly attestation: Uint8Array | undefined
}

export type LyingReason =
  | "wrong-length" | "magic" | "version" | "parity" | "reserved" | "content-type" | "shape" | "payload-too-long" | "payload-length"
  | "chunk-size" | "chunk-count" | "slot-count" | "class" | "job-tag" | "release" | "last" | "next-release" | "attestation"

/** The first slot of a stream is not the manifest that the reader may believe. */
export class LyingManifest extends Data.TaggedError("LyingManifest")<{ readonly reason: LyingReason }> {}

/** k = ceil(N / C) */
export const dataChunkCount = (payloadBytes: number, chunkBytes: number): number => Math.ceil(payloadBytes / chunkBytes)

const IN_TAG_LABEL = utf8("funion-in-tag-v1")
const OUT_TAG_LABEL = utf8("funion-out-tag-v1")
const PAYLOAD_LABEL = utf8("funion-tensor-v1")
const RESULT_LABEL = utf8("funion-result-v1")

/** 16 bytes: ties the input stream to its dispatch. */
export const inputTag = (crypto: CryptoBackend, jobId: Uint8Array): Uint8Array => crypto.blake2b256(IN_TAG_LABEL, jobId).slice(0, JOB_TAG_BYTES)
/** 16 bytes: ties every release to the job; part of a ticket. */
export const outputTag = (crypto: CryptoBackend, jobId: Uint8Array): Uint8Array => crypto.blake2b256(OUT_TAG_LABEL, jobId).slice(0, JOB_TAG_BYTES)

/** manifest[0..72] */
const encodeHead = (manifest: Omit<StreamManifest, "payloadHash">): Uint8Array => {
  const writer = new ByteWriter(HEAD_BYTES).bytes(MAGIC).u8(VERSION).u8(0)
  if (manifest.shape === undefined) writer.zeros(SHAPE_BYTES)
  else writeShape(writer, manifest.shape)
  return writer
    .u64(manifest.payloadBytes)
    .u32(manifest.chunkBytes)
    .u32(dataChunkCount(manifest.payloadBytes, manifest.chunkBytes))
    .u32(0)
    .u32(boxesOfClass(manifest.classId))
    .u16(manifest.contentType)
    .u16(manifest.classId)
    .u32(0)
    .finish()
}

/** H256("funion-tensor-v1" ‖ manifest[0..72] ‖ payload) */
export const payloadHashOf = (crypto: CryptoBackend, manifest: Omit<StreamManifest, "payloadHash">, payload: Uint8Array): Uint8Array =>
  crypto.blake2b256(PAYLOAD_LABEL, encodeHead(manifest), payload)

/** manifest[0..128] */
const encodeAttestedPart = (manifest: StreamManifest, attested: boolean): Uint8Array =>
  new ByteWriter(ATTESTED_BYTES)
    .bytes(encodeHead(manifest))
    .bytes(manifest.payloadHash)
    .bytes(manifest.jobTag)
    .u8(manifest.releaseIndex)
    .u8((manifest.last ? FLAG_LAST : 0) | (attested ? FLAG_ATTESTED : 0))
    .u16(manifest.quantaToNext)
    .u32(0)
    .finish()

/** The manifest slot: M bytes. A class off the ladder, or an M below `MANIFEST_BYTES`, is a mistake of ours and dies. */
export const encodeManifest = (manifest: StreamManifest): Uint8Array => {
  const writer = new ByteWriter(manifest.chunkBytes + SLOT_HEADER_BYTES).bytes(encodeAttestedPart(manifest, manifest.attestation !== undefined))
  if (manifest.attestation !== undefined) writer.bytes(manifest.attestation)
  else writer.zeros(SIGNATURE_BYTES)
  return writer.zeroFill().finish()
}

/** Whose word an attested manifest is. */
export interface AttestedBy {
  /** Ed25519 public key of the descriptor */
  readonly resultKey: Uint8Array
  readonly serviceId: Uint8Array
  readonly modelIdHash: Uint8Array
}

/** What the service signs with. */
export interface Attestor extends Omit<AttestedBy, "resultKey"> {
  /** Ed25519 seed of the result key */
  readonly resultSeed: Uint8Array
}

const attestedMessage = (manifest: StreamManifest, by: Omit<AttestedBy, "resultKey">): Uint8Array =>
  concatBytes(RESULT_LABEL, by.serviceId, by.modelIdHash, encodeAttestedPart(manifest, true))

/** The manifest with the signature of the result key; marks it as attested. */
export const attestManifest = (crypto: CryptoBackend, manifest: StreamManifest, attestor: Attestor): StreamManifest =>
  ({ ...manifest, attestation: crypto.ed25519Sign(attestor.resultSeed, attestedMessage(manifest, attestor)) })

/** True when the manifest carries a signature of this service, for this model, over all it says. */
export const attestationIsValid = (crypto: CryptoBackend, manifest: StreamManifest, by: AttestedBy): boolean =>
  manifest.attestation !== undefined && crypto.ed25519Verify(by.resultKey, attestedMessage(manifest, by), manifest.attestation)

/** What a reader knows before it reads. */
export interface ExpectedManifest {
  /** M */
  readonly boxBytes: number
  readonly classId: number
  readonly jobTag: Uint8Array
  /** Longest payload that the model may take or give */
  readonly payloadBytesLimit: number
  readonly stream:
    | { readonly _tag: "Input" }
    | {
      readonly _tag: "Output"
      /** r of the release that is read */
      readonly releaseIndex: number
      /** n − j + 1 */
      readonly releaseCount: number
      readonly staged: boolean
      /** Quanta to edge r + 1; ignored after the last release */
      readonly quantaToNext: number
      /** Present: a valid attestation is demanded. */
      readonly attestedBy?: AttestedBy
    }
}

const isContentType = (value: number): value is ContentType => value >= CONTENT_TYPES.tensor && value <= CONTENT_TYPES.partial

const checkPayload = (manifest: StreamManifest, limitBytes: number): LyingReason | undefined => {
  const { contentType, payloadBytes, shape } = manifest
  if (payloadBytes > limitBytes && contentType !== CONTENT_TYPES.failure) return "payload-too-long"
  if (contentType === CONTENT_TYPES.failure) return payloadBytes === FAILURE_PAYLOAD_BYTES ? undefined : "payload-length"
  if (contentType === CONTENT_TYPES.empty || contentType === CONTENT_TYPES.overflow) return payloadBytes === 0 ? undefined : "payload-length"
  if (shape === undefined) return undefined
  const elements = elementCount(shape.dims)
  return elements !== undefined && elements * elementBytes(shape.dtype) === payloadBytes ? undefined : "payload-length"
}

const checkStream = (manifest: StreamManifest, stream: ExpectedManifest["stream"]): LyingReason | undefined => {
  const { contentType, last, quantaToNext, releaseIndex } = manifest
  const isResult = contentType === CONTENT_TYPES.tensor || contentType === CONTENT_TYPES.container
  if (stream._tag === "Input") {
    if (!isResult) return "content-type"
    return releaseIndex !== 0 || last || quantaToNext !== 0 || manifest.attestation !== undefined ? "reserved" : undefined
  }
  const isStageOnly = contentType === CONTENT_TYPES.empty || contentType === CONTENT_TYPES.partial
  if (stream.staged ? contentType === CONTENT_TYPES.overflow : isStageOnly) return "content-type"
  if (releaseIndex !== stream.releaseIndex) return "release"
  const isLastEdge = releaseIndex === stream.releaseCount - 1
  const mustBeLast = stream.staged ? isLastEdge : isResult || contentType === CONTENT_TYPES.failure
  if (last !== mustBeLast || (isLastEdge && !last)) return "last"
  return quantaToNext === (last ? 0 : stream.quantaToNext) ? undefined : "next-release"
}

interface ReadManifest {
  readonly manifest: StreamManifest
  readonly problem: LyingReason | undefined
}

/** Reads the fields; the first thing that no manifest may say is the problem. */
const readManifest = (bytes: Uint8Array, expected: ExpectedManifest): ReadManifest => {
  const reader = new ByteReader("StreamManifest", bytes)
  let problem: LyingReason | undefined
  const demand = (condition: boolean, reason: LyingReason): void => {
    if (!condition) problem ??= reason
  }
  demand(constantTimeEqual(reader.bytes(MAGIC.length), MAGIC), "magic")
  demand(reader.u8() === VERSION, "version")
  demand(reader.u8() === 0, "parity")
  const shapeBytes = reader.bytes(SHAPE_BYTES)
  const payloadBytes = Number(reader.u64())
  const chunkBytes = reader.u32()
  const chunkCount = reader.u32()
  demand(reader.u32() === 0, "parity")
  const slotCount = reader.u32()
  const contentType = reader.u16()
  const classId = reader.u16()
  demand(reader.u32() === 0, "parity")
  const payloadHash = reader.bytes(HASH_BYTES)
  const jobTag = reader.bytes(JOB_TAG_BYTES)
  const releaseIndex = reader.u8()
  const flags = reader.u8()
  const quantaToNext = reader.u16()
  demand(reader.u32() === 0 && (flags & ~(FLAG_LAST | FLAG_ATTESTED)) === 0, "reserved")
  const signature = reader.bytes(SIGNATURE_BYTES)
  const attested = (flags & FLAG_ATTESTED) !== 0
  demand((attested || isAllZero(signature)) && isAllZero(bytes.subarray(MANIFEST_BYTES)), "reserved")
  demand(isContentType(contentType), "content-type")
  const shapeReader = new ByteReader("TensorShape", shapeBytes)
  const shape = contentType === CONTENT_TYPES.tensor ? readShape(shapeReader) : undefined
  demand(shape === undefined ? isAllZero(shapeBytes) : !shapeReader.failed, "shape")
  demand(chunkBytes === expected.boxBytes - SLOT_HEADER_BYTES, "chunk-size")
  demand(classId === expected.classId, "class")
  const slots = boxesOfClass(expected.classId)
  demand(slotCount === slots, "slot-count")
  demand(chunkCount === Math.ceil(payloadBytes / (expected.boxBytes - SLOT_HEADER_BYTES)) && 1 + chunkCount <= slots, "chunk-count")
  const known = isContentType(contentType) ? contentType : CONTENT_TYPES.empty
  const manifest: StreamManifest = {
    contentType: known, shape, payloadBytes, chunkBytes, classId, payloadHash, jobTag, releaseIndex,
    last: (flags & FLAG_LAST) !== 0, quantaToNext, attestation: attested ? signature : undefined
  }
  return { manifest, problem }
}

/**
 * Reads a manifest slot and compares all it says with what the reader knows.
 * @param bytes     the plaintext of the slot, M bytes
 * @param expected  its class must be one of the ladder
 * @errors LyingManifest with the first thing that is wrong; the payload itself is checked when it is assembled
 */
export const openManifest = (crypto: CryptoBackend, bytes: Uint8Array, expected: ExpectedManifest): Either.Either<StreamManifest, LyingManifest> => {
  if (!isSizeClass(expected.classId) || expected.boxBytes < MANIFEST_BYTES) throw new RangeError("no manifest can be expected here")
  const lying = (reason: LyingReason) => Either.left(new LyingManifest({ reason }))
  if (bytes.length !== expected.boxBytes) return lying("wrong-length")
  const { manifest, problem } = readManifest(bytes, expected)
  if (problem !== undefined) return lying(problem)
  if (!constantTimeEqual(manifest.jobTag, expected.jobTag)) return lying("job-tag")
  const found = checkPayload(manifest, expected.payloadBytesLimit) ?? checkStream(manifest, expected.stream)
  if (found !== undefined) return lying(found)
  const attestedBy = expected.stream._tag === "Output" ? expected.stream.attestedBy : undefined
  if (attestedBy !== undefined && !attestationIsValid(crypto, manifest, attestedBy)) return lying("attestation")
  return Either.right(manifest)
}
