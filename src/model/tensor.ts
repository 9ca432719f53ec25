/**
 * Tensors: a name, an element type, dimensions, and the elements as little-endian bytes in row-major order.
 *
 * Contract: `checkTensor` holds for every tensor that a codec or a model run hands out: product of the dimensions × element size = bytes of data.
 * Knows nothing of: models, boxes, the ONNX runtime.
 * Source: pigeonhole.md §8.2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { type DType, dtypeHolds, elementBytes, readElement, writeElement } from "./dtype.ts"

/** Most dimensions a tensor may have on the wire. */
export const MAX_RANK = 8
const MAX_DIMENSION = 0xffffffff

export interface Tensor {
  readonly name: string
  readonly dtype: DType
  /** Row-major; a dimension may be 0, and no dimensions at all mean one element. */
  readonly dims: ReadonlyArray<number>
  /** Little-endian elements, exactly product(dims) × element size bytes. */
  readonly data: Uint8Array
}

/** Name, type, dimensions and data of a tensor do not fit together; `message` never holds element values. */
export class TensorInvalid extends Data.TaggedError("TensorInvalid")<{
  readonly reason: "rank" | "dimension" | "length" | "value"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** Number of elements of a shape; 1 for a scalar, and nothing when a dimension or the product is no safe size. */
export const elementCount = (dims: ReadonlyArray<number>): number | undefined => {
  let count = 1
  for (const dim of dims) {
    if (!Number.isInteger(dim) || dim < 0 || dim > MAX_DIMENSION) return undefined
    count *= dim
    if (!Number.isSafeInteger(count)) return undefined
  }
  return count
}

/** "[1, 48, 320]" */
export const renderDims = (dims: ReadonlyArray<number | string>): string => `[${dims.join(", ")}]`

/**
 * Checks that the parts of a tensor fit together.
 * @errors TensorInvalid `rank` | `dimension` | `length`
 */
export const checkTensor = (tensor: Tensor): Either.Either<Tensor, TensorInvalid> => {
  if (tensor.dims.length > MAX_RANK) {
    return Either.left(new TensorInvalid({ reason: "rank", detail: `a tensor has at most ${MAX_RANK} dimensions, this one ${tensor.dims.length}` }))
  }
  const count = elementCount(tensor.dims)
  if (count === undefined) {
    return Either.left(new TensorInvalid({ reason: "dimension", detail: `${renderDims(tensor.dims)} is no shape of whole, non-negative numbers` }))
  }
  const expectedBytes = count * elementBytes(tensor.dtype)
  if (expectedBytes !== tensor.data.length) {
    const detail = `${tensor.dtype} ${renderDims(tensor.dims)} needs ${expectedBytes} bytes, got ${tensor.data.length}`
    return Either.left(new TensorInvalid({ reason: "length", detail }))
  }
  return Either.right(tensor)
}

/**
 * A tensor from plain numbers, in row-major order.
 * @errors TensorInvalid `length` when their count is not that of the shape, `value` for one that the type cannot hold
 */
export const tensorOf = (
  name: string, dtype: DType, dims: ReadonlyArray<number>, values: ReadonlyArray<number | bigint>
): Either.Either<Tensor, TensorInvalid> => {
  const size = elementBytes(dtype)
  if (elementCount(dims) !== values.length) {
    return Either.left(new TensorInvalid({ reason: "length", detail: `${renderDims(dims)} does not take ${values.length} values` }))
  }
  const data = new Uint8Array(values.length * size)
  const view = new DataView(data.buffer)
  for (const [index, value] of values.entries()) {
    if (!dtypeHolds(dtype, value)) {
      return Either.left(new TensorInvalid({ reason: "value", detail: `value number ${index + 1} does not fit ${dtype}` }))
    }
    writeElement(view, index * size, dtype, value)
  }
  return checkTensor({ name, dtype, dims, data })
}

/** The elements of a checked tensor as numbers; i64 beyond 2^53 loses its last digits (see `bigintsOf`). */
export const numbersOf = (tensor: Tensor): Array<number> => elementsOf(tensor).map(Number)

/** The elements of a checked integer tensor, exactly. */
export const bigintsOf = (tensor: Tensor): Array<bigint> => elementsOf(tensor).map((value) => BigInt(value))

const elementsOf = (tensor: Tensor): Array<number | bigint> => {
  const size = elementBytes(tensor.dtype)
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
  return Array.from({ length: Math.floor(tensor.data.length / size) }, (_, index) => readElement(view, index * size, tensor.dtype))
}
