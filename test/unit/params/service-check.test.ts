/**
 * Goal: the start-up checks are the published formulas.
 * Method: the worked example of funion.md §6.3, the measured times of milestones.md, and values on both sides of every border.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { echomixParams, tinyParams as shippedParams, tinyService as shippedService } from "../../../src/params/presets.ts"
import {
  batchTimeMs, checkCapacity, checkDeadlines, checkService, checkWorkers, fetchTimeMs, packetsPerQuantumNeeded, sessionsNeeded, warnService
} from "../../../src/params/service-check.ts"
import type { ServicePlan, ServiceProfile } from "../../../src/params/service-profile.ts"

const profile = (change: Partial<ServiceProfile> = {}): ServiceProfile =>
  ({ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 2, coverJobs: 0, ...change })
/** A quantum of one second, and a service whose six sessions carry exactly its full quantum: easy to reckon with. */
const tinyParams = { ...shippedParams, quantumMs: 1000 }
const tinyService: ServicePlan = {
  ...shippedService,
  deadlinesMs: [3000, 6000, 10_000, 20_000],
  profiles: [
    profile(), profile({ id: 1, inputClass: 3, jobsPerQuantum: 1 }), profile({ id: 2, bucket: 2, jobsPerQuantum: 1 })
  ]
}
const plan = (change: Partial<ServicePlan> = {}): ServicePlan => ({ ...tinyService, ...change })

describe("capacity", () => {
  it("J 8, F 2, 4 + 4 boxes at one packet a second need 32 sessions at 10 s and 6 at 60 s", () => {
    const example = { profiles: [profile({ jobsPerQuantum: 8, coverJobs: 2 })], deadlinesMs: [60_000] }
    expect(packetsPerQuantumNeeded(example)).toBe(320)
    expect(sessionsNeeded({ lambdaPPerMs: 0.001, quantumMs: 10_000 }, example)).toBe(32)
    expect(sessionsNeeded({ lambdaPPerMs: 0.001, quantumMs: 60_000 }, example)).toBe(6)
  })
  it("a staged profile writes its boxes at every deadline", () => {
    const deadlinesMs = [3000, 6000, 10_000]
    expect(packetsPerQuantumNeeded({ profiles: [profile({ staged: true, jobsPerQuantum: 1 })], deadlinesMs })).toBe(4 * (4 + 3 * 4))
  })
  it("tiny needs 276 of its 312 packets a quantum, cover jobs included", () => {
    expect(packetsPerQuantumNeeded(shippedService)).toBe(276)
    expect(sessionsNeeded(shippedParams, shippedService)).toBe(6)
  })
  it("J + F is what it takes: J − F clients' jobs are read and written, F of its own uploaded and read back besides", () => {
    const packetsPerBox = 2
    const halfOfTheTicks = 2
    const boxes = (coverJobs: number, jobsPerQuantum: number, boxesIn: number, boxesOut: number) =>
      (jobsPerQuantum - coverJobs) * (boxesIn + boxesOut) + coverJobs * (boxesIn + boxesIn + boxesOut + boxesOut)
    for (const [coverJobs, jobsPerQuantum] of [[1, 2], [2, 6], [5, 8]] as const) {
      const own = { profiles: [profile({ jobsPerQuantum, coverJobs, inputClass: 3 })], deadlinesMs: [60_000] }
      expect(packetsPerQuantumNeeded(own)).toBe(packetsPerBox * halfOfTheTicks * boxes(coverJobs, jobsPerQuantum, 11, 4))
    }
  })
  it("156 packets a quantum: six sessions carry exactly them, five do not", () => {
    expect(packetsPerQuantumNeeded(tinyService)).toBe(156)
    expect(checkCapacity(tinyParams, plan({ sessions: 6 }))).toEqual([])
    expect(checkCapacity(tinyParams, plan({ sessions: 5 }))).toEqual([{
      field: "sessions",
      message: "a full quantum needs 156 packets but 5 sessions send 130: use at least 6 sessions, fewer jobs per quantum or a longer quantum"
    }])
  })
})

describe("times", () => {
  it("four boxes over one session at 25 packets a second take about the measured 0.96 s, eleven about 1.5 s", () => {
    const measured = { ...tinyParams, lambdaPPerMs: 0.025 }
    expect(batchTimeMs(measured, 4, 1)).toBeCloseTo(960, 6)
    expect(batchTimeMs(measured, 11, 1)).toBeCloseTo(1520, 6)
  })
  it("the fetch of a full quantum is spread over the sessions", () => {
    expect(fetchTimeMs(tinyParams, tinyService)).toBeCloseTo((46 / 6 + 2) / 0.026 + 320 + 240, 6)
    expect(fetchTimeMs(echomixParams, { profiles: [profile({ jobsPerQuantum: 3 })], sessions: 2 })).toBeCloseTo(14_000 + 3200 + 12_000, 6)
  })
})

describe("deadlines", () => {
  it("the edge comes after sealing, fetch and ceil(jobs / workers) runs, to the millisecond", () => {
    const exact = 200 + 932 + 2 * 700
    const late = (firstMs: number, workers: number) =>
      checkDeadlines({ ...tinyParams, quantumMs: 1 }, plan({ deadlinesMs: [firstMs, 10_000], workers })).map(({ field }) => field)
    expect([late(exact, 3), late(exact - 1, 3)]).toEqual([[], ["deadlinesMs[0]"]])
    expect([late(exact - 700, 4), late(exact - 701, 4)]).toEqual([[], ["deadlinesMs[0]"]])
    expect([late(exact + 1400, 1), late(exact + 1399, 1)]).toEqual([[], ["deadlinesMs[0]"]])
  })
  it("only deadlines that a profile uses are checked, and the advice is a multiple of the quantum", () => {
    expect(checkDeadlines(tinyParams, plan({ deadlinesMs: [1000, 3000], profiles: [profile({ bucket: 2 })] }))).toEqual([])
    const [problem] = checkDeadlines(tinyParams, plan({ deadlinesMs: [1000, 3000] }))
    expect(problem).toEqual({
      field: "deadlinesMs[0]",
      message: "the edge comes 1000 ms after the quantum, before the inputs of a full quantum can be fetched (932 ms), computed (1400 ms) "
        + "and sealed (200 ms): use at least 3000 ms"
    })
  })
})

describe("workers and window", () => {
  it("full quanta in a row must not pile up", () => {
    expect(checkWorkers(tinyParams, plan({ workers: 3, maxComputeMs: 750 }))).toEqual([])
    expect(checkWorkers(tinyParams, plan({ workers: 3, maxComputeMs: 751 })).map(({ field }) => field)).toEqual(["workers"])
  })
  it("the release window is at most the quantum", () => {
    expect(checkService(tinyParams, plan({ releaseWindowMs: 1000 }))).toEqual([])
    expect(checkService(tinyParams, plan({ releaseWindowMs: 1001 })).map(({ field }) => field)).toEqual(["releaseWindowMs"])
  })
  it("a window too short for a full edge, and a service without cover jobs, are warned of", () => {
    expect(warnService(tinyParams, plan({ releaseWindowMs: 500 })).map(({ field }) => field)).toEqual(["releaseWindowMs", "profiles"])
    expect(warnService(tinyParams, plan({ profiles: [profile({ coverJobs: 1 })] }))).toEqual([])
  })
})
