/**
 * Step 5, fetch: the releases of one job, from the edge on.
 *
 * Contract: nothing is polled before the edge and its window; the manifest's box first, after Exp(mean q), again after Exp(mean q) each, until the
 * end of polling. Once it is there all other slots of the release are read in one shuffle, whatever it says. A release of which storage could not
 * give a slot is read once more, whole; one that its writer filled with something else is not, since reading twice would show it (O10, O18).
 * What comes out is checked: manifest, slots, hash. Ends within its limits.
 * Knows nothing of: who asked for the job, the journal.
 * Source: funion.md §3, §6.4, §7 (O4, O10); pigeonhole.md §8.4; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Random } from "effect"
import type { MessageBoxIndex } from "../bacap/box-index.ts"
import type { ReadCap } from "../bacap/capability.ts"
import { maxOutputBytes, type ModelCard } from "../model/card.ts"
import { matchSpecs } from "../model/tensor-spec.ts"
import type { Tensor } from "../model/tensor.ts"
import { boxPlaintextBytes, type MixnetParams } from "../params/mixnet-params.ts"
import { boxesOfClass } from "../params/size-class.ts"
import { BoxStore, meanRoundTripMs } from "../storage/box-store.ts"
import { readSlots, windowCountFor, type ReadFate } from "../storage/box-stream.ts"
import { firstPollMs, nextPollMs, POLL_QUANTA, pollEndMs, quantaToNext } from "./bucket.ts"
import { failureSentence, jobFailed, type JobFailed } from "./client-failure.ts"
import { sleepUntil, transferLimitMs, type ClientSetting } from "./client-setting.ts"
import { slotIndexes } from "./job-capabilities.ts"
import { openRelease, type OpenedRelease, type ReleaseRecord } from "./release-record.ts"
import { payloadBytesOfClass, tensorsOfContent } from "./slots.ts"
import type { AttestedBy, ExpectedManifest } from "./stream-manifest.ts"

/** What a fetch needs of the client. */
export type FetchSetting = Pick<ClientSetting, "crypto" | "store" | "sessionCount">

/** The output stream of one job, as its reader knows it. */
export interface OutputStream {
  readonly params: MixnetParams
  /** w */
  readonly releaseWindowMs: number
  /** R_out */
  readonly readCap: ReadCap
  readonly outputClass: number
  /** 16 bytes */
  readonly outputTag: Uint8Array
  /** Edge of every release r, ascending */
  readonly edgesMs: ReadonlyArray<number>
  /** Unknown when a ticket does not say it */
  readonly card: ModelCard | undefined
  /** Present: releases must be signed. */
  readonly attestedBy: AttestedBy | undefined
}

export interface ReleaseOptions {
  readonly releaseIndex: number
  /** Polling ends here; at least one poll is made. */
  readonly endMs: number
  /** Called when the edge has passed. */
  readonly onEdge: Effect.Effect<void>
  /** Called after every slot that was read; must not wait. */
  readonly onRead: (done: number, total: number) => Effect.Effect<void>
}

/** Name for a tensor that came alone when no card names it. */
const UNNAMED = "output"
/** Readings of a release: the first, and one more when storage did not give all of it. */
const READ_ATTEMPTS = 2

const NOT_FOUND = jobFailed("fetch", "output-not-found", "storage does not hold the answer; the service did not deliver it, or it has expired")
const WITHDRAWN = jobFailed("fetch", "output-withdrawn", "the answer was withdrawn from storage")
const DAMAGED = jobFailed("fetch", "output-damaged", "what storage holds is not an answer of this job: it is damaged or was written by somebody else")

const expectedOf = (output: OutputStream, releaseIndex: number): ExpectedManifest => {
  const boxBytes = boxPlaintextBytes(output.params)
  const classBytes = payloadBytesOfClass(boxBytes, output.outputClass)
  return {
    boxBytes,
    classId: output.outputClass,
    jobTag: output.outputTag,
    payloadBytesLimit: output.card === undefined ? classBytes : Math.min(classBytes, maxOutputBytes(output.card)),
    stream: {
      _tag: "Output", releaseIndex, releaseCount: output.edgesMs.length, staged: false,
      quantaToNext: quantaToNext(output.params.quantumMs, output.edgesMs, releaseIndex),
      ...(output.attestedBy === undefined ? {} : { attestedBy: output.attestedBy })
    }
  }
}

/** There is a box, if only one whose writer filled it with garbage. */
const isThere = (fate: ReadFate): boolean =>
  fate instanceof Uint8Array || fate._tag === "Tombstone" || (fate._tag === "StorageError" && fate.reason === "box-invalid")

/** The writer's own bytes, which another reading would give again. */
const isWritten = (fate: ReadFate | undefined): boolean => fate instanceof Uint8Array || (fate?._tag === "StorageError" && fate.reason === "box-invalid")

/** The box of the manifest, as soon as there is something in it. @errors JobFailed `output-not-found` */
const pollManifest = (
  { store }: FetchSetting,
  output: OutputStream,
  index: MessageBoxIndex,
  { endMs, releaseIndex }: ReleaseOptions
): Effect.Effect<ReadFate, JobFailed> =>
  Effect.gen(function* () {
    const { quantumMs } = output.params
    const edgeMs = output.edgesMs[releaseIndex] ?? endMs
    const grid = { quantumMs, releaseWindowMs: output.releaseWindowMs }
    const lastEdgeMs = output.edgesMs.at(-1) ?? edgeMs
    const startedMs = yield* Clock.currentTimeMillis
    const onTimeMs = firstPollMs(grid, edgeMs, lastEdgeMs, yield* Random.next)
    let pollMs = onTimeMs > startedMs ? onTimeMs : Math.min(nextPollMs(quantumMs, startedMs, yield* Random.next), Math.max(endMs, startedMs))
    while (true) {
      yield* sleepUntil(pollMs)
      const fate: ReadFate = yield* Effect.merge(store.read(output.readCap, index))
      if (isThere(fate)) return fate
      pollMs = nextPollMs(quantumMs, yield* Clock.currentTimeMillis, yield* Random.next)
      if (pollMs > endMs) return yield* NOT_FOUND
    }
  })

/** What reading the slots of a release came to. */
type Reading = Either.Either<OpenedRelease, JobFailed>

const judge = ({ crypto }: FetchSetting, expected: ExpectedManifest, fates: ReadonlyArray<ReadFate | undefined>): Reading => {
  const slots: Array<Uint8Array> = []
  let missing = false
  for (const fate of fates) {
    if (fate instanceof Uint8Array) slots.push(fate)
    else if (fate !== undefined && fate._tag === "Tombstone") return Either.left(WITHDRAWN)
    else missing ||= fate === undefined || fate._tag === "BoxNotFound"
  }
  if (slots.length < fates.length) return Either.left(missing ? NOT_FOUND : DAMAGED)
  return Either.mapLeft(openRelease(crypto, expected, slots), () => DAMAGED)
}

/**
 * Waits for one release and reads it.
 * @errors JobFailed `output-not-found`, `output-withdrawn`, `output-damaged`
 */
export const readRelease = (setting: FetchSetting, output: OutputStream, options: ReleaseOptions): Effect.Effect<OpenedRelease, JobFailed> =>
  Effect.gen(function* () {
    const { releaseIndex } = options
    const slotCount = boxesOfClass(output.outputClass)
    const edgeMs = output.edgesMs[releaseIndex] ?? options.endMs
    const indexes = yield* Either.mapLeft(slotIndexes(setting.crypto, output.readCap.index, releaseIndex * slotCount, slotCount), () => NOT_FOUND)
    const manifestIndex = indexes[0]
    if (manifestIndex === undefined) return yield* NOT_FOUND
    yield* sleepUntil(edgeMs)
    yield* options.onEdge
    const limitMs = transferLimitMs(output.params, slotCount, setting.sessionCount)
    const nowMs = yield* Clock.currentTimeMillis
    const manifest = yield* pollManifest(setting, output, manifestIndex, options).pipe(
      Effect.timeoutFail({ duration: Math.max(options.endMs - nowMs, 0) + limitMs, onTimeout: () => NOT_FOUND })
    )
    let done = 0
    yield* options.onRead(++done, slotCount)
    const readThese = (slots: ReadonlyArray<number>) =>
      readSlots(output.readCap, indexes, slots, {
        windowCount: windowCountFor(output.params, setting.sessionCount),
        retryMisses: true,
        // The manifest was written last, so a miss means that this replica has not heard of the box yet.
        missPauseMs: meanRoundTripMs(output.params),
        onRead: () => Effect.suspend(() => (done < slotCount ? options.onRead(++done, slotCount) : Effect.void))
      }).pipe(
        Effect.provideService(BoxStore, setting.store),
        Effect.timeoutFail({ duration: limitMs, onTimeout: () => jobFailed("fetch", "output-not-found", "storage holds only a part of the answer") })
      )
    const others = Array.from({ length: slotCount - 1 }, (_, index) => index + 1)
    const expected = expectedOf(output, releaseIndex)
    let fates = new Map<number, ReadFate>([...(yield* readThese(others)), [0, manifest]])
    for (let attempt = 1; ; attempt++) {
      const found = Array.from({ length: slotCount }, (_, slot) => fates.get(slot))
      const reading = judge(setting, expected, found)
      if (Either.isRight(reading)) return reading.right
      if (found.every(isWritten) || reading.left === WITHDRAWN || attempt >= READ_ATTEMPTS) return yield* reading.left
      fates = new Map(yield* readThese([0, ...others]))
    }
  })

export interface ReadingOptions {
  /** Called when an edge has passed; `overflow` releases before it said "later". */
  readonly onEdge: (overflow: number) => Effect.Effect<void>
  /** Called after every slot that was read; must not wait. */
  readonly onRead: (done: number, total: number) => Effect.Effect<void>
}

/**
 * Waits for a job's releases and reads them, one after the other, to the last.
 * @returns the last release and the number of those before it
 * @errors as `readRelease`; `output-damaged` when none is the last
 */
export const readToLast = (
  setting: FetchSetting, output: OutputStream, { onEdge, onRead }: ReadingOptions
): Effect.Effect<OpenedRelease & { readonly overflow: number }, JobFailed> =>
  Effect.gen(function* () {
    const { edgesMs, params: { quantumMs }, releaseWindowMs } = output
    const lastEdgeMs = edgesMs.at(-1) ?? 0
    for (const releaseIndex of edgesMs.keys()) {
      // A receiver who comes late polls as long as one who was there.
      const nowMs = yield* Clock.currentTimeMillis
      const endMs = Math.max(pollEndMs({ quantumMs, releaseWindowMs }, lastEdgeMs), nowMs + POLL_QUANTA * quantumMs)
      const release = yield* readRelease(setting, output, { releaseIndex, endMs, onEdge: onEdge(releaseIndex), onRead })
      if (release.last) return { ...release, overflow: releaseIndex }
    }
    return yield* jobFailed("fetch", "output-damaged", "the service never wrote a last record")
  })

/**
 * The outputs that a last release holds.
 * @errors JobFailed `job-failed` for a failure record; `output-damaged` for tensors that are not the card's
 */
export const outputsOf = (output: OutputStream, record: ReleaseRecord): Either.Either<ReadonlyArray<Tensor>, JobFailed> => {
  if (record._tag === "Failure") return Either.left(jobFailed("fetch", "job-failed", failureSentence(record.code)))
  if (record._tag !== "Result") return Either.left(DAMAGED)
  const { card } = output
  const limitBytes = card === undefined ? record.content.payload.length : maxOutputBytes(card)
  const tensors = Either.mapLeft(tensorsOfContent(record.content, card?.outputs[0]?.name ?? UNNAMED, limitBytes), () => DAMAGED)
  return card === undefined ? tensors : Either.flatMap(tensors, (found) => Either.mapLeft(matchSpecs(card.outputs, found), () => DAMAGED))
}

