/**
 * A compute service's clockwork between a box store in memory, a model that doubles numbers, and clients that only dispatch.
 *
 * Goal: whole jobs in virtual time, with lives that can be ended at any record or instant and begun anew over the same journal.
 * Method: the store notes every operation with its instant and refuses other content at an index, as replicas do.
 *
 * @module
 */
import { Clock, Data, Effect, Either, Exit, Scope } from "effect"
import type { MessageBoxIndex } from "../../../src/bacap/box-index.ts"
import { encodeReadCap, encodeWriteCap } from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { answerDispatch, type AdmissionSetting } from "../../../src/inference/compute-admission.ts"
import { openComputeJournal } from "../../../src/inference/compute-journal.ts"
import { publishedCards } from "../../../src/inference/compute-run.ts"
import type { ComputeSetting } from "../../../src/inference/compute-state.ts"
import { makeComputeWorkflow } from "../../../src/inference/compute-workflow.ts"
import { openReply, type DispatchReply } from "../../../src/inference/dispatch-reply.ts"
import { jobPrivateKey, sealDispatch, sealDispatchPlaintext } from "../../../src/inference/dispatch-seal.ts"
import { emptyTokenArea, encodeDispatch, type Dispatch } from "../../../src/inference/dispatch.ts"
import { newJobCapabilities, slotIndexes, type JobCapabilities } from "../../../src/inference/job-capabilities.ts"
import { JournalFile, memoryJournal, type JournalStorage } from "../../../src/inference/journal-file.ts"
import { openRelease, type OpenedRelease } from "../../../src/inference/release-record.ts"
import { contentOfTensors, encodeInputSlots } from "../../../src/inference/slots.ts"
import { outputTag } from "../../../src/inference/stream-manifest.ts"
import type { ModelCard } from "../../../src/model/card.ts"
import { ModelFailed, ModelHost, type ModelFailureCode } from "../../../src/model/model-host.ts"
import { numbersOf, tensorOf, type Tensor } from "../../../src/model/tensor.ts"
import { userPayloadBytesFor, type MixnetParams } from "../../../src/params/mixnet-params.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import type { ServiceProfile } from "../../../src/params/service-profile.ts"
import { BoxStore, type BoxStoreService } from "../../../src/storage/box-store.ts"
import { BoxNotFound, StorageError, Tombstone } from "../../../src/storage/storage-error.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { crypto, SERVICE_ID } from "./sample-job.ts"

export const Q = 1_000
export const SEAL_MS = 200
export const WINDOW_MS = 500
export const DEADLINES = [3, 6, 9]
export const BOX_BYTES = 256
/** Boxes of class 0. */
export const SLOTS = 4

export const PROFILES: ReadonlyArray<ServiceProfile> = [
  { id: 1, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 4, coverJobs: 0 },
  { id: 2, inputClass: 0, outputClass: 0, bucket: 1, staged: true, jobsPerQuantum: 1, coverJobs: 0 }
]
export const CARD: ModelCard = {
  id: "double", version: 3, kind: "tensor", adapter: "tensor", weightsSha256: "00".repeat(32), maxInputBytes: 700, maxComputeMs: 900, profiles: [1, 2],
  inputs: [{ name: "x", dtype: "f32", shape: [1, 4] }], outputs: [{ name: "y", dtype: "f32", shape: [1, 4] }]
}
const [PUBLISHED] = publishedCards(crypto, [CARD])
export const MODEL_ID_HASH = PUBLISHED!.idHash
const JOB_KEY = jobPrivateKey(crypto, 1, 0, new Uint8Array(32).fill(5))
export const RESULT_SEED = new Uint8Array(32).fill(6)

/** One operation, when it reached storage. */
export interface Operation {
  readonly kind: "read" | "write"
  readonly stream: string
  readonly counter: bigint
  readonly atMs: number
}

/** What stays when a service crashes. */
export class World {
  readonly boxes = new Map<string, Uint8Array | "tombstone">()
  readonly trace: Array<Operation> = []
  journal: JournalStorage = memoryJournal()
  latencyMs = 20
  runMs = 100
  modelFailure: ModelFailureCode | undefined
  outputs: ((inputs: ReadonlyArray<Tensor>) => ReadonlyArray<Tensor>) | undefined
  runs = 0
  /** Fails operations on chosen boxes; nothing: works. */
  fault: ((operation: Operation) => StorageError | undefined) | undefined
  otherContent = 0
  appends = 0
  /** Called before and after every durable append; may throw. */
  onAppend: (count: number, durable: boolean) => void = () => undefined

  readonly store: BoxStoreService = {
    write: (cap, index, plaintext) => this.#operate("write", cap.publicKey, index, (key) => {
      const held = this.boxes.get(key)
      const same = held === undefined || (held !== "tombstone" && toHex(held) === toHex(plaintext))
      if (held === undefined) this.boxes.set(key, plaintext.slice())
      if (!same) this.otherContent += 1
      return Effect.succeed(same ? "stored" as const : "exists-with-other-content" as const)
    }),
    read: (cap, index) => this.#operate("read", cap.publicKey, index, (key): Effect.Effect<Uint8Array | Tombstone, BoxNotFound> => {
      const held = this.boxes.get(key)
      if (held === undefined) return Effect.fail(new BoxNotFound())
      return Effect.succeed(held === "tombstone" ? Tombstone : held.slice())
    })
  }

  readonly host: typeof ModelHost.Service = {
    cards: [CARD],
    models: [],
    run: (_id, inputs) => Effect.gen(this, function* () {
      this.runs += 1
      yield* Effect.sleep(this.runMs)
      if (this.modelFailure !== undefined) return yield* new ModelFailed({ code: this.modelFailure, reason: "runtime" })
      if (this.outputs !== undefined) return this.outputs(inputs)
      return inputs.map((tensor) => Either.getOrThrow(tensorOf("y", "f32", tensor.dims, numbersOf(tensor).map((value) => 2 * value))))
    })
  }

  readonly file: JournalStorage = {
    readAll: Effect.suspend(() => this.journal.readAll),
    truncate: (length) => this.journal.truncate(length),
    replace: (bytes) => this.journal.replace(bytes),
    append: (bytes) => Effect.suspend(() => {
      const count = ++this.appends
      this.onAppend(count, false)
      return Effect.map(this.journal.append(bytes), () => this.onAppend(count, true))
    })
  }

  #operate<A, E>(kind: Operation["kind"], publicKey: Uint8Array, index: MessageBoxIndex, act: (key: string) => Effect.Effect<A, E>) {
    return Effect.gen(this, function* () {
      const operation = { kind, stream: toHex(publicKey), counter: index.counter, atMs: Math.round(yield* Clock.currentTimeMillis) }
      this.trace.push(operation)
      yield* Effect.sleep(this.latencyMs)
      const fault = this.fault?.(operation)
      return fault === undefined ? yield* act(`${operation.stream} ${operation.counter}`) : yield* fault
    })
  }

  writes(stream?: Uint8Array): ReadonlyArray<Operation> {
    return this.trace.filter(({ kind, stream: of }) => kind === "write" && (stream === undefined || of === toHex(stream)))
  }
}

/** Thrown by `onAppend` to kill the service there. */
export class Killed extends Data.TaggedError("Killed")<Record<never, never>> {}

export const SETTING: ComputeSetting = {
  crypto, quantumMs: Q, sealBeforeEdgeMs: SEAL_MS, releaseWindowMs: WINDOW_MS, epochPeriodMs: 60_000, boxBytes: BOX_BYTES, workers: 2,
  windowCount: 256, missPauseMs: 50, serviceId: SERVICE_ID, resultSeed: RESULT_SEED
}

export interface Life {
  readonly state: Effect.Effect.Success<ReturnType<typeof makeComputeWorkflow>>["state"]
  readonly idle: Effect.Effect<void>
  readonly deliver: (body: Uint8Array) => Effect.Effect<Uint8Array | undefined>
  readonly drain: () => void
  /** Ends the life at once; no effect on one that has died. */
  readonly kill: Effect.Effect<void>
  /** True when it ended by itself. */
  readonly hasDied: () => boolean
}

/** Grid and lengths of these tests as parameters of a network. */
const PARAMS: MixnetParams = {
  ...tinyParams, quantumMs: Q, sealBeforeEdgeMs: SEAL_MS, dispatchSuite: 1,
  geometry: { ...tinyParams.geometry, userPayloadBytes: userPayloadBytesFor(BOX_BYTES) }
}

/**
 * Begins a life of the service over the world's journal.
 * @param profiles  those of the service; with cover jobs it makes them over three sessions
 */
export const begin = (world: World, change: Partial<ComputeSetting> = {}, profiles = PROFILES): Effect.Effect<Life, never, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const scope = yield* Scope.make()
    yield* Scope.addFinalizer(outer, Scope.close(scope, Exit.void))
    const cards = publishedCards(crypto, [CARD])
    const journal = yield* openComputeJournal(crypto, { localKey: new Uint8Array(32).fill(3), entropy: seededEntropy(world.appends, "journal") }).pipe(
      Effect.provideService(JournalFile, world.file), Effect.orDie)
    let draining = false
    const rules = { suite: 1, deadlinesQuanta: DEADLINES, profiles, cards, draining: () => draining } as const
    const setting = { ...SETTING, ...change }
    const cover = {
      params: PARAMS, rules, releaseWindowMs: setting.releaseWindowMs, stores: [0, 1, 2].map(() => ({ ...world.store })),
      entropy: seededEntropy(world.appends, "cover")
    }
    const { idle, openQuantum, run, state } = yield* Effect.provideService(makeComputeWorkflow(setting, journal, cards, cover), Scope.Scope, scope)
    let died = false
    const kill = Effect.suspend(() => Scope.close(scope, Exit.void)).pipe(Effect.asVoid)
    const running = run.pipe(Effect.provideService(BoxStore, world.store), Effect.provideService(ModelHost, world.host))
    yield* Effect.forkIn(Effect.onError(running, () => Effect.sync(() => { died = true })), scope)
    const admission: AdmissionSetting = { ...rules, candidates: () => [JOB_KEY], openQuantum, entropy: seededEntropy(1, "reply") }
    return {
      state, idle, kill,
      deliver: (body) => Effect.catchAllCause(answerDispatch(state, admission, body), () => Effect.as(Effect.sync(() => { died = true }), undefined)),
      drain: () => { draining = true },
      hasDied: () => died
    }
  })

/** Runs a scenario in virtual time from instant 0. */
export const scenario = <A>(body: Effect.Effect<A, never, Scope.Scope>, seed = 1): A =>
  runVirtual(Effect.withRandom(Effect.scoped(body), randomFromEntropy(seededEntropy(seed, "random"))))

export interface ClientJob {
  readonly caps: JobCapabilities
  readonly dispatch: Dispatch
}

export const tensorX = (values: ReadonlyArray<number>): Tensor => Either.getOrThrow(tensorOf("x", "f32", [1, values.length], values))

/** Puts an input into storage, without operations, and plans its dispatch. `upload: 0` leaves it out. */
export const planJob = (world: World, seed: number, change: Partial<Dispatch> = {}, values = [1, 2, 3, 4], uploadSlots = SLOTS): ClientJob => {
  const caps = newJobCapabilities(crypto, seededEntropy(seed, "job"))
  const content = Either.getOrThrow(contentOfTensors([tensorX(values)]))
  const slots = Either.getOrThrow(encodeInputSlots(crypto, { boxBytes: BOX_BYTES, classId: 0, jobId: caps.jobId }, content))
  for (const [slot, key] of boxKeys(caps.inputReadCap, 0).entries()) if (slot < uploadSlots) world.boxes.set(key, slots[slot]!)
  const dispatch: Dispatch = {
    staged: false, attested: false, bucket: 1, inputClass: 0, outputClass: 0, notAfterMs: 8 * Q, jobId: caps.jobId, modelIdHash: MODEL_ID_HASH,
    modelVersion: 3, inputReadCap: encodeReadCap(caps.inputReadCap), outputWriteCap: encodeWriteCap(caps.outputWriteCap),
    tokenArea: emptyTokenArea(1), ...change
  }
  return { caps, dispatch }
}

/** Store keys of the four boxes of a release, or of an input (release 0). */
export const boxKeys = (cap: { readonly publicKey: Uint8Array; readonly index: MessageBoxIndex }, releaseIndex: number): ReadonlyArray<string> =>
  Either.getOrThrow(slotIndexes(crypto, cap.index, releaseIndex * SLOTS, SLOTS)).map(({ counter }) => `${toHex(cap.publicKey)} ${counter}`)

const TARGET = { suite: 1, jobPublicKey: JOB_KEY.publicKey, serviceId: SERVICE_ID } as const

/** Delivers a dispatch, sealed anew, and opens the answer. */
export const send = (life: Life, dispatch: Dispatch, mutate: (plaintext: Uint8Array) => void = () => undefined): Effect.Effect<DispatchReply | undefined> =>
  Effect.gen(function* () {
    const plaintext = encodeDispatch(1, dispatch)
    mutate(plaintext)
    const sealed = Either.getOrThrow(sealDispatchPlaintext(crypto, TARGET, plaintext, seededEntropy(Math.floor(yield* Clock.currentTimeMillis), "seal")))
    const reply = yield* life.deliver(sealed.message)
    return reply === undefined ? undefined : Either.getOrThrow(openReply(crypto, sealed.replyKey, SERVICE_ID, reply))
  })

export const sealedFor = (dispatch: Dispatch, seed: number): Uint8Array =>
  Either.getOrThrow(sealDispatch(crypto, TARGET, dispatch, seededEntropy(seed, "seal"))).message

/** What the holder of R_out finds in a release; nothing while boxes are missing. */
export const releaseOf = (world: World, { caps, dispatch }: ClientJob, releaseIndex: number): OpenedRelease | undefined => {
  const slots = boxKeys(caps.outputReadCap, releaseIndex).map((key) => world.boxes.get(key))
  if (!slots.every((slot): slot is Uint8Array => slot instanceof Uint8Array)) return undefined
  return Either.getOrThrow(openRelease(crypto, {
    boxBytes: BOX_BYTES, classId: 0, jobTag: outputTag(crypto, caps.jobId), payloadBytesLimit: 700,
    stream: {
      _tag: "Output", releaseIndex, releaseCount: DEADLINES.length, staged: dispatch.staged, quantaToNext: 3,
      ...(dispatch.attested
        ? { attestedBy: { resultKey: crypto.ed25519PublicKey(RESULT_SEED), serviceId: SERVICE_ID, modelIdHash: MODEL_ID_HASH } }
        : {})
    }
  }, slots))
}

/** All releases of a job in order, as short words. */
export const releasesOf = (world: World, job: ClientJob): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((releaseIndex) => {
    const release = releaseOf(world, job, releaseIndex)
    if (release === undefined) return []
    return [release.record._tag === "Failure" ? `Failure ${release.record.code}` : release.record._tag]
  })

export const awake = (instantMs: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.sleep(Math.max(0, instantMs - nowMs)))

