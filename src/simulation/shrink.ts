/**
 * The shortest scenario that still fails: tries smaller ones, keeps those that fail as well.
 *
 * Contract: every candidate is a valid scenario, and the result is one for which `fails` said yes, or the one given. Ends when no step makes it smaller, or
 * when the budget of runs is spent. The steps, in rounds: fewer faults (halves, then one by one), fewer jobs, a shorter run, shorter windows.
 * Knows nothing of: what failing is, seeds.
 * Source: delta debugging (Zeller); issue 5, part 1; departures: none.
 *
 * @module
 */
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

const STEPS = [fewerFaults, fewerJobs, shorterRuns, shorterWindows]

/**
 * @param scenario  one that fails
 * @param fails  runs a candidate; true when it fails in the same way
 * @param budget  most runs
 */
export const shrink = async (scenario: Scenario, fails: (candidate: Scenario) => Promise<boolean>, budget: number): Promise<Shrunk> => {
  let smallest = scenario
  let runCount = 0
  const step = async (candidatesOf: (scenario: Scenario) => ReadonlyArray<Scenario>): Promise<boolean> => {
    for (const candidate of candidatesOf(smallest)) {
      if (runCount >= budget) return false
      runCount += 1
      if (!(await fails(candidate))) continue
      smallest = candidate
      return true
    }
    return false
  }
  for (let changed = true; changed && runCount < budget;) {
    changed = false
    for (const candidatesOf of STEPS) while (await step(candidatesOf)) changed = true
  }
  return { scenario: { ...smallest, name: `${scenario.name}-shrunk` }, runCount }
}
