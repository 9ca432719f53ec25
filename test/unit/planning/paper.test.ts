/**
 * The plan, and the table for a large model.
 *
 * Goal: columns hang together, sources are quoted, deadlines hold what they must; a plan says what will not work.
 * Method: few draws of a seeded model; sums by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { changeFigures, figuresOf } from "../../../src/planning/network-figures.ts"
import { COMPUTE_FIGURES, computeMsOf, paperTable } from "../../../src/planning/paper.ts"
import { makePlan, type PlanRequest } from "../../../src/planning/plan.ts"
import { topology as echomix } from "../../../topologies/echomix.ts"
import { topology as tiny } from "../../../topologies/tiny.ts"

const hardware = { unwrapUs: 100, linkMs: 0 }

describe("the table for Llama-3-70B", () => {
  const { assumptions, columns, coverBytesPerDay } = paperTable(changeFigures(figuresOf(echomix), { quantumMs: 10_000 }), hardware, 1)
  it("has the published compute times: 9.7 s alone, 30.7 s beside fifty, 54.5 s beside a hundred", () => {
    expect(COMPUTE_FIGURES.map(computeMsOf).map((ms) => Math.round(ms / 100) / 10)).toEqual([9.7, 30.7, 54.5])
    expect(assumptions.some((line) => line.includes("docs.nvidia.com"))).toBe(true)
  })
  it("has deadlines on the grid that hold reading, compute and seal, and hardly a job misses them", () => {
    for (const { computeMs, deadlineMs, plan } of columns) {
      expect(deadlineMs % 10_000).toBe(0)
      expect(deadlineMs).toBeGreaterThan(computeMs + plan.job.serviceFetchMs.mean)
      expect(plan.job.overflowShare).toBeLessThan(0.1)
    }
  })
  it("adds up, and what is more compute is less overhead", () => {
    for (const { boxes, computeMs, networkMs, overheadRatio, plan, totalMs } of columns) {
      expect(networkMs + computeMs).toBeCloseTo(totalMs, 6)
      expect(overheadRatio).toBeCloseTo(totalMs / computeMs, 9)
      expect(boxes).toBe(plan.boxes.in + plan.boxes.out)
    }
    const ratios = columns.map(({ overheadRatio }) => overheadRatio)
    expect([...ratios].sort((a, b) => b - a)).toEqual(ratios)
    expect(coverBytesPerDay).toBeGreaterThan(5e8)
  })
})

describe("a plan", () => {
  const figures = figuresOf(tiny)
  const service = figures.services[0]!
  const request: PlanRequest = { figures, hardware, service, profile: service.profiles[0]!, computeMs: 5, jobsPerUserHour: 1, draws: 50 }
  it("says that a node is too busy, users ask for too much, and a service's means do not do", () => {
    const problems = [
      makePlan({ ...request, hardware: { ...hardware, unwrapUs: 50_000 } }),
      makePlan({ ...request, jobsPerUserHour: 1e4 }),
      makePlan({ ...request, service: { ...service, sessions: 1 } })
    ].map((plan) => plan.problems.join(" "))
    expect(problems[0]).toContain("cores to unwrap")
    expect(problems[1]).toContain("are admitted")
    // it once drew for ever here
    expect(problems[1]).toContain("come to no end")
    expect(problems[2]).toContain("sessions")
  })
  it("counts cover jobs as the set against storage, and more users as more to hide among", () => {
    const covered = makePlan({ ...request, profile: { ...request.profile, coverJobs: 3 } })
    expect(covered.entropy.batchSure).toBe(4)
    expect(covered.problems.join(" ")).not.toContain("no cover jobs")
    const crowded = makePlan({ ...request, figures: changeFigures(figures, { users: 1_000 }) })
    expect(crowded.entropy.leastMixBits).toBeGreaterThan(covered.entropy.leastMixBits + 5)
    expect(crowded.entropy.pathBits).toBeGreaterThan(crowded.entropy.leastMixBits)
  })
})
