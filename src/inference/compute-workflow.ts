/**
 * The clockwork of a compute service: fetch at the end of the quantum, run, seal before the edge, store at the edge.
 *
 * Two clocks tick on the public grid: sealing points (m·q − s), and grid instants (m·q), at which everything due leaves and everything
 * admitted in the quantum before is fetched. What is done at a tick is decided from the journal alone (compute-step.ts), so that a restarted
 * service takes up its work at the next tick, wherever it was interrupted.
 *
 * Contract: nothing is sent before its edge or off the grid; one release sequence per job whatever happens; the loops wait for no model and
 * for no box. Fails only when the journal or the sessions are gone; then the actor is started anew.
 * Knows nothing of: queues, dispatches, models' contents.
 * Source: funion.md §2, §3, §7, §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, FiberSet, type Scope } from "effect"
import type { ModelHost } from "../model/model-host.ts"
import type { BoxStore } from "../storage/box-store.ts"
import { startFetch } from "./compute-fetch.ts"
import type { ComputeJournal } from "./compute-journal.ts"
import { releaseDue, type DataWrites } from "./compute-release.ts"
import { startRuns, type PublishedCard } from "./compute-run.ts"
import { makeCoverWork, noCover, type CoverSetting, type CoverWork } from "./cover-work.ts"
import { sealDue } from "./compute-seal.ts"
import { forkWork, makeComputeState, sleepUntil, type ComputeSetting, type ComputeState, type ComputeStopped } from "./compute-state.ts"

/** The journal is rewritten after so many quanta in which jobs were closed: their wiped contents leave the disk. */
const COMPACT_QUANTA = 16

export interface ComputeWorkflow {
  /** For admissions (compute-admission.ts). */
  readonly state: ComputeState
  /** Admits the cover of a quantum before anything else of it; with `admitting` held. */
  readonly openQuantum: CoverWork["openQuantum"]
  /** Returns when the service has a place for a client's job, or soon will; while `run` runs. */
  readonly covered: CoverWork["covered"]
  /** Runs for ever. @errors ComputeStopped: start anew from the journal */
  readonly run: Effect.Effect<never, ComputeStopped, BoxStore | ModelHost>
  /** Returns when no admission is in progress and no job is open; for a service that admits no more. */
  readonly idle: Effect.Effect<void>
}

/** Ticks at every m·q − leadMs that lies ahead, for ever; late ones are served once, for the newest instant. */
const onGrid = <E, R>(quantumMs: number, leadMs: number, onTick: (instantMs: number) => Effect.Effect<void, E, R>): Effect.Effect<never, E, R> =>
  Effect.forever(Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    yield* sleepUntil((Math.floor((nowMs + leadMs) / quantumMs) + 1) * quantumMs - leadMs)
    const wokenMs = yield* Clock.currentTimeMillis
    yield* onTick(Math.floor((wokenMs + leadMs) / quantumMs) * quantumMs - leadMs)
  }))

const awaitIdle = (state: ComputeState): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const check = (): void => {
      if (state.journal.openJobs().length > 0) return
      state.onClosed.delete(check)
      resume(Effect.void)
    }
    state.onClosed.add(check)
    check()
    return Effect.sync(() => {
      state.onClosed.delete(check)
    })
  })

/** Rewrites the journal now and then, when there is something to forget. */
const makeCompaction = (state: ComputeState): ((gridMs: number) => Effect.Effect<void, ComputeStopped>) => {
  let closedSince = false
  let quantaSince = 0
  state.onClosed.add(() => {
    closedSince = true
  })
  return (nowMs) => Effect.suspend(() => {
    quantaSince += 1
    if (!closedSince || quantaSince < COMPACT_QUANTA) return Effect.void
    closedSince = false
    quantaSince = 0
    const { epochPeriodMs, quantumMs } = state.setting
    return Effect.asVoid(state.journal.compact({ nowMs, quantumMs, epochPeriodMs }))
  })
}

/**
 * The clockwork over an opened journal; forked work ends with the scope.
 * @param cards  as published: dispatches name them by hash
 * @param coverSetting  nothing: a service without cover jobs
 */
export const makeComputeWorkflow = (
  setting: ComputeSetting,
  journal: ComputeJournal,
  cards: ReadonlyArray<PublishedCard>,
  coverSetting?: CoverSetting
): Effect.Effect<ComputeWorkflow, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state = yield* makeComputeState(setting, journal)
    const { quantumMs, sealBeforeEdgeMs } = setting
    const cover = coverSetting === undefined ? noCover : makeCoverWork(state, coverSetting)
    const dataWrites: DataWrites = new Set()
    const compact = makeCompaction(state)
    const runs = startRuns(state, cards)
    const onGridInstant = (gridMs: number) =>
      Effect.gen(function* () {
        // an admission in progress belongs to the quantum that has just ended
        yield* state.admitting.withPermits(1)(Effect.void)
        yield* sealDue(state, gridMs)
        yield* forkWork(state, releaseDue(state, dataWrites, gridMs))
        yield* startFetch(state, gridMs, runs)
        yield* forkWork(state, cover.onGridInstant(gridMs))
        yield* forkWork(state, compact(gridMs))
      })
    const begin = Effect.gen(function* () {
      yield* sealDue(state, yield* Clock.currentTimeMillis)
      yield* runs
      yield* cover.begin
    })
    const loops = [
      onGrid(quantumMs, sealBeforeEdgeMs, (sealingMs) => sealDue(state, sealingMs)),
      onGrid(quantumMs, 0, onGridInstant),
      FiberSet.join(state.fibers)
    ]
    const run = begin.pipe(Effect.zipRight(Effect.all(loops, { concurrency: "unbounded", discard: true })), Effect.zipRight(Effect.never))
    const { covered, openQuantum } = cover
    return { state, openQuantum, covered, run, idle: Effect.zipRight(state.admitting.withPermits(1)(Effect.void), awaitIdle(state)) }
  })
