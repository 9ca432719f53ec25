/**
 * From a delivered body to the sealed answer of 93 bytes: admission of jobs; and of the service's own, which come without a body and an answer.
 *
 * Contract: an Accepted leaves only after its Admitted record is durable. A rejected or repeated dispatch leaves no trace but a count, and a
 * body that does not open gets no answer: the queue host fills in. At most one admission per jobId, however many dispatches come at once.
 * The cover of a quantum is admitted before the first client's job in it. What a dispatch held of secrets is overwritten when it is answered; an
 * admitted job's caps are in the journal alone.
 * Knows nothing of: queues, frames, what happens to an admitted job.
 * Source: funion.md §3, §6.1, §6.2, §7 (O1, O6, O7, O14), §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either } from "effect"
import { constantTimeEqual } from "../bytes/equal.ts"
import type { Entropy } from "../crypto/entropy.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { quantumIndexAt } from "./bucket.ts"
import { admittedRecord, type OpenJob } from "./compute-job.ts"
import { decodeDispatch, type DispatchSuite } from "./dispatch.ts"
import { decideAdmission, replyTo, withoutTokens, type AdmissionDecision, type AdmissionState } from "./dispatch-check.ts"
import { REJECT_REASONS, sealReply } from "./dispatch-reply.ts"
import { openDispatch, wipeOpenedDispatch, type JobPrivateKey, type OpenedDispatch } from "./dispatch-seal.ts"
import type { PublishedCard } from "./compute-run.ts"
import { openJobOf, type ComputeState, type ComputeStopped } from "./compute-state.ts"

/** What every job is judged by, beside the journal. */
export interface AdmissionRules {
  readonly suite: DispatchSuite
  readonly deadlinesQuanta: ReadonlyArray<number>
  readonly profiles: ReadonlyArray<ServiceProfile>
  readonly cards: ReadonlyArray<PublishedCard>
  readonly draining: () => boolean
}

/** What dispatches of clients need besides. */
export interface AdmissionSetting extends AdmissionRules {
  /** The job keys to try now. */
  readonly candidates: (nowMs: number) => ReadonlyArray<JobPrivateKey>
  /** Admits the cover of a quantum that has begun, if that has not been done; see cover-work.ts. */
  readonly openQuantum: (quantumIndex: number) => Effect.Effect<void, ComputeStopped>
  readonly entropy: Entropy
}

/** Quanta that a client without a place is asked to wait. */
const RETRY_AFTER_QUANTA = 1

/** In place of the digest of a key: none opened the dispatch of a job of the service's own. */
const NO_KEY_DIGEST = new Uint8Array(32)

const admissionState = (state: ComputeState, setting: AdmissionRules, nowMs: number, cover: boolean): AdmissionState => ({
  nowMs,
  quantumMs: state.setting.quantumMs,
  deadlinesQuanta: setting.deadlinesQuanta,
  profiles: setting.profiles,
  draining: setting.draining(),
  retryAfterQuanta: RETRY_AFTER_QUANTA,
  knownJob: state.journal.knownJob,
  findModel: (hash) => setting.cards.find(({ idHash }) => constantTimeEqual(idHash, hash))?.card,
  checkToken: withoutTokens,
  realJobs: state.journal.realJobs,
  coverJobs: state.journal.coverJobs,
  cover
})

/** Makes an admission durable; one that the journal refuses becomes a rejection. */
const admit = (
  state: ComputeState,
  opened: Pick<OpenedDispatch, "plaintext" | "keyDigest">,
  decision: Extract<AdmissionDecision, { readonly _tag: "Admit" }>,
  cover = false
): Effect.Effect<AdmissionDecision, ComputeStopped> =>
  state.journal.append(admittedRecord(state.setting.crypto, decision, opened, cover)).pipe(
    Effect.as<AdmissionDecision>(decision),
    Effect.catchTag("JournalConflict", () => Effect.succeed<AdmissionDecision>({
      _tag: "Reject", reason: REJECT_REASONS.internal, retryAfterQuanta: RETRY_AFTER_QUANTA, contentDigest: decision.contentDigest
    }))
  )

/**
 * Admits a job of the service's own into the quantum that is running, by the rules for every job; with `admitting` held.
 * @param plaintext  of the dispatch that a client would seal; overwritten
 * @returns the job, or nothing when the rules refuse it
 */
export const admitCover = (state: ComputeState, rules: AdmissionRules, plaintext: Uint8Array): Effect.Effect<OpenJob | undefined, ComputeStopped> =>
  Effect.gen(function* () {
    const { crypto } = state.setting
    const opened = { plaintext, dispatch: decodeDispatch(rules.suite, plaintext), keyDigest: NO_KEY_DIGEST }
    return yield* Effect.gen(function* () {
      const decided = decideAdmission(crypto, opened, admissionState(state, rules, yield* Clock.currentTimeMillis, true))
      const decision = decided._tag === "Admit" ? yield* admit(state, opened, decided, true) : decided
      return decision._tag === "Admit" ? openJobOf(state, decision.dispatch.jobId) : undefined
    }).pipe(Effect.ensuring(Effect.sync(() => wipeOpenedDispatch(opened))))
  })

const countOf = (decision: AdmissionDecision): "admitted" | "repeated" | "rejected" => {
  switch (decision._tag) {
    case "Admit": return "admitted"
    case "Repeat": return "repeated"
    case "Reject": return "rejected"
  }
}

/**
 * Answers one delivery.
 * @param body  the dispatch message, followed by nothing but zeros
 * @returns 93 bytes, or nothing for a body that opens under no key
 * @errors ComputeStopped when the journal is unavailable: nobody is told anything
 */
export const answerDispatch = (
  state: ComputeState,
  setting: AdmissionSetting,
  body: Uint8Array
): Effect.Effect<Uint8Array | undefined, ComputeStopped> =>
  Effect.gen(function* () {
    const { crypto, serviceId } = state.setting
    const candidates = setting.candidates(yield* Clock.currentTimeMillis)
    const opened = openDispatch(crypto, setting.suite, candidates, serviceId, body)
    if (Either.isLeft(opened)) {
      state.counters.unreadable += 1
      return undefined
    }
    return yield* Effect.gen(function* () {
      const decision = yield* state.admitting.withPermits(1)(Effect.gen(function* () {
        const nowMs = yield* Clock.currentTimeMillis
        yield* setting.openQuantum(quantumIndexAt(state.setting.quantumMs, nowMs))
        const decided = decideAdmission(crypto, opened.right, admissionState(state, setting, nowMs, false))
        return decided._tag === "Admit" ? yield* admit(state, opened.right, decided) : decided
      }))
      state.counters[countOf(decision)] += 1
      return sealReply(crypto, opened.right.replyKey, serviceId, replyTo(decision), setting.entropy)
    }).pipe(Effect.ensuring(Effect.sync(() => wipeOpenedDispatch(opened.right))))
  })
