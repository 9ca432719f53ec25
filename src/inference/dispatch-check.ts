/**
 * Whether a compute service takes a job: the checks of a dispatch that opened, in the order that the protocol fixes.
 *
 * Order: form (reason 1), notAfter (6), known jobId (stored answer, or 9), model (2), profile (3), token (4, 5), room in the quantum (7),
 * draining (8), the quantum's cover (7). A dispatch that does not open gets no answer at all and never comes here.
 *
 * Contract: a pure decision. `Repeat` and `Reject` cause no journal record, no storage operation and spend nothing; `Admit` is not yet an
 * admission: that happens when the journal has it on disk. Look-ups are called only when their turn comes, so that a repeated or late
 * dispatch costs no token check. No client's job enters a quantum that has not all its cover jobs (O1), nor one of their places.
 * Knows nothing of: the journal's form, the queue, the time of day beyond its argument.
 * Source: funion.md §3, §6.2, §7 (O7, O14); departures: caps that are none, and a stream without room, count as form (reason 1); notAfter
 * off the grid is reason 6; a quantum without its cover counts as full.
 *
 * @module
 */
import { Either } from "effect"
import { utf8 } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { boxesOfClass, isSizeClass } from "../params/size-class.ts"
import { notAfterIsAcceptable, quantumIndexAt, releaseCountOf, releaseEdgesMs } from "./bucket.ts"
import { contentDigest, decodeTokenArea, TOKEN_NONE, type AdmissionToken, type Dispatch } from "./dispatch.ts"
import { REJECT_REASONS, type Acceptance, type DispatchReply, type RejectReason } from "./dispatch-reply.ts"
import type { OpenedDispatch } from "./dispatch-seal.ts"
import { decodeDispatchedCapabilities, streamHasRoom } from "./job-capabilities.ts"

export type TokenVerdict = "valid" | "invalid" | "spent"

/** What the service keeps of a job that it has admitted before, open or closed. */
export interface KnownJob {
  readonly contentDigest: Uint8Array
  readonly acceptance: Acceptance
}

/** All that a decision depends on beside the dispatch. */
export interface AdmissionState {
  readonly nowMs: number
  readonly quantumMs: number
  /** d_1 < … < d_n in quanta */
  readonly deadlinesQuanta: ReadonlyArray<number>
  readonly profiles: ReadonlyArray<ServiceProfile>
  readonly draining: boolean
  /** What a rejection for want of room asks the client to wait, in quanta; at least 1. */
  readonly retryAfterQuanta: number
  readonly knownJob: (jobId: Uint8Array) => KnownJob | undefined
  /** The card whose hash this is: its version, and the ids of the profiles it accepts. */
  readonly findModel: (modelIdHash: Uint8Array) => { readonly version: number; readonly profiles: ReadonlyArray<number> } | undefined
  /** Called only for a token area that parses; see `withoutTokens`. */
  readonly checkToken: (token: AdmissionToken) => TokenVerdict
  /** Real jobs already admitted in quantum k under the profile. */
  readonly realJobs: (quantumIndex: number, profileId: number) => number
  /** The service's own jobs already admitted in quantum k under the profile */
  readonly coverJobs: (quantumIndex: number, profileId: number) => number
  /** The dispatch is the service's own: it takes a cover job's place, and comes whether or not clients may. */
  readonly cover: boolean
}

export type AdmissionDecision =
  | {
    readonly _tag: "Admit"
    readonly dispatch: Dispatch
    readonly profile: ServiceProfile
    readonly token: AdmissionToken
    /** k */
    readonly quantumIndex: number
    /** Edge of every release r, ascending */
    readonly edgesMs: ReadonlyArray<number>
    readonly acceptance: Acceptance
    readonly contentDigest: Uint8Array
  }
  | { readonly _tag: "Repeat"; readonly acceptance: Acceptance; readonly contentDigest: Uint8Array }
  | { readonly _tag: "Reject"; readonly reason: RejectReason; readonly retryAfterQuanta: number; readonly contentDigest: Uint8Array }

/** The token check of a network without issuers: no token is right, any token is wrong. */
export const withoutTokens = (token: AdmissionToken): TokenVerdict => (token.type === TOKEN_NONE ? "valid" : "invalid")

const TOKEN_LABEL = utf8("funion-token-v1")

/** By what the journal knows a spent token; nothing for type 0. @returns H256("funion-token-v1" ‖ u16 type ‖ token) */
export const tokenDigest = (crypto: CryptoBackend, token: AdmissionToken): Uint8Array | undefined =>
  token.type === TOKEN_NONE ? undefined : crypto.blake2b256(TOKEN_LABEL, new ByteWriter(2).u16(token.type).finish(), token.value)

/** Slots of the output stream over all releases: (n − j + 1)·n_c. */
const outputSlotCount = (dispatch: Dispatch, deadlinesQuanta: ReadonlyArray<number>): number =>
  releaseCountOf(deadlinesQuanta, dispatch.bucket) * (isSizeClass(dispatch.outputClass) ? boxesOfClass(dispatch.outputClass) : 0)

/** The dispatch when version, reserved bytes and caps hold. */
const wellFormed = (crypto: CryptoBackend, opened: Pick<OpenedDispatch, "dispatch">, deadlinesQuanta: ReadonlyArray<number>): Dispatch | undefined => {
  const dispatch = Either.getOrUndefined(opened.dispatch)
  const caps = dispatch === undefined ? undefined : Either.getOrUndefined(decodeDispatchedCapabilities(crypto, dispatch))
  if (dispatch === undefined || caps === undefined) return undefined
  const inputSlots = isSizeClass(dispatch.inputClass) ? boxesOfClass(dispatch.inputClass) : 0
  const room = streamHasRoom(caps.inputReadCap.index, inputSlots) &&
    streamHasRoom(caps.outputWriteCap.index, outputSlotCount(dispatch, deadlinesQuanta))
  return room ? dispatch : undefined
}

const findProfile = (dispatch: Dispatch, allowedIds: ReadonlyArray<number>, state: AdmissionState): ServiceProfile | undefined =>
  state.profiles.find((profile) =>
    allowedIds.includes(profile.id) && profile.bucket === dispatch.bucket && profile.staged === dispatch.staged &&
    profile.inputClass === dispatch.inputClass && profile.outputClass === dispatch.outputClass &&
    releaseCountOf(state.deadlinesQuanta, dispatch.bucket) > 0 && (!dispatch.staged || dispatch.bucket === 1))

const TOKEN_REASONS: Readonly<Record<TokenVerdict, RejectReason | undefined>> = {
  valid: undefined, invalid: REJECT_REASONS.tokenInvalid, spent: REJECT_REASONS.tokenSpent
}

/** Why there is no place in quantum k for one more job of the profile; nothing when there is. */
const roomReason = (state: AdmissionState, quantumIndex: number, { coverJobs, id, jobsPerQuantum }: ServiceProfile): RejectReason | undefined => {
  const hasAllCover = state.coverJobs(quantumIndex, id) >= coverJobs
  if (state.cover) return hasAllCover ? REJECT_REASONS.quantumFull : undefined
  if (state.realJobs(quantumIndex, id) >= jobsPerQuantum - coverJobs) return REJECT_REASONS.quantumFull
  if (state.draining) return REJECT_REASONS.draining
  return hasAllCover ? undefined : REJECT_REASONS.quantumFull
}

/** Decides about one dispatch that opened. */
export const decideAdmission = (crypto: CryptoBackend, opened: Pick<OpenedDispatch, "dispatch" | "plaintext">, state: AdmissionState): AdmissionDecision => {
  const digest = contentDigest(crypto, opened.plaintext)
  const reject = (reason: RejectReason, retryAfterQuanta = 0): AdmissionDecision =>
    ({ _tag: "Reject", reason, retryAfterQuanta, contentDigest: digest })
  const dispatch = wellFormed(crypto, opened, state.deadlinesQuanta)
  if (dispatch === undefined) return reject(REJECT_REASONS.malformed)
  if (!notAfterIsAcceptable(state.quantumMs, state.nowMs, dispatch.notAfterMs)) return reject(REJECT_REASONS.notAfter)
  const known = state.knownJob(dispatch.jobId)
  if (known !== undefined) {
    return constantTimeEqual(known.contentDigest, digest)
      ? { _tag: "Repeat", acceptance: known.acceptance, contentDigest: digest }
      : reject(REJECT_REASONS.otherContent)
  }
  const model = state.findModel(dispatch.modelIdHash)
  if (model === undefined || model.version !== dispatch.modelVersion) return reject(REJECT_REASONS.unknownModel)
  const profile = findProfile(dispatch, model.profiles, state)
  if (profile === undefined) return reject(REJECT_REASONS.noSuchProfile)
  const token = Either.getOrUndefined(decodeTokenArea(dispatch.tokenArea))
  if (token === undefined) return reject(REJECT_REASONS.tokenInvalid)
  const tokenReason = TOKEN_REASONS[state.checkToken(token)]
  if (tokenReason !== undefined) return reject(tokenReason)
  const quantumIndex = quantumIndexAt(state.quantumMs, state.nowMs)
  const noRoom = roomReason(state, quantumIndex, profile)
  if (noRoom !== undefined) return reject(noRoom, Math.max(state.retryAfterQuanta, 1))
  const edgesMs = releaseEdgesMs(state.quantumMs, state.deadlinesQuanta, quantumIndex, dispatch.bucket)
  return {
    _tag: "Admit", dispatch, profile, token, quantumIndex, edgesMs,
    acceptance: acceptanceOf(state.quantumMs, quantumIndex, edgesMs),
    contentDigest: digest
  }
}

/** The three instants of the reply. @param edgesMs  not empty */
export const acceptanceOf = (quantumMs: number, quantumIndex: number, edgesMs: ReadonlyArray<number>): Acceptance => {
  const firstEdgeMs = edgesMs[0]
  const lastEdgeMs = edgesMs.at(-1)
  if (firstEdgeMs === undefined || lastEdgeMs === undefined) throw new RangeError("an accepted job has edges")
  return { acceptedAtMs: (quantumIndex + 1) * quantumMs, firstEdgeMs, lastEdgeMs }
}

/** What the client is told of a decision. */
export const replyTo = (decision: AdmissionDecision): DispatchReply =>
  decision._tag === "Reject"
    ? { _tag: "Rejected", reason: decision.reason, retryAfterQuanta: decision.retryAfterQuanta, contentDigest: decision.contentDigest }
    : { _tag: "Accepted", ...decision.acceptance, contentDigest: decision.contentDigest }
