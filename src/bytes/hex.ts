/**
 * Hexadecimal text of public values: vectors, identifiers in maps, output of `topology show`.
 *
 * Contract: lower case out, either case in; `fromHex` refuses anything that is not whole bytes.
 * Not for secrets: look-ups here depend on the data.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { DecodeError } from "./decode-error.ts"

/** Node's own, called on byte strings that are no `Buffer`: a third of the time, and no rope of single digits that stays in memory. */
const { hexSlice } = Buffer.prototype as { readonly hexSlice?: (this: Uint8Array, start: number, end: number) => string }

export const toHex = (bytes: Uint8Array): string =>
  hexSlice === undefined ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex") : hexSlice.call(bytes, 0, bytes.length)

/** @errors DecodeError `wrong-length` for an odd number of digits, `out-of-range` for a character that is no digit */
export const fromHex = (text: string): Either.Either<Uint8Array, DecodeError> => {
  if (text.length % 2 !== 0) return Either.left(new DecodeError({ what: "hex", reason: "wrong-length" }))
  if (!/^[0-9a-fA-F]*$/.test(text)) return Either.left(new DecodeError({ what: "hex", reason: "out-of-range" }))
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return Either.right(bytes)
}
