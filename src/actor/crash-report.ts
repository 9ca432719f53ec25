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

const nameOf = (failure: unknown): string => {
  if (typeof failure !== "object" || failure === null) return typeof failure
  if ("_tag" in failure && typeof failure._tag === "string") return failure._tag
  return failure instanceof Error ? failure.constructor.name : "object"
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
