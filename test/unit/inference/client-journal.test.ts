/**
 * Goal: a client that starts again goes on where it was, with the same bytes, and stops when nothing more can come.
 * Method: the records of one job in order, the file reopened after each; the decision at the instants around every limit.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { encodeWriteCap } from "../../../src/bacap/capability.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { inputSlotsHash, nextClientStep, type ActiveClientJob, type ClientRecord } from "../../../src/inference/client-job.ts"
import { openClientJournal, type ClientJournal } from "../../../src/inference/client-journal.ts"
import { openComputeJournal } from "../../../src/inference/compute-journal.ts"
import { JournalFile, memoryJournal, type JournalStorage } from "../../../src/inference/journal-file.ts"
import { BOX_BYTES, crypto, DEADLINES_QUANTA, flipped, leftOf, MODEL_ID_HASH, QUANTUM_MS as q, sampleCapabilities, SERVICE_ID } from "./sample-job.ts"

const options = { localKey: new Uint8Array(32).fill(1), entropy: seededEntropy(1, "journal") }
const open = (file: JournalStorage) => Effect.runSync(Effect.either(openClientJournal(crypto, options).pipe(Effect.provideService(JournalFile, file))))
const opened = (file: JournalStorage): ClientJournal => Either.getOrThrow(open(file))
const append = (journal: ClientJournal, ...records: ReadonlyArray<ClientRecord>) => {
  for (const record of records) Effect.runSync(journal.append(record))
}
const conflict = (journal: ClientJournal, record: ClientRecord) => {
  const error = Effect.runSync(Effect.flip(journal.append(record)))
  return error._tag === "ClientJournalConflict" ? error.reason : error._tag
}

const planned = (seed = 1): Extract<ClientRecord, { _tag: "Planned" }> => {
  const caps = sampleCapabilities(seed)
  const inputSlots = [1, 2, 3, 4].map((value) => new Uint8Array(BOX_BYTES).fill(value))
  return {
    _tag: "Planned", jobId: caps.jobId, serviceId: SERVICE_ID, modelIdHash: MODEL_ID_HASH, modelVersion: 3, bucket: 2, inputClass: 0, outputClass: 1,
    staged: false, attested: true, inputWriteCap: encodeWriteCap(caps.inputWriteCap), outputWriteCap: encodeWriteCap(caps.outputWriteCap),
    payloadHash: inputSlotsHash(crypto, inputSlots), inputSlots
  }
}
const { jobId } = planned()
const uploaded: ClientRecord = { _tag: "Uploaded", jobId, confirmedAtMs: 99 * q + 0.5 }
const dispatched = (notAfterMs: number): ClientRecord => ({ _tag: "Dispatched", jobId, sentAtMs: 100 * q + 7.25, notAfterMs })
const accepted: ClientRecord = { _tag: "Accepted", jobId, acceptedAtMs: 101 * q, edgesMs: [107 * q, 111 * q, 121 * q] }
const seen = (releaseIndex: number, last: boolean): ClientRecord => ({ _tag: "Seen", jobId, releaseIndex, kind: last ? "Result" : "Overflow", last })
const done: ClientRecord = { _tag: "Done", jobId, outcome: "result" }
const activeOf = (journal: ClientJournal): ActiveClientJob => {
  const job = journal.job(jobId)
  if (job?._tag !== "Active") throw new Error("not active")
  return job
}
const step = (journal: ClientJournal, nowMs: number) =>
  nextClientStep(activeOf(journal), { nowMs, quantumMs: q, releaseWindowMs: 2000, deadlinesQuanta: DEADLINES_QUANTA })

describe("client journal", () => {
  it("rebuilds the same state after every record", () => {
    const file = memoryJournal()
    const journal = opened(file)
    for (const record of [planned(), uploaded, dispatched(108 * q), dispatched(110 * q), accepted, seen(0, false), seen(1, true)]) {
      append(journal, record)
      expect(opened(file).job(jobId)).toEqual(journal.job(jobId))
    }
    const { _tag, ...plan } = planned()
    expect(activeOf(opened(file)).planned).toEqual(plan)
    Effect.runSync(journal.compact)
    expect(opened(file).job(jobId)).toEqual(journal.job(jobId))
  })

  it("seals caps and payload, and refuses another key's or kind's journal", () => {
    const file = memoryJournal()
    append(opened(file), planned())
    const bytes = Effect.runSync(file.readAll)
    const text = Buffer.from(bytes).toString("latin1")
    for (const secret of [planned().inputWriteCap, planned().outputWriteCap, planned().inputSlots[2]!]) {
      expect(text.includes(Buffer.from(secret.slice(0, 16)).toString("latin1"))).toBe(false)
    }
    const asCompute = Effect.either(openComputeJournal(crypto, options).pipe(Effect.provideService(JournalFile, file)))
    expect(leftOf(Effect.runSync(asCompute))).toMatchObject({ _tag: "JournalCorrupt", reason: "frame" })
    for (let index = 0; index < bytes.length; index += 11) expect(Either.isLeft(open(memoryJournal(flipped(bytes, index))))).toBe(true)
  })

  it("drops a last record that was cut at any byte", () => {
    const file = memoryJournal()
    const journal = opened(file)
    append(journal, planned())
    const before = Effect.runSync(file.readAll).length
    append(journal, uploaded)
    const bytes = Effect.runSync(file.readAll)
    for (let length = before; length < bytes.length; length++) {
      expect(activeOf(opened(memoryJournal(bytes.slice(0, length)))).uploadedAtMs).toBeUndefined()
    }
  })

  it("refuses records out of order", () => {
    const journal = opened(memoryJournal())
    expect(conflict(journal, uploaded)).toBe("job-unknown")
    expect(conflict(journal, { ...planned(), payloadHash: new Uint8Array(32) })).toBe("job-malformed")
    append(journal, planned())
    expect(conflict(journal, planned())).toBe("job-known")
    expect(conflict(journal, dispatched(108 * q))).toBe("order")
    append(journal, uploaded)
    expect(conflict(journal, uploaded)).toBe("order")
    expect(conflict(journal, accepted)).toBe("order")
    expect(conflict(journal, seen(0, true))).toBe("order")
    append(journal, dispatched(108 * q))
    expect(conflict(journal, dispatched(107 * q))).toBe("order")
    append(journal, accepted)
    expect(conflict(journal, dispatched(109 * q))).toBe("order")
    expect(conflict(journal, accepted)).toBe("order")
    expect(conflict(journal, seen(1, true))).toBe("order")
    append(journal, seen(0, true))
    expect(conflict(journal, seen(0, true))).toBe("release-known")
    expect(conflict(journal, seen(1, true))).toBe("order")
  })

  it("wipes caps and payload when a job is done, and forgets it at compaction", () => {
    const file = memoryJournal()
    const journal = opened(file)
    append(journal, planned(), planned(2))
    const plan = activeOf(journal).planned
    append(journal, done)
    for (const bytes of [plan.inputWriteCap, plan.outputWriteCap, ...plan.inputSlots]) expect(bytes.every((byte) => byte === 0)).toBe(true)
    expect(conflict(journal, uploaded)).toBe("job-done")
    expect(conflict(journal, planned())).toBe("job-known")
    expect(Effect.runSync(journal.compact)).toBe(1)
    expect(opened(file).job(jobId)).toBeUndefined()
    expect(opened(file).activeJobs().length).toBe(1)
  })
})

describe("client after a restart", () => {
  it("uploads what was planned, and dispatches what was uploaded", () => {
    const journal = opened(memoryJournal())
    append(journal, planned())
    expect(step(journal, 99 * q)).toEqual({ _tag: "Upload" })
    append(journal, uploaded)
    expect(step(journal, 105 * q)).toEqual({ _tag: "Dispatch", first: true, afterMs: 105 * q })
  })

  it("dispatches again up to the first notAfter + 16 q, then reads all the same from the last possible edge on", () => {
    const journal = opened(memoryJournal())
    append(journal, planned(), uploaded, dispatched(108 * q))
    expect(step(journal, 117 * q - 1)).toMatchObject({ _tag: "Dispatch", first: false })
    append(journal, dispatched(124 * q))
    expect(step(journal, 117 * q - 1)).toMatchObject({ _tag: "Dispatch", first: false })
    const endMs = (125 + 20 + 8) * q + 2000
    const poll = { _tag: "Poll", releaseIndex: 0, edgeMs: (125 + 6) * q, lastEdgeMs: (125 + 20) * q, endMs, blind: true }
    expect(step(journal, 117 * q)).toEqual(poll)
    expect(step(journal, endMs)).toEqual(poll)
    expect(step(journal, endMs + 1)).toEqual({ _tag: "GiveUp" })
  })

  it("reads an accepted job's next release until 8 q after the last window, and finishes after the last one", () => {
    const journal = opened(memoryJournal())
    append(journal, planned(), uploaded, dispatched(108 * q), accepted)
    const endMs = 129 * q + 2000
    expect(step(journal, 102 * q)).toEqual({ _tag: "Poll", releaseIndex: 0, edgeMs: 107 * q, lastEdgeMs: 121 * q, endMs, blind: false })
    expect(step(journal, endMs + 1)).toEqual({ _tag: "GiveUp" })
    append(journal, seen(0, false))
    expect(step(journal, 112 * q)).toMatchObject({ _tag: "Poll", releaseIndex: 1, edgeMs: 111 * q })
    // told "later" once, it looks once more however long that took
    expect(step(journal, endMs + 1)).toMatchObject({ _tag: "Poll", releaseIndex: 1, endMs: endMs + 1 })
    append(journal, seen(1, true))
    expect(step(journal, endMs + 1)).toEqual({ _tag: "Finish" })
  })
})
