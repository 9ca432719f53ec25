/**
 * Which boxes belong to which job: the truth that guesses about storage are scored against.
 *
 * Contract: the boxes of a job follow from its upload record, which its owner holds: slot by slot the input's, and release by release the output's. Box ids
 * are lower-case hexadecimal, as in storage events.
 * Knows nothing of: networks, time.
 * Source: funion.md §3 (slot ranges), pigeonhole.md §1.1; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { boxIdOf } from "../../src/bacap/box.ts"
import { decodeWriteCap, readCapOf } from "../../src/bacap/capability.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { slotIndexes } from "../../src/inference/job-capabilities.ts"
import { decodeUploadRecord } from "../../src/inference/upload-record.ts"
import { boxesOfClass } from "../../src/params/size-class.ts"

export interface JobBoxes {
  /** By slot; element 0 is the manifest. */
  readonly input: ReadonlyArray<string>
  /** By release, then by slot. */
  readonly output: ReadonlyArray<ReadonlyArray<string>>
}

/** Ids of the first boxes of a stream. */
const boxIdsOf = (crypto: CryptoBackend, encodedWriteCap: Uint8Array, count: number): ReadonlyArray<string> => {
  const { index, publicKey } = readCapOf(Either.getOrThrow(decodeWriteCap(crypto, encodedWriteCap)))
  const indexes = Either.getOrThrow(slotIndexes(crypto, index, 0, count))
  return indexes.map((each) => toHex(Either.getOrThrow(boxIdOf(crypto, publicKey, each))))
}

/** @param releaseCount  most releases that the job can have */
export const boxesOfJob = (crypto: CryptoBackend, uploadRecord: Uint8Array, releaseCount: number): JobBoxes => {
  const record = Either.getOrThrow(decodeUploadRecord(crypto, uploadRecord))
  const slotCount = boxesOfClass(record.outputClass)
  const output = boxIdsOf(crypto, record.outputWriteCap, releaseCount * slotCount)
  return {
    input: boxIdsOf(crypto, record.inputWriteCap, boxesOfClass(record.inputClass)),
    output: Array.from({ length: releaseCount }, (_, release) => output.slice(release * slotCount, (release + 1) * slotCount))
  }
}
