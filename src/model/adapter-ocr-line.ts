/**
 * Reading one line of printed text: grey bytes in, text and confidence out.
 *
 * Before the run: value (v/255 − 0.5)/0.5, the same plane three times. After it: arg-max per step, class 0 and repeats dropped, character = line
 * number `class` (from 1) of the dictionary, the class after its last line is a space.
 * Contract: the text is at most 256 bytes of UTF-8, cut between characters and filled with zeros; the confidence is the mean probability of the
 * characters kept, 0 without any.
 * Source: models/README.md §5 (ocr-line); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { Tensor as RuntimeTensor } from "onnxruntime-node"
import { utf8 } from "../bytes/concat.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import type { OpenedModel } from "./model-folder.ts"
import { type OnnxSession, RunFailed } from "./onnx-session.ts"
import type { RunModel } from "./run-model.ts"
import { type Tensor, tensorOf } from "./tensor.ts"

const LINE_HEIGHT = 48
const PLANES = 3
const TEXT_BYTES = 256

/** @errors ModelLoadFailed of the dictionary file, or `unloadable` for a model of another form */
export const openOcrLine = (opened: OpenedModel, session: OnnxSession): Either.Either<RunModel, ModelLoadFailed> =>
  Either.flatMap(opened.file("dictionary"), (bytes) => {
    const characters = new TextDecoder().decode(bytes).split(/\r?\n/)
    if (characters.at(-1) === "") characters.pop()
    const input = session.inputs[0]
    const output = session.outputs[0]
    const fits = session.inputs.length === 1 && input?.dtype === "f32" && input.shape.length === 4 && output?.dtype === "f32"
      && output.shape.length === 3 && output.shape[2] === characters.length + 2
    if (!fits) {
      const detail = "the model file is no line reader for this dictionary"
      return Either.left(new ModelLoadFailed({ modelId: opened.manifest.id, reason: "unloadable", detail }))
    }
    return Either.right((inputs) => readLine(session, input.name, output.name, characters, inputs))
  })

const readLine = async (
  session: OnnxSession, inputName: string, outputName: string, characters: ReadonlyArray<string>, inputs: ReadonlyArray<Tensor>
): Promise<Either.Either<ReadonlyArray<Tensor>, RunFailed>> => {
  const image = inputs[0]
  const width = image?.dims[2]
  if (image === undefined || width === undefined) return Either.left(new RunFailed({ reason: "invalid-input" }))
  const results = await session.run({ [inputName]: new RuntimeTensor("float32", normalisedPlanes(image.data), [1, PLANES, LINE_HEIGHT, width]) })
  return Either.flatMap(results, (outputs) => {
    const output = outputs[outputName]
    const stepCount = output?.dims[1]
    if (output === undefined || stepCount === undefined || !(output.data instanceof Float32Array)) {
      return Either.left(new RunFailed({ reason: "runtime" }))
    }
    const line = decodeCtc(output.data, stepCount, characters)
    return Either.all([
      tensorOf("text", "u8", [TEXT_BYTES], [...paddedText(line.text)]),
      tensorOf("confidence", "f32", [1], [line.confidence])
    ]).pipe(Either.mapLeft(() => new RunFailed({ reason: "runtime" })))
  })
}

/** Grey bytes as three equal planes of −1 … 1. */
export const normalisedPlanes = (grey: Uint8Array): Float32Array => {
  const planes = new Float32Array(PLANES * grey.length)
  for (let i = 0; i < grey.length; i++) {
    const value = ((grey[i] as number) / 255 - 0.5) / 0.5
    for (let plane = 0; plane < PLANES; plane++) planes[plane * grey.length + i] = value
  }
  return planes
}

/**
 * The text of per-step class probabilities.
 * @param probabilities  float32[stepCount, characters.length + 2]
 */
export const decodeCtc = (
  probabilities: Float32Array, stepCount: number, characters: ReadonlyArray<string>
): { readonly text: string; readonly confidence: number } => {
  const classCount = characters.length + 2
  let text = ""
  let sum = 0
  let kept = 0
  let previous = 0
  for (let step = 0; step < stepCount; step++) {
    let best = 0
    for (let candidate = 1; candidate < classCount; candidate++) {
      if ((probabilities[step * classCount + candidate] as number) > (probabilities[step * classCount + best] as number)) best = candidate
    }
    if (best !== 0 && best !== previous) {
      text += characters[best - 1] ?? " "
      sum += probabilities[step * classCount + best] as number
      kept++
    }
    previous = best
  }
  return { text, confidence: kept === 0 ? 0 : sum / kept }
}

const paddedText = (text: string): Uint8Array => {
  const padded = new Uint8Array(TEXT_BYTES)
  let length = 0
  for (const character of text) {
    const bytes = utf8(character)
    if (length + bytes.length > TEXT_BYTES) break
    padded.set(bytes, length)
    length += bytes.length
  }
  return padded
}
