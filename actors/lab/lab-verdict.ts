/**
 * What all parts of the lab come to: the report, a table for a terminal, and what failed.
 *
 * Contract: pure. Nothing failed when every gate passes and every planted fault is caught. ε_E is made from the attacks of the part that played one traversal.
 * Knows nothing of: how parts are run, files.
 * Source: issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import { joinedRules } from "../../src/anonymity/findings.ts"
import { estimateEpsilon, linkingBound } from "../../src/anonymity/epsilon.ts"
import type { Estimate } from "../../src/anonymity/metrics/interval.ts"
import type { LabReport } from "../../src/anonymity/report.ts"
import type { LabPart } from "./lab-part.ts"
import { JOB_BUCKETS } from "./lab-network.ts"

export const reportOf = (parts: ReadonlyArray<LabPart>, { command, seed }: { readonly command: string; readonly seed: number }): LabReport => ({
  command,
  seed,
  findings: parts,
  linking: linkingBound(estimateEpsilon(parts.flatMap(({ traversals = [] }) => traversals))),
  bucketCount: JOB_BUCKETS
})

/** What was missed, as a sentence; undefined when nothing was. */
export const failuresOf = ({ findings }: Pick<LabReport, "findings">): string | undefined => {
  const missed = findings.flatMap(({ gates }) => gates).filter(({ pass }) => !pass).map(({ name }) => name)
  const loose = findings.flatMap(({ planted }) => planted).filter(({ caught }) => !caught).map(({ name }) => name)
  const sentences = [
    ...(missed.length === 0 ? [] : [`gates missed: ${missed.join(", ")}`]),
    ...(loose.length === 0 ? [] : [`planted faults not caught: ${loose.join(", ")}`])
  ]
  return sentences.length === 0 ? undefined : sentences.join("; ")
}

const number = (value: number): string => (Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : value.toFixed(3))
const estimated = ({ interval, value }: Estimate): string => `${number(value)} (${number(interval.lower)} … ${number(interval.upper)})`
const optional = (estimate: Estimate | undefined): string => (estimate === undefined ? "–" : estimated(estimate))

const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

/** For a terminal. */
export const tableOf = (report: LabReport): string => {
  const { findings, linking } = report
  const gates = findings.flatMap((one) => one.gates)
  const figures = findings.flatMap((one) => one.figures)
  return [
    columns([["", "gate", "value", "bound", "n"], ...gates.map(({ bound, name, pass, samples, value }) =>
      [pass ? "pass" : "FAIL", name, number(value), number(bound), String(samples)])]),
    "",
    columns([["", "planted fault", "caught by"], ...findings.flatMap(({ planted }) => planted).map(({ caught, caughtBy, name }) =>
      [caught ? "caught" : "LOOSE", name, caughtBy.join(", ")])]),
    "",
    columns([["rule", "attack", "with the rule", "without", "B", "played on"], ...joinedRules(findings.flatMap(({ rules }) => rules)).map((row) =>
      [row.rule, row.attack, optional(row.on), optional(row.off), row.batch === undefined ? "–" : row.batch.toFixed(1), row.level])]),
    "",
    columns([["figure", "adversary", "value (95 %)", "B", "n"], ...figures.map(({ adversary, batch, estimate, group, name, samples, unit }) =>
      [`${group}: ${name}`, adversary, `${estimated(estimate)} ${unit}`, batch === undefined ? "–" : batch.toFixed(1), String(samples)])]),
    "",
    `ε_E ${number(linking.epsilonE.value)}, bound on linking 4·ε_E + δ: ${number(linking.bound)}${linking.vacuous ? " (says nothing)" : ""}`,
    failuresOf(report) ?? "all gates pass, all planted faults are caught"
  ].join("\n")
}
