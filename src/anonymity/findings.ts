/**
 * What a run of the lab has found: figures, gates, rules, planted faults and curves, as plain data.
 *
 * Contract: everything that a reader needs to repeat or doubt a figure stands with it: interval, number of trials, seed, adversary, and B beside every
 * advantage against replicas.
 * Knows nothing of: how it is printed.
 * Source: funion.md §5, §7; departures: none.
 *
 * @module
 */
import type { Disclosure } from "./attacks/intersection.ts"
import type { ScoringAttack } from "./attacks/attack-result.ts"
import type { Gate } from "./gate.ts"
import type { HopEntropy } from "./metrics/hop-entropy.ts"
import type { Estimate } from "./metrics/interval.ts"

export interface Figure {
  readonly group: string
  readonly name: string
  readonly estimate: Estimate
  readonly unit: "bits" | "advantage" | "share" | "milliseconds" | "rounds" | "clients" | "count"
  readonly adversary: string
  /** Games, packets, rounds. */
  readonly samples: number
  readonly seed: number
  /** B. */
  readonly batch?: number
  readonly note?: string
}

/** A rule of funion.md §7: one attack, with the rule and without. */
export interface RuleRow {
  readonly rule: string
  readonly adversary: string
  readonly attack: string
  readonly level: "network" | "component" | "not played"
  readonly batch?: number
  readonly on?: Estimate
  readonly off?: Estimate
  readonly games: number
  readonly seed: number
  readonly note?: string
}

/** Rows of a rule whose two sides were played in different worlds as one: the row with the rule takes the other's side, and its note. */
export const joinedRules = (rows: ReadonlyArray<RuleRow>): ReadonlyArray<RuleRow> => {
  const isHalf = ({ off, on }: RuleRow): boolean => (off === undefined) !== (on === undefined)
  return rows.flatMap((row): ReadonlyArray<RuleRow> => {
    const other = rows.find((each) => each.rule === row.rule && isHalf(each) && (each.on === undefined) !== (row.on === undefined))
    if (other === undefined || !isHalf(row)) return [row]
    if (row.on === undefined || other.off === undefined) return []
    const notes = [row.note, `${other.note ?? ""} (${other.games} games)`].filter((note) => note !== undefined)
    return [{ ...row, off: other.off, note: notes.join("; ") }]
  })
}

/** A fault that was put in on purpose, and what noticed. */
export interface Planted {
  readonly name: string
  readonly caughtBy: ReadonlyArray<string>
  readonly caught: boolean
  readonly seed: number
}

/** A curve for a picture; curves of one group share one. */
export interface Series {
  readonly name: string
  readonly group: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  readonly xLabel: string
  readonly yLabel: string
  /** Dots instead of a line. */
  readonly dots?: boolean
  /** Ends of the interval of each point. */
  readonly intervals?: ReadonlyArray<readonly [lower: number, upper: number]>
  /** A dashed line beside it: y = x, or a constant. */
  readonly reference?: "diagonal" | number
}

export interface Findings {
  readonly part: string
  readonly figures: ReadonlyArray<Figure>
  readonly gates: ReadonlyArray<Gate>
  readonly rules: ReadonlyArray<RuleRow>
  readonly planted: ReadonlyArray<Planted>
  readonly series: ReadonlyArray<Series>
  readonly traceHashes: ReadonlyArray<string>
}

/** Measured bits of nodes against what their traffic promises. */
export const entropySeries = (name: string, hops: ReadonlyArray<HopEntropy>): Series => ({
  name,
  group: "entropy per hop",
  xLabel: "log2(λe/µ), bits",
  yLabel: "measured, bits",
  points: hops.map(({ bits, expectedBits }) => [expectedBits, bits.value]),
  intervals: hops.map(({ bits }) => [bits.interval.lower, bits.interval.upper]),
  dots: true,
  reference: "diagonal"
})

export const rocSeries = ({ area, curve, name }: ScoringAttack): Series => ({
  name: `${name}, area ${area.value.toFixed(2)}`,
  group: "ROC curves",
  xLabel: "false positive rate",
  yLabel: "true positive rate",
  points: curve.map(({ falsePositiveRate, truePositiveRate }) => [falsePositiveRate, truePositiveRate]),
  reference: "diagonal"
})

export const disclosureSeries = ({ clientCount, name, points }: Disclosure): Series => ({
  name,
  group: "intersection over rounds",
  xLabel: "rounds",
  yLabel: "share of targets named",
  points: points.map(({ named, rounds }) => [rounds, named.value]),
  intervals: points.map(({ named }) => [named.interval.lower, named.interval.upper]),
  reference: clientCount === 0 ? 0 : 1 / clientCount
})
