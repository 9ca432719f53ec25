/**
 * Step 2, dispatch: one commission, sealed anew for every transmission, until the service has answered.
 *
 * Contract: the first sending is at a uniform instant of the quantum after the upload was confirmed. Every transmission has a fresh KEM ciphertext,
 * the notAfter of its own quantum and a uniformly drawn queue host; a notAfter is on disk before it is first sent, and none lies more than 16 q
 * after the first. What does not open is no answer: the next sealing goes out after a random pause. A reply that no correct service sends ends
 * the job.
 * Knows nothing of: packets, reply blocks, the journal's form.
 * Source: funion.md §6.1, §6.2, §7 (O5, O6, O22), §8; departures: after reason 6 the next try is in a later quantum; a client without tokens
 * stops at reasons 4 and 5.
 *
 * @module
 */
import { Clock, Data, Effect, Either, Random } from "effect"
import { decodeWriteCap, encodeReadCap, readCapOf } from "../bacap/capability.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { epochAt } from "../params/epoch.ts"
import type { ComputeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import type { SessionClosed } from "../session/session.ts"
import type { Destination } from "../session/exchange.ts"
import { NodeId, recipientId } from "../sphinx/geometry.ts"
import { NOT_AFTER_LIMIT_QUANTA, notAfterFor, notAfterForResend, retryInstantMs, uniformInNextQuantumMs } from "./bucket.ts"
import { jobFailed, rejectionSentence, type JobFailed } from "./client-failure.ts"
import type { ActiveClientJob, PlannedJob } from "./client-job.ts"
import { documentOf, pauseExponential, sleepUntil, type ClientSetting } from "./client-setting.ts"
import { findService } from "./client-plan.ts"
import { openReply, reactionTo } from "./dispatch-reply.ts"
import { sealDispatchPlaintext } from "./dispatch-seal.ts"
import { contentDigest, emptyTokenArea, encodeDispatch, JobId, type DispatchSuite } from "./dispatch.ts"
import { checkReply, type CheckedReply } from "./reply-check.ts"

/** No answer came as long as the job may be sent. It may have been accepted all the same. */
export class DispatchSilent extends Data.TaggedError("DispatchSilent")<Record<never, never>> {}

export type AcceptedJob = Extract<CheckedReply, { readonly _tag: "Accepted" }>
type RejectedJob = Extract<CheckedReply, { readonly _tag: "Rejected" }>

export interface DispatchOptions {
  /** As the journal has it; uploaded. */
  readonly job: ActiveClientJob
  /** The newest descriptor known; a newer document's is used as soon as it is there. */
  readonly service: ComputeDescriptor
  /** The first sending is in the quantum after this instant; `undefined`: it was sent before, go on at once. */
  readonly afterMs: number | undefined
  /** Makes a notAfter durable; run before the first sending with it. */
  readonly record: (sentAtMs: number, notAfterMs: number) => Effect.Effect<void, JobFailed>
}

/** One sealing that is out. */
interface Sealed {
  readonly replyKey: Uint8Array
  readonly notAfterMs: number
}

/** What is true of all transmissions of one job. */
interface Sending {
  readonly firstSentAtMs: number
  readonly firstNotAfterMs: number
  lastNotAfterMs: number
}

const internal = (detail: string): JobFailed => jobFailed("dispatch", "internal", detail)

/** The plaintext; without tokens, attestation and stages. @errors JobFailed `internal` */
export const dispatchPlaintextOf = (
  crypto: CryptoBackend, suite: DispatchSuite, planned: PlannedJob, notAfterMs: number
): Either.Either<Uint8Array, JobFailed> =>
  Either.map(Either.mapLeft(decodeWriteCap(crypto, planned.inputWriteCap), () => internal("the job's capabilities are damaged")), (inputWriteCap) =>
    encodeDispatch(suite, {
      staged: planned.staged, attested: planned.attested, bucket: planned.bucket, inputClass: planned.inputClass, outputClass: planned.outputClass,
      notAfterMs, jobId: JobId.unsafe(planned.jobId), modelIdHash: planned.modelIdHash, modelVersion: planned.modelVersion,
      inputReadCap: encodeReadCap(readCapOf(inputWriteCap)), outputWriteCap: planned.outputWriteCap, tokenArea: emptyTokenArea(suite)
    }))

/** The deadlines of two descriptors, each once. */
const deadlinesOf = (services: ReadonlyArray<ComputeDescriptor>): ReadonlyArray<ReadonlyArray<number>> =>
  [...new Map(services.map(({ deadlinesQuanta }) => [deadlinesQuanta.join(), deadlinesQuanta])).values()]

/** The state of one dispatch over all its exchanges. */
class Dispatcher {
  readonly #setting: ClientSetting
  readonly #options: DispatchOptions
  readonly #sealed: Array<Sealed> = []
  #sending: Sending | undefined
  #service: ComputeDescriptor
  #digest: Uint8Array = new Uint8Array(0)

  constructor(setting: ClientSetting, options: DispatchOptions) {
    this.#setting = setting
    this.#options = options
    this.#service = options.service
    this.#sending = options.job.dispatched === undefined ? undefined : { ...options.job.dispatched }
  }

  /** Looks for a newer descriptor of the service; the last one known stays good. */
  readonly #refresh: Effect.Effect<Document, JobFailed> = Effect.suspend(() =>
    Effect.map(documentOf(this.#setting, "dispatch"), (document) => {
      this.#service = findService(this.#setting.crypto, document, this.#options.job.planned.serviceId) ?? this.#service
      return document
    }))

  /** A queue host, drawn anew for every transmission. */
  readonly destination: Effect.Effect<Destination> = Effect.gen(this, function* () {
    yield* Effect.ignore(this.#refresh)
    const { queues } = this.#service
    const queue = queues[yield* Random.nextIntBetween(0, queues.length)]
    if (queue === undefined) throw new RangeError("a compute service has at least one queue")
    return { serviceNode: NodeId.unsafe(queue.serviceNodeId), recipient: recipientId(queue.endpoint) }
  })

  /** The instant after which nothing more is waited for; `undefined` before the first sending. */
  readonly endMs = (quantumMs: number): number | undefined =>
    this.#sending === undefined ? undefined : this.#sending.firstNotAfterMs + NOT_AFTER_LIMIT_QUANTA * quantumMs

  /** notAfter of a sealing now, durable. */
  #notAfter(quantumMs: number, nowMs: number): Effect.Effect<number, JobFailed | DispatchSilent> {
    const { record } = this.#options
    const sending = this.#sending
    if (sending === undefined) {
      const notAfterMs = notAfterFor(quantumMs, nowMs)
      return Effect.map(record(nowMs, notAfterMs), () => {
        this.#sending = { firstSentAtMs: nowMs, firstNotAfterMs: notAfterMs, lastNotAfterMs: notAfterMs }
        return notAfterMs
      })
    }
    const notAfterMs = notAfterForResend(quantumMs, nowMs, sending.firstNotAfterMs)
    if (notAfterMs === undefined) return Effect.fail(new DispatchSilent())
    if (notAfterMs <= sending.lastNotAfterMs) return Effect.succeed(sending.lastNotAfterMs)
    return Effect.map(record(nowMs, notAfterMs), () => {
      sending.lastNotAfterMs = notAfterMs
      return notAfterMs
    })
  }

  /** One sealing. */
  readonly payload: Effect.Effect<Uint8Array, JobFailed | DispatchSilent> = Effect.gen(this, function* () {
    const { crypto, entropy } = this.#setting
    const { planned } = this.#options.job
    const document = yield* this.#refresh
    const nowMs = yield* Clock.currentTimeMillis
    const notAfterMs = yield* this.#notAfter(document.params.quantumMs, nowMs)
    const plaintext = yield* dispatchPlaintextOf(crypto, document.params.dispatchSuite, planned, notAfterMs)
    const jobPublicKey = this.#service.jobKeys.get(epochAt(document.params, nowMs)) ?? this.#service.jobKeys.get(this.#service.epoch)
    if (jobPublicKey === undefined) return yield* jobFailed("dispatch", "service-broke-the-rules", "the service publishes no job key for this epoch")
    const target = { suite: document.params.dispatchSuite, jobPublicKey, serviceId: planned.serviceId }
    const sealed = yield* Either.mapLeft(sealDispatchPlaintext(crypto, target, plaintext, entropy), () =>
      jobFailed("dispatch", "service-broke-the-rules", "the service publishes a job key that is none"))
    this.#digest = contentDigest(crypto, plaintext)
    zeroize(plaintext)
    this.#sealed.push({ replyKey: sealed.replyKey, notAfterMs })
    return sealed.message
  })

  /** What a reply says; `undefined` when it opens under no key. */
  readonly judge = (quantumMs: number, payload: Uint8Array): Either.Either<CheckedReply | undefined, JobFailed> => {
    const { crypto } = this.#setting
    const { job, service } = this.#options
    for (const { notAfterMs, replyKey } of this.#sealed.toReversed()) {
      const reply = Either.getOrUndefined(openReply(crypto, replyKey, job.planned.serviceId, payload))
      if (reply === undefined) continue
      // Who uploaded it elsewhere may have had it accepted before this client sent anything.
      const isForeign = job.planned.inputSlots.length === 0
      const sent = {
        contentDigest: this.#digest, firstSentAtMs: isForeign ? 0 : this.#sending?.firstSentAtMs ?? 0, notAfterMs, bucket: job.planned.bucket, quantumMs,
        deadlinesQuanta: deadlinesOf([this.#service, service])
      }
      return Either.mapLeft(checkReply(sent, reply), () =>
        jobFailed("dispatch", "service-broke-the-rules", "the service gave an answer that no correct service gives; nothing of it was used"))
    }
    return Either.right(undefined)
  }

  /** Overwrites the keys of all answers. */
  readonly wipe: Effect.Effect<void> = Effect.sync(() => zeroize(...this.#sealed.map(({ replyKey }) => replyKey)))
}

const fullSentence = (rejected: RejectedJob): JobFailed => jobFailed("dispatch", "dispatch-rejected", rejectionSentence(rejected.reason))

/** One exchange after the other until a reply opens; between two a pause, as after silence, so that a service that is away is not asked without end. */
const awaitReply = (setting: ClientSetting, dispatcher: Dispatcher) =>
  Effect.gen(function* () {
    while (true) {
      const { params } = yield* documentOf(setting, "dispatch")
      const request = { destination: dispatcher.destination, payload: dispatcher.payload, answerDelayMs: params.answerMs }
      const payload = yield* setting.exchange(request)
      const reply = yield* dispatcher.judge(params.quantumMs, payload)
      if (reply !== undefined) return reply
      yield* pauseExponential(params.retransmitSlackMs)
    }
  })

/** When to try again after a rejection, or the failure when trying again is of no use. */
const nextTry = (rejected: RejectedJob, quantumMs: number): Effect.Effect<number, JobFailed> =>
  Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    const uniform = yield* Random.next
    switch (reactionTo(rejected.reason)) {
      case "stop":
      case "new-token": return yield* fullSentence(rejected)
      case "new-not-after": return uniformInNextQuantumMs(quantumMs, nowMs, uniform)
      case "later-quantum": return retryInstantMs(quantumMs, nowMs, rejected.retryAfterQuanta, yield* Random.next, uniform)
    }
  })

/** Sends, and sends again after rejections that may go away. */
const converse = (setting: ClientSetting, dispatcher: Dispatcher, quantumMs: number): Effect.Effect<AcceptedJob, JobFailed | DispatchSilent | SessionClosed> =>
  Effect.gen(function* () {
    let rejected: RejectedJob | undefined
    while (true) {
      const refused = rejected
      const silent = () => Effect.fail(refused === undefined ? new DispatchSilent() : fullSentence(refused))
      const endMs = dispatcher.endMs(quantumMs)
      const nowMs = yield* Clock.currentTimeMillis
      // Before the first sending nothing is bounded by its notAfter; the exchange then ends after as many quanta as it would at most.
      const limitMs = Math.max((endMs ?? notAfterFor(quantumMs, nowMs) + (NOT_AFTER_LIMIT_QUANTA + 1) * quantumMs) - nowMs, 0)
      const reply = yield* awaitReply(setting, dispatcher).pipe(
        Effect.timeoutFail({ duration: limitMs, onTimeout: () => new DispatchSilent() }),
        Effect.catchTag("DispatchSilent", silent)
      )
      if (reply._tag === "Accepted") return reply
      rejected = reply
      const atMs = yield* nextTry(reply, quantumMs)
      if (atMs >= (dispatcher.endMs(quantumMs) ?? atMs)) return yield* fullSentence(reply)
      yield* sleepUntil(atMs)
    }
  })

/**
 * Commissions a job.
 * @errors DispatchSilent when no answer came until the first notAfter + 16 q; JobFailed `dispatch-rejected`, `service-broke-the-rules`,
 * `no-directory`, `internal`
 */
export const dispatchJob = (setting: ClientSetting, options: DispatchOptions): Effect.Effect<AcceptedJob, JobFailed | DispatchSilent> =>
  Effect.gen(function* () {
    const { params } = yield* documentOf(setting, "dispatch")
    if (options.afterMs !== undefined) yield* sleepUntil(uniformInNextQuantumMs(params.quantumMs, options.afterMs, yield* Random.next))
    const dispatcher = new Dispatcher(setting, options)
    return yield* Effect.ensuring(converse(setting, dispatcher, params.quantumMs), dispatcher.wipe)
  }).pipe(Effect.catchTag("SessionClosed", () => Effect.fail(internal("the way into the mix network is closed"))))
