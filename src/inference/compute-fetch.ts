/**
 * Reading inputs: all slots of all jobs of one quantum in one uniform shuffle.
 *
 * Contract: every slot is read whatever the others hold, the manifest among them (O2, O10). A box that is not there, or whose replicas cannot
 * give it, is asked for again after pauses that depend on nothing but the number of misses, until the job's last sealing point. A slot whose
 * plaintext is journalled is never read again.
 * Knows nothing of: manifests, models, releases.
 * Source: funion.md §2 step 3, §7 (O2, O7, O10), §8; departures: a box that its own key cannot open is journalled as a slot of a wrong length,
 * which makes the input fail as badly framed.
 *
 * @module
 */
import { Clock, Effect, Either } from "effect"
import { decodeReadCap, type ReadCap } from "../bacap/capability.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { BoxStore, type BoxStoreService } from "../storage/box-store.ts"
import { readBoxes, type BoxToRead, type ReadFate } from "../storage/box-stream.ts"
import { BoxNotFound, StorageError } from "../storage/storage-error.ts"
import { sealingPointMs } from "./bucket.ts"
import { deriveSlotIndexes } from "./compute-boxes.ts"
import { finalRelease, inputSlotCount, type OpenJob } from "./compute-job.ts"
import { forkWork, jobKeyOf, openJobOf, stepContext, type ComputeState, type ComputeStopped } from "./compute-state.ts"
import { nextStep } from "./compute-step.ts"

/** In place of a plaintext that there is none of: no box has this length. */
const UNREADABLE_SLOT = Uint8Array.of(0)

interface InputSlot {
  readonly jobId: Uint8Array
  readonly slotIndex: number
}

interface FetchJob {
  readonly job: OpenJob
  readonly missingSlots: ReadonlyArray<number>
}

/** The boxes of one job's missing slots; a cap that is none was refused at admission. */
const boxesOf = (crypto: CryptoBackend, { job, missingSlots }: FetchJob): Effect.Effect<ReadonlyArray<BoxToRead<InputSlot>>> =>
  Effect.gen(function* () {
    const readCap: ReadCap | undefined = Either.getOrUndefined(decodeReadCap(crypto, job.dispatch.inputReadCap))
    if (readCap === undefined) return []
    const indexes = yield* deriveSlotIndexes(crypto, readCap.index, 0, inputSlotCount(job))
    return missingSlots.flatMap((slotIndex) => {
      const index = indexes[slotIndex]
      return index === undefined ? [] : [{ key: { jobId: job.jobId, slotIndex }, readCap, index }]
    })
  })

/**
 * A store whose reads miss when replicas cannot answer, so that asking again has one rhythm; what cannot be mended stays an error. A stream
 * whose end has come is not asked for again.
 */
const patientStore = (store: BoxStoreService, endsMs: ReadonlyMap<ReadCap, number>): BoxStoreService => ({
  ...store,
  read: (readCap, index) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
      if (nowMs >= (endsMs.get(readCap) ?? nowMs)) return Effect.fail(new StorageError({ reason: "no-valid-answer" }))
      return Effect.catchTag(store.read(readCap, index), "StorageError", (error) =>
        Effect.fail(error.reason === "box-invalid" || error.reason === "session-closed" ? error : new BoxNotFound()))
    })
})

/** What to journal of a fate; nothing when the slot is still to be read. */
const plaintextOf = (fate: ReadFate): Uint8Array | undefined => {
  if (fate instanceof Uint8Array) return fate.length === 0 ? UNREADABLE_SLOT : fate
  if (fate._tag === "Tombstone") return new Uint8Array(0)
  return fate._tag === "StorageError" && fate.reason === "box-invalid" ? UNREADABLE_SLOT : undefined
}

const keepSlot = (state: ComputeState, { jobId, slotIndex }: InputSlot, fate: ReadFate): Effect.Effect<void, ComputeStopped> => {
  const bytes = plaintextOf(fate)
  const job = openJobOf(state, jobId)
  const isWanted = job !== undefined && finalRelease(job) === undefined && job.inputSlots[slotIndex] === undefined
  if (fate instanceof StorageError && fate.reason === "session-closed") return Effect.fail(fate)
  return bytes === undefined || !isWanted ? Effect.void : state.journal.append({ _tag: "Input", jobId, slotIndex, bytes })
}

const lastSealingPointMs = (state: ComputeState, job: OpenJob): number =>
  sealingPointMs(job.acceptance.lastEdgeMs, state.setting.sealBeforeEdgeMs)

/** Reads the jobs of one batch until all is there or their last sealing point has come. @param onSlot  after a slot is journalled */
const fetchBatch = <R>(
  state: ComputeState,
  batch: ReadonlyArray<FetchJob>,
  onSlot: Effect.Effect<void, never, R>
): Effect.Effect<void, ComputeStopped, BoxStore | R> =>
  Effect.gen(function* () {
    const { crypto, missPauseMs, windowCount } = state.setting
    const store = yield* BoxStore
    const context = yield* Effect.context<R>()
    const onRead = (key: InputSlot, fate: ReadFate): Effect.Effect<void> =>
      Effect.catchAllCause(Effect.provide(Effect.zipRight(keepSlot(state, key, fate), onSlot), context), (cause) =>
        forkWork(state, Effect.failCause(cause)))
    const endsMs = new Map<ReadCap, number>()
    const boxes = (yield* Effect.forEach(batch, (fetched) =>
      Effect.tap(boxesOf(crypto, fetched), (found) => {
        for (const { readCap } of found) endsMs.set(readCap, lastSealingPointMs(state, fetched.job))
      }))).flat()
    const endMs = Math.max(0, ...endsMs.values())
    const nowMs = yield* Clock.currentTimeMillis
    yield* readBoxes(boxes, { windowCount, missPauseMs, retryMisses: true, onRead }).pipe(
      Effect.provideService(BoxStore, patientStore(store, endsMs)),
      Effect.timeoutOption(Math.max(0, endMs - nowMs))
    )
  }).pipe(Effect.ensuring(Effect.sync(() => {
    for (const { job } of batch) state.reads.delete(jobKeyOf(job))
  })))

/**
 * Starts reading what is due at a grid instant.
 * @param onSlot  run after every slot that was journalled
 */
export const startFetch = <R>(
  state: ComputeState,
  gridMs: number,
  onSlot: Effect.Effect<void, never, R>
): Effect.Effect<void, never, BoxStore | R> => Effect.suspend(() => {
  const batch = state.journal.openJobs().flatMap((job): ReadonlyArray<FetchJob> => {
    const { production } = nextStep(job, stepContext(state, job, gridMs))
    const isDue = production._tag === "Read" && production.notBeforeMs <= gridMs && !state.reads.has(jobKeyOf(job))
    return isDue ? [{ job, missingSlots: production.missingSlots }] : []
  })
  if (batch.length === 0) return Effect.void
  for (const { job } of batch) state.reads.add(jobKeyOf(job))
  return forkWork(state, fetchBatch(state, batch, onSlot))
})
