/**
 * Cover jobs: F of a service's own per profile and quantum, whatever the load, so that no client's job is ever alone in its batch.
 *
 * A cover job is an ordinary job of an ordinary client: fresh caps, an input of the profile's class uploaded over one of the service's sessions, a
 * dispatch for the quantum after, and the output read back by a reader's rules. Only the way of the dispatch differs, and nobody sees it: it goes from
 * the service to itself. From then on the job is in the journal like any other: read, run, sealed and released in the same batches by the same code.
 *
 * Contract: a quantum has all its F cover jobs or takes no client's job (dispatch-check.ts); cover never gives way to load, and load never adds any. What
 * is begun per quantum is bounded while storage is down. A restart discards uploads, which are in no batch yet, and goes on with admitted jobs as the
 * crash table says for all jobs; their outputs are read back from the journal's word.
 * Knows nothing of: sessions' schedules, what models compute, edges beyond a reader's.
 * Source: funion.md §7 (O1, O4, O5, O10, O14, O17), §8; departures: none. An upload that begins when the service starts does so at once, as a client's
 * first one; reading back after a restart begins the release anew, as a client's restart does.
 *
 * @module
 */
import { Clock, Effect, Either, Option, Random } from "effect"
import { decodeWriteCap, readCapOf } from "../bacap/capability.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { zeroize } from "../crypto/zeroize.ts"
import type { Entropy } from "../crypto/entropy.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { boxesOfClass } from "../params/size-class.ts"
import type { BoxStoreService } from "../storage/box-store.ts"
import { notAfterFor, quantumIndexAt } from "./bucket.ts"
import { dispatchPlaintextOf } from "./client-dispatch.ts"
import { readToLast, type OutputStream } from "./client-fetch.ts"
import type { PlannedJob } from "./client-job.ts"
import { frameJob } from "./client-plan.ts"
import { transferEstimateMs } from "./client-setting.ts"
import { uploadInput } from "./client-upload.ts"
import { admitCover, type AdmissionRules } from "./compute-admission.ts"
import type { OpenJob } from "./compute-job.ts"
import { closeIfDone, forkWork, openJobOf, sleepUntil, type ComputeState, type ComputeStopped } from "./compute-state.ts"
import { coverTensors } from "./cover-input.ts"
import { CoverStock, type StoredInput } from "./cover-stock.ts"
import { payloadBytesOfClass } from "./slots.ts"
import { outputTag } from "./stream-manifest.ts"

export interface CoverSetting {
  readonly params: MixnetParams
  readonly rules: AdmissionRules
  /** w */
  readonly releaseWindowMs: number
  /** Storage over one session each: a client has one, so a cover job's upload, and its reading back, go over one. */
  readonly stores: ReadonlyArray<BoxStoreService>
  readonly entropy: Entropy
}

export interface CoverWork {
  /** Admits what is missing of the cover of a quantum that has begun; with `admitting` held. */
  readonly openQuantum: (quantumIndex: number) => Effect.Effect<void, ComputeStopped>
  /** Begins the uploads that belong to the quantum which begins at the grid instant. */
  readonly onGridInstant: (gridMs: number) => Effect.Effect<void, ComputeStopped>
  /** What a service that begins does before its first grid instant. */
  readonly begin: Effect.Effect<void, ComputeStopped>
  /** Returns when the first cover of every profile is in storage, or the time in which it should have been is over. */
  readonly covered: Effect.Effect<void>
}

/** A service without cover jobs. */
export const noCover: CoverWork = { openQuantum: () => Effect.void, onGridInstant: () => Effect.void, begin: Effect.void, covered: Effect.void }

/** Quanta whose uploads a service that begins makes up for. */
const FIRST_QUANTA = 2
/** The first uploads are waited for this many times as long as they take on the average. */
const FIRST_UPLOAD_PATIENCE = 4

/** One client's sessions. */
const SESSION_COUNT = 1

interface Cover {
  readonly state: ComputeState
  readonly setting: CoverSetting
  readonly stocks: ReadonlyArray<readonly [ServiceProfile, CoverStock]>
}

/** One of some things, or nothing of none. */
const pick = <A>(among: ReadonlyArray<A>): Effect.Effect<A | undefined> =>
  among.length === 0 ? Effect.succeed(undefined) : Effect.map(Random.nextIntBetween(0, among.length), (index) => among[index])

/** What a client of one session needs. */
const clientOver = ({ setting, state }: Cover) =>
  Effect.map(pick(setting.stores), (store) => (store === undefined ? undefined : { crypto: state.setting.crypto, store, sessionCount: SESSION_COUNT }))

const wipe = ({ inputSlots, inputWriteCap, outputWriteCap }: PlannedJob): void => zeroize(inputWriteCap, outputWriteCap, ...inputSlots)

/** A job for one of the models that accept the profile; nothing when none does. */
const plan = ({ setting: { entropy, rules }, state }: Cover, profile: ServiceProfile): Effect.Effect<PlannedJob | undefined> =>
  Effect.map(pick(rules.cards.filter(({ card }) => card.profiles.includes(profile.id))), (published) => {
    const { boxBytes, crypto, serviceId } = state.setting
    const tensors = published === undefined ? undefined : coverTensors(published.card, payloadBytesOfClass(boxBytes, profile.inputClass), entropy)
    if (published === undefined || tensors === undefined) return undefined
    const offer = { card: published.card, modelIdHash: published.idHash, serviceId }
    return Either.getOrUndefined(frameJob(crypto, boxBytes, offer, profile, tensors, entropy))
  })

/** Step 1 of a cover job, at its instant. @returns nothing when storage did not take it */
const upload = (cover: Cover, profile: ServiceProfile, stock: CoverStock, atMs: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { rules, params } = cover.setting
    yield* sleepUntil(atMs)
    const client = yield* clientOver(cover)
    const planned = rules.draining() ? undefined : yield* plan(cover, profile)
    if (client === undefined || planned === undefined) return undefined
    const beganMs = yield* Clock.currentTimeMillis
    const outcome = yield* Effect.either(uploadInput(client, planned, { params, onWritten: () => Effect.void }))
    const confirmedAtMs = yield* Clock.currentTimeMillis
    if (Either.isRight(outcome)) return { stored: { planned, confirmedAtMs }, tookMs: confirmedAtMs - beganMs }
    wipe(planned)
    return undefined
  }).pipe(
    Effect.onExit((exit) => Effect.sync(() => {
      const ended = exit._tag === "Success" ? exit.value : undefined
      stock.end(ended?.stored, ended?.tookMs)
    })),
    Effect.asVoid
  )

const beginUploads = (cover: Cover, profile: ServiceProfile, stock: CoverStock, count: number, atMs: Effect.Effect<number>): Effect.Effect<void> =>
  Effect.replicateEffect(Effect.flatMap(atMs, (instantMs) => {
    stock.begin()
    return forkWork(cover.state, upload(cover, profile, stock, instantMs))
  }), count, { discard: true })

/** The output stream of a job of the service's own, as a reader knows it. */
const outputOf = ({ setting: { params, releaseWindowMs, rules }, state: { setting: { crypto } } }: Cover, job: OpenJob): OutputStream | undefined =>
  Option.getOrUndefined(Option.map(Either.getRight(decodeWriteCap(crypto, job.dispatch.outputWriteCap)), (writeCap) => ({
    params,
    releaseWindowMs,
    readCap: readCapOf(writeCap),
    outputClass: job.dispatch.outputClass,
    outputTag: outputTag(crypto, job.jobId),
    edgesMs: job.edgesMs,
    card: rules.cards.find(({ idHash }) => constantTimeEqual(idHash, job.dispatch.modelIdHash))?.card,
    attestedBy: undefined
  })))

/** Step 5 of a cover job. Whatever the reader found, it has looked as every reader does: then the job may be closed. */
const readBack = (cover: Cover, job: OpenJob): Effect.Effect<void, ComputeStopped> =>
  Effect.gen(function* () {
    const { state } = cover
    const client = yield* clientOver(cover)
    const output = outputOf(cover, job)
    if (client !== undefined && output !== undefined) {
      const read = yield* Effect.either(readToLast(client, output, { onEdge: () => Effect.void, onRead: () => Effect.void }))
      state.counters[Either.isRight(read) ? "coverRead" : "coverUnread"] += 1
    }
    yield* state.settling.withPermits(1)(Effect.gen(function* () {
      if (openJobOf(state, job.jobId)?.readBack !== false) return
      yield* state.journal.append({ _tag: "ReadBack", jobId: job.jobId })
      yield* closeIfDone(state, job.jobId, yield* Clock.currentTimeMillis)
    }))
  })

/** Steps 2 to 4 of a cover job: the local dispatch. @returns false when the quantum can take no more */
const dispatch = (cover: Cover, { planned }: StoredInput): Effect.Effect<boolean, ComputeStopped> =>
  Effect.gen(function* () {
    const { setting: { params, rules }, state } = cover
    const notAfterMs = notAfterFor(params.quantumMs, yield* Clock.currentTimeMillis)
    const plaintext = Either.getOrUndefined(dispatchPlaintextOf(state.setting.crypto, rules.suite, planned, notAfterMs))
    const job = plaintext === undefined ? undefined : yield* admitCover(state, rules, plaintext)
    if (job === undefined) return false
    state.counters.cover += 1
    yield* forkWork(state, readBack(cover, job))
    return true
  }).pipe(Effect.ensuring(Effect.sync(() => wipe(planned))))

const openQuantum = (cover: Cover) => (quantumIndex: number): Effect.Effect<void, ComputeStopped> =>
  Effect.forEach(cover.stocks, ([{ coverJobs, id }, stock]) => Effect.gen(function* () {
    const { setting, state } = cover
    while (!setting.rules.draining() && state.journal.coverJobs(quantumIndex, id) < coverJobs) {
      const stored = stock.take(quantumIndex * setting.params.quantumMs)
      if (stored === undefined || !(yield* dispatch(cover, stored))) return
    }
  }), { discard: true })

/** Counts what the quantum that has ended went without, and begins the uploads of the one that begins. */
const onGridInstant = (cover: Cover) => (gridMs: number): Effect.Effect<void, ComputeStopped> =>
  Effect.gen(function* () {
    const { setting: { params, rules }, state } = cover
    const quantumIndex = quantumIndexAt(params.quantumMs, gridMs)
    for (const [{ coverJobs, id }] of cover.stocks) {
      if (!rules.draining()) state.counters.coverMissing += Math.max(0, coverJobs - state.journal.coverJobs(quantumIndex - 1, id))
    }
    yield* state.admitting.withPermits(1)(openQuantum(cover)(quantumIndex))
    if (rules.draining()) return
    yield* Effect.forEach(cover.stocks, ([profile, stock]) => {
      for (const { planned } of stock.discard(gridMs)) wipe(planned)
      const atMs = Effect.map(Random.next, (uniform) => gridMs + stock.startAfterMs(uniform))
      return beginUploads(cover, profile, stock, stock.wanted(), atMs)
    }, { discard: true })
  })

/** Goes on with the reading of what an earlier life released, and begins the first uploads: F at once, and those of two quanta within one. */
const begin = (cover: Cover): Effect.Effect<void, ComputeStopped> =>
  Effect.gen(function* () {
    const { setting: { params }, state } = cover
    const nowMs = yield* Clock.currentTimeMillis
    yield* Effect.forEach(state.journal.openJobs(), (job) => (job.cover && !job.readBack ? forkWork(state, readBack(cover, job)) : Effect.void),
      { discard: true })
    const soon = Effect.map(Random.next, (uniform) => nowMs + uniform * params.quantumMs)
    yield* Effect.forEach(cover.stocks, ([profile, stock]) =>
      Effect.zipRight(
        beginUploads(cover, profile, stock, profile.coverJobs, Effect.succeed(nowMs)),
        beginUploads(cover, profile, stock, FIRST_QUANTA * profile.coverJobs, soon)
      ), { discard: true })
  })

/** Waits for the first inputs, so that a service is not called up before it has a place for a client's job. */
const covered = ({ setting: { params }, stocks }: Cover): Effect.Effect<void> => {
  const look: Effect.Effect<void> = Effect.suspend(() =>
    (stocks.every(([, stock]) => stock.hasFirst) ? Effect.void : Effect.delay(look, 1 / params.lambdaPPerMs)))
  const longestMs = Math.max(0, ...stocks.map(([{ inputClass }]) => transferEstimateMs(params, boxesOfClass(inputClass), SESSION_COUNT)))
  return Effect.asVoid(Effect.timeoutOption(look, FIRST_UPLOAD_PATIENCE * longestMs))
}

/** The cover jobs of a service. @cost F uploads and F readings per profile and quantum, as the capacity check counts them */
export const makeCoverWork = (state: ComputeState, setting: CoverSetting): CoverWork => {
  const stocks = setting.rules.profiles.filter(({ coverJobs }) => coverJobs > 0).map((profile) => {
    const estimateMs = transferEstimateMs(setting.params, boxesOfClass(profile.inputClass), SESSION_COUNT)
    return [profile, new CoverStock(profile.coverJobs, setting.params.quantumMs, estimateMs)] as const
  })
  const cover: Cover = { state, setting, stocks }
  return { openQuantum: openQuantum(cover), onGridInstant: onGridInstant(cover), begin: begin(cover), covered: covered(cover) }
}
