/**
 * Text generation with a decoder that keeps its keys and values: token ids in, the ids that follow out.
 *
 * Works for any ONNX export in the usual decoder-with-past layout: `input_ids`, `attention_mask`, `position_ids` (the latter two if the model has
 * them), `past_key_values.*` in, `logits`, `present.*` out. Layer count and head sizes are read from the model itself.
 * Contract: greedy, so the answer is a function of the input; stops after the end token (which is the last id then), after `max_tokens`,
 * at the end of the context, or when told to stop (the ids so far). At least one id, or RunFailed `time-limit`.
 * Source: models/README.md §5 (tiny-lm); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { Tensor as RuntimeTensor } from "onnxruntime-node"
import { readDecoderConfig } from "./decoder-config.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import type { OpenedModel } from "./model-folder.ts"
import { type Feeds, type OnnxSession, type PortInfo, RunFailed } from "./onnx-session.ts"
import type { RunModel } from "./run-model.ts"
import { bigintsOf, type Tensor, tensorOf } from "./tensor.ts"

interface Decoder {
  readonly session: OnnxSession
  readonly pastPorts: ReadonlyArray<PortInfo>
  readonly vocabularySize: number
  readonly contextTokens: number
  readonly endIds: ReadonlySet<number>
}

const PAST = "past_key_values."
const PRESENT = "present."

/** @errors ModelLoadFailed of the configuration file, or `unloadable` for a model of another form */
export const openCausalLm = (opened: OpenedModel, session: OnnxSession): Either.Either<RunModel, ModelLoadFailed> =>
  Either.flatMap(readDecoderConfig(opened), (config) => {
    const pastPorts = session.inputs.filter((port) => port.name.startsWith(PAST))
    const known = new Set(["input_ids", "attention_mask", "position_ids", ...pastPorts.map((port) => port.name)])
    const outputs = new Set(session.outputs.map((port) => port.name))
    const logits = session.outputs.find((port) => port.name === "logits")
    const fits = session.inputs.some((port) => port.name === "input_ids") && session.inputs.every((port) => known.has(port.name))
      && pastPorts.length > 0 && pastPorts.every(isPast) && pastPorts.every((port) => outputs.has(port.name.replace(PAST, PRESENT)))
      && logits?.dtype === "f32" && logits.shape[2] === config.vocabularySize
    if (!fits) {
      const detail = "the model file is no decoder with past keys and values, or not the one of its config.json"
      return Either.left(new ModelLoadFailed({ modelId: opened.manifest.id, reason: "unloadable", detail }))
    }
    const decoder = { session, pastPorts, ...config, endIds: new Set(config.endIds) }
    return Either.right((inputs, stopped) => generate(decoder, inputs, stopped))
  })

const isPast = (port: PortInfo): boolean =>
  (port.dtype === "f32" || port.dtype === "f16") && port.shape.length === 4 && typeof port.shape[1] === "number" && typeof port.shape[3] === "number"

const generate = async (
  decoder: Decoder, inputs: ReadonlyArray<Tensor>, stopped: () => boolean
): Promise<Either.Either<ReadonlyArray<Tensor>, RunFailed>> => {
  const prompt = inputs.find((tensor) => tensor.name === "input_ids")
  const limit = inputs.find((tensor) => tensor.name === "max_tokens")
  if (prompt === undefined || limit === undefined) return Either.left(new RunFailed({ reason: "invalid-input" }))
  const ids = bigintsOf(prompt)
  const room = decoder.contextTokens - ids.length
  const idsFit = ids.every((id) => id >= 0n && id < BigInt(decoder.vocabularySize))
  if (!idsFit || room < 1) return Either.left(new RunFailed({ reason: "invalid-input" }))
  const wanted = Math.min(Number(bigintsOf(limit)[0] ?? 0n), room)
  const answer: Array<bigint> = []
  let past = emptyPast(decoder)
  let next: ReadonlyArray<bigint> = ids
  while (answer.length < wanted && !stopped()) {
    const results = await decoder.session.run(stepFeeds(decoder, next, ids.length + answer.length - next.length, past))
    if (Either.isLeft(results)) return Either.left(results.left)
    const id = greedyChoice(results.right, decoder.vocabularySize)
    if (id === undefined) return Either.left(new RunFailed({ reason: "runtime" }))
    answer.push(BigInt(id))
    if (decoder.endIds.has(id)) break
    past = presentAsPast(decoder, results.right)
    next = [BigInt(id)]
    // lets a stop message in: a run itself never yields to the event loop
    await new Promise<void>((resume) => setImmediate(resume))
  }
  if (answer.length === 0) return Either.left(new RunFailed({ reason: "time-limit" }))
  return Either.mapBoth(tensorOf("output_ids", "i64", [1, answer.length], answer), {
    onLeft: () => new RunFailed({ reason: "runtime" }),
    onRight: (tensor) => [tensor]
  })
}

const emptyPast = (decoder: Decoder): Feeds =>
  Object.fromEntries(decoder.pastPorts.map((port) => {
    const dims = [1, Number(port.shape[1]), 0, Number(port.shape[3])]
    return [port.name, port.dtype === "f16" ? new RuntimeTensor("float16", new Uint16Array(0), dims) : new RuntimeTensor("float32", new Float32Array(0), dims)]
  }))

const presentAsPast = (decoder: Decoder, results: Feeds): Feeds =>
  Object.fromEntries(decoder.pastPorts.map((port) => [port.name, results[port.name.replace(PAST, PRESENT)] as RuntimeTensor]))

/** Feeds of one step: the new ids at positions pastTokens …, all of the past visible. */
const stepFeeds = (decoder: Decoder, ids: ReadonlyArray<bigint>, pastTokens: number, past: Feeds): Feeds => {
  const total = pastTokens + ids.length
  const feeds: Record<string, RuntimeTensor> = { ...past, input_ids: new RuntimeTensor("int64", BigInt64Array.from(ids), [1, ids.length]) }
  for (const port of decoder.session.inputs) {
    if (port.name === "attention_mask") feeds[port.name] = new RuntimeTensor("int64", new BigInt64Array(total).fill(1n), [1, total])
    if (port.name === "position_ids") {
      feeds[port.name] = new RuntimeTensor("int64", BigInt64Array.from(ids, (_, index) => BigInt(pastTokens + index)), [1, ids.length])
    }
  }
  return feeds
}

/** Index of the largest logit of the last position; the lowest index among equals. */
const greedyChoice = (results: Feeds, vocabularySize: number): number | undefined => {
  const logits = results["logits"]?.data
  if (!(logits instanceof Float32Array) || logits.length < vocabularySize) return undefined
  const start = logits.length - vocabularySize
  let best = 0
  for (let id = 1; id < vocabularySize; id++) {
    if ((logits[start + id] as number) > (logits[start + best] as number)) best = id
  }
  return best
}
