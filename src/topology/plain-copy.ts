/**
 * A bounded copy of a value of unknown origin, as plain data.
 *
 * Contract: never throws, never calls a getter, never follows a cycle or a prototype; the copy holds numbers, texts, booleans, null, lists and records
 * without prototype, and shares nothing with the original. What cannot be copied is refused with the path to it.
 * Knows nothing of: topologies.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Either } from "effect"

export interface CopyRefused {
  /** Path below the value, e.g. `mixes[3].name`; empty for the value itself. */
  readonly path: string
  readonly message: string
}

export interface CopyLimits {
  readonly maxDepth: number
  /** Values of any kind in all. */
  readonly maxItems: number
  /** Length of one list. */
  readonly maxLength: number
  /** UTF-16 units of one text. */
  readonly maxText: number
}

interface Budget {
  left: number
}

const refuse = (path: string, message: string) => Either.left({ path, message })

/** The path of a member, readable and short whatever the key is. */
export const memberPath = (path: string, key: string | number): string => {
  if (typeof key === "number") return `${path}[${key}]`
  const shown = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/.test(key) ? key : JSON.stringify(key.slice(0, 20))
  return path === "" ? shown : `${path}.${shown}`
}

const copyMembers = (
  value: object, keys: ReadonlyArray<string | number>, path: string, depth: number, limits: CopyLimits, budget: Budget,
  put: (key: string | number, copy: unknown) => void
): Either.Either<void, CopyRefused> => {
  for (const key of keys) {
    const at = memberPath(path, key)
    const member = Object.getOwnPropertyDescriptor(value, key)
    if (member === undefined) return refuse(at, "the list has a gap here: remove it")
    if (!("value" in member)) return refuse(at, "this is computed by a getter: write a plain value")
    const copied = copyValue(member.value, at, depth + 1, limits, budget)
    if (Either.isLeft(copied)) return Either.left(copied.left)
    put(key, copied.right)
  }
  return Either.right(undefined)
}

const copyValue = (value: unknown, path: string, depth: number, limits: CopyLimits, budget: Budget): Either.Either<unknown, CopyRefused> => {
  if ((budget.left -= 1) < 0) return refuse(path, `the value holds more than ${limits.maxItems} parts: make it smaller`)
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") return Either.right(value)
  if (typeof value === "string") return value.length <= limits.maxText ? Either.right(value) : refuse(path, `the text is longer than ${limits.maxText}`)
  if (typeof value !== "object") return refuse(path, `a ${typeof value} is not plain data: write a number, a text, a list or a record`)
  if (depth > limits.maxDepth) return refuse(path, "the value is nested too deeply, or contains itself")
  if (Array.isArray(value)) {
    if (value.length > limits.maxLength) return refuse(path, `the list has ${value.length} entries: use at most ${limits.maxLength}`)
    const list: Array<unknown> = []
    const indexes = Array.from({ length: value.length }, (_, index) => index)
    return Either.map(copyMembers(value, indexes, path, depth, limits, budget, (_, copy) => list.push(copy)), () => list)
  }
  const keys = Object.keys(value)
  if (keys.length > limits.maxLength) return refuse(path, `the record has ${keys.length} fields: use at most ${limits.maxLength}`)
  const record: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  return Either.map(copyMembers(value, keys, path, depth, limits, budget, (key, copy) => {
    if (copy !== undefined) record[key] = copy
  }), () => record)
}

/** Copies `value` as plain data; fields that are `undefined` are left out. */
export const plainCopy = (value: unknown, limits: CopyLimits): Either.Either<unknown, CopyRefused> => {
  try {
    return copyValue(value, "", 0, limits, { left: limits.maxItems })
  } catch {
    // Only a proxy can get here: its traps threw.
    return refuse("", "the value cannot be read: write plain data")
  }
}
