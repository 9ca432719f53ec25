/**
 * A group in which every discrete logarithm is plain to see: the integers modulo L, added; L is the order of edwards25519's base point.
 *
 * A point is its own logarithm, the base point is 1, and a scalar times a point is a product modulo L. So every relation that protocols build on scalars
 * and points of the real curve holds here exactly, with the same lengths and for the price of one multiplication; and nothing is secret.
 *
 * Contract: scalars and points are 32 bytes, little-endian. A point of X25519 stands for itself and its negative, as a u-coordinate does: the even one of
 * the two is written. Numbers of 2^252 and more are reduced.
 * Knows nothing of: signatures, packets.
 * Source: none; the reduction follows the limbs of ref10's `sc_muladd` (21 bits, public domain); departures: none.
 *
 * @module
 */

const LIMBS = 12
const RADIX = 2_097_152
const ROUND = 1_048_576
/** L, little-endian. */
const ORDER = Uint8Array.of(
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
)

const left = new Float64Array(LIMBS)
const right = new Float64Array(LIMBS)
/** The number being reduced: 24 limbs, some negative on the way. */
const sum = new Float64Array(2 * LIMBS)

const unpack = (bytes: Uint8Array, limbs: Float64Array, limbCount: number): void => {
  for (let limb = 0; limb < limbCount; limb++) {
    const bit = 21 * limb
    const at = bit >>> 3
    const word = ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0
    const shifted = word >>> (bit & 7)
    limbs[limb] = limb === limbCount - 1 ? shifted : shifted & (RADIX - 1)
  }
}

/** 2^252 is minus a number of 125 bits, modulo L: adds what a limb of weight 2^252 or more stands for to lower limbs. */
const fold = (limb: number): void => {
  const value = sum[limb] as number
  sum[limb - 12] = (sum[limb - 12] as number) + value * 666_643
  sum[limb - 11] = (sum[limb - 11] as number) + value * 470_296
  sum[limb - 10] = (sum[limb - 10] as number) + value * 654_183
  sum[limb - 9] = (sum[limb - 9] as number) - value * 997_805
  sum[limb - 8] = (sum[limb - 8] as number) + value * 136_657
  sum[limb - 7] = (sum[limb - 7] as number) - value * 683_901
  sum[limb] = 0
}

/** Carries from every second limb, leaving what is nearest to zero. */
const carryEverySecond = (first: number, last: number): void => {
  for (let limb = first; limb <= last; limb += 2) {
    const value = sum[limb] as number
    const carry = Math.floor((value + ROUND) / RADIX)
    sum[limb + 1] = (sum[limb + 1] as number) + carry
    sum[limb] = value - carry * RADIX
  }
}

/** Carries from every limb in turn, leaving what is not negative. */
const carryAll = (last: number): void => {
  for (let limb = 0; limb <= last; limb++) {
    const value = sum[limb] as number
    const carry = Math.floor(value / RADIX)
    sum[limb + 1] = (sum[limb + 1] as number) + carry
    sum[limb] = value - carry * RADIX
  }
}

/** Brings `sum` below L, into its lower half. */
const reduceSum = (): void => {
  carryEverySecond(0, 22)
  carryEverySecond(1, 21)
  for (let limb = 23; limb >= 18; limb--) fold(limb)
  carryEverySecond(6, 16)
  carryEverySecond(7, 15)
  for (let limb = 17; limb >= 12; limb--) fold(limb)
  carryEverySecond(0, 10)
  carryEverySecond(1, 11)
  fold(12)
  carryAll(11)
  fold(12)
  carryAll(10)
}

const packSum = (): Uint8Array => {
  const bytes = new Uint8Array(32)
  let held = 0
  let heldBits = 0
  let at = 0
  for (let limb = 0; limb < LIMBS; limb++) {
    held |= (sum[limb] as number) << heldBits
    heldBits += 21
    while (heldBits >= 8) {
      bytes[at++] = held
      held >>>= 8
      heldBits -= 8
    }
  }
  bytes[at] = held
  return bytes
}

/** An integer of 32 or 64 bytes modulo L. */
export const reduce = (wide: Uint8Array): Uint8Array => {
  sum.fill(0)
  unpack(wide, sum, wide.length === 64 ? 2 * LIMBS : LIMBS)
  reduceSum()
  return packSum()
}

/** a·b + c modulo L. */
export const multiplyAdd = (a: Uint8Array, b: Uint8Array, c: Uint8Array | undefined): Uint8Array => {
  unpack(a, left, LIMBS)
  unpack(b, right, LIMBS)
  sum.fill(0)
  if (c !== undefined) unpack(c, sum, LIMBS)
  for (let i = 0; i < LIMBS; i++) {
    const factor = left[i] as number
    for (let j = 0; j < LIMBS; j++) sum[i + j] = (sum[i + j] as number) + factor * (right[j] as number)
  }
  reduceSum()
  return packSum()
}

/** True for 32 bytes that stand for a number below L. */
export const isReduced = (bytes: Uint8Array): boolean => {
  if (bytes.length !== 32) return false
  for (let at = 31; at >= 0; at--) {
    const difference = (bytes[at] as number) - (ORDER[at] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** The even one of a reduced number and its negative, in place. */
export const evenOf = (reduced: Uint8Array): Uint8Array => {
  if (((reduced[0] as number) & 1) === 0) return reduced
  let borrow = 0
  for (let at = 0; at < 32; at++) {
    borrow += (ORDER[at] as number) - (reduced[at] as number)
    reduced[at] = borrow
    borrow >>= 8
  }
  return reduced
}
