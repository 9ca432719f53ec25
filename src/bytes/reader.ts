/**
 * Reads one structure from a byte string, with every length checked.
 *
 * Contract: no read goes past the end; the first failure sticks, later reads give zeros, and `finish` reports it. Nothing throws and
 * nothing is allocated by a length that the input claims but does not hold.
 * Knows nothing of: any particular structure.
 * Source: style.md §2.3 (views respect byteOffset; what is kept is copied); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { copied } from "./allocate.ts"
import { DecodeError, type DecodeReason } from "./decode-error.ts"
import { isAllZero } from "./equal.ts"

export class ByteReader {
  readonly #what: string
  readonly #bytes: Uint8Array
  #offset = 0
  #failure: DecodeReason | undefined

  constructor(what: string, bytes: Uint8Array) {
    this.#what = what
    this.#bytes = bytes
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** True once a read or a check has failed. */
  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Marks the structure as bad for a reason of the caller's; the first reason stays. */
  fail(reason: DecodeReason): void {
    this.#failure ??= reason
  }

  /** Marks the structure as bad unless `condition` holds. */
  require(condition: boolean, reason: DecodeReason): void {
    if (!condition) this.fail(reason)
  }

  #take(byteLength: number): number {
    if (this.#failure !== undefined || byteLength > this.remaining || byteLength < 0) {
      this.fail("truncated")
      return -1
    }
    const at = this.#offset
    this.#offset += byteLength
    return at
  }

  u8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : this.#bytes[at] as number
  }

  u16(): number {
    const at = this.#take(2)
    return at < 0 ? 0 : this.#number(at, 2)
  }

  u32(): number {
    const at = this.#take(4)
    return at < 0 ? 0 : this.#number(at, 4)
  }

  u64(): bigint {
    const at = this.#take(8)
    return at < 0 ? 0n : this.#view(at).getBigUint64(0)
  }

  /** A u64 in little-endian order (BACAP). */
  u64le(): bigint {
    const at = this.#take(8)
    return at < 0 ? 0n : this.#view(at).getBigUint64(0, true)
  }

  /** A u64 that must be a safe integer (instants in Unix milliseconds, lengths). */
  u64number(): number {
    const at = this.#take(8)
    if (at < 0) return 0
    const value = this.#number(at, 4) * 2 ** 32 + this.#number(at + 4, 4)
    if (Number.isSafeInteger(value)) return value
    this.fail("out-of-range")
    return 0
  }

  /** For the few who read eight bytes at once: a view costs more than most structures. */
  #view(at: number): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8)
  }

  /** Big-endian, of 2 or 4 bytes. */
  #number(at: number, byteLength: number): number {
    let value = 0
    for (let i = at; i < at + byteLength; i++) value = value * 256 + (this.#bytes[i] as number)
    return value
  }

  /** A copy of the next bytes; after a failure zeros of that length when it is at most `byteLimit`, else nothing. */
  bytes(byteLength: number, byteLimit = 4096): Uint8Array {
    const at = this.#take(byteLength)
    return at < 0 ? new Uint8Array(byteLength <= byteLimit ? Math.max(byteLength, 0) : 0) : copied(this.#bytes, at, at + byteLength)
  }

  /** The next bytes in the memory that is read; after a failure nothing. */
  view(byteLength: number): Uint8Array {
    const at = this.#take(byteLength)
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + byteLength)
  }

  /** All that is left, in the memory that is read. */
  rest(): Uint8Array {
    return this.view(this.remaining)
  }

  /** Reads bytes that must be zero. */
  zeros(byteLength: number, reason: DecodeReason = "reserved-not-zero"): void {
    const at = this.#take(byteLength)
    if (at >= 0 && !isAllZero(this.#bytes.subarray(at, at + byteLength))) this.fail(reason)
  }

  /** The structure, unless something failed or bytes are left over. */
  finish<A>(value: A): Either.Either<A, DecodeError> {
    if (this.#failure === undefined && this.remaining > 0) this.fail("trailing-bytes")
    return this.finishTop(value)
  }

  /** As `finish`, for a structure inside a zero-filled payload: bytes left over are ignored. */
  finishTop<A>(value: A): Either.Either<A, DecodeError> {
    return this.#failure === undefined
      ? Either.right(value)
      : Either.left(new DecodeError({ what: this.#what, reason: this.#failure }))
  }
}
