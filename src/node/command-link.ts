/**
 * The originating side of a courier–replica or replica–replica link: one command per λR tick, a queued one or a decoy.
 *
 * Contract: a command leaves on every Poisson tick, whatever is queued and whatever came back; sends are never gated on replies. `offer` never waits: a
 * full queue refuses. A queued command whose call failed or died goes back to the head of the queue, if there is room; a decoy is forgotten. What the
 * caller does with a reply cannot bring its command back.
 * Knows nothing of: what commands mean.
 * Source: pigeonhole.md §5.7; departures: calls in flight are bounded; beyond the bound a tick sends nothing and is counted.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { poissonTicks } from "../mixnet/pacer.ts"

export interface CommandLinkConfig<E> {
  readonly ratePerMs: number
  readonly sendSlackMs: number
  /** Commands that may wait. */
  readonly capacity: number
  readonly decoy: Uint8Array
  /** Sends one frame and gives the peer's reply frame. */
  readonly call: (frame: Uint8Array) => Effect.Effect<Uint8Array, E>
  readonly onReply: (frame: Uint8Array) => Effect.Effect<void>
}

export interface CommandLink {
  /** False when the queue is full. */
  readonly offer: (frame: Uint8Array) => boolean
  /** Commands that wait now. */
  readonly waiting: () => number
  /** Ticks so far that sent nothing because too many calls were in flight. */
  readonly stalled: () => number
}

/** Calls that may be in flight on one link; an unresponsive peer holds no more. */
export const IN_FLIGHT_LIMIT = 256

/** Starts the link in the caller's scope. */
export const makeCommandLink = <E>(config: CommandLinkConfig<E>): Effect.Effect<CommandLink, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const queue: Array<Uint8Array> = []
    let inFlight = 0
    let stalled = 0
    const putBack = (frame: Uint8Array | undefined) =>
      Effect.sync(() => { if (frame !== undefined && queue.length < config.capacity) queue.unshift(frame) })
    const settle = (frame: Uint8Array | undefined) =>
      Effect.suspend(() => config.call(frame ?? config.decoy)).pipe(
        Effect.matchCauseEffect({ onFailure: () => putBack(frame), onSuccess: config.onReply }),
        Effect.ensuring(Effect.sync(() => { inFlight -= 1 }))
      )
    const tick = Effect.suspend(() => {
      if (inFlight >= IN_FLIGHT_LIMIT) return Effect.sync(() => { stalled += 1 })
      inFlight += 1
      return Effect.asVoid(Effect.forkIn(settle(queue.shift()), scope))
    })
    yield* Effect.forkScoped(poissonTicks(config.ratePerMs, tick, { sendSlackMs: config.sendSlackMs }))
    return {
      offer: (frame) => {
        if (queue.length >= config.capacity) return false
        queue.push(frame)
        return true
      },
      waiting: () => queue.length,
      stalled: () => stalled
    }
  })
