/**
 * Sealing points: what every release due at the coming edge will hold is decided here, framed and made durable, once and for ever.
 *
 * Contract: exactly one Sealed record per release, on disk before its edge in ordinary running; the finished result, or what the crash table
 * says in its place. All records of a class have the same number of slots of the same length. Nothing is sent here.
 * Knows nothing of: storage, models.
 * Source: funion.md §3, §6.4, §8; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { zeroize } from "../crypto/zeroize.ts"
import { sealingPointMs } from "./bucket.ts"
import { finalRelease, isFullySealed, nextReleasePlace, sealedRecord, type OpenJob } from "./compute-job.ts"
import type { OutcomeCode } from "./compute-record.ts"
import { jobKeyOf, openJobOf, stepContext, type ComputeState, type ComputeStopped } from "./compute-state.ts"
import { nextStep } from "./compute-step.ts"
import { FAILURE_CODES, sealRelease, type ReleasePlace, type ReleaseRecord } from "./release-record.ts"

const placeOf = (state: ComputeState, job: OpenJob): ReleasePlace => {
  const { boxBytes, quantumMs, resultSeed, serviceId } = state.setting
  const attestor = job.dispatch.attested ? { serviceId, modelIdHash: job.dispatch.modelIdHash, resultSeed } : undefined
  return nextReleasePlace(job, boxBytes, quantumMs, attestor)
}

/** The Sealed record of the job's next release; content that the class has no room for becomes failure 6. */
const frame = (state: ComputeState, job: OpenJob, record: ReleaseRecord) => {
  const { crypto } = state.setting
  const place = placeOf(state, job)
  const codeOf = (sealed: ReleaseRecord): OutcomeCode => (sealed._tag === "Failure" ? sealed.code : 0)
  const framed = sealRelease(crypto, place, record)
  if (Either.isRight(framed)) return sealedRecord(crypto, job, record._tag, codeOf(record), framed.right)
  const tooLarge: ReleaseRecord = { _tag: "Failure", code: FAILURE_CODES.outputTooLarge }
  const slots = Either.getOrThrowWith(sealRelease(crypto, place, tooLarge), () => new RangeError("a failure fits every class"))
  return sealedRecord(crypto, job, "Failure", tooLarge.code, slots)
}

/** What the next release holds when its sealing point is at or before the instant; nothing when it is not. */
const dueRecord = (state: ComputeState, job: OpenJob, instantMs: number): ReleaseRecord | undefined => {
  const edgeMs = job.edgesMs[job.sealed.length]
  if (edgeMs === undefined || isFullySealed(job) || instantMs < sealingPointMs(edgeMs, state.setting.sealBeforeEdgeMs)) return undefined
  const result = finalRelease(job) === undefined ? state.results.get(jobKeyOf(job)) : undefined
  if (result !== undefined) return result
  const { production } = nextStep(job, stepContext(state, job, instantMs))
  return production._tag === "Seal" ? production.record : undefined
}

const sealJob = (state: ComputeState, jobId: Uint8Array, instantMs: number): Effect.Effect<void, ComputeStopped> =>
  Effect.gen(function* () {
    for (;;) {
      const job = openJobOf(state, jobId)
      const record = job === undefined ? undefined : dueRecord(state, job, instantMs)
      if (job === undefined || record === undefined) return
      yield* state.journal.append(frame(state, job, record))
      // a result that came while an overflow was being made durable waits for the next edge
      if (state.results.get(jobKeyOf(job)) === record) state.results.delete(jobKeyOf(job))
      if (record._tag === "Result") zeroize(record.content.payload)
      // framing takes its time; the event loop paces the sessions' packets (O13)
      yield* Effect.sleep(0)
    }
  })

/** Seals every release whose sealing point is at or before the instant. @errors ComputeStopped when a decision cannot be made durable */
export const sealDue = (state: ComputeState, instantMs: number): Effect.Effect<void, ComputeStopped> =>
  state.sealing.withPermits(1)(Effect.suspend(() =>
    Effect.forEach(state.journal.openJobs(), (job) => sealJob(state, job.jobId, instantMs), { discard: true })))
