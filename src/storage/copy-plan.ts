/**
 * A copy put together: destination boxes sealed in envelopes, and the envelopes cut into the boxes of a fresh temporary stream.
 *
 * Contract: pure, and finished before anything is sent, so that it can be kept first: writing a kept plan again writes the same boxes. Every
 * destination box has its own envelope, with fresh keys and intermediates, under the replica epoch of the document; its sender lets the courier know how
 * each went and keeps nothing that opens the answers. Bounded as the courier's decoder is.
 * Knows nothing of: sessions, couriers, what is in a box.
 * Source: pigeonhole.md §5.5, §3.3; departures: envelopes bear the consent of outer-code.ts.
 *
 * @module
 */
import { Data, Either } from "effect"
import { sealBox } from "../bacap/box.ts"
import type { MessageBoxIndex } from "../bacap/box-index.ts"
import { newWriteCap, type WriteCap } from "../bacap/capability.ts"
import { ByteReader } from "../bytes/reader.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { COPY_LIMIT_COUNT, copyStreamEncoder } from "../pigeonhole/copy-stream.ts"
import type { PigeonholeGeometry } from "../pigeonhole/geometry.ts"
import type { Pick } from "../pigeonhole/intermediate.ts"
import { padTo } from "../pigeonhole/padding.ts"
import type { Document } from "../pki/document.ts"
import { sealQuery } from "./sealed-query.ts"
import { StorageError } from "./storage-error.ts"

/** One box to be written by the courier. */
export interface CopyDestination {
  readonly writeCap: WriteCap
  readonly index: MessageBoxIndex
  /** At most M bytes. */
  readonly plaintext: Uint8Array
}

/** What is to be written and then commanded. Holds a secret: whoever has the temporary cap reads all envelopes and may write the stream. */
export interface CopyPlan {
  readonly temporary: WriteCap
  /** The plaintext of each box of the temporary stream, each at most M bytes. */
  readonly elements: ReadonlyArray<Uint8Array>
  readonly envelopeCount: number
}

/** `nothing-to-copy`, or `too-large`: more boxes than a courier takes in one copy. */
export class CopyImpossible extends Data.TaggedError("CopyImpossible")<{ readonly reason: "nothing-to-copy" | "too-large" }> {}

export interface PlanCopyOptions {
  readonly crypto: CryptoBackend
  readonly geometry: PigeonholeGeometry
  readonly document: Document
  readonly entropy: Entropy
  /** In the order in which they are to be written. */
  readonly destinations: ReadonlyArray<CopyDestination>
}

const QUERY_TYPE_BYTES = 1
const TWO_32 = 2 ** 32

/** Uniform numbers without bias, by rejection. */
const pickFrom = (entropy: Entropy): Pick => (choiceCount) => {
  const limit = TWO_32 - (TWO_32 % choiceCount)
  for (;;) {
    const number = new ByteReader("random bits", entropy(4)).u32()
    if (number < limit) return number % choiceCount
  }
}

/** The envelope of one destination. */
const sealDestination = (
  { crypto, document, entropy, geometry }: PlanCopyOptions, { index, plaintext, writeCap }: CopyDestination
): Either.Either<Uint8Array, StorageError> =>
  Either.gen(function* () {
    const padded = yield* Either.mapLeft(padTo(plaintext, geometry.paddedPlaintextBytes), () => new StorageError({ reason: "plaintext-too-long" }))
    const { boxId, ciphertext, signature } = sealBox(crypto, writeCap, index, padded)
    const message = { _tag: "Write", boxId, signature, payload: ciphertext } as const
    const query = yield* Either.mapLeft(
      sealQuery({ crypto, geometry, document, boxId, message, entropy, pick: pickFrom(entropy), outcomeToCourier: true }),
      ({ reason }) => new StorageError({ reason })
    )
    zeroize(query.senderPrivateKey)
    return query.queryBytes.slice(QUERY_TYPE_BYTES)
  })

/**
 * Plans a copy.
 * @errors CopyImpossible; StorageError as for a write, before anything is sent
 * @cost for each destination: sealing a box, and one MKEM encapsulation to two
 */
export const planCopy = (options: PlanCopyOptions): Either.Either<CopyPlan, CopyImpossible | StorageError> =>
  Either.gen(function* () {
    const { crypto, destinations, entropy, geometry } = options
    if (destinations.length === 0) return yield* Either.left(new CopyImpossible({ reason: "nothing-to-copy" }))
    if (destinations.length > COPY_LIMIT_COUNT || geometry.copyElementDataBytes < 1) return yield* Either.left(new CopyImpossible({ reason: "too-large" }))
    const encoder = copyStreamEncoder(geometry)
    const elements: Array<Uint8Array> = []
    for (const destination of destinations) elements.push(...encoder.add(yield* sealDestination(options, destination)))
    elements.push(...encoder.finish())
    if (elements.length > COPY_LIMIT_COUNT) return yield* Either.left(new CopyImpossible({ reason: "too-large" }))
    return { temporary: newWriteCap(crypto, entropy), elements, envelopeCount: destinations.length }
  })
