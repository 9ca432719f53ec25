/**
 * Poisson ticks: when things leave, whatever there is to send.
 *
 * Contract: gaps are independent exponential draws; each is added to the previous due time, not to the time at which the tick was served, so the mean
 * rate holds however late single ticks are served. A tick that can be served only more than `sendSlackMs` after its due time is dropped and
 * counted: a loop that stood still goes on with its schedule and never makes up for missed ticks in a burst.
 * Knows nothing of: what a tick sends.
 * Source: mixnet.md §3, §4.2, §5 ("forwarded close to its due time or dropped"); departures: gaps are not rounded to whole milliseconds, and the
 * mean gap is not cut to a whole number of them.
 *
 * @module
 */
import { Cause, Effect, Exit, Fiber, Runtime } from "effect"
import { makeTimer, type Timer } from "../actor/timer.ts"
import { promptUniform } from "../crypto/entropy.ts"
import { CLOCK_GRAIN_MS, sampleExponentialMs } from "./delay.ts"

/** Ticks that are served in one turn of the event loop, at most. */
const TICKS_PER_TURN = 64

/** What a stream is to be now. */
export interface Pace {
  /** Ticks per millisecond, above zero. */
  readonly ratePerMs: number
  /** Longest lateness at which a tick is still served, in milliseconds. */
  readonly sendSlackMs: number
}

/** A tick's work: what it leaves to do, if anything, the next tick waits for. */
export type OnTick<E, R> = () => Effect.Effect<void, E, R> | undefined

export interface PacerOptions<E, R> {
  /** Asked at the beginning and after every tick; a new pace begins then. Undefined: no ticks for now. */
  readonly pace: () => Pace | undefined
  /** Until `pace` is asked again while there is none, in milliseconds. */
  readonly lookMs: number
  readonly onTick: OnTick<E, R>
  /** Told of every dropped tick. */
  readonly onDropped?: (() => void) | undefined
}

interface Around<R> {
  readonly nowMs: () => number
  readonly timer: Timer
  readonly uniform: () => number
  readonly runtime: Runtime.Runtime<R>
}

/** One stream of ticks; it lives on timers and has a fiber only while a tick's work goes on. */
class TickStream<E, R> {
  readonly #options: PacerOptions<E, R>
  readonly #around: Around<R>
  readonly #end: (cause: Cause.Cause<E>) => void
  #pace: Pace | undefined
  #dueMs = 0
  #callOff: (() => void) | undefined
  #work: Fiber.RuntimeFiber<void, E> | undefined
  #isStopped = false

  constructor(options: PacerOptions<E, R>, around: Around<R>, end: (cause: Cause.Cause<E>) => void) {
    this.#options = options
    this.#around = around
    this.#end = end
  }

  start(): void {
    this.#guarded(() => {
      if (this.#draw()) this.#serve()
    })
  }

  readonly stop = Effect.suspend(() => {
    this.#isStopped = true
    this.#callOff?.()
    return this.#work === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.#work))
  })

  /** Asks for the pace and draws the next tick; false, and another look later, while there is none. */
  #draw(): boolean {
    const pace = this.#options.pace()
    const isAsBefore = pace?.ratePerMs === this.#pace?.ratePerMs && pace?.sendSlackMs === this.#pace?.sendSlackMs
    this.#pace = pace
    if (pace === undefined) {
      this.#wait(() => this.start(), this.#options.lookMs)
      return false
    }
    const { nowMs, uniform } = this.#around
    if (!isAsBefore) this.#dueMs = nowMs()
    this.#dueMs += sampleExponentialMs(uniform(), pace.ratePerMs)
    return true
  }

  /** Serves the ticks that are due, and waits for the one that is not. */
  #serve(): void {
    for (let served = 0; !this.#isStopped; served++) {
      const waitMs = this.#dueMs - this.#around.nowMs()
      if (waitMs > CLOCK_GRAIN_MS || served === TICKS_PER_TURN) return this.#wait(() => this.#guarded(() => this.#serve()), Math.max(0, waitMs))
      if (-waitMs > (this.#pace?.sendSlackMs ?? 0)) this.#options.onDropped?.()
      else if (this.#isAtWork(this.#options.onTick())) return
      if (!this.#draw()) return
    }
  }

  /** True when a tick has something left to do; the stream goes on after it. */
  #isAtWork(left: Effect.Effect<void, E, R> | undefined): boolean {
    if (left === undefined) return false
    const fiber = Runtime.runFork(this.#around.runtime, left)
    this.#work = fiber
    fiber.addObserver((exit) => {
      this.#work = undefined
      if (this.#isStopped) return
      if (Exit.isFailure(exit)) this.#fail(exit.cause)
      else this.start()
    })
    return true
  }

  #wait(task: () => void, delayMs: number): void {
    if (!this.#isStopped) this.#callOff = this.#around.timer(task, delayMs)
  }

  #fail(cause: Cause.Cause<E>): void {
    this.#isStopped = true
    this.#end(cause)
  }

  #guarded(step: () => void): void {
    try {
      step()
    } catch (defect) {
      this.#fail(Cause.die(defect))
    }
  }
}

/**
 * Ticks for ever.
 * @errors what the work of a tick fails with, or dies of
 */
export const paced = <E = never, R = never>(options: PacerOptions<E, R>): Effect.Effect<never, E, R> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const around = {
      nowMs: () => clock.unsafeCurrentTimeMillis(), timer: yield* makeTimer, uniform: yield* promptUniform, runtime: yield* Effect.runtime<R>()
    }
    return yield* Effect.async<never, E>((resume) => {
      const stream = new TickStream(options, around, (cause) => resume(Exit.failCause(cause)))
      stream.start()
      return stream.stop
    })
  })

/** Ticks of one rate, for ever. A rate that is not positive is a mistake of ours. */
export const poissonTicks = <E = never, R = never>(
  ratePerMs: number, onTick: OnTick<E, R>, { onDropped, sendSlackMs }: { readonly sendSlackMs: number; readonly onDropped?: () => void }
): Effect.Effect<never, E, R> => {
  if (!(ratePerMs > 0)) throw new RangeError("a tick rate must be positive")
  const pace = { ratePerMs, sendSlackMs }
  return paced({ pace: () => pace, lookMs: 0, onTick, onDropped })
}
