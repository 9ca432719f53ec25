/**
 * Joining byte strings.
 *
 * Contract: the result is fresh memory; the parts are not kept.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { zeroed } from "./allocate.ts"

export const concatBytes = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let total = 0
  for (const part of parts) total += part.length
  const joined = zeroed(total)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** The UTF-8 bytes of a label. */
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
