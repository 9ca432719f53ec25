/**
 * The trace of a run as one hash, so that two runs can be told to be the same without keeping either.
 *
 * Contract: the SHA-256 of all link events in their order: instant, from, to, call, direction, size, digest of the bytes, each in a fixed form. Costs one
 * record of 40 bytes an event.
 *
 *   offset  length  field
 *   0       8       instant in milliseconds, IEEE 754 double, little-endian
 *   8       8       digest of the bytes, as a double
 *   16      4       size in bytes
 *   20      4       number of `from`; names are numbered as they appear, and a name's own record (offset 0: NaN) precedes its first event
 *   24      4       number of `to`
 *   28      4       number of `call`
 *   32      4       direction: 0 request, 1 reply, 2 item
 *   36      4       zero
 *
 * Knows nothing of: networks.
 * Source: the list; departures: none.
 *
 * @module
 */
import { utf8 } from "../bytes/concat.ts"
import { runningSha256 } from "../crypto/running-hash.ts"
import type { LinkEvent } from "./link-event.ts"

const RECORD_BYTES = 40
const RECORDS = 1_024
const DIRECTIONS = { request: 0, reply: 1, item: 2 } as const

export class Trace {
  readonly #hash = runningSha256()
  readonly #buffer = new Uint8Array(RECORD_BYTES * RECORDS)
  readonly #view = new DataView(this.#buffer.buffer)
  readonly #names = new Map<string, number>()
  #at = 0
  #eventCount = 0

  get eventCount(): number {
    return this.#eventCount
  }

  add(event: LinkEvent): void {
    const from = this.#numberOf(event.from)
    const to = this.#numberOf(event.to)
    const call = this.#numberOf(event.call)
    const view = this.#view
    const at = this.#at
    view.setFloat64(at, event.instantMs, true)
    view.setFloat64(at + 8, event.digest, true)
    view.setUint32(at + 16, event.sizeBytes, true)
    view.setUint32(at + 20, from, true)
    view.setUint32(at + 24, to, true)
    view.setUint32(at + 28, call, true)
    view.setUint32(at + 32, DIRECTIONS[event.direction], true)
    view.setUint32(at + 36, 0, true)
    this.#eventCount += 1
    this.#at = at + RECORD_BYTES
    if (this.#at === this.#buffer.length) this.#flush()
  }

  /** Ends the trace. @returns 64 hex digits */
  finish(): string {
    this.#flush()
    return this.#hash.finish()
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#at))
    this.#at = 0
  }

  #numberOf(name: string): number {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const number = this.#names.size
    this.#names.set(name, number)
    const bytes = utf8(name)
    this.#flush()
    const header = new DataView(new ArrayBuffer(12))
    header.setFloat64(0, Number.NaN, true)
    header.setUint32(8, bytes.length, true)
    this.#hash.update(new Uint8Array(header.buffer))
    this.#hash.update(bytes)
    return number
  }
}
