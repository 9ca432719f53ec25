/**
 * What a compute service does next about one open job: the crash table as a pure decision, the same in ordinary running and after a restart.
 *
 * Two tracks run beside each other: production (read the input, run, decide what the next edge holds) and release (send what was decided).
 *
 * Contract: the decision depends on the journal's state and the instant alone, so that any number of restarts leads to the same bytes at the
 * same slots. Nothing is ever sent before its edge; what is still unconfirmed after the edge's window, or after a
 * restart, leaves at a grid instant. A result that the caller holds in memory is the caller's to
 * seal before it asks: this function assumes that there is none.
 * Knows nothing of: how slots are read, run or sent.
 * Source: funion.md §3, §8 (second table); departures: a live run that misses t_n is failure 1 when input is missing, else 5 (8 only after a restart).
 *
 * @module
 */
import { gridInstantFrom, sealingPointMs } from "./bucket.ts"
import { ATTEMPT_LIMIT, finalRelease, isAnswered, isFullySealed, type OpenJob } from "./compute-job.ts"
import { FAILURE_CODES, type FailureCode, type ReleaseRecord } from "./release-record.ts"

export interface StepContext {
  readonly nowMs: number
  readonly quantumMs: number
  /** s */
  readonly sealBeforeEdgeMs: number
  /** w */
  readonly releaseWindowMs: number
  /** The job was open when the journal was opened: its run is lost and its work is late. */
  readonly restarted: boolean
  /** A run of this job is in progress in this process. */
  readonly running: boolean
}

export type ProductionStep =
  /** Read these slots, not before the instant, in one shuffle with the other jobs of the quantum. */
  | { readonly _tag: "Read"; readonly missingSlots: ReadonlyArray<number>; readonly notBeforeMs: number }
  /** Journal the attempt, then run. */
  | { readonly _tag: "Run"; readonly attempt: number }
  /** Wait for the run, at most until the sealing point of the next release; then ask again. */
  | { readonly _tag: "AwaitRun"; readonly untilMs: number }
  /** Seal this record for release r now. */
  | { readonly _tag: "Seal"; readonly releaseIndex: number; readonly record: ReleaseRecord }
  /** All releases are sealed. */
  | { readonly _tag: "Done" }

export type ReleaseStep =
  | { readonly _tag: "AwaitEdge"; readonly releaseIndex: number; readonly edgeMs: number }
  /** Send these slots of release r at the instant, in one shuffle with that edge's batch; then, all data confirmed, the manifest. */
  | {
    readonly _tag: "Send"
    readonly releaseIndex: number
    /** Numbers in the release, 1 … n_c − 1 */
    readonly dataSlots: ReadonlyArray<number>
    readonly manifest: boolean
    readonly notBeforeMs: number
  }
  /** Everything is confirmed: journal Released. */
  | { readonly _tag: "MarkReleased"; readonly releaseIndex: number }

export interface NextStep {
  readonly production: ProductionStep
  /** One for each release that is sealed and not released, by r */
  readonly releases: ReadonlyArray<ReleaseStep>
  /** Everything is released, and read back where that is the service's own part: journal Closed. */
  readonly close: boolean
}

const missingInputSlots = (job: OpenJob): ReadonlyArray<number> =>
  job.inputSlots.flatMap((bytes, slot) => (bytes === undefined ? [slot] : []))

const lateFailure = (context: StepContext, inputIsMissing: boolean): FailureCode => {
  if (context.restarted) return FAILURE_CODES.lostInCrash
  return inputIsMissing ? FAILURE_CODES.inputNotFound : FAILURE_CODES.timeLimit
}

/** What release r holds when its sealing point has come and there is no result. */
const fallbackRecord = (job: OpenJob, releaseIndex: number, code: FailureCode): ReleaseRecord => {
  if (releaseIndex === job.edgesMs.length - 1) return { _tag: "Failure", code }
  return job.dispatch.staged ? { _tag: "Empty" } : { _tag: "Overflow" }
}

const nextProduction = (job: OpenJob, context: StepContext): ProductionStep => {
  const releaseIndex = job.sealed.length
  const edgeMs = job.edgesMs[releaseIndex]
  if (edgeMs === undefined || isFullySealed(job)) return { _tag: "Done" }
  if (finalRelease(job) !== undefined) return { _tag: "Seal", releaseIndex, record: { _tag: "Empty" } }
  const missingSlots = missingInputSlots(job)
  const untilMs = sealingPointMs(edgeMs, context.sealBeforeEdgeMs)
  if (context.nowMs >= untilMs) {
    return { _tag: "Seal", releaseIndex, record: fallbackRecord(job, releaseIndex, lateFailure(context, missingSlots.length > 0)) }
  }
  if (context.running) return { _tag: "AwaitRun", untilMs }
  if (missingSlots.length > 0) {
    const { acceptedAtMs } = job.acceptance
    const isLate = context.restarted && context.nowMs > acceptedAtMs
    return { _tag: "Read", missingSlots, notBeforeMs: isLate ? gridInstantFrom(context.quantumMs, context.nowMs) : acceptedAtMs }
  }
  return job.attempts < ATTEMPT_LIMIT
    ? { _tag: "Run", attempt: job.attempts + 1 }
    : { _tag: "Seal", releaseIndex, record: { _tag: "Failure", code: FAILURE_CODES.lostInCrash } }
}

const nextRelease = (job: OpenJob, releaseIndex: number, context: StepContext): ReadonlyArray<ReleaseStep> => {
  const release = job.sealed[releaseIndex]
  const edgeMs = job.edgesMs[releaseIndex]
  if (release === undefined || edgeMs === undefined || release.released) return []
  if (context.nowMs < edgeMs) return [{ _tag: "AwaitEdge", releaseIndex, edgeMs }]
  const unconfirmed = [...release.slots.keys()].filter((slot) => !release.confirmed.has(slot))
  if (unconfirmed.length === 0) return [{ _tag: "MarkReleased", releaseIndex }]
  const isInTime = !context.restarted && context.nowMs <= edgeMs + context.releaseWindowMs
  return [{
    _tag: "Send",
    releaseIndex,
    dataSlots: unconfirmed.filter((slot) => slot > 0),
    manifest: unconfirmed.includes(0),
    notBeforeMs: isInTime ? edgeMs : gridInstantFrom(context.quantumMs, context.nowMs)
  }]
}

/** Decides from the journal's state of an open job. */
export const nextStep = (job: OpenJob, context: StepContext): NextStep => {
  const production = nextProduction(job, context)
  return {
    production,
    releases: job.sealed.flatMap((_, releaseIndex) => nextRelease(job, releaseIndex, context)),
    close: production._tag === "Done" && job.sealed.every((release) => release.released) && isAnswered(job)
  }
}
