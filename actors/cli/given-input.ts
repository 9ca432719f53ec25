/**
 * What the user gives to `funion infer`: words, a file, or standard input, as the model's kind of input.
 *
 * Contract: reads at most 64 MiB. Text must be UTF-8, and loses one line break at its end. Whether the model takes the input is decided by the client
 * codec; here only what was given is found out.
 * Knows nothing of: cards beyond their adapter.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { createReadStream } from "node:fs"
import type { Readable } from "node:stream"
import type { Adapter } from "../../src/model/card.ts"
import type { ModelInput } from "../../src/model/client-codec.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"

export interface GivenInput {
  /** INPUT… of the command line. */
  readonly words: ReadonlyArray<string>
  /** `-` means standard input. */
  readonly file: string | undefined
  /** Of a raw tensor. */
  readonly dtype: string | undefined
  readonly shape: string | undefined
}

/** Most bytes read of one input. */
const INPUT_BYTES_LIMIT = 64 * 1024 * 1024
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

const readFault = (name: string, error: NodeJS.ErrnoException): CliFailure => {
  switch (error.code) {
    case "ENOENT": return failed(`${name}: there is no such file`)
    case "EISDIR": return failed(`${name}: this is a folder`)
    case "EACCES":
    case "EPERM": return failed(`${name}: this file may not be read`)
    default: return failed(`${name}: can not be read (${error.code ?? error.name})`)
  }
}

/** All bytes of a stream, which is closed afterwards, also when nobody waits any more. */
const readAll = (open: () => Readable, name: string): Effect.Effect<Uint8Array, CliFailure> =>
  Effect.async<Uint8Array, CliFailure>((resume) => {
    const stream = open()
    const chunks: Array<Uint8Array> = []
    let byteCount = 0
    stream.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk)
      byteCount += chunk.length
      if (byteCount <= INPUT_BYTES_LIMIT) return
      stream.destroy()
      resume(failed(`${name}: the input is too large, at most ${INPUT_BYTES_LIMIT} bytes are read`))
    })
    stream.on("error", (error) => resume(readFault(name, error)))
    stream.on("end", () => resume(Effect.succeed(new Uint8Array(Buffer.concat(chunks)))))
    return Effect.sync(() => {
      stream.destroy()
    })
  })

const textOf = (bytes: Uint8Array, name: string): Either.Either<string, CliFailure> =>
  Either.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, ""),
    catch: () => failed(`${name}: the input is no text in UTF-8`)
  })

/** Numbers apart by blanks or commas. @errors CliFailure naming the first word that is none */
export const numbersOfText = (text: string): Either.Either<ReadonlyArray<number>, CliFailure> => {
  const words = text.split(/[\s,]+/).filter((word) => word !== "")
  const bad = words.find((word) => !NUMBER.test(word))
  return bad === undefined ? Either.right(words.map(Number)) : Either.left(failed(`"${bad.slice(0, 40)}" is not a number`))
}

const textInput = (adapter: Adapter, text: string): Either.Either<ModelInput, CliFailure> =>
  adapter === "tensor" ? Either.map(numbersOfText(text), (numbers) => ({ numbers })) : Either.right({ text })

const isPng = (bytes: Uint8Array): boolean => PNG_SIGNATURE.every((byte, index) => bytes[index] === byte)

/** `1,4`, `1x4` or `[1, 4]`; `[]` for a single element. */
export const parseShape = (text: string): ReadonlyArray<number> | undefined => {
  const inner = text.trim().replace(/^\[(.*)\]$/, "$1").trim()
  if (inner === "") return text.includes("[") ? [] : undefined
  const parts = inner.split(/\s*[,x]\s*/)
  return parts.every((part) => /^\d{1,10}$/.test(part)) ? parts.map(Number) : undefined
}

const bytesInput = (adapter: Adapter, bytes: Uint8Array, given: GivenInput, name: string): Either.Either<ModelInput, CliFailure> => {
  if (given.dtype !== undefined && given.shape !== undefined) {
    const shape = parseShape(given.shape)
    return shape === undefined
      ? Either.left(misused(`--shape: "${given.shape.slice(0, 40)}" is no shape; write the dimensions as in 1,4`))
      : Either.right({ tensor: { dtype: given.dtype, shape, bytes } })
  }
  if (adapter === "ocr-line" || isPng(bytes)) return Either.right({ png: bytes })
  return Either.flatMap(textOf(bytes, name), (text) => textInput(adapter, text))
}

/** What is wrong with the combination of words and options, if anything. */
const misuse = ({ dtype, file, shape, words }: GivenInput): string | undefined => {
  const stdin = words.length === 1 && words[0] === "-"
  if (words.length === 0 && file === undefined) return "there is no input: write it after the model, or use --file PATH, or - for standard input"
  if (words.length > 0 && file !== undefined) return "input is given twice: as words and with --file"
  if ((dtype === undefined) !== (shape === undefined)) return "--dtype and --shape go together"
  if (dtype !== undefined && file === undefined && !stdin) return "--dtype and --shape describe a raw tensor in a file: use --file PATH or - for standard input"
  return undefined
}

/**
 * Reads the input of one job.
 * @errors CliFailure: nothing or too much given, unreadable, no text, no numbers
 */
export const readInput = (adapter: Adapter, given: GivenInput): Effect.Effect<ModelInput, CliFailure> => {
  const wrong = misuse(given)
  if (wrong !== undefined) return Effect.fail(misused(wrong))
  const { file, words } = given
  if (file === "-" || (words.length === 1 && words[0] === "-")) {
    const name = "standard input"
    return Effect.flatMap(readAll(() => process.stdin, name), (bytes) => bytesInput(adapter, bytes, given, name))
  }
  if (file !== undefined) return Effect.flatMap(readAll(() => createReadStream(file), file), (bytes) => bytesInput(adapter, bytes, given, file))
  if (adapter === "ocr-line") return Effect.fail(failed("this model takes a PNG image of one line of text: use --file PATH"))
  return textInput(adapter, words.join(" "))
}
