/**
 * Goal: on the shipped actors neither the lines of clients nor storage show who works on what.
 * Method: one small world of jobs in virtual time, seed fixed; gates at a false-alarm rate of 10^-4 each.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { jobGates, jobTopology } from "../../actors/lab/parts/job-part.ts"
import { runJobWorld } from "../../actors/lab/parts/job-world.ts"

const SEED = 20_251_201

describe("jobs under observation", () => {
  it("every gate passes, and nearly every job is answered", async () => {
    const world = await runJobWorld({ topology: jobTopology("test", 0), seed: SEED, rounds: 6, jobsPerRound: 4, garbageEvery: 5 })
    expect(jobGates(world, SEED).filter(({ pass }) => !pass)).toEqual([])
    expect(world.jobs.length).toBe(24)
    expect(world.jobs.filter(({ outcome }) => outcome === "lost")).toEqual([])
  }, 900_000)
})
