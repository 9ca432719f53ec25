/**
 * What the log says when something of ours dies.
 *
 * Contract: at level `error` only names of error classes and `_tag`s, never messages or fields, which may quote keys, identifiers or contents; the
 * whole cause goes to level `debug`, which is off unless a developer turns it on.
 * Knows nothing of: who died.
 * Source: style.md §2.7; departures: none.
 *
 * @module
 */
import { Cause, Chunk, Effect } from "effect"

/** What a name of a class looks like; a tag that does not may be contents. */
const CLASS_NAME = /^[A-Za-z_$][A-Za-z_$0-9/]{0,63}$/
const LONG_HEX = /[0-9A-Fa-f]{16}/

const nameOf = (failure: unknown): string => {
  if (typeof failure !== "object" || failure === null) return typeof failure
  const name = "_tag" in failure && typeof failure._tag === "string" ? failure._tag : failure instanceof Error ? failure.constructor.name : "object"
  return CLASS_NAME.test(name) && !LONG_HEX.test(name) ? name : "object"
}

/** Names of the failures and defects in a cause, in order, joined by commas; `interrupted` when there are none. */
export const causeNames = (cause: Cause.Cause<unknown>): string => {
  const names = [...Chunk.toReadonlyArray(Cause.failures(cause)), ...Chunk.toReadonlyArray(Cause.defects(cause))].map(nameOf)
  return names.length === 0 ? "interrupted" : names.join(", ")
}

/** Logs `message` with the names in `cause` and the given annotations (fixed words and counts only). */
export const reportCrash = (
  message: string,
  cause: Cause.Cause<unknown>,
  annotations: Readonly<Record<string, string | number>>
): Effect.Effect<void> =>
  Effect.logError(message).pipe(
    Effect.annotateLogs({ ...annotations, cause: causeNames(cause) }),
    Effect.zipRight(Effect.annotateLogs(Effect.logDebug(message, cause), annotations))
  )
