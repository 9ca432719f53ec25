/**
 * YAML of plain data, in a subset that every reader understands alike.
 *
 * Contract: pure. Block style; texts are always in double quotes with JSON's escapes, so that `yes`, `1e3`, `a: b` and `#` stay texts under YAML 1.1 and
 * 1.2; keys are quoted unless they are plain words. Numbers are finite. Empty lists and records are `[]` and `{}`. Fields that are undefined are left out.
 * Source: YAML 1.2.2, §5.7, §7.3.1; departures: none.
 *
 * @module
 */

export type YamlValue = string | number | boolean | null | ReadonlyArray<YamlValue> | { readonly [key: string]: YamlValue | undefined }

/** Words that some reader takes for a truth value, nothing, or a number. */
const RESERVED = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i

const quoted = (text: string): string => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

const keyText = (key: string): string => (/^[A-Za-z_][A-Za-z0-9_./-]*$/.test(key) && !RESERVED.test(key) ? key : quoted(key))

const isList = (value: YamlValue): value is ReadonlyArray<YamlValue> => Array.isArray(value)

/** The value in one line, where it has such a form. */
const scalar = (value: YamlValue): string | undefined => {
  if (typeof value === "string") return quoted(value)
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new RangeError("no finite number")
    return String(value)
  }
  if (value === null || typeof value === "boolean") return String(value)
  if (isList(value)) return value.length === 0 ? "[]" : undefined
  return Object.values(value).every((member) => member === undefined) ? "{}" : undefined
}

/** Lines of a value, without indentation of their own. */
const linesOf = (value: YamlValue): ReadonlyArray<string> => {
  const line = scalar(value)
  if (line !== undefined) return [line]
  if (typeof value !== "object" || value === null) return []
  if (isList(value)) return value.flatMap((member) => linesOf(member).map((each, index) => `${index === 0 ? "- " : "  "}${each}`))
  return Object.entries(value).flatMap(([key, member]) => {
    if (member === undefined) return []
    const inline = scalar(member)
    return inline === undefined ? [`${keyText(key)}:`, ...linesOf(member).map((each) => `  ${each}`)] : [`${keyText(key)}: ${inline}`]
  })
}

/** One document; ends with a line break. */
export const yamlText = (value: YamlValue): string => `${linesOf(value).join("\n")}\n`

/** Comment lines above a document; control characters cannot end a comment. */
export const yamlComment = (lines: ReadonlyArray<string>): string =>
  lines.map((line) => `# ${line.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/g, " ")}`.trimEnd()).join("\n") + "\n"
