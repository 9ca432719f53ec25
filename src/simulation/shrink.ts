/**
 * The shortest scenario that still fails: tries smaller ones, keeps those that fail as well.
 *
 * Contract: every candidate is a valid scenario, and the result is one for which `fails` said yes, or the one given. Ends when no step makes it smaller, or
 * when the budget of runs is spent. The steps, in rounds: a shorter run (which makes all later ones cheaper), fewer faults (halves, then
 * one by one), fewer jobs, shorter windows.
 * Knows nothing of: what failing is, seeds.
 * Source: delta debugging (Zeller); issue 5, part 1; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { Fault, Scenario } from "./fault-plan.ts"

/** Windows and runs are not cut to less. */
const SHORTEST_WINDOW_MS = 50
const SHORTEST_RUN_MS = 10_000

export interface Shrunk {
  readonly scenario: Scenario
  /** Runs that it took. */
  readonly runCount: number
}

/** Scenarios with some of the faults gone: each half, then each without one. */
const fewerFaults = (scenario: Scenario): ReadonlyArray<Scenario> => {
  const { faults } = scenario
  const half = Math.ceil(faults.length / 2)
  const halves = faults.length < 3 ? [] : [faults.slice(0, half), faults.slice(half)]
  const singles = faults.map((_, index) => faults.filter((__, other) => other !== index))
  return [...halves, ...singles].map((left) => ({ ...scenario, faults: left }))
}

const fewerJobs = (scenario: Scenario): ReadonlyArray<Scenario> => {
  const { jobs } = scenario
  return [...new Set([0, Math.floor(jobs / 2), jobs - 1])].filter((fewer) => fewer >= 0 && fewer < jobs).map((fewer) => ({ ...scenario, jobs: fewer }))
}

/** Runs that end earlier; faults that would begin later go, windows are cut. */
const shorterRuns = (scenario: Scenario): ReadonlyArray<Scenario> =>
  [0.5, 0.75, 0.9].map((share) => Math.round(scenario.runMs * share)).filter((runMs) => runMs >= SHORTEST_RUN_MS).map((runMs) => ({
    ...scenario, runMs, faults: scenario.faults.filter(({ fromMs }) => fromMs < runMs)
  }))

const halvesOf = (fault: Fault): ReadonlyArray<Fault> => {
  const lengthMs = fault.untilMs - fault.fromMs
  if (lengthMs < 2 * SHORTEST_WINDOW_MS) return []
  const middleMs = Math.round(fault.fromMs + lengthMs / 2)
  return [{ ...fault, untilMs: middleMs }, { ...fault, fromMs: middleMs }]
}

const shorterWindows = (scenario: Scenario): ReadonlyArray<Scenario> =>
  scenario.faults.flatMap((fault, index) => halvesOf(fault).map((half) => ({
    ...scenario, faults: scenario.faults.map((other, place) => (place === index ? half : other))
  })))

const STEPS = [shorterRuns, fewerFaults, fewerJobs, shorterWindows]

export interface ShrinkBudget {
  /** Most runs. */
  readonly runs: number
  /** Candidates that run side by side; the result is the same for any number unless the budget ends it. */
  readonly atOnce: number
}

/**
 * @param scenario  one that fails
 * @param fails  runs a candidate, with its number from 1; true when it fails in the same way
 */
export const shrink = <R>(
  scenario: Scenario, fails: (candidate: Scenario, number: number) => Effect.Effect<boolean, never, R>, budget: ShrinkBudget
): Effect.Effect<Shrunk, never, R> =>
  Effect.gen(function*() {
    let smallest = scenario
    let runCount = 0
    const step = (candidates: ReadonlyArray<Scenario>) =>
      Effect.gen(function*() {
        for (let at = 0; at < candidates.length && runCount < budget.runs;) {
          const batch = candidates.slice(at, at + Math.min(budget.atOnce, budget.runs - runCount))
          const failed = yield* Effect.forEach(batch, (candidate, index) => fails(candidate, runCount + 1 + index), { concurrency: "unbounded" })
          at += batch.length
          runCount += batch.length
          const first = batch.find((_, index) => failed[index])
          if (first === undefined) continue
          smallest = first
          return true
        }
        return false
      })
    for (let changed = true; changed && runCount < budget.runs;) {
      changed = false
      for (const candidatesOf of STEPS) while (yield* step(candidatesOf(smallest))) changed = true
    }
    return { scenario: { ...smallest, name: `${scenario.name}-shrunk` }, runCount }
  })
