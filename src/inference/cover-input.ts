/**
 * Inputs for a service's own jobs: random tensors of the shapes that a card allows.
 *
 * Contract: what comes out passes the card's own check and fits the profile's input class. Nobody but the service ever sees it: boxes hold ciphertext of
 * one length, and a result, a failure and an overflow are records of one size.
 * Knows nothing of: jobs, boxes, time.
 * Source: funion.md §7 (O1); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { Entropy } from "../crypto/entropy.ts"
import { validateInputs, type ModelCard } from "../model/card.ts"
import type { DType } from "../model/dtype.ts"
import { dimensionBounds, specBytesLimit, type TensorSpec } from "../model/tensor-spec.ts"
import { elementCount, tensorOf, type Tensor } from "../model/tensor.ts"

/** Elements are drawn below this: every type can hold them, and every vocabulary has as many words. */
const VALUES = 128
/** What a model that writes text is asked for at most: the run is cut at the card's limit anyway. */
const TOKEN_LIMIT = 32

const valueOf = (dtype: DType, byte: number): number => {
  switch (dtype) {
    case "f32":
    case "f64":
    case "f16":
    case "bf16": return (byte % VALUES) / VALUES
    case "bool": return byte % 2
    default: return byte % VALUES
  }
}

/** A size between two bounds, both included. */
const between = (entropy: Entropy, min: number, max: number): number => {
  const [low = 0, high = 0] = entropy(2)
  return min + Math.floor(((low + 256 * high) / 65_536) * (max - min + 1))
}

/** Sizes of the dimensions that vary, one for each name. */
const drawSizes = (card: ModelCard, entropy: Entropy): ReadonlyMap<string, number> => {
  const sizes = new Map<string, number>()
  for (const dim of card.inputs.flatMap(({ shape }) => shape)) {
    const bounds = dimensionBounds(dim)
    if (bounds !== undefined && bounds.name !== "" && !sizes.has(bounds.name)) sizes.set(bounds.name, between(entropy, bounds.min, bounds.max))
  }
  return sizes
}

const smallestSizes = (card: ModelCard): ReadonlyMap<string, number> =>
  new Map(card.inputs.flatMap(({ shape }) => shape).flatMap((dim) => {
    const bounds = dimensionBounds(dim)
    return bounds === undefined ? [] : [[bounds.name, bounds.min] as const]
  }))

const dimsOf = ({ shape }: TensorSpec, sizes: ReadonlyMap<string, number>): ReadonlyArray<number> =>
  shape.map((dim) => (typeof dim === "number" ? dim : sizes.get(dimensionBounds(dim)?.name ?? "") ?? 0))

const tensorFor = (card: ModelCard, { dtype, name }: TensorSpec, dims: ReadonlyArray<number>, entropy: Entropy): Either.Either<Tensor, unknown> => {
  const isTokenLimit = card.kind === "generate" && name === "max_tokens"
  const count = elementCount(dims) ?? 0
  const values = isTokenLimit
    ? Array.from({ length: count }, () => between(entropy, 1, Math.min(TOKEN_LIMIT, card.maxTokens ?? 1)))
    : Array.from(entropy(count), (byte) => valueOf(dtype, byte))
  return tensorOf(name, dtype, dims, values)
}

/**
 * Tensors for one run of a model.
 * @param roomBytes  what the input class holds; sizes that do not fit give way to the smallest ones
 * @returns nothing for a card whose smallest input does not fit
 */
export const coverTensors = (card: ModelCard, roomBytes: number, entropy: Entropy): ReadonlyArray<Tensor> | undefined => {
  const limitBytes = Math.min(roomBytes, card.maxInputBytes)
  for (const sizes of [drawSizes(card, entropy), smallestSizes(card)]) {
    const shapes = card.inputs.map((spec) => dimsOf(spec, sizes))
    if (specBytesLimit(card.inputs.map((spec, index) => ({ ...spec, shape: shapes[index] ?? [] }))) > limitBytes) continue
    const tensors = Either.all(card.inputs.map((spec, index) => tensorFor(card, spec, shapes[index] ?? [], entropy)))
    return Either.getOrUndefined(Either.flatMap(tensors, (made) => validateInputs(card, made)))
  }
  return undefined
}
