/**
 * The length checks that both backends share.
 *
 * Contract: a key, nonce or scalar of a wrong length is a mistake of ours and dies; it never depends on what a peer sent.
 * Source: backend.ts; departures: none.
 *
 * @module
 */

/** Dies unless `bytes` has exactly that length. */
export const requireLength = (what: string, bytes: Uint8Array, byteLength: number): void => {
  if (bytes.length !== byteLength) throw new RangeError(`${what} must be ${byteLength} bytes, not ${bytes.length}`)
}

const ORDER_BYTES = [
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
]

/** True when 32 little-endian bytes are below the group order L of edwards25519. For public values: stops at the first difference. */
export const isCanonicalScalar = (scalar: Uint8Array): boolean => {
  for (let i = 31; i >= 0; i--) {
    const difference = (scalar[i] as number) - (ORDER_BYTES[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** Dies unless `scalar` is 32 bytes, little-endian, below L. */
export const requireScalar = (scalar: Uint8Array): void => {
  requireLength("scalar", scalar, 32)
  if (!isCanonicalScalar(scalar)) throw new RangeError("scalar must be reduced mod L")
}
