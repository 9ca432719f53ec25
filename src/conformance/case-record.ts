/**
 * One record of a vector file, read field by field.
 *
 * Contract: every read and every comparison that goes wrong becomes a problem of the record, never an exception; a field that nobody asked
 * for is a problem too, so a check cannot forget one. After a failed read the reader gets an empty or zero value.
 * Knows nothing of: particular forms.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { fromHex, toHex } from "../bytes/hex.ts"

const PREVIEW_CHARACTERS = 64

const preview = (text: string): string => (text.length > PREVIEW_CHARACTERS ? `${text.slice(0, PREVIEW_CHARACTERS)}…` : text)

/** What a JSON value is called in messages. */
const kindOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "list" : typeof value)

/** True for a JSON object, the only thing that has fields. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Own field of a JSON object; nothing is inherited. */
export const fieldOf = (value: unknown, name: string): unknown =>
  isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined

/** The bytes of a hexadecimal field read outside its own case; empty when there are none (the case itself reports that). */
export const hexFieldOf = (value: unknown, name: string): Uint8Array => {
  const text = fieldOf(value, name)
  return typeof text === "string" ? Either.getOrElse(fromHex(text), () => new Uint8Array(0)) : new Uint8Array(0)
}

export class CaseRecord {
  readonly #value: Readonly<Record<string, unknown>>
  readonly #path: string
  readonly #problems: Array<string>
  readonly #read = new Set<string>()

  /** @param problems  where the problems go; nested records share the list of the outermost one */
  constructor(value: unknown, problems: Array<string>, path = "") {
    this.#value = isRecord(value) ? value : {}
    this.#path = path
    this.#problems = problems
    if (!isRecord(value)) problems.push(`${path || "case"} is a ${kindOf(value)}, not a record`)
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`
  }

  /** Notes that something about the record is wrong. */
  fail(problem: string): void {
    this.#problems.push(this.#path === "" ? problem : `${this.#path}: ${problem}`)
  }

  /** Notes a problem unless `condition` holds. */
  require(condition: boolean, problem: string): void {
    if (!condition) this.fail(problem)
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#value, name)
  }

  #take(name: string): unknown {
    this.#read.add(name)
    if (!this.has(name)) this.#problems.push(`${this.#at(name)} is missing`)
    return this.has(name) ? this.#value[name] : undefined
  }

  #wrong(name: string, value: unknown, wanted: string): void {
    if (value !== undefined) this.#problems.push(`${this.#at(name)} is not ${wanted}`)
  }

  /** A field that says something to people: read, not judged. */
  describe(...names: ReadonlyArray<string>): void {
    for (const name of names) {
      this.#read.add(name)
      if (this.has(name) && typeof this.#value[name] !== "string") this.#wrong(name, this.#value[name], "a text")
    }
  }

  /** A text about a layout: read, and judged by the byte counts that it gives in parentheses, if it gives any. */
  expectLayout(name: string, ...byteCounts: ReadonlyArray<number>): void {
    const stated = [...this.text(name).matchAll(/\((\d+)\)/g)].map((match) => Number(match[1]))
    if (stated.length > 0) this.#compare(name, stated.join(","), byteCounts.join(","))
  }

  hex(name: string): Uint8Array {
    const value = this.#take(name)
    const bytes = typeof value === "string" ? fromHex(value) : undefined
    if (bytes !== undefined && Either.isRight(bytes)) return bytes.right
    this.#wrong(name, value, "hexadecimal text")
    return new Uint8Array(0)
  }

  text(name: string): string {
    const value = this.#take(name)
    if (typeof value === "string") return value
    this.#wrong(name, value, "a text")
    return ""
  }

  /** A safe integer of at least 0. */
  integer(name: string): number {
    const value = this.#take(name)
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
    this.#wrong(name, value, "a whole number")
    return 0
  }

  /** An unsigned 64-bit number: decimal text, or a number that JSON can hold. */
  u64(name: string): bigint {
    const value = this.#take(name)
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
    if (typeof value === "string" && /^(0|[1-9][0-9]{0,19})$/.test(value) && BigInt(value) < 2n ** 64n) return BigInt(value)
    this.#wrong(name, value, "a 64-bit number")
    return 0n
  }

  boolean(name: string): boolean {
    const value = this.#take(name)
    if (typeof value === "boolean") return value
    this.#wrong(name, value, "true or false")
    return false
  }

  list(name: string): ReadonlyArray<unknown> {
    const value = this.#take(name)
    if (Array.isArray(value)) return value
    this.#wrong(name, value, "a list")
    return []
  }

  hexList(name: string): ReadonlyArray<Uint8Array> {
    return this.list(name).map((value, index) => {
      const bytes = typeof value === "string" ? fromHex(value) : undefined
      if (bytes !== undefined && Either.isRight(bytes)) return bytes.right
      this.#wrong(`${name}[${index}]`, value ?? null, "hexadecimal text")
      return new Uint8Array(0)
    })
  }

  integerList(name: string): ReadonlyArray<number> {
    return this.list(name).map((value, index) => {
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
      this.#wrong(`${name}[${index}]`, value ?? null, "a whole number")
      return 0
    })
  }

  /** A record inside this one, read as part of the same case: its own unknown fields are found by `close`. */
  nested(name: string, read: (record: CaseRecord) => void): void {
    const record = new CaseRecord(this.#take(name), this.#problems, this.#at(name))
    read(record)
    record.close()
  }

  /** A field that the caller hands on as it is, as cases of their own. */
  raw(name: string): unknown {
    return this.#take(name)
  }

  #compare(name: string, expected: string, computed: string | undefined): void {
    if (computed === undefined) this.#problems.push(`${this.#at(name)}: could not be computed`)
    else if (expected !== computed) this.#problems.push(`${this.#at(name)}: expected ${preview(expected)}, computed ${preview(computed)}`)
  }

  /** Compares an expected byte string; `undefined` is a computation that was refused. */
  expectHex(name: string, computed: Uint8Array | undefined): void {
    const before = this.#problems.length
    const expected = this.hex(name)
    if (this.#problems.length === before) this.#compare(name, toHex(expected), computed === undefined ? undefined : toHex(computed))
  }

  expectInteger(name: string, computed: number | undefined): void {
    const before = this.#problems.length
    const expected = this.integer(name)
    if (this.#problems.length === before) this.#compare(name, String(expected), computed === undefined ? undefined : String(computed))
  }

  expectU64(name: string, computed: bigint | undefined): void {
    const before = this.#problems.length
    const expected = this.u64(name)
    if (this.#problems.length === before) this.#compare(name, String(expected), computed === undefined ? undefined : String(computed))
  }

  expectBoolean(name: string, computed: boolean): void {
    const before = this.#problems.length
    const expected = this.boolean(name)
    if (this.#problems.length === before) this.#compare(name, String(expected), String(computed))
  }

  expectText(name: string, computed: string | undefined): void {
    const before = this.#problems.length
    const expected = this.text(name)
    if (this.#problems.length === before) this.#compare(name, expected, computed)
  }

  expectHexList(name: string, computed: ReadonlyArray<Uint8Array> | undefined): void {
    const before = this.#problems.length
    const expected = this.hexList(name)
    if (this.#problems.length === before) this.#compare(name, expected.map(toHex).join(","), computed?.map(toHex).join(","))
  }

  expectIntegerList(name: string, computed: ReadonlyArray<number> | undefined): void {
    const before = this.#problems.length
    const expected = this.integerList(name)
    if (this.#problems.length === before) this.#compare(name, expected.join(","), computed?.join(","))
  }

  /** An error text that is either `null` (no error) or a text. */
  expectTextOrNull(name: string, computed: string | null): void {
    const value = this.#take(name) ?? null
    if (value !== null && typeof value !== "string") this.#wrong(name, value, "a text or null")
    else if (this.has(name)) this.#compare(name, String(value), String(computed))
  }

  /** Compares bytes that are not a field by themselves. */
  same(what: string, expected: Uint8Array, computed: Uint8Array | undefined): void {
    this.#compare(what, toHex(expected), computed === undefined ? undefined : toHex(computed))
  }

  /** Fields that were never asked for are problems. */
  close(): void {
    for (const name of Object.keys(this.#value)) {
      if (!this.#read.has(name)) this.#problems.push(`${this.#at(name)} is an unknown field`)
    }
  }
}
