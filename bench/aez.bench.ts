/**
 * How much faster is the backend's AEZ than the TypeScript version with tables?
 *
 * Contract: one row per length, `aez/decipher/<bytes>`: one deciphering with a fresh key and IV, key set-up and fresh memory for the result included. The
 * floor is the table version on the same input. The lengths are the payloads of the default packets of 2 000 and 30 000 bytes.
 * Knows nothing of: packets.
 * Source: sphinx.md §5; departures: none.
 *
 * @module
 */
import { sprpDecipher } from "../src/crypto/aez.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { seededEntropy } from "../src/crypto/entropy.ts"
import { compare, type Bench, type BenchOptions, type BenchRow, type Operation } from "./harness.ts"

const LENGTHS = [2606, 30606]
const INPUT_COUNT = 8
const SMALL_INPUT_COUNT = 2

interface Input {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly data: Uint8Array
}

/** Deciphers input number `inputIndex`; the result is the last word, which depends on every byte. */
const operation = (decipher: CryptoBackend["sprpDecipher"], inputs: ReadonlyArray<Input>): Operation => (inputIndex) => {
  const { data, iv, key } = inputs[inputIndex] as Input
  const deciphered = decipher(key, iv, data)
  return new DataView(deciphered.buffer, deciphered.byteOffset).getUint32(deciphered.length - 4)
}

const run = ({ crypto, small }: BenchOptions): Promise<ReadonlyArray<BenchRow>> => {
  const inputCount = small ? SMALL_INPUT_COUNT : INPUT_COUNT
  const rows = LENGTHS.map((byteCount) => {
    const id = `aez/decipher/${byteCount}`
    const entropy = seededEntropy("bench", id)
    const inputs = Array.from({ length: inputCount }, (): Input => ({ key: entropy(48), iv: entropy(16), data: entropy(byteCount) }))
    return compare({ id, candidate: operation(crypto.sprpDecipher, inputs), floor: operation(sprpDecipher, inputs), inputCount, small })
  })
  return Promise.resolve(rows)
}

export const aezBench: Bench = {
  name: "aez",
  question: "What does deciphering a payload cost, in units of the TypeScript version with tables?",
  run
}
