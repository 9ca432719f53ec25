/**
 * Releasing at an edge: the data slots of all jobs due in one uniform shuffle, then all their manifests in one.
 *
 * Contract: nothing is written that is not sealed on disk, nothing before its edge, late work on grid instants only. A manifest is written
 * only when the journal has all data slots of its release as confirmed; what is not confirmed a release window after the edge joins the next
 * grid instant's manifests (O3). A slot that holds other content already counts as confirmed and raises an alarm (O18), so that the number
 * of operations says nothing.
 * Knows nothing of: what a release says.
 * Source: funion.md §2 step 4, §3, §7 (O3, O18, O19), §8; departures: a release that storage has not taken when the jobId may be forgotten is
 * given up, with an alarm.
 *
 * @module
 */
import { Deferred, Effect, Either } from "effect"
import { decodeWriteCap } from "../bacap/capability.ts"
import { BoxStore } from "../storage/box-store.ts"
import { writeBoxes, type BoxToWrite, type WriteFate } from "../storage/box-stream.ts"
import { StorageError } from "../storage/storage-error.ts"
import { forgetAfterMs, slotRangeOf } from "./bucket.ts"
import { deriveSlotIndexes } from "./compute-boxes.ts"
import { releaseSlotCount, type OpenJob } from "./compute-job.ts"
import { closeIfDone, forkWork, openJobOf, releaseKeyOf, sleepUntil, slotKeyOf, stepContext, type ComputeState, type ComputeStopped } from "./compute-state.ts"
import { nextStep } from "./compute-step.ts"

/** One release that is due and not wholly confirmed. */
interface DueRelease {
  readonly job: OpenJob
  readonly releaseIndex: number
  /** `releaseKeyOf` */
  readonly key: string
}

interface OutputSlot {
  readonly release: DueRelease
  readonly slotInRelease: number
}

const confirmedOf = (state: ComputeState, { job, key, releaseIndex }: DueRelease): ReadonlySet<number> =>
  new Set([...(job.sealed[releaseIndex]?.confirmed ?? []), ...(state.confirmed.get(key) ?? [])])

/** Every release whose edge is at or before the grid instant and which is not released. */
const dueReleases = (state: ComputeState, gridMs: number): ReadonlyArray<DueRelease> =>
  state.journal.openJobs().flatMap((job) =>
    nextStep(job, stepContext(state, job, gridMs)).releases.flatMap((step): ReadonlyArray<DueRelease> =>
      step._tag === "AwaitEdge" ? [] : [{ job, releaseIndex: step.releaseIndex, key: releaseKeyOf(job, step.releaseIndex) }]))

const allSlots = ({ job }: DueRelease): ReadonlyArray<number> => Array.from({ length: releaseSlotCount(job) }, (_, slot) => slot)

const isDataConfirmed = (state: ComputeState, release: DueRelease): boolean => {
  const confirmed = confirmedOf(state, release)
  return allSlots(release).every((slot) => slot === 0 || confirmed.has(slot))
}

/** The boxes of those wanted slots that are neither confirmed nor on their way; marks them as on their way. */
const takeBoxes = (
  state: ComputeState,
  release: DueRelease,
  isWanted: (slotInRelease: number) => boolean
): Effect.Effect<ReadonlyArray<BoxToWrite<OutputSlot>>> =>
  Effect.gen(function* () {
    const { job, key, releaseIndex } = release
    const { crypto } = state.setting
    const confirmed = confirmedOf(state, release)
    const slots = allSlots(release).filter((slot) => isWanted(slot) && !confirmed.has(slot) && !state.inFlight.has(slotKeyOf(key, slot)))
    const writeCap = slots.length === 0 ? undefined : Either.getOrUndefined(decodeWriteCap(crypto, job.dispatch.outputWriteCap))
    if (writeCap === undefined) return []
    for (const slot of slots) state.inFlight.add(slotKeyOf(key, slot))
    // a copy: closing a job wipes what the journal holds
    const plaintexts = slots.map((slot) => job.sealed[releaseIndex]?.slots[slot]?.slice())
    const slotCount = releaseSlotCount(job)
    const [firstSlot] = slotRangeOf(releaseIndex, slotCount)
    const indexes = yield* deriveSlotIndexes(crypto, writeCap.index, firstSlot, slotCount)
    return slots.flatMap((slotInRelease, place) => {
      const index = indexes[slotInRelease]
      const plaintext = plaintexts[place]
      return index === undefined || plaintext === undefined ? [] : [{ key: { release, slotInRelease }, writeCap, index, plaintext }]
    })
  })

const noteFate = (state: ComputeState, { release, slotInRelease }: OutputSlot, fate: WriteFate): void => {
  state.inFlight.delete(slotKeyOf(release.key, slotInRelease))
  if (fate instanceof StorageError) return
  if (fate === "exists-with-other-content") state.counters.alarms += 1
  const confirmed = state.confirmed.get(release.key) ?? new Set<number>()
  confirmed.add(slotInRelease)
  state.confirmed.set(release.key, confirmed)
}

/** Writes boxes in one shuffle. @errors StorageError `session-closed`; other errors leave the slot to the next grid instant */
const writeAll = (state: ComputeState, boxes: ReadonlyArray<BoxToWrite<OutputSlot>>, onWritten: (slot: OutputSlot) => Effect.Effect<void>) =>
  writeBoxes(boxes, {
    windowCount: state.setting.windowCount,
    onWritten: (slot, fate) => Effect.suspend(() => {
      noteFate(state, slot, fate)
      if (fate instanceof StorageError) return fate.reason === "session-closed" ? forkWork(state, Effect.fail(fate)) : Effect.void
      return onWritten(slot)
    })
  })

/** Journals what is confirmed and not journalled yet, of one release. */
const journalConfirmed = (state: ComputeState, { job, key, releaseIndex }: DueRelease): Effect.Effect<void, ComputeStopped> =>
  Effect.suspend(() => {
    const known = openJobOf(state, job.jobId)?.sealed[releaseIndex]
    if (known === undefined || known.released) return Effect.void
    const slotsInRelease = [...(state.confirmed.get(key) ?? [])].filter((slot) => !known.confirmed.has(slot)).sort((a, b) => a - b)
    return slotsInRelease.length === 0 ? Effect.void : state.journal.append({ _tag: "Confirmed", jobId: job.jobId, releaseIndex, slotsInRelease })
  })

/** Journals that a release is out, and the end of the job when it was the last; with `settling` held. */
const markReleased = (state: ComputeState, { job, key, releaseIndex }: DueRelease, gridMs: number): Effect.Effect<void, ComputeStopped> =>
  Effect.gen(function* () {
    if (openJobOf(state, job.jobId)?.sealed[releaseIndex]?.released !== false) return
    yield* state.journal.append({ _tag: "Released", jobId: job.jobId, releaseIndex })
    state.confirmed.delete(key)
    state.counters.released += 1
    yield* closeIfDone(state, job.jobId, gridMs)
  })

/** Journals the ends that a crash has left out, and gives up what storage has refused for longer than the jobId is kept. */
const settle = (state: ComputeState, gridMs: number): Effect.Effect<void, ComputeStopped> =>
  state.settling.withPermits(1)(Effect.gen(function* () {
    const { epochPeriodMs, quantumMs } = state.setting
    for (const release of dueReleases(state, gridMs)) {
      const isWhole = isDataConfirmed(state, release) && confirmedOf(state, release).has(0)
      const isHopeless = gridMs > forgetAfterMs(quantumMs, epochPeriodMs, Math.max(release.job.notAfterMs, release.job.acceptance.lastEdgeMs))
      if (isHopeless && !isWhole) state.counters.alarms += 1
      if (isWhole || isHopeless) yield* markReleased(state, release, gridMs)
    }
    for (const job of state.journal.openJobs()) yield* closeIfDone(state, job.jobId, gridMs)
  }))

/** Writes of data that are not finished; a later edge's manifests wait for them as well, within its own window. */
export type DataWrites = Set<Deferred.Deferred<void>>

const awaitData = (dataWrites: DataWrites, untilMs: number): Effect.Effect<void> =>
  Effect.raceFirst(Effect.forEach([...dataWrites], Deferred.await, { discard: true }), sleepUntil(untilMs))

/**
 * One grid instant: everything due leaves. Ends when its manifests are confirmed; instants may overlap.
 * @param gridMs  the grid instant, now or just passed; all sealing points up to it have been served
 */
export const releaseDue = (state: ComputeState, dataWrites: DataWrites, gridMs: number): Effect.Effect<void, ComputeStopped, BoxStore> =>
  Effect.gen(function* () {
    yield* settle(state, gridMs)
    const due = dueReleases(state, gridMs)
    if (due.length === 0) return
    const data = (yield* Effect.forEach(due, (release) => takeBoxes(state, release, (slot) => slot > 0))).flat()
    if (data.length > 0) {
      const written = yield* Deferred.make<void>()
      dataWrites.add(written)
      yield* forkWork(state, writeAll(state, data, () => Effect.void).pipe(
        Effect.ensuring(Effect.suspend(() => {
          dataWrites.delete(written)
          return Deferred.succeed(written, undefined)
        }))
      ))
    }
    yield* awaitData(dataWrites, gridMs + state.setting.releaseWindowMs)
    // asked again: data of earlier edges may have been confirmed meanwhile
    const waiting = dueReleases(state, gridMs)
    yield* Effect.forEach(waiting, (release) => journalConfirmed(state, release), { discard: true })
    const complete = waiting.filter((release) => isDataConfirmed(state, release))
    const manifests = yield* Effect.forEach(complete, (release) => takeBoxes(state, release, (slot) => slot === 0))
    yield* writeAll(state, manifests.flat(), ({ release }) =>
      forkWork(state, state.settling.withPermits(1)(markReleased(state, release, gridMs))))
  })
