/**
 * What the next tick of one stream will send: composed ahead, one packet at a time.
 *
 * Contract: `prepare` leaves the outlet either holding one packet, or waiting `COMPOSE_RETRY_MS` because none can be composed. A queued
 * transmission is preferred to a decoy. One that is withdrawn while it is being composed is dropped and the next one takes its place; one whose
 * destination cannot be reached at present is settled `NotComposed`. Keys of a packet that will not leave are overwritten. While transmissions are held,
 * decoys take their place on the same ticks; the one that was ready when the hold began is the first to leave after it.
 * Knows nothing of: ticks, the port, replies.
 * Source: mixnet.md §4.2 (compose ahead), §4.4 (composing fails: retry in 1 s); departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { zeroize } from "../crypto/zeroize.ts"
import { type ComposedPacket, type ComposeFailed, type Composer, isMade } from "./composer.ts"
import type { Transmission, TransmissionQueue } from "./transmission-queue.ts"

/** Wait after a packet could not be composed. */
export const COMPOSE_RETRY_MS = 1000

/** One packet that is ready, and the transmission that it carries unless it is a decoy. */
export interface Prepared<Owner> {
  readonly composed: ComposedPacket
  readonly transmission: Transmission<Owner> | undefined
}

export interface OutletOptions<Owner> {
  readonly composer: Composer
  /** Absent for a stream of decoys only. */
  readonly queue?: TransmissionQueue<Owner>
  /** True while no transmission may leave. */
  readonly isHeld?: () => boolean
  /** Told of every transmission that no longer waits in the queue. */
  readonly onLeftQueue: (transmission: Transmission<Owner>) => void
}

export interface Outlet<Owner> {
  /** Fills the outlet, unless it is full or waits after a failure; gives what is left to do where composing takes time. */
  readonly prepare: () => Effect.Effect<void> | undefined
  /** Takes the packet that is ready. */
  readonly take: () => Prepared<Owner> | undefined
  /** Replaces the packet that is ready when it carries `transmission`. */
  readonly withdraw: (transmission: Transmission<Owner>) => Effect.Effect<void>
  /** Replaces the packet that is ready by a decoy when it carries a transmission, which is kept: for the beginning of a hold. */
  readonly hold: Effect.Effect<void>
  /** Empties the outlet for good. */
  readonly discard: () => void
}

/** Where the packet of the next tick lies, and what waits for the end of a hold. */
class Slot<Owner> {
  prepared: Prepared<Owner> | undefined
  /** Has left the queue. */
  kept: Transmission<Owner> | undefined

  take(): Prepared<Owner> | undefined {
    const taken = this.prepared
    this.prepared = undefined
    return taken
  }

  drop(): void {
    const dropped = this.take()
    if (dropped !== undefined) zeroize(dropped.composed.surbKeys)
  }

  /** True when a transmission was ready, which is kept now. */
  keepBack(): boolean {
    if (this.prepared?.transmission === undefined) return false
    this.kept = this.prepared.transmission
    this.drop()
    return true
  }

  takeKept(): Transmission<Owner> | undefined {
    const taken = this.kept
    this.kept = undefined
    return taken
  }
}

/** What a composer is at work for: a transmission, from the queue or kept back from a hold, or a decoy. */
interface Task<Owner> {
  readonly transmission: Transmission<Owner> | undefined
  readonly isKept: boolean
}

export const makeOutlet = <Owner>(options: OutletOptions<Owner>): Effect.Effect<Outlet<Owner>> =>
  Effect.gen(function* () {
    const { composer, isHeld = () => false, onLeftQueue, queue } = options
    const clock = yield* Effect.clock
    const slot = new Slot<Owner>()
    let retryAtMs = 0
    let isClosed = false
    /** While composing goes on nothing else is begun: it ends with a full outlet, or goes on by itself. */
    let isComposing = false

    const nextTask = (): Task<Owner> => {
      if (isHeld()) return { transmission: undefined, isKept: false }
      const kept = slot.takeKept()
      return { transmission: kept ?? queue?.take(), isKept: kept !== undefined }
    }
    const finish = ({ isKept, transmission }: Task<Owner>, composed: Either.Either<ComposedPacket, ComposeFailed>, nowMs: number): void => {
      const leave = (): void => { if (transmission !== undefined && !isKept) onLeftQueue(transmission) }
      if (transmission?.withdrawn === true || isClosed) {
        if (Either.isRight(composed)) zeroize(composed.right.surbKeys)
        return leave()
      }
      if (Either.isRight(composed)) {
        slot.prepared = { composed: composed.right, transmission }
        leave()
        if (isHeld()) slot.keepBack()
        return
      }
      if (transmission !== undefined && composed.left.reason !== "no-document") {
        leave()
        transmission.settled({ _tag: "NotComposed" })
        return
      }
      if (isKept) slot.kept = transmission
      else if (transmission !== undefined) queue?.putBack(transmission)
      retryAtMs = nowMs + COMPOSE_RETRY_MS
    }
    const prepare = (): Effect.Effect<void> | undefined => {
      if (isComposing) return undefined
      const nowMs = clock.unsafeCurrentTimeMillis()
      while (!isClosed && slot.prepared === undefined && nowMs >= retryAtMs) {
        const task = nextTask()
        const made = task.transmission === undefined ? composer.decoy() : composer.request(task.transmission.request)
        if (!isMade(made)) {
          isComposing = true
          return Effect.flatMap(Effect.ensuring(Effect.either(made), Effect.sync(() => { isComposing = false })), (composed) => {
            finish(task, composed, nowMs)
            return prepare() ?? Effect.void
          })
        }
        finish(task, made, nowMs)
      }
      return undefined
    }

    return {
      prepare,
      take: () => slot.take(),
      withdraw: (transmission) =>
        Effect.suspend(() => {
          if (transmission === slot.kept) slot.kept = undefined
          if (transmission !== slot.prepared?.transmission) return Effect.void
          slot.drop()
          return prepare() ?? Effect.void
        }),
      hold: Effect.suspend(() => (slot.keepBack() ? prepare() : undefined) ?? Effect.void),
      discard: () => {
        isClosed = true
        slot.drop()
      }
    }
  })
