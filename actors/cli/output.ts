/**
 * Standard output and standard error as effects.
 *
 * Contract: a write is done when the stream has taken it, so the process may exit afterwards. A reader that went away is no error.
 * Knows nothing of: what is written.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Console, Effect, Logger } from "effect"
import { oneLine, plainText } from "./cli-failure.ts"

const write = (stream: NodeJS.WriteStream, text: string): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    stream.write(text, () => resume(Effect.void))
  }).pipe(Effect.uninterruptible)

/** Writes text and a line break to standard output. */
export const printLine = (text: string): Effect.Effect<void> => write(process.stdout, `${text}\n`)

/** Writes text as it is to standard error. */
export const printAside = (text: string): Effect.Effect<void> => write(process.stderr, text)

/** A reader that closes its end early (`| head`) must not end the process with an error event. */
export const forgiveClosedPipes = (): void => {
  process.stdout.on("error", () => undefined)
  process.stderr.on("error", () => undefined)
}

/** Log lines, on standard error so that standard output holds answers alone. */
export const asideLogger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
  const words = Array.isArray(message) ? message.map(String) : [String(message)]
  const notes = [...annotations].map(([name, value]) => `${name}=${String(value)}`)
  process.stderr.write(`funion: ${logLevel.label.toLowerCase()}: ${oneLine([...words, ...notes].join(" "))}\n`)
})

/** Puts the description of a command below it: side by side, the longest usage would push all of them off the screen. */
const narrowCommands = (text: string): string => text.replace(/^( *- .*?\S) {2,}(\S.*)$/gm, "$1\n      $2")

/**
 * The console of the command-line library: help and completions go to standard output, without colours unless a terminal shows them; its own
 * complaints are dropped, for they come again as errors.
 */
export const libraryConsole = (standard: Console.Console): Console.Console => {
  const colours = process.stdout.isTTY && process.env["NO_COLOR"] === undefined
  const log = (...parts: ReadonlyArray<unknown>): Effect.Effect<void> => {
    const text = narrowCommands(parts.map(String).join(" "))
    return printLine(colours ? text : plainText(text))
  }
  return { ...standard, log, error: () => Effect.void }
}
