/**
 * The trace of a run as one hash, so that two runs can be told to be the same without keeping either.
 *
 * Contract: the SHA-256 of one record for each message that crosses a link (request, reply, item, failure) and one for each thing that a faulty link does
 * to a message, in their order. A record holds instant, from, to, call, direction and the whole message: every field by name, whatever its type, and of
 * every byte string its length and a digest of 128 bits. Records and values delimit themselves, so different traces have different encodings. All numbers
 * are little-endian; instants and delays are doubles in milliseconds.
 *
 *   message  kind 1 (0 request, 1 reply, 2 item) ‖ instant 8 ‖ from ‖ to ‖ call ‖ value
 *   fault    kind 1 (3) ‖ direction 1 ‖ what 1 (0 lost, 1 delayed, 2 doubled, 3 damaged) ‖ instant 8 ‖ delay 8 ‖ from ‖ to ‖ call ‖ value
 *   name     number 4, as names appear; a new one: ff ff ff ff ‖ length 4 ‖ UTF-8
 *   value    tag 1 (see `TAG`) ‖ what the tag asks for
 *
 * The fault record of a message that was damaged holds what became of it; all others hold the message as it set out.
 * Knows nothing of: networks, what messages mean.
 * Source: the list (instant, from, to, size, digest of the bytes; and fields without bytes besides); departures: none.
 *
 * @module
 */
import { utf8 } from "../bytes/concat.ts"
import { runningSha256 } from "../crypto/running-hash.ts"
import { digest53, state } from "../crypto/word-hash.ts"
import type { LinkFaultEvent } from "./link-fate.ts"

/** One message on its way, as the tap sees it. */
export interface Crossing {
  readonly from: string
  readonly to: string
  readonly call: string
  readonly direction: "request" | "reply" | "item"
  readonly message: unknown
}

/** Told every byte string of a message in the order of fields, with a whole number below 2^53 that names it. */
export type BytesListener = (bytes: Uint8Array, digest: number) => void

const BUFFER_BYTES = 65_536
/** Most that is written between two looks at the room that is left. */
const ROOM_BYTES = 64
/** Bounds the walk through a message, which may be any value; as the tap's. */
const DEPTH_LIMIT = 16
const NEW_NAME = 0xffff_ffff

const DIRECTIONS = { request: 0, reply: 1, item: 2 } as const
const FAULT = 3
const WHATS = { lost: 0, delayed: 1, doubled: 2, damaged: 3 } as const

/** `list`, `set`, `map` and `object` are followed by a count of 4 bytes and their parts; `object` by the name of its `_tag` before that. */
const TAG = {
  nothing: 0, null: 1, false: 2, true: 3, number: 4, text: 5, integer: 6, bytes: 7, view: 8, list: 9, set: 10, map: 11, object: 12, deep: 13, other: 14
} as const

/** A buffer in front of the hash. */
class Sink {
  readonly #hash = runningSha256()
  readonly #buffer = new Uint8Array(BUFFER_BYTES)
  readonly #view = new DataView(this.#buffer.buffer)
  #at = 0

  /** Makes room for a few fixed fields. */
  reserve(): void {
    if (this.#at > BUFFER_BYTES - ROOM_BYTES) this.#flush()
  }

  u8(value: number): void {
    this.#buffer[this.#at++] = value
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  /** Length and UTF-8 of a text of any length. */
  text(value: string): void {
    const bytes = utf8(value)
    this.u32(bytes.length)
    this.#flush()
    this.#hash.update(bytes)
  }

  finish(): string {
    this.#flush()
    return this.#hash.finish()
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#at))
    this.#at = 0
  }
}

const tagOf = (value: object): string => {
  const tag: unknown = "_tag" in value ? value._tag : undefined
  return typeof tag === "string" ? tag : ""
}

const ignore: BytesListener = () => undefined

export class Trace {
  readonly #sink = new Sink()
  readonly #names = new Map<string, number>()
  #listen = ignore
  #messageCount = 0
  #faultCount = 0

  /** Messages that crossed so far. */
  get messageCount(): number {
    return this.#messageCount
  }

  /** What faulty links did so far. */
  get faultCount(): number {
    return this.#faultCount
  }

  /** A message crossed. @param listen  told its byte strings: digests are made once for trace and observers */
  message(instantMs: number, { call, direction, from, message, to }: Crossing, listen: BytesListener = ignore): void {
    this.#messageCount += 1
    this.#listen = listen
    const sink = this.#sink
    sink.reserve()
    sink.u8(DIRECTIONS[direction])
    sink.f64(instantMs)
    this.#route(from, to, call)
    this.#value(message, 0)
    this.#listen = ignore
  }

  /** A faulty link did something to a message. */
  fault(instantMs: number, { call, delayMs, direction, from, message, to, what }: LinkFaultEvent): void {
    this.#faultCount += 1
    const sink = this.#sink
    sink.reserve()
    sink.u8(FAULT)
    sink.u8(DIRECTIONS[direction])
    sink.u8(WHATS[what])
    sink.f64(instantMs)
    sink.f64(delayMs)
    this.#route(from, to, call)
    this.#value(message, 0)
  }

  /** Ends the trace. @returns 64 hex digits */
  finish(): string {
    return this.#sink.finish()
  }

  #route(from: string, to: string, call: string): void {
    this.#name(from)
    this.#name(to)
    this.#name(call)
  }

  #name(name: string): void {
    const known = this.#names.get(name)
    this.#sink.reserve()
    if (known !== undefined) return this.#sink.u32(known)
    this.#names.set(name, this.#names.size)
    this.#sink.u32(NEW_NAME)
    this.#sink.text(name)
  }

  #value(value: unknown, depth: number): void {
    const sink = this.#sink
    sink.reserve()
    switch (typeof value) {
      case "object": return value === null ? sink.u8(TAG.null) : this.#object(value, depth)
      case "undefined": return sink.u8(TAG.nothing)
      case "boolean": return sink.u8(value ? TAG.true : TAG.false)
      case "number":
        sink.u8(TAG.number)
        return sink.f64(value)
      case "string":
        sink.u8(TAG.text)
        return sink.text(value)
      case "bigint":
        sink.u8(TAG.integer)
        return sink.text(value.toString())
      default: return sink.u8(TAG.other)
    }
  }

  #object(value: object, depth: number): void {
    const sink = this.#sink
    if (depth > DEPTH_LIMIT) return sink.u8(TAG.deep)
    if (value instanceof Uint8Array) {
      sink.u8(TAG.bytes)
      return this.#listen(value, this.#bytes(value))
    }
    if (ArrayBuffer.isView(value)) {
      sink.u8(TAG.view)
      this.#bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
      return
    }
    if (Array.isArray(value)) return this.#parts(TAG.list, value, value.length, depth)
    if (value instanceof Set) return this.#parts(TAG.set, value, value.size, depth)
    if (value instanceof Map) return this.#parts(TAG.map, [...value].flat(), value.size, depth)
    const fields = Object.keys(value)
    sink.u8(TAG.object)
    this.#name(tagOf(value))
    sink.reserve()
    sink.u32(fields.length)
    for (const field of fields) {
      this.#name(field)
      this.#value((value as Readonly<Record<string, unknown>>)[field], depth + 1)
    }
  }

  #parts(tag: number, parts: Iterable<unknown>, count: number, depth: number): void {
    this.#sink.u8(tag)
    this.#sink.u32(count)
    for (const part of parts) this.#value(part, depth + 1)
  }

  /** Length and digest of a byte string. @returns the digest's name of 53 bits */
  #bytes(bytes: Uint8Array): number {
    const sink = this.#sink
    const digest = digest53(bytes)
    sink.u32(bytes.length)
    for (let word = 0; word < 4; word++) sink.u32(state[word] as number)
    return digest
  }
}
