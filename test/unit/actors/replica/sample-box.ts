/**
 * Boxes, keys and a geometry for the tests of the replica.
 *
 * @module
 */
import { Either } from "effect"
import type { MessageBoxIndex } from "../../../../src/bacap/box-index.ts"
import { nextIndex } from "../../../../src/bacap/box-index.ts"
import { sealBox, sealTombstone, type SealedBox } from "../../../../src/bacap/box.ts"
import { newWriteCap, type WriteCap } from "../../../../src/bacap/capability.ts"
import { seededEntropy, type Entropy } from "../../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../../src/crypto/select-backend.ts"
import { pigeonholeGeometryForPlaintext } from "../../../../src/pigeonhole/geometry.ts"
import { padTo } from "../../../../src/pigeonhole/padding.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"

export const crypto = Either.getOrThrow(selectBackend())
/** Small boxes: 40 bytes of plaintext. */
export const pigeonhole = Either.getOrThrow(pigeonholeGeometryForPlaintext(40, 32))
export const entropyOf = (label: string): Entropy => seededEntropy("replica tests", label)
export const writeCap: WriteCap = newWriteCap(crypto, entropyOf("cap"))

const stored = ({ boxId, ciphertext, signature }: SealedBox): StoredBox => ({ boxId, payload: ciphertext, signature })

/** Index of the `step`-th box of the stream. */
export const indexAt = (step: number): MessageBoxIndex => {
  let index = writeCap.index
  for (let taken = 0; taken < step; taken++) index = Either.getOrThrow(nextIndex(crypto, index))
  return index
}

/** A box with `fill` in every byte of its plaintext. */
export const boxAt = (step: number, fill: number, plaintextBytes = pigeonhole.paddedPlaintextBytes): StoredBox => {
  const plaintext = new Uint8Array(plaintextBytes).fill(fill)
  const padded = plaintextBytes === pigeonhole.paddedPlaintextBytes
    ? Either.getOrThrow(padTo(plaintext.subarray(0, 40), plaintextBytes))
    : plaintext
  return stored(sealBox(crypto, writeCap, indexAt(step), padded))
}

export const tombstoneAt = (step: number): StoredBox => stored(sealTombstone(crypto, writeCap, indexAt(step)))
