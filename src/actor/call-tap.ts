/**
 * What an observer of a mount sees: who called whom when, and every message that crossed.
 *
 * Contract: events come in the order in which messages cross; messages and their byte strings are the actors' own memory and must not be written to.
 * A tap that is not there costs nothing. `bytes` is not among an event's own fields: a copy by spreading lacks it.
 * Knows nothing of: what the bytes mean.
 * Source: issue "One anonymous inference" (the memory mount takes an optional tap); departures: none.
 *
 * @module
 */

export interface TapEvent {
  readonly from: string
  readonly to: string
  readonly call: string
  /** `reply` is the one answer of a call, success or declared failure, or the failure that ends a stream; `item` one item of a stream. */
  readonly direction: "request" | "reply" | "item"
  readonly message: unknown
  /** Every byte string in it, in the order of fields as the sender wrote them; found when asked for. */
  readonly bytes: ReadonlyArray<Uint8Array>
  /** Milliseconds since the Unix epoch, by the Effect clock. */
  readonly instantMs: number
}

/** Called synchronously; must not throw. */
export type Tap = (event: TapEvent) => void

/** Bounds the walk through a message, which may be any value. */
const DEPTH_LIMIT = 16

const collect = (value: unknown, into: Array<Uint8Array>, depth: number): void => {
  if (typeof value !== "object" || value === null || depth > DEPTH_LIMIT) return
  if (value instanceof Uint8Array) {
    into.push(value)
    return
  }
  const parts: Iterable<unknown> = Array.isArray(value) || value instanceof Set
    ? value
    : value instanceof Map ? [...value].flat() : Object.values(value)
  for (const part of parts) collect(part, into, depth + 1)
}

/** Every byte string inside a message, depth first in the order of fields. */
export const bytesIn = (message: unknown): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  collect(message, found, 0)
  return found
}

/** What a tap is told of one crossing; its byte strings are looked for when somebody asks. */
export class CrossingEvent implements TapEvent {
  readonly from: string
  readonly to: string
  readonly call: string
  readonly direction: TapEvent["direction"]
  readonly message: unknown
  readonly instantMs: number

  constructor(from: string, to: string, call: string, direction: TapEvent["direction"], message: unknown, instantMs: number) {
    this.from = from
    this.to = to
    this.call = call
    this.direction = direction
    this.message = message
    this.instantMs = instantMs
  }

  get bytes(): ReadonlyArray<Uint8Array> {
    return bytesIn(this.message)
  }
}
