/**
 * Loops that outlive their own mistakes.
 *
 * Contract: a loop that dies of a defect is reported and goes on after a pause; it ends with its scope and in no other way. So an actor is never
 * up with one of its loops silently gone.
 * Knows nothing of: what the loop does.
 * Source: supervise.ts (a forked loop's failure is seen by nobody); departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { reportCrash } from "./crash-report.ts"

/** Pause after a defect: short against every period of the protocols, long enough not to flood the log. */
const PAUSE_MS = 1_000

/** Runs `loop` again and again in the caller's scope. @param what  a fixed word for the log  @param actor  who runs it */
export const forkLoop = <R>(what: string, actor: string, loop: Effect.Effect<unknown, never, R>): Effect.Effect<void, never, R | Scope.Scope> =>
  loop.pipe(
    Effect.catchAllCause((cause) => Effect.zipRight(reportCrash(`${what} stopped`, cause, { actor }), Effect.sleep(PAUSE_MS))),
    Effect.forever,
    Effect.forkScoped,
    Effect.asVoid
  )
