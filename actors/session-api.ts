/**
 * A running network for programs: one inference, or its three steps apart, with text, pictures or numbers in and out.
 *
 * Contract: input is checked against the model's card before anything is sent; a floor of anonymity that is not reached then refuses an inference. Calls
 * speak to a client actor of the network, the first one unless another is named; the steps may be taken by different clients. What a step hands on is bytes,
 * and whoever holds them can go on with the job: the record of an upload lets its holder commission it, a ticket lets its holder read the answer and
 * nothing else.
 * Knows nothing of: processes, terminals.
 * Source: funion.md §2, §6.4 (ticket); departures: none.
 *
 * @module
 */
import "../src/model/runtime-privacy.ts"
import { Clock, Effect, Either, Stream } from "effect"
import type { MountError } from "../src/actor/actor.ts"
import { referenceBackend } from "../src/crypto/backends/reference.ts"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { decodeTicket } from "../src/inference/ticket.ts"
import { decodeCard, type ModelCard, modelIdHash } from "../src/model/card.ts"
import {
  type ClientCodec, type DecodedOutput, type EncodeOptions, type InputInvalid, makeClientCodec, type ModelInput, OutputInvalid
} from "../src/model/client-codec.ts"
import { dtypeOfName } from "../src/model/dtype.ts"
import { checkTensor, type Tensor } from "../src/model/tensor.ts"
import { InferenceFailed, type InferenceEvent, type JobEstimate } from "./client/protocol.ts"
import type { ClientAccess } from "./launch.ts"

export interface ClientChoice {
  /** Name of a client actor; default: the first of the topology. */
  readonly client?: string
}

export interface EventListener {
  /** Told every event of the job as it happens. */
  readonly onEvent?: (event: InferenceEvent) => Effect.Effect<void>
}

export interface JobChoice extends ClientChoice {
  /** Latency bucket, from 1; default: that of the model's preferred profile. */
  readonly bucket?: number
}

/** The least anonymity with which a job may go out, and what happens below it. */
export interface AnonymityFloor {
  /** In bits; default 0: none. */
  readonly minAnonymityBits?: number
  /** How long to wait for it, looking once a second; default 0: refuse at once. */
  readonly floorWaitMs?: number
  /** Told the estimate that decided, before anything is sent. */
  readonly onEstimate?: (estimate: JobEstimate) => Effect.Effect<void>
}

/** What a model of the network is and how it is offered. */
export interface NetworkModel {
  readonly service: string
  readonly card: ModelCard
  readonly profiles: ReadonlyArray<{ readonly id: number; readonly inputClass: number; readonly outputClass: number; readonly bucket: number }>
}

/** An answer as tensors, with what became known on its way. */
export interface TensorAnswer {
  readonly model: string
  readonly version: number
  readonly outputs: ReadonlyArray<Tensor>
  /** From 1. */
  readonly bucket: number
  /** Edges missed. */
  readonly overflow: number
  readonly timings: {
    readonly uploadMs: number
    readonly dispatchMs: number
    readonly heldMs: number
    readonly fetchMs: number
    readonly totalMs: number
  }
  /** The client's own packets during the job. */
  readonly packets: { readonly sent: number; readonly received: number; readonly decoys: number }
  /** Slots of the size classes. */
  readonly boxes: { readonly in: number; readonly out: number }
  /** What was expected before anything was sent. */
  readonly estimate: JobEstimate
  /** What works but protects less, one sentence each. */
  readonly warnings: ReadonlyArray<string>
}

type Decoded = Omit<DecodedOutput, "tensors">

/** An answer with its text, numbers and scores, as far as the model gives them. */
export type InferenceAnswer = TensorAnswer & Decoded

/** An answer read with a ticket: the model is known when the ticket names one of the network's. */
export interface FetchedAnswer extends Decoded {
  readonly model: string | undefined
  readonly outputs: ReadonlyArray<Tensor>
  readonly overflow: number
  readonly timings: { readonly heldMs: number; readonly fetchMs: number }
  readonly packets: TensorAnswer["packets"]
}

/** An uploaded input: secret, for it holds the job's write capability. */
export interface Uploaded {
  readonly model: string
  readonly record: Uint8Array
}

type CallFailed = InferenceFailed | MountError

const crypto = Either.getOrElse(selectBackend(), () => referenceBackend)
const codecs = new WeakMap<ClientAccess, ClientCodec>()

/** The codec of a network, which keeps tokenizers for the next job. */
const codecOf = (network: ClientAccess): ClientCodec => {
  const codec = codecs.get(network) ?? makeClientCodec(crypto)
  codecs.set(network, codec)
  return codec
}

/** The models that a network's directory offers. @errors InferenceFailed, MountError */
export const models = (network: ClientAccess, choice: ClientChoice = {}): Effect.Effect<ReadonlyArray<NetworkModel>, CallFailed> =>
  Effect.flatMap(network.client(choice.client), (client) => client.Models(undefined)).pipe(
    Effect.map((offered) => offered.flatMap(({ card, profiles, service }) =>
      Either.match(decodeCard(card), { onLeft: () => [], onRight: (decoded) => [{ service, card: decoded, profiles }] }))),
    Effect.scoped
  )

const cardOf = (network: ClientAccess, modelId: string, choice: ClientChoice): Effect.Effect<ModelCard, CallFailed> =>
  Effect.flatMap(models(network, choice), (offered) => {
    const model = offered.find(({ card }) => card.id === modelId)
    return model === undefined
      ? new InferenceFailed({ step: "plan", reason: "unknown-model", detail: `no service of this network has a model "${modelId}"` })
      : Effect.succeed(model.card)
  })

const tensorsOfWire = (
  wire: ReadonlyArray<{ readonly name: string; readonly dtype: string; readonly dims: ReadonlyArray<number>; readonly data: Uint8Array }>
): Either.Either<ReadonlyArray<Tensor>, OutputInvalid> =>
  Either.all(wire.map(({ data, dims, dtype, name }) => {
    const known = dtypeOfName(dtype)
    return known === undefined
      ? Either.left(new OutputInvalid({ detail: "the service's answer has an element type that nobody knows" }))
      : Either.mapLeft(checkTensor({ name, dtype: known, dims, data }), ({ detail }) => new OutputInvalid({ detail }))
  }))

/** Everything heard on the way to an answer. */
interface Heard {
  readonly planned?: Extract<InferenceEvent, { readonly _tag: "Planned" }>
  readonly uploadMs: number
  readonly dispatchMs: number
  readonly heldMs: number
  readonly answered?: Extract<InferenceEvent, { readonly _tag: "Answered" }>
}

const hear = (heard: Heard, event: InferenceEvent): Heard => {
  switch (event._tag) {
    case "Planned": return { ...heard, planned: event }
    case "Uploaded": return { ...heard, uploadMs: event.uploadMs }
    case "Accepted": return { ...heard, dispatchMs: event.dispatchMs }
    case "EdgePassed": return { ...heard, heldMs: event.heldMs }
    case "Answered": return { ...heard, answered: event }
    case "BoxWritten":
    case "BoxRead": return heard
  }
}

const listen = (
  events: Stream.Stream<InferenceEvent, CallFailed>, { onEvent }: EventListener
): Effect.Effect<Heard & Required<Pick<Heard, "answered">>, CallFailed> =>
  Stream.runFoldEffect(events, { uploadMs: 0, dispatchMs: 0, heldMs: 0 } as Heard, (heard, event) =>
    Effect.as(onEvent === undefined ? Effect.void : onEvent(event), hear(heard, event))).pipe(
    Effect.flatMap((heard) => {
      const { answered } = heard
      return answered === undefined
        ? new InferenceFailed({ step: "fetch", reason: "internal", detail: "the client ended without an answer" })
        : Effect.succeed({ ...heard, answered })
    })
  )

const requestOf = (modelId: string, { bucket }: JobChoice) => ({ model: modelId, ...(bucket === undefined ? {} : { bucket }) })

const jobOf = (modelId: string, tensors: ReadonlyArray<Tensor>, choice: JobChoice) => ({ ...requestOf(modelId, choice), inputs: tensors })

/** What a job would meet now, as far as the client can know. @errors InferenceFailed, MountError */
export const estimate = (network: ClientAccess, modelId: string, options: JobChoice = {}): Effect.Effect<JobEstimate, CallFailed> =>
  Effect.flatMap(network.client(options.client), (client) => client.Estimate(requestOf(modelId, options))).pipe(Effect.scoped)

const FLOOR_LOOK_MS = 1_000

const tooLittle = (floorBits: number, { anonymityBits, batch, networkBits, storageBits }: JobEstimate): InferenceFailed =>
  new InferenceFailed({
    step: "plan",
    reason: "too-little-anonymity",
    detail: `${floorBits} bits of anonymity are asked for, and ${anonymityBits.toFixed(2)} are certain now: ${networkBits.toFixed(2)} against an observer of `
      + `the network, ${storageBits.toFixed(2)} against one of storage, where `
      + `${batch === 1 ? "no other job is sure to share the batch" : `${batch} jobs share the batch`}; `
      + "nothing was sent. Ask for less, wait for it, or choose a network with more traffic and cover jobs"
  })

/** The estimate that lets a job go. @errors InferenceFailed `too-little-anonymity` when the floor is not reached in time */
const awaitFloor = (
  network: ClientAccess, modelId: string, { floorWaitMs = 0, minAnonymityBits = 0, onEstimate = () => Effect.void, ...options }: JobChoice & AnonymityFloor
): Effect.Effect<JobEstimate, CallFailed> =>
  Effect.gen(function*() {
    const endMs = (yield* Clock.currentTimeMillis) + floorWaitMs
    while (true) {
      const estimated = yield* estimate(network, modelId, options)
      const leftMs = endMs - (yield* Clock.currentTimeMillis)
      if (estimated.anonymityBits >= minAnonymityBits) return yield* Effect.as(onEstimate(estimated), estimated)
      if (leftMs <= 0) return yield* Effect.zipRight(onEstimate(estimated), tooLittle(minAnonymityBits, estimated))
      yield* Effect.sleep(Math.min(FLOOR_LOOK_MS, leftMs))
    }
  })

/**
 * One inference on ready-made tensors.
 * @errors InferenceFailed, OutputInvalid for an answer that is no tensors, MountError when the client actor is not there
 */
export const inferTensors = (
  network: ClientAccess, modelId: string, tensors: ReadonlyArray<Tensor>, options: JobChoice & EventListener & AnonymityFloor = {}
): Effect.Effect<TensorAnswer, CallFailed | OutputInvalid> =>
  Effect.gen(function*() {
    const estimated = yield* awaitFloor(network, modelId, options)
    const client = yield* network.client(options.client)
    const { answered, dispatchMs, heldMs, planned, uploadMs } = yield* listen(client.Infer(jobOf(modelId, tensors, options)), options)
    const { fetchMs, overflow, packets, totalMs } = answered
    return {
      model: planned?.model ?? modelId,
      version: planned?.version ?? 0,
      outputs: yield* tensorsOfWire(answered.outputs),
      bucket: planned?.bucket ?? options.bucket ?? 1,
      overflow,
      timings: { uploadMs, dispatchMs, heldMs, fetchMs, totalMs },
      packets,
      boxes: { in: planned?.boxesIn ?? 0, out: planned?.boxesOut ?? 0 },
      estimate: estimated,
      warnings: planned?.warnings ?? []
    }
  }).pipe(Effect.scoped)

/** Adds what the outputs mean. @errors OutputInvalid when they are not what the card says */
export const withDecoded = (codec: ClientCodec, card: ModelCard, answer: TensorAnswer): Either.Either<InferenceAnswer, OutputInvalid> =>
  Either.map(codec.decodeOutput(card, answer.outputs), ({ tensors, ...decoded }) => ({ ...answer, ...decoded, outputs: tensors }))

/**
 * One inference: upload, dispatch, fetch.
 * @errors InputInvalid before anything is sent; InferenceFailed, OutputInvalid, MountError
 */
export const infer = (
  network: ClientAccess, modelId: string, input: ModelInput, options: JobChoice & EncodeOptions & EventListener & AnonymityFloor = {}
): Effect.Effect<InferenceAnswer, CallFailed | InputInvalid | OutputInvalid> =>
  Effect.gen(function*() {
    const codec = codecOf(network)
    const card = yield* cardOf(network, modelId, options)
    const tensors = yield* codec.encodeInput(card, input, options)
    return yield* withDecoded(codec, card, yield* inferTensors(network, modelId, tensors, options))
  })

/** Step 1 alone: writes the input into storage. @errors InputInvalid, InferenceFailed, MountError */
export const upload = (
  network: ClientAccess, modelId: string, input: ModelInput, options: JobChoice & EncodeOptions = {}
): Effect.Effect<Uploaded, CallFailed | InputInvalid> =>
  Effect.gen(function*() {
    const card = yield* cardOf(network, modelId, options)
    const tensors = yield* codecOf(network).encodeInput(card, input, options)
    const client = yield* network.client(options.client)
    const { input: record } = yield* client.Upload(jobOf(modelId, tensors, options))
    return { model: modelId, record }
  }).pipe(Effect.scoped)

/**
 * Step 2 alone: commissions an uploaded job.
 * @returns the ticket, 256 bytes: whoever holds it can read the answer
 * @errors InferenceFailed, MountError
 */
export const dispatch = (network: ClientAccess, uploaded: Uploaded, options: ClientChoice = {}): Effect.Effect<Uint8Array, CallFailed> =>
  Effect.flatMap(network.client(options.client), (client) => client.Dispatch({ input: uploaded.record })).pipe(
    Effect.map(({ ticket }) => ticket),
    Effect.scoped
  )

const decodeFetched = (
  network: ClientAccess, ticket: Uint8Array, outputs: ReadonlyArray<Tensor>, choice: ClientChoice
): Effect.Effect<Decoded & Pick<FetchedAnswer, "model" | "outputs">, CallFailed | OutputInvalid> =>
  Effect.gen(function*() {
    const named = Either.getOrUndefined(decodeTicket(ticket))?.modelIdHash
    const offered = named === undefined ? [] : yield* network.client(choice.client).pipe(
      Effect.flatMap((client) => client.Models(undefined)),
      Effect.scoped
    )
    const bytes = offered.find(({ card }) => named !== undefined && isSame(modelIdHash(crypto, card), named))?.card
    const card = bytes === undefined ? undefined : Either.getOrUndefined(decodeCard(bytes))
    if (card === undefined) return { model: undefined, outputs }
    const { tensors, ...decoded } = yield* codecOf(network).decodeOutput(card, outputs)
    return { ...decoded, model: card.id, outputs: tensors }
  })

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index])

/**
 * Step 5 alone, by any client: waits for the edge and reads the answer.
 * @param ticket  256 bytes from `dispatch`
 * @errors InferenceFailed, OutputInvalid, MountError
 */
export const fetch = (
  network: ClientAccess, ticket: Uint8Array, options: ClientChoice & EventListener = {}
): Effect.Effect<FetchedAnswer, CallFailed | OutputInvalid> =>
  Effect.gen(function*() {
    const client = yield* network.client(options.client)
    const { answered, heldMs } = yield* listen(client.Fetch({ ticket }), options)
    const { fetchMs, overflow, packets } = answered
    const decoded = yield* decodeFetched(network, ticket, yield* tensorsOfWire(answered.outputs), options)
    return { ...decoded, overflow, timings: { heldMs, fetchMs }, packets }
  }).pipe(Effect.scoped)
