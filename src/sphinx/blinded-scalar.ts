/**
 * The product of an ephemeral key and blinding factors as one X25519 scalar, so that a hop costs its sender one scalar multiplication instead of a chain.
 *
 * X25519 clamps its scalar: bits 0..2 cleared, bit 254 set. A product of clamped scalars is a multiple of 8 and, on a point of order L (or 8·L, since the
 * cofactor is cleared), acts as its residue r mod L. The integers k = r + t·L with t = 3·r mod 8 (L⁻¹ = 5 mod 8) and 8·L − k are both multiples of 8;
 * they give P and −P, which have the same u-coordinate; and one of the two lies in [2^254, 2^255), where clamping changes nothing. The chance that
 * neither does is below 2^-126.
 *
 * Contract: for public keys on the curve the result equals the chain of multiplications bit for bit. For a key on the twist, which no honest node has, it
 * does not: packets through such a key are lost at its owner. Running time does not depend on the scalars.
 * Knows nothing of: packets, hops.
 * Source: RFC 7748 §5, sphinx.md §6, §8.1; departures: none on the wire.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"

const SCALAR_BYTES = 32
/** L = 2^252 + 27742317777372353535851937790883648493, little-endian. */
const ORDER = Uint8Array.of(
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
)

const at = (bytes: Uint8Array, index: number): number => bytes[index] as number

/** The residue mod L of a scalar as X25519 uses it: clamped. @param scalar 32 bytes; left as it is */
export const clampedResidue = (crypto: CryptoBackend, scalar: Uint8Array): Uint8Array => {
  const clamped = scalar.slice()
  clamped[0] = at(clamped, 0) & 248
  clamped[31] = (at(clamped, 31) & 127) | 64
  const residue = crypto.scalarReduce(clamped)
  clamped.fill(0)
  return residue
}

/** The scalar that X25519 takes for ±`residue`. @param residue 32 bytes, below L */
export const x25519ScalarOf = (residue: Uint8Array): Uint8Array => {
  const multiple = new Uint8Array(SCALAR_BYTES)
  const negated = new Uint8Array(SCALAR_BYTES)
  const factor = (3 * at(residue, 0)) & 7
  let carry = 0
  let borrow = 0
  for (let i = 0; i < SCALAR_BYTES; i++) {
    carry += at(residue, i) + factor * at(ORDER, i)
    multiple[i] = carry
    carry >>>= 8
    borrow += 8 * at(ORDER, i) - at(multiple, i)
    negated[i] = borrow
    borrow >>= 8
  }
  const keep = -((at(multiple, 31) >>> 6) & 1)
  for (let i = 0; i < SCALAR_BYTES; i++) multiple[i] = (at(multiple, i) & keep) | (at(negated, i) & ~keep)
  negated.fill(0)
  return multiple
}
