/**
 * The originating side of a courier–replica or replica–replica link: one command per λR tick, a queued one or a decoy.
 *
 * Contract: a command leaves on every Poisson tick, whatever is queued and whatever came back; sends are never gated on replies. `offer` never waits: a
 * full queue refuses. A queued command whose call failed or died goes back to the head of the queue, if there is room; a decoy is forgotten, and so is a
 * command that was offered once, which its owner knows how to send again. What the caller does with a reply cannot bring its command back.
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
  /** Told of every call that failed or died, a decoy's too: what the peer was asked before may stay unanswered. */
  readonly onFailed?: Effect.Effect<void>
}

/** @param once  whether the command is forgotten when its call fails */
export type Offer = (frame: Uint8Array, once?: boolean) => boolean

export interface CommandLink {
  /** False when the queue is full. */
  readonly offer: Offer
  /** Commands that wait now. */
  readonly waiting: () => number
  /** Ticks so far that sent nothing because too many calls were in flight. */
  readonly stalled: () => number
}

/** Calls that may be in flight on one link; an unresponsive peer holds no more. */
export const IN_FLIGHT_LIMIT = 256

interface Queued {
  readonly frame: Uint8Array
  readonly once: boolean
}

/** Starts the link in the caller's scope. */
export const makeCommandLink = <E>(config: CommandLinkConfig<E>): Effect.Effect<CommandLink, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const queue: Array<Queued> = []
    let inFlight = 0
    let stalled = 0
    const putBack = (command: Queued | undefined) =>
      Effect.suspend(() => {
        if (command !== undefined && !command.once && queue.length < config.capacity) queue.unshift(command)
        return config.onFailed ?? Effect.void
      })
    const settle = (command: Queued | undefined) =>
      Effect.suspend(() => config.call(command?.frame ?? config.decoy)).pipe(
        Effect.matchCauseEffect({ onFailure: () => putBack(command), onSuccess: config.onReply }),
        Effect.ensuring(Effect.sync(() => { inFlight -= 1 }))
      )
    const tick = Effect.suspend(() => {
      if (inFlight >= IN_FLIGHT_LIMIT) return Effect.sync(() => { stalled += 1 })
      inFlight += 1
      return Effect.asVoid(Effect.forkIn(settle(queue.shift()), scope))
    })
    yield* Effect.forkScoped(poissonTicks(config.ratePerMs, tick, { sendSlackMs: config.sendSlackMs }))
    return {
      offer: (frame, once = false) => {
        if (queue.length >= config.capacity) return false
        queue.push({ frame, once })
        return true
      },
      waiting: () => queue.length,
      stalled: () => stalled
    }
  })
