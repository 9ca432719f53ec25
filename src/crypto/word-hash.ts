/**
 * A fast hash without any secrecy: four lanes of 32 bits over little-endian words, for telling byte strings of a simulation apart.
 *
 * Contract: deterministic, the same on every machine. Whatever single bit of the input changes changes the state; for unrelated inputs equal states are as
 * unlikely as for random ones (128 bits), but somebody who looks for equal states finds them. Not to be used where anybody could gain by one.
 * Knows nothing of: what the bytes mean.
 * Source: none (multiply, rotate, add neighbours; MurmurHash3's finalizer); departures: none.
 *
 * @module
 */

/** Grows to the longest input. */
let scratch = new Uint8Array(8_192)
let words = new Int32Array(scratch.buffer)

const reserve = (byteCount: number): void => {
  if (byteCount <= scratch.length) return
  const grown = new Uint8Array(2 ** Math.ceil(Math.log2(byteCount)))
  grown.set(scratch)
  scratch = grown
  words = new Int32Array(scratch.buffer)
}

/** The state after the last `absorb`: valid until the next one. */
export const state = new Int32Array(4)

const mixed = (word: number): number => {
  let x = word ^ (word >>> 16)
  x = Math.imul(x, 0x85ebca6b)
  x ^= x >>> 13
  x = Math.imul(x, 0xc2b2ae35)
  return x ^ (x >>> 16)
}

/** Hashes the first `byteCount` bytes of the scratch memory, zeros behind them up to a whole block included. */
const hashScratch = (seed: number, byteCount: number): void => {
  const end = (byteCount + 15) & ~15
  scratch.fill(0, byteCount, end)
  let a = seed ^ 0x9e3779b9
  let b = Math.imul(seed, 0x7feb352d) ^ 0x3c6ef372
  let c = seed ^ 0xdaa66d2b
  let d = Math.imul(byteCount, 0x2c1b3c6d) ^ 0x78dde6e4
  for (let at = 0; at < end >>> 2; at += 4) {
    const oldD = d
    d = (Math.imul(d ^ (words[at + 3] as number), 0x297a2d39) + c) | 0
    d = (d << 11) | (d >>> 21)
    c = (Math.imul(c ^ (words[at + 2] as number), 0x165667b1) + b) | 0
    c = (c << 19) | (c >>> 13)
    b = (Math.imul(b ^ (words[at + 1] as number), 0x27d4eb2f) + a) | 0
    b = (b << 15) | (b >>> 17)
    a = (Math.imul(a ^ (words[at] as number), 0x2545f491) + oldD) | 0
    a = (a << 13) | (a >>> 19)
  }
  a = mixed(a ^ byteCount)
  b = mixed(b ^ a)
  c = mixed(c ^ b)
  d = mixed(d ^ c)
  state[0] = mixed(a + d)
  state[1] = mixed(b + Math.imul(a, 5))
  state[2] = mixed(c + Math.imul(b, 9))
  state[3] = d
}

/** Hashes the concatenation of the parts into `state`. @param seed  different seeds are different hashes */
export const absorb = (seed: number, parts: ReadonlyArray<Uint8Array>): void => {
  let byteCount = 0
  for (const part of parts) {
    reserve(byteCount + part.length + 16)
    scratch.set(part, byteCount)
    byteCount += part.length
  }
  hashScratch(seed, byteCount)
}

/** As `absorb`, for one part. */
export const absorbOne = (seed: number, part: Uint8Array): void => {
  reserve(part.length + 16)
  scratch.set(part)
  hashScratch(seed, part.length)
}

/** Writes bytes that follow from `state` and `counter` into `output`, as many as it has. */
export const squeezeInto = (output: Uint8Array, counter = 0): void => {
  let a = (state[0] as number) ^ counter
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  for (let at = 0; at < output.length; at += 4) {
    // xoshiro128++, as a stream of words
    const sum = (a + d) | 0
    const word = (((sum << 7) | (sum >>> 25)) + a) | 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    output[at] = word
    output[at + 1] = word >>> 8
    output[at + 2] = word >>> 16
    output[at + 3] = word >>> 24
  }
}

/** XORs the stream that `squeezeInto` writes into `target`. */
export const maskWithState = (target: Uint8Array): void => {
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  for (let at = 0; at < target.length; at += 4) {
    const sum = (a + d) | 0
    const word = (((sum << 7) | (sum >>> 25)) + a) | 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    target[at] = (target[at] as number) ^ word
    target[at + 1] = (target[at + 1] as number) ^ (word >>> 8)
    target[at + 2] = (target[at + 2] as number) ^ (word >>> 16)
    target[at + 3] = (target[at + 3] as number) ^ (word >>> 24)
  }
}

/** 53 bits of the hash of one byte string, as a whole number: a name for its content. */
export const digest53 = (bytes: Uint8Array): number => {
  absorbOne(0x64696765, bytes)
  return ((state[0] as number) >>> 0) + ((state[1] as number) & 0x1fffff) * 4_294_967_296
}
