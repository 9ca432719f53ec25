/**
 * From the slots of an input to what the job's release will say: open, check, run, frame.
 *
 * Contract: the model runs elsewhere (ModelHost) and is cut at the card's limit; every way in which a job can end without a result is one of
 * the closed failure codes. A run has a journalled attempt before it begins, and at most `workers` runs are in progress; who waits is served
 * in the order in which inputs became complete (O12).
 * Knows nothing of: edges, boxes, who asked.
 * Source: funion.md §3, §6.4, §8; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import { encodeCard, modelIdHash, validateInputs, type ModelCard } from "../model/card.ts"
import { ModelHost } from "../model/model-host.ts"
import type { Tensor } from "../model/tensor.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { finalRelease, type OpenJob } from "./compute-job.ts"
import { forkWork, jobKeyOf, openJobOf, stepContext, type ComputeState, type ComputeStopped } from "./compute-state.ts"
import { nextStep } from "./compute-step.ts"
import { FAILURE_CODES, openInput, type FailureCode, type ReleaseRecord } from "./release-record.ts"
import { contentOfTensors, tensorsOfContent } from "./slots.ts"
import { inputTag } from "./stream-manifest.ts"

/** A card as published, with the hash that names it in dispatches. */
export interface PublishedCard {
  readonly card: ModelCard
  readonly bytes: Uint8Array
  readonly idHash: Uint8Array
}

/** The cards in the order of the host; a card that cannot be encoded is left out, so that nobody can ask for it. */
export const publishedCards = (crypto: CryptoBackend, cards: ReadonlyArray<ModelCard>): ReadonlyArray<PublishedCard> =>
  cards.flatMap((card) => {
    const bytes = Either.getOrUndefined(encodeCard(card))
    return bytes === undefined ? [] : [{ card, bytes, idHash: modelIdHash(crypto, bytes) }]
  })

const failure = (code: FailureCode): ReleaseRecord => ({ _tag: "Failure", code })

/**
 * The tensors of a complete input.
 * @param slots  verified plaintexts of all slots; an empty one is a tombstone
 * @returns the tensors, or the failure code that the input deserves
 */
export const openJobInput = (
  crypto: CryptoBackend,
  job: Pick<OpenJob, "jobId" | "dispatch">,
  card: ModelCard,
  boxBytes: number,
  slots: ReadonlyArray<Uint8Array>
): Either.Either<ReadonlyArray<Tensor>, FailureCode> => {
  if (slots.some((slot) => slot.length === 0)) return Either.left(FAILURE_CODES.inputWithdrawn)
  const expected = {
    boxBytes, classId: job.dispatch.inputClass, jobTag: inputTag(crypto, job.jobId), payloadBytesLimit: card.maxInputBytes,
    stream: { _tag: "Input" }
  } as const
  return Either.gen(function* () {
    const content = yield* Either.mapLeft(openInput(crypto, expected, slots), () => FAILURE_CODES.framing)
    const tensors = yield* Either.mapLeft(tensorsOfContent(content, card.inputs[0]?.name ?? "", card.maxInputBytes), () => FAILURE_CODES.framing)
    return yield* Either.mapLeft(validateInputs(card, tensors), () => FAILURE_CODES.shape)
  })
}

/** Runs one job to its record; a defect on the way counts as a failure of the model. */
const runInput = (
  state: ComputeState,
  cards: ReadonlyArray<PublishedCard>,
  job: OpenJob,
  slots: ReadonlyArray<Uint8Array>
): Effect.Effect<ReleaseRecord, never, ModelHost> =>
  Effect.gen(function* () {
    const host = yield* ModelHost
    const { boxBytes, crypto } = state.setting
    const card = cards.find(({ idHash }) => constantTimeEqual(idHash, job.dispatch.modelIdHash))?.card
    if (card === undefined) return failure(FAILURE_CODES.model)
    const inputs = openJobInput(crypto, job, card, boxBytes, slots)
    if (Either.isLeft(inputs)) return failure(inputs.left)
    const outputs = yield* host.run(card.id, inputs.right, card.maxComputeMs)
    const content = contentOfTensors(outputs)
    return Either.isRight(content) ? { _tag: "Result" as const, content: content.right } : failure(FAILURE_CODES.model)
  }).pipe(
    Effect.catchTag("ModelFailed", ({ code }) => Effect.succeed(failure(code))),
    Effect.catchAllDefect(() => Effect.succeed(failure(FAILURE_CODES.model)))
  )

const isComplete = (slots: ReadonlyArray<Uint8Array | undefined>): slots is ReadonlyArray<Uint8Array> => slots.every((slot) => slot !== undefined)

/** Once a worker is free: journals the attempt, runs, keeps the record for the next sealing point. */
const attempt = (state: ComputeState, cards: ReadonlyArray<PublishedCard>, jobId: Uint8Array): Effect.Effect<void, ComputeStopped, ModelHost> =>
  Effect.gen(function* () {
    const job = openJobOf(state, jobId)
    // the state at the beginning of time: whether there is anything to run does not depend on the instant
    const step = job === undefined ? undefined : nextStep(job, { ...stepContext(state, job, 0), running: false }).production
    if (job === undefined || step === undefined || !isComplete(job.inputSlots) || finalRelease(job) !== undefined) return
    const { inputSlots } = job
    if (step._tag === "Seal") {
      state.results.set(jobKeyOf(job), step.record)
    } else if (step._tag === "Run") {
      yield* state.journal.append({ _tag: "Attempt", jobId, attempt: step.attempt })
      const record = yield* runInput(state, cards, job, inputSlots)
      const now = openJobOf(state, jobId)
      if (now !== undefined && finalRelease(now) === undefined) state.results.set(jobKeyOf(job), record)
    }
  })

/** Starts the run of every open job whose input is complete and which neither runs nor has run. */
export const startRuns = (state: ComputeState, cards: ReadonlyArray<PublishedCard>): Effect.Effect<void, never, ModelHost> =>
  Effect.suspend(() => Effect.forEach(state.journal.openJobs(), (job) => {
    const key = jobKeyOf(job)
    const isReady = isComplete(job.inputSlots) && finalRelease(job) === undefined && !state.runs.has(key) && !state.results.has(key)
    if (!isReady) return Effect.void
    state.runs.add(key)
    return forkWork(state, state.running.withPermits(1)(attempt(state, cards, job.jobId)).pipe(
      Effect.ensuring(Effect.sync(() => state.runs.delete(key)))
    ))
  }, { discard: true }))
