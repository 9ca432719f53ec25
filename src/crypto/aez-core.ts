/**
 * AEZ-core: the wide block permutation of AEZ v5 for messages of 32 bytes or more.
 *
 * Contract: enciphers or deciphers the given memory in place, length unchanged; any single bit of input changes all of the output. Nothing
 * is allocated per block; scratch blocks of this module are wiped before returning.
 * Knows nothing of: keys longer than 48 bytes, authentication, shorter messages (aez-tiny).
 * Not constant time (aez-block).
 * Source: sphinx.md §5.5; departures: none.
 *
 * @module
 */
import {
  aes4, doubleBlock, encryptMinusOne, encryptZero, KEY_2I, KEY_2J, KEY_I, KEY_J, KEY_L_MULTIPLES, loadBlock, OUT, swapWords, xorBlock, xorBytes
} from "./aez-block.ts"

// Scratch of one call: calls never overlap, this is synchronous code.
const offset = new Int32Array(4)
const checksum = new Int32Array(4)
const x = new Int32Array(4)
const y = new Int32Array(4)
const s = new Int32Array(4)
const piece = new Int32Array(4)

/** Pass 1: (M, M') becomes (W, X) for every pair; the sum of all X is left in `checksum`. */
const passOne = (key: Int32Array, words: Int32Array, pairWords: number): void => {
  const i0 = key[KEY_I] as number
  const i1 = key[KEY_I + 1] as number
  const i2 = key[KEY_I + 2] as number
  const i3 = key[KEY_I + 3] as number
  const j0 = key[KEY_J] as number
  const j1 = key[KEY_J + 1] as number
  const j2 = key[KEY_J + 2] as number
  const j3 = key[KEY_J + 3] as number
  let x0 = 0
  let x1 = 0
  let x2 = 0
  let x3 = 0
  for (let i = 0; i < 4; i++) offset[i] = key[KEY_2I + i] as number
  for (let at = 0, pair = 1; at < pairWords; at += 8, pair++) {
    const l = KEY_L_MULTIPLES + 4 * (pair & 7)
    const m0 = words[at + 4] as number
    const m1 = words[at + 5] as number
    const m2 = words[at + 6] as number
    const m3 = words[at + 7] as number
    aes4(
      key,
      m0 ^ j0 ^ (offset[0] as number) ^ (key[l] as number),
      m1 ^ j1 ^ (offset[1] as number) ^ (key[l + 1] as number),
      m2 ^ j2 ^ (offset[2] as number) ^ (key[l + 2] as number),
      m3 ^ j3 ^ (offset[3] as number) ^ (key[l + 3] as number)
    )
    const w0 = (words[at] as number) ^ (OUT[0] as number)
    const w1 = (words[at + 1] as number) ^ (OUT[1] as number)
    const w2 = (words[at + 2] as number) ^ (OUT[2] as number)
    const w3 = (words[at + 3] as number) ^ (OUT[3] as number)
    words[at] = w0
    words[at + 1] = w1
    words[at + 2] = w2
    words[at + 3] = w3
    aes4(key, w0 ^ i0, w1 ^ i1, w2 ^ i2, w3 ^ i3)
    x0 ^= words[at + 4] = m0 ^ (OUT[0] as number)
    x1 ^= words[at + 5] = m1 ^ (OUT[1] as number)
    x2 ^= words[at + 6] = m2 ^ (OUT[2] as number)
    x3 ^= words[at + 7] = m3 ^ (OUT[3] as number)
    if ((pair & 7) === 0) doubleBlock(offset, 0, offset, 0)
  }
  checksum[0] = x0
  checksum[1] = x1
  checksum[2] = x2
  checksum[3] = x3
}

/** Pass 2: (W, X) becomes (C, C') for every pair, given `s`; the sum of all Y is left in `checksum`. */
const passTwo = (key: Int32Array, words: Int32Array, pairWords: number): void => {
  checksum.fill(0)
  for (let i = 0; i < 4; i++) offset[i] = key[KEY_2I + i] as number
  for (let at = 0, pair = 1; at < pairWords; at += 8, pair++) {
    const l = KEY_L_MULTIPLES + 4 * (pair & 7)
    const o0 = (offset[0] as number) ^ (key[l] as number)
    const o1 = (offset[1] as number) ^ (key[l + 1] as number)
    const o2 = (offset[2] as number) ^ (key[l + 2] as number)
    const o3 = (offset[3] as number) ^ (key[l + 3] as number)
    aes4(
      key,
      (s[0] as number) ^ o0 ^ (key[KEY_2J] as number),
      (s[1] as number) ^ o1 ^ (key[KEY_2J + 1] as number),
      (s[2] as number) ^ o2 ^ (key[KEY_2J + 2] as number),
      (s[3] as number) ^ o3 ^ (key[KEY_2J + 3] as number)
    )
    let y0 = (words[at] as number) ^ (OUT[0] as number)
    let y1 = (words[at + 1] as number) ^ (OUT[1] as number)
    let y2 = (words[at + 2] as number) ^ (OUT[2] as number)
    let y3 = (words[at + 3] as number) ^ (OUT[3] as number)
    const z0 = (words[at + 4] as number) ^ (OUT[0] as number)
    const z1 = (words[at + 5] as number) ^ (OUT[1] as number)
    const z2 = (words[at + 6] as number) ^ (OUT[2] as number)
    const z3 = (words[at + 7] as number) ^ (OUT[3] as number)
    checksum[0] = (checksum[0] as number) ^ y0
    checksum[1] = (checksum[1] as number) ^ y1
    checksum[2] = (checksum[2] as number) ^ y2
    checksum[3] = (checksum[3] as number) ^ y3
    aes4(
      key, z0 ^ (key[KEY_I] as number), z1 ^ (key[KEY_I + 1] as number), z2 ^ (key[KEY_I + 2] as number), z3 ^ (key[KEY_I + 3] as number)
    )
    words[at + 4] = y0 ^= OUT[0] as number
    words[at + 5] = y1 ^= OUT[1] as number
    words[at + 6] = y2 ^= OUT[2] as number
    words[at + 7] = y3 ^= OUT[3] as number
    aes4(
      key,
      y0 ^ o0 ^ (key[KEY_J] as number),
      y1 ^ o1 ^ (key[KEY_J + 1] as number),
      y2 ^ o2 ^ (key[KEY_J + 2] as number),
      y3 ^ o3 ^ (key[KEY_J + 3] as number)
    )
    words[at] = z0 ^ (OUT[0] as number)
    words[at + 1] = z1 ^ (OUT[1] as number)
    words[at + 2] = z2 ^ (OUT[2] as number)
    words[at + 3] = z3 ^ (OUT[3] as number)
    if ((pair & 7) === 0) doubleBlock(offset, 0, offset, 0)
  }
}

/** Adds the blocks of a fragment of 1..31 bytes to `checksum`, the last one padded. */
const absorbFragment = (key: Int32Array, bytes: Uint8Array, at: number, byteCount: number): void => {
  const first = Math.min(byteCount, 16)
  loadBlock(piece, bytes, at, first, true)
  encryptZero(key, 4, piece)
  xorBlock(checksum, 0, OUT, 0)
  if (byteCount < 16) return
  loadBlock(piece, bytes, at + 16, byteCount - 16, true)
  encryptZero(key, 5, piece)
  xorBlock(checksum, 0, OUT, 0)
}

/** XORs a fragment with the keystream that depends on `s`. */
const maskFragment = (key: Int32Array, bytes: Uint8Array, at: number, byteCount: number): void => {
  encryptMinusOne(key, 4, s)
  xorBytes(bytes, at, Math.min(byteCount, 16), OUT)
  if (byteCount <= 16) return
  encryptMinusOne(key, 5, s)
  xorBytes(bytes, at + 16, byteCount - 16, OUT)
}

const storeBlock = (bytes: Uint8Array, at: number, block: Int32Array): void => {
  bytes.fill(0, at, at + 16)
  xorBytes(bytes, at, 16, block)
}

/**
 * Applies the permutation, or its inverse, to a copy of `message`.
 * @param key  expanded key
 * @param delta  tweak block (AEZ-hash of tau, nonce and associated data)
 * @param message  32 bytes or more
 * @returns fresh memory of the same length
 * @cost 20 AES rounds per 32 bytes
 */
export const permuteWide = (key: Int32Array, delta: Int32Array, message: Uint8Array, inverse: boolean): Uint8Array => {
  const byteCount = message.length
  const fragmentBytes = byteCount % 32
  const pairBytes = byteCount - fragmentBytes - 32
  const lastAt = byteCount - 32
  const buffer = new ArrayBuffer(byteCount)
  const bytes = new Uint8Array(buffer)
  const words = new Int32Array(buffer, 0, pairBytes / 4)
  const d = inverse ? 1 : 0
  bytes.set(message)

  swapWords(words)
  passOne(key, words, pairBytes / 4)
  if (fragmentBytes > 0) absorbFragment(key, bytes, pairBytes, fragmentBytes)

  loadBlock(x, bytes, lastAt, 16, false)
  loadBlock(y, bytes, lastAt + 16, 16, false)
  encryptZero(key, 1 + d, y)
  xorBlock(x, 0, delta, 0)
  xorBlock(x, 0, checksum, 0)
  xorBlock(x, 0, OUT, 0)
  encryptMinusOne(key, 1 + d, x)
  xorBlock(y, 0, OUT, 0)
  for (let i = 0; i < 4; i++) s[i] = (x[i] as number) ^ (y[i] as number)

  passTwo(key, words, pairBytes / 4)
  swapWords(words)
  if (fragmentBytes > 0) {
    maskFragment(key, bytes, pairBytes, fragmentBytes)
    absorbFragment(key, bytes, pairBytes, fragmentBytes)
  }

  encryptMinusOne(key, 2 - d, y)
  xorBlock(x, 0, OUT, 0)
  encryptZero(key, 2 - d, x)
  xorBlock(y, 0, delta, 0)
  xorBlock(y, 0, checksum, 0)
  xorBlock(y, 0, OUT, 0)
  storeBlock(bytes, lastAt, y)
  storeBlock(bytes, lastAt + 16, x)
  for (const block of [offset, checksum, x, y, s, piece]) block.fill(0)
  return bytes
}
