/**
 * The capabilities of one job: two fresh, independent streams, and the box of each of their slots.
 *
 * Contract: slot s of a stream is the box at the cap's own index plus s. Streams are never reused: every job draws a jobId and both caps anew.
 * Knows nothing of: what the slots hold, the network. Caps are secrets: nothing here prints them.
 * Source: funion.md §2, §3 (slot ranges), pigeonhole.md §1.1, §8.1; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { nextIndex, type IndexExhausted, type MessageBoxIndex } from "../bacap/box-index.ts"
import type { BoxId } from "../bacap/box-id.ts"
import { boxIdOf, type BoxRefused } from "../bacap/box.ts"
import { decodeReadCap, decodeWriteCap, newWriteCap, readCapOf, type ReadCap, type WriteCap } from "../bacap/capability.ts"
import type { DecodeError } from "../bytes/decode-error.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { JOB_ID_BYTES, JobId, type Dispatch } from "./dispatch.ts"

const COUNTER_MAX = 0xffff_ffff_ffff_ffffn

/** What the client draws for a job before anything else happens. */
export interface JobCapabilities {
  readonly jobId: JobId
  /** W_in: stays with the client */
  readonly inputWriteCap: WriteCap
  /** R_in: goes to the service */
  readonly inputReadCap: ReadCap
  /** W_out: goes to the service */
  readonly outputWriteCap: WriteCap
  /** R_out: stays with the client, or goes to the receiver in a ticket */
  readonly outputReadCap: ReadCap
}

/** @param entropy  asked for 32 bytes jobId, then twice for what a write cap needs: W_in, W_out */
export const newJobCapabilities = (crypto: CryptoBackend, entropy: Entropy): JobCapabilities => {
  const jobId = JobId.unsafe(entropy(JOB_ID_BYTES).slice())
  const inputWriteCap = newWriteCap(crypto, entropy)
  const outputWriteCap = newWriteCap(crypto, entropy)
  return { jobId, inputWriteCap, inputReadCap: readCapOf(inputWriteCap), outputWriteCap, outputReadCap: readCapOf(outputWriteCap) }
}

/** The two caps that a dispatch carries. */
export interface DispatchedCapabilities {
  readonly inputReadCap: ReadCap
  readonly outputWriteCap: WriteCap
}

/** @errors DecodeError for a cap that is none (pigeonhole.md §1.1); the service answers with reason 1 */
export const decodeDispatchedCapabilities = (
  crypto: CryptoBackend,
  dispatch: Pick<Dispatch, "inputReadCap" | "outputWriteCap">
): Either.Either<DispatchedCapabilities, DecodeError> =>
  Either.all({
    inputReadCap: decodeReadCap(crypto, dispatch.inputReadCap),
    outputWriteCap: decodeWriteCap(crypto, dispatch.outputWriteCap)
  })

/** True when the stream has boxes for slots 0 … slotCount − 1. */
export const streamHasRoom = (index: MessageBoxIndex, slotCount: number): boolean =>
  slotCount === 0 || index.counter + BigInt(slotCount - 1) <= COUNTER_MAX

/**
 * Index of every slot first … first + count − 1.
 * @param index  the cap's own index, slot 0
 * @errors IndexExhausted
 * @cost one HKDF per slot from slot 0 on
 */
export const slotIndexes = (
  crypto: CryptoBackend,
  index: MessageBoxIndex,
  firstSlot: number,
  slotCount: number
): Either.Either<ReadonlyArray<MessageBoxIndex>, IndexExhausted> => {
  const indexes: Array<MessageBoxIndex> = []
  let at = index
  for (let slot = 0; slot < firstSlot + slotCount; slot++) {
    if (slot >= firstSlot) indexes.push(at)
    if (slot + 1 === firstSlot + slotCount) break
    const next = nextIndex(crypto, at)
    if (Either.isLeft(next)) return Either.left(next.left)
    at = next.right
  }
  return Either.right(indexes)
}

/**
 * Ids of the boxes of those slots.
 * @errors IndexExhausted; BoxRefused for a root key that is none
 * @cost one HKDF per slot from slot 0 on, one scalar multiplication per id
 */
export const slotBoxIds = (
  crypto: CryptoBackend,
  { index, publicKey }: Pick<ReadCap, "index" | "publicKey">,
  firstSlot: number,
  slotCount: number
): Either.Either<ReadonlyArray<BoxId>, IndexExhausted | BoxRefused> =>
  Either.flatMap(slotIndexes(crypto, index, firstSlot, slotCount), (indexes) => Either.all(indexes.map((each) => boxIdOf(crypto, publicKey, each))))
