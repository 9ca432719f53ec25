/**
 * Goal: epochs, classes and checks hold for all values, not only for those of the unit tests.
 * Method: fast-check over instants, periods, counts and arbitrary numbers.
 *
 * @module
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Epoch, EPOCH_ORIGIN_MS, epochAt, epochStartMs, replicaEpochAt, replicaEpochOf } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { checkParams } from "../../src/params/params-check.ts"
import { tinyParams, tinyService } from "../../src/params/presets.ts"
import { checkCapacity, checkDeadlines, fetchTimeMs, sessionsNeeded } from "../../src/params/service-check.ts"
import { boxesOfClass, classFor, SIZE_CLASS_COUNT } from "../../src/params/size-class.ts"

const periods = fc.record({
  epochPeriodMs: fc.integer({ min: 1, max: 86_400_000 }),
  replicaEpochPeriodMs: fc.integer({ min: 1, max: 30 * 86_400_000 })
})

describe("epochs of any period", () => {
  it("an instant lies in its epoch and in no other", () => {
    fc.assert(fc.property(periods, fc.integer({ min: EPOCH_ORIGIN_MS, max: 4_000_000_000_000 }), (params, nowMs) => {
      const epoch = epochAt(params, nowMs)
      expect(epochStartMs(params, epoch)).toBeLessThanOrEqual(nowMs)
      expect(epochStartMs(params, Epoch(epoch + 1))).toBeGreaterThan(nowMs)
    }))
  })
  it("the replica epoch of an epoch is the one of its first instant", () => {
    fc.assert(fc.property(periods, fc.integer({ min: 0, max: 1_000_000 }), (params, number) => {
      expect(replicaEpochOf(params, Epoch(number))).toBe(replicaEpochAt(params, epochStartMs(params, Epoch(number))))
    }))
  })
})

describe("size classes", () => {
  it("the chosen class has room, the one below has not", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: boxesOfClass(SIZE_CLASS_COUNT - 1) }), (boxes) => {
      const classId = classFor(boxes) as number
      expect(boxesOfClass(classId)).toBeGreaterThanOrEqual(boxes)
      if (classId > 0) expect(boxesOfClass(classId - 1)).toBeLessThan(boxes)
    }))
  })
})

describe("checks", () => {
  const numbers = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-320))
  const field = fc.constantFrom(...(Object.keys(tinyParams) as ReadonlyArray<keyof MixnetParams>).filter((name) => typeof tinyParams[name] === "number"))
  it("any number in any parameter gives a list of problems with existing fields, never a crash", () => {
    fc.assert(fc.property(field, numbers, (name, value) => {
      for (const problem of checkParams({ ...tinyParams, [name]: value })) {
        expect(problem.field.split(".")[0] as string in tinyParams).toBe(true)
        expect(problem.message.length).toBeGreaterThan(0)
      }
    }))
  })
  it("the advised number of sessions passes the capacity check, one fewer does not", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 9 }), fc.boolean(), (jobsPerQuantum, inputClass, staged) => {
      const profiles = [{ id: 0, inputClass, outputClass: 1, bucket: 1, staged, jobsPerQuantum, coverJobs: 0 }]
      const sessions = sessionsNeeded(tinyParams, { ...tinyService, profiles })
      expect(checkCapacity(tinyParams, { ...tinyService, profiles, sessions })).toEqual([])
      if (sessions > 1) expect(checkCapacity(tinyParams, { ...tinyService, profiles, sessions: sessions - 1 })).toHaveLength(1)
    }))
  })
  it("more sessions never make a deadline fail, more jobs never make it pass", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (sessions, jobsPerQuantum) => {
      const plan = { ...tinyService, sessions, profiles: tinyService.profiles.map((profile) => ({ ...profile, jobsPerQuantum })) }
      expect(fetchTimeMs(tinyParams, { ...plan, sessions: sessions + 1 })).toBeLessThan(fetchTimeMs(tinyParams, plan))
      const more = { ...plan, profiles: plan.profiles.map((profile) => ({ ...profile, jobsPerQuantum: jobsPerQuantum + 1 })) }
      if (checkDeadlines(tinyParams, plan).length > 0) expect(checkDeadlines(tinyParams, more).length).toBeGreaterThan(0)
    }))
  })
})
