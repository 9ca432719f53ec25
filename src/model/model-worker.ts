/**
 * The program of a model worker: a thread or a child process that loads models and runs one job at a time.
 *
 * Contract: speaks `worker-message` with whoever started it; exits when the starter goes away. Loads only the models it is told to, each file
 * checked against its manifest by this very process.
 * Knows nothing of: queues, time limits, other workers.
 * Source: models/README.md §3; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { listSupportedBackends } from "onnxruntime-node"
import { parentPort } from "node:worker_threads"
import { selectBackend } from "../crypto/select-backend.ts"
import { openRunnable, type RunnableModel } from "./adapter.ts"
import { builtInModel } from "./built-in-model.ts"
import { EXECUTION_PROVIDERS } from "./execution-provider.ts"
import { openModel } from "./model-folder.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import { openOnnxSession } from "./onnx-session.ts"
import { detached, type FromWorker, type ProviderReport, type ReadyModel, type ToWorker, type WorkerModel } from "./worker-message.ts"

const models = new Map<string, RunnableModel>()
let stoppedJob = -1
let closing = false
/** Messages are handled one after another; only stop and close act at once. */
let work: Promise<void> = Promise.resolve()

const crypto = Either.getOrThrow(selectBackend())

const send = (message: FromWorker): void => {
  if (parentPort !== null) parentPort.postMessage(message)
  else process.send?.(message)
}

const start = async (modelsDirectory: string, wanted: ReadonlyArray<WorkerModel>): Promise<FromWorker> => {
  const ready: Array<ReadyModel> = []
  for (const model of wanted) {
    if (closing) break
    const runnable = await load(modelsDirectory, model)
    if (Either.isLeft(runnable)) {
      const { modelId, reason, detail } = runnable.left
      return { type: "refused", modelId, reason, detail }
    }
    models.set(model.id, runnable.right)
    ready.push({ id: model.id, executionProviders: runnable.right.session.executionProviders })
  }
  return { type: "ready", models: ready }
}

const load = async (modelsDirectory: string, model: WorkerModel): Promise<Either.Either<RunnableModel, ModelLoadFailed>> => {
  const opened = openModel(crypto, model.id, modelsDirectory)
  return Either.isLeft(opened) ? Either.left(opened.left) : openRunnable(opened.right, model.session)
}

const run = async (message: Extract<ToWorker, { type: "run" }>): Promise<FromWorker> => {
  const model = models.get(message.modelId)
  if (model === undefined) return { type: "failed", job: message.job, reason: "runtime" }
  const outcome = await model.run(message.inputs, () => closing || stoppedJob === message.job)
  return Either.match(outcome, {
    onLeft: ({ reason }) => ({ type: "failed", job: message.job, reason }),
    onRight: (outputs) => ({ type: "done", job: message.job, outputs: detached(outputs) })
  })
}

const probe = async (): Promise<FromWorker> => {
  const bundled = new Map(listSupportedBackends().map((backend) => [backend.name, backend.bundled]))
  const trial = builtInModel(crypto, "affine")
  const providers: Array<ProviderReport> = []
  for (const name of EXECUTION_PROVIDERS) {
    if (!bundled.has(name) || trial === undefined) continue
    const session = await openOnnxSession("affine", trial.onnx, { ...trial.manifest.session, executionProviders: [name] })
    if (Either.isRight(session)) await session.right.release()
    providers.push({ name, bundled: bundled.get(name) === true, usable: Either.isRight(session) })
  }
  return { type: "probed", providers }
}

const close = async (): Promise<FromWorker> => {
  for (const model of models.values()) await model.session.release()
  models.clear()
  return { type: "closed" }
}

const handle = (message: ToWorker): Promise<FromWorker> | undefined => {
  switch (message.type) {
    case "start": return start(message.modelsDirectory, message.models)
    case "run": return run(message)
    case "probe": return probe()
    case "close": return close()
    case "stop": return undefined
  }
}

const receive = (message: ToWorker): void => {
  if (message.type === "stop") stoppedJob = message.job
  if (message.type === "close") closing = true
  work = work.then(async () => {
    const answer = await handle(message)
    if (answer !== undefined) send(answer)
  })
}

if (parentPort !== null) {
  parentPort.on("message", receive)
} else {
  process.on("message", receive)
  // a terminal sends Ctrl-C to the whole group: the starter decides when this process ends
  process.on("SIGINT", () => undefined)
  process.on("disconnect", () => process.exit(0))
}
