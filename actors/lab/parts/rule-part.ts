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

/** Why each cannot be played here, and what there is instead. */
const NOT_PLAYED: ReadonlyArray<RuleRow> = [
  notPlayed("O6", "queue host", "the time or form of an answer tells acceptance",
    "answers leave at one fixed instant with one length: there is no number to guess by; test/unit/actors/service-node/queue-host checks both"),
  notPlayed("O7", "queue host", "a dispatch delivered again causes reads",
    "with the rule never a read: a count, no game; test/unit/inference/compute-admission delivers one dispatch many times"),
  notPlayed("O12", "other clients", "heavy jobs push a victim into overflow",
    "without the rule a service does not start: the start-up check refuses deadlines that a full quantum of the longest runs could miss"),
  notPlayed("O13", "links", "inference stalls the sender's ticks",
    "virtual time has no stalls; gaps with work and without are compared (sender/*), the ticks of a real process that infers are not measured by any test"),
  notPlayed("O14", "other clients", "'quantum full' tells the load", "what it tells is what it says, one bit about a quantum; nothing is linked by it"),
  notPlayed("O18", "Alice or a thief", "writing to W_out first",
    "an act of the owner's against the service, not of an observer's; test/unit/inference: a foreign box changes no operation of a release"),
  notPlayed("O19", "replicas", "a restart sends boxes again off the grid",
    "needs crashes at every step of a journal, more than a world of minutes has; test/unit/inference/compute-crash plays them without network"),
  notPlayed("O20", "any", "early deletion bursts", "the workflow has no deletions, so there is nothing to turn on"),
  notPlayed("O22", "directory", "a private view of the descriptor", "a threshold of signatures, not traffic: unit tests of the directory's view")
]

export const rulePart = ({ scale, seed }: PartChoice): Promise<LabPart> =>
  Promise.resolve({ ...emptyPart("rules"), rules: [...gridRules(seed, ROUNDS[scale]), ...NOT_PLAYED] })
