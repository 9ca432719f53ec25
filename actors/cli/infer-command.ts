/**
 * `funion infer`: starts or joins a network, commissions one job, prints the answer.
 *
 * Contract: whatever can be known to be wrong before the network starts is said before it starts. The answer alone goes to standard output (with `--json`
 * one object, or nothing when it fails); steps, summary and warnings go to standard error. A network of the command's own ends with it.
 * Knows nothing of: arguments' spelling.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { makeClientCodec } from "../../src/model/client-codec.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { type InferenceAnswer, inferTensors, withDecoded } from "../session-api.ts"
import { answerJson, answerSummary, answerText, estimateSummary } from "./answer-report.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"
import { type GivenInput, readInput } from "./given-input.ts"
import { checkBucket, hostedModel, type HostedModel } from "./hosted-model.ts"
import { type AccessChoice, openAccess } from "./network-access.ts"
import { printAside, printLine } from "./output.ts"
import { makeProgress, type Progress, stepLines } from "./progress.ts"
import { defaultTopology, loadTopology } from "./topology-file.ts"

export interface InferRequest extends GivenInput, AccessChoice {
  readonly model: string
  readonly maxTokens: number | undefined
  readonly json: boolean
  readonly topology: string | undefined
  readonly bucket: number | undefined
  /** Bits below which nothing is sent. */
  readonly minAnonymity: number | undefined
  /** Seconds to wait for them. */
  readonly wait: number | undefined
}

/** What is checked before anything starts. */
interface Prepared {
  readonly crypto: CryptoBackend
  readonly topology: Topology
  readonly hosted: HostedModel
}

const SECOND_MS = 1_000

const prepare = (request: InferRequest): Effect.Effect<Prepared, CliFailure> =>
  Effect.gen(function*() {
    const crypto = yield* Either.mapLeft(selectBackend(request.backend), (error) => failed(error.message))
    const { topology } = yield* request.topology === undefined ? defaultTopology(crypto.name) : loadTopology(request.topology)
    const hosted = yield* hostedModel(crypto, topology, request.model)
    yield* checkBucket(hosted, request.bucket)
    if (request.maxTokens !== undefined && hosted.card.kind !== "generate") {
      return yield* misused(`--max-tokens is for models that generate text; ${hosted.card.id} does not`)
    }
    if (request.wait !== undefined && request.minAnonymity === undefined) {
      return yield* misused("--wait is for --min-anonymity: say how many bits to wait for")
    }
    return { crypto, topology, hosted }
  })

const runJob = (request: InferRequest, { crypto, hosted, topology }: Prepared, progress: Progress): Effect.Effect<InferenceAnswer, CliFailure> =>
  Effect.gen(function*() {
    const codec = makeClientCodec(crypto)
    const input = yield* readInput(hosted.card.adapter, request)
    const tensors = yield* Either.mapLeft(
      codec.encodeInput(hosted.card, input, request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens }),
      (error) => failed(error.message)
    )
    const network = yield* openAccess(topology, request, progress)
    const answer = yield* inferTensors(network, hosted.card.id, tensors, {
      ...(request.bucket === undefined ? {} : { bucket: request.bucket }),
      ...(request.minAnonymity === undefined ? {} : { minAnonymityBits: request.minAnonymity }),
      ...(request.wait === undefined ? {} : { floorWaitMs: SECOND_MS * request.wait }),
      onEstimate: (estimated) => progress.tell(estimateSummary(estimated)),
      onEvent: (event) => Effect.forEach(stepLines(event), ({ done, text }) => (done ? progress.tell(text) : progress.show(text)), { discard: true })
    })
    return yield* withDecoded(codec, hosted.card, answer)
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) => (error._tag === "CliFailure" ? error : failed(error.message)))
  )

const report = (request: InferRequest, answer: InferenceAnswer): Effect.Effect<void> => {
  const remarks = [answerSummary(answer), ...answer.warnings.map((warning) => `warning: ${warning}`)]
  return Effect.zipRight(
    printAside(remarks.map((remark) => `${remark}\n`).join("")),
    printLine(request.json ? answerJson(answer) : answerText(answer))
  )
}

/** Runs one job through a network of its own. */
export const runInfer = (request: InferRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const prepared = yield* prepare(request)
    const onTerminal = process.stderr.isTTY
    const progress = makeProgress(onTerminal)
    const answer = yield* Effect.onError(runJob(request, prepared, progress), () => (onTerminal ? printAside("\r\u001b[K") : Effect.void))
    yield* report(request, answer)
  })
