/**
 * A runner: takes runs of its compute service's models on a machine of its own.
 *
 * Contract: joins only with exactly the models that its service asks for. A run is begun when its message comes, and given back to the cluster when the
 * runner ends before it. All runs make the same calls; input and output are held in memory for as long as the run, and nothing of them anywhere else.
 * Knows nothing of: jobs of the network, who asked, other runners.
 * Source: effect-notes.md §7; departures: none.
 *
 * @module
 */
import { CurrentAddress } from "@effect/cluster/Entity"
import { Sharding } from "@effect/cluster/Sharding"
import { SqlClient } from "@effect/sql/SqlClient"
import { Context, Data, Effect, Either, Layer, Schedule } from "effect"
import { callerOf, type Client, type MountError, type RpcGroup } from "../../../src/actor/actor.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { constantTimeEqual } from "../../../src/bytes/equal.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { maxOutputBytes } from "../../../src/model/card.ts"
import type { ModelFailed, ModelHost } from "../../../src/model/model-host.ts"
import { decodeContainer } from "../../../src/model/tensor-container.ts"
import type { Tensor } from "../../../src/model/tensor.ts"
import { type ClusterStorage, layerDatabase } from "./cluster-database.ts"
import { type ClusterTiming, DEFAULT_TIMING, joinAsRunner } from "./cluster-layer.ts"
import { missingModels, type PlannedModel } from "./model-set.ts"
import { PartRefused, RunDesk, Runner, RunnerStatus, RunUnknown } from "./protocol.ts"
import { RunEntity, runOfEntity, slotIds } from "./run-entity.ts"
import { encodeOutcome, failed, type Outcome, ParcelAssembly, parcelHash, parcelPart, PARCEL_LIMIT_BYTES, partsFor } from "./run-parcel.ts"

/** This runner does not fit its service; `message` says why in one sentence. */
export class RunnerRefused extends Data.TaggedError("RunnerRefused")<{ readonly message: string }> {}

export interface RunnerConfig {
  readonly crypto: CryptoBackend
  readonly name: string
  /** Actor name of the compute service. */
  readonly compute: string
  readonly storage: ClusterStorage
  /** As the service's. */
  readonly slots: number
  /** Models that may run here at the same time; slots are shared out by this. */
  readonly workers: number
  readonly gpu: boolean
  /** The models of this runner, see `modelsOfRunner`. */
  readonly models: ReadonlyArray<PlannedModel>
  /** Runs them. */
  readonly host: Pick<ModelHost["Type"], "run">
  readonly timing?: Partial<ClusterTiming>
}

type Desk = Client<RpcGroup.Rpcs<typeof RunDesk>>

const PAUSES = Schedule.jittered(Schedule.exponential("50 millis", 2)).pipe(Schedule.union(Schedule.spaced("2 seconds")))
/** A service that does not answer for so long has given the run up. */
const SILENCE_LIMIT_MS = 600_000
/** Outputs sent anew after a refusal. */
const REFUSALS = 3

const isMountError = (error: { readonly _tag: string }): error is MountError => error._tag === "ActorUnavailable" || error._tag === "CallTimedOut"

/** A call until the service answers. */
const persistently = <A, E extends { readonly _tag: string }>(call: Effect.Effect<A, E | MountError>): Effect.Effect<A, Exclude<E, MountError> | RunUnknown> =>
  Effect.retry(call, { while: isMountError, schedule: PAUSES }).pipe(
    Effect.timeoutFail({ duration: SILENCE_LIMIT_MS, onTimeout: () => new RunUnknown() }),
    Effect.mapError((error) => (isMountError(error) ? new RunUnknown() : error as Exclude<E, MountError>))
  )

interface TakenRun {
  readonly model: Uint8Array
  readonly limitMs: number
  /** Undefined when what came is not what was sent. */
  readonly inputs: ReadonlyArray<Tensor> | undefined
}

const fetchInput = (crypto: CryptoBackend, desk: Desk, run: Uint8Array): Effect.Effect<TakenRun, RunUnknown> =>
  Effect.gen(function*() {
    const first = yield* persistently(desk.TakeInput({ run, part: 0 }))
    const { hash, limitMs, model, parts } = first
    if (parts < 1 || parts > partsFor(PARCEL_LIMIT_BYTES)) return { model, limitMs, inputs: undefined }
    const assembly = new ParcelAssembly(parts)
    let inOrder = assembly.add(0, first.bytes)
    while (inOrder && !assembly.isWhole) {
      const { bytes } = yield* persistently(desk.TakeInput({ run, part: assembly.next }))
      inOrder = assembly.add(assembly.next, bytes)
    }
    const content = Either.filterOrLeft(assembly.content, (bytes) => constantTimeEqual(parcelHash(crypto, run, "input", bytes), hash), () => undefined)
    return { model, limitMs, inputs: Either.getOrUndefined(Either.flatMap(content, (bytes) => decodeContainer(bytes, PARCEL_LIMIT_BYTES))) }
  })

/** Sends all parts of an output, again when the service could not put them together. True when it was taken. */
const sendOutput = (crypto: CryptoBackend, desk: Desk, run: Uint8Array, content: Uint8Array, parts: number): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const hash = parcelHash(crypto, run, "output", content)
    let taken = false
    for (let part = 0; part < parts; part++) taken = yield* persistently(desk.GiveOutput({ run, part, hash, bytes: parcelPart(content, part) }))
    return taken
  }).pipe(
    Effect.retry({ while: (error) => error instanceof PartRefused, times: REFUSALS }),
    Effect.catchAll(() => Effect.succeed(false))
  )

/** Runs on this machine. A line that is full is waited for, and one that closes is waited out: this runner ends then, and the run goes to another. */
const runHere = (host: RunnerConfig["host"], modelId: string, inputs: ReadonlyArray<Tensor>, limitMs: number): Effect.Effect<Outcome> =>
  host.run(modelId, inputs, limitMs).pipe(
    Effect.retry({ while: ({ reason }: ModelFailed) => reason === "queue-full", schedule: PAUSES }),
    Effect.catchIf(({ reason }) => reason === "closed", () => Effect.never),
    Effect.either
  )

const handleRun = ({ crypto, host, models }: RunnerConfig, desk: Desk, run: Uint8Array): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const { inputs, limitMs, model } = yield* fetchInput(crypto, desk, run)
    const planned = models.find(({ hash }) => constantTimeEqual(hash, model))
    // a service that asks for other models than it did has been replaced: this runner is not its own any more
    if (planned === undefined) return false
    const outcome = inputs === undefined ? Either.left(failed("runtime")) : yield* runHere(host, planned.card.id, inputs, limitMs)
    const content = Either.getOrElse(encodeOutcome(outcome), () => undefined)
    const sent = content ?? Either.getOrThrow(encodeOutcome(Either.left(failed("runtime"))))
    return yield* sendOutput(crypto, desk, run, sent, partsFor(maxOutputBytes(planned.card)))
  }).pipe(Effect.catchAll(() => Effect.succeed(false)))

/** Waits until the service says which models it wants. @errors RunnerRefused */
const checkModels = ({ compute, gpu, models }: RunnerConfig, desk: Desk): Effect.Effect<void, RunnerRefused> =>
  Effect.gen(function*() {
    const asked = yield* Effect.retry(desk.Models(), { while: isMountError, schedule: PAUSES }).pipe(
      Effect.mapError(() => new RunnerRefused({ message: `${compute} does not know this runner: list it in the topology's runners` }))
    )
    const missing = missingModels(asked, models, gpu)
    if (missing > 0) {
      return yield* new RunnerRefused({
        message: `${missing} of the models that ${compute} asks for are missing here or differ: use the same topology and the same model files`
      })
    }
  })

/** @errors RunnerRefused; ClusterFailed when the database can not be used; MountFailed */
export const runner = (config: RunnerConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { compute, gpu, name, workers } = config
    const mount = yield* Mount
    const desk = yield* mount.connect(name, compute, RunDesk)
    yield* checkModels(config, desk)
    const database = yield* Layer.build(layerDatabase(config.storage))
    const member = { compute, slots: config.slots, timing: { ...DEFAULT_TIMING, ...config.timing } }
    const cluster = yield* joinAsRunner(member, { name, gpu, weight: workers }).pipe(
      Effect.provideService(SqlClient, Context.get(database, SqlClient))
    )
    let running = 0
    let finished = 0
    const start = (entityId: string): Effect.Effect<void> => Effect.suspend(() => {
      const run = runOfEntity(entityId)
      if (run === undefined) return Effect.void
      running += 1
      return handleRun(config, desk, run).pipe(
        Effect.map((taken) => { if (taken) finished += 1 }),
        Effect.ensuring(Effect.sync(() => { running -= 1 }))
      )
    })
    const entities = RunEntity.toLayer(Effect.map(CurrentAddress, ({ entityId }) => ({ Start: () => start(entityId) })))
    yield* Layer.build(entities).pipe(Effect.provide(cluster))
    const sharding = Context.get(cluster, Sharding)
    yield* mount.serve(name, Runner, Runner.toLayer({
      Wake: (_, options) => (callerOf(options) === compute ? sharding.pollStorage : Effect.void),
      Status: () => Effect.sync(() => new RunnerStatus({ running, finished, slots: slotIds(config.slots).filter((slot) => sharding.hasShardId(slot)).length }))
    }))
    yield* ready
    return yield* Effect.never
  })
