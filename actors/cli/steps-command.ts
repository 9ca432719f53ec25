/**
 * `funion upload`, `funion dispatch` and `funion fetch`: the steps of one inference apart, for different people at different times.
 *
 * Contract: each step joins the running network with a client of its own. Capabilities go from step to step in files of mode 0600 alone, never through
 * standard output. A step that fails leaves no file. `dispatch` may be repeated with the same input and gives the same ticket.
 * Knows nothing of: arguments' spelling.
 * Source: the issue's list, funion.md §2; departures: none.
 *
 * @module
 */
import { Effect, Either, type Scope } from "effect"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { decodeTicket } from "../../src/inference/ticket.ts"
import { decodeUploadRecord } from "../../src/inference/upload-record.ts"
import type { Topology } from "../../src/topology/topology.ts"
import type { ClientAccess } from "../launch.ts"
import { dispatch, fetch, models, upload } from "../session-api.ts"
import { fetchedJson, answerText, fetchedSummary } from "./answer-report.ts"
import { readCapability, refuseUnwritable, writeCapability } from "./capability-file.ts"
import { CliFailure, failed, misused } from "./cli-failure.ts"
import { type GivenInput, readInput } from "./given-input.ts"
import { checkBucket, hostedModel } from "./hosted-model.ts"
import { isRunningElsewhere, openAccess } from "./network-access.ts"
import { printAside, printLine } from "./output.ts"
import { makeProgress, type Progress, stepLines } from "./progress.ts"
import { loadTopology } from "./topology-file.ts"

interface StepRequest {
  readonly topology: string
  readonly keys: string | undefined
  readonly client: string | undefined
  readonly backend: "native" | "reference" | undefined
}

export interface UploadRequest extends StepRequest, GivenInput {
  readonly model: string
  readonly cap: string
  readonly maxTokens: number | undefined
  readonly bucket: number | undefined
}

export interface DispatchRequest extends StepRequest {
  readonly model: string
  readonly input: string
  readonly cap: string
}

export interface FetchRequest extends StepRequest {
  readonly ticket: string
  readonly json: boolean
}

const asFailure = (error: { readonly message: string }): CliFailure => (error instanceof CliFailure ? error : failed(error.message))

/** The topology of a network that runs elsewhere. */
const runningTopology = (request: StepRequest): Effect.Effect<Topology, CliFailure> =>
  Effect.flatMap(loadTopology(request.topology), ({ topology }) =>
    isRunningElsewhere(topology, { inProcess: false })
      ? Effect.succeed(topology)
      : failed(`${topology.name} says of no actor where it runs, so there is no running network for the steps apart: add machines to the topology`))

const withAccess = <A, E extends { readonly _tag: string; readonly message: string }>(
  topology: Topology, request: StepRequest, use: (access: ClientAccess, progress: Progress) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, CliFailure> => {
  const progress = makeProgress(process.stderr.isTTY)
  const { backend, client, keys } = request
  return Effect.flatMap(openAccess(topology, { keys, backend, client, inProcess: false, seed: undefined }, progress), (access) => use(access, progress)).pipe(
    Effect.scoped,
    Effect.mapError(asFailure)
  )
}

/** What is said of a capability file whose content is not whole, before anybody is asked. */
const damaged = (path: string) => (): CliFailure => failed(`${path} is damaged: what it holds can not be read`)

/** Step 1: stores the input and keeps the right to commission it in a file. */
export const runUpload = (request: UploadRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const topology = yield* runningTopology(request)
    const crypto = yield* Either.mapLeft(selectBackend(request.backend), asFailure)
    const hosted = yield* hostedModel(crypto, topology, request.model)
    yield* checkBucket(hosted, request.bucket)
    if (request.maxTokens !== undefined && hosted.card.kind !== "generate") {
      return yield* misused(`--max-tokens is for models that generate text; ${hosted.card.id} does not`)
    }
    const input = yield* readInput(hosted.card.adapter, request)
    yield* refuseUnwritable(request.cap)
    const { record } = yield* withAccess(topology, request, (access) => upload(access, request.model, input, {
      ...(request.bucket === undefined ? {} : { bucket: request.bucket }),
      ...(request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens })
    }))
    yield* writeCapability(request.cap, { kind: "input", network: topology.name, model: request.model, bytes: record })
    yield* printAside(`stored; ${request.cap} holds the right to commission it: funion dispatch ${request.model} --input ${request.cap} --cap …\n`)
  })

/** Step 2: commissions an uploaded input and keeps the ticket in a file. */
export const runDispatch = (request: DispatchRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const topology = yield* runningTopology(request)
    const uploaded = yield* readCapability(request.input, "input", topology.name)
    if (uploaded.model !== request.model) return yield* failed(`${request.input} was uploaded for the model ${uploaded.model}, not for ${request.model}`)
    const crypto = yield* Either.mapLeft(selectBackend(request.backend), asFailure)
    yield* Either.mapLeft(decodeUploadRecord(crypto, uploaded.bytes), damaged(request.input))
    yield* refuseUnwritable(request.cap)
    const ticket = yield* withAccess(topology, request, (access) => dispatch(access, { model: request.model, record: uploaded.bytes }))
    yield* writeCapability(request.cap, { kind: "ticket", network: topology.name, model: undefined, bytes: ticket })
    yield* printAside(`accepted; whoever holds ${request.cap} can read the answer: funion fetch ${request.cap}\n`)
  })

/** Step 5: waits for the edge and reads the answer. */
export const runFetch = (request: FetchRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const topology = yield* runningTopology(request)
    const { bytes } = yield* readCapability(request.ticket, "ticket", topology.name)
    yield* Either.mapLeft(decodeTicket(bytes), damaged(request.ticket))
    const answer = yield* withAccess(topology, request, (access, progress) => Effect.zipRight(
      // the card of the answer's model comes with the directory document
      models(access),
      fetch(access, bytes, {
        onEvent: (event) => Effect.forEach(stepLines(event), ({ done, text }) => (done ? progress.tell(text) : progress.show(text)), { discard: true })
      })
    ))
    yield* printAside(`${fetchedSummary(answer)}\n`)
    yield* printLine(request.json ? fetchedJson(answer) : answerText(answer))
  })
