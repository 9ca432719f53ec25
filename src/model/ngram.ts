/**
 * Text as relative frequencies of short character sequences: the input of the language model `lang-id`, made on the client.
 *
 * Normalised text: hyphens become blanks, everything but letters, marks and white space goes, blanks are squeezed, lower case, one blank at each end. The
 * frequency of an n-gram is its count divided by the number of all n-grams of that length, counted in UTF-16 units as the model was trained.
 * Contract: one number per n-gram of the table, in its order; the text itself goes no further.
 * Source: models/README.md §5 (lang-id), tables of the npm package lande; departures: none.
 *
 * @module
 */
import { Either, Schema } from "effect"
import type { OpenedModel } from "./model-folder.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"

const Grams = Schema.Array(Schema.String)
const TableSchema = Schema.Struct({ unigrams: Grams, bigrams: Grams, trigrams: Grams, quadgrams: Grams })
const LabelsSchema = Schema.Array(Schema.String)

/** The n-grams in input order, and the language codes in output order. */
export interface LanguageTables {
  readonly ngrams: ReadonlyArray<string>
  readonly labels: ReadonlyArray<string>
}

/** Reads the tables of a model. @errors ModelLoadFailed of the files, or `manifest` for files that are no such tables */
export const readLanguageTables = (opened: OpenedModel): Either.Either<LanguageTables, ModelLoadFailed> => {
  const refused = () => new ModelLoadFailed({ modelId: opened.manifest.id, reason: "manifest", detail: "the language tables are not in the expected form" })
  const ngrams = Either.flatMap(opened.file("ngrams"), (bytes) => Either.mapLeft(Schema.decodeUnknownEither(TableSchema)(exportedValue(bytes)), refused))
  const labels = Either.flatMap(opened.file("labels"), (bytes) => Either.mapLeft(Schema.decodeUnknownEither(LabelsSchema)(exportedValue(bytes)), refused))
  return Either.map(Either.all({ ngrams, labels }), (tables) => ({
    ngrams: [...tables.ngrams.unigrams, ...tables.ngrams.bigrams, ...tables.ngrams.trigrams, ...tables.ngrams.quadgrams],
    labels: tables.labels
  }))
}

/** The value of a module that is one `export default` of JSON; read as data, so no foreign code runs. */
const exportedValue = (bytes: Uint8Array): unknown => {
  const literal = /^\s*export default (.*?);?\s*$/s.exec(new TextDecoder().decode(bytes))?.[1]
  try {
    return literal === undefined ? undefined : JSON.parse(literal)
  } catch {
    return undefined
  }
}

/** The text as the model was trained on; a single blank when no letter is left. */
export const normaliseText = (text: string): string => {
  const words = text.replace(/-+/g, " ").replace(/[^\p{L}\p{M}\s]/gu, "").replace(/\s{2,}/g, " ").toLowerCase().trim()
  return words === "" ? " " : ` ${words} `
}

/** Frequencies float32[ngrams.length] of a text. */
export const ngramFrequencies = (ngrams: ReadonlyArray<string>, text: string): Array<number> => {
  const normalised = normaliseText(text)
  const counts = new Map<string, number>()
  for (const length of new Set(ngrams.map((ngram) => ngram.length))) {
    for (let start = 0; start + length <= normalised.length; start++) {
      const ngram = normalised.slice(start, start + length)
      counts.set(ngram, (counts.get(ngram) ?? 0) + 1)
    }
  }
  return ngrams.map((ngram) => {
    const total = normalised.length - ngram.length + 1
    return total < 1 ? 0 : (counts.get(ngram) ?? 0) / total
  })
}
