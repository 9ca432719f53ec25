/**
 * Byte strings branded by meaning, of one fixed length each.
 *
 * Contract: a `Bytes<"X">` can only be made by the checking constructor of X, so its length never needs checking again.
 * Knows nothing of: what the bytes mean.
 * Source: style.md §2.3; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { DecodeError } from "./decode-error.ts"

declare const Meaning: unique symbol

/** A byte string whose length was checked once, when it was branded. */
export type Bytes<Name extends string> = Uint8Array & { readonly [Meaning]: Name }

export interface FixedBytes<Name extends string> {
  readonly byteLength: number
  /** Brands `bytes` (no copy). @errors DecodeError `wrong-length` */
  readonly make: (bytes: Uint8Array) => Either.Either<Bytes<Name>, DecodeError>
  /** Brands bytes whose length the caller has just fixed by construction; dies on a mistake of ours. */
  readonly unsafe: (bytes: Uint8Array) => Bytes<Name>
}

export const fixedBytes = <const Name extends string>(name: Name, byteLength: number): FixedBytes<Name> => ({
  byteLength,
  make: (bytes) =>
    bytes.length === byteLength
      ? Either.right(bytes as Bytes<Name>)
      : Either.left(new DecodeError({ what: name, reason: "wrong-length" })),
  unsafe: (bytes) => {
    if (bytes.length !== byteLength) throw new RangeError(`${name} must be ${byteLength} bytes`)
    return bytes as Bytes<Name>
  }
})
