/**
 * The file under a journal, as a port: the role that owns the journal says where its bytes live.
 *
 * Contract: `append` has returned means the bytes are durable; a crash during it leaves a prefix of them. `replace` is atomic: after a crash
 * the content is the old one or the new one. `truncate` cuts a torn tail. One journal has one file and one owner at a time.
 * Knows nothing of: records, frames.
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Context, Data, Effect, Layer } from "effect"
import { concatBytes } from "../bytes/concat.ts"

/** The journal's bytes cannot be read or made durable; whatever needed the record must not happen. */
export class JournalUnavailable extends Data.TaggedError("JournalUnavailable")<{ readonly operation: "read" | "append" | "truncate" | "replace" }> {}

export interface JournalStorage {
  readonly readAll: Effect.Effect<Uint8Array, JournalUnavailable>
  readonly append: (bytes: Uint8Array) => Effect.Effect<void, JournalUnavailable>
  readonly truncate: (byteLength: number) => Effect.Effect<void, JournalUnavailable>
  readonly replace: (bytes: Uint8Array) => Effect.Effect<void, JournalUnavailable>
}

export class JournalFile extends Context.Tag("funion/inference/JournalFile")<JournalFile, JournalStorage>() {
  /** A journal in this process's memory, fresh for every build of the layer. */
  static readonly layerMemory: Layer.Layer<JournalFile> = Layer.sync(JournalFile, () => memoryJournal())
}

/** Bytes in this process's memory; the same instance given to a restarted actor is the same journal. */
export const memoryJournal = (initial: Uint8Array = new Uint8Array(0)): JournalStorage => {
  let parts: Array<Uint8Array> = [initial.slice()]
  const joined = (): Uint8Array => {
    const bytes = concatBytes(...parts)
    parts = [bytes]
    return bytes
  }
  return {
    readAll: Effect.sync(() => joined().slice()),
    append: (bytes) => Effect.sync(() => {
      parts.push(bytes.slice())
    }),
    truncate: (byteLength) => Effect.sync(() => {
      parts = [joined().slice(0, byteLength)]
    }),
    replace: (bytes) => Effect.sync(() => {
      parts = [bytes.slice()]
    })
  }
}
