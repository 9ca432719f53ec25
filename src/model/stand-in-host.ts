/**
 * A model host for simulations: the models built in code are computed, others are stood in for by made-up outputs of the right shapes. Nothing is loaded.
 *
 * Contract: that of `ModelHost`, in the caller's thread. A run takes time by the Effect clock: a share of the model's limit, drawn for each run, so that
 * outputs are ready at different instants; workers are as many as asked for. Outputs depend on the inputs alone, never on the time.
 * Made-up outputs are no answers: sizes that an output shares with an input are the input's, others the least that the card allows, and elements repeat a
 * pattern that follows from a hash of the inputs.
 * Knows nothing of: weights, the runtime.
 * Source: built-in-model.ts (what `affine` and `rotate-K` mean); departures: none.
 *
 * @module
 */
import { Effect, Either, Layer, Random } from "effect"
import { Crypto } from "../crypto/crypto-service.ts"
import { digest53 } from "../crypto/word-hash.ts"
import { ROTATE_WIDTH } from "./built-in-model.ts"
import { type ModelCard, validateInputs } from "./card.ts"
import { elementBytes, writeElement } from "./dtype.ts"
import { cardOf } from "./manifest.ts"
import { openModel } from "./model-folder.ts"
import { ModelFailed, ModelHost } from "./model-host.ts"
import type { ModelLoadFailed } from "./model-load-failed.ts"
import { dimensionBounds, type TensorSpec } from "./tensor-spec.ts"
import { numbersOf, type Tensor, tensorOf } from "./tensor.ts"
import type { ModelHostOptions } from "./worker-pool.ts"

/** Share of the time limit that a run takes: at least, and at most. */
const LEAST_SHARE = 0.05
const MOST_SHARE = 0.6
/** Elements of a made-up output before it repeats. */
const PATTERN_PERIOD = 97

/** What a model built in code answers; undefined for others. */
export const builtInAnswer = (modelId: string, values: ReadonlyArray<number>): ReadonlyArray<number> | undefined => {
  if (modelId === "affine") return values.map((value) => Math.fround(2 * value + 1))
  const steps = /^rotate-([1-9]\d{0,2})$/.exec(modelId)?.[1]
  if (steps === undefined) return undefined
  const turned = new Array<number>(values.length)
  for (const [index, value] of values.entries()) {
    const row = index - (index % ROTATE_WIDTH)
    turned[row + ((index - row + Number(steps)) % ROTATE_WIDTH)] = value
  }
  return turned
}

const dimsOf = (spec: TensorSpec, sizes: ReadonlyMap<string, number>): ReadonlyArray<number> =>
  spec.shape.map((dim) => {
    const bounds = dimensionBounds(dim)
    return bounds === undefined ? 0 : sizes.get(bounds.name) ?? bounds.min
  })

/** Sizes of the named dimensions of a job's inputs. */
const sizesOf = (card: ModelCard, inputs: ReadonlyArray<Tensor>): ReadonlyMap<string, number> =>
  new Map(card.inputs.flatMap((spec, at) => spec.shape.flatMap((dim, axis) => {
    const name = dimensionBounds(dim)?.name ?? ""
    const size = inputs[at]?.dims[axis]
    return name === "" || size === undefined ? [] : [[name, size] as const]
  })))

const madeUp = (card: ModelCard, inputs: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> => {
  const seed = inputs.reduce((sum, { data }) => (sum + digest53(data)) % PATTERN_PERIOD, 0)
  const sizes = sizesOf(card, inputs)
  return card.outputs.map((spec) => {
    const dims = dimsOf(spec, sizes)
    const size = elementBytes(spec.dtype)
    const data = new Uint8Array(dims.reduce((product, dim) => product * dim, 1) * size)
    const view = new DataView(data.buffer)
    for (let at = 0; at < data.length; at += size) writeElement(view, at, spec.dtype, spec.dtype === "bool" ? 1 : (seed + at / size) % PATTERN_PERIOD)
    return { name: spec.name, dtype: spec.dtype, dims, data }
  })
}

/** The outputs for inputs that passed `validateInputs`. */
const outputsOf = (card: ModelCard, inputs: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> => {
  const [input] = inputs
  const [output] = card.outputs
  const answer = input === undefined ? undefined : builtInAnswer(card.id, numbersOf(input))
  if (input === undefined || output === undefined || answer === undefined) return madeUp(card, inputs)
  return [Either.getOrThrow(tensorOf(output.name, output.dtype, input.dims, answer))]
}

/** @errors ModelLoadFailed for a model that nobody knows */
export const layerStandIn = (options: Pick<ModelHostOptions, "models" | "modelsDirectory" | "workers">): Layer.Layer<ModelHost, ModelLoadFailed, Crypto> =>
  Layer.effect(ModelHost, Effect.gen(function*() {
    const crypto = yield* Crypto
    const cards = yield* Effect.forEach(options.models, ({ id, profiles }) =>
      Effect.map(openModel(crypto, id, options.modelsDirectory), ({ manifest }) => cardOf(manifest, profiles)))
    const workers = yield* Effect.makeSemaphore(options.workers ?? 1)
    const run = (modelId: string, inputs: ReadonlyArray<Tensor>, limitMs: number): Effect.Effect<ReadonlyArray<Tensor>, ModelFailed> =>
      Effect.gen(function*() {
        const card = cards.find((each) => each.id === modelId)
        if (card === undefined) return yield* new ModelFailed({ code: 4, reason: "unknown-model" })
        const ordered = yield* Either.mapLeft(validateInputs(card, inputs), () => new ModelFailed({ code: 3, reason: "invalid-input" }))
        const computeMs = card.maxComputeMs * (LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * (yield* Random.next))
        const computed = Effect.as(Effect.sleep(Math.min(computeMs, limitMs)), outputsOf(card, ordered))
        if (computeMs <= limitMs) return yield* workers.withPermits(1)(computed)
        return yield* Effect.zipRight(workers.withPermits(1)(computed), new ModelFailed({ code: 5, reason: "time-limit" }))
      })
    return { cards, models: cards.map(({ id }) => ({ id, executionProviders: ["none: simulated"] })), run }
  }))
