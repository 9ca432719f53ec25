/**
 * The rules of funion.md §7 that are played on the functions that make them, and the reasons for those that are not played.
 *
 * Contract: pure; a rule stands in one part of the lab only.
 * Knows nothing of: worlds.
 * Source: funion.md §7; departures: none.
 *
 * @module
 */
import type { RuleRow } from "../../../src/anonymity/findings.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { gridRules } from "../rules/grid-rules.ts"

const ROUNDS: Readonly<Record<LabScale, number>> = { test: 400, quick: 2_000, large: 20_000 }

const notPlayed = (rule: string, adversary: string, attack: string, note: string): RuleRow =>
  ({ rule, adversary, attack, level: "not played", games: 0, seed: 0, note })

const NOT_PLAYED: ReadonlyArray<RuleRow> = [
  notPlayed("O6", "queue host", "the time or form of an answer tells acceptance", "answers leave at a fixed instant: test/unit/actors/service-node/queue-host"),
  notPlayed("O7", "queue host", "a dispatch delivered again causes reads", "test/unit/inference: one dispatch delivered many times causes one fetch"),
  notPlayed("O12", "other clients", "heavy jobs push a victim into overflow",
    "without the rule a service does not start: the start-up check refuses deadlines that a full quantum of the longest runs could miss"),
  notPlayed("O13", "links", "inference stalls the sender's ticks",
    "virtual time has no stalls; the gap test of test/network/traffic runs models in real threads"),
  notPlayed("O14", "other clients", "'quantum full' tells the load", "what it tells is what it says, one bit about a quantum; nothing is linked by it"),
  notPlayed("O18", "Alice or a thief", "writing to W_out first", "test/unit/inference: a foreign box changes no operation of a release"),
  notPlayed("O19", "replicas", "a restart sends boxes again off the grid", "test/unit/inference: crashes between all steps of the journal"),
  notPlayed("O20", "any", "early deletion bursts", "the workflow has no deletions, so there is nothing to turn on"),
  notPlayed("O22", "directory", "a private view of the descriptor", "a threshold of signatures, not traffic: unit tests of the directory's view")
]

export const rulePart = ({ scale, seed }: PartChoice): Promise<LabPart> =>
  Promise.resolve({ ...emptyPart("rules"), rules: [...gridRules(seed, ROUNDS[scale]), ...NOT_PLAYED] })
