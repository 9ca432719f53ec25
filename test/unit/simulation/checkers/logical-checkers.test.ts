/**
 * Goal: checkers of rules of logic pass what keeps the rule and name what breaks it.
 * Method: short traces by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { accountingVerdict, missingOf, type PacketBalance } from "../../../../src/simulation/checkers/accounting-checker.ts"
import { coveredMs, merged, without } from "../../../../src/simulation/checkers/checker.ts"
import { JobChecker } from "../../../../src/simulation/checkers/job-checker.ts"
import { QueueChecker } from "../../../../src/simulation/checkers/queue-checker.ts"
import { ReleaseChecker } from "../../../../src/simulation/checkers/release-checker.ts"
import { StorageChecker } from "../../../../src/simulation/checkers/storage-checker.ts"

describe("windows", () => {
  it("merge, cover and are cut out of each other", () => {
    expect(merged([{ fromMs: 5, untilMs: 9 }, { fromMs: 0, untilMs: 3 }, { fromMs: 2, untilMs: 4 }, { fromMs: 7, untilMs: 7 }]))
      .toEqual([{ fromMs: 0, untilMs: 4 }, { fromMs: 5, untilMs: 9 }])
    expect(coveredMs([{ fromMs: 0, untilMs: 5 }, { fromMs: 3, untilMs: 8 }])).toBe(8)
    expect(without([{ fromMs: 0, untilMs: 10 }], [{ fromMs: 2, untilMs: 3 }, { fromMs: 9, untilMs: 12 }]))
      .toEqual([{ fromMs: 0, untilMs: 2 }, { fromMs: 3, untilMs: 9 }])
    expect(without([{ fromMs: 0, untilMs: 10 }], [{ fromMs: -1, untilMs: 12 }])).toEqual([])
  })
})

describe("the job checker", () => {
  const verdictAfter = (tell: (checker: JobChecker) => void) => {
    const checker = new JobChecker()
    checker.asked(0, "job 0")
    tell(checker)
    return checker.verdict(1000)
  }
  it("passes jobs that were answered, that failed before they were accepted, and that may still be answered", () => {
    expect(verdictAfter((checker) => {
      checker.accepted(0, 900)
      checker.answered(0, true)
    })).toMatchObject({ pass: true, figures: { asked: 1, accepted: 1, answered: 1 } })
    expect(verdictAfter((checker) => checker.failed(0, "dispatch-timed-out")).pass).toBe(true)
    expect(verdictAfter((checker) => checker.accepted(0, 1001)).pass).toBe(true)
  })
  it("fails a wrong answer, an accepted job that failed, and one that never came", () => {
    expect(verdictAfter((checker) => checker.answered(0, false)).findings).toEqual(["job 0: answered wrongly"])
    expect(verdictAfter((checker) => {
      checker.accepted(0, 900)
      checker.failed(0, "output-not-found")
    }).findings).toEqual(["job 0: accepted and lost (output-not-found)"])
    expect(verdictAfter((checker) => checker.accepted(0, 900)).findings).toEqual(["job 0: accepted and not answered in time"])
  })
})

describe("the storage checker", () => {
  it("passes misses before a write, and fails one after it at the same replica", () => {
    const checker = new StorageChecker()
    const box = { boxId: "00", found: true }
    checker.observe({ replica: "replica-0", operation: "read", ...box, found: false })
    checker.observe({ replica: "replica-0", operation: "write", ...box })
    checker.observe({ replica: "replica-1", operation: "read", ...box, found: false })
    checker.observe({ replica: "replica-0", operation: "read", ...box })
    expect(checker.verdict()).toMatchObject({ pass: true, figures: { reads: 3, writes: 1, boxes: 1 } })
    checker.observe({ replica: "replica-0", operation: "read", ...box, found: false })
    expect(checker.verdict().findings).toEqual(["replica-0: a box that it held is gone (00…)"])
  })
  it("passes a confirmed box that one holder still has or whose holders are all away, and fails one that they lost or never had", () => {
    const checker = new StorageChecker()
    const write = { operation: "write", found: true } as const
    for (const replica of ["replica-0", "replica-1"]) for (const boxId of ["00", "11"]) checker.observe({ replica, boxId, ...write })
    checker.observe({ replica: "replica-2", boxId: "22", ...write })
    checker.confirmed("job 0", ["00", "22"])
    for (const replica of ["replica-0", "replica-1"]) for (const boxId of checker.held(replica)) checker.readBack(replica, boxId, boxId === "00")
    expect(checker.verdict().findings).toEqual(["replica-0: a box that it held is gone (11…)", "replica-1: a box that it held is gone (11…)"])
    expect(checker.verdict().figures).toMatchObject({ confirmed: 2, readsBack: 4 })
    checker.confirmed("job 1", ["11", "33"])
    expect(checker.verdict().findings.slice(0, 2)).toEqual([
      "job 1: a confirmed box can not be read, though a replica that held it lives (11…)", "job 1: a box was confirmed that no replica was given (33…)"
    ])
  })
})

describe("the release checker", () => {
  const release = { label: "job 0, release 0", boxIds: ["a", "b"], edgeMs: 3000, lastMs: 4000, limitMs: 6000, leadMs: 0 }
  const verdictOf = (writes: ReadonlyArray<readonly [string, number]>, mustBeInTime = true, leadMs = 0) => {
    const checker = new ReleaseChecker()
    checker.expect({ ...release, leadMs })
    for (const [id, atMs] of writes) checker.written(id, atMs)
    return checker.verdict(mustBeInTime)
  }
  it("passes boxes between edge and window, their repetitions at any time, and boxes that never came", () => {
    expect(verdictOf([["a", 3001], ["b", 3999], ["a", 9000], ["c", 0]]).pass).toBe(true)
    expect(verdictOf([]).pass).toBe(true)
  })
  it("fails the earliest write before the edge, and one beyond the limit where the network was calm", () => {
    expect(verdictOf([["a", 2900], ["b", 3001]]).findings.join()).toMatch(/1 boxes written before the edge, by up to 100 ms/)
    expect(verdictOf([["a", 2900]], true, 200).pass).toBe(true)
    expect(verdictOf([["a", 6001]]).findings.join()).toMatch(/1 boxes written long after the release window, by up to 2001 ms/)
    expect(verdictOf([["a", 6001]], false).pass).toBe(true)
  })
  const lateOnes = (lateCount: number, releaseCount: number, mustBeInTime = true) => {
    const checker = new ReleaseChecker()
    for (let number = 0; number < releaseCount; number++) {
      checker.expect({ ...release, label: `job ${number}`, boxIds: [`${number}`] })
      checker.written(`${number}`, number < lateCount ? 4500 : 3500)
    }
    return checker.verdict(mustBeInTime)
  }
  it("passes single late ones, as chance makes them, and fails more of them than that, in long runs and in short ones", () => {
    expect([[2, 200], [14, 200], [2, 6]].map(([late, all]) => lateOnes(late!, all!).pass)).toEqual([true, true, true])
    expect(lateOnes(30, 200).findings).toEqual(["30 of 200 releases have boxes that were written after the release window"])
    expect([lateOnes(6, 6).pass, lateOnes(30, 200, false).pass]).toEqual([false, true])
  })
})

describe("the queue checker", () => {
  it("passes levels up to their bounds and names those above, and those that have none", () => {
    const checker = new QueueChecker(new Map([["queued/inbound", 10]]))
    checker.observe("mix-0-0", "queued/inbound", 10)
    expect(checker.verdict()).toMatchObject({ pass: true, figures: { "queued/inbound": 10 } })
    checker.observe("mix-0-0", "queued/inbound", 11)
    checker.observe("mix-0-0", "queued/other", 0)
    expect(checker.verdict().findings).toEqual(["mix-0-0: queued/inbound is above its bound of 10", "mix-0-0: no bound is stated for queued/other"])
  })
})

describe("the accounting checker", () => {
  const sound: PacketBalance = {
    node: "mix-0-0", came: 100, left: 90, strayed: 2, dropped: 5, uncertain: 0, inside: 4, born: 10, ended: 9, givenUp: 0, crashed: false
  }
  it("passes a balance, and what a crash forgot", () => {
    expect(missingOf(sound)).toBe(0)
    expect(accountingVerdict([sound, { ...sound, left: 80, crashed: true }, { ...sound, left: 89, givenUp: 1 }]).pass).toBe(true)
    // a call that failed on the way may have been carried out: its packets are then counted twice
    expect(accountingVerdict([{ ...sound, left: 93, uncertain: 3 }]).pass).toBe(true)
    expect(accountingVerdict([{ ...sound, left: 94, uncertain: 3 }]).pass).toBe(false)
  })
  it("fails a packet that is gone without a count, and one out of nowhere even after a crash", () => {
    expect(accountingVerdict([{ ...sound, left: 89 }]).findings).toEqual(["mix-0-0: 1 packets are gone and were not counted"])
    expect(accountingVerdict([{ ...sound, left: 91, crashed: true }]).findings).toEqual(["mix-0-0: 1 packets out of nowhere"])
  })
})
