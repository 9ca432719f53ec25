/**
 * Runs vector files against the crypto backends: what a second implementation of the same bytes would be asked.
 *
 * Contract: the form of a file is recognised by its content. A case is a record with an expected value; it passes when every field was read
 * and every expected value recomputed, in each backend on its own. Fields that nobody knows fail their case. Records of retired formats and
 * of algorithms this project has not are listed as skipped.
 * Knows nothing of: the command line, where files are.
 * Source: vectors/README of the protocol documents; departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Form } from "./form.ts"
import { aezEncryptForm, aezExtractForm, aezHashForm, aezPrfForm, aezSprpForm } from "./forms/aez.ts"
import { bacapForm } from "./forms/bacap.ts"
import { mkemForm } from "./forms/mkem.ts"
import { pigeonholeForm } from "./forms/pigeonhole.ts"
import { sphinxGeometryForm, sphinxPacketsForm } from "./forms/sphinx-packets.ts"
import { sphinxCommandsForm, sphinxPrimitivesForm, sphinxUpstreamForm } from "./forms/sphinx-upstream.ts"
import { replicaWireForm, wireCommandsForm } from "./forms/wire.ts"
import { Report, type CaseResult } from "./report.ts"

/** In the order in which they are tried; the more particular ones come first. */
const FORMS: ReadonlyArray<Form> = [
  aezEncryptForm, aezHashForm, aezPrfForm, aezExtractForm, aezSprpForm,
  sphinxUpstreamForm, sphinxPacketsForm, sphinxGeometryForm, sphinxCommandsForm, sphinxPrimitivesForm,
  mkemForm, bacapForm, pigeonholeForm, replicaWireForm, wireCommandsForm
]

/** What came of one file. `form` is undefined for a file of unknown form, which has no cases. */
export interface ConformanceOutcome {
  readonly fileName: string
  readonly form: string | undefined
  /** Why the form is unknown. */
  readonly problem?: string
  readonly cases: ReadonlyArray<CaseResult>
}

/**
 * Runs all cases of a parsed file in every backend.
 * @param backends  usually native and reference
 */
export const runConformance = (backends: ReadonlyArray<CryptoBackend>, fileName: string, file: unknown): ConformanceOutcome => {
  const form = FORMS.find((one) => one.matches(file))
  if (form === undefined) return { fileName, form: undefined, problem: "unknown form", cases: [] }
  const cases = backends.flatMap((crypto) => {
    const report = new Report(crypto.name)
    form.run(crypto, file, report)
    return report.results
  })
  return { fileName, form: form.name, cases }
}

/** As `runConformance`, from the text of a file; text that is no JSON has an unknown form. */
export const runConformanceText = (backends: ReadonlyArray<CryptoBackend>, fileName: string, text: string): ConformanceOutcome => {
  const parsed = parseJson(text)
  return parsed === undefined
    ? { fileName, form: undefined, problem: "not JSON", cases: [] }
    : runConformance(backends, fileName, parsed.value)
}

const parseJson = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

const countOf = (outcomes: ReadonlyArray<ConformanceOutcome>, wanted: CaseResult["outcome"]): number =>
  outcomes.reduce((total, outcome) => total + outcome.cases.filter((one) => one.outcome === wanted).length, 0)

/** True when the file has at least one case that was run. */
const hasCase = (outcome: ConformanceOutcome): boolean => outcome.cases.some((one) => one.outcome !== "skipped")

/** 0 when everything passed; 1 when a case failed; 2 when a file has an unknown form or no case (or there is no file). */
export const conformanceExitCode = (outcomes: ReadonlyArray<ConformanceOutcome>): 0 | 1 | 2 =>
  outcomes.length === 0 || !outcomes.every(hasCase) ? 2 : countOf(outcomes, "failed") > 0 ? 1 : 0

const describeFile = (outcome: ConformanceOutcome): ReadonlyArray<string> => {
  if (outcome.form === undefined) return [`${outcome.fileName}: ${outcome.problem ?? "unknown form"}`]
  const count = (wanted: CaseResult["outcome"]): number => countOf([outcome], wanted)
  const backends = [...new Set(outcome.cases.map((one) => one.backend))].join(", ")
  const head = hasCase(outcome)
    ? `${outcome.fileName}: ${outcome.form} in ${backends}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`
    : `${outcome.fileName}: ${outcome.form}: no case`
  const details = outcome.cases.filter((one) => one.outcome !== "passed").map((one) => `  ${one.outcome} [${one.backend}] ${one.name}: ${one.detail ?? ""}`)
  return [head, ...details]
}

/** What the command prints; the last line is `N passed, N failed`. */
export const formatConformance = (outcomes: ReadonlyArray<ConformanceOutcome>): string =>
  [...outcomes.flatMap(describeFile), `${countOf(outcomes, "passed")} passed, ${countOf(outcomes, "failed")} failed`].join("\n")

export type { CaseResult } from "./report.ts"
