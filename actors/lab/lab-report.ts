/**
 * The lab's result as text: a table for a terminal, and a report with pictures for a folder.
 *
 * Contract: pure; the same result gives the same text. Every figure stands with its interval, its number of games and its seed; B beside every advantage
 * against replicas; the paper's bound beside ε_E.
 * Knows nothing of: files, how figures were measured.
 * Source: issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import type { Estimate } from "../../src/anonymity/metrics/interval.ts"
import type { Gate } from "./gate.ts"
import type { Figure } from "./lab-part.ts"
import type { LabResult } from "./lab-result.ts"
import { barsOf, scatterOf } from "./lab-plot.ts"
import type { RuleRow } from "./rules/rule-row.ts"

export interface ReportFile {
  readonly name: string
  readonly text: string
}

const number = (value: number): string => (Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : value.toFixed(3))

const range = ([lower, upper]: readonly [number, number]): string => (lower === upper ? "" : `${number(lower)} … ${number(upper)}`)

const estimated = ({ interval, value }: Estimate): string => `${number(value)} (${number(interval.lower)} … ${number(interval.upper)})`

type Row = ReadonlyArray<string>

const asTable = (head: Row, rows: ReadonlyArray<Row>): string => {
  const line = (row: Row): string => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n")
}

const columns = (rows: ReadonlyArray<Row>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

const gateRow = ({ bound, interval, meaning, name, pass, samples, value }: Gate): Row =>
  [pass ? "pass" : "FAIL", name, number(value), range(interval), number(bound), String(samples), meaning]

const ruleRow = ({ adversary, attack, batch, games, level, note, off, on, rule, seed }: RuleRow): Row => [
  rule, adversary, attack, on === undefined ? "–" : estimated(on), off === undefined ? "–" : estimated(off), batch === undefined ? "–" : batch.toFixed(1),
  level, String(games), String(seed), note ?? ""
]

const figureRow = ({ adversary, batch, estimate, name, note, samples, seed, unit }: Figure): Row =>
  [name, adversary, `${estimated(estimate)} ${unit}`, batch === undefined ? "–" : batch.toFixed(1), String(samples), String(seed), note ?? ""]

const GATE_HEAD = ["", "gate", "value", "interval", "bound", "n", "what"]
const RULE_HEAD = ["rule", "adversary", "attack", "with the rule", "without", "B", "played on", "games", "seed", "note"]
const FIGURE_HEAD = ["figure", "adversary", "value (95 %)", "B", "n", "seed", "note"]

const groupsOf = (figures: ReadonlyArray<Figure>): ReadonlyArray<string> => [...new Set(figures.map(({ group }) => group))]

const boundLine = ({ bound, epsilonE }: LabResult): string => `ε_E ${number(epsilonE)}; bound on linking 4·ε_E + δ = ${number(bound)}${bound >= 1 ? ", which says nothing in a network as small as the lab's" : ""}`

/** For a terminal. */
export const tableOf = (result: LabResult): string => [
  columns([GATE_HEAD.slice(0, 6), ...result.gates.map((gate) => gateRow(gate).slice(0, 6))]),
  "",
  columns([["", "planted fault", "caught by"], ...result.planted.map(({ caught, caughtBy, name }) => [caught ? "caught" : "LOOSE", name, caughtBy.join(", ")])]),
  "",
  columns([RULE_HEAD.slice(0, 7), ...result.rules.map((rule) => ruleRow(rule).slice(0, 7))]),
  "",
  ...groupsOf(result.figures).flatMap((group) => [
    `${group}:`, columns(result.figures.filter((figure) => figure.group === group).map((figure) => figureRow(figure).slice(0, 5))), ""
  ]),
  boundLine(result),
  `${result.verdict}; seed ${result.seed}, ${result.scale}`
].join("\n")

const markdownOf = (result: LabResult, pictures: ReadonlyArray<string>): string => [
  "# Anonymity, measured",
  "",
  `Made by \`funion lab${result.scale === "quick" ? " --quick" : ""} --seed ${result.seed} --out DIR\`. Verdict: **${result.verdict}**. ${boundLine(result)}.`,
  "",
  "Intervals of figures are at 95 %, those of gates at 99.99 %: a sound network misses a gate once in ten thousand runs.",
  "",
  "## Gates", "", asTable(GATE_HEAD, result.gates.map(gateRow)), "",
  "## Planted faults", "",
  asTable(["", "fault", "caught by"], result.planted.map(({ caught, caughtBy, name }) => [caught ? "caught" : "LOOSE", name, caughtBy.join(", ")])), "",
  "## Rules of funion.md §7", "", asTable(RULE_HEAD, result.rules.map(ruleRow)), "",
  ...groupsOf(result.figures).flatMap((group) => [
    `## ${group}`, "", asTable(FIGURE_HEAD, result.figures.filter((figure) => figure.group === group).map(figureRow)), ""
  ]),
  ...pictures.map((name) => `![${name}](${name})`),
  ""
].join("\n")

const slug = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")

/** For a folder. */
export const filesOf = (result: LabResult): ReadonlyArray<ReportFile> => {
  const pictures: ReadonlyArray<ReportFile> = [
    {
      name: "rules.svg",
      text: barsOf("Advantage of the attacks on the rules: with the rule, and without", result.rules.flatMap(({ off, on, rule }) => [
        ...(on === undefined ? [] : [{ label: `${rule} with`, estimate: on }]), ...(off === undefined ? [] : [{ label: `${rule} without`, estimate: off }])
      ]))
    },
    ...groupsOf(result.figures).map((group) => ({
      name: `${slug(group)}.svg`,
      text: barsOf(group, result.figures.filter((figure) => figure.group === group).map(({ adversary, estimate, name }) =>
        ({ label: adversary === "network" ? name : `${name} (${adversary})`, estimate })))
    })),
    ...result.series.map((series) => ({ name: `${slug(series.name)}.svg`, text: scatterOf(series) }))
  ]
  return [
    { name: "report.json", text: `${JSON.stringify(result, undefined, 1)}\n` },
    { name: "report.md", text: markdownOf(result, pictures.map(({ name }) => name)) },
    ...pictures
  ]
}
