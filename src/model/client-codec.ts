/**
 * The client's half of every adapter: what people type or hold becomes tensors, and tensors become what people read.
 *
 * Contract: an input that the card does not allow is refused here, before anything is sent, with a sentence for the user. Text is turned into
 * n-grams or token ids on this machine. Outputs come from a stranger: everything about them is checked.
 * Knows nothing of: boxes, jobs, the runtime.
 * Source: models/README.md §5 (where to tokenize); departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import { type ModelCard, validateInputs } from "./card.ts"
import { DTYPES, dtypeOfName } from "./dtype.ts"
import { LINE_HEIGHT, lineFromPng } from "./line-image.ts"
import { defaultModelsDirectory, openModel, type OpenedModel } from "./model-folder.ts"
import type { ModelLoadFailed } from "./model-load-failed.ts"
import { type LanguageTables, ngramFrequencies, normaliseText, readLanguageTables } from "./ngram.ts"
import { numbersInput } from "./numbers-input.ts"
import { matchSpecs } from "./tensor-spec.ts"
import { numbersOf, type Tensor, tensorOf } from "./tensor.ts"
import { openTokenizer, type TextTokenizer } from "./text-tokenizer.ts"

/** What a user gives. */
export type ModelInput =
  | { readonly text: string }
  | { readonly numbers: ReadonlyArray<number> }
  | { readonly png: Uint8Array }
  | { readonly tensor: { readonly dtype: string; readonly shape: ReadonlyArray<number>; readonly bytes: Uint8Array } }

export interface EncodeOptions {
  /** Most tokens of the answer of a text-generating model; default 32 or the card's limit. */
  readonly maxTokens?: number
}

/** What a user gets, as far as the model gives it. */
export interface DecodedOutput {
  /** lang-id: the ISO 639-3 code of the likeliest language; ocr-line: the line; text generation: the continuation without the prompt. */
  readonly text?: string
  /** ocr-line: mean probability of the characters; lang-id: that of the language. */
  readonly confidence?: number
  /** lang-id: all languages, likeliest first. */
  readonly scores?: ReadonlyArray<{ readonly label: string; readonly probability: number }>
  /** Text generation: ended by itself, or at a limit of tokens or time. */
  readonly finishReason?: "stop" | "length"
  /** Text generation: tokens of the answer, an end token included. */
  readonly tokenCount?: number
  /** Plain tensor models with one output: its elements. */
  readonly numbers?: ReadonlyArray<number>
  readonly tensors: ReadonlyArray<Tensor>
}

/** The user's input is not what the model takes; `detail` is a sentence for the user, without the input's content. */
export class InputInvalid extends Data.TaggedError("InputInvalid")<{
  readonly reason: "empty" | "kind" | "count" | "value" | "shape" | "dtype" | "too-large" | "image" | "text" | "unavailable"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** The service's output is not what its card says. */
export class OutputInvalid extends Data.TaggedError("OutputInvalid")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

export interface ClientCodec {
  /** @errors InputInvalid */
  readonly encodeInput: (card: ModelCard, input: ModelInput, options?: EncodeOptions) => Either.Either<ReadonlyArray<Tensor>, InputInvalid>
  /** @errors OutputInvalid */
  readonly decodeOutput: (card: ModelCard, outputs: ReadonlyArray<Tensor>) => Either.Either<DecodedOutput, OutputInvalid>
}

/** Tokens of an answer when the user names no number. */
export const DEFAULT_MAX_TOKENS = 32
/** No tokenizer in use makes fewer tokens than one per this many characters of ordinary text; longer texts are refused unread. */
const MAX_CHARACTERS_PER_TOKEN = 64

interface Codec {
  readonly languageTables: (modelId: string) => Either.Either<LanguageTables, ModelLoadFailed>
  readonly tokenizer: (modelId: string) => Either.Either<TextTokenizer, ModelLoadFailed>
}

/**
 * A codec that reads the tables and tokenizers of models on this machine, each once, when first needed; weights are not needed.
 * @param modelsDirectory  folder with one folder per model
 */
export const makeClientCodec = (crypto: Pick<CryptoBackend, "sha256">, modelsDirectory: string = defaultModelsDirectory): ClientCodec => {
  const codec: Codec = {
    languageTables: remembered((opened) => readLanguageTables(opened), crypto, modelsDirectory),
    tokenizer: remembered((opened) => openTokenizer(opened), crypto, modelsDirectory)
  }
  return {
    encodeInput: (card, input, options) => encodeInput(codec, card, input, options ?? {}),
    decodeOutput: (card, outputs) =>
      Either.flatMap(
        Either.mapLeft(matchSpecs(card.outputs, outputs), ({ detail }) =>
          new OutputInvalid({ detail: `the service's answer is not as its card says: ${detail}` })),
        (ordered) => decode(codec, card, ordered)
      )
  }
}

const remembered = <A>(
  read: (opened: OpenedModel) => Either.Either<A, ModelLoadFailed>, crypto: Pick<CryptoBackend, "sha256">, modelsDirectory: string
) => {
  const known = new Map<string, A>()
  return (modelId: string): Either.Either<A, ModelLoadFailed> => {
    const earlier = known.get(modelId)
    if (earlier !== undefined) return Either.right(earlier)
    return Either.map(Either.flatMap(openModel(crypto, modelId, modelsDirectory), read), (value) => {
      known.set(modelId, value)
      return value
    })
  }
}

const refuse = (reason: InputInvalid["reason"], detail: string) => Either.left(new InputInvalid({ reason, detail }))

const encodeInput = (
  codec: Codec, card: ModelCard, input: ModelInput, options: EncodeOptions
): Either.Either<ReadonlyArray<Tensor>, InputInvalid> =>
  Either.flatMap(firstTensor(codec, card, input), (tensor) => complete(card, tensor, options))

const firstTensor = (codec: Codec, card: ModelCard, input: ModelInput): Either.Either<Tensor, InputInvalid> => {
  if ("tensor" in input) return fromTensor(card, input.tensor)
  if ("numbers" in input && (card.adapter === "tensor" || card.adapter === "lang-id")) {
    return Either.mapLeft(numbersInput(card, input.numbers), (problem) => new InputInvalid(problem))
  }
  if ("png" in input && card.adapter === "ocr-line") return fromPng(card, input.png)
  if ("text" in input && card.adapter === "lang-id") return fromLanguageText(codec, card, input.text)
  if ("text" in input && card.adapter === "causal-lm") return fromPrompt(codec, card, input.text)
  return refuse("kind", wants(card))
}

const wants = (card: ModelCard): string => {
  switch (card.adapter) {
    case "tensor": return `${card.id} takes numbers or a tensor`
    case "ocr-line": return `${card.id} takes a PNG image of one line of text`
    case "lang-id":
    case "causal-lm": return `${card.id} takes text`
  }
}

/** The first tensor of a job, with the token limit beside it where the model has one, checked as the service will check it. */
const complete = (card: ModelCard, first: Tensor, options: EncodeOptions): Either.Either<ReadonlyArray<Tensor>, InputInvalid> => {
  const limit = card.maxTokens ?? 0
  const maxTokens = options.maxTokens ?? Math.min(DEFAULT_MAX_TOKENS, limit)
  if (card.kind === "generate" && (!Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > limit)) {
    return refuse("value", `the number of tokens must be a whole number from 1 to ${limit}`)
  }
  const second = card.kind === "generate" ? [Either.getOrThrow(tensorOf("max_tokens", "i32", [1], [maxTokens]))] : []
  return Either.mapLeft(validateInputs(card, [first, ...second]), (error) => {
    const reason = error.reason === "dtype" ? "dtype" as const : "shape" as const
    return new InputInvalid({ reason, detail: `${card.id}: ${error.detail}` })
  })
}

const fromTensor = (
  card: ModelCard, given: { readonly dtype: string; readonly shape: ReadonlyArray<number>; readonly bytes: Uint8Array }
): Either.Either<Tensor, InputInvalid> => {
  const dtype = dtypeOfName(given.dtype)
  if (dtype === undefined) return refuse("dtype", `"${given.dtype.slice(0, 32)}" is no element type; known are ${DTYPES.join(", ")}`)
  return Either.right({ name: card.inputs[0]?.name ?? "", dtype, dims: given.shape, data: given.bytes })
}

const fromPng = (card: ModelCard, png: Uint8Array): Either.Either<Tensor, InputInvalid> =>
  lineFromPng(png).pipe(
    Either.mapBoth({
      onLeft: (detail) => new InputInvalid({ reason: "image", detail }),
      onRight: (image) => ({ name: card.inputs[0]?.name ?? "", dtype: "u8", dims: [1, LINE_HEIGHT, image.width], data: image.grey })
    })
  )

const unavailable = (error: ModelLoadFailed): InputInvalid =>
  new InputInvalid({
    reason: "unavailable", detail: `this machine can not prepare text for the model (a ready-made tensor can be sent instead): ${error.message}`
  })

const fromLanguageText = (codec: Codec, card: ModelCard, text: string): Either.Either<Tensor, InputInvalid> => {
  if (text.trim() === "") return refuse("empty", "the text is empty")
  if (normaliseText(text) === " ") return refuse("text", "there are no letters in the text")
  return Either.flatMap(Either.mapLeft(codec.languageTables(card.id), unavailable), (tables) => {
    const frequencies = ngramFrequencies(tables.ngrams, text)
    const tensor = tensorOf(card.inputs[0]?.name ?? "", "f32", [1, frequencies.length], frequencies)
    return Either.mapLeft(tensor, (error) => new InputInvalid({ reason: "shape", detail: error.detail }))
  })
}

const fromPrompt = (codec: Codec, card: ModelCard, text: string): Either.Either<Tensor, InputInvalid> => {
  if (text === "") return refuse("empty", "the text is empty")
  const promptTokens = card.inputs[0]?.shape[1]
  const limit = typeof promptTokens === "string" ? Number(promptTokens.slice(promptTokens.lastIndexOf(".") + 1)) : promptTokens ?? 0
  if (text.length > limit * MAX_CHARACTERS_PER_TOKEN) {
    return refuse("too-large", `the text is too long: ${text.length} characters; ${card.id} takes at most ${limit - 1} tokens`)
  }
  return Either.flatMap(Either.mapLeft(codec.tokenizer(card.id), unavailable), (tokenizer) => {
    const ids = tokenizer.encode(text)
    if (ids.length > limit) {
      return refuse("too-large", `the text is too long: ${ids.length - 1} tokens; ${card.id} takes at most ${limit - 1}`)
    }
    const tensor = tensorOf(card.inputs[0]?.name ?? "", "i64", [1, ids.length], ids)
    return Either.mapLeft(tensor, (error) => new InputInvalid({ reason: "value", detail: error.detail }))
  })
}

const decode = (codec: Codec, card: ModelCard, tensors: ReadonlyArray<Tensor>): Either.Either<DecodedOutput, OutputInvalid> => {
  const first = tensors[0]
  if (first === undefined) return Either.right({ tensors })
  switch (card.adapter) {
    case "tensor": return Either.right(tensors.length === 1 ? { numbers: numbersOf(first), tensors } : { tensors })
    case "ocr-line": return decodeLine(tensors)
    case "lang-id":
      return Either.mapBoth(codec.languageTables(card.id), { onLeft: unreadable, onRight: (tables) => decodeLanguage(tables, first, tensors) })
    case "causal-lm":
      return Either.flatMap(Either.mapLeft(codec.tokenizer(card.id), unreadable), (tokenizer) => decodeContinuation(tokenizer, first, tensors))
  }
}

const unreadable = (error: ModelLoadFailed): OutputInvalid => new OutputInvalid({ detail: `this machine can not read the model's answer: ${error.message}` })

const decodeLine = (tensors: ReadonlyArray<Tensor>): Either.Either<DecodedOutput, OutputInvalid> => {
  const padded = tensors.find((tensor) => tensor.name === "text")?.data ?? new Uint8Array()
  const confidence = tensors.find((tensor) => tensor.name === "confidence")
  const end = padded.indexOf(0)
  return Either.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(end < 0 ? padded : padded.subarray(0, end)),
    catch: () => new OutputInvalid({ detail: "the service's answer is no text" })
  }).pipe(Either.map((text) => ({ text, ...(confidence === undefined ? {} : { confidence: numbersOf(confidence)[0] ?? 0 }), tensors })))
}

const decodeLanguage = (tables: LanguageTables, probabilities: Tensor, tensors: ReadonlyArray<Tensor>): DecodedOutput => {
  const scores = numbersOf(probabilities)
    .map((probability, index) => ({ label: tables.labels[index] ?? "", probability }))
    .sort((a, b) => b.probability - a.probability)
  const top = scores[0]
  return { ...(top === undefined ? {} : { text: top.label, confidence: top.probability }), scores, tensors }
}

const decodeContinuation = (
  tokenizer: TextTokenizer, output: Tensor, tensors: ReadonlyArray<Tensor>
): Either.Either<DecodedOutput, OutputInvalid> => {
  const ids = numbersOf(output)
  if (!ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabularySize)) {
    return Either.left(new OutputInvalid({ detail: "the service's answer holds ids that are no tokens" }))
  }
  const last = ids.at(-1)
  const finishReason = last !== undefined && tokenizer.isEnd(last) ? "stop" : "length"
  return Either.right({ text: tokenizer.decode(ids), finishReason, tokenCount: ids.length, tensors })
}
