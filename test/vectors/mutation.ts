/**
 * Changing one leaf of a parsed vector file, and cutting a file down to what one leaf needs.
 *
 * Contract: pure; the file given is not modified. Positions and digits come from a small generator seeded by the path, so a failure repeats.
 * Source: none needed; departures: none.
 *
 * @module
 */
export type Path = ReadonlyArray<string | number>

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)

/** Paths of all leaves: everything that is neither record nor list, and empty lists and records. */
export const leavesOf = (value: unknown, path: Path = []): ReadonlyArray<Path> => {
  const entries: ReadonlyArray<readonly [string | number, unknown]> = Array.isArray(value)
    ? value.map((one, index) => [index, one] as const)
    : isObject(value) ? Object.entries(value) : []
  return entries.length === 0 ? [path] : entries.flatMap(([key, one]) => leavesOf(one, [...path, key]))
}

/** A path with positions in lists left out: where in the form a leaf stands. */
export const placeOf = (path: Path): string => path.map((key) => (typeof key === "number" ? "*" : key)).join(".")

export const valueAt = (value: unknown, path: Path): unknown => path.reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], value)

const seedOf = (text: string): number => {
  let hash = 2166136261
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619) >>> 0
  return hash
}

/** Another value of the same kind: one digit, one number, one bit of truth, one letter. */
export const otherValue = (value: unknown, seed: number): unknown => {
  if (typeof value === "number") return value + 1
  if (typeof value === "boolean") return !value
  if (value === null) return "refused"
  if (typeof value !== "string") return [0]
  if (value === "") return "01"
  const at = seed % value.length
  const swap = (digit: string): string => value.slice(0, at) + digit + value.slice(at + 1)
  const old = value[at]!
  if (/^[0-9]{1,20}$/.test(value) && value.length % 2 === 1) return swap(String((Number(old) + 1 + (seed % 9)) % 10))
  if (/^[0-9a-f]+$/.test(value)) return swap((Number.parseInt(old, 16) ^ (1 + ((seed >>> 8) % 15))).toString(16))
  return swap(old === "x" ? "y" : "x")
}

const replaced = (value: unknown, path: Path, change: (old: unknown) => unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return change(value)
  if (Array.isArray(value)) return value.map((one, index) => (index === key ? replaced(one, rest, change) : one))
  return { ...(value as object), [key]: replaced((value as Record<string, unknown>)[key], rest, change) }
}

/** The file with one leaf changed. */
export const mutated = (file: unknown, path: Path, round = 0): unknown =>
  replaced(file, path, (old) => otherValue(old, seedOf(`${round} ${path.join(".")}`)))

/** The file with a field nobody knows in the record at `path`. */
export const withUnknownField = (file: unknown, path: Path): unknown => replaced(file, path, (record) => ({ ...(record as object), unknown_field: "00" }))

/** Paths of all records. */
export const recordsOf = (value: unknown, path: Path = []): ReadonlyArray<Path> => {
  if (Array.isArray(value)) return value.flatMap((one, index) => recordsOf(one, [...path, index]))
  return isObject(value) ? [path, ...Object.entries(value).flatMap(([key, one]) => recordsOf(one, [...path, key]))] : []
}

/**
 * Cuts every list that stands alone down to one entry, the one on the path, and takes the sections beside the path away. A leaf outside the
 * sections keeps them all.
 * @param standsAlone  by place: true for lists whose entries do not need each other
 * @returns the smaller file and where the leaf stands in it
 */
export const cutTo = (file: unknown, path: Path, standsAlone: (place: string) => boolean): { file: unknown; path: Path } => {
  const cutPath: Array<string | number> = []
  const trim = (value: unknown, place: Path): unknown => {
    if (Array.isArray(value)) return (standsAlone(placeOf(place)) ? value.slice(0, 1) : value).map((one, index) => trim(one, [...place, index]))
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, trim(one, [...place, key])])) : value
  }
  const cut = (value: unknown, depth: number): unknown => {
    const key = path[depth]
    if (key === undefined) return value
    const place = path.slice(0, depth)
    if (Array.isArray(value) && standsAlone(placeOf(place))) {
      cutPath.push(0)
      return [cut(value[key as number], depth + 1)]
    }
    cutPath.push(key)
    if (Array.isArray(value)) return value.map((one, index) => (index === key ? cut(one, depth + 1) : trim(one, [...place, index])))
    const isSection = depth === 0 && typeof (value as Record<string, unknown>)[key] === "object"
    const entries = Object.entries(value as object).filter(([name, one]) => !isSection || name === key || typeof one !== "object")
    return Object.fromEntries(entries.map(([name, one]) => [name, name === key ? cut(one, depth + 1) : trim(one, [...place, name])]))
  }
  const cutFile = cut(file, 0)
  return { file: cutFile, path: cutPath }
}
