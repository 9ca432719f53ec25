/**
 * A made-up world around the client's workflow: storage in a map, one compute service that follows a script, virtual time.
 *
 * Goal: every operation of a client on storage, and every dispatch, with its instant. Method: doubles of `BoxStore` and of the dispatch exchange;
 * the service opens real dispatches, and seals real replies and releases.
 *
 * @module
 */
import { Clock, Effect, Either, Option, type Scope } from "effect"
import { boxIdOf } from "../../../src/bacap/box.ts"
import type { MessageBoxIndex } from "../../../src/bacap/box-index.ts"
import { decodeWriteCap } from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { quantaToNext, quantumIndexAt, releaseEdgesMs } from "../../../src/inference/bucket.ts"
import type { ClientEvent } from "../../../src/inference/client-event.ts"
import { JobFailed } from "../../../src/inference/client-failure.ts"
import { openClientJournal } from "../../../src/inference/client-journal.ts"
import type { ClientSetting } from "../../../src/inference/client-setting.ts"
import { makeClientWorkflow, type ClientWorkflow } from "../../../src/inference/client-workflow.ts"
import { sealReply, type DispatchReply } from "../../../src/inference/dispatch-reply.ts"
import { jobPrivateKey, openDispatch, padMessage } from "../../../src/inference/dispatch-seal.ts"
import { contentDigest, type Dispatch } from "../../../src/inference/dispatch.ts"
import { slotIndexes } from "../../../src/inference/job-capabilities.ts"
import { JournalFile, memoryJournal } from "../../../src/inference/journal-file.ts"
import { sealRelease, type ReleaseRecord } from "../../../src/inference/release-record.ts"
import { contentOfTensors } from "../../../src/inference/slots.ts"
import { encodeCard, type ModelCard } from "../../../src/model/card.ts"
import { tensorOf } from "../../../src/model/tensor.ts"
import { epochAt } from "../../../src/params/epoch.ts"
import { boxPlaintextBytes } from "../../../src/params/mixnet-params.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { nodeIdOf, type ComputeDescriptor } from "../../../src/pki/descriptor.ts"
import type { Document } from "../../../src/pki/document.ts"
import type { ExchangeRequest } from "../../../src/session/exchange.ts"
import { BoxNotFound, StorageError, Tombstone } from "../../../src/storage/storage-error.ts"
import { crypto } from "./sample-job.ts"

export const PARAMS = { ...tinyParams, dispatchSuite: 1 as const }
export const Q = PARAMS.quantumMs
/** Inside a quantum of an epoch of the 2020s. */
export const START_MS = Date.UTC(2026, 0, 1) + 345
export const DEADLINES = [3, 6, 10]
export const WINDOW_MS = 800
export const PROFILES = [
  { id: 0, inputClass: 0, outputClass: 1, bucket: 1, staged: false, jobsPerQuantum: 4, coverJobs: 0 },
  { id: 1, inputClass: 0, outputClass: 0, bucket: 2, staged: false, jobsPerQuantum: 4, coverJobs: 1 }
]
export const CARD: ModelCard = {
  id: "double", version: 7, kind: "tensor", adapter: "tensor", weightsSha256: "ab".repeat(32),
  inputs: [{ name: "x", dtype: "f32", shape: [4] }], outputs: [{ name: "y", dtype: "f32", shape: [4] }],
  maxInputBytes: 4096, maxComputeMs: 500, profiles: [0, 1]
}
const IDENTITY_KEY = crypto.ed25519PublicKey(new Uint8Array(32).fill(3))
export const SERVICE_ID = nodeIdOf(crypto, IDENTITY_KEY)
const JOB_KEY = jobPrivateKey(crypto, 1, 0, new Uint8Array(32).fill(5))
const EPOCH = epochAt(PARAMS, START_MS)

export const SERVICE: ComputeDescriptor = {
  kind: "compute", name: "compute-0", version: 1, epoch: EPOCH, identityKey: IDENTITY_KEY, jobKeys: new Map([[EPOCH, JOB_KEY.publicKey]]),
  resultKey: IDENTITY_KEY,
  queues: [{ serviceNodeId: new Uint8Array(32).fill(1), endpoint: "queue-0" }, { serviceNodeId: new Uint8Array(32).fill(2), endpoint: "queue-0" }],
  deadlinesQuanta: DEADLINES, releaseWindowMs: WINDOW_MS, sealBeforeEdgeMs: 200, profiles: PROFILES, tokenIssuers: new Map(),
  models: [Either.getOrThrow(encodeCard(CARD))]
}
export const DOCUMENT: Document = {
  epoch: EPOCH, genesisEpoch: EPOCH, params: PARAMS, geometryHash: new Uint8Array(32), mixLayers: [], gateways: [], serviceNodes: [], replicas: [],
  configuredReplicas: [], computeServices: [SERVICE], sharedRandomValue: new Uint8Array(32), priorSharedRandom: [new Uint8Array(32), new Uint8Array(32)]
}

export const INPUT = Either.getOrThrow(tensorOf("x", "f32", [4], [1, 2, 3, 4]))
export const OUTPUT = Either.getOrThrow(tensorOf("y", "f32", [4], [2, 4, 6, 8]))
export const REQUEST = { model: "double", inputs: [INPUT] }
export const RESULT: ReleaseRecord = { _tag: "Result", content: Either.getOrThrow(contentOfTensors([OUTPUT])) }

/** What the service does about one transmission. */
export type Behaviour =
  | "accept"
  /** Nothing comes back, and it was not admitted */
  | "lost"
  /** It was admitted, but nothing comes back */
  | "accept-silently"
  | "filler"
  | { readonly reject: Extract<DispatchReply, { readonly _tag: "Rejected" }>["reason"]; readonly retryAfterQuanta?: number }
  /** An acceptance, changed */
  | { readonly change: (reply: Extract<DispatchReply, { readonly _tag: "Accepted" }>) => DispatchReply }

export interface Script {
  /** By transmission, from 0; default: accept */
  readonly answers?: (transmission: number) => Behaviour
  /** By release, from 0; `undefined`: nothing is written. Default: the result */
  readonly releases?: (releaseIndex: number) => ReleaseRecord | undefined
  /** Changes the plaintexts of a release before they are stored; `undefined` withdraws the slot (tombstone) */
  readonly tamper?: (slot: number, plaintext: Uint8Array) => Uint8Array | undefined
  /** Fate of the n-th write, from 0; default: stored */
  readonly writes?: (write: number) => "stored" | "exists-with-other-content" | "fails" | "hangs"
  readonly documentAt?: (nowMs: number) => Document | undefined
}

export interface Operation {
  readonly kind: "write" | "read"
  readonly box: string
  readonly atMs: number
  readonly found: boolean
}

export interface Sent {
  readonly atMs: number
  readonly dispatch: Dispatch
  readonly host: number
  readonly message: string
}

const LATENCY_MS = 60
const LOST_AFTER_MS = 2_500

/** Storage and the service: what is outside of clients. */
export class World {
  readonly boxes = new Map<string, Uint8Array | Tombstone>()
  readonly operations: Array<Operation> = []
  readonly sent: Array<Sent> = []
  readonly #accepted = new Map<string, number>()
  readonly script: Script
  openExchanges = 0

  constructor(script: Script = {}) {
    this.script = script
  }

  boxOf(publicKey: Uint8Array, index: MessageBoxIndex): string {
    return toHex(Either.getOrThrow(boxIdOf(crypto, publicKey, index)))
  }

  #note(kind: Operation["kind"], box: string, found: boolean): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (atMs) => void this.operations.push({ kind, box, atMs, found }))
  }

  readonly store: ClientSetting["store"] = {
    write: (writeCap, index, plaintext) => Effect.gen(this, function* () {
      const box = this.boxOf(writeCap.publicKey, index)
      const fate = this.script.writes?.(this.operations.filter(({ kind }) => kind === "write").length) ?? "stored"
      yield* this.#note("write", box, true)
      yield* Effect.sleep(LATENCY_MS)
      if (fate === "hangs") return yield* Effect.never
      if (fate === "fails") return yield* new StorageError({ reason: "no-valid-answer" })
      if (fate === "stored") this.boxes.set(box, plaintext.slice())
      return fate
    }),
    read: (readCap, index) => Effect.gen(this, function* () {
      const box = this.boxOf(readCap.publicKey, index)
      yield* this.#note("read", box, this.boxes.has(box))
      yield* Effect.sleep(LATENCY_MS)
      return this.boxes.get(box) ?? (yield* new BoxNotFound())
    })
  }

  /** All releases of an admitted job, each at its edge. */
  #work(dispatch: Dispatch, acceptedAtMs: number): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const edgesMs = releaseEdgesMs(Q, DEADLINES, quantumIndexAt(Q, acceptedAtMs) - 1, dispatch.bucket)
      const cap = Either.getOrThrow(decodeWriteCap(crypto, dispatch.outputWriteCap))
      const slotCount = boxesOfClass(dispatch.outputClass)
      for (const [releaseIndex, edgeMs] of edgesMs.entries()) {
        const record = (this.script.releases ?? ((r) => (r === 0 ? RESULT : undefined)))(releaseIndex)
        if (record === undefined) return
        yield* Effect.sleep(edgeMs + WINDOW_MS / 2 - (yield* Clock.currentTimeMillis))
        const slots = Either.getOrThrow(sealRelease(crypto, {
          boxBytes: boxPlaintextBytes(PARAMS), classId: dispatch.outputClass, jobId: dispatch.jobId, staged: false, releaseIndex,
          releaseCount: edgesMs.length, quantaToNext: quantaToNext(Q, edgesMs, releaseIndex)
        }, record))
        const indexes = Either.getOrThrow(slotIndexes(crypto, cap.index, releaseIndex * slotCount, slotCount))
        for (const [slot, plaintext] of slots.entries()) {
          const stored = this.script.tamper === undefined ? plaintext : this.script.tamper(slot, plaintext.slice())
          this.boxes.set(this.boxOf(cap.publicKey, indexes[slot]!), stored ?? Tombstone)
        }
      }
    })
  }

  #answer(message: Uint8Array, host: number, scope: Scope.Scope): Effect.Effect<Uint8Array | undefined> {
    return Effect.gen(this, function* () {
      const behaviour = this.script.answers?.(this.sent.length) ?? "accept"
      const nowMs = yield* Clock.currentTimeMillis
      const opened = Either.getOrThrow(openDispatch(crypto, 1, [JOB_KEY], SERVICE_ID, padMessage(message, 2000)))
      const dispatch = Either.getOrThrow(opened.dispatch)
      this.sent.push({ atMs: nowMs, dispatch, host, message: toHex(message) })
      if (behaviour === "lost") return undefined
      if (behaviour === "filler") return padMessage(new Uint8Array(93).fill(0xa5), 2000)
      const digest = contentDigest(crypto, opened.plaintext)
      const reply = (content: DispatchReply) =>
        padMessage(sealReply(crypto, opened.replyKey, SERVICE_ID, content, seededEntropy(this.sent.length, "reply")), 2000)
      if (typeof behaviour === "object" && "reject" in behaviour) {
        return reply({ _tag: "Rejected", reason: behaviour.reject, retryAfterQuanta: behaviour.retryAfterQuanta ?? 0, contentDigest: digest })
      }
      const key = toHex(dispatch.jobId)
      const isNew = !this.#accepted.has(key)
      const acceptedAtMs = this.#accepted.get(key) ?? (quantumIndexAt(Q, nowMs) + 1) * Q
      this.#accepted.set(key, acceptedAtMs)
      if (isNew) yield* Effect.forkIn(this.#work(dispatch, acceptedAtMs), scope)
      const edgesMs = releaseEdgesMs(Q, DEADLINES, quantumIndexAt(Q, acceptedAtMs) - 1, dispatch.bucket)
      const accepted = { _tag: "Accepted" as const, acceptedAtMs, firstEdgeMs: edgesMs[0]!, lastEdgeMs: edgesMs.at(-1)!, contentDigest: digest }
      if (behaviour === "accept-silently") return undefined
      return reply(typeof behaviour === "object" ? behaviour.change(accepted) : accepted)
    })
  }

  /** The session's exchange: sends until something comes back. */
  readonly exchange = (scope: Scope.Scope) => <E>(request: ExchangeRequest<E>): Effect.Effect<Uint8Array, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => void this.openExchanges++),
      () => Effect.gen(this, function* () {
        while (true) {
          const destination = "destination" in request ? yield* request.destination : request
          const message = yield* request.payload
          yield* Effect.sleep(LATENCY_MS)
          const reply = yield* this.#answer(message, destination.serviceNode[0]!, scope)
          yield* Effect.sleep(LATENCY_MS)
          if (reply !== undefined) return reply
          yield* Effect.sleep(LOST_AFTER_MS)
        }
      }),
      () => Effect.sync(() => void this.openExchanges--)
    )
}

export interface Life {
  readonly workflow: ClientWorkflow
  readonly setting: ClientSetting
}

/** One life of a client in a world. @param worldScope  the service's, which outlives clients */
export const makeLife = (
  world: World,
  file = memoryJournal(),
  worldScope?: Scope.Scope,
  seed = 1,
  localKey: Uint8Array = new Uint8Array(32).fill(8)
): Effect.Effect<Life, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = worldScope ?? (yield* Effect.scope)
    const entropy = seededEntropy(seed, "client")
    const journal = yield* openClientJournal(crypto, { localKey, entropy }).pipe(Effect.provideService(JournalFile, file))
    let packets = 0
    const documentNow = Effect.map(Clock.currentTimeMillis, (nowMs) => (world.script.documentAt ?? (() => DOCUMENT))(nowMs))
    const setting: ClientSetting = {
      crypto, entropy, journal, sessionCount: 1, store: world.store, exchange: world.exchange(scope),
      pki: {
        held: () => undefined,
        current: Effect.flatMap(documentNow, (document) => (document === undefined ? Effect.fail({ _tag: "NoDocument" } as never) : Effect.succeed(document))),
        forEpoch: () => Effect.succeed(Option.none())
      },
      counters: Effect.sync(() => ({ sent: (packets += 10), received: packets, decoys: 0 }))
    }
    return { workflow: yield* makeClientWorkflow(setting), setting }
  })

/** Events of a call and what it ended with. */
export interface Heard {
  readonly events: ReadonlyArray<ClientEvent>
  readonly failure: JobFailed | undefined
}

export const hear = (work: (listener: (event: ClientEvent) => Effect.Effect<void>) => Effect.Effect<void, JobFailed>): Effect.Effect<Heard> =>
  Effect.gen(function* () {
    const events: Array<ClientEvent> = []
    const end = yield* Effect.either(work((event) => Effect.sync(() => void events.push(event))))
    return { events, failure: Either.isLeft(end) ? end.left : undefined }
  })
