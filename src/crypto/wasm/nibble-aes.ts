/**
 * AES rounds for machines that have a byte permutation but no AES: the tables of 16 entries, computed from the fields' definitions.
 *
 * A byte x of GF(2^8) is written over GF(2^4) as x = k + i·w with w² = a·w + a, and stored as the two nibbles i, k ("coordinates"). With j = i + k,
 *
 *     p = 1/(1/i + a/k) + j = n/(k + a·i)        q = 1/(1/j + a/k) + i = n/(k + a·j)        n = k² + a·i·k + a·i²
 *
 * so that 1/x, whose coordinates are (k + a·i)/n and i/n, is a linear function of 1/p and 1/q: every step is an addition or a look-up by nibble.
 * 1/0 is written 0x80, which stays above 15 in every sum that follows; look-ups give 0 for it, and 0 is the inverse of 0 as AES wants it.
 * The whole state stays in coordinates from round to round. The rows are not shifted: they are left where they are, and what follows
 * reads them there, so that after r rounds the state is the true one with ShiftRows undone r times.
 *
 * Contract: constants only. Bytes count as in FIPS 197: byte i is in row i mod 4, column i div 4.
 * Knows nothing of: WebAssembly, AEZ.
 * Source: M. Hamburg, Accelerating AES with Vector Permute Instructions (CHES 2009); FIPS 197; departures: the bases are found by search.
 *
 * @module
 */

const multiply = (a: number, b: number): number => {
  let product = 0
  for (let multiple = a, rest = b; rest > 0; rest >>>= 1) {
    if ((rest & 1) === 1) product ^= multiple
    multiple = (multiple << 1) ^ ((multiple >>> 7) * 0x11b)
  }
  return product
}

const power = (base: number, exponent: number): number =>
  exponent === 0 ? 1 : multiply((exponent & 1) === 1 ? base : 1, power(multiply(base, base), exponent >>> 1))
const inverse = (value: number): number => power(value, 254)
const at = (table: ReadonlyArray<number>, index: number): number => table[index] as number
const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

/** The elements of GF(2^4) by nibble: sums of the first powers of an element of order 15. */
const SMALL_BASIS = range(4).map((exponent) => power(power(3, 17), exponent))
const SMALL_FIELD = range(16).map((nibble) => SMALL_BASIS.reduce((sum, element, bit) => sum ^ (((nibble >>> bit) & 1) * element), 0))
const nibbleOf = (element: number): number => SMALL_FIELD.indexOf(element)

/** The a that belongs to a w: w² / (w + 1). */
const coefficientOf = (w: number): number => multiply(multiply(w, w), inverse(w ^ 1))
const W = range(256).find((w) => !SMALL_FIELD.includes(w) && SMALL_FIELD.includes(coefficientOf(w))) ?? 0
const A = coefficientOf(W)

const FROM_COORDINATES = range(256).map((byte) => at(SMALL_FIELD, byte & 15) ^ multiply(at(SMALL_FIELD, byte >>> 4), W))

/** The coordinates i·16 + k of a byte. */
export const toCoordinates = (byte: number): number => FROM_COORDINATES.indexOf(byte)

const INFINITY = 0x80
const quotients = (dividend: number): ReadonlyArray<number> =>
  SMALL_FIELD.map((element) => (element === 0 ? INFINITY : nibbleOf(multiply(dividend, inverse(element)))))

/** SubBytes after the inversion, without its constant. */
const affine = (byte: number): number => {
  const twice = byte * 0x101
  return (byte ^ (twice >>> 4) ^ (twice >>> 5) ^ (twice >>> 6) ^ (twice >>> 7)) & 0xff
}

/** By p or q: `factor` · what 1/p or 1/q, times `share`, adds to the S-box; in coordinates. p and q are never 0. */
const outputs = (share: number, factor: number): ReadonlyArray<number> =>
  SMALL_FIELD.map((element) => toCoordinates(multiply(factor, affine(multiply(inverse(element), share)))))

const A_INVERSE = inverse(A)
const A_INVERSE_SQUARED = multiply(A_INVERSE, A_INVERSE)
const SHARE_P = 1 ^ multiply(W, A_INVERSE ^ A_INVERSE_SQUARED)
const SHARE_Q = multiply(W, A_INVERSE_SQUARED)

/** Look-ups by nibble. */
export const NIBBLE_TABLES = {
  /** Into coordinates: by the low and the high nibble of a byte. */
  enterLow: range(16).map(toCoordinates),
  enterHigh: range(16).map((nibble) => toCoordinates(nibble << 4)),
  /** Out of coordinates, likewise. */
  leaveLow: FROM_COORDINATES.slice(0, 16),
  leaveHigh: range(16).map((nibble) => at(FROM_COORDINATES, nibble << 4)),
  /** 1/x and a/x. */
  invert: quotients(1),
  divide: quotients(A),
  /** S-box without its constant: by p, by q; and twice that. */
  subByP: outputs(SHARE_P, 1),
  subByQ: outputs(SHARE_Q, 1),
  doubleByP: outputs(SHARE_P, 2),
  doubleByQ: outputs(SHARE_Q, 2)
} as const

/** The S-box's constant in coordinates; MixColumns maps a column of equal bytes to itself, so that it can be added with the round key. */
export const SUB_CONSTANT = toCoordinates(0x63)

/** A permutation of the bytes of a block: byte i of the result is byte `p[i]` of the argument. */
export type Permutation = ReadonlyArray<number>

const after = (second: Permutation, first: Permutation): Permutation => second.map((index) => at(first, index))
const repeated = (permutation: Permutation, count: number): Permutation =>
  count === 0 ? range(16) : after(permutation, repeated(permutation, count - 1))

const SHIFT_ROWS: Permutation = range(16).map((i) => (i + 4 * (i % 4)) % 16)
const NEXT_ROW: Permutation = range(16).map((i) => (i & ~3) | ((i + 1) & 3))

/** ShiftRows `count` times; four times is nothing. */
export const shiftRows = (count: number): Permutation => repeated(SHIFT_ROWS, count % 4)
export const unshiftRows = (count: number): Permutation => shiftRows(4 - (count % 4))

/** Each byte's place takes the byte `rows` rows below it in its column, in a state whose rows wait for `shifts` ShiftRows. */
export const rotateColumns = (rows: number, shifts: number): Permutation =>
  after(unshiftRows(shifts), after(repeated(NEXT_ROW, rows), shiftRows(shifts)))
