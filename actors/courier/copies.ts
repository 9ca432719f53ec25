/**
 * The copy commands of a courier: one background job each, one answer at once.
 *
 * Contract: a command is answered from what is known of it: in progress, or how it ended. The first sight starts a job; the same command again starts nothing
 * while it is remembered. However a job ends, a defect included, it leaves a verdict. Clearing up comes after the verdict and delays none; beyond a
 * bound of jobs that clear up, boxes are left to expire. A courier with too many running jobs says so by a failure that another courier may mend.
 * Knows nothing of: the network, what is copied.
 * Source: pigeonhole.md §5.5, §7 Y1, Y8, Y11, Y14; departures: jobs that run, and those that clear up, are bounded.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { reportCrash } from "../../src/actor/crash-report.ts"
import { type CopyCommand, type CopyCommandReply, type CopyKey, copyKeyOf } from "../../src/pigeonhole/copy-command.ts"
import { COPY_STATUS, REPLICA_ERROR } from "../../src/pigeonhole/error-code.ts"
import { CopyDesk, IN_PROGRESS } from "./copy-desk.ts"
import { type CopyJob, makeCopyJob } from "./copy-job.ts"
import type { CopySetting } from "./shard-question.ts"

/** Copies that clear up at once. */
export const CLEARING_LIMIT = 32

/** Too many copies are running here: a passing failure of no envelope. */
const BUSY: CopyCommandReply = { status: COPY_STATUS.failed, errorCode: REPLICA_ERROR.internalError, failedEnvelopeIndex: 0n }

export interface Copies {
  /** Answers a command at once. */
  readonly answer: (command: CopyCommand) => Effect.Effect<CopyCommandReply>
  /** Forgets what ended long ago. */
  readonly prune: (nowMs: number) => void
}

/** Jobs live in the caller's scope. @param name  the courier's, for the log */
export const makeCopies = (
  setting: CopySetting, name: string, makeJob: (setting: CopySetting, writeCap: Uint8Array) => CopyJob = makeCopyJob
): Effect.Effect<Copies, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const desk = new CopyDesk()
    let clearing = 0
    const surviving = (what: string) => (cause: Parameters<typeof reportCrash>[1]) => reportCrash(what, cause, { actor: name })
    const verdict = (job: CopyJob) =>
      Effect.catchAllCause(job.run, (cause) => Effect.as(surviving("copy stopped")(cause), job.crashed()))
    const clear = (job: CopyJob) =>
      Effect.suspend(() => {
        if (clearing >= CLEARING_LIMIT) return Effect.void
        clearing += 1
        return Effect.ensuring(Effect.catchAllCause(job.clear, surviving("clearing up stopped")), Effect.sync(() => { clearing -= 1 }))
      })
    const work = (key: CopyKey, writeCap: Uint8Array) =>
      Effect.gen(function*() {
        const job = makeJob(setting, writeCap)
        const reply = yield* verdict(job)
        desk.end(key, reply, yield* Clock.currentTimeMillis)
        yield* clear(job)
      }).pipe(
        Effect.catchAllCause(surviving("copy not begun")),
        Effect.ensuring(Effect.map(Clock.currentTimeMillis, (nowMs) => desk.end(key, BUSY, nowMs)))
      )
    return {
      prune: (nowMs) => desk.prune(nowMs),
      answer: (command) =>
        Effect.gen(function*() {
          const nowMs = yield* Clock.currentTimeMillis
          const key = copyKeyOf(setting.crypto, command)
          const known = desk.find(key, nowMs)
          if (known !== undefined) return known
          if (!desk.start(key, nowMs)) return BUSY
          yield* Effect.forkIn(work(key, command.writeCap), scope)
          return IN_PROGRESS
        })
    }
  })
