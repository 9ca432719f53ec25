/**
 * One job from the state its journal is in to its end.
 *
 * Contract: what happens next depends on the journal and the instant alone, so that a job that was resumed goes on exactly as one that was never
 * interrupted; every step is durable before the next begins. Interruption stops the work at once and writes nothing.
 * Knows nothing of: who waits for the answer, calls, restarts.
 * Source: funion.md §2, §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either } from "effect"
import { decodeWriteCap, readCapOf } from "../bacap/capability.ts"
import type { Tensor } from "../model/tensor.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { PacketCounters } from "../session/session.ts"
import { quantumIndexAt, releaseEdgesMs } from "./bucket.ts"
import { dispatchJob, type AcceptedJob } from "./client-dispatch.ts"
import type { Listener } from "./client-event.ts"
import { jobFailed, type JobFailed, type JobStep } from "./client-failure.ts"
import { outputsOf, readRelease, type OutputStream } from "./client-fetch.ts"
import { nextClientStep, type ActiveClientJob, type ClientOutcome, type ClientRecord, type ClientStep, type PlannedJob } from "./client-job.ts"
import { findOffer, type Offer } from "./client-plan.ts"
import { documentOf, type ClientSetting } from "./client-setting.ts"
import { uploadInput } from "./client-upload.ts"
import { outputTag } from "./stream-manifest.ts"

type PollStep = Extract<ClientStep, { readonly _tag: "Poll" }>

export interface RunOptions {
  readonly listener: Listener
  /** Called when the job may have been sent: from here on it runs whatever the client does. */
  readonly onCommitted: () => void
}

const SILENCE = jobFailed("dispatch", "dispatch-timed-out", "the service did not answer, and no answer of the job came either")

/** Makes a record durable. @errors JobFailed `internal` */
export const appendRecord = (setting: ClientSetting, step: JobStep, record: ClientRecord): Effect.Effect<void, JobFailed> =>
  Effect.mapError(setting.journal.append(record), (error) =>
    jobFailed(step, "internal", error._tag === "JournalUnavailable" ? "the client's journal cannot be written" : "the client's journal refuses the step"))

/** The job as the journal has it now. @errors JobFailed `internal` when it is done or unknown */
export const activeJob = (setting: ClientSetting, jobId: Uint8Array, step: JobStep): Effect.Effect<ActiveClientJob, JobFailed> =>
  Effect.suspend(() => {
    const job = setting.journal.job(jobId)
    return job?._tag === "Active" ? Effect.succeed(job) : Effect.fail(jobFailed(step, "internal", "the client's journal does not hold the job"))
  })

/** How a failed job is closed; `undefined`: not at all, a restart may go on with it. */
export const outcomeOfFailure = (job: ActiveClientJob, failure: JobFailed): ClientOutcome | undefined => {
  switch (failure.reason) {
    case "upload-failed":
    case "upload-timed-out": return "upload-failed"
    case "dispatch-rejected": return "rejected"
    case "service-broke-the-rules": return "broken-service"
    case "dispatch-timed-out":
    case "output-not-found":
    case "expired": return "timed-out"
    case "job-failed":
    case "output-withdrawn":
    case "output-damaged": return "failure"
    default: return job.dispatched === undefined ? "cancelled" : undefined
  }
}

/** Sends the dispatch of a job until it is accepted, and makes that durable. @errors as `dispatchJob`; silence is a failure when nothing was ever sent */
export const commission = (setting: ClientSetting, job: ActiveClientJob, offer: Offer, afterMs: number | undefined, onCommitted: () => void) =>
  Effect.gen(function* () {
    const { jobId } = job.planned
    const accepted = yield* dispatchJob(setting, {
      job, service: offer.service, afterMs,
      record: (sentAtMs, notAfterMs) =>
        Effect.map(appendRecord(setting, "dispatch", { _tag: "Dispatched", jobId, sentAtMs, notAfterMs }), onCommitted)
    })
    const { acceptedAtMs, edgesMs } = accepted
    yield* appendRecord(setting, "dispatch", { _tag: "Accepted", jobId, acceptedAtMs, edgesMs })
    return accepted
  })

/** The edges of a job: those of its acceptance, else the last ones that it can have. */
const edgesOf = (job: ActiveClientJob, params: MixnetParams, offer: Offer): ReadonlyArray<number> =>
  job.accepted?.edgesMs ??
    releaseEdgesMs(
      params.quantumMs, offer.service.deadlinesQuanta, quantumIndexAt(params.quantumMs, job.dispatched?.lastNotAfterMs ?? 0), job.planned.bucket
    )

const outputStreamOf = (setting: ClientSetting, job: ActiveClientJob, params: MixnetParams, offer: Offer): Either.Either<OutputStream, JobFailed> => {
  const { planned } = job
  return Either.mapBoth(decodeWriteCap(setting.crypto, planned.outputWriteCap), {
    onLeft: () => jobFailed("fetch", "internal", "the job's capabilities are damaged"),
    onRight: (outputWriteCap) => ({
      params,
      releaseWindowMs: offer.service.releaseWindowMs,
      readCap: readCapOf(outputWriteCap),
      outputClass: planned.outputClass,
      outputTag: outputTag(setting.crypto, planned.jobId),
      edgesMs: edgesOf(job, params, offer),
      card: offer.card,
      attestedBy: undefined
    })
  })
}

/** What a job has come to so far, in the client's time. */
interface Progress {
  readonly startedMs: number
  readonly packetsBefore: PacketCounters
  /** End of the step before */
  lastMs: number
  overflow: number
}

/** Milliseconds since the end of the step before. */
const lap = (progress: Progress): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const lapMs = nowMs - progress.lastMs
    progress.lastMs = nowMs
    return lapMs
  })

export const beginProgress = (setting: ClientSetting): Effect.Effect<Progress> =>
  Effect.zipWith(Clock.currentTimeMillis, setting.counters, (startedMs, packetsBefore) => ({ startedMs, packetsBefore, lastMs: startedMs, overflow: 0 }))

/** Tells the listener that the edge of release r has passed. */
export const tellEdge = (progress: Progress, listener: Listener): Effect.Effect<void> =>
  Effect.flatMap(lap(progress), (heldMs) => listener({ _tag: "EdgePassed", overflow: progress.overflow, heldMs }))

/** Tells the listener the answer. */
export const tellAnswer = (setting: ClientSetting, progress: Progress, listener: Listener, outputs: ReadonlyArray<Tensor>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const fetchMs = yield* lap(progress)
    const after = yield* setting.counters
    const { decoys, received, sent } = progress.packetsBefore
    yield* listener({
      _tag: "Answered", outputs, overflow: progress.overflow, fetchMs, totalMs: progress.lastMs - progress.startedMs,
      packets: { sent: after.sent - sent, received: after.received - received, decoys: after.decoys - decoys }
    })
  })

interface Run extends RunOptions {
  readonly setting: ClientSetting
  readonly progress: Progress
}

const upload = ({ listener, progress, setting }: Run, planned: PlannedJob, params: MixnetParams): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    yield* uploadInput(setting, planned, { params, onWritten: (done, total) => listener({ _tag: "BoxWritten", done, total }) })
    yield* appendRecord(setting, "upload", { _tag: "Uploaded", jobId: planned.jobId, confirmedAtMs: yield* Clock.currentTimeMillis })
    yield* listener({ _tag: "Uploaded", uploadMs: yield* lap(progress) })
  })

const tellAccepted = ({ listener, progress }: Run, { acceptedAtMs, edgesMs }: AcceptedJob): Effect.Effect<void> =>
  Effect.flatMap(lap(progress), (dispatchMs) =>
    listener({ _tag: "Accepted", dispatchMs, acceptedAtMs, firstEdgeMs: edgesMs[0] ?? acceptedAtMs, lastEdgeMs: edgesMs.at(-1) ?? acceptedAtMs }))

/** The dispatch; silence is no failure as long as something was sent, because the job may have been accepted. */
const dispatch = (run: Run, job: ActiveClientJob, offer: Offer, step: Extract<ClientStep, { readonly _tag: "Dispatch" }>): Effect.Effect<void, JobFailed> =>
  commission(run.setting, job, offer, step.first ? step.afterMs : undefined, run.onCommitted).pipe(
    Effect.flatMap((accepted) => tellAccepted(run, accepted)),
    Effect.catchTag("DispatchSilent", () =>
      Effect.flatMap(activeJob(run.setting, job.planned.jobId, "dispatch"), ({ dispatched }) =>
        dispatched === undefined ? Effect.fail(SILENCE) : Effect.void))
  )

/** Reads one release. @returns the outputs when it was the last one */
const poll = (run: Run, job: ActiveClientJob, output: OutputStream, step: PollStep): Effect.Effect<ReadonlyArray<Tensor> | undefined, JobFailed> =>
  Effect.gen(function* () {
    const { listener, progress, setting } = run
    const { releaseIndex } = step
    const { last, record } = yield* readRelease(setting, output, {
      releaseIndex,
      endMs: step.endMs,
      onEdge: tellEdge(progress, listener),
      onRead: (done, total) => listener({ _tag: "BoxRead", done, total })
    })
    yield* appendRecord(setting, "fetch", { _tag: "Seen", jobId: job.planned.jobId, releaseIndex, kind: record._tag, last })
    if (last) return yield* outputsOf(output, record)
    progress.overflow += 1
    return undefined
  }).pipe(Effect.mapError((failure) => (step.blind && failure.reason === "output-not-found" ? SILENCE : failure)))

/** Goes on with a job until it has its outputs; nothing when a run before this one has read them. */
const drive = (run: Run, jobId: Uint8Array): Effect.Effect<ReadonlyArray<Tensor> | undefined, JobFailed> =>
  Effect.gen(function* () {
    const { setting } = run
    while (true) {
      const job = yield* activeJob(setting, jobId, "plan")
      const { planned } = job
      const document = yield* documentOf(setting, "dispatch")
      const offer = findOffer(setting.crypto, document, planned.serviceId, planned.modelIdHash)
      if (offer === undefined) return yield* jobFailed("hold", "no-compute-service", "the service, or its model, has left the directory")
      const { params } = document
      const { deadlinesQuanta, releaseWindowMs } = offer.service
      const step = nextClientStep(job, { nowMs: yield* Clock.currentTimeMillis, quantumMs: params.quantumMs, releaseWindowMs, deadlinesQuanta })
      switch (step._tag) {
        case "Upload":
          yield* upload(run, planned, params)
          break
        case "Dispatch":
          yield* dispatch(run, job, offer, step)
          break
        case "Poll": {
          const outputs = yield* poll(run, job, yield* outputStreamOf(setting, job, params, offer), step)
          if (outputs !== undefined) return outputs
          break
        }
        case "GiveUp": return yield* job.accepted === undefined ? SILENCE : jobFailed("fetch", "expired", "the time in which the answer can be read is over")
        case "Finish": return undefined
      }
    }
  })

/** Journals the end of a job; a journal that cannot is left to the next restart. */
export const closeJob = (setting: ClientSetting, jobId: Uint8Array, outcome: ClientOutcome): Effect.Effect<void> =>
  Effect.ignore(setting.journal.append({ _tag: "Done", jobId, outcome }))

/**
 * Runs a job that is in the journal to its end, and closes it there.
 * @errors JobFailed
 */
export const runJob = (setting: ClientSetting, jobId: Uint8Array, options: RunOptions): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    const progress = yield* beginProgress(setting)
    const outputs = yield* drive({ ...options, setting, progress }, jobId).pipe(
      Effect.tapError((failure) => {
        const job = setting.journal.job(jobId)
        const outcome = job?._tag === "Active" ? outcomeOfFailure(job, failure) : undefined
        return outcome === undefined ? Effect.void : closeJob(setting, jobId, outcome)
      })
    )
    yield* closeJob(setting, jobId, "result")
    if (outputs !== undefined) yield* tellAnswer(setting, progress, options.listener, outputs)
  })
