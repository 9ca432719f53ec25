/**
 * Writes one structure of known length.
 *
 * Contract: writing past the announced length, or finishing before it is filled, is a mistake of ours and dies.
 * Knows nothing of: any particular structure. All integers are big-endian unless the method says otherwise.
 * Source: style.md §2.3; departures: none.
 *
 * @module
 */
import { zeroed } from "./allocate.ts"

export class ByteWriter {
  readonly #bytes: Uint8Array
  #offset = 0

  /** @param target  the length, or zeros of that length to write into */
  constructor(target: number | Uint8Array) {
    this.#bytes = typeof target === "number" ? zeroed(target) : target
  }

  u8(value: number): this {
    this.#bytes[this.#advance(1)] = value
    return this
  }

  u16(value: number): this {
    this.#number(this.#advance(2), 2, value)
    return this
  }

  u32(value: number): this {
    this.#number(this.#advance(4), 4, value)
    return this
  }

  u64(value: bigint | number): this {
    this.#view(this.#advance(8)).setBigUint64(0, BigInt(value))
    return this
  }

  u64le(value: bigint): this {
    this.#view(this.#advance(8)).setBigUint64(0, value, true)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#advance(value.length))
    return this
  }

  zeros(byteLength: number): this {
    this.#advance(byteLength)
    return this
  }

  /** Zeros up to the announced length. */
  zeroFill(): this {
    this.#offset = this.#bytes.length
    return this
  }

  finish(): Uint8Array {
    if (this.#offset !== this.#bytes.length) throw new RangeError(`structure is ${this.#bytes.length} bytes, ${this.#offset} written`)
    return this.#bytes
  }

  /** For the few who write eight bytes at once: a view costs more than most structures. */
  #view(at: number): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8)
  }

  #number(at: number, byteLength: number, value: number): void {
    for (let i = 0; i < byteLength; i++) this.#bytes[at + i] = value >>> (8 * (byteLength - 1 - i))
  }

  #advance(byteLength: number): number {
    const at = this.#offset
    this.#offset += byteLength
    if (this.#offset > this.#bytes.length) throw new RangeError(`structure of ${this.#bytes.length} bytes overflows`)
    return at
  }
}
