/**
 * What the next tick of one stream will send: composed ahead, one packet at a time.
 *
 * Contract: `prepare` leaves the outlet either holding one packet, or waiting `COMPOSE_RETRY_MS` because none can be composed. A queued
 * transmission is preferred to a decoy. One that is withdrawn while it is being composed is dropped and the next one takes its place; one whose
 * destination cannot be reached at present is settled `NotComposed`. Keys of a packet that will not leave are overwritten.
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
  /** Empties the outlet for good. */
  readonly discard: () => void
}

export const makeOutlet = <Owner>(options: OutletOptions<Owner>): Effect.Effect<Outlet<Owner>> =>
  Effect.gen(function* () {
    const { composer, onLeftQueue, queue } = options
    const composing = yield* Effect.makeSemaphore(1)
    let prepared: Prepared<Owner> | undefined
    let retryAtMs = 0
    let closed = false

    /** One attempt; true when the outlet is full or has to wait. */
    const attempt = (nowMs: number) =>
      Effect.gen(function* () {
        const transmission = queue?.take()
        const composed = yield* Effect.either(transmission === undefined ? composer.decoy : composer.request(transmission.request))
        if (transmission?.withdrawn === true || closed) {
          if (Either.isRight(composed)) zeroize(composed.right.surbKeys)
          if (transmission !== undefined) yield* onLeftQueue(transmission)
          return closed
        }
        if (Either.isRight(composed)) {
          prepared = { composed: composed.right, transmission }
          if (transmission !== undefined) yield* onLeftQueue(transmission)
          return true
        }
        if (transmission !== undefined && composed.left.reason !== "no-document") {
          yield* onLeftQueue(transmission)
          yield* Deferred.succeed(transmission.settled, { _tag: "NotComposed" })
          return false
        }
        if (transmission !== undefined) queue?.putBack(transmission)
        retryAtMs = nowMs + COMPOSE_RETRY_MS
        return true
      })

    const prepare = composing.withPermits(1)(
      Effect.gen(function* () {
        const nowMs = yield* Clock.currentTimeMillis
        let settled = closed || prepared !== undefined || nowMs < retryAtMs
        while (!settled) settled = yield* attempt(nowMs)
      })
    )

    const take = () => {
      const taken = prepared
      prepared = undefined
      return taken
    }
    const drop = () => {
      const dropped = take()
      if (dropped !== undefined) zeroize(dropped.composed.surbKeys)
    }
    return {
      prepare,
      take,
      withdraw: (transmission) =>
        Effect.suspend(() => {
          if (transmission !== prepared?.transmission) return Effect.void
          drop()
          return prepare
        }),
      discard: () => {
        closed = true
        drop()
      }
    }
  })
