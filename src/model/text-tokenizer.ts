/**
 * Text to token ids and back, on the client, with the public tokenizer of a text-generating model.
 *
 * Contract: `encode` puts the start id in front; `decode` leaves out start and end ids. Neither changes white space.
 * Knows nothing of: sessions, sampling.
 * Source: models/README.md §5 (tiny-lm, tokenizers); departures: none.
 *
 * @module
 */
import { Tokenizer } from "@huggingface/tokenizers"
import { Either, Schema } from "effect"
import { parseJson } from "./card.ts"
import { readDecoderConfig } from "./decoder-config.ts"
import type { OpenedModel } from "./model-folder.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"

export interface TextTokenizer {
  readonly encode: (text: string) => ReadonlyArray<number>
  readonly decode: (ids: ReadonlyArray<number>) => string
  /** True when the answer ended by itself, not at a limit. */
  readonly isEnd: (id: number) => boolean
  readonly vocabularySize: number
}

const JsonObject = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/** Builds the tokenizer of a model. @errors ModelLoadFailed of the files, or `manifest` when they are no tokenizer */
export const openTokenizer = (opened: OpenedModel): Either.Either<TextTokenizer, ModelLoadFailed> => {
  const refused = () => new ModelLoadFailed({ modelId: opened.manifest.id, reason: "manifest", detail: "the tokenizer files are not in the expected form" })
  const object = (bytes: Uint8Array) => Either.mapLeft(Schema.decodeUnknownEither(JsonObject)(parseJson(bytes)), refused)
  return Either.all({
    config: readDecoderConfig(opened),
    tokenizer: Either.flatMap(opened.file("tokenizer"), object),
    settings: Either.flatMap(opened.file("tokenizer-config"), object)
  }).pipe(Either.flatMap(({ config, tokenizer, settings }) =>
    Either.try({
      try: () => {
        const own = new Tokenizer(tokenizer, settings)
        const silent = new Set([config.startId, ...config.endIds])
        return {
          encode: (text) => [config.startId, ...own.encode(text, { add_special_tokens: false }).ids],
          decode: (ids) => {
            const shown = ids.filter((id) => !silent.has(id))
            return shown.length === 0 ? "" : own.decode(shown, { skip_special_tokens: true, clean_up_tokenization_spaces: false })
          },
          isEnd: (id) => config.endIds.includes(id),
          vocabularySize: config.vocabularySize
        } satisfies TextTokenizer
      },
      catch: refused
    })))
}
