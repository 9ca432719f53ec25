/**
 * Inputs and outputs of runs as parts of one length.
 *
 * A parcel is u32 length ‖ content ‖ zeros, cut into parts of `PART_BYTES`. Content of an input is a tensor container; of an output
 * u8 0 ‖ container, or u8 1 + index of the failure's reason.
 *
 * Contract: all parcels of one direction and model have the same number of parts, so neither sizes nor numbers of calls depend on what is in them. One
 * content has one parcel, and only that is opened; memory is bounded by the number of parts, which the receiver knows beforehand.
 * Knows nothing of: calls, SQL.
 * Source: pigeonhole.md §8.2 (container); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../../../src/bytes/concat.ts"
import { DecodeError } from "../../../src/bytes/decode-error.ts"
import { ByteReader } from "../../../src/bytes/reader.ts"
import { ByteWriter } from "../../../src/bytes/writer.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { ModelFailed, type ModelFailureCode } from "../../../src/model/model-host.ts"
import { decodeContainer, encodeContainer } from "../../../src/model/tensor-container.ts"
import type { Tensor } from "../../../src/model/tensor.ts"

/** Length of every part: far below the 4 MiB of one message. */
export const PART_BYTES = 65_536
/** Most bytes of one input or output: 1,024 parts. */
export const PARCEL_LIMIT_BYTES = 1 << 26
const LENGTH_BYTES = 4
const OUTCOME_BYTES = 1
const DONE = 0

export type Direction = "input" | "output"

/** Parts of a parcel whose tensor container has at most `containerBytes` bytes. */
export const partsFor = (containerBytes: number): number => Math.ceil((LENGTH_BYTES + OUTCOME_BYTES + containerBytes) / PART_BYTES)

/** H256 over run, direction and content: an output of one run passes for no other's. @param run  16 bytes */
export const parcelHash = (crypto: Pick<CryptoBackend, "blake2b256">, run: Uint8Array, direction: Direction, content: Uint8Array): Uint8Array =>
  crypto.blake2b256(Uint8Array.of(direction === "input" ? 1 : 2), run, content)

/** Part number `part` of a parcel. @param content  fits the parcel */
export const parcelPart = (content: Uint8Array, part: number): Uint8Array => {
  const bytes = new Uint8Array(PART_BYTES)
  const from = part * PART_BYTES - LENGTH_BYTES
  if (part === 0) bytes.set(new ByteWriter(LENGTH_BYTES).u32(content.length).finish())
  bytes.set(content.subarray(Math.max(0, from), Math.min(content.length, from + PART_BYTES)), part === 0 ? LENGTH_BYTES : 0)
  return bytes
}

/** The content of a whole parcel. @errors DecodeError for a length that does not fit or a filler that is not zero */
export const openParcel = (parts: ReadonlyArray<Uint8Array>): Either.Either<Uint8Array, DecodeError> => {
  const reader = new ByteReader("parcel", concatBytes(...parts))
  const content = reader.bytes(reader.u32())
  reader.zeros(reader.remaining, "padding-not-zero")
  return reader.finish(content)
}

/** Puts parts in order, one after the other. */
export class ParcelAssembly {
  readonly #parts: Array<Uint8Array> = []
  readonly #count: number

  constructor(count: number) {
    this.#count = count
  }

  get isWhole(): boolean {
    return this.#parts.length === this.#count
  }

  /** The part that is wanted next. */
  get next(): number {
    return this.#parts.length
  }

  /** The content of the whole parcel. @errors DecodeError */
  get content(): Either.Either<Uint8Array, DecodeError> {
    return openParcel(this.#parts)
  }

  /** Takes the next part; part 0 begins anew, the last part taken may come again. False for any other, or one of another length. */
  add(part: number, bytes: Uint8Array): boolean {
    if (bytes.length !== PART_BYTES || part >= this.#count) return false
    if (part === 0) this.#parts.length = 0
    if (part === this.#parts.length) this.#parts.push(bytes)
    return part === this.#parts.length - 1
  }
}

const CODES: Readonly<Record<ModelFailed["reason"], ModelFailureCode>> = {
  "unknown-model": 4, "invalid-input": 3, runtime: 4, "time-limit": 5, "worker-lost": 4, "queue-full": 4, closed: 4
}
const REASONS = ["unknown-model", "invalid-input", "runtime", "time-limit", "worker-lost", "queue-full", "closed"] as const

/** A failure with the code that goes with its reason. */
export const failed = (reason: ModelFailed["reason"]): ModelFailed => new ModelFailed({ code: CODES[reason], reason })

/** How a run ended. */
export type Outcome = Either.Either<ReadonlyArray<Tensor>, ModelFailed>

/** @errors DecodeError for tensors that no container takes */
export const encodeOutcome = (outcome: Outcome): Either.Either<Uint8Array, DecodeError> => Either.match(outcome, {
  onLeft: ({ reason }) => Either.right(Uint8Array.of(1 + REASONS.indexOf(reason))),
  onRight: (tensors) => Either.map(encodeContainer(tensors), (container) => concatBytes(Uint8Array.of(DONE), container))
})

/** @errors DecodeError for bytes that `encodeOutcome` does not make */
export const decodeOutcome = (content: Uint8Array): Either.Either<Outcome, DecodeError> => {
  const reader = new ByteReader("outcome", content)
  const kind = reader.u8()
  if (!reader.failed && kind === DONE) return Either.map(decodeContainer(reader.rest(), PARCEL_LIMIT_BYTES), Either.right)
  const reason = REASONS[kind - 1]
  reader.require(reason !== undefined, "unknown-type")
  return reader.finish(Either.left(failed(reason ?? "runtime")))
}
