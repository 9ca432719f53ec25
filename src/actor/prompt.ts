/**
 * Effects that may have ended already: a fiber's steps are spent only on those that have not.
 *
 * Contract: what these give behaves as what Effect's own functions give, but for this: of an effect that is an `Exit` the continuation runs at once, when the
 * function is called, and may throw there.
 * Knows nothing of: calls, actors.
 * Source: none needed (effect-notes.md §4: what a fiber and its steps cost); departures: none.
 *
 * @module
 */
import { Effect, Exit } from "effect"

export const hasEnded = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> & Effect.Effect<A, E, R> => Exit.isExit(effect)

export const hasSucceeded = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, E> & Effect.Effect<A, E, R> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** As `Effect.flatMap`. */
export const thenNow = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>, next: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => {
  if (hasSucceeded(effect)) return next(effect.value)
  return hasEnded(effect) ? Exit.failCause((effect as Exit.Failure<A, E>).cause) : Effect.flatMap(effect, next)
}

/** What `make` gives; when it throws, an effect that has died. */
export const attempted = <A, E, R>(make: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  try {
    return make()
  } catch (defect) {
    return Exit.die(defect)
  }
}
