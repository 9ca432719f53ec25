/**
 * Gates that count what must never happen, each made to fail by one such thing.
 *
 * Goal: a box written before its edge, a look before it, a box too many or too few, a message of another length: each fails its own gate and no other of
 * these, and without them all pass.
 * Method: a sight of storage made by hand, of twelve jobs in batches of two; one thing changed at a time.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import type { PlayedJob } from "../../../actors/lab/played-job.ts"
import { batchGates } from "../../../actors/lab/measures/batch-measures.ts"
import { sizeGate } from "../../../actors/lab/parts/job-part.ts"
import type { Look, StorageSight } from "../../../actors/lab/storage-sight.ts"
import { seededDraws } from "../../../src/anonymity/draws.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"

const NEVER = ["release/early", "poll/early", "trace/odd"]
const QUANTUM_MS = 2_000
const JOB_COUNT = 12

const jobOf = (index: number): PlayedJob => {
  const acceptedAtMs = QUANTUM_MS * (1 + (index >> 1))
  const output = [0, 1].map((release) => [0, 1, 2, 3].map((slot) => `${index} out ${release} ${slot}`))
  return {
    sender: "alice", receiver: "bob", model: "affine", rows: 1 + (index % 2), startedAtMs: 0, uploadedAtMs: 1, ticketAtMs: 2, acceptedAtMs,
    edgesMs: [acceptedAtMs + 4_000, acceptedAtMs + 6_000], endedAtMs: acceptedAtMs + 7_000, outcome: "answer", overflow: 0,
    boxes: { input: [0, 1, 2, 3].map((slot) => `${index} in ${slot}`), output }
  }
}
const jobs = Array.from({ length: JOB_COUNT }, (_, index) => jobOf(index))

interface Sight {
  readonly writtenMs: Map<string, number>
  readonly looks: Map<string, Array<Look>>
}

/** What storage sees when all is well. */
const soundSight = (): Sight => {
  const draw = seededDraws(3)
  const writtenMs = new Map<string, number>()
  const looks = new Map<string, Array<Look>>()
  for (const { acceptedAtMs, boxes, edgesMs } of jobs) {
    for (const boxId of boxes.input) looks.set(boxId, [{ instantMs: acceptedAtMs + 1_000 * draw(), found: true }])
    for (const boxId of boxes.output[0] ?? []) {
      writtenMs.set(boxId, edgesMs[0]! + 1_000 * draw())
      looks.set(boxId, [{ instantMs: edgesMs[0]! + 1_500, found: true }])
    }
  }
  return { writtenMs, looks }
}

const failing = (sight: StorageSight, some: ReadonlyArray<PlayedJob> = jobs): ReadonlyArray<string> =>
  batchGates({ sight, jobs: some, releaseWindowMs: 1_000 }, seededDraws(1), ({ rows }) => rows === 2)
    .filter(({ name, pass }) => NEVER.includes(name) && !pass).map(({ name }) => name)

describe("gates of what must never happen", () => {
  it("pass when all is well", () => {
    expect(failing(soundSight())).toEqual([])
  })
  it("a box of an answer on a replica a moment before its edge", () => {
    const sight = soundSight()
    sight.writtenMs.set("5 out 0 2", jobs[5]!.edgesMs[0]! - 0.1)
    expect(failing(sight)).toEqual(["release/early"])
  })
  it("a look for one a moment before, whether it found anything or not", () => {
    const sight = soundSight()
    sight.looks.get("7 out 0 1")!.unshift({ instantMs: jobs[7]!.edgesMs[0]! - 0.1, found: false })
    expect(failing(sight)).toEqual(["poll/early"])
  })
  it("a box of the second release although the first held the answer", () => {
    const sight = soundSight()
    sight.writtenMs.set("2 out 1 0", jobs[2]!.edgesMs[1]! + 1)
    expect(failing(sight)).toEqual(["trace/odd"])
  })
  it("an input of which a box was never asked for, and an answer of which one was never written", () => {
    const unread = soundSight()
    unread.looks.delete("0 in 3")
    expect(failing(unread)).toEqual(["trace/odd"])
    const unwritten = soundSight()
    unwritten.writtenMs.delete("0 out 0 3")
    expect(failing(unwritten)).toEqual(["trace/odd"])
  })
  it("too few jobs: all fail, since nothing was shown", () => {
    expect(failing(soundSight(), jobs.slice(0, 4))).toEqual(NEVER)
  })
  it("of messages: one that is a byte longer than others of its kind", () => {
    const linkOf = (index: number): LinkEvent => {
      const call = index % 2 === 0 ? "Submit" : "Forward"
      return { instantMs: index, from: "alice", to: "gateway-1", call, direction: "request", sizeBytes: 3_000, digest: index }
    }
    const links = Array.from({ length: 200 }, (_, index) => linkOf(index))
    expect(sizeGate(links)).toMatchObject({ name: "link/sizes", value: 0, pass: true })
    expect(sizeGate([...links, { ...linkOf(0), sizeBytes: 3_001 }])).toMatchObject({ value: 1, pass: false })
    expect(sizeGate([...links, { ...linkOf(0), direction: "reply", sizeBytes: 10 }])).toMatchObject({ value: 0, pass: true })
    expect(sizeGate(links.slice(0, 99)).pass).toBe(false)
  })
})
