/**
 * Goal: the crash table of funion.md §8, row by row, and the rule that nothing leaves before its edge or off the grid when late.
 * Method: job states built from journal records; one decision each.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { toHex } from "../../../src/bytes/hex.ts"
import { applyRecord, emptyJobTable, sealedRecord, type OpenJob } from "../../../src/inference/compute-job.ts"
import type { ComputeRecord, OutcomeCode } from "../../../src/inference/compute-record.ts"
import { nextStep, type StepContext } from "../../../src/inference/compute-step.ts"
import { contentDigest, encodeDispatch } from "../../../src/inference/dispatch.ts"
import type { ReleaseKind } from "../../../src/inference/release-record.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { crypto, QUANTUM_MS as q, sampleDispatch } from "./sample-job.ts"

const EDGES = [107, 111, 121].map((k) => k * q)
const SEAL_MS = 1000
const WINDOW_MS = 2000

const admit = (staged: boolean) => {
  const plaintext = encodeDispatch(1, sampleDispatch(1, staged ? { staged, bucket: 1 } : {}))
  const table = emptyJobTable()
  const jobId = plaintext.slice(16, 48)
  const enter = (record: ComputeRecord) => Either.getOrThrow(applyRecord(crypto, table, record))
  enter({
    _tag: "Admitted", jobId, content: plaintext.slice(0, 416), contentDigest: contentDigest(crypto, plaintext), tokenDigest: undefined,
    keyDigest: new Uint8Array(32), profileId: 1, quantumIndex: 100, acceptedAtMs: 101 * q, edgesMs: EDGES
  })
  const job = (): OpenJob => {
    const state = table.jobs.get(toHex(jobId))
    if (state?._tag !== "Open") throw new Error("not open")
    return state
  }
  const handle = {
    job,
    read: (...slots: ReadonlyArray<number>) => {
      for (const slotIndex of slots) enter({ _tag: "Input", jobId, slotIndex, bytes: new Uint8Array(8) })
      return handle
    },
    attempt: (attempt: number) => { enter({ _tag: "Attempt", jobId, attempt }); return handle },
    seal: (kind: ReleaseKind, code: OutcomeCode = 0) => {
      enter(sealedRecord(crypto, job(), kind, code, Array.from({ length: boxesOfClass(1) }, () => new Uint8Array(8))))
      return handle
    },
    confirm: (releaseIndex: number, ...slotsInRelease: ReadonlyArray<number>) => {
      enter({ _tag: "Confirmed", jobId, releaseIndex, slotsInRelease })
      return handle
    },
    release: (releaseIndex: number) => { enter({ _tag: "Released", jobId, releaseIndex }); return handle },
    next: (nowMs: number, change: Partial<StepContext> = {}) =>
      nextStep(job(), { nowMs, quantumMs: q, sealBeforeEdgeMs: SEAL_MS, releaseWindowMs: WINDOW_MS, restarted: false, running: false, ...change })
  }
  return handle
}
const unstaged = () => admit(false)
const RESTARTED = { restarted: true } as const
const readAll = () => unstaged().read(0, 1, 2, 3)

describe("production", () => {
  it("reads all slots from the end of the quantum on, and only missing ones at the next grid instant after a restart", () => {
    expect(unstaged().next(100 * q).production).toEqual({ _tag: "Read", missingSlots: [0, 1, 2, 3], notBeforeMs: 101 * q })
    expect(unstaged().read(3, 0).next(102 * q + 5).production).toEqual({ _tag: "Read", missingSlots: [1, 2], notBeforeMs: 101 * q })
    expect(unstaged().read(3, 0).next(102 * q + 5, RESTARTED).production).toEqual({ _tag: "Read", missingSlots: [1, 2], notBeforeMs: 103 * q })
    expect(unstaged().next(100 * q, RESTARTED).production).toMatchObject({ notBeforeMs: 101 * q })
  })

  it("runs, waits for the run until the sealing point, runs once more after a crash, then fails with 8", () => {
    expect(readAll().next(102 * q).production).toEqual({ _tag: "Run", attempt: 1 })
    expect(readAll().attempt(1).next(102 * q, { running: true }).production).toEqual({ _tag: "AwaitRun", untilMs: 107 * q - SEAL_MS })
    expect(readAll().attempt(1).next(102 * q, RESTARTED).production).toEqual({ _tag: "Run", attempt: 2 })
    expect(readAll().attempt(1).attempt(2).next(102 * q, RESTARTED).production)
      .toEqual({ _tag: "Seal", releaseIndex: 0, record: { _tag: "Failure", code: 8 } })
  })

  it("seals an overflow at each sealing point that passed, one after another, and goes on running", () => {
    const job = readAll().attempt(1)
    expect(job.next(107 * q - SEAL_MS - 1, { running: true }).production._tag).toBe("AwaitRun")
    for (const running of [true, false]) {
      expect(job.next(107 * q - SEAL_MS, { running }).production).toEqual({ _tag: "Seal", releaseIndex: 0, record: { _tag: "Overflow" } })
    }
    expect(job.seal("Overflow").next(107 * q, { running: true }).production).toEqual({ _tag: "AwaitRun", untilMs: 111 * q - SEAL_MS })
    expect(job.next(112 * q, RESTARTED).production).toEqual({ _tag: "Seal", releaseIndex: 1, record: { _tag: "Overflow" } })
    expect(job.seal("Overflow").next(112 * q, RESTARTED).production).toEqual({ _tag: "Run", attempt: 2 })
  })

  it("seals a failure at the last edge: 8 after a restart, 1 without input, 5 without result", () => {
    const last = (job: ReturnType<typeof unstaged>, change = {}) => job.seal("Overflow").seal("Overflow").next(121 * q - SEAL_MS, change).production
    expect(last(readAll(), RESTARTED)).toMatchObject({ record: { _tag: "Failure", code: 8 } })
    expect(last(unstaged().read(0))).toMatchObject({ record: { _tag: "Failure", code: 1 } })
    expect(last(readAll().attempt(1), { running: true })).toMatchObject({ releaseIndex: 2, record: { _tag: "Failure", code: 5 } })
  })

  it("is done with the final record of an unstaged job", () => {
    expect(readAll().seal("Result").next(103 * q).production).toEqual({ _tag: "Done" })
    expect(readAll().seal("Failure", 4).next(103 * q).production).toEqual({ _tag: "Done" })
  })

  it("of a staged job never overflows, and fills every stage to the last edge", () => {
    const job = admit(true)
    expect(job.next(107 * q - SEAL_MS).production).toEqual({ _tag: "Seal", releaseIndex: 0, record: { _tag: "Empty" } })
    job.seal("Partial").seal("Result")
    expect(job.next(108 * q).production).toEqual({ _tag: "Seal", releaseIndex: 2, record: { _tag: "Empty" } })
    expect(job.seal("Empty").next(108 * q).production).toEqual({ _tag: "Done" })
    expect(admit(true).seal("Empty").seal("Empty").next(121 * q, RESTARTED).production).toMatchObject({ record: { _tag: "Failure", code: 8 } })
  })
})

describe("release", () => {
  it("waits for its edge, also after a restart", () => {
    const job = readAll().seal("Result")
    for (const change of [{}, RESTARTED]) expect(job.next(107 * q - 1, change).releases).toEqual([{ _tag: "AwaitEdge", releaseIndex: 0, edgeMs: 107 * q }])
  })

  it("sends every slot at the edge, late ones at the next grid instant, confirmed ones never again", () => {
    const job = readAll().seal("Result")
    const send = { _tag: "Send", releaseIndex: 0, dataSlots: [1, 2, 3, 4, 5], manifest: true }
    expect(job.next(107 * q).releases).toEqual([{ ...send, notBeforeMs: 107 * q }])
    expect(job.next(107 * q + WINDOW_MS).releases).toEqual([{ ...send, notBeforeMs: 107 * q }])
    expect(job.next(107 * q + WINDOW_MS + 1).releases).toEqual([{ ...send, notBeforeMs: 108 * q }])
    expect(job.next(107 * q + 1, RESTARTED).releases).toEqual([{ ...send, notBeforeMs: 108 * q }])
    expect(job.confirm(0, 2, 4).next(109 * q, RESTARTED).releases).toEqual([{ ...send, dataSlots: [1, 3, 5], notBeforeMs: 109 * q }])
    expect(job.confirm(0, 1, 3, 5).next(109 * q + 1).releases).toEqual([{ ...send, dataSlots: [], notBeforeMs: 110 * q }])
    expect(job.confirm(0, 0).next(109 * q + 1).releases).toEqual([{ _tag: "MarkReleased", releaseIndex: 0 }])
    expect(job.release(0).next(110 * q)).toEqual({ production: { _tag: "Done" }, releases: [], close: true })
  })

  it("keeps release numbers and their edges when an earlier one is late", () => {
    const job = readAll().seal("Overflow").seal("Result")
    expect(job.next(108 * q, RESTARTED).releases).toMatchObject([
      { _tag: "Send", releaseIndex: 0, notBeforeMs: 108 * q }, { _tag: "AwaitEdge", edgeMs: 111 * q }
    ])
    expect(job.release(1).next(112 * q)).toMatchObject({ releases: [{ _tag: "Send", releaseIndex: 0 }], close: false })
    expect(job.release(0).next(112 * q).close).toBe(true)
  })

  it("does not close an overflowed job that still has an edge to come", () => {
    expect(readAll().seal("Overflow").release(0).next(108 * q, { running: true }).close).toBe(false)
  })
})
