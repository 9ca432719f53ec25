/**
 * Plain numbers as a model's input tensor, the shape worked out from their count.
 *
 * Contract: only for models with one input tensor of at most one varying dimension; every refusal is a sentence for the user.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { ModelCard } from "./card.ts"
import { dtypeHolds } from "./dtype.ts"
import { dimensionBounds, renderShape } from "./tensor-spec.ts"
import { type Tensor, tensorOf } from "./tensor.ts"

export interface NumbersProblem {
  readonly reason: "empty" | "kind" | "count" | "value" | "too-large"
  readonly detail: string
}

const refuse = (reason: NumbersProblem["reason"], detail: string) => Either.left({ reason, detail })

/** @errors NumbersProblem */
export const numbersInput = (card: ModelCard, numbers: ReadonlyArray<number>): Either.Either<Tensor, NumbersProblem> => {
  const spec = card.inputs[0]
  const varying = spec?.shape.filter((dim) => typeof dim === "string") ?? []
  if (spec === undefined || card.inputs.length !== 1 || varying.length > 1) {
    return refuse("kind", `${card.id} does not take plain numbers: its shape must be given, as a tensor`)
  }
  if (numbers.length === 0) return refuse("empty", "there are no numbers")
  const rowLength = spec.shape.reduce<number>((product, dim) => (typeof dim === "number" ? product * dim : product), 1)
  const takes = varying.length === 0 ? `${card.id} takes ${rowLength} numbers` : `${card.id} takes rows of ${rowLength} numbers`
  const rowCount = numbers.length / rowLength
  if (!Number.isInteger(rowCount) || (varying.length === 0 && rowCount !== 1)) return refuse("count", `${takes}; got ${numbers.length}`)
  const bounds = dimensionBounds(varying[0] ?? 1)
  if (bounds !== undefined && rowCount > bounds.max) return refuse("too-large", `${takes}, at most ${bounds.max} rows; got ${rowCount}`)
  if (bounds !== undefined && rowCount < bounds.min) return refuse("count", `${takes}, at least ${bounds.min} rows; got ${rowCount}`)
  const single = spec.dtype === "f32"
  const bad = numbers.findIndex((value) => !Number.isFinite(single ? Math.fround(value) : value) || !dtypeHolds(spec.dtype, value))
  if (bad >= 0) return refuse("value", `number ${bad + 1} does not fit: ${spec.name} is ${spec.dtype} ${renderShape(spec.shape)}`)
  const dims = spec.shape.map((dim) => (typeof dim === "number" ? dim : rowCount))
  return Either.mapLeft(tensorOf(spec.name, spec.dtype, dims, numbers), (error) => ({ reason: "value", detail: error.detail }))
}
