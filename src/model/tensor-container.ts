/**
 * Tensors as bytes: the 34 bytes of type and shape, and the container of several named tensors.
 *
 * Layout of a container (integers big-endian, tensor bytes little-endian):
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 2 | tensor count |
 * | per tensor | 2 + l | name length l, name (UTF-8) |
 * | | 1 + 1 + 32 | element type (ONNX code), rank 0..8, eight u32 dimensions, unused = 0 |
 * | | 8 + b | byte length b, bytes |
 *
 * Contract: one tensor list has one encoding, and only that is decoded. Nothing is allocated by a count or length that the input does not hold.
 * Knows nothing of: models, manifests of streams, boxes.
 * Source: pigeonhole.md §8.2; departures: none (limits on count and name length are this project's).
 *
 * @module
 */
import { Either } from "effect"
import { utf8 } from "../bytes/concat.ts"
import { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { type DType, dtypeCode, dtypeOfCode } from "./dtype.ts"
import { checkTensor, MAX_RANK, type Tensor } from "./tensor.ts"

/** Bytes of element type, rank and eight dimensions, as in a stream manifest and in a container. */
export const SHAPE_BYTES = 34
/** Most tensors in one container. */
export const MAX_TENSORS = 16
/** Most bytes of a tensor's name. */
export const MAX_NAME_BYTES = 64
const COUNT_BYTES = 2
const NAME_LENGTH_BYTES = 2
const DATA_LENGTH_BYTES = 8

export interface TensorShape {
  readonly dtype: DType
  readonly dims: ReadonlyArray<number>
}

/** Writes the 34 bytes of type and shape; at most 8 dimensions. */
export const writeShape = (writer: ByteWriter, shape: TensorShape): void => {
  writer.u8(dtypeCode(shape.dtype)).u8(shape.dims.length)
  for (let i = 0; i < MAX_RANK; i++) writer.u32(shape.dims[i] ?? 0)
}

/** Reads the 34 bytes of type and shape; marks the reader failed for an unknown type, a rank above 8 or a non-zero unused dimension. */
export const readShape = (reader: ByteReader): TensorShape => {
  const dtype = dtypeOfCode(reader.u8())
  const rank = reader.u8()
  reader.require(dtype !== undefined, "unknown-type")
  reader.require(rank <= MAX_RANK, "out-of-range")
  const dims = Array.from({ length: MAX_RANK }, () => reader.u32())
  reader.require(dims.slice(rank).every((dim) => dim === 0), "reserved-not-zero")
  return { dtype: dtype ?? "u8", dims: dims.slice(0, rank) }
}

const encodedBytes = (tensor: Tensor): number =>
  NAME_LENGTH_BYTES + utf8(tensor.name).length + SHAPE_BYTES + DATA_LENGTH_BYTES + tensor.data.length

/** Length in bytes of the container of these tensors. */
export const containerBytes = (tensors: ReadonlyArray<Tensor>): number =>
  tensors.reduce((total, tensor) => total + encodedBytes(tensor), COUNT_BYTES)

/**
 * The container of some tensors.
 * @errors DecodeError `out-of-range` for too many tensors or too long a name, `inconsistent` for a tensor whose parts do not fit or a name used twice
 */
export const encodeContainer = (tensors: ReadonlyArray<Tensor>): Either.Either<Uint8Array, DecodeError> => {
  const problem = listProblem(tensors)
  if (problem !== undefined) return Either.left(new DecodeError({ what: "tensor container", reason: problem }))
  const writer = new ByteWriter(containerBytes(tensors)).u16(tensors.length)
  for (const tensor of tensors) {
    const name = utf8(tensor.name)
    writer.u16(name.length).bytes(name)
    writeShape(writer, tensor)
    writer.u64(tensor.data.length).bytes(tensor.data)
  }
  return Either.right(writer.finish())
}

const listProblem = (tensors: ReadonlyArray<Tensor>): "out-of-range" | "inconsistent" | undefined => {
  const nameFits = (tensor: Tensor) => {
    const name = utf8(tensor.name)
    return name.length >= 1 && name.length <= MAX_NAME_BYTES && decodeUtf8(name) === tensor.name
  }
  if (tensors.length > MAX_TENSORS || !tensors.every(nameFits)) return "out-of-range"
  if (new Set(tensors.map((tensor) => tensor.name)).size !== tensors.length) return "inconsistent"
  return tensors.every((tensor) => Either.isRight(checkTensor(tensor))) ? undefined : "inconsistent"
}

/**
 * Tensors of a container; `data` is copied, so the input may be dropped or reused.
 * @param bytesLimit  containers longer than this are refused unread
 * @errors DecodeError for bytes that no encoder of ours makes
 */
export const decodeContainer = (bytes: Uint8Array, bytesLimit: number): Either.Either<ReadonlyArray<Tensor>, DecodeError> => {
  const reader = new ByteReader("tensor container", bytes)
  reader.require(bytes.length <= bytesLimit, "out-of-range")
  const count = reader.u16()
  reader.require(count <= MAX_TENSORS, "out-of-range")
  const tensors: Array<Tensor> = []
  for (let i = 0; i < count && !reader.failed; i++) tensors.push(readTensor(reader))
  if (!reader.failed) {
    const problem = listProblem(tensors)
    if (problem !== undefined) reader.fail(problem)
  }
  return reader.finish(tensors)
}

const readTensor = (reader: ByteReader): Tensor => {
  const nameLength = reader.u16()
  reader.require(nameLength >= 1 && nameLength <= MAX_NAME_BYTES, "out-of-range")
  const name = decodeUtf8(reader.bytes(nameLength))
  if (name === undefined) reader.fail("out-of-range")
  const shape = readShape(reader)
  const dataLength = reader.u64number()
  return { name: name ?? "", ...shape, data: reader.bytes(dataLength) }
}

const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
