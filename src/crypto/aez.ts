/**
 * AEZ v5, whole: key extraction, AEZ-hash, AEZ-prf, encryption and decryption of any length, and the form that Sphinx uses as its SPRP.
 *
 * Contract: results are fresh memory, inputs are not modified. Decryption answers `undefined` when the authenticator does not match; with
 * tau 0 there is none and decryption never fails.
 * Knows nothing of: packets.
 * Not constant time: the AES tables are indexed by secret bytes. A party that shares the processor's caches with a mix can learn from that.
 * Source: AEZ v5 (CAESAR submission); sphinx.md §5; departures: none.
 *
 * @module
 */
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import {
  aes4, blockBytes, doubleBlock, encryptMinusOne, expandKey, KEY_2I, KEY_I, KEY_J, KEY_L_MULTIPLES, loadBlock, multipleOf, OUT, xorBlock
} from "./aez-block.ts"
import { permuteWide } from "./aez-core.ts"
import { permuteTiny } from "./aez-tiny.ts"
import type { CryptoBackend } from "./backend.ts"

/** What extraction needs of a backend. */
export type AezHashes = Pick<CryptoBackend, "blake2b">

/** The 48-byte key behind a key of any length; a key of 48 bytes is its own. */
export const aezExtract = (crypto: AezHashes, key: Uint8Array): Uint8Array => (key.length === 48 ? key : crypto.blake2b(48, key))

/** Adds E(j, i) of `block` to `sum`; `jMultiple` is j·J, `offset` is 2^ceil(i/8)·I. */
const absorb = (sum: Int32Array, key: Int32Array, jMultiple: Int32Array, offset: Int32Array, i: number, block: Int32Array): void => {
  const l = KEY_L_MULTIPLES + 4 * (i & 7)
  xorBlock(block, 0, jMultiple, 0)
  xorBlock(block, 0, offset, 0)
  xorBlock(block, 0, key, l)
  aes4(key, block[0] as number, block[1] as number, block[2] as number, block[3] as number)
  xorBlock(sum, 0, OUT, 0)
}

const hashBlocks = (key: Int32Array, tauBits: number, strings: ReadonlyArray<Uint8Array>): Int32Array => {
  const sum = new Int32Array(4)
  const block = new Int32Array(4)
  const tau = new Uint8Array(16)
  new DataView(tau.buffer).setUint32(12, tauBits)
  const all = [tau, ...strings]
  for (const [index, string] of all.entries()) {
    const jMultiple = multipleOf(index + 3, key, KEY_J)
    const offset = key.slice(KEY_2I, KEY_2I + 4)
    let at = 0
    for (let i = 1; at + 16 <= string.length; i++, at += 16) {
      loadBlock(block, string, at, 16, false)
      absorb(sum, key, jMultiple, offset, i, block)
      if ((i & 7) === 0) doubleBlock(offset, 0, offset, 0)
    }
    if (at < string.length || string.length === 0) {
      loadBlock(block, string, at, string.length - at, true)
      absorb(sum, key, jMultiple, key.subarray(KEY_I, KEY_I + 4), 0, block)
    }
  }
  return sum
}

const prfBlocks = (key: Int32Array, delta: Int32Array, outputBytes: number): Uint8Array => {
  const output = new Uint8Array(outputBytes)
  const counter = new Uint8Array(16)
  const view = new DataView(counter.buffer)
  const block = new Int32Array(4)
  for (let at = 0, i = 0; at < outputBytes; at += 16, i++) {
    view.setUint32(12, i)
    loadBlock(block, counter, 0, 16, false)
    xorBlock(block, 0, delta, 0)
    encryptMinusOne(key, 3, block)
    output.set(blockBytes(OUT, Math.min(16, outputBytes - at)), at)
  }
  return output
}

const permute = (key: Int32Array, delta: Int32Array, message: Uint8Array, inverse: boolean): Uint8Array =>
  message.length < 32 ? permuteTiny(key, delta, message, inverse) : permuteWide(key, delta, message, inverse)

/**
 * AEZ-hash of the vector (tau, strings…).
 * @param extractedKey  48 bytes
 * @param tauBits  length of the authenticator in **bits**
 * @param strings  nonce, then the strings of associated data
 * @returns 16 bytes
 */
export const aezHash = (extractedKey: Uint8Array, tauBits: number, strings: ReadonlyArray<Uint8Array>): Uint8Array =>
  blockBytes(hashBlocks(expandKey(extractedKey), tauBits, strings))

/** AEZ-prf: `outputBytes` pseudo-random bytes of the block `delta` (16 bytes). */
export const aezPrf = (extractedKey: Uint8Array, delta: Uint8Array, outputBytes: number): Uint8Array => {
  if (delta.length !== 16) throw new RangeError("the tweak of AEZ is one block")
  const block = new Int32Array(4)
  loadBlock(block, delta, 0, 16, false)
  return prfBlocks(expandKey(extractedKey), block, outputBytes)
}

/**
 * Encrypts and authenticates.
 * @param key  any length
 * @param associatedData  any number of strings of any length
 * @param tauBytes  length of the authenticator in **bytes**; the result is that much longer than the message
 */
export const aezEncrypt = (
  crypto: AezHashes, key: Uint8Array, nonce: Uint8Array, associatedData: ReadonlyArray<Uint8Array>, tauBytes: number, message: Uint8Array
): Uint8Array => {
  const expanded = expandKey(aezExtract(crypto, key))
  const delta = hashBlocks(expanded, 8 * tauBytes, [nonce, ...associatedData])
  if (message.length === 0) return prfBlocks(expanded, delta, tauBytes)
  const extended = new Uint8Array(message.length + tauBytes)
  extended.set(message)
  return permute(expanded, delta, extended, false)
}

/** Inverse of `aezEncrypt`; `undefined` when the ciphertext is shorter than tau or was not made by it. */
export const aezDecrypt = (
  crypto: AezHashes, key: Uint8Array, nonce: Uint8Array, associatedData: ReadonlyArray<Uint8Array>, tauBytes: number, ciphertext: Uint8Array
): Uint8Array | undefined => {
  if (ciphertext.length < tauBytes) return undefined
  const expanded = expandKey(aezExtract(crypto, key))
  const delta = hashBlocks(expanded, 8 * tauBytes, [nonce, ...associatedData])
  if (ciphertext.length === tauBytes) {
    return constantTimeEqual(prfBlocks(expanded, delta, tauBytes), ciphertext) ? new Uint8Array(0) : undefined
  }
  const extended = permute(expanded, delta, ciphertext, true)
  const messageBytes = ciphertext.length - tauBytes
  return isAllZero(extended.subarray(messageBytes)) ? extended.slice(0, messageBytes) : undefined
}

/** What `funion doctor` shows where these tables do the work. */
export const TABLES_PROVIDER = "tables, not constant time"

const sprp = (key: Uint8Array, iv: Uint8Array, data: Uint8Array, inverse: boolean): Uint8Array => {
  if (iv.length !== 16) throw new RangeError("the IV of the SPRP is 16 bytes")
  if (data.length < 32) throw new RangeError("the SPRP works on 32 bytes or more")
  const expanded = expandKey(key)
  const permuted = permuteWide(expanded, hashBlocks(expanded, 0, [iv]), data, inverse)
  expanded.fill(0)
  return permuted
}

/** AEZ as Sphinx calls it: key 48 bytes, IV 16, no associated data, tau 0, data of 32 bytes or more. */
export const sprpEncipher = (key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array => sprp(key, iv, data, false)

/** Inverse of `sprpEncipher`. */
export const sprpDecipher = (key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array => sprp(key, iv, data, true)

type SprpInto = (key: Uint8Array, iv: Uint8Array, data: Uint8Array, output: Uint8Array) => void

const into = (inverse: boolean): SprpInto => (key, iv, data, output) => {
  if (output.length !== data.length) throw new RangeError("output must be as long as the data")
  output.set(sprp(key, iv, data, inverse))
}

/** As `sprpEncipher`, into memory of the caller's, which may be that of `data`. */
export const sprpEncipherInto: SprpInto = into(false)

/** As `sprpDecipher`, into memory of the caller's, which may be that of `data`. */
export const sprpDecipherInto: SprpInto = into(true)
