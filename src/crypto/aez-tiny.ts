/**
 * AEZ-tiny: the permutation of AEZ v5 for messages of 1 to 31 bytes, a Feistel network over two halves of equal length.
 *
 * The halves of a message with an odd number of bytes end in the middle of a byte, so halves are counted in nibbles here.
 *
 * Contract: length preserving, invertible; never used for Sphinx payloads, which hold 32 bytes or more.
 * Not constant time (aez-block).
 * Source: AEZ v5 (CAESAR submission), AEZ-tiny; departures: none.
 *
 * @module
 */
import { blockBytes, encryptZero, loadBlock, OUT, xorBlock } from "./aez-block.ts"

const nibbleAt = (bytes: Uint8Array, index: number): number =>
  (index & 1) === 0 ? (bytes[index >>> 1] as number) >>> 4 : (bytes[index >>> 1] as number) & 15

/** Nibbles `from` .. `from + count` of `bytes`, moved to the front of a block of 16 bytes of zeros. */
const takeNibbles = (bytes: Uint8Array, from: number, count: number): Uint8Array => {
  const taken = new Uint8Array(16)
  for (let i = 0; i < count; i++) putNibble(taken, i, nibbleAt(bytes, from + i))
  return taken
}

const putNibble = (bytes: Uint8Array, index: number, value: number): void => {
  const at = index >>> 1
  bytes[at] = (bytes[at] as number) | ((index & 1) === 0 ? value << 4 : value)
}

const roundCount = (byteCount: number): number => (byteCount === 1 ? 24 : byteCount === 2 ? 16 : byteCount < 16 ? 10 : 8)

/** E(0, tweak) of `bytes` (16) masked with Δ and a round number. */
const encryptMasked = (key: Int32Array, delta: Int32Array, tweak: number, bytes: Uint8Array, round: number): Uint8Array => {
  const block = new Int32Array(4)
  loadBlock(block, bytes, 0, 16, false)
  xorBlock(block, 0, delta, 0)
  block[3] = (block[3] as number) ^ (round << 24)
  encryptZero(key, tweak, block)
  return blockBytes(OUT)
}

/** The round function: the other half, a 1 bit behind it, through the block function, cut to the half's length. */
const roundOutput = (key: Int32Array, delta: Int32Array, tweak: number, half: Uint8Array, halfNibbles: number, round: number): Uint8Array => {
  const padded = half.slice()
  putNibble(padded, halfNibbles, 8)
  return takeNibbles(encryptMasked(key, delta, tweak, padded, round), 0, halfNibbles)
}

const xorInto = (to: Uint8Array, from: Uint8Array): Uint8Array => {
  for (let i = 0; i < 16; i++) to[i] = (to[i] as number) ^ (from[i] as number)
  return to
}

/** The correction that breaks the even permutation of messages below 16 bytes: flips the first bit, or not. */
const flipFirstBit = (key: Int32Array, delta: Int32Array, message: Uint8Array): void => {
  const block = new Uint8Array(16)
  block.set(message)
  block[0] = (block[0] as number) | 0x80
  const output = encryptMasked(key, delta, 3, block, 0)
  message[0] = (message[0] as number) ^ ((output[0] as number) & 0x80)
}

/** @returns fresh memory of the length of `message`, 1..31 bytes */
export const permuteTiny = (key: Int32Array, delta: Int32Array, message: Uint8Array, inverse: boolean): Uint8Array => {
  const byteCount = message.length
  const rounds = roundCount(byteCount)
  const tweak = byteCount < 16 ? 7 : 6
  const input = message.slice()
  if (inverse && byteCount < 16) flipFirstBit(key, delta, input)
  let left = takeNibbles(input, 0, byteCount)
  let right = takeNibbles(input, byteCount, byteCount)
  for (let i = 0; i < rounds; i++) {
    const round = inverse ? rounds - 1 - i : i
    const next = xorInto(left, roundOutput(key, delta, tweak, right, byteCount, round))
    left = right
    right = next
  }
  const output = new Uint8Array(byteCount)
  for (let i = 0; i < byteCount; i++) {
    putNibble(output, i, nibbleAt(right, i))
    putNibble(output, byteCount + i, nibbleAt(left, i))
  }
  if (!inverse && byteCount < 16) flipFirstBit(key, delta, output)
  return output
}
