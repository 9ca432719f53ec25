/**
 * Goal: the service's journal never forgets a durable record, never takes a unique key twice, survives a torn tail and refuses damage.
 * Method: a whole job written to an in-memory file; the file cut at every byte of its last record, flipped at every byte, cut in the middle.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { openComputeJournal, type ComputeJournal } from "../../../src/inference/compute-journal.ts"
import { admittedRecord, closingRecord, nextReleasePlace, sealedRecord, type OpenJob } from "../../../src/inference/compute-job.ts"
import { decodeBitmap, encodeBitmap, type ComputeRecord } from "../../../src/inference/compute-record.ts"
import { decideAdmission, replyTo } from "../../../src/inference/dispatch-check.ts"
import { openRelease, sealRelease } from "../../../src/inference/release-record.ts"
import { outputTag } from "../../../src/inference/stream-manifest.ts"
import { contentDigest, encodeDispatch } from "../../../src/inference/dispatch.ts"
import { JournalFile, JournalUnavailable, memoryJournal, type JournalStorage } from "../../../src/inference/journal-file.ts"
import { admissionState, BOX_BYTES, crypto, delivered, flipped, leftOf, NOW_MS, QUANTUM_MS, sampleDispatch } from "./sample-job.ts"

const localKey = new Uint8Array(32).fill(3)
const EPOCH_MS = 20 * 60_000
const open = (file: JournalStorage, key = localKey) => Effect.runSync(Effect.either(
  openComputeJournal(crypto, { localKey: key, entropy: seededEntropy(1, "journal") }).pipe(Effect.provideService(JournalFile, file))
))
const opened = (file: JournalStorage): ComputeJournal => Either.getOrThrow(open(file))
const append = (journal: ComputeJournal, ...records: ReadonlyArray<ComputeRecord>) => {
  for (const record of records) Effect.runSync(journal.append(record))
}
const conflict = (journal: ComputeJournal, record: ComputeRecord) => {
  const error = Effect.runSync(Effect.flip(journal.append(record)))
  return error._tag === "JournalConflict" ? error.reason : error._tag
}
const bytesOf = (file: JournalStorage): Uint8Array => Effect.runSync(file.readAll)

const admitted = (seed = 1, token = seed): Extract<ComputeRecord, { _tag: "Admitted" }> => {
  const plaintext = encodeDispatch(1, sampleDispatch(1, {}, seed))
  return {
    _tag: "Admitted", jobId: plaintext.slice(16, 48), content: plaintext.slice(0, 416), contentDigest: contentDigest(crypto, plaintext),
    tokenDigest: token === 0 ? undefined : new Uint8Array(32).fill(token), keyDigest: new Uint8Array(32), profileId: 1, quantumIndex: 100,
    acceptedAtMs: 101 * QUANTUM_MS, edgesMs: [107, 111, 121].map((k) => k * QUANTUM_MS)
  }
}
const jobId = admitted().jobId
const slot = (value: number) => new Uint8Array(64).fill(value)
const inputs = Array.from({ length: boxesOfClass(0) }, (_, slotIndex): ComputeRecord =>
  ({ _tag: "Input", jobId, slotIndex, bytes: slotIndex === 2 ? new Uint8Array(0) : slot(slotIndex) }))
const attempt = (number: number): ComputeRecord => ({ _tag: "Attempt", jobId, attempt: number })
const releaseSlots = Array.from({ length: boxesOfClass(1) }, (_, index) => slot(100 + index))
const jobOf = (journal: ComputeJournal): OpenJob => {
  const job = journal.job(jobId)
  if (job?._tag !== "Open") throw new Error("the job is not open")
  return job
}
const overflow = (journal: ComputeJournal) => sealedRecord(crypto, jobOf(journal), "Overflow", 0, releaseSlots.map((bytes) => bytes.slice()))
const failure = (journal: ComputeJournal) => sealedRecord(crypto, jobOf(journal), "Failure", 5, releaseSlots.map((bytes) => bytes.slice()))
const confirmed = (releaseIndex: number, ...slotsInRelease: ReadonlyArray<number>): ComputeRecord =>
  ({ _tag: "Confirmed", jobId, releaseIndex, slotsInRelease })
const released = (releaseIndex: number): ComputeRecord => ({ _tag: "Released", jobId, releaseIndex })

/** Admitted, read, tried, overflowed, sent in part, failed. */
const writeWholeJob = (journal: ComputeJournal): void => {
  append(journal, admitted(), ...inputs, attempt(1))
  append(journal, overflow(journal), confirmed(0, 1, 3), confirmed(0, 5))
  append(journal, released(0), attempt(2))
  append(journal, failure(journal))
}

describe("compute journal", () => {
  it("rebuilds its state from the file alone", () => {
    const file = memoryJournal()
    const journal = opened(file)
    append(journal, admitted(), ...inputs, attempt(1))
    append(journal, overflow(journal), confirmed(0, 1, 3), confirmed(0, 5))
    const again = opened(file)
    expect(again.job(jobId)).toEqual(journal.job(jobId))
    const job = jobOf(again)
    expect(job.inputSlots.map((bytes) => bytes?.[0])).toEqual([0, 1, undefined, 3])
    expect(job.attempts).toBe(1)
    expect([...job.sealed[0]!.confirmed]).toEqual([1, 3, 5])
    expect(job.sealed[0]).toMatchObject({ kind: "Overflow", released: false, slots: releaseSlots })
    expect(job.dispatch).toMatchObject({ bucket: 2, notAfterMs: 108 * QUANTUM_MS })
    expect(again.knownJob(jobId)).toMatchObject({ acceptance: { acceptedAtMs: 101 * QUANTUM_MS, firstEdgeMs: 107 * QUANTUM_MS, lastEdgeMs: 121 * QUANTUM_MS } })
    expect([again.realJobs(100, 1), again.realJobs(100, 2), again.realJobs(99, 1)]).toEqual([1, 0, 0])
    expect([again.tokenIsSpent(new Uint8Array(32).fill(1)), again.tokenIsSpent(new Uint8Array(32).fill(2))]).toEqual([true, false])
  })

  it("keeps caps, inputs and boxes out of sight of whoever reads the file", () => {
    const file = memoryJournal()
    writeWholeJob(opened(file))
    const text = Buffer.from(bytesOf(file)).toString("latin1")
    const secrets = [admitted().content.slice(88, 120), admitted().content.slice(224, 256), slot(3), slot(101)]
    for (const secret of secrets) expect(text.includes(Buffer.from(secret.slice(0, 16)).toString("latin1"))).toBe(false)
    expect(leftOf(open(file, new Uint8Array(32)))).toMatchObject({ _tag: "JournalCorrupt", reason: "seal" })
  })

  it("drops a last record that was cut at any byte, and goes on behind it", () => {
    const file = memoryJournal()
    const journal = opened(file)
    append(journal, admitted())
    const before = bytesOf(file)
    append(journal, attempt(1))
    const after = bytesOf(file)
    for (let length = before.length; length < after.length; length++) {
      const torn = memoryJournal(after.slice(0, length))
      const reopened = opened(torn)
      expect(jobOf(reopened).attempts).toBe(0)
      expect(bytesOf(torn)).toEqual(before)
      append(reopened, attempt(1))
      expect(jobOf(opened(torn)).attempts).toBe(1)
    }
    expect(jobOf(opened(memoryJournal(after))).attempts).toBe(1)
  })

  it("takes zeros at the end for a torn tail", () => {
    const file = memoryJournal()
    append(opened(file), admitted())
    const zeroed = memoryJournal(Uint8Array.of(...bytesOf(file), ...new Uint8Array(100)))
    expect(jobOf(opened(zeroed)).attempts).toBe(0)
    expect(bytesOf(zeroed)).toEqual(bytesOf(file))
  })

  it("refuses a flip of any byte, in the last record too", () => {
    const file = memoryJournal()
    append(opened(file), admitted(), inputs[0]!, attempt(1))
    const bytes = bytesOf(file)
    for (let index = 0; index < bytes.length; index++) {
      expect(leftOf(open(memoryJournal(flipped(bytes, index))))).toMatchObject({ _tag: "JournalCorrupt", reason: "frame" })
    }
  })

  it("refuses a record taken out, repeated, or moved from another journal", () => {
    const file = memoryJournal()
    const journal = opened(file)
    const ends = [admitted(), inputs[0]!, attempt(1)].map((record) => {
      append(journal, record)
      return bytesOf(file).length
    })
    const bytes = bytesOf(file)
    const [first, second] = [ends[0]!, ends[1]!]
    const without = Uint8Array.of(...bytes.slice(0, first), ...bytes.slice(second))
    const repeated = Uint8Array.of(...bytes.slice(0, second), ...bytes.slice(first))
    for (const damaged of [without, repeated, bytes.slice(first)]) expect(leftOf(open(memoryJournal(damaged)))).toMatchObject({ reason: "frame" })
    expect(leftOf(open(memoryJournal(seededEntropy(1, "noise")(500))))).toMatchObject({ reason: "frame" })
  })

  it("holds every unique key", () => {
    const journal = opened(memoryJournal())
    expect(conflict(journal, attempt(1))).toBe("job-unknown")
    append(journal, admitted())
    expect(conflict(journal, admitted())).toBe("job-known")
    expect(conflict(journal, admitted(2, 1))).toBe("token-spent")
    append(journal, inputs[0]!)
    expect(conflict(journal, inputs[0]!)).toBe("slot-known")
    expect(conflict(journal, { _tag: "Input", jobId, slotIndex: 4, bytes: slot(1) })).toBe("slot-out-of-range")
    expect(conflict(journal, attempt(2))).toBe("attempt")
    append(journal, attempt(1), attempt(2))
    expect(conflict(journal, attempt(3))).toBe("attempt")
    expect(conflict(journal, released(0))).toBe("not-sealed")
    expect(conflict(journal, { ...overflow(journal), releaseIndex: 1 })).toBe("release-order")
    expect(conflict(journal, { ...overflow(journal), slots: releaseSlots.slice(1) })).toBe("release-size")
    expect(conflict(journal, { ...overflow(journal), digest: new Uint8Array(32) })).toBe("release-size")
    const first = overflow(journal)
    append(journal, first)
    expect(conflict(journal, first)).toBe("release-known")
    expect(conflict(journal, { ...first, slots: releaseSlots.map(() => slot(0)) })).toBe("release-known")
    expect(conflict(journal, confirmed(0, 6))).toBe("slot-out-of-range")
    append(journal, failure(journal))
    expect(conflict(journal, overflow(journal))).toBe("release-order")
    expect(conflict(journal, closingRecord(jobOf(journal)))).toBe("not-released")
    append(journal, released(0))
    expect(conflict(journal, released(0))).toBe("release-known")
    append(journal, released(1), closingRecord(jobOf(journal)))
    expect(conflict(journal, attempt(1))).toBe("job-closed")
    expect(conflict(journal, admitted())).toBe("job-known")
  })

  it("refuses an admission whose content is another job's or unreadable", () => {
    const journal = opened(memoryJournal())
    expect(conflict(journal, { ...admitted(), content: admitted(2).content })).toBe("job-malformed")
    expect(conflict(journal, { ...admitted(), content: new Uint8Array(416) })).toBe("job-malformed")
    expect(conflict(journal, { ...admitted(), edgesMs: [] })).toBe("job-malformed")
    expect(conflict(journal, { ...admitted(), edgesMs: [5] })).toBe("job-malformed")
  })

  it("wipes caps, inputs and boxes when a job closes, and still answers its repetition", () => {
    const file = memoryJournal()
    const journal = opened(file)
    writeWholeJob(journal)
    append(journal, released(1))
    const job = jobOf(journal)
    append(journal, closingRecord(job))
    for (const bytes of [job.content, job.dispatch.inputReadCap, job.dispatch.outputWriteCap, ...job.sealed.flatMap((release) => release.slots)]) {
      expect(bytes.every((byte) => byte === 0)).toBe(true)
    }
    for (const state of [journal, opened(file)]) {
      expect(state.job(jobId)).toMatchObject({ _tag: "Closed", outcome: 5, notAfterMs: 108 * QUANTUM_MS })
      expect(state.knownJob(jobId)).toMatchObject({ contentDigest: admitted().contentDigest, acceptance: { lastEdgeMs: 121 * QUANTUM_MS } })
      expect(state.openJobs()).toEqual([])
      expect(state.realJobs(100, 1)).toBe(1)
    }
  })

  it("keeps its state through compaction, open jobs whole and closed ones by name", () => {
    const file = memoryJournal()
    const journal = opened(file)
    writeWholeJob(journal)
    append(journal, confirmed(1, 2), admitted(2), { ...attempt(1), jobId: admitted(2).jobId } as ComputeRecord)
    expect(Effect.runSync(journal.compact({ nowMs: 0, quantumMs: QUANTUM_MS, epochPeriodMs: EPOCH_MS }))).toBe(0)
    const again = opened(file)
    expect(again.openJobs()).toEqual(journal.openJobs())
    append(again, released(1), closingRecord(jobOf(again)))
    const size = bytesOf(file).length
    Effect.runSync(again.compact({ nowMs: 0, quantumMs: QUANTUM_MS, epochPeriodMs: EPOCH_MS }))
    expect(bytesOf(file).length).toBeLessThan(size)
    expect(opened(file).job(jobId)).toEqual(again.job(jobId))
    append(again, { ...attempt(2), jobId: admitted(2).jobId } as ComputeRecord)
    expect(opened(file).openJobs()).toMatchObject([{ attempts: 2 }])
  })

  it("forgets a closed job after the later of notAfter + 2 epochs and + 32 q, but never its token, and no open job", () => {
    const file = memoryJournal()
    const journal = opened(file)
    writeWholeJob(journal)
    append(journal, released(1), closingRecord(jobOf(journal)), admitted(2))
    const end = 108 * QUANTUM_MS + 2 * EPOCH_MS
    const terms = { quantumMs: QUANTUM_MS, epochPeriodMs: EPOCH_MS }
    expect(Effect.runSync(journal.compact({ nowMs: end, ...terms }))).toBe(0)
    expect(Effect.runSync(journal.compact({ nowMs: end + 1, ...terms, epochPeriodMs: 1 }))).toBe(1)
    for (const state of [journal, opened(file)]) {
      expect(state.job(jobId)).toBeUndefined()
      expect(state.tokenIsSpent(new Uint8Array(32).fill(1))).toBe(true)
      expect(state.openJobs().length).toBe(1)
    }
    expect(conflict(opened(file), admitted(3, 1))).toBe("token-spent")
  })

  it("keeps 32 quanta when epochs are short", () => {
    const journal = opened(memoryJournal())
    writeWholeJob(journal)
    append(journal, released(1), closingRecord(jobOf(journal)))
    const terms = { quantumMs: QUANTUM_MS, epochPeriodMs: 1 }
    expect(Effect.runSync(journal.compact({ nowMs: 140 * QUANTUM_MS, ...terms }))).toBe(0)
    expect(Effect.runSync(journal.compact({ nowMs: 140 * QUANTUM_MS + 1, ...terms }))).toBe(1)
  })

  it("stops at a failed append until it is opened again", () => {
    const file = memoryJournal()
    let failing = false
    const fragile: JournalStorage = {
      ...file,
      append: (bytes) => failing
        ? Effect.zipRight(file.append(bytes.slice(0, 20)), new JournalUnavailable({ operation: "append" }))
        : file.append(bytes)
    }
    const journal = opened(fragile)
    append(journal, admitted())
    failing = true
    expect(conflict(journal, attempt(1))).toBe("JournalUnavailable")
    failing = false
    expect(conflict(journal, attempt(1))).toBe("JournalUnavailable")
    expect(jobOf(journal).attempts).toBe(0)
    const again = opened(fragile)
    append(again, attempt(1))
    expect(jobOf(opened(file)).attempts).toBe(1)
  })

  it("makes concurrent appends one after another", () => {
    const file = memoryJournal()
    const slow: JournalStorage = { ...file, append: (bytes) => Effect.zipRight(Effect.yieldNow(), file.append(bytes)) }
    const journal = opened(slow)
    const outcomes = Effect.runPromise(Effect.all([admitted(), admitted(), admitted(2), admitted(3, 2)].map((record) =>
      Effect.either(journal.append(record))), { concurrency: "unbounded" }))
    return outcomes.then((all) => {
      expect(all.map((outcome) => (Either.isLeft(outcome) && outcome.left._tag === "JournalConflict" ? outcome.left.reason : "written")))
        .toEqual(["written", "job-known", "written", "token-spent"])
      expect(opened(file).openJobs().length).toBe(2)
    })
  })

  it("admits a dispatch delivered a hundred times once, and answers every time alike", () => {
    const file = memoryJournal()
    const journal = opened(file)
    const dispatch = delivered(1, encodeDispatch(1, sampleDispatch(1))).opened
    const decide = (state: ComputeJournal) =>
      decideAdmission(crypto, dispatch, admissionState({ knownJob: state.knownJob, realJobs: state.realJobs, nowMs: NOW_MS }))
    const first = decide(journal)
    if (first._tag !== "Admit") throw new Error("not admitted")
    append(journal, admittedRecord(crypto, first, dispatch))
    const size = bytesOf(file).length
    for (let delivery = 1; delivery < 100; delivery++) {
      const repeated = decide(delivery % 2 === 0 ? journal : opened(file))
      expect(repeated._tag).toBe("Repeat")
      expect(replyTo(repeated)).toEqual(replyTo(first))
    }
    expect(bytesOf(file).length).toBe(size)
    expect(jobOf(journal)).toMatchObject({ edgesMs: first.edgesMs, tokenDigest: undefined, keyDigest: dispatch.keyDigest })
  })

  it("seals releases of a job at their places, readable by whoever holds the tag", () => {
    const journal = opened(memoryJournal())
    append(journal, admitted())
    for (const record of [{ _tag: "Overflow" }, { _tag: "Failure", code: 4 }] as const) {
      const place = nextReleasePlace(jobOf(journal), BOX_BYTES, QUANTUM_MS)
      const slots = Either.getOrThrow(sealRelease(crypto, place, record))
      append(journal, sealedRecord(crypto, jobOf(journal), record._tag, record._tag === "Failure" ? record.code : 0, slots))
      const release = openRelease(crypto, {
        boxBytes: BOX_BYTES, classId: 1, jobTag: outputTag(crypto, jobId), payloadBytesLimit: 100,
        stream: { _tag: "Output", releaseIndex: place.releaseIndex, releaseCount: 3, staged: false, quantaToNext: [4, 10][place.releaseIndex]! }
      }, jobOf(journal).sealed.at(-1)!.slots)
      expect(Either.getOrThrow(release).record).toEqual(record)
    }
  })

  it("knows bitmaps", () => {
    for (const indexes of [[], [0], [7], [8], [0, 1, 9, 63]]) expect(decodeBitmap(encodeBitmap(indexes))).toEqual(indexes)
  })
})
