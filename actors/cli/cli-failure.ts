/**
 * How a command ends badly: one line for the person, one number for the shell.
 *
 * Contract: messages are one line, without stack traces, control characters, keys or contents. Status 2: the command line is wrong, or (conformance) a
 * file is no vector file; 1: everything else.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Data } from "effect"

/** What a shell sees of an end by Ctrl-C. */
export const INTERRUPTED_STATUS = 130
const LONGEST_LINE = 600

export class CliFailure extends Data.TaggedError("CliFailure")<{
  readonly message: string
  readonly exitStatus: 1 | 2
}> {}

/** The command could not do its work. */
export const failed = (message: string): CliFailure => new CliFailure({ message: oneLine(message), exitStatus: 1 })

/** Another process has said what was wrong. */
export const saidAlready = (status: number): CliFailure => new CliFailure({ message: "", exitStatus: status === 2 ? 2 : 1 })

/** The command line itself is wrong. */
export const misused = (message: string): CliFailure => new CliFailure({ message: oneLine(message), exitStatus: 2 })

/** Text as one printable line of bounded length, free of terminal sequences. */
export const oneLine = (text: string): string => {
  const line = plainText(text).replace(/\s+/g, " ").trim()
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE)}…`
}

/** Text without terminal sequences; other control characters than tab and line breaks become U+FFFD, so that a stranger's text cannot steer a terminal. */
export const plainText = (text: string): string =>
  text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd")

/** First line of what somebody's code threw. */
export const thrownMessage = (thrown: unknown): string => {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return oneLine(text.split("\n")[0] ?? "")
}
