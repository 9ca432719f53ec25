/**
 * The copy stream: envelopes cut into the boxes of a temporary stream, and put together again by the courier.
 *
 * CopyStreamElement: u8 flags (bit 0 start, bit 1 final) ‖ u32 length ‖ data. The data of all elements is a sequence of
 * BE32(n) ‖ CourierEnvelope (n bytes); envelope borders do not fall on element borders.
 *
 * Contract: every element but the last holds exactly M − 5 data bytes, and the last holds at least one. The decoder bounds everything by the
 * geometry: element, envelope, number of elements, number of envelopes; after a refusal it refuses everything.
 * Knows nothing of: boxes, who dispatches the envelopes.
 * Source: pigeonhole.md §3.3, §5.4; departures: a stray start flag, data after the final element, unknown flags and a cut-off last envelope
 * are refused.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import { DecodeError, type DecodeReason } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { decodeEnvelope, type CourierEnvelope } from "./envelope.ts"
import type { PigeonholeGeometry } from "./geometry.ts"
import { decodeExact, readSized, type MessageCodec } from "./message.ts"

/** Most boxes, and most envelopes, in one copy. */
export const COPY_LIMIT_COUNT = 2 ** 16

const START = 1
const FINAL = 2
const PREFIX_BYTES = 4

export interface CopyStreamElement {
  readonly start: boolean
  readonly final: boolean
  readonly data: Uint8Array
}

export const copyStreamElementCodec: MessageCodec<CopyStreamElement> = {
  name: "CopyStreamElement",
  encode: (element) =>
    new ByteWriter(1 + PREFIX_BYTES + element.data.length)
      .u8((element.start ? START : 0) | (element.final ? FINAL : 0))
      .u32(element.data.length).bytes(element.data).finish(),
  read: (reader) => {
    const flags = reader.u8()
    reader.require(flags <= (START | FINAL), "reserved-not-zero")
    return { start: (flags & START) !== 0, final: (flags & FINAL) !== 0, data: readSized(reader) }
  }
}

export const encodeCopyStreamElement = copyStreamElementCodec.encode
/** Nothing but one element. @errors DecodeError */
export const decodeCopyStreamElement = (bytes: Uint8Array) => decodeExact(copyStreamElementCodec, bytes)

/** Cuts envelopes into elements as they come; local state of one writer. */
export interface CopyStreamEncoder {
  /** Takes one serialised envelope; returns the elements that are full now. */
  readonly add: (envelope: Uint8Array) => ReadonlyArray<Uint8Array>
  /** Ends the stream: the last element. */
  readonly finish: () => ReadonlyArray<Uint8Array>
}

export const copyStreamEncoder = (geometry: PigeonholeGeometry): CopyStreamEncoder => {
  const dataBytes = geometry.copyElementDataBytes
  if (dataBytes < 1) throw new RangeError("boxes are too small for a copy stream")
  let pending: Uint8Array = new Uint8Array(0)
  let started = false
  const emit = (data: Uint8Array, final: boolean): Uint8Array => {
    const element = encodeCopyStreamElement({ start: !started, final, data })
    started = true
    return element
  }
  return {
    add: (envelope) => {
      const all = concatBytes(pending, new ByteWriter(PREFIX_BYTES).u32(envelope.length).finish(), envelope)
      const elements: Array<Uint8Array> = []
      let offset = 0
      for (; all.length - offset > dataBytes; offset += dataBytes) elements.push(emit(all.subarray(offset, offset + dataBytes), false))
      pending = all.slice(offset)
      return elements
    },
    finish: () => {
      const last = emit(pending, true)
      pending = new Uint8Array(0)
      return [last]
    }
  }
}

/** All elements of a copy of serialised envelopes. */
export const encodeCopyStream = (geometry: PigeonholeGeometry, envelopes: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  const encoder = copyStreamEncoder(geometry)
  return [...envelopes.flatMap((envelope) => encoder.add(envelope)), ...encoder.finish()]
}

/** One envelope of a copy: as received, and parsed. */
export interface CopiedEnvelope {
  readonly bytes: Uint8Array
  readonly envelope: CourierEnvelope
}

export interface CopyStreamProgress {
  /** Envelopes that this element completed, in order. */
  readonly completed: ReadonlyArray<CopiedEnvelope>
  /** True after the final element. */
  readonly ended: boolean
}

/** Puts envelopes together as elements come; local state of one copy job. */
export interface CopyStreamDecoder {
  /** @errors DecodeError; the decoder is of no use afterwards */
  readonly push: (element: Uint8Array) => Either.Either<CopyStreamProgress, DecodeError>
}

/** Takes the next whole envelope off the head of `pending`: the bytes it occupies with its prefix, or undefined when more data must come. */
const nextEnvelope = (pending: Uint8Array, limitBytes: number): Either.Either<Uint8Array | undefined, DecodeReason> => {
  if (pending.length < PREFIX_BYTES) return Either.right(undefined)
  const envelopeBytes = new ByteReader("copy stream", pending).u32()
  if (envelopeBytes > limitBytes) return Either.left("out-of-range")
  const end = PREFIX_BYTES + envelopeBytes
  return Either.right(pending.length < end ? undefined : pending.slice(PREFIX_BYTES, end))
}

/** Cuts all whole envelopes off the head of `pending`. */
const cutEnvelopes = (pending: Uint8Array, limitBytes: number) =>
  Either.gen(function* () {
    const completed: Array<CopiedEnvelope> = []
    let rest = pending
    for (;;) {
      const bytes = yield* Either.mapLeft(nextEnvelope(rest, limitBytes), (reason) => new DecodeError({ what: "copy stream", reason }))
      if (bytes === undefined) return { completed, rest: rest.slice() }
      completed.push({ bytes, envelope: yield* decodeEnvelope(bytes) })
      rest = rest.subarray(PREFIX_BYTES + bytes.length)
    }
  })

export const copyStreamDecoder = (geometry: PigeonholeGeometry): CopyStreamDecoder => {
  let pending: Uint8Array = new Uint8Array(0)
  let elementCount = 0
  let envelopeCount = 0
  let closed = false
  const step = (bytes: Uint8Array) =>
    Either.gen(function* () {
      const refuse = (reason: DecodeReason) => Either.left(new DecodeError({ what: "copy stream", reason }))
      if (closed) return yield* refuse("inconsistent")
      if (bytes.length > geometry.maxPlaintextBytes || elementCount >= COPY_LIMIT_COUNT) return yield* refuse("out-of-range")
      const element = yield* decodeCopyStreamElement(bytes)
      if (element.start !== (elementCount === 0)) return yield* refuse("inconsistent")
      const cut = yield* cutEnvelopes(concatBytes(pending, element.data), geometry.userPayloadBytes)
      elementCount += 1
      envelopeCount += cut.completed.length
      pending = cut.rest
      if (envelopeCount > COPY_LIMIT_COUNT) return yield* refuse("out-of-range")
      if (element.final && pending.length > 0) return yield* refuse("truncated")
      closed = element.final
      return { completed: cut.completed, ended: element.final }
    })
  return {
    push: (bytes) => {
      const outcome = step(bytes)
      if (Either.isLeft(outcome)) closed = true
      return outcome
    }
  }
}
