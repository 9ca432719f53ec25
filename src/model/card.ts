/**
 * Model cards: what a compute service publishes about a model, and by whose hash a dispatch names it.
 *
 * Contract: a card has exactly one encoding (UTF-8 JSON, keys in a fixed order, no blanks, at most 2048 bytes); only that is decoded, so the
 * hash of the bytes names the content. Everything a client needs to make and check an input is on it, except text tables of its adapter.
 * Knows nothing of: files on disk, the runtime, who runs the model.
 * Source: funion.md §6.2 (model id hash), §6.3 (cards ≤ 2 KiB); models/README.md §8; departures: none.
 *
 * @module
 */
import { Data, Either, ParseResult, Schema } from "effect"
import { utf8 } from "../bytes/concat.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { DTYPES } from "./dtype.ts"
import { MAX_NAME_BYTES, MAX_TENSORS } from "./tensor-container.ts"
import { dimensionBounds, matchSpecs, specBytesLimit, TensorMismatch, type TensorSpec } from "./tensor-spec.ts"
import { bigintsOf, elementCount, MAX_RANK, type Tensor } from "./tensor.ts"

/** Longest encoded card (funion.md §6.3). */
export const MAX_CARD_BYTES = 2048
/** How inputs are made from and outputs turned into what people use; `tensor` means as they are. */
export const ADAPTERS = ["tensor", "lang-id", "ocr-line", "causal-lm"] as const
export type Adapter = (typeof ADAPTERS)[number]

/** A lower-case word with digits, dots, dashes and underscores: safe as a file name. */
export const ModelId = Schema.String.pipe(Schema.pattern(/^[a-z0-9][a-z0-9._-]{0,63}$/))
export const Sha256Hex = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))

const Dimension = Schema.Union(Schema.Number, Schema.String).pipe(
  Schema.filter((dim) => dimensionBounds(dim) !== undefined || 'a dimension is a whole number or text like "batch:1..64"')
)
export const TensorSpecSchema = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(new RegExp(`^[A-Za-z0-9_./-]{1,${MAX_NAME_BYTES}}$`))),
  dtype: Schema.Literal(...DTYPES),
  shape: Schema.Array(Dimension).pipe(Schema.maxItems(MAX_RANK))
})
const sizesAreBounded = (specs: ReadonlyArray<TensorSpec>): boolean =>
  specs.every((spec) => elementCount(spec.shape.map((dim) => dimensionBounds(dim)?.max ?? 0)) !== undefined)
export const TensorSpecs = Schema.Array(TensorSpecSchema).pipe(
  Schema.minItems(1), Schema.maxItems(MAX_TENSORS),
  Schema.filter((specs) => new Set(specs.map((spec) => spec.name)).size === specs.length || "two tensors have the same name"),
  Schema.filter((specs) => sizesAreBounded(specs) || "the shape is too large")
)
const U32 = Schema.Int.pipe(Schema.between(0, 0xffffffff))
export const PositiveU32 = Schema.Int.pipe(Schema.between(1, 0xffffffff))
export const ProfileIds = Schema.Array(Schema.Int.pipe(Schema.between(0, 255))).pipe(
  Schema.minItems(1), Schema.maxItems(4),
  Schema.filter((ids) => new Set(ids).size === ids.length || "a profile is listed twice")
)

const CardSchema = Schema.Struct({
  id: ModelId,
  version: U32,
  kind: Schema.Literal("tensor", "generate"),
  adapter: Schema.Literal(...ADAPTERS),
  weightsSha256: Sha256Hex,
  inputs: TensorSpecs,
  outputs: TensorSpecs,
  maxInputBytes: PositiveU32,
  maxTokens: Schema.optionalWith(PositiveU32, { exact: true }),
  maxComputeMs: PositiveU32,
  profiles: ProfileIds
})

export interface ModelCard {
  readonly id: string
  readonly version: number
  readonly kind: "tensor" | "generate"
  readonly adapter: Adapter
  /** SHA-256 of the weights file, lower-case hex. */
  readonly weightsSha256: string
  readonly inputs: ReadonlyArray<TensorSpec>
  readonly outputs: ReadonlyArray<TensorSpec>
  /** Longest input payload in bytes, as a container. */
  readonly maxInputBytes: number
  /** Most tokens of one answer (kind "generate"). */
  readonly maxTokens?: number
  readonly maxComputeMs: number
  /** Ids of the profiles the model is offered under; the preferred one first. */
  readonly profiles: ReadonlyArray<number>
}

/** A card is not as it must be; it comes from a document, so the detail may be shown. */
export class CardInvalid extends Data.TaggedError("CardInvalid")<{ readonly detail: string }> {
  override get message(): string {
    return `model card: ${this.detail}`
  }
}

const specJson = (spec: TensorSpec): TensorSpec => ({ name: spec.name, dtype: spec.dtype, shape: spec.shape })

/** @errors CardInvalid for a field out of range or more than 2048 bytes */
export const encodeCard = (card: ModelCard): Either.Either<Uint8Array, CardInvalid> => {
  const bytes = utf8(JSON.stringify({
    id: card.id,
    version: card.version,
    kind: card.kind,
    adapter: card.adapter,
    weightsSha256: card.weightsSha256,
    inputs: card.inputs.map(specJson),
    outputs: card.outputs.map(specJson),
    maxInputBytes: card.maxInputBytes,
    ...(card.maxTokens === undefined ? {} : { maxTokens: card.maxTokens }),
    maxComputeMs: card.maxComputeMs,
    profiles: card.profiles
  }))
  if (bytes.length > MAX_CARD_BYTES) return Either.left(new CardInvalid({ detail: `${bytes.length} bytes, at most ${MAX_CARD_BYTES} are allowed` }))
  return Either.map(checkCard(card), () => bytes)
}

const checkCard = (value: unknown): Either.Either<ModelCard, CardInvalid> =>
  Either.mapLeft(
    Schema.decodeUnknownEither(CardSchema, { onExcessProperty: "error" })(value),
    (error) => new CardInvalid({ detail: describeParseError(error) })
  )

/** The first complaint of a schema, as "path: what is wrong". */
export const describeParseError = (error: ParseResult.ParseError): string => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  if (issue === undefined) return "not valid"
  const path = issue.path.map(String).join(".")
  const unknownField = issue._tag === "Unexpected"
  return `${path === "" ? "the whole" : path}: ${unknownField ? "unknown field" : issue._tag === "Missing" ? "missing" : issue.message}`
}

/** @errors CardInvalid for bytes that `encodeCard` does not make */
export const decodeCard = (bytes: Uint8Array): Either.Either<ModelCard, CardInvalid> => {
  if (bytes.length > MAX_CARD_BYTES) return Either.left(new CardInvalid({ detail: `longer than ${MAX_CARD_BYTES} bytes` }))
  const value = parseJson(bytes)
  if (value === undefined) return Either.left(new CardInvalid({ detail: "not JSON in UTF-8" }))
  return Either.flatMap(checkCard(value), (card) =>
    Either.flatMap(encodeCard(card), (again) =>
      again.length === bytes.length && again.every((byte, index) => byte === bytes[index])
        ? Either.right(card)
        : Either.left(new CardInvalid({ detail: "not in the one allowed spelling" }))))
}

/** The value of JSON text in UTF-8; nothing when it is none. */
export const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** H256 of the card's bytes: the model id hash of a dispatch (32 bytes). */
export const modelIdHash = (crypto: Pick<CryptoBackend, "blake2b256">, cardBytes: Uint8Array): Uint8Array => crypto.blake2b256(cardBytes)

/** Longest output payload in bytes, as a container; a service checks it against its output classes at start-up. */
export const maxOutputBytes = (card: ModelCard): number => specBytesLimit(card.outputs)

/**
 * Checks a job's tensors against the card before they go to the model: names, types, shapes, lengths, token count.
 * @returns the tensors in the card's order
 * @errors TensorMismatch (failure code 3 on the wire, whatever the reason)
 */
export const validateInputs = (card: ModelCard, tensors: ReadonlyArray<Tensor>): Either.Either<ReadonlyArray<Tensor>, TensorMismatch> =>
  Either.flatMap(matchSpecs(card.inputs, tensors), (ordered) => {
    const wanted = ordered.find((tensor) => tensor.name === "max_tokens")
    if (card.kind !== "generate" || wanted === undefined) return Either.right(ordered)
    const limit = BigInt(card.maxTokens ?? 0)
    return bigintsOf(wanted).every((count) => count >= 1n && count <= limit)
      ? Either.right(ordered)
      : Either.left(new TensorMismatch({ reason: "value", detail: `max_tokens must be between 1 and ${limit}` }))
  })
