/**
 * Claims that hold for every exact parser: used by the codec tests of this folder.
 *
 * Contract: a parser accepts exactly the bytes its encoder writes. Whatever it accepts, encoding gives the same bytes back.
 * Source: contracts of src/pigeonhole; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { expect } from "vitest"
import type { DecodeError } from "../../../src/bytes/decode-error.ts"

export interface Codec<A> {
  readonly encode: (value: A) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Either.Either<A, DecodeError>
}

/** Bytes start, start + 1, … */
export const pattern = (byteLength: number, start = 0): Uint8Array => Uint8Array.from({ length: byteLength }, (_, i) => (start + i) & 0xff)

/** Accepted bytes encode to themselves; refused ones give a DecodeError. */
export const expectCanonical = <A>(codec: Codec<A>, bytes: Uint8Array): boolean => {
  const decoded = codec.decode(bytes)
  if (Either.isRight(decoded)) expect(codec.encode(decoded.right)).toEqual(bytes)
  else expect(decoded.left._tag).toBe("DecodeError")
  return Either.isRight(decoded)
}

/** Round trip, every truncation, one byte too long, one bit flipped in each byte. */
export const expectExactCodec = <A>(codec: Codec<A>, value: A): void => {
  const bytes = codec.encode(value)
  expect(Either.getOrThrow(codec.decode(bytes))).toEqual(value)
  for (let end = 0; end < bytes.length; end++) expect(Either.isLeft(codec.decode(bytes.slice(0, end)))).toBe(true)
  expect(Either.isLeft(codec.decode(Uint8Array.of(...bytes, 0)))).toBe(true)
  for (let at = 0; at < bytes.length; at++) {
    const flipped = bytes.slice()
    flipped[at]! ^= 1 << (at % 8)
    const decoded = codec.decode(flipped)
    if (Either.isRight(decoded)) expect(decoded.right).not.toEqual(value)
    expectCanonical(codec, flipped)
  }
}
