/**
 * What a model takes and gives: names, element types and shapes with named, bounded dimensions.
 *
 * A dimension is a number, or text `name:min..max` for one that varies; the same name means the same size in all tensors of one job.
 * Contract: because every dimension is bounded, so are all sizes: `specBytesLimit` is the longest container that can fit.
 * Knows nothing of: particular models, files, the ONNX runtime.
 * Source: models/README.md §8; departures: none (the notation of varying dimensions is this project's).
 *
 * @module
 */
import { Data, Either } from "effect"
import { type DType, elementBytes } from "./dtype.ts"
import { checkTensor, elementCount, renderDims, type Tensor } from "./tensor.ts"
import { SHAPE_BYTES } from "./tensor-container.ts"

export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: ReadonlyArray<number | string>
}

/** A dimension that varies between two bounds, both included. */
export interface VaryingDimension {
  readonly name: string
  readonly min: number
  readonly max: number
}

/** Tensors are not what the model takes. The peer learns failure code 3 only; `detail` is for the user in front of the client. */
export class TensorMismatch extends Data.TaggedError("TensorMismatch")<{
  readonly reason: "names" | "dtype" | "rank" | "dimension" | "length" | "value"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** The bounds of a dimension; nothing for text that is no `name:min..max`. */
export const dimensionBounds = (dim: number | string): VaryingDimension | undefined => {
  if (typeof dim === "number") return Number.isInteger(dim) && dim >= 0 && dim <= 0xffffffff ? { name: "", min: dim, max: dim } : undefined
  const parts = /^([a-z][a-z_]{0,31}):(\d{1,9})\.\.(\d{1,9})$/.exec(dim)
  if (parts === null) return undefined
  const bounds = { name: parts[1] ?? "", min: Number(parts[2]), max: Number(parts[3]) }
  return bounds.min <= bounds.max ? bounds : undefined
}

/** "[1, 48, 8..344]", for messages. */
export const renderShape = (shape: TensorSpec["shape"]): string =>
  renderDims(shape.map((dim) => (typeof dim === "number" ? dim : dim.slice(dim.indexOf(":") + 1))))

/** The largest dimensions that a spec allows. */
export const largestDims = (spec: TensorSpec): Array<number> => spec.shape.map((dim) => dimensionBounds(dim)?.max ?? 0)

/** Bytes of the longest container of tensors that fit these specs. */
export const specBytesLimit = (specs: ReadonlyArray<TensorSpec>): number =>
  specs.reduce((total, spec) => {
    const dataBytes = (elementCount(largestDims(spec)) ?? Number.MAX_SAFE_INTEGER) * elementBytes(spec.dtype)
    return total + 2 + spec.name.length + SHAPE_BYTES + 8 + dataBytes
  }, 2)

/**
 * Checks tensors against specs: the same names once each (in any order), types, ranks, dimensions within bounds and equal for equal names, data lengths.
 * @returns the tensors in the order of the specs
 * @errors TensorMismatch
 */
export const matchSpecs = (
  specs: ReadonlyArray<TensorSpec>, tensors: ReadonlyArray<Tensor>
): Either.Either<ReadonlyArray<Tensor>, TensorMismatch> => {
  const wanted = specs.map((spec) => spec.name)
  const given = tensors.map((tensor) => tensor.name)
  if (given.length !== wanted.length || new Set(given).size !== given.length || !wanted.every((name) => given.includes(name))) {
    return Either.left(new TensorMismatch({ reason: "names", detail: `takes the tensors ${wanted.join(", ")}` }))
  }
  const sizes = new Map<string, number>()
  const ordered: Array<Tensor> = []
  for (const spec of specs) {
    const tensor = tensors.find((candidate) => candidate.name === spec.name) as Tensor
    const problem = mismatch(spec, tensor, sizes)
    if (problem !== undefined) return Either.left(problem)
    ordered.push(tensor)
  }
  return Either.right(ordered)
}

const mismatch = (spec: TensorSpec, tensor: Tensor, sizes: Map<string, number>): TensorMismatch | undefined => {
  const takes = `${spec.name} must be ${spec.dtype} ${renderShape(spec.shape)}`
  if (tensor.dtype !== spec.dtype) return new TensorMismatch({ reason: "dtype", detail: `${takes}, got ${tensor.dtype}` })
  if (tensor.dims.length !== spec.shape.length) return new TensorMismatch({ reason: "rank", detail: `${takes}, got ${renderDims(tensor.dims)}` })
  for (const [index, dim] of spec.shape.entries()) {
    const bounds = dimensionBounds(dim)
    const size = tensor.dims[index] as number
    if (bounds === undefined || !Number.isInteger(size) || size < bounds.min || size > bounds.max) {
      return new TensorMismatch({ reason: "dimension", detail: `${takes}, got ${renderDims(tensor.dims)}` })
    }
    if (bounds.name === "") continue
    const earlier = sizes.get(bounds.name) ?? size
    if (earlier !== size) return new TensorMismatch({ reason: "dimension", detail: `${bounds.name} is ${earlier} in one tensor and ${size} in ${spec.name}` })
    sizes.set(bounds.name, size)
  }
  return Either.match(checkTensor(tensor), {
    onLeft: (error) => new TensorMismatch({ reason: "length", detail: `${spec.name}: ${error.detail}` }),
    onRight: () => undefined
  })
}
