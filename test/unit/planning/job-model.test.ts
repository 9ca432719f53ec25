/**
 * The model of a job.
 *
 * Goal: steps have the means that the protocol's waits add up to, and overflow shows where a deadline is too near.
 * Method: fixed seeds; replicas and queues that answer at once; means within five standard errors.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import { tinyParams, tinyService } from "../../../src/params/presets.ts"
import { drawsWithin, JOB_DRAWS, jobFigures, type JobSetting } from "../../../src/planning/job-model.ts"

const HOP_MS = 1 / -Math.expm1(-tinyParams.muPerMs)
const TICK_MS = 1 / tinyParams.lambdaPPerMs
const ROUND_TRIP_MS = (2 * tinyParams.mixLayers + 2) * HOP_MS

const settingOf = (params: MixnetParams, changes: Partial<JobSetting> = {}): JobSetting => ({
  params,
  storage: { params, couriers: 2, replicas: 4, linkUse: { courier: 0, replica: 0 }, linkMs: 0, gatherMs: 0 },
  client: { sessions: 1, use: 0 },
  service: { sessions: 6, use: 0 },
  boxesIn: 4, boxesOut: 4,
  deadlinesMs: tinyService.deadlinesMs,
  releaseWindowMs: tinyService.releaseWindowMs,
  workers: 3, computeMs: 5, coverJobs: 0, otherJobs: 0,
  ...changes
})

const instant: MixnetParams = { ...tinyParams, lambdaRPerMs: 100 }

describe("a job", () => {
  const { overflowShare, packets, steps } = jobFigures(settingOf(instant))
  it("is dispatched a quantum after its upload on average, and answered after two ticks, a round trip and AnswerMs", () => {
    const expectedMs = instant.quantumMs + 2 * TICK_MS + ROUND_TRIP_MS + instant.answerMs
    expect(Math.abs(steps.dispatchMs.mean - expectedMs)).toBeLessThan(5 * steps.dispatchMs.error)
  })
  it("is held half a quantum and its deadline, less what passed before its client knew", () => {
    const expectedMs = instant.quantumMs / 2 + (tinyService.deadlinesMs[0] ?? 0) - instant.answerMs - instant.mixLayers * HOP_MS
    expect(Math.abs(steps.heldMs.mean - expectedMs)).toBeLessThan(5 * steps.heldMs.error)
  })
  it("is fetched after the window and a mean quantum, in two transfers", () => {
    const leastMs = tinyService.releaseWindowMs + instant.quantumMs + 2 * (4 * TICK_MS + 2 * ROUND_TRIP_MS)
    expect(steps.fetchMs.mean).toBeGreaterThan(leastMs - 5 * steps.fetchMs.error)
    expect(steps.fetchMs.mean).toBeLessThan(1.2 * leastMs)
  })
  it("takes the sum of its steps, and two packets a box and one for the dispatch or a few more", () => {
    const { dispatchMs, fetchMs, heldMs, totalMs, uploadMs } = steps
    expect(totalMs.mean).toBeCloseTo(uploadMs.mean + dispatchMs.mean + heldMs.mean + fetchMs.mean, 3)
    expect(packets).toBeGreaterThanOrEqual(17)
    expect(packets).toBeLessThan(19)
    expect(overflowShare).toBe(0)
  })
  it("misses an edge that comes before its input can be read", () => {
    expect(jobFigures(settingOf(tinyParams, { deadlinesMs: [700] }), 200).overflowShare).toBeGreaterThan(0.5)
    expect(jobFigures(settingOf(tinyParams, { computeMs: 10_000 }), 50).overflowShare).toBe(1)
  })
  it("is read behind all others of its quantum, cover jobs among them", () => {
    const [alone, crowded] = [0, 12].map((coverJobs) => jobFigures(settingOf(tinyParams, { coverJobs }), 200).serviceFetchMs.mean)
    expect(crowded).toBeGreaterThan(1.3 * (alone ?? 0))
  })
  it("is asked for again when the release is later than the first look", () => {
    const [quick, slow] = [6, 1].map((sessions) => jobFigures(settingOf(tinyParams, { service: { sessions, use: 0.8 } }), 300))
    expect(slow?.steps.fetchMs.mean).toBeGreaterThan(1.05 * (quick?.steps.fetchMs.mean ?? 0))
    expect(slow?.packets).toBeGreaterThan(quick?.packets ?? 0)
  })
})

describe("the draws of a plan", () => {
  it("are fewer where a quantum is full of boxes, and none where it is over-full", () => {
    const jobs = (coverJobs: number, otherJobs = 0): number => drawsWithin({ boxesIn: 4, boxesOut: 4, coverJobs, otherJobs })
    expect(jobs(1)).toBe(JOB_DRAWS)
    expect(jobs(99)).toBe(JOB_DRAWS)
    expect(jobs(199)).toBe(JOB_DRAWS / 4)
    expect(jobs(1_000)).toBe(19)
    expect(jobs(2_000)).toBe(0)
    expect(jobs(0, 1e9)).toBe(0)
    expect(drawsWithin({ boxesIn: 4, boxesOut: 4, coverJobs: 1, otherJobs: 0 }, 7)).toBe(7)
  })
})
