/**
 * What all parts of the lab come to.
 *
 * Contract: the verdict is `pass` when every gate passes and every planted fault is caught. ε_E is that of the part that played the game of one traversal; the
 * bound beside it is the paper's, 4·ε_E + δ with δ = 0, and at most 1, since no advantage is larger.
 * Knows nothing of: how parts are run.
 * Source: issue "anonymity that is measured", point 4; arXiv 2505.18398 Theorem 4.4; departures: none.
 *
 * @module
 */
import type { Gate } from "./gate.ts"
import type { Figure, LabPart, LabScale, Planted, Series } from "./lab-part.ts"
import type { RuleRow } from "./rules/rule-row.ts"

export interface LabResult {
  readonly verdict: "pass" | "fail"
  readonly scale: LabScale
  readonly seed: number
  readonly gates: ReadonlyArray<Gate>
  readonly planted: ReadonlyArray<Planted>
  readonly rules: ReadonlyArray<RuleRow>
  readonly figures: ReadonlyArray<Figure>
  readonly series: ReadonlyArray<Series>
  readonly epsilonE: number
  /** min(1, 4·ε_E + δ) */
  readonly bound: number
  readonly traceHashes: Readonly<Record<string, ReadonlyArray<string>>>
}

/** Traversals that one job consists of: upload, dispatch, the service's traffic, fetch. */
const TRAVERSALS = 4

export const labResult = (parts: ReadonlyArray<LabPart>, { scale, seed }: { readonly scale: LabScale; readonly seed: number }): LabResult => {
  const gates = parts.flatMap((part) => part.gates)
  const planted = parts.flatMap((part) => part.planted)
  const epsilonE = Math.max(0, ...parts.flatMap((part) => part.epsilonE ?? []))
  const rules = parts.flatMap((part) => part.rules)
  return {
    verdict: gates.every(({ pass }) => pass) && planted.every(({ caught }) => caught) ? "pass" : "fail",
    scale, seed, gates, planted,
    rules: [...rules].sort((one, other) => Number(one.rule.slice(1)) - Number(other.rule.slice(1))),
    figures: parts.flatMap((part) => part.figures),
    series: parts.flatMap((part) => part.series),
    epsilonE,
    bound: Math.min(1, TRAVERSALS * epsilonE),
    traceHashes: Object.fromEntries(parts.map(({ part, traceHashes }) => [part, traceHashes]))
  }
}
