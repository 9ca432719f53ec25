/**
 * A model host whose workers are runners on other machines: the form for a service that outgrows its own.
 *
 * Contract: that of `ModelHost`, but that a run whose runner dies is run again by another, at most `RECOVERIES` times; it ends within `patienceMs` of leaving
 * the line. At most `slots` runs of each group are with runners, at most `queueCapacity` of it wait; one more fails with code 4, reason `queue-full`.
 * A run may be run twice; the first whole output counts. Of a run the database holds a random id for as long as it takes and seconds more.
 * Knows nothing of: boxes, jobs, edges.
 * Source: effect-notes.md §7; models/README.md §3; departures: none.
 *
 * @module
 */
import { MessageStorage } from "@effect/cluster/MessageStorage"
import { Sharding } from "@effect/cluster/Sharding"
import { SqlClient } from "@effect/sql/SqlClient"
import { Context, Deferred, Effect, Either, Exit, Layer, Schedule, Scope } from "effect"
import { Mount } from "../../../src/actor/mount.ts"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import { EntropySource } from "../../../src/crypto/entropy.ts"
import { validateInputs } from "../../../src/model/card.ts"
import { defaultModelsDirectory } from "../../../src/model/model-folder.ts"
import { ModelHost } from "../../../src/model/model-host.ts"
import type { ModelLoadFailed } from "../../../src/model/model-load-failed.ts"
import { encodeContainer } from "../../../src/model/tensor-container.ts"
import type { Tensor } from "../../../src/model/tensor.ts"
import type { HostedModel } from "../../../src/model/worker-pool.ts"
import { type ClusterFailed, type ClusterStorage, databaseRefused, layerDatabase } from "./cluster-database.ts"
import { type ClusterTiming, DEFAULT_TIMING, joinAsService, type MemberOptions } from "./cluster-layer.ts"
import { modelsForRunners, planModel, type PlannedModel } from "./model-set.ts"
import { Runner } from "./protocol.ts"
import { sweepRecords } from "./record-sweep.ts"
import { type Desk, makeDesk, RunDeskHost } from "./run-desk.ts"
import { addressOf, drawRun, RunEntity, type SlotGroup } from "./run-entity.ts"
import { failed, type Outcome } from "./run-parcel.ts"

export interface ClusterHostOptions {
  /** Actor name of the compute service. */
  readonly name: string
  /** Actor names of its runners. */
  readonly runners: ReadonlyArray<string>
  readonly models: ReadonlyArray<HostedModel>
  /** Folder with one folder per model; default: the package's `models`. Only manifests are read. */
  readonly modelsDirectory?: string
  readonly storage: ClusterStorage
  /** Runs with runners at the same time, per group: workers of all runners. The same for every runner. */
  readonly slots: number
  /** Some runner has a GPU; default false. */
  readonly gpu?: boolean
  /** Jobs of each group that may wait for a slot; default 256. */
  readonly queueCapacity?: number
  readonly timing?: Partial<ClusterTiming>
}

/** Deaths of runners that one run survives. */
const RECOVERIES = 2
/** What a run may take beside its limit: calls, parts, the model host's grace. */
const TRANSFER_MS = 2_000
/** A runner's reply that arrives later than this after the output is left to the sweep. */
const REPLY_WAIT_MS = 5_000
/** An output is there before the reply that follows it; without one it never comes. */
const OUTPUT_GRACE_MS = 1_000
const SWEEP_MS = 60_000
const WAKE_LIMIT_MS = 2_000
const SEND_PAUSE_MS = 500
const CLEAR_LIMIT_MS = 2_000

/** Longest time from the line to the end of a run, when as many runners die as it survives. */
export const patienceMs = (limitMs: number, { drainMs, lockExpiryMs, lookMs }: ClusterTiming): number =>
  (1 + RECOVERIES) * (limitMs + TRANSFER_MS) + RECOVERIES * (lockExpiryMs + 2 * lookMs + 3_000 + drainMs)

interface Host {
  readonly options: MemberOptions
  readonly desk: Desk
  readonly loads: Readonly<Record<SlotGroup, Array<number>>>
  readonly lines: Readonly<Record<SlotGroup, Effect.Semaphore>>
  readonly closing: Deferred.Deferred<void>
  readonly scope: Scope.Scope
  readonly draw: (group: SlotGroup, slot: number) => ReturnType<typeof drawRun>
  /** Stores the message, waits for its reply. */
  readonly send: (entityId: string) => Effect.Effect<void>
  /** Deletes message and reply. */
  readonly clear: (entityId: string) => Effect.Effect<void>
  /** Jobs in line or with runners. */
  readonly jobs: Record<SlotGroup, number>
}

/** The slot with the fewest runs; among equals the one that had none for longest. */
const leastLoaded = (loads: ReadonlyArray<number>, after: number): number => {
  let best = after % loads.length
  for (let step = 0; step < loads.length; step++) {
    const slot = (after + step) % loads.length
    if ((loads[slot] ?? 0) < (loads[best] ?? 0)) best = slot
  }
  return best
}

/** Has one run made by the runner of a slot. */
const dispatch = (host: Host, model: PlannedModel, input: Uint8Array, limitMs: number, turn: number): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const loads = host.loads[model.group]
    const slot = leastLoaded(loads, turn)
    const { entityId, run } = host.draw(model.group, slot)
    const settled = yield* Deferred.make<void>()
    const replied = yield* Deferred.make<void>()
    const outcome = yield* host.desk.open(run, { card: model.card, model: model.hash, input, limitMs })
    loads[slot] = (loads[slot] ?? 0) + 1
    const settle = Effect.sync(() => {
      host.desk.close(run)
      loads[slot] = (loads[slot] ?? 0) - 1
      Deferred.unsafeDone(settled, Exit.void)
    })
    const message = Effect.raceFirst(host.send(entityId), Effect.zipRight(Deferred.await(settled), Effect.sleep(REPLY_WAIT_MS)))
    yield* Effect.forkIn(Effect.ensuring(Effect.zipRight(message, Effect.asVoid(Deferred.succeed(replied, undefined))), host.clear(entityId)), host.scope)
    const lost = Effect.as(Effect.zipRight(Deferred.await(replied), Effect.sleep(OUTPUT_GRACE_MS)), Either.left(failed("worker-lost")))
    return yield* Effect.raceFirst(outcome, lost).pipe(
      Effect.timeoutTo({
        duration: patienceMs(limitMs, host.options.timing), onSuccess: (ended: Outcome) => ended, onTimeout: (): Outcome => Either.left(failed("worker-lost"))
      }),
      Effect.ensuring(settle)
    )
  })

const run = (host: Host, planned: ReadonlyArray<PlannedModel>, queueCapacity: number): ModelHost["Type"]["run"] => {
  let turn = 0
  return (modelId, inputs: ReadonlyArray<Tensor>, limitMs) => Effect.gen(function*() {
    const model = planned.find(({ card }) => card.id === modelId)
    if (model === undefined) return yield* failed("unknown-model")
    const container = Either.flatMap(validateInputs(model.card, inputs), encodeContainer)
    if (Either.isLeft(container)) return yield* failed("invalid-input")
    if (yield* Deferred.isDone(host.closing)) return yield* failed("closed")
    const { slots } = host.options
    if (host.jobs[model.group] >= slots + queueCapacity) return yield* failed("queue-full")
    host.jobs[model.group] += 1
    const served = host.lines[model.group].withPermits(1)(Effect.suspend(() => dispatch(host, model, container.right, limitMs, turn++)))
    const outcome = yield* Effect.raceFirst(served, Effect.as(Deferred.await(host.closing), Either.left(failed("closed")))).pipe(
      Effect.ensuring(Effect.sync(() => { host.jobs[model.group] -= 1 }))
    )
    return yield* outcome
  })
}

/** Tells runners by name to look into the database. */
const waker = (name: string, runners: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const clients = new Map(yield* Effect.forEach(runners, (runner) =>
      Effect.map(mount.connect(name, runner, Runner, { limitMs: WAKE_LIMIT_MS }), (client) => [runner, client] as const)))
    return (runner: string): Effect.Effect<void> => Effect.ignore(clients.get(runner)?.Wake() ?? Effect.void)
  })

const makeHost = (options: ClusterHostOptions, planned: ReadonlyArray<PlannedModel>) =>
  Effect.gen(function*() {
    const crypto = yield* Crypto
    const entropy = yield* EntropySource
    const scope = yield* Effect.scope
    const timing = { ...DEFAULT_TIMING, ...options.timing }
    const member = { compute: options.name, slots: options.slots, timing }
    const cluster = yield* joinAsService(member, yield* waker(options.name, options.runners))
    const sharding = Context.get(cluster, Sharding)
    const storage = Context.get(cluster, MessageStorage)
    const client = yield* Effect.provide(RunEntity.client, cluster)
    const longestMs = Math.max(0, ...planned.map(({ card }) => card.maxComputeMs))
    yield* sweepRecords(options.name, 0).pipe(Effect.mapError((error) => databaseRefused("the database", error)))
    yield* sweepRecords(options.name, patienceMs(longestMs, timing) + SWEEP_MS).pipe(
      Effect.catchAll(() => Effect.logWarning("records of runs could not be swept")), Effect.delay(SWEEP_MS), Effect.forever, Effect.forkScoped
    )
    const lines = { default: yield* Effect.makeSemaphore(options.slots), gpu: yield* Effect.makeSemaphore(options.slots) }
    const none = () => Array.from({ length: options.slots }, () => 0)
    const host: Host = {
      options: member, scope, lines, loads: { default: none(), gpu: none() }, closing: yield* Deferred.make<void>(), jobs: { default: 0, gpu: 0 },
      desk: makeDesk({ crypto, runners: options.runners, models: modelsForRunners(planned) }),
      draw: (group, slot) => drawRun(sharding, entropy, group, slot),
      send: (entityId) => client(entityId).Start({ form: 1 }).pipe(Effect.retry(Schedule.spaced(SEND_PAUSE_MS)), Effect.ignore),
      clear: (entityId) => storage.clearAddress(addressOf(sharding, entityId)).pipe(Effect.timeoutOption(CLEAR_LIMIT_MS), Effect.ignore)
    }
    yield* Effect.addFinalizer(() => Deferred.succeed(host.closing, undefined))
    return host
  })

/** @errors ModelLoadFailed for a manifest; ClusterFailed when the database can not be used */
export const layerCluster = (
  options: ClusterHostOptions
): Layer.Layer<ModelHost | RunDeskHost, ModelLoadFailed | ClusterFailed, Crypto | Mount> =>
  Layer.scopedContext(Effect.gen(function*() {
    const crypto = yield* Crypto
    const planned = yield* Effect.forEach(options.models, (model) =>
      planModel(crypto, model, options.modelsDirectory ?? defaultModelsDirectory, options.gpu ?? false))
    const database = yield* Layer.build(layerDatabase(options.storage))
    const host = yield* Effect.provideService(makeHost(options, planned), SqlClient, Context.get(database, SqlClient))
    const models = planned.map(({ card, group, session }) => ({ id: card.id, executionProviders: group === "gpu" ? session.executionProviders : ["cpu"] }))
    return Context.make(ModelHost, { cards: planned.map(({ card }) => card), models, run: run(host, planned, options.queueCapacity ?? 256) }).pipe(
      Context.add(RunDeskHost, host.desk)
    )
  }))
