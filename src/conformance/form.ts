/**
 * A form: one way of writing vectors down, recognised by content.
 *
 * Contract: `matches` looks at names only; a file that matches may still hold nonsense, which `run` reports as failed cases.
 * Knows nothing of: particular forms.
 * Source: none needed; departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { isRecord } from "./case-record.ts"
import type { Report } from "./report.ts"

export interface Form {
  readonly name: string
  readonly matches: (file: unknown) => boolean
  readonly run: (crypto: CryptoBackend, file: unknown, report: Report) => void
}

/** True when the file is a record with at least one of these sections. */
export const hasAnyField = (file: unknown, names: ReadonlyArray<string>): boolean => isRecord(file) && names.some((name) => Object.hasOwn(file, name))

/** True when the file is a list with at least one record that has all these fields. */
export const listsRecordsWith = (file: unknown, names: ReadonlyArray<string>): boolean =>
  Array.isArray(file) && file.filter(isRecord).some((record) => names.every((name) => Object.hasOwn(record, name)))

/** Recorded randomness, handed out in order. */
export interface ScriptedEntropy {
  readonly entropy: Entropy
  /** True when exactly the recorded bytes were asked for. */
  readonly isSpent: () => boolean
}

/** Hands out recorded bytes; zeros beyond their end, which `isSpent` then reports. */
export const scriptedEntropy = (recorded: Uint8Array): ScriptedEntropy => {
  let used = 0
  return {
    entropy: (byteCount) => {
      const bytes = new Uint8Array(byteCount)
      bytes.set(recorded.subarray(used, used + byteCount))
      used += byteCount
      return bytes
    },
    isSpent: () => used === recorded.length
  }
}
