/**
 * The rest between the end of one job and the upload of the next, so that the second cannot be dated by the first.
 *
 * Contract: before anything has ended an upload starts at once. After an answer was read it starts at a uniform instant of the next quantum; within
 * four quanta of a failure, at a uniform instant of the next four. What was refused before anything was sent counts for nothing.
 * Knows nothing of: what jobs hold, journals; a restart forgets it.
 * Source: funion.md §7 (O15, O17); departures: none.
 *
 * @module
 */
import { Clock, Effect, Random } from "effect"
import { NEW_JOB_QUANTA, newJobInstantMs, quantumIndexAt, uniformInNextQuantumMs } from "./bucket.ts"
import type { JobFailed } from "./client-failure.ts"
import { sleepUntil } from "./client-setting.ts"

export interface ClientRest {
  /** Waits until an upload may start. */
  readonly beforeUpload: (quantumMs: number) => Effect.Effect<void>
  /** Notes that an answer was read just now. */
  readonly noteAnswer: Effect.Effect<void>
  readonly noteFailure: (failure: Pick<JobFailed, "step">) => Effect.Effect<void>
}

export const makeClientRest = (): ClientRest => {
  let answered = false
  let failedAtMs: number | undefined
  return {
    beforeUpload: (quantumMs) =>
      Effect.gen(function* () {
        const nowMs = yield* Clock.currentTimeMillis
        const hasJustFailed = failedAtMs !== undefined && quantumIndexAt(quantumMs, nowMs) - quantumIndexAt(quantumMs, failedAtMs) < NEW_JOB_QUANTA
        if (hasJustFailed) yield* sleepUntil(newJobInstantMs(quantumMs, nowMs, yield* Random.next))
        else if (answered || failedAtMs !== undefined) yield* sleepUntil(uniformInNextQuantumMs(quantumMs, nowMs, yield* Random.next))
      }),
    noteAnswer: Effect.sync(() => {
      answered = true
    }),
    noteFailure: ({ step }) =>
      Effect.map(Clock.currentTimeMillis, (nowMs) => {
        if (step !== "plan") failedAtMs = nowMs
      })
  }
}
