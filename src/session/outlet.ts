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
import { Clock, Deferred, Effect, Either } from "effect"
import { zeroize } from "../crypto/zeroize.ts"
import type { ComposedPacket, Composer } from "./composer.ts"
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
  readonly onLeftQueue: (transmission: Transmission<Owner>) => Effect.Effect<void>
}

export interface Outlet<Owner> {
  /** Fills the outlet, unless it is full or waits after a failure. */
  readonly prepare: Effect.Effect<void>
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

export const makeOutlet = <Owner>(options: OutletOptions<Owner>): Effect.Effect<Outlet<Owner>> =>
  Effect.gen(function* () {
    const { composer, isHeld = () => false, onLeftQueue, queue } = options
    const composing = yield* Effect.makeSemaphore(1)
    const slot = new Slot<Owner>()
    let retryAtMs = 0
    let closed = false

    /** One attempt; true when the outlet is full or has to wait. */
    const attempt = (nowMs: number) =>
      Effect.gen(function* () {
        const kept = isHeld() ? undefined : slot.takeKept()
        const transmission = isHeld() ? undefined : kept ?? queue?.take()
        const leaveQueue = (left: Transmission<Owner>) => (left === kept ? Effect.void : onLeftQueue(left))
        const composed = yield* Effect.either(transmission === undefined ? composer.decoy : composer.request(transmission.request))
        if (transmission?.withdrawn === true || closed) {
          if (Either.isRight(composed)) zeroize(composed.right.surbKeys)
          if (transmission !== undefined) yield* leaveQueue(transmission)
          return closed
        }
        if (Either.isRight(composed)) {
          slot.prepared = { composed: composed.right, transmission }
          if (transmission !== undefined) yield* leaveQueue(transmission)
          return !isHeld() || !slot.keepBack()
        }
        if (transmission !== undefined && composed.left.reason !== "no-document") {
          yield* leaveQueue(transmission)
          yield* Deferred.succeed(transmission.settled, { _tag: "NotComposed" })
          return false
        }
        if (kept !== undefined) slot.kept = kept
        else if (transmission !== undefined) queue?.putBack(transmission)
        retryAtMs = nowMs + COMPOSE_RETRY_MS
        return true
      })

    const prepare = composing.withPermits(1)(
      Effect.gen(function* () {
        const nowMs = yield* Clock.currentTimeMillis
        let settled = closed || slot.prepared !== undefined || nowMs < retryAtMs
        while (!settled) settled = yield* attempt(nowMs)
      })
    )

    return {
      prepare,
      take: () => slot.take(),
      withdraw: (transmission) =>
        Effect.suspend(() => {
          if (transmission === slot.kept) slot.kept = undefined
          if (transmission !== slot.prepared?.transmission) return Effect.void
          slot.drop()
          return prepare
        }),
      hold: Effect.suspend(() => (slot.keepBack() ? prepare : Effect.void)),
      discard: () => {
        closed = true
        slot.drop()
      }
    }
  })
