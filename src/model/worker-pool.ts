/**
 * The model host proper: jobs wait in one line, workers take them in order, lost workers are replaced.
 *
 * Contract: at most `queueCapacity` jobs wait (one more fails with code 4, reason `queue-full`); a worker has one job at a time; each run is cut at
 * its limit: text is asked for as far as it got, and what arrives within `graceMs` more still counts (this loop may be late itself), then the job fails
 * with code 5. A worker that can be killed is killed and
 * replaced then; a thread finishes its run unheard, since cutting it would end the whole process. A worker that dies fails its job with code 4
 * and is started anew, after a pause that doubles up to 5 s while starting fails. Closing the scope fails all jobs and waits for the workers' end.
 * Knows nothing of: threads, processes, the runtime.
 * Source: models/README.md §3; funion.md §3; departures: none.
 *
 * @module
 */
import { Deferred, Effect, Either, Exit, Fiber, Option, type Scope } from "effect"
import { Crypto } from "../crypto/crypto-service.ts"
import { type ModelCard, validateInputs } from "./card.ts"
import { checkProviders } from "./execution-provider.ts"
import { cardOf, type SessionSettings } from "./manifest.ts"
import { defaultModelsDirectory, openModel } from "./model-folder.ts"
import { ModelFailed, type ModelHost } from "./model-host.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import { matchSpecs } from "./tensor-spec.ts"
import type { Tensor } from "./tensor.ts"
import type { OpenWorker, WorkerLink } from "./worker-link.ts"
import { detached, type FromWorker, type ReadyModel, type WorkerModel } from "./worker-message.ts"

/** A model to take into service; what is left out comes from its manifest. */
export interface HostedModel {
  readonly id: string
  readonly profiles?: ReadonlyArray<number>
  readonly session?: Partial<SessionSettings>
}

export interface ModelHostOptions {
  readonly models: ReadonlyArray<HostedModel>
  /** Folder with one folder per model; default: the package's `models`. */
  readonly modelsDirectory?: string
  /** Workers, each with all models loaded; default 1. */
  readonly workers?: number
  /** Jobs that may wait for a worker; default 256. */
  readonly queueCapacity?: number
  /** Time in ms that a text cut at its limit has to arrive; default 250. */
  readonly graceMs?: number
}

interface Job {
  readonly card: ModelCard
  readonly inputs: ReadonlyArray<Tensor>
  readonly limitMs: number
  readonly result: Deferred.Deferred<ReadonlyArray<Tensor>, ModelFailed>
  /** Asks the worker that runs it, if any, to come to an end. */
  stop: () => void
}

interface Pool {
  readonly waiting: Array<Job>
  /** Open while jobs wait. */
  readonly jobsWait: Effect.Latch
  readonly models: ReadonlyArray<WorkerModel>
  readonly modelsDirectory: string
  readonly graceMs: number
  nextJob: number
  closed: boolean
}

const START_LIMIT_MS = 300_000
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 5_000

/**
 * Starts the workers, waits until every one has loaded and warmed up all models, and gives the host.
 * @errors ModelLoadFailed of the first model that can not be loaded
 */
export const makeModelHost = (
  openWorker: OpenWorker, options: ModelHostOptions
): Effect.Effect<ModelHost["Type"], ModelLoadFailed, Scope.Scope | Crypto> =>
  Effect.gen(function*() {
    const modelsDirectory = options.modelsDirectory ?? defaultModelsDirectory
    const crypto = yield* Crypto
    const plans = yield* Effect.forEach(options.models, (model) => planModel(crypto, model, modelsDirectory))
    const cards = plans.map((plan) => plan.card)
    const pool: Pool = {
      waiting: [], jobsWait: yield* Effect.makeLatch(false), models: plans.map((plan) => plan.model), modelsDirectory,
      graceMs: options.graceMs ?? 250, nextJob: 0, closed: false
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => closePool(pool)))
    const starts = yield* Effect.forEach(Array.from({ length: options.workers ?? 1 }), () => startSlot(pool, openWorker))
    const [ready = []] = yield* Effect.forEach(starts, (start) => Deferred.await(start), { concurrency: "unbounded" })
    yield* reportFallBacks(pool.models, ready)
    const run = (modelId: string, inputs: ReadonlyArray<Tensor>, limitMs: number) =>
      submit(pool, cards.find((card) => card.id === modelId), inputs, limitMs, options.queueCapacity ?? 256)
    return { cards, models: ready, run }
  })

const planModel = (
  crypto: Crypto["Type"], wanted: HostedModel, modelsDirectory: string
): Either.Either<{ readonly card: ModelCard; readonly model: WorkerModel }, ModelLoadFailed> =>
  Either.flatMap(openModel(crypto, wanted.id, modelsDirectory), ({ manifest }) => {
    const session = { ...manifest.session, ...wanted.session }
    const problem = checkProviders(session)
    return problem === undefined
      ? Either.right({ card: cardOf(manifest, wanted.profiles), model: { id: wanted.id, session } })
      : Either.left(new ModelLoadFailed({ modelId: wanted.id, reason: "provider", detail: problem }))
  })

const reportFallBacks = (models: ReadonlyArray<WorkerModel>, ready: ReadonlyArray<ReadyModel>): Effect.Effect<void> =>
  Effect.forEach(ready, (model) => {
    const wished = models.find((candidate) => candidate.id === model.id)?.session.executionProviders ?? []
    return model.executionProviders.length === wished.length
      ? Effect.void
      : Effect.logWarning(`model ${model.id} runs on ${model.executionProviders.join(", ")}: of ${wished.join(", ")} not all are available`)
  }, { discard: true })

const closePool = (pool: Pool): void => {
  pool.closed = true
  for (const job of pool.waiting.splice(0)) settle(job, Either.left(new ModelFailed({ code: 4, reason: "closed" })))
}

const settle = (job: Job, outcome: Either.Either<ReadonlyArray<Tensor>, ModelFailed>): void => {
  Deferred.unsafeDone(job.result, Either.match(outcome, { onLeft: Exit.fail, onRight: Exit.succeed }))
}

const submit = (
  pool: Pool, card: ModelCard | undefined, inputs: ReadonlyArray<Tensor>, limitMs: number, queueCapacity: number
): Effect.Effect<ReadonlyArray<Tensor>, ModelFailed> =>
  Effect.gen(function*() {
    if (card === undefined) return yield* new ModelFailed({ code: 4, reason: "unknown-model" })
    const ordered = validateInputs(card, inputs)
    if (Either.isLeft(ordered)) return yield* new ModelFailed({ code: 3, reason: "invalid-input" })
    const job: Job = {
      card, inputs: detached(ordered.right), limitMs, result: yield* Deferred.make<ReadonlyArray<Tensor>, ModelFailed>(),
      stop: () => undefined
    }
    if (pool.closed) return yield* new ModelFailed({ code: 4, reason: "closed" })
    if (pool.waiting.length >= queueCapacity) return yield* new ModelFailed({ code: 4, reason: "queue-full" })
    pool.waiting.push(job)
    pool.jobsWait.unsafeOpen()
    return yield* Effect.onInterrupt(Deferred.await(job.result), () => Effect.sync(() => abandon(pool, job)))
  })

const abandon = (pool: Pool, job: Job): void => {
  const index = pool.waiting.indexOf(job)
  if (index >= 0) pool.waiting.splice(index, 1)
  job.stop()
}

/** Keeps one worker alive for as long as the scope lasts; the deferred tells how its first start went. */
const startSlot = (
  pool: Pool, openWorker: OpenWorker
): Effect.Effect<Deferred.Deferred<ReadonlyArray<ReadyModel>, ModelLoadFailed>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const firstStart = yield* Deferred.make<ReadonlyArray<ReadyModel>, ModelLoadFailed>()
    let pauseMs = FIRST_PAUSE_MS
    const life = Effect.scoped(Effect.gen(function*() {
      const link = yield* openWorker
      const ready = yield* startWorker(pool, link)
      yield* Deferred.succeed(firstStart, ready)
      pauseMs = FIRST_PAUSE_MS
      yield* serve(pool, link)
    }))
    const pause = Effect.suspend(() => {
      const sleep = Effect.sleep(pauseMs)
      pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)
      return sleep
    })
    // a first start that fails ends the whole host: nothing to repeat then
    const failed = (error: ModelLoadFailed) => Effect.flatMap(Deferred.fail(firstStart, error), (isFirst) =>
      isFirst ? Effect.never : Effect.logWarning(`a model worker does not start: ${error.message}`))
    const keepAlive = life.pipe(
      Effect.zipRight(Effect.logWarning("a model worker ended and is started anew")),
      Effect.catchAllDefect(() => new ModelLoadFailed({ modelId: "", reason: "worker", detail: "the model worker could not be started" })),
      Effect.catchAll(failed),
      Effect.zipRight(pause),
      Effect.forever
    )
    yield* Effect.forkScoped(keepAlive)
    return firstStart
  })

const startWorker = (pool: Pool, link: WorkerLink): Effect.Effect<ReadonlyArray<ReadyModel>, ModelLoadFailed> =>
  Effect.gen(function*() {
    const modelId = pool.models.map((model) => model.id).join(", ")
    const answer = yield* exchange(link, (message) => message.type === "ready" || message.type === "refused", () => {
      link.send({ type: "start", modelsDirectory: pool.modelsDirectory, models: pool.models })
    }).pipe(Effect.timeoutOption(START_LIMIT_MS))
    const message = Option.getOrUndefined(Option.flatten(answer))
    if (message?.type === "ready") return message.models
    return yield* message?.type === "refused"
      ? new ModelLoadFailed({ modelId: message.modelId, reason: message.reason, detail: message.detail })
      : new ModelLoadFailed({ modelId, reason: "worker", detail: "the model worker could not be started (is the package built?)" })
  })

/** Sends and waits for the answer that fits; nothing when the worker ends first. */
const exchange = (
  link: WorkerLink, fits: (message: FromWorker) => boolean, send: () => void
): Effect.Effect<Option.Option<FromWorker>> =>
  Effect.gen(function*() {
    const answer = yield* Deferred.make<FromWorker>()
    link.listen((message) => {
      if (fits(message)) Deferred.unsafeDone(answer, Exit.succeed(message))
    })
    send()
    return yield* Effect.raceFirst(Effect.asSome(Deferred.await(answer)), Effect.as(Deferred.await(link.exited), Option.none<FromWorker>()))
  })

/** Runs waiting jobs on one worker until it is gone. */
const serve = (pool: Pool, link: WorkerLink): Effect.Effect<void> =>
  Effect.gen(function*() {
    while (!(yield* Deferred.isDone(link.exited))) {
      const job = pool.waiting.shift()
      if (pool.waiting.length === 0) pool.jobsWait.unsafeClose()
      if (job === undefined) yield* Effect.raceFirst(pool.jobsWait.await, Deferred.await(link.exited))
      else yield* runJob(pool, link, job)
    }
  })

const runJob = (pool: Pool, link: WorkerLink, job: Job): Effect.Effect<void> =>
  Effect.gen(function*() {
    const number = pool.nextJob++
    const stop = () => link.send({ type: "stop", job: number })
    job.stop = stop
    const fits = (message: FromWorker) => (message.type === "done" || message.type === "failed") && message.job === number
    const answer = yield* Effect.fork(exchange(link, fits, () => {
      link.send({ type: "run", job: number, modelId: job.card.id, inputs: job.inputs })
    }))
    const inTime = yield* Effect.timeoutOption(Fiber.join(answer), job.limitMs)
    if (Option.isSome(inTime)) return settle(job, outcomeOf(job.card, inTime.value))
    if (job.card.kind === "generate") stop()
    const partial = yield* Effect.timeoutOption(Fiber.join(answer), pool.graceMs)
    if (Option.isSome(partial)) return settle(job, outcomeOf(job.card, partial.value))
    settle(job, Either.left(new ModelFailed({ code: 5, reason: "time-limit" })))
    link.kill?.()
    yield* Fiber.join(answer)
  }).pipe(Effect.onInterrupt(() => Effect.sync(() => settle(job, Either.left(new ModelFailed({ code: 4, reason: "closed" }))))))

const outcomeOf = (card: ModelCard, answer: Option.Option<FromWorker>): Either.Either<ReadonlyArray<Tensor>, ModelFailed> => {
  const message = Option.getOrUndefined(answer)
  if (message?.type === "done") {
    return Either.mapLeft(matchSpecs(card.outputs, message.outputs), () => new ModelFailed({ code: 4, reason: "runtime" }))
  }
  if (message?.type !== "failed") return Either.left(new ModelFailed({ code: 4, reason: "worker-lost" }))
  const code = { "invalid-input": 3, "time-limit": 5, runtime: 4 } as const
  return Either.left(new ModelFailed({ code: code[message.reason], reason: message.reason }))
}
