/**
 * What came of the cases of one vector file in one backend.
 *
 * Contract: every case ends as passed, failed or skipped, in the order of the file. A check that dies on lengths nobody can compute with is a
 * failed case, not the end of the run.
 * Knows nothing of: forms, files.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { CaseRecord, isRecord } from "./case-record.ts"

export interface CaseResult {
  readonly name: string
  readonly backend: string
  readonly outcome: "passed" | "failed" | "skipped"
  /** Why it failed or was skipped. */
  readonly detail?: string
}

/** Texts of a file that speak to people and hold no expected value. */
const DESCRIPTIONS: ReadonlySet<string> = new Set(["about", "format", "header", "note", "notes", "description", "source", "comment", "rule"])

const messageOf = (fault: unknown): string => (fault instanceof Error ? fault.message : String(fault))

export class Report {
  readonly results: Array<CaseResult> = []
  readonly #backend: string

  constructor(backend: string) {
    this.#backend = backend
  }

  /** Runs one case: `check` reads all fields of `value` and compares. Cases inside `value` are cases of their own, made within `check`. */
  check(name: string, value: unknown, check: (record: CaseRecord) => void): void {
    const problems: Array<string> = []
    const record = new CaseRecord(value, problems)
    const at = this.results.length
    try {
      check(record)
      record.close()
    } catch (fault) {
      problems.push(`died: ${messageOf(fault)}`)
    }
    const result: CaseResult = problems.length === 0
      ? { name, backend: this.#backend, outcome: "passed" }
      : { name, backend: this.#backend, outcome: "failed", detail: problems.join("; ") }
    this.results.splice(at, 0, result)
  }

  /** As `check`, for a record that holds cases and no expected value of its own: it counts only when it is broken. */
  checkContainer(name: string, value: unknown, check: (record: CaseRecord) => void): void {
    const at = this.results.length
    this.check(name, value, check)
    if (this.results[at]?.outcome === "passed") this.results.splice(at, 1)
  }

  /** One case for each entry of a list; something else than a list is one failed case. */
  checkAll(name: string, list: unknown, check: (record: CaseRecord, name: string) => void): void {
    if (!Array.isArray(list)) {
      this.check(name, list, (record) => record.fail("is not a list"))
      return
    }
    list.forEach((value, index) => this.check(`${name}[${index}]`, value, (record) => check(record, `${name}[${index}]`)))
  }

  /** Lists a record that this implementation does not compute on purpose. */
  skip(name: string, detail: string): void {
    this.results.push({ name, backend: this.#backend, outcome: "skipped", detail })
  }

  /** Fields of a file that are neither sections nor descriptions: each is a failed case, so that no section is overlooked. */
  unknownFields(file: unknown, known: ReadonlyArray<string>): void {
    for (const [name, value] of isRecord(file) ? Object.entries(file) : []) {
      if (known.includes(name)) continue
      if (DESCRIPTIONS.has(name) && typeof value === "string") continue
      this.results.push({ name, backend: this.#backend, outcome: "failed", detail: "unknown field" })
    }
  }
}

/** The fields called `names` of a flat record, as a record of their own. */
export const pickFields = (file: unknown, names: ReadonlyArray<string>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(isRecord(file) ? Object.entries(file).filter(([name]) => names.includes(name)) : [])
