/**
 * The two block functions of AEZ v5 and its expanded key.
 *
 * A block is four 32-bit words, byte 0 in the low bits of word 0: the memory order of little-endian machines, so that a message needs no
 * conversion there (`swapWords` does it elsewhere).
 *
 * Contract: `aes4` and `aes10` leave their result in `OUT`, which the next call overwrites; they allocate nothing.
 * Knows nothing of: messages, tweaks over associated data.
 * Not constant time: table look-ups depend on keys and data.
 * Source: sphinx.md §5.1–§5.3 (AEZ v5; AES rounds FIPS 197); departures: none.
 *
 * @module
 */

/** Result of the last `aes4` or `aes10`. */
export const OUT = new Int32Array(4)

// One table per row of the state: SubBytes, ShiftRows and MixColumns of one byte in one look-up.
const T0 = new Int32Array(256)
const T1 = new Int32Array(256)
const T2 = new Int32Array(256)
const T3 = new Int32Array(256)

/** Multiplication by x in the field of AES. */
const timesX = (value: number): number => ((value << 1) ^ ((value >>> 7) * 0x11b)) & 0xff

const fillTables = (): void => {
  const powers: Array<number> = []
  const logarithms = new Uint8Array(256)
  for (let i = 0, value = 1; i < 255; i++) {
    powers.push(value)
    logarithms[value] = i
    value ^= timesX(value) // times the generator x + 1
  }
  for (let value = 0; value < 256; value++) {
    const inverse = value === 0 ? 0 : (powers[(255 - (logarithms[value] as number)) % 255] as number)
    const spread = inverse * 0x101 // rotations of a byte become shifts
    const s = (inverse ^ (spread >>> 4) ^ (spread >>> 5) ^ (spread >>> 6) ^ (spread >>> 7) ^ 0x63) & 0xff
    const s2 = timesX(s)
    const s3 = s2 ^ s
    T0[value] = s2 | (s << 8) | (s << 16) | (s3 << 24)
    T1[value] = s3 | (s2 << 8) | (s << 16) | (s << 24)
    T2[value] = s | (s3 << 8) | (s2 << 16) | (s << 24)
    T3[value] = s | (s << 8) | (s3 << 16) | (s2 << 24)
  }
}
fillTables()

/** Four rounds with the keys J, I, L, 0 on the block a b c d; result in `OUT`. */
export const aes4 = (key: Int32Array, a: number, b: number, c: number, d: number): void => {
  let p: number
  let q: number
  let r: number
  let s: number
  p = (T0[a & 255] as number) ^ (T1[(b >>> 8) & 255] as number) ^ (T2[(c >>> 16) & 255] as number) ^ (T3[d >>> 24] as number) ^ (key[4] as number)
  q = (T0[b & 255] as number) ^ (T1[(c >>> 8) & 255] as number) ^ (T2[(d >>> 16) & 255] as number) ^ (T3[a >>> 24] as number) ^ (key[5] as number)
  r = (T0[c & 255] as number) ^ (T1[(d >>> 8) & 255] as number) ^ (T2[(a >>> 16) & 255] as number) ^ (T3[b >>> 24] as number) ^ (key[6] as number)
  s = (T0[d & 255] as number) ^ (T1[(a >>> 8) & 255] as number) ^ (T2[(b >>> 16) & 255] as number) ^ (T3[c >>> 24] as number) ^ (key[7] as number)
  a = (T0[p & 255] as number) ^ (T1[(q >>> 8) & 255] as number) ^ (T2[(r >>> 16) & 255] as number) ^ (T3[s >>> 24] as number) ^ (key[0] as number)
  b = (T0[q & 255] as number) ^ (T1[(r >>> 8) & 255] as number) ^ (T2[(s >>> 16) & 255] as number) ^ (T3[p >>> 24] as number) ^ (key[1] as number)
  c = (T0[r & 255] as number) ^ (T1[(s >>> 8) & 255] as number) ^ (T2[(p >>> 16) & 255] as number) ^ (T3[q >>> 24] as number) ^ (key[2] as number)
  d = (T0[s & 255] as number) ^ (T1[(p >>> 8) & 255] as number) ^ (T2[(q >>> 16) & 255] as number) ^ (T3[r >>> 24] as number) ^ (key[3] as number)
  p = (T0[a & 255] as number) ^ (T1[(b >>> 8) & 255] as number) ^ (T2[(c >>> 16) & 255] as number) ^ (T3[d >>> 24] as number) ^ (key[8] as number)
  q = (T0[b & 255] as number) ^ (T1[(c >>> 8) & 255] as number) ^ (T2[(d >>> 16) & 255] as number) ^ (T3[a >>> 24] as number) ^ (key[9] as number)
  r = (T0[c & 255] as number) ^ (T1[(d >>> 8) & 255] as number) ^ (T2[(a >>> 16) & 255] as number) ^ (T3[b >>> 24] as number) ^ (key[10] as number)
  s = (T0[d & 255] as number) ^ (T1[(a >>> 8) & 255] as number) ^ (T2[(b >>> 16) & 255] as number) ^ (T3[c >>> 24] as number) ^ (key[11] as number)
  OUT[0] = (T0[p & 255] as number) ^ (T1[(q >>> 8) & 255] as number) ^ (T2[(r >>> 16) & 255] as number) ^ (T3[s >>> 24] as number)
  OUT[1] = (T0[q & 255] as number) ^ (T1[(r >>> 8) & 255] as number) ^ (T2[(s >>> 16) & 255] as number) ^ (T3[p >>> 24] as number)
  OUT[2] = (T0[r & 255] as number) ^ (T1[(s >>> 8) & 255] as number) ^ (T2[(p >>> 16) & 255] as number) ^ (T3[q >>> 24] as number)
  OUT[3] = (T0[s & 255] as number) ^ (T1[(p >>> 8) & 255] as number) ^ (T2[(q >>> 16) & 255] as number) ^ (T3[r >>> 24] as number)
}

/** Ten rounds with the keys I, J, L, I, J, L, I, J, L, I; result in `OUT`. */
export const aes10 = (key: Int32Array, a: number, b: number, c: number, d: number): void => {
  let p: number
  let q: number
  let r: number
  let s: number
  for (let round = 0, at = KEY_I; round < 10; round++, at = at === KEY_L ? KEY_I : at + 4) {
    p = (T0[a & 255] as number) ^ (T1[(b >>> 8) & 255] as number) ^ (T2[(c >>> 16) & 255] as number) ^ (T3[d >>> 24] as number) ^ (key[at] as number)
    q = (T0[b & 255] as number) ^ (T1[(c >>> 8) & 255] as number) ^ (T2[(d >>> 16) & 255] as number) ^ (T3[a >>> 24] as number) ^ (key[at + 1] as number)
    r = (T0[c & 255] as number) ^ (T1[(d >>> 8) & 255] as number) ^ (T2[(a >>> 16) & 255] as number) ^ (T3[b >>> 24] as number) ^ (key[at + 2] as number)
    s = (T0[d & 255] as number) ^ (T1[(a >>> 8) & 255] as number) ^ (T2[(b >>> 16) & 255] as number) ^ (T3[c >>> 24] as number) ^ (key[at + 3] as number)
    a = p
    b = q
    c = r
    d = s
  }
  OUT[0] = a
  OUT[1] = b
  OUT[2] = c
  OUT[3] = d
}

// Where the parts of an expanded key stand, in words. The first three are the round keys.
export const KEY_I = 0
export const KEY_J = 4
export const KEY_L = 8
export const KEY_2I = 12
export const KEY_2J = 16
/** 0·L, 1·L, … 7·L, four words each. */
export const KEY_L_MULTIPLES = 20
const KEY_WORDS = 52

const swap = (word: number): number => (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)

const BIG_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 0

/** Turns words as they stand in memory into words with byte 0 lowest, and back; nothing to do on a little-endian machine. */
export const swapWords = (words: Int32Array): void => {
  if (BIG_ENDIAN) for (let i = 0; i < words.length; i++) words[i] = swap(words[i] as number)
}

/** Doubles in GF(2^128), blocks read as big-endian numbers: `to[toAt..]` = 2 · `from[fromAt..]`. */
export const doubleBlock = (to: Int32Array, toAt: number, from: Int32Array, fromAt: number): void => {
  const a = swap(from[fromAt] as number)
  const b = swap(from[fromAt + 1] as number)
  const c = swap(from[fromAt + 2] as number)
  const d = swap(from[fromAt + 3] as number)
  to[toAt] = swap((a << 1) | (b >>> 31))
  to[toAt + 1] = swap((b << 1) | (c >>> 31))
  to[toAt + 2] = swap((c << 1) | (d >>> 31))
  to[toAt + 3] = swap((d << 1) ^ ((a >> 31) & 0x87))
}

/** `to[toAt..]` ^= `from[fromAt..]`, one block. */
export const xorBlock = (to: Int32Array, toAt: number, from: Int32Array, fromAt: number): void => {
  for (let i = 0; i < 4; i++) to[toAt + i] = (to[toAt + i] as number) ^ (from[fromAt + i] as number)
}

/** `factor` · the block at `key[at..]`, as a fresh block. */
export const multipleOf = (factor: number, key: Int32Array, at: number): Int32Array => {
  const product = new Int32Array(4)
  const power = key.slice(at, at + 4)
  for (let rest = factor; rest > 0; rest >>>= 1) {
    if ((rest & 1) === 1) xorBlock(product, 0, power, 0)
    doubleBlock(power, 0, power, 0)
  }
  return product
}

/** Loads up to 16 bytes as a block; a shorter piece is followed by one 1 bit and zeros when `pad` is set, else by zeros. */
export const loadBlock = (block: Int32Array, bytes: Uint8Array, at: number, byteCount: number, pad: boolean): void => {
  block.fill(0)
  for (let i = 0; i < byteCount; i++) block[i >>> 2] = (block[i >>> 2] as number) | ((bytes[at + i] as number) << (8 * (i & 3)))
  if (pad && byteCount < 16) block[byteCount >>> 2] = (block[byteCount >>> 2] as number) | (0x80 << (8 * (byteCount & 3)))
}

/** XORs the first bytes of a block into `bytes`. */
export const xorBytes = (bytes: Uint8Array, at: number, byteCount: number, block: Int32Array): void => {
  for (let i = 0; i < byteCount; i++) bytes[at + i] = (bytes[at + i] as number) ^ ((block[i >>> 2] as number) >>> (8 * (i & 3)))
}

/** The first bytes of a block as fresh memory. */
export const blockBytes = (block: Int32Array, byteCount = 16): Uint8Array => {
  const bytes = new Uint8Array(byteCount)
  xorBytes(bytes, 0, byteCount, block)
  return bytes
}

/** Expands an extracted key of 48 bytes. */
export const expandKey = (extracted: Uint8Array): Int32Array => {
  if (extracted.length !== 48) throw new RangeError("an extracted AEZ key is 48 bytes")
  const key = new Int32Array(KEY_WORDS)
  for (let i = 0; i < 48; i++) key[i >>> 2] = (key[i >>> 2] as number) | ((extracted[i] as number) << (8 * (i & 3)))
  doubleBlock(key, KEY_2I, key, KEY_I)
  doubleBlock(key, KEY_2J, key, KEY_J)
  for (let k = 1; k < 8; k++) {
    const at = KEY_L_MULTIPLES + 4 * k
    if (k > 1) doubleBlock(key, at, key, KEY_L_MULTIPLES + 4 * (k >>> 1))
    if ((k & 1) === 1) xorBlock(key, at, key, KEY_L)
  }
  return key
}

/** E(0, i) for i in 1..7: AES4 of the block masked with 2·I and i·L; result in `OUT`. */
export const encryptZero = (key: Int32Array, i: number, block: Int32Array): void => {
  const l = KEY_L_MULTIPLES + 4 * i
  aes4(
    key,
    (block[0] as number) ^ (key[KEY_2I] as number) ^ (key[l] as number),
    (block[1] as number) ^ (key[KEY_2I + 1] as number) ^ (key[l + 1] as number),
    (block[2] as number) ^ (key[KEY_2I + 2] as number) ^ (key[l + 2] as number),
    (block[3] as number) ^ (key[KEY_2I + 3] as number) ^ (key[l + 3] as number)
  )
}

/** E(-1, i) for i in 0..7: AES10 of the block masked with i·L; result in `OUT`. */
export const encryptMinusOne = (key: Int32Array, i: number, block: Int32Array): void => {
  const l = KEY_L_MULTIPLES + 4 * i
  aes10(
    key,
    (block[0] as number) ^ (key[l] as number),
    (block[1] as number) ^ (key[l + 1] as number),
    (block[2] as number) ^ (key[l + 2] as number),
    (block[3] as number) ^ (key[l + 3] as number)
  )
}
