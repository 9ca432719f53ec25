/**
 * Crashes and restarts of a schedule, carried out at their instants.
 *
 * Contract: runs until the last one is over. An actor that several faults keep down starts when the last of them is over. Faults of one instant are carried
 * out in the order of the scenario.
 * Knows nothing of: what a stop means to an actor.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import type { FaultSchedule } from "./fault-schedule.ts"

/** Whoever can end an actor and start it again. */
export interface ActorSwitch {
  readonly stop: (name: string) => Effect.Effect<void>
  readonly start: (name: string) => Effect.Effect<void>
}

/** Carries out the crashes and restarts of a schedule that has begun. */
export const carryOut = (schedule: FaultSchedule, actors: ActorSwitch): Effect.Effect<void> =>
  Effect.gen(function*() {
    const startMs = (yield* Clock.currentTimeMillis) - schedule.elapsedMs(yield* Clock.currentTimeMillis)
    const downCount = new Map<string, number>()
    const sleepUntil = (elapsedMs: number) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.sleep(Math.max(0, startMs + elapsedMs - nowMs)))
    const down = (name: string) =>
      Effect.suspend(() => {
        const count = downCount.get(name) ?? 0
        downCount.set(name, count + 1)
        return count === 0 ? actors.stop(name) : Effect.void
      })
    const up = (name: string) =>
      Effect.suspend(() => {
        const count = (downCount.get(name) ?? 1) - 1
        downCount.set(name, count)
        return count === 0 ? actors.start(name) : Effect.void
      })
    yield* Effect.forEach(schedule.afflictions, ({ actor, fromMs, kind, untilMs }) => {
      if (kind !== "crash" && kind !== "restart") return Effect.void
      return sleepUntil(fromMs).pipe(
        Effect.zipRight(down(actor)),
        Effect.zipRight(kind === "crash" ? sleepUntil(untilMs) : Effect.void),
        Effect.zipRight(up(actor))
      )
    }, { concurrency: "unbounded", discard: true })
  })
