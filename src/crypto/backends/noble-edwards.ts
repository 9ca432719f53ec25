/**
 * Arithmetic of edwards25519 by the Go rules, over the noble curve.
 *
 * Points decode as in Go's `edwards25519.Point.SetBytes`: a y of 2^255 - 19 or more is reduced, and x = 0 with the sign bit set is accepted.
 *
 * Contract: pure; points that do not decode are answered with `undefined` or `false`.
 * Not constant time: JavaScript big integers.
 * Source: pigeonhole.md §1.3–§1.4; RFC 8032 §5.1; departures: decoding as above.
 *
 * @module
 */
import { ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import { concatBytes } from "../../bytes/concat.ts"
import { constantTimeEqual } from "../../bytes/equal.ts"
import { isCanonicalScalar, requireScalar } from "./length.ts"

const { Point } = ed25519
type EdwardsPoint = typeof Point.BASE

/** L, the order of the base point. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

export const integerFromBytes = (bytes: Uint8Array): bigint => {
  let text = ""
  for (let i = bytes.length - 1; i >= 0; i--) text += (bytes[i] as number).toString(16).padStart(2, "0")
  return BigInt(`0x${text}`)
}

const bytesFromScalar = (scalar: bigint): Uint8Array => {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(8 * i, (scalar >> BigInt(64 * i)) & 0xffffffffffffffffn, true)
  return bytes
}

const decodePoint = (encoded: Uint8Array): EdwardsPoint | undefined => {
  if (encoded.length !== 32) return undefined
  try {
    return Point.fromBytes(encoded, true)
  } catch {
    return undefined
  }
}

const times = (point: EdwardsPoint, scalar: bigint): EdwardsPoint => (scalar === 0n ? Point.ZERO : point.multiply(scalar))

export const edwardsPointIsValid = (encoded: Uint8Array): boolean => decodePoint(encoded) !== undefined

export const edwardsScalarMult = (scalar: Uint8Array, encoded: Uint8Array): Uint8Array | undefined => {
  requireScalar(scalar)
  const point = decodePoint(encoded)
  return point === undefined ? undefined : times(point, integerFromBytes(scalar)).toBytes()
}

export const edwardsScalarMultBase = (scalar: Uint8Array): Uint8Array => {
  requireScalar(scalar)
  return times(Point.BASE, integerFromBytes(scalar)).toBytes()
}

export const scalarReduce = (wide: Uint8Array): Uint8Array => {
  if (wide.length !== 32 && wide.length !== 64) throw new RangeError("an integer to reduce is 32 or 64 bytes")
  return bytesFromScalar(integerFromBytes(wide) % ORDER)
}

export const scalarMultiplyAdd = (a: Uint8Array, b: Uint8Array, c: Uint8Array): Uint8Array => {
  for (const scalar of [a, b, c]) requireScalar(scalar)
  return bytesFromScalar((integerFromBytes(a) * integerFromBytes(b) + integerFromBytes(c)) % ORDER)
}

/** The Go rule: S below L, A decodes, and the encoding of S·B − k·A equals R byte for byte. */
export const ed25519VerifyGo = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (signature.length !== 64) return false
  const s = signature.subarray(32)
  const point = decodePoint(publicKey)
  if (point === undefined || !isCanonicalScalar(s)) return false
  const r = signature.subarray(0, 32)
  const k = integerFromBytes(sha512(concatBytes(r, publicKey, message))) % ORDER
  const expected = Point.BASE.multiplyUnsafe(integerFromBytes(s)).subtract(point.multiplyUnsafe(k))
  return constantTimeEqual(expected.toBytes(), r)
}
