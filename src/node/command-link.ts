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
import { Cause, Effect, Exit, FiberSet, type Runtime, type Scope } from "effect"
import { followCall } from "../actor/actor.ts"
import { reportCrash } from "../actor/crash-report.ts"
import { poissonTicks } from "../mixnet/pacer.ts"

export interface CommandLinkConfig<E> {
  readonly ratePerMs: number
  readonly sendSlackMs: number
  /** Commands that may wait. */
  readonly capacity: number
  readonly decoy: Uint8Array
  /** Begins to send one frame; gives what is left of that, up to the peer's reply frame. */
  readonly call: (frame: Uint8Array) => Effect.Effect<Uint8Array, E>
  /** Gives what is left to do with a reply. */
  readonly onReply: (frame: Uint8Array) => Effect.Effect<void> | undefined
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

/** A defect stays with the command that it is of: the link and the timer or socket that reports an end go on. */
const attempt = <A, B>(work: () => A, orElse: (defect: unknown) => B): A | B => {
  try {
    return work()
  } catch (defect) {
    return orElse(defect)
  }
}

/** Makes a call. @returns calls it off */
const begin = <E>(
  { call: callOf }: Pick<CommandLinkConfig<E>, "call">, runtime: Runtime.Runtime<never>, frame: Uint8Array,
  ended: (exit: Exit.Exit<Uint8Array, E>) => void
): () => void => {
  const call = attempt(() => callOf(frame), (defect) => Exit.die(defect))
  return attempt(() => followCall(runtime, call, ended), (defect) => (ended(Exit.die(defect)), () => undefined))
}

/** Starts the link in the caller's scope. */
export const makeCommandLink = <E>(config: CommandLinkConfig<E>): Effect.Effect<CommandLink, never, Scope.Scope> =>
  Effect.gen(function*() {
    const runtime = yield* Effect.runtime<never>()
    const queue: Array<Queued> = []
    const calls = new Set<() => void>()
    const follow = yield* FiberSet.makeRuntime<never>()
    let stalled = 0
    /** What comes after a call that ended, if anything. */
    const settle = (command: Queued | undefined, exit: Exit.Exit<Uint8Array, E>): Effect.Effect<void> | undefined => {
      if (Exit.isSuccess(exit)) return attempt(() => config.onReply(exit.value), (defect) => reportCrash("a reply was dropped", Cause.die(defect), {}))
      if (command !== undefined && !command.once && queue.length < config.capacity) queue.unshift(command)
      return config.onFailed
    }
    const tick = (): undefined => {
      if (calls.size >= IN_FLIGHT_LIMIT) {
        stalled += 1
        return undefined
      }
      const command = queue.shift()
      let stop = (): void => undefined
      const callOff = (): void => stop()
      calls.add(callOff)
      const ended = (exit: Exit.Exit<Uint8Array, E>): void => {
        if (!calls.delete(callOff)) return
        const rest = settle(command, exit)
        if (rest !== undefined) follow(rest)
      }
      stop = begin(config, runtime, command?.frame ?? config.decoy, ended)
      return undefined
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => {
      const open = [...calls]
      calls.clear()
      for (const callOff of open) callOff()
    }))
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
