/**
 * One part of the lab: what it measured, in a form that travels between threads.
 *
 * Contract: plain data. Figures are for the report, gates for the verdict, rows for the table of rules; planted faults say which gate of a broken network
 * failed that a sound one passes.
 * Knows nothing of: how parts are run, how a report looks.
 * Source: issue "anonymity that is measured", points 4 and 5; departures: none.
 *
 * @module
 */
import type { Estimate } from "../../src/anonymity/metrics/interval.ts"
import type { Gate } from "./gate.ts"
import type { RuleRow } from "./rules/rule-row.ts"

/** How much is played: enough for a test, for a person who waits, or for a report. */
export type LabScale = "test" | "quick" | "large"

export interface Figure {
  readonly group: string
  readonly name: string
  readonly estimate: Estimate
  readonly unit: "bits" | "advantage" | "share" | "milliseconds" | "rounds" | "clients" | "count"
  /** What the adversary is. */
  readonly adversary: string
  /** Games, packets, rounds. */
  readonly samples: number
  readonly seed: number
  /** B, beside every advantage against replicas. */
  readonly batch?: number
  readonly note?: string
}

/** A fault that was put in on purpose, and what noticed. */
export interface Planted {
  readonly name: string
  /** The gates that failed. */
  readonly caughtBy: ReadonlyArray<string>
  readonly caught: boolean
  readonly seed: number
}

/** A curve for a picture. */
export interface Series {
  readonly name: string
  readonly group: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  readonly xLabel: string
  readonly yLabel: string
}

export interface LabPart {
  readonly part: string
  readonly figures: ReadonlyArray<Figure>
  readonly gates: ReadonlyArray<Gate>
  readonly rules: ReadonlyArray<RuleRow>
  readonly planted: ReadonlyArray<Planted>
  readonly series: ReadonlyArray<Series>
  /** ε_E, where the part has measured it. */
  readonly epsilonE?: number
  /** Of the worlds it ran, so that a run can be told to be the same. */
  readonly traceHashes: ReadonlyArray<string>
}

export const emptyPart = (part: string): LabPart => ({ part, figures: [], gates: [], rules: [], planted: [], series: [], traceHashes: [] })

export interface PartChoice {
  readonly scale: LabScale
  readonly seed: number
}
