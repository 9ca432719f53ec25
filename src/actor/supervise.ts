/**
 * Keeps actors alive: a crashed actor is built anew after a pause that grows.
 *
 * Contract: a life runs in its own scope; when it ends in any way but interruption that scope is closed first, the crash is counted and logged, and
 * the life starts again after min(5 s, 50 ms · 2^n) times a factor uniform in [0.5, 1], n counting crashes since the actor was last up for a minute.
 * Stopping an actor, or closing the supervisor's scope, runs its finalizers and waits for them.
 * Knows nothing of: what actors do. State that must survive a crash lives outside of the life.
 * Source: effect-notes.md §5; departures: the pause falls back after a minute *up*, not a minute after the first crash.
 *
 * @module
 */
import { Cause, Clock, Effect, Exit, FiberMap, Metric, Random, type Scope } from "effect"
import { reportCrash } from "./crash-report.ts"

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000
/** An actor that was up this long is taken to be healthy again. */
const HEALTHY_AFTER_MS = 60_000

const restarts = Metric.counter("actor_restarts", { incremental: true })
const upGauge = Metric.gauge("actor_up")

/**
 * An actor's whole life: acquires what it needs in its scope, runs `ready` once it serves, then runs its loops for ever. Any loop that fails must
 * fail the life: race or join them, a forked loop's failure is seen by nobody.
 */
export type Life<E = never, R = never> = (ready: Effect.Effect<void>) => Effect.Effect<never, E, R>

export interface ActorHealth {
  readonly state: "starting" | "up" | "down"
  /** Starts after the first one. */
  readonly restartCount: number
}

export interface Supervisor {
  /** Starts an actor; one that runs under the same name is stopped first. Does not wait until it is up. */
  readonly start: <E, R>(name: string, life: Life<E, R>) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  /** Interrupts an actor and waits for its finalizers. */
  readonly stop: (name: string) => Effect.Effect<void>
  /** Actors that were started and not stopped. */
  readonly health: Effect.Effect<ReadonlyMap<string, ActorHealth>>
}

/** Milliseconds to wait before restart number `crashCount`, counted from 1. @param u  uniform in [0, 1) */
export const restartPauseMs = (crashCount: number, u: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (crashCount - 1)) * (1 - u / 2)

/** Runs one life again and again; `report` is told every change of health. Ends by interruption only. */
const liveForEver = <E, R>(
  name: string,
  life: Life<E, R>,
  report: (health: ActorHealth) => Effect.Effect<void>
): Effect.Effect<never, never, Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    let restartCount = 0
    let crashCount = 0
    while (true) {
      let upSinceMs: number | undefined
      yield* report({ state: "starting", restartCount })
      const ready = Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        upSinceMs ??= nowMs
        return report({ state: "up", restartCount })
      })
      const exit = yield* Effect.exit(Effect.scoped(life(ready)))
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
      const diedMs = yield* Clock.currentTimeMillis
      crashCount = upSinceMs !== undefined && diedMs - upSinceMs >= HEALTHY_AFTER_MS ? 1 : crashCount + 1
      yield* report({ state: "down", restartCount })
      yield* reportCrash("actor crashed", cause, { actor: name, restartCount })
      yield* Effect.sleep(restartPauseMs(crashCount, yield* Random.next))
      restartCount += 1
      yield* Metric.increment(Metric.tagged(restarts, "actor", name))
    }
  })

/** A supervisor whose actors end with the scope. */
export const makeSupervisor: Effect.Effect<Supervisor, never, Scope.Scope> = Effect.gen(function*() {
  const fibers = yield* FiberMap.make<string>()
  const healths = new Map<string, ActorHealth>()
  const start: Supervisor["start"] = (name, life) => {
    const report = (health: ActorHealth): Effect.Effect<void> =>
      Effect.zipRight(
        Effect.sync(() => healths.set(name, health)),
        Metric.set(Metric.tagged(upGauge, "actor", name), health.state === "up" ? 1 : 0)
      )
    return stop(name).pipe(
      Effect.zipRight(report({ state: "starting", restartCount: 0 })),
      Effect.zipRight(FiberMap.run(fibers, name, liveForEver(name, life, report))),
      Effect.asVoid
    )
  }
  const stop = (name: string): Effect.Effect<void> =>
    Effect.zipRight(FiberMap.remove(fibers, name), Effect.sync(() => {
      healths.delete(name)
    }))
  return { start, stop, health: Effect.sync(() => new Map(healths)) }
})
