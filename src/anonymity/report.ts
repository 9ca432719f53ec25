/**
 * The report of a run of the lab: one JSON value, one Markdown page, and its pictures.
 *
 * Contract: every figure stands with its interval, trials, adversary, seed and, against replicas, the batch size; every advantage of linking with the bound
 * made from ε_E beside it. What failed comes first. The same findings give the same bytes: no instants, no machine.
 * Knows nothing of: files, how findings were made.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import { curvePlot } from "./curve-plot.ts"
import { bucketLeakBits, DELTA_INPUTS, DELTA_WORK_BITS, type LinkingBound } from "./epsilon.ts"
import { joinedRules, type Figure, type Findings, type Planted, type RuleRow, type Series } from "./findings.ts"
import type { Gate } from "./gate.ts"
import type { Estimate } from "./metrics/interval.ts"

export interface LabReport {
  /** The command that repeats the run. */
  readonly command: string
  readonly seed: number
  readonly findings: ReadonlyArray<Findings>
  readonly linking: LinkingBound
  /** n: release edges of the service. */
  readonly bucketCount: number
}

/** Figures of linking, beside which the bound belongs. */
const isLinking = ({ group, unit }: Figure): boolean => unit === "advantage" && group === "linking"

const rounded = (value: number, digits = 3): string => (Number.isFinite(value) ? Number(value.toFixed(digits)).toString() : value > 0 ? "∞" : "−∞")

const estimateText = ({ interval: { lower, upper }, value }: Estimate): string => `${rounded(value)} [${rounded(lower)}, ${rounded(upper)}]`

/** A cell of a table: bars and line ends would break it. */
const cell = (text: string): string => text.replace(/\|/g, "\\|").replace(/\s*\n\s*/g, " ")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(" | ")} |`).join("\n")

const gateTable = (gates: ReadonlyArray<Gate>): string =>
  table(["gate", "value", "interval", "bound", "samples", "passes", "what it says"], [...gates].sort((one, other) => Number(one.pass) - Number(other.pass))
    .map(({ bound, interval, meaning, name, pass, samples, value }) => [
      name, rounded(value), `[${interval.map((end) => rounded(end)).join(", ")}]`, rounded(bound), String(samples), pass ? "yes" : "**no**", meaning
    ]))

const plantedTable = (planted: ReadonlyArray<Planted>): string =>
  table(["planted fault", "caught", "by", "seed"], planted.map(({ caught, caughtBy, name, seed }) =>
    [name, caught ? "yes" : "**no**", caughtBy.join(", "), String(seed)]))

const ruleTable = (rules: ReadonlyArray<RuleRow>): string =>
  table(["rule", "adversary", "attack", "with the rule", "without", "B", "games", "played on", "seed", "note"], rules.map((row) => [
    row.rule, row.adversary, row.attack, row.on === undefined ? "–" : estimateText(row.on), row.off === undefined ? "–" : estimateText(row.off),
    row.batch === undefined ? "–" : rounded(row.batch, 1), String(row.games), row.level, String(row.seed), row.note ?? ""
  ]))

const figureTable = (figures: ReadonlyArray<Figure>, bound: number): string => {
  const linking = figures.some(isLinking)
  return table(["figure", "value [95 %]", "unit", "adversary", "B", "samples", "seed", ...(linking ? ["bound"] : []), "note"], figures.map((figure) => [
    figure.name, estimateText(figure.estimate), figure.unit, figure.adversary, figure.batch === undefined ? "–" : rounded(figure.batch, 1),
    String(figure.samples), String(figure.seed), ...(linking ? [isLinking(figure) ? rounded(bound) : "–"] : []), figure.note ?? ""
  ]))
}

/** Members of a list by a key, in the order in which keys first come. */
const grouped = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string): ReadonlyArray<readonly [string, ReadonlyArray<A>]> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return [...groups]
}

const boundText = ({ bucketCount, linking: { bound, boundAtValue, delta, epsilonE, vacuous } }: LabReport): string => [
  `ε_E = ${estimateText(epsilonE)}: the best of ${epsilonE.attacksTried} attacks on one traversal (${epsilonE.attack}), in ${epsilonE.trials} games.`,
  `It bounds the true ε_E from below: no better attack was tried. δ = 2^${Math.round(Math.log2(delta))} for 2^${DELTA_WORK_BITS} operations, by assumption:`,
  ...DELTA_INPUTS.map((input) => `- ${input}`),
  "",
  `4·ε_E + δ = ${rounded(boundAtValue)}, and ${rounded(bound)} at the upper end of the interval.` +
    (vacuous ? " **A bound of 1 says nothing**: at these rates the theorem does not limit linking; measured advantages are all that is known." : ""),
  `The bucket tells at most log2(${bucketCount} + 1) = ${rounded(bucketLeakBits(bucketCount), 2)} bits a job besides.`
].join("\n")

export interface Picture {
  readonly fileName: string
  readonly title: string
  readonly svg: string
}

const fileNameOf = (group: string): string => `${group.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.svg`

/** One picture for each group of curves. */
export const labPictures = ({ findings, seed }: LabReport): ReadonlyArray<Picture> =>
  grouped(findings.flatMap(({ series }) => series), ({ group }: Series) => group).map(([group, series]) =>
    ({ fileName: fileNameOf(group), title: group, svg: curvePlot(group, series, `seed ${seed}`) }))

const all = <A>({ findings }: LabReport, of: (one: Findings) => ReadonlyArray<A>): ReadonlyArray<A> => findings.flatMap(of)

/** The page. Pictures are expected beside it. */
export const labMarkdown = (report: LabReport): string => {
  const gates = all(report, (one) => one.gates)
  const planted = all(report, (one) => one.planted)
  const rules = joinedRules(all(report, (one) => one.rules))
  const figures = grouped(all(report, (one) => one.figures), ({ group }) => group)
  return [
    "# Anonymity lab",
    "",
    `\`${report.command}\`, seed ${report.seed}: ${gates.filter(({ pass }) => pass).length} of ${gates.length} gates pass, ` +
      `${planted.filter(({ caught }) => caught).length} of ${planted.length} planted faults are caught. Definitions, adversaries, limits: docs/anonymity.md.`,
    "",
    "## Gates", "", gateTable(gates), "",
    ...(planted.length === 0 ? [] : ["## Planted faults", "", plantedTable(planted), ""]),
    "## The bound", "", boundText(report), "",
    ...figures.flatMap(([group, some]) => [`## Figures: ${group}`, "", figureTable(some, report.linking.bound), ""]),
    ...(rules.length === 0 ? [] : ["## Rules of funion.md §7, on and off", "", ruleTable(rules), ""]),
    ...labPictures(report).flatMap(({ fileName, title }) => [`![${title}](${fileName})`, ""]),
    "## Repeat it", "", `\`${report.command}\` gives these trace hashes:`, "",
    ...report.findings.flatMap(({ part, traceHashes }) => traceHashes.map((hash) => `- ${part}: \`${hash}\``)), ""
  ].join("\n")
}

/** The value that `--json` prints. */
export const labJson = (report: LabReport) => ({
  seed: report.seed,
  command: report.command,
  gates: all(report, (one) => one.gates),
  planted: all(report, (one) => one.planted),
  epsilonE: report.linking.epsilonE.value,
  epsilonInterval: [report.linking.epsilonE.interval.lower, report.linking.epsilonE.interval.upper] as const,
  delta: report.linking.delta,
  bound: report.linking.bound,
  bucketBits: bucketLeakBits(report.bucketCount),
  figures: all(report, (one) => one.figures),
  rules: joinedRules(all(report, (one) => one.rules)),
  series: all(report, (one) => one.series),
  traceHashes: report.findings.flatMap(({ part, traceHashes }) => traceHashes.map((hash) => ({ part, hash })))
})
