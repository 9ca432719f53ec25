/**
 * One job, played step by step through the ordinary clients, with everything about it that the lab must know to score guesses.
 *
 * Contract: upload and dispatch by the sender, fetch by the receiver, as any two people would; what is noted (instants by the persons' own clocks, boxes,
 * outcome) is read from what clients give their persons. A job that fails on the way gives what became known until then.
 * Knows nothing of: adversaries.
 * Source: funion.md §2; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Stream } from "effect"
import type { InferenceFailed } from "../client/protocol.ts"
import type { MountError } from "../../src/actor/actor.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { decodeTicket } from "../../src/inference/ticket.ts"
import { tensorOf } from "../../src/model/tensor.ts"
import type { ComputeActor } from "../../src/topology/topology.ts"
import type { Network } from "../launch.ts"
import { boxesOfJob, type JobBoxes } from "./job-truth.ts"

export type JobOutcome = "answer" | "failure" | "lost"

export interface JobRequest {
  readonly sender: string
  readonly receiver: string
  readonly model: string
  /** Rows of the input: the size of the answer grows with them. */
  readonly rows: number
}

export interface PlayedJob extends JobRequest {
  readonly startedAtMs: number
  /** When the sender heard that the upload was whole, and that the service had taken the job. */
  readonly uploadedAtMs: number
  readonly ticketAtMs: number
  /** (k + 1)·q, from the ticket. */
  readonly acceptedAtMs: number
  /** Of every release that the job can have. */
  readonly edgesMs: ReadonlyArray<number>
  readonly endedAtMs: number
  readonly outcome: JobOutcome
  /** Edges missed. */
  readonly overflow: number
  readonly boxes: JobBoxes
}

/** Columns of the models built in code. */
const widthOf = (model: string): number => (model === "affine" ? 4 : 256)

const inputOf = ({ model, rows }: JobRequest) =>
  Either.getOrThrow(tensorOf("x", "f32", [rows, widthOf(model)], Array.from({ length: rows * widthOf(model) }, (_, index) => index % 7)))

/** How the receiver's reading ended. */
const read = (network: Network, { receiver }: JobRequest, ticket: Uint8Array) =>
  Effect.gen(function*() {
    const client = yield* network.client(receiver)
    let overflow = 0
    const outcome = yield* client.Fetch({ ticket }).pipe(
      Stream.runForEach((event) => Effect.sync(() => { if (event._tag === "Answered" || event._tag === "EdgePassed") overflow = event.overflow })),
      Effect.as<JobOutcome>("answer"),
      Effect.catchAll((error: InferenceFailed | MountError) =>
        Effect.succeed<JobOutcome>(error._tag === "InferenceFailed" && error.reason === "job-failed" ? "failure" : "lost"))
    )
    return { outcome, overflow }
  })

export interface JobSetting {
  readonly network: Network
  readonly crypto: CryptoBackend
  readonly service: ComputeActor
}

/** Dispatch and fetch of an input that is in storage. */
const commission = (setting: JobSetting, request: JobRequest, input: Uint8Array, startedAtMs: number) =>
  Effect.gen(function*() {
    const { crypto, network, service } = setting
    const sender = yield* network.client(request.sender)
    const uploadedAtMs = yield* Clock.currentTimeMillis
    const { ticket } = yield* sender.Dispatch({ input })
    const ticketAtMs = yield* Clock.currentTimeMillis
    const { acceptedAtMs, bucket } = Either.getOrThrow(decodeTicket(ticket))
    const edgesMs = service.deadlinesMs.slice(bucket - 1).map((deadlineMs) => acceptedAtMs + deadlineMs)
    const { outcome, overflow } = yield* read(network, request, ticket)
    const boxes = boxesOfJob(crypto, input, edgesMs.length)
    const endedAtMs = yield* Clock.currentTimeMillis
    return { ...request, startedAtMs, uploadedAtMs, ticketAtMs, acceptedAtMs, edgesMs, endedAtMs, outcome, overflow, boxes }
  })

/** Plays one job to its end; undefined when it was never accepted. */
export const playJob = (setting: JobSetting, request: JobRequest): Effect.Effect<PlayedJob | undefined> =>
  Effect.gen(function*() {
    const startedAtMs = yield* Clock.currentTimeMillis
    const sender = yield* setting.network.client(request.sender)
    const { input } = yield* sender.Upload({ model: request.model, inputs: [inputOf(request)] })
    return yield* commission(setting, request, input, startedAtMs)
  }).pipe(
    Effect.scoped,
    Effect.catchAll(() => Effect.succeed(undefined))
  )

/** The same from an upload that somebody else has made. */
export const playUploaded = (setting: JobSetting, request: JobRequest, uploadRecord: Uint8Array): Effect.Effect<PlayedJob | undefined> =>
  Effect.flatMap(Clock.currentTimeMillis, (startedAtMs) => commission(setting, request, uploadRecord, startedAtMs)).pipe(
    Effect.scoped,
    Effect.catchAll(() => Effect.succeed(undefined))
  )
