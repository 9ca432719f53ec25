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
/** Index of the topmost limb of a number below 2^256. */
const TOP = LIMBS - 1
const RADIX = 2_097_152
const ROUND = 1_048_576
/** 1 / RADIX, exactly: a product is had several times faster than a quotient. */
const PER_RADIX = 2 ** -21
/** L, little-endian. */
const ORDER = Uint8Array.of(
  0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
)

const left = new Float64Array(LIMBS)
const right = new Float64Array(LIMBS)
/** The number being reduced: 24 limbs, some negative on the way. */
const sum = new Float64Array(2 * LIMBS)

const unpack = (bytes: Uint8Array, limbs: Float64Array | Int32Array, limbCount: number): void => {
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
    const carry = Math.floor((value + ROUND) * PER_RADIX)
    sum[limb + 1] = (sum[limb + 1] as number) + carry
    sum[limb] = value - carry * RADIX
  }
}

/** The number when all of its limbs are small; `packSmall` reads it. */
const small = new Int32Array(LIMBS)

/** Adds a small multiple of c, where L is 2^252 + c: as limbs of c, some negative. */
const addC = (count: number): void => {
  small[0] = (small[0] as number) - count * 666_643
  small[1] = (small[1] as number) - count * 470_296
  small[2] = (small[2] as number) - count * 654_183
  small[3] = (small[3] as number) + count * 997_805
  small[4] = (small[4] as number) - count * 136_657
  small[5] = (small[5] as number) + count * 683_901
}

/** Carries into the topmost limb, which alone may be negative then. @returns it */
const carrySmall = (): number => {
  let carry = 0
  for (let limb = 0; limb < TOP; limb++) {
    const value = (small[limb] as number) + carry
    carry = value >> 21
    small[limb] = value & (RADIX - 1)
  }
  const top = (small[TOP] as number) + carry
  small[TOP] = top
  return top
}

/** Brings `small`, not below -2^252 and below 2^256, between 0 and L: takes L away as often as 2^252 goes into it, which may be once too often. */
const reduceSmall = (): void => {
  const count = carrySmall() >> 21
  small[TOP] = (small[TOP] as number) - count * RADIX
  addC(-count)
  if (carrySmall() >= 0) return
  small[TOP] = (small[TOP] as number) + RADIX
  addC(1)
  carrySmall()
}

/** Brings `sum` below L, into `small`. */
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
  for (let limb = 0; limb < LIMBS; limb++) small[limb] = sum[limb] as number
  reduceSmall()
}

const packSmall = (): Uint8Array => {
  const bytes = new Uint8Array(32)
  let held = 0
  let heldBits = 0
  let at = 0
  for (let limb = 0; limb < LIMBS; limb++) {
    held |= (small[limb] as number) << heldBits
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
  if (wide.length === 64) {
    unpack(wide, sum, 2 * LIMBS)
    reduceSum()
  } else {
    unpack(wide, small, LIMBS)
    reduceSmall()
  }
  return packSmall()
}

/** a·b + c modulo L. */
export const multiplyAdd = (a: Uint8Array, b: Uint8Array, c: Uint8Array | undefined): Uint8Array => {
  unpack(a, left, LIMBS)
  unpack(b, right, LIMBS)
  sum.fill(0)
  if (c !== undefined) unpack(c, sum, LIMBS)
  for (let column = 0; column < 2 * LIMBS - 1; column++) {
    let total = sum[column] as number
    for (let i = Math.max(0, column - LIMBS + 1); i <= Math.min(column, LIMBS - 1); i++) total += (left[i] as number) * (right[column - i] as number)
    sum[column] = total
  }
  reduceSum()
  return packSmall()
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
