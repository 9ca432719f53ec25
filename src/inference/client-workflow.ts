/**
 * The client's workflow, whole: one inference in one go, or its three steps apart.
 *
 * Contract: a job that may have been sent runs to its end whether or not anybody waits, so that nothing outside shows who left; before that, leaving
 * stops it at once. What a restart finds unfinished goes on in the background, and its answer is dropped. At most `JOB_LIMIT` jobs are unfinished; of
 * those whose steps are taken apart the oldest that are handed over make way for new ones, since nobody says when they are over.
 * Knows nothing of: calls, packets, text.
 * Source: funion.md §2, §7 (O10, O15, O17), §8; departures: the upload of a client's first job starts at once.
 *
 * @module
 */
import { Clock, Effect, Either, Fiber, FiberSet, Random, type Scope } from "effect"
import { decodeWriteCap, encodeReadCap, readCapOf } from "../bacap/capability.ts"
import { toHex } from "../bytes/hex.ts"
import type { Listener } from "./client-event.ts"
import { nobody } from "./client-event.ts"
import { jobFailed, type JobFailed, type JobStep } from "./client-failure.ts"
import { inputSlotsHash, type ActiveClientJob } from "./client-job.ts"
import { boxCountsOf, findOffer, offersOf, planJob, type JobPlan, type JobRequest, type Offer } from "./client-plan.ts"
import { activeJob, appendRecord, closeJob, commission, outcomeOfFailure, runJob } from "./client-run.ts"
import { makeClientRest, type ClientRest } from "./client-rest.ts"
import { documentOf, type ClientSetting } from "./client-setting.ts"
import { fetchByTicket } from "./client-ticket.ts"
import { uploadInput } from "./client-upload.ts"
import { outputTag } from "./stream-manifest.ts"
import { encodeTicket } from "./ticket.ts"
import { decodeUploadRecord, encodeUploadRecord, type UploadRecord } from "./upload-record.ts"

/** Jobs that may be unfinished at once. */
export const JOB_LIMIT = 64
/** Jobs that are over and still in the journal before it is rewritten. */
const COMPACT_AFTER = 16

export interface ClientWorkflow {
  /** Models of all services in the directory. */
  readonly offers: Effect.Effect<ReadonlyArray<Offer>, JobFailed>
  /** Upload, dispatch and fetch; ends after `Answered`. */
  readonly infer: (request: JobRequest, listener: Listener) => Effect.Effect<void, JobFailed>
  /** Step 1. @returns the upload record */
  readonly upload: (request: JobRequest) => Effect.Effect<Uint8Array, JobFailed>
  /** Step 2; may be repeated with one record and gives the same ticket. @returns the ticket, 256 bytes */
  readonly dispatch: (uploadRecord: Uint8Array) => Effect.Effect<Uint8Array, JobFailed>
  /** Step 5, with a ticket of anybody's. */
  readonly fetch: (ticket: Uint8Array, listener: Listener) => Effect.Effect<void, JobFailed>
  /** Goes on with what a life before this one left unfinished; does not wait for it. */
  readonly resume: Effect.Effect<void>
  /** From here on the end of a call is the end of this life and not somebody's leaving: jobs stay in the journal as they are. */
  readonly close: Effect.Effect<void>
}

/** Whether a step of a job is being taken at this moment. */
type IsBusy = (jobId: Uint8Array) => boolean

/** Makes sure that one more job may begin: forgets the oldest job that was given away with a ticket, else with an upload record. */
const makeRoom = (setting: ClientSetting, step: JobStep, isBusy: IsBusy): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    const active = setting.journal.activeJobs()
    if (active.length < JOB_LIMIT) return
    const givenAway = active.filter(({ planned, uploadedAtMs }) => planned.stepwise === true && uploadedAtMs !== undefined && !isBusy(planned.jobId))
    const oldest = givenAway.find(({ accepted }) => accepted !== undefined) ?? givenAway[0]
    if (oldest === undefined) return yield* jobFailed(step, "internal", `this client has ${JOB_LIMIT} unfinished jobs; wait until one of them is over`)
    yield* closeJob(setting, oldest.planned.jobId, "handed-over")
  })

/** The plan of a job, durable. */
const planDurably = (setting: ClientSetting, request: JobRequest, stepwise: boolean, isBusy: IsBusy): Effect.Effect<JobPlan, JobFailed> =>
  Effect.gen(function* () {
    const document = yield* documentOf(setting, "plan")
    yield* makeRoom(setting, "plan", isBusy)
    const plan = yield* planJob(setting.crypto, document, request, yield* Random.next, setting.entropy)
    yield* appendRecord(setting, "plan", { _tag: "Planned", ...plan.planned, ...(stepwise ? { stepwise: true as const } : {}) })
    return plan
  })

const tellPlan = ({ offer, planned, warnings }: JobPlan, listener: Listener): Effect.Effect<void> =>
  listener({
    _tag: "Planned", service: offer.service.name, model: offer.card.id, version: planned.modelVersion, bucket: planned.bucket,
    ...boxCountsOf(planned), warnings
  })

const recordOf = (plan: JobPlan): UploadRecord => {
  const { bucket, inputClass, inputWriteCap, jobId, modelIdHash, modelVersion, outputClass, outputWriteCap, serviceId } = plan.planned
  return { bucket, profileId: plan.profile.id, inputClass, outputClass, modelVersion, jobId, serviceId, modelIdHash, inputWriteCap, outputWriteCap }
}

const restBeforeUpload = (setting: ClientSetting, rest: ClientRest): Effect.Effect<void, JobFailed> =>
  Effect.flatMap(documentOf(setting, "upload"), ({ params }) => rest.beforeUpload(params.quantumMs))

/** Step 1, in the caller's fiber. @param rest  waits until the upload may start */
const uploadOnly = (
  setting: ClientSetting,
  request: JobRequest,
  rest: Effect.Effect<void, JobFailed>,
  isBusy: IsBusy,
  isClosing: () => boolean
): Effect.Effect<Uint8Array, JobFailed> =>
  Effect.uninterruptibleMask((restore) => Effect.gen(function* () {
    const plan = yield* planDurably(setting, request, true, isBusy)
    const { jobId } = plan.planned
    const record = encodeUploadRecord(setting.crypto, recordOf(plan))
    const write = Effect.flatMap(documentOf(setting, "upload"), ({ params }) => uploadInput(setting, plan.planned, { params, onWritten: () => Effect.void }))
    yield* restore(Effect.zipRight(rest, write)).pipe(
      Effect.tapError(() => closeJob(setting, jobId, "upload-failed")),
      Effect.onInterrupt(() => (isClosing() ? Effect.void : closeJob(setting, jobId, "cancelled")))
    )
    yield* appendRecord(setting, "upload", { _tag: "Uploaded", jobId, confirmedAtMs: yield* Clock.currentTimeMillis })
    return record
  }))

/** The journal's job of a record; one that another client uploaded is entered as it stands. */
const jobOfRecord = (setting: ClientSetting, record: UploadRecord, isBusy: IsBusy): Effect.Effect<ActiveClientJob, JobFailed> =>
  Effect.gen(function* () {
    const { profileId: _, ...fields } = record
    const { jobId } = record
    if (setting.journal.job(jobId) === undefined) {
      yield* makeRoom(setting, "dispatch", isBusy)
      const planned = { ...fields, staged: false, attested: false, inputSlots: [], payloadHash: inputSlotsHash(setting.crypto, []), stepwise: true as const }
      yield* appendRecord(setting, "dispatch", { _tag: "Planned", ...planned })
      yield* appendRecord(setting, "dispatch", { _tag: "Uploaded", jobId, confirmedAtMs: yield* Clock.currentTimeMillis })
    }
    const job = setting.journal.job(jobId)
    if (job?._tag === "Done") return yield* jobFailed("dispatch", "expired", "this upload was discarded or its job is over; upload the input again")
    return yield* activeJob(setting, jobId, "dispatch")
  })

const ticketOf = (setting: ClientSetting, record: UploadRecord, acceptedAtMs: number): Either.Either<Uint8Array, JobFailed> =>
  Either.mapBoth(decodeWriteCap(setting.crypto, record.outputWriteCap), {
    onLeft: () => jobFailed("dispatch", "internal", "the job's capabilities are damaged"),
    onRight: (outputWriteCap) => encodeTicket({
      staged: false, attested: false, bucket: record.bucket, outputClass: record.outputClass, acceptedAtMs,
      outputReadCap: encodeReadCap(readCapOf(outputWriteCap)), outputTag: outputTag(setting.crypto, record.jobId),
      serviceId: record.serviceId, modelIdHash: record.modelIdHash
    })
  })

/** Step 2, in the caller's fiber. */
const dispatchOnly = (setting: ClientSetting, record: UploadRecord, isBusy: IsBusy): Effect.Effect<Uint8Array, JobFailed> =>
  Effect.gen(function* () {
    const job = yield* jobOfRecord(setting, record, isBusy)
    if (job.accepted !== undefined) return yield* ticketOf(setting, record, job.accepted.acceptedAtMs)
    const document = yield* documentOf(setting, "dispatch")
    const offer = findOffer(setting.crypto, document, record.serviceId, record.modelIdHash)
    if (offer === undefined) return yield* jobFailed("dispatch", "no-compute-service", "the service of this upload, or its model, has left the directory")
    const nowMs = yield* Clock.currentTimeMillis
    const afterMs = job.dispatched === undefined ? Math.max(job.uploadedAtMs ?? 0, nowMs) : undefined
    const accepted = yield* commission(setting, job, offer, afterMs, () => {}).pipe(
      Effect.catchTag("DispatchSilent", () => Effect.fail(jobFailed("dispatch", "dispatch-timed-out", "the service did not answer in time"))),
      Effect.tapError((failure) => {
        const outcome = failure.reason === "dispatch-timed-out" ? undefined : outcomeOfFailure(job, failure)
        return outcome === undefined || outcome === "cancelled" ? Effect.void : closeJob(setting, record.jobId, outcome)
      })
    )
    return yield* ticketOf(setting, record, accepted.acceptedAtMs)
  })

/** True for a job of separate steps that nobody can want any more. */
const isStale = (job: ActiveClientJob, nowMs: number, boxLifeMs: number): boolean =>
  job.uploadedAtMs === undefined || nowMs > Math.max(job.uploadedAtMs, job.dispatched?.lastNotAfterMs ?? 0) + boxLifeMs

/** Run when a job is over, or a step of it: rewrites the journal now and then. */
const makeTidy = ({ journal }: ClientSetting): Effect.Effect<void> => {
  let doneCount = 0
  return Effect.suspend(() => {
    doneCount += 1
    if (doneCount < COMPACT_AFTER) return Effect.void
    doneCount = 0
    return Effect.ignore(journal.compact)
  })
}

/**
 * A workflow whose jobs live as long as the scope.
 * @cost one fiber per unfinished job
 */
export const makeClientWorkflow = (setting: ClientSetting): Effect.Effect<ClientWorkflow, never, Scope.Scope> =>
  Effect.gen(function* () {
    const jobs = yield* FiberSet.make<void, JobFailed>()
    const dispatching = new Set<string>()
    const rest = makeClientRest()
    const ready = restBeforeUpload(setting, rest)
    const isBusy: IsBusy = (jobId) => dispatching.has(toHex(jobId))
    let closing = false
    const close = Effect.sync(() => {
      closing = true
    })
    yield* Effect.addFinalizer(() => close)

    const tidy = makeTidy(setting)
    const infer: ClientWorkflow["infer"] = (request, listener) =>
      Effect.uninterruptibleMask((restore) => Effect.gen(function* () {
        const plan = yield* planDurably(setting, request, false, isBusy)
        const { jobId } = plan.planned
        let committed = false
        const onCommitted = () => {
          committed = true
        }
        const work = Effect.zipRight(ready, runJob(setting, jobId, { listener, onCommitted })).pipe(
          Effect.zipLeft(rest.noteAnswer), Effect.tapError(rest.noteFailure), Effect.ensuring(tidy)
        )
        const fiber = yield* FiberSet.run(jobs, Effect.interruptible(Effect.zipRight(tellPlan(plan, listener), work)))
        const leave = Effect.suspend(() =>
          closing || committed ? Effect.void : Effect.zipRight(Fiber.interrupt(fiber), closeJob(setting, jobId, "cancelled")))
        yield* Effect.onInterrupt(restore(Fiber.join(fiber)), () => leave)
      }))

    const dispatch: ClientWorkflow["dispatch"] = (bytes) =>
      Effect.gen(function* () {
        const record = yield* Either.mapLeft(decodeUploadRecord(setting.crypto, bytes), () =>
          jobFailed("dispatch", "input-refused", "this is no upload record, or it was damaged on its way"))
        const key = toHex(record.jobId)
        if (dispatching.has(key)) return yield* jobFailed("dispatch", "internal", "this upload is being dispatched at this moment")
        dispatching.add(key)
        return yield* dispatchOnly(setting, record, isBusy).pipe(
          Effect.tapError(rest.noteFailure), Effect.ensuring(Effect.sync(() => dispatching.delete(key))), Effect.ensuring(tidy)
        )
      })

    const resumeOne = (job: ActiveClientJob, nowMs: number, boxLifeMs: number): Effect.Effect<void> => {
      const { jobId, stepwise } = job.planned
      if (stepwise !== true) {
        const work = Effect.ensuring(runJob(setting, jobId, { listener: nobody, onCommitted: () => {} }), tidy)
        return Effect.asVoid(FiberSet.run(jobs, work))
      }
      return isStale(job, nowMs, boxLifeMs) ? closeJob(setting, jobId, job.uploadedAtMs === undefined ? "upload-failed" : "handed-over") : Effect.void
    }

    return {
      offers: Effect.map(documentOf(setting, "plan"), (document) => offersOf(setting.crypto, document)),
      infer,
      upload: (request) => Effect.ensuring(Effect.tapError(uploadOnly(setting, request, ready, isBusy, () => closing), rest.noteFailure), tidy),
      dispatch,
      fetch: (ticket, listener) => Effect.tapError(Effect.zipLeft(fetchByTicket(setting, ticket, listener), rest.noteAnswer), rest.noteFailure),
      resume: Effect.gen(function* () {
        const { params } = yield* documentOf(setting, "plan")
        const nowMs = yield* Clock.currentTimeMillis
        yield* Effect.forEach(setting.journal.activeJobs(), (job) => resumeOne(job, nowMs, params.replicaEpochPeriodMs), { discard: true })
        yield* Effect.ignore(setting.journal.compact)
      }).pipe(Effect.ignore),
      close
    }
  })
