/**
 * Log lines of an actor process: one line per entry, for a machine (JSON) or a person (text).
 *
 * Contract: a line holds the time to the second, the level, the actor, the message, and annotations of a fixed list. Whatever could be a key, a capability,
 * an identifier or contents prints as `<redacted>`: bytes, redacted values, records, and words of a text that look like 16 or more bytes in hex or 30 or
 * more in base64. The cause of a failure is named by its classes; its text appears at level debug only, and is redacted too. A line is bounded. This is
 * the second fence: the first is that nobody logs such things (crash-report).
 * Knows nothing of: where lines go.
 * Source: style.md §2.7; departures: none.
 *
 * @module
 */
import { Cause, Layer, Logger, LogLevel } from "effect"
import { causeNames } from "../../src/actor/crash-report.ts"

export interface OperatorLogOptions {
  readonly format: "json" | "text"
  /** Takes one line without its line break. */
  readonly write: (line: string) => void
  /** The actor of this process, for entries that name none. */
  readonly actor?: string
  /** Entries below it are not written; default info. */
  readonly level?: LogLevelName
}

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const
export type LogLevelName = typeof LOG_LEVELS[number]

export const REDACTED = "<redacted>"

/** Annotations that may be shown: fixed words, names of actors, and counts. */
const SHOWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  "authority", "boxCount", "call", "cause", "count", "epoch", "event", "field", "kind", "machine", "model", "nodes", "peer", "port", "reason",
  "replicaEpoch", "replicas", "restartCount", "role", "segments", "state", "votes"
])
const TEXT_LIMIT = 600

const HEX_WORD = /(?<![0-9A-Za-z])(?:0x)?(?:[0-9A-Fa-f]{2}[:\s,-]?){15,}[0-9A-Fa-f]{2}/g
const LONG_WORD = /[A-Za-z0-9+/_-]{40,}={0,2}/g
/** Bytes as a list of numbers, as a printed array shows them. */
const NUMBER_LIST = /(?:\b\d{1,3}\s*,\s*){15,}\d{1,3}\b/g

/** A path or a sentence in hyphens has no capitals and digits mixed in one word; encoded bytes have. */
const looksEncoded = (word: string): boolean =>
  word.split("/").some((part) => part.length >= 20 && /[0-9]/.test(part) && /[A-Z]/.test(part) && /[a-z]/.test(part))

/** Text without what could be a key or an identifier, as one line of bounded length. */
export const redactedText = (text: string): string => {
  const line = text
    .replace(HEX_WORD, REDACTED)
    .replace(NUMBER_LIST, REDACTED)
    .replace(LONG_WORD, (word) => (looksEncoded(word) ? REDACTED : word))
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .trim()
  return line.length <= TEXT_LIMIT ? line : `${line.slice(0, TEXT_LIMIT)}…`
}

/** A value as the log may show it. */
const shown = (value: unknown): string | number | boolean => {
  if (typeof value === "number" || typeof value === "boolean") return value
  if (typeof value === "string") return redactedText(value)
  if (typeof value === "bigint") return redactedText(value.toString(16).length >= 16 ? REDACTED : value.toString())
  return value instanceof Error ? redactedText(causeNames(Cause.fail(value))) : REDACTED
}

const messageOf = (message: unknown): string => {
  const parts = Array.isArray(message) ? message : [message]
  return parts.map((part) => String(shown(part))).join(" ")
}

/** Fields of a line in their order. */
const fieldsOf = (options: OperatorLogOptions, entry: Logger.Logger.Options<unknown>): Readonly<Record<string, string | number | boolean>> => {
  const notes = [...entry.annotations].filter(([name]) => SHOWN_ANNOTATIONS.has(name)).sort(([a], [b]) => (a < b ? -1 : 1))
  const named = [...entry.annotations].find(([name]) => name === "actor")?.[1] ?? options.actor
  const isDebug = LogLevel.lessThanEqual(entry.logLevel, LogLevel.Debug)
  const failure = Cause.isEmpty(entry.cause) ? {} : { cause: redactedText(isDebug ? Cause.pretty(entry.cause) : causeNames(entry.cause)) }
  return {
    time: `${entry.date.toISOString().slice(0, 19)}Z`,
    level: entry.logLevel.label.toLowerCase() === "warn" ? "warning" : entry.logLevel.label.toLowerCase(),
    ...(named === undefined ? {} : { actor: shown(named) }),
    message: messageOf(entry.message),
    ...Object.fromEntries(notes.map(([name, value]) => [name, shown(value)])),
    ...failure
  }
}

const asText = ({ actor, level, message, time, ...notes }: Readonly<Record<string, string | number | boolean>>): string => [
  time, String(level), ...(actor === undefined ? [] : [`${actor}:`]), message,
  ...Object.entries(notes).map(([name, value]) => `${name}=${typeof value === "string" && /[\s"=]/.test(value) ? JSON.stringify(value) : value}`)
].join(" ")

/** A logger that writes one line for each entry. */
export const operatorLogger = (options: OperatorLogOptions): Logger.Logger<unknown, void> =>
  Logger.make((entry) => {
    const fields = fieldsOf(options, entry)
    options.write(options.format === "json" ? JSON.stringify(fields) : asText(fields))
  })

/** Replaces Effect's own logger for everything below it. */
export const layerOperatorLog = (options: OperatorLogOptions): Layer.Layer<never> => {
  const levels = { debug: LogLevel.Debug, info: LogLevel.Info, warning: LogLevel.Warning, error: LogLevel.Error }
  return Layer.merge(Logger.replace(Logger.defaultLogger, operatorLogger(options)), Logger.minimumLogLevel(levels[options.level ?? "info"]))
}
