/**
 * POLYVAL, the universal hash of AES-GCM-SIV, on 32-bit words with a table of 256 multiples of the key.
 *
 * A block is a polynomial over GF(2), bit i of the little-endian number being the coefficient of x^i, modulo x^128 + x^127 + x^126 + x^121 + 1.
 * dot(A, H) = A·H·x^-128 is computed byte by byte from the low end: Z becomes (Z + byte·H)·x^-8 sixteen times.
 *
 * Contract: `parts` are hashed in order, each padded with zeros to whole blocks; the length block is the caller's.
 * Not constant time: the table is indexed by data that the key masks.
 * Source: RFC 8452 §3; departures: none.
 *
 * @module
 */

/** r·x^-8 for the eight bits r that leave at the low end; only the top word is touched. */
const REDUCTION = new Int32Array(256)
for (let r = 0; r < 256; r++) {
  let top = 0
  // x^-k = x^(128-k) + x^(127-k) + x^(126-k) + x^(121-k); bit i of r stands for x^(i-8)
  for (let i = 0; i < 8; i++) if ((r & (1 << i)) !== 0) top ^= (1 << (24 + i)) ^ (1 << (23 + i)) ^ (1 << (22 + i)) ^ (1 << (17 + i))
  REDUCTION[r] = top
}

const table = new Int32Array(1024)

/** Fills `table` with b·H, four words for each byte b. */
const fillTable = (key: Uint8Array): void => {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  let h0 = view.getInt32(0, true)
  let h1 = view.getInt32(4, true)
  let h2 = view.getInt32(8, true)
  let h3 = view.getInt32(12, true)
  for (let size = 1; size < 256; size *= 2) {
    for (let b = 0; b < size; b++) {
      const from = 4 * b
      const to = 4 * (b + size)
      table[to] = (table[from] as number) ^ h0
      table[to + 1] = (table[from + 1] as number) ^ h1
      table[to + 2] = (table[from + 2] as number) ^ h2
      table[to + 3] = (table[from + 3] as number) ^ h3
    }
    const carry = h3 >> 31
    h3 = ((h3 << 1) | (h2 >>> 31)) ^ (carry & 0xc2000000)
    h2 = (h2 << 1) | (h1 >>> 31)
    h1 = (h1 << 1) | (h0 >>> 31)
    h0 = (h0 << 1) ^ (carry & 1)
  }
}

const state = new Int32Array(4)

/** Absorbs one part, the last block padded with zeros. */
const absorb = (part: Uint8Array): void => {
  let z0 = state[0] as number
  let z1 = state[1] as number
  let z2 = state[2] as number
  let z3 = state[3] as number
  for (let at = 0; at < part.length; at += 16) {
    const a0 = z0
    const a1 = z1
    const a2 = z2
    const a3 = z3
    z0 = z1 = z2 = z3 = 0
    for (let i = 0; i < 16; i++) {
      const word = i < 4 ? a0 : i < 8 ? a1 : i < 12 ? a2 : a3
      const index = at + i
      const byte = ((word >>> (8 * (i & 3))) ^ (index < part.length ? (part[index] as number) : 0)) & 255
      const row = 4 * byte
      z0 ^= table[row] as number
      z1 ^= table[row + 1] as number
      z2 ^= table[row + 2] as number
      z3 ^= table[row + 3] as number
      const out = z0 & 255
      z0 = (z0 >>> 8) | (z1 << 24)
      z1 = (z1 >>> 8) | (z2 << 24)
      z2 = (z2 >>> 8) | (z3 << 24)
      z3 = (z3 >>> 8) ^ (REDUCTION[out] as number)
    }
  }
  state[0] = z0
  state[1] = z1
  state[2] = z2
  state[3] = z3
}

/**
 * @param key  16 bytes
 * @returns 16 bytes
 */
export const polyval = (key: Uint8Array, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (key.length !== 16) throw new RangeError("a POLYVAL key is 16 bytes")
  fillTable(key)
  for (const part of parts) absorb(part)
  const hash = new Uint8Array(16)
  const view = new DataView(hash.buffer)
  for (let i = 0; i < 4; i++) view.setInt32(4 * i, state[i] as number, true)
  state.fill(0)
  table.fill(0)
  return hash
}
