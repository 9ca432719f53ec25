/**
 * A rule of funion.md §7 as the lab plays it: one attack, once with the rule and once without.
 *
 * Contract: `level` says where it was played: on a whole network, or on the very functions that make the rule, with the rule left out beside them. `off` is
 * absent where leaving the rule out takes a sabotage switch in a shipped program; `note` then says why. `batch` is B, the jobs among which a replica has to
 * choose, where replicas are the adversary.
 * Knows nothing of: how rows are printed.
 * Source: funion.md §5, §7; departures: none.
 *
 * @module
 */
import type { Estimate } from "../../../src/anonymity/metrics/interval.ts"

export interface RuleRow {
  /** O1 … O22 */
  readonly rule: string
  readonly adversary: string
  readonly attack: string
  readonly level: "network" | "component" | "not played"
  readonly batch?: number
  /** Advantage with the rule, and without it. */
  readonly on?: Estimate
  readonly off?: Estimate
  readonly games: number
  readonly seed: number
  readonly note?: string
}
