/**
 * Reads the fields of one plain record, with every kind, length and range checked.
 *
 * Contract: as ByteReader: the first failure sticks, later reads give empty values of the right kind, `finish` reports it; nothing throws. A record
 * must hold exactly the announced fields, in the announced order. Parts of a record share its failure.
 * Knows nothing of: any particular record, bytes on the wire (plain-msgpack has read them).
 * Source: style.md §2.3; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { DecodeError, type DecodeReason } from "../bytes/decode-error.ts"
import type { PlainValue } from "./plain-msgpack.ts"

interface Failure {
  reason: DecodeReason | undefined
}

type PlainMap = { readonly [key: string]: PlainValue }

const isMap = (value: PlainValue): value is PlainMap =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)

export class RecordReader {
  readonly #what: string
  readonly #failure: Failure
  readonly #fields: ReadonlyMap<string, PlainValue>

  /** Opens `value` as a map with exactly `names` for keys. `parent` makes failures of this part failures of the whole. */
  constructor(what: string, value: PlainValue, names: ReadonlyArray<string>, parent?: RecordReader) {
    this.#what = what
    this.#failure = parent === undefined ? { reason: undefined } : parent.#failure
    const keys = isMap(value) ? Object.keys(value) : []
    const fits = isMap(value) && keys.length === names.length && names.every((name, index) => keys[index] === name)
    if (!fits) this.fail("unknown-type")
    this.#fields = new Map(fits ? Object.entries(value) : [])
  }

  get failed(): boolean {
    return this.#failure.reason !== undefined
  }

  /** Marks the record as bad for a reason of the caller's; the first reason stays. */
  fail(reason: DecodeReason): void {
    this.#failure.reason ??= reason
  }

  require(condition: boolean, reason: DecodeReason): void {
    if (!condition) this.fail(reason)
  }

  /** A whole number from `least` to `most`. */
  integer(name: string, least: number, most: number): number {
    return this.#integer(this.#fields.get(name), least, most)
  }

  /** Any finite number. */
  finite(name: string): number {
    const value = this.#fields.get(name)
    if (typeof value === "number" && Number.isFinite(value)) return value
    this.fail("out-of-range")
    return 0
  }

  boolean(name: string): boolean {
    const value = this.#fields.get(name)
    if (typeof value === "boolean") return value
    this.fail("unknown-type")
    return false
  }

  /** A text of 1 to `mostBytes` bytes of UTF-8. */
  text(name: string, mostBytes: number): string {
    return this.#text(this.#fields.get(name), mostBytes)
  }

  #text(value: PlainValue | undefined, mostBytes: number): string {
    if (typeof value !== "string") this.fail("unknown-type")
    else if (value.length === 0 || new TextEncoder().encode(value).length > mostBytes) this.fail("wrong-length")
    else return value
    return ""
  }

  /** A text of a closed list. */
  literal<const A extends string>(name: string, among: ReadonlyArray<A>): A {
    const value = this.#fields.get(name)
    const found = among.find((literal) => literal === value)
    if (found === undefined) this.fail("out-of-range")
    return found ?? (among[0] as A)
  }

  /** Bytes of one of the given lengths. */
  bytes(name: string, ...lengths: ReadonlyArray<number>): Uint8Array {
    return this.#bytes(this.#fields.get(name), (byteLength) => lengths.includes(byteLength))
  }

  /** Bytes of 1 to `mostBytes`. */
  variableBytes(name: string, mostBytes: number): Uint8Array {
    return this.#bytes(this.#fields.get(name), (byteLength) => byteLength > 0 && byteLength <= mostBytes)
  }

  /** A list of `least` to `most` values. */
  list(name: string, least: number, most: number): ReadonlyArray<PlainValue> {
    return this.#list(this.#fields.get(name), least, most)
  }

  /** A list of parts, each read by `read`. */
  parts<A>(name: string, least: number, most: number, names: ReadonlyArray<string>, read: (part: RecordReader) => A): ReadonlyArray<A> {
    return this.list(name, least, most).map((value) => read(new RecordReader(this.#what, value, names, this)))
  }

  /** One part. */
  part(name: string, names: ReadonlyArray<string>): RecordReader {
    return new RecordReader(this.#what, this.#fields.get(name) ?? null, names, this)
  }

  /** A list of whole numbers. */
  integers(name: string, count: readonly [least: number, most: number], range: readonly [least: number, most: number]): ReadonlyArray<number> {
    return this.list(name, ...count).map((value) => this.#integer(value, ...range))
  }

  /** A list of byte strings of 1 to `mostBytes`. */
  byteStrings(name: string, least: number, most: number, mostBytes: number): ReadonlyArray<Uint8Array> {
    return this.list(name, least, most).map((value) => this.#bytes(value, (byteLength) => byteLength > 0 && byteLength <= mostBytes))
  }

  /** A list of texts of 1 to `mostBytes` bytes of UTF-8. */
  texts(name: string, most: number, mostBytes: number): ReadonlyArray<string> {
    return this.list(name, 0, most).map((value) => this.#text(value, mostBytes))
  }

  /** `count` lists, each of a number of byte strings in `inner`. */
  nestedByteStrings(name: string, count: number, inner: readonly [least: number, most: number], mostBytes: number): ReadonlyArray<ReadonlyArray<Uint8Array>> {
    return this.list(name, count, count).map((list) =>
      this.#list(list, ...inner).map((value) => this.#bytes(value, (byteLength) => byteLength > 0 && byteLength <= mostBytes)))
  }

  /** Pairs of a whole number and a key of a fitting length, numbers strictly ascending. */
  numberedKeys(name: string, least: number, most: number, fits: (byteLength: number) => boolean): ReadonlyMap<number, Uint8Array> {
    const keys = new Map<number, Uint8Array>()
    let previous = -1
    for (const entry of this.list(name, least, most)) {
      const [number = null, key = null] = this.#list(entry, 2, 2)
      const at = this.#integer(number, previous + 1, Number.MAX_SAFE_INTEGER - 1)
      keys.set(at, this.#bytes(key, fits))
      previous = at
    }
    return keys
  }

  /** The record, unless something failed. */
  finish<A>(value: A): Either.Either<A, DecodeError> {
    return this.#failure.reason === undefined
      ? Either.right(value)
      : Either.left(new DecodeError({ what: this.#what, reason: this.#failure.reason }))
  }

  #integer(value: PlainValue | undefined, least: number, most: number): number {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value
    this.fail("out-of-range")
    return least
  }

  #bytes(value: PlainValue | undefined, fits: (byteLength: number) => boolean): Uint8Array {
    if (!(value instanceof Uint8Array)) this.fail("unknown-type")
    else if (!fits(value.length)) this.fail("wrong-length")
    else return value
    return new Uint8Array(0)
  }

  #list(value: PlainValue | undefined, least: number, most: number): ReadonlyArray<PlainValue> {
    if (!Array.isArray(value)) this.fail("unknown-type")
    else if (value.length < least || value.length > most) this.fail("out-of-range")
    else return value as ReadonlyArray<PlainValue>
    return []
  }
}

/** Numbered keys as a record holds them: pairs, ascending. */
export const plainNumberedKeys = (keys: ReadonlyMap<number, Uint8Array>): PlainValue =>
  [...keys].sort(([a], [b]) => a - b).map(([number, key]) => [number, key])
