/**
 * The configuration file of a text-generating model, in the layout of Hugging Face exports.
 *
 * Contract: gives the four numbers that generating and tokenizing need, or refuses; all other fields are ignored.
 * Source: models/README.md §5; departures: none.
 *
 * @module
 */
import { Either, Schema } from "effect"
import { describeParseError, parseJson } from "./card.ts"
import type { OpenedModel } from "./model-folder.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"

const TokenId = Schema.Int.pipe(Schema.between(0, 0xffffffff))
const ConfigSchema = Schema.Struct({
  vocab_size: TokenId,
  max_position_embeddings: TokenId,
  bos_token_id: TokenId,
  eos_token_id: Schema.Union(TokenId, Schema.Array(TokenId))
})

export interface DecoderConfig {
  readonly vocabularySize: number
  /** Most tokens of prompt and answer together. */
  readonly contextTokens: number
  /** Goes in front of every prompt. */
  readonly startId: number
  /** Any of these ends the answer. */
  readonly endIds: ReadonlyArray<number>
}

/** @errors ModelLoadFailed of the file, or `manifest` for one that is no such configuration */
export const readDecoderConfig = (opened: OpenedModel): Either.Either<DecoderConfig, ModelLoadFailed> =>
  Either.flatMap(opened.file("config"), (bytes) =>
    Schema.decodeUnknownEither(ConfigSchema)(parseJson(bytes)).pipe(
      Either.mapBoth({
        onLeft: (error) => new ModelLoadFailed({ modelId: opened.manifest.id, reason: "manifest", detail: `config.json: ${describeParseError(error)}` }),
        onRight: (config) => ({
          vocabularySize: config.vocab_size,
          contextTokens: config.max_position_embeddings,
          startId: config.bos_token_id,
          endIds: typeof config.eos_token_id === "number" ? [config.eos_token_id] : config.eos_token_id
        })
      })
    ))
