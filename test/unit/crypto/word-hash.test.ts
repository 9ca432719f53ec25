/**
 * The hash that tells byte strings of a simulation apart.
 *
 * Goal: the module computes what its header says, for every length; how the input is cut does not matter; every bit does.
 * Method: a twin in whole numbers; inputs from nothing to more than the memory at the start.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { absorb, absorbOne, digest53, state } from "../../../src/crypto/word-hash.ts"

const MASK = 2n ** 64n - 1n
const ODD = [0x9e3779b97f4a7c15n, 0xbf58476d1ce4e5b9n, 0x94d049bb133111ebn, 0xd6e8feb86659fd93n]
const START = [0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n]
const TURN = [29n, 37n, 31n, 41n]
const at = (list: ReadonlyArray<bigint>, index: number): bigint => list[index & 3]!
const rotl = (x: bigint, bits: bigint): bigint => ((x << bits) | (x >> (64n - bits))) & MASK
const mixed = (x: bigint): bigint => {
  const first = ((x ^ (x >> 33n)) * at(ODD, 1)) & MASK
  const second = ((first ^ (first >> 29n)) * at(ODD, 2)) & MASK
  return second ^ (second >> 32n)
}

/** The header of word-hash-program.ts in whole numbers. */
const twin = (seed: number, input: Uint8Array): bigint => {
  const padded = new Uint8Array(Math.ceil(input.length / 32) * 32)
  padded.set(input)
  const view = new DataView(padded.buffer)
  const begin = BigInt(seed) ^ (BigInt(input.length) << 32n)
  let lanes = START.map((start, index) => ((begin ^ start) * at(ODD, index)) & MASK)
  for (let offset = 0; offset < padded.length; offset += 32) {
    lanes = lanes.map((lane, index) =>
      (rotl(lane ^ view.getBigUint64(offset + 8 * index, true), at(TURN, index)) * at(ODD, index) + at(lanes, index + 3)) & MASK)
  }
  let before = BigInt(input.length)
  const ends = lanes.map((lane) => (before = mixed(lane ^ before)))
  return mixed((at(ends, 0) + at(ends, 3)) & MASK) | (mixed((at(ends, 1) * at(ODD, 0) + at(ends, 2)) & MASK) << 64n)
}

const stateNow = (): bigint => [3, 2, 1, 0].reduce((value, word) => (value << 32n) | BigInt(state[word]! >>> 0), 0n)
const hashOf = (seed: number, input: Uint8Array): bigint => {
  absorbOne(seed, input)
  return stateNow()
}
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => 31 * index + (index >>> 8))

describe("the hash of byte strings", () => {
  it("is what its header says, for every length around whole blocks and beyond the first memory", () => {
    for (const length of [...Array.from({ length: 100 }, (_, index) => index), 3_100, 65_400, 65_472, 65_536, 200_001]) {
      expect(hashOf(7, pattern(length))).toBe(twin(7, pattern(length)))
    }
    expect(hashOf(0xffff_ffff, pattern(5))).toBe(twin(0xffff_ffff, pattern(5)))
  })
  it("takes parts as their concatenation, none included, whatever was hashed before", () => {
    const whole = pattern(5_000)
    absorb(1, [whole.subarray(0, 17), new Uint8Array(0), whole.subarray(17, 4_000), whole.subarray(4_000)])
    expect(stateNow()).toBe(twin(1, whole))
    absorb(1, [])
    expect(stateNow()).toBe(twin(1, new Uint8Array(0)))
  })
  it("depends on every bit, on the length and on the seed", () => {
    const input = pattern(70)
    const seen = new Set([hashOf(1, input), hashOf(2, input), hashOf(1, pattern(71)), hashOf(1, Uint8Array.of(...pattern(71).fill(0, 70)))])
    for (let bit = 0; bit < 8 * input.length; bit++) {
      const changed = input.slice()
      changed[bit >>> 3]! ^= 1 << (bit & 7)
      seen.add(hashOf(1, changed))
    }
    expect(seen.size).toBe(4 + 8 * input.length)
  })
  it("names byte strings by whole numbers that differ", () => {
    const names = new Set(Array.from({ length: 20_000 }, (_, index) => digest53(Uint8Array.of(index, index >>> 8, 0, 0))))
    expect(names.size).toBe(20_000)
    for (const name of names) expect(Number.isSafeInteger(name) && name >= 0).toBe(true)
  })
})
