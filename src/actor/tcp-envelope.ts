/**
 * What travels inside the segments of a link: messages about calls.
 *
 * | kind | from | fields |
 * |---|---|---|
 * | 0 Request | initiator | call id, call, payload |
 * | 1 Success | responder | call id, value; the end of a stream |
 * | 2 Failure | responder | call id, declared error |
 * | 3 Refusal | responder | call id, reason |
 * | 4 Items | responder | call id, values |
 * | 5 Credit | initiator | call id, number of items consumed |
 * | 6 Cancel | initiator | call id |
 *
 * Each is a MessagePack list, behind its length as u32. Messages follow each other as one stream of bytes that is cut into commands as it comes:
 * a long message spans several, several short ones share one.
 *
 * Contract: `decodeEnvelope` never throws. `MessageAssembler` refuses a length above its limit when it reads it, and holds no more than has arrived.
 * Knows nothing of: schemas, links.
 * Source: effect-notes.md §2, §3 (binary fields pass through; streams are acknowledged); departures: a protocol of our own, not that of @effect/rpc,
 * whose server neither bounds calls nor survives a dying socket.
 *
 * @module
 */
import { zeroed } from "../bytes/allocate.ts"
import { packPlain, unpackPlain } from "./tcp-msgpack.ts"

/** Why a call was not answered: the reasons of `ActorUnavailable`, and the responder's own limit. */
export const REFUSALS = ["not-serving", "closed", "crashed", "unknown-call", "timed-out"] as const
export type Refusal = typeof REFUSALS[number]

export type FromInitiator =
  | { readonly _tag: "Request"; readonly id: number; readonly call: string; readonly payload: unknown }
  | { readonly _tag: "Credit"; readonly id: number; readonly count: number }
  | { readonly _tag: "Cancel"; readonly id: number }

export type FromResponder =
  | { readonly _tag: "Success"; readonly id: number; readonly value: unknown }
  | { readonly _tag: "Failure"; readonly id: number; readonly error: unknown }
  | { readonly _tag: "Refusal"; readonly id: number; readonly reason: Refusal }
  | { readonly _tag: "Items"; readonly id: number; readonly values: ReadonlyArray<unknown> }

export type Envelope = FromInitiator | FromResponder

const KINDS = ["Request", "Success", "Failure", "Refusal", "Items", "Credit", "Cancel"] as const
const LENGTH_BYTES = 4

const fieldsOf = (envelope: Envelope): ReadonlyArray<unknown> => {
  switch (envelope._tag) {
    case "Request": return [envelope.call, envelope.payload]
    case "Success": return [envelope.value]
    case "Failure": return [envelope.error]
    case "Refusal": return [REFUSALS.indexOf(envelope.reason)]
    case "Items": return [envelope.values]
    case "Credit": return [envelope.count]
    case "Cancel": return []
  }
}

/** Length and message. Throws when a field is not plain. */
export const encodeEnvelope = (envelope: Envelope): Uint8Array => {
  const bytes = packPlain([KINDS.indexOf(envelope._tag), envelope.id, ...fieldsOf(envelope)], LENGTH_BYTES)
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, bytes.length - LENGTH_BYTES)
  return bytes
}

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0

/** The message in `bytes` (without its length), or `undefined`. */
export const decodeEnvelope = (bytes: Uint8Array): Envelope | undefined => {
  const list = unpackPlain(bytes)?.value
  if (!Array.isArray(list)) return undefined
  const [kind, id, first, second] = list as ReadonlyArray<unknown>
  if (!isCount(kind) || !isCount(id)) return undefined
  const shaped = (fieldCount: number): boolean => list.length === 2 + fieldCount
  switch (KINDS[kind]) {
    case "Request": return shaped(2) && typeof first === "string" ? { _tag: "Request", id, call: first, payload: second } : undefined
    case "Success": return shaped(1) ? { _tag: "Success", id, value: first } : undefined
    case "Failure": return shaped(1) ? { _tag: "Failure", id, error: first } : undefined
    case "Refusal": {
      const reason = isCount(first) ? REFUSALS[first] : undefined
      return shaped(1) && reason !== undefined ? { _tag: "Refusal", id, reason } : undefined
    }
    case "Items": return shaped(1) && Array.isArray(first) ? { _tag: "Items", id, values: first } : undefined
    case "Credit": return shaped(1) && isCount(first) ? { _tag: "Credit", id, count: first } : undefined
    case "Cancel": return shaped(0) ? { _tag: "Cancel", id } : undefined
    case undefined: return undefined
  }
}

/** Puts messages together from the bodies of segments. */
export class MessageAssembler {
  readonly #limitBytes: number
  readonly #head = new Uint8Array(LENGTH_BYTES)
  #headFilled = 0
  #pieces: Array<Uint8Array> = []
  #missing = 0
  #length = 0

  /** @param limitBytes  longest message that is accepted */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Bytes held of a message that has not arrived in full. */
  get heldBytes(): number {
    return this.#length - this.#missing
  }

  /**
   * Messages that are complete now, each in memory of its own; `undefined` when one claims to be too long or empty.
   * @param body  must not change until the last message that it begins is complete
   */
  push(body: Uint8Array): ReadonlyArray<Uint8Array> | undefined {
    const messages: Array<Uint8Array> = []
    let offset = 0
    while (offset < body.length) {
      if (this.#headFilled < LENGTH_BYTES) {
        this.#head[this.#headFilled++] = body[offset++] as number
        if (this.#headFilled < LENGTH_BYTES) continue
        this.#length = new DataView(this.#head.buffer).getUint32(0)
        this.#missing = this.#length
        if (this.#length > this.#limitBytes || this.#length === 0) return undefined
        continue
      }
      const piece = body.subarray(offset, offset + this.#missing)
      this.#pieces.push(piece)
      this.#missing -= piece.length
      offset += piece.length
      if (this.#missing === 0) messages.push(this.#finish())
    }
    return messages
  }

  #finish(): Uint8Array {
    const message = zeroed(this.#length)
    let at = 0
    for (const piece of this.#pieces) {
      message.set(piece, at)
      at += piece.length
    }
    this.#pieces = []
    this.#headFilled = 0
    this.#length = 0
    return message
  }
}

/** Messages that wait to be cut into commands; bounded in bytes. */
export class Outgoing {
  readonly #limitBytes: number
  #messages: Array<Uint8Array> = []
  #next = 0
  #cut = 0
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** False when the queue is full and the message is dropped. Small messages that must not be lost go in beyond the limit with `always`. */
  offer(message: Uint8Array, always = false): boolean {
    if (!always && this.#bytes + message.length > this.#limitBytes) return false
    this.#messages.push(message)
    this.#bytes += message.length
    return true
  }

  /** The next body of at most `bodyBytes`, or nothing. */
  take(bodyBytes: number): Uint8Array | undefined {
    if (this.#bytes === 0) return undefined
    const body = zeroed(Math.min(bodyBytes, this.#bytes))
    let filled = 0
    while (filled < body.length) {
      const message = this.#messages[this.#next] as Uint8Array
      const piece = message.subarray(this.#cut, this.#cut + body.length - filled)
      body.set(piece, filled)
      filled += piece.length
      this.#cut += piece.length
      if (this.#cut === message.length) this.#advance()
    }
    this.#bytes -= body.length
    return body
  }

  clear(): void {
    this.#messages = []
    this.#next = 0
    this.#cut = 0
    this.#bytes = 0
  }

  #advance(): void {
    this.#next += 1
    this.#cut = 0
    if (this.#next < 64 && this.#next < this.#messages.length) return
    this.#messages = this.#messages.slice(this.#next)
    this.#next = 0
  }
}
