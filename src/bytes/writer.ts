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
  readonly #view: DataView
  #offset = 0

  constructor(byteLength: number) {
    this.#bytes = zeroed(byteLength)
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, byteLength)
  }

  u8(value: number): this {
    this.#view.setUint8(this.#advance(1), value)
    return this
  }

  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), value)
    return this
  }

  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), value)
    return this
  }

  u64(value: bigint | number): this {
    this.#view.setBigUint64(this.#advance(8), BigInt(value))
    return this
  }

  u64le(value: bigint): this {
    this.#view.setBigUint64(this.#advance(8), value, true)
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

  #advance(byteLength: number): number {
    const at = this.#offset
    this.#offset += byteLength
    if (this.#offset > this.#bytes.length) throw new RangeError(`structure of ${this.#bytes.length} bytes overflows`)
    return at
  }
}
