/**
 * One part of the lab: what it is asked, and what it hands back, in a form that travels between threads.
 *
 * Contract: plain data. `traversals` are the attacks on one traversal of the mix network, from which ε_E is made.
 * Knows nothing of: how parts are run, how a report looks.
 * Source: issue "anonymity that is measured", points 4 and 5; departures: none.
 *
 * @module
 */
import type { GuessingAttack } from "../../src/anonymity/attacks/attack-result.ts"
import type { Findings } from "../../src/anonymity/findings.ts"

/** How much is played: enough for a test, for a person who waits, or for a report. */
export type LabScale = "test" | "quick" | "large"

export interface PartChoice {
  readonly scale: LabScale
  readonly seed: number
}

export interface LabPart extends Findings {
  readonly traversals?: ReadonlyArray<GuessingAttack>
}

export const emptyPart = (part: string): LabPart => ({ part, figures: [], gates: [], rules: [], planted: [], series: [], traceHashes: [] })
