/**
 * A bounded queue that turns single packets into batched one-way calls.
 *
 * Contract: `offer` never waits: a full queue drops the newest packet and says so. One call is in flight at a time; what gathers meanwhile leaves as the
 * next batch, so an idle link adds no delay and a busy one batches by itself. A call that fails or dies loses its batch and is counted; it is not
 * repeated, and a packet that waited longer than `slackMs` is dropped and counted: a burst released late is linkable.
 * Knows nothing of: what the packets are.
 * Source: effect-notes.md §3 (batch), mixnet.md §5 (per-peer queue, drop newest; SendSlack); departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { makeTimer } from "./timer.ts"

export interface OutboxConfig<E> {
  /** Packets that may wait. */
  readonly capacity: number
  readonly batchLimit: number
  /** Longest wait of a packet before its call starts, in milliseconds. */
  readonly slackMs: number
  /** Time in which the first of a batch waits for others, in milliseconds; default 0. */
  readonly gatherMs?: number
  readonly send: (batch: ReadonlyArray<Uint8Array>) => Effect.Effect<unknown, E>
  readonly onLost: (packets: number) => void
}

export interface Outbox {
  /** False when the queue was full and the packet is dropped. */
  readonly offer: (packet: Uint8Array) => boolean
  /** Packets that wait now. */
  readonly waiting: () => number
}

interface Waiting {
  readonly packet: Uint8Array
  readonly sinceMs: number
}

/** Starts the sender in the caller's scope. */
export const makeOutbox = <E>(config: OutboxConfig<E>): Effect.Effect<Outbox, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const timer = yield* makeTimer
    const { batchLimit, capacity, gatherMs = 0, slackMs } = config
    const waiting: Array<Waiting> = []
    let wake: (() => void) | undefined
    let stopGathering: (() => void) | undefined
    const lose = (packets: number): void => { if (packets > 0) config.onLost(packets) }
    /** Until something waits. What is offered before the sender's fiber runs again leaves in the same batch. */
    const filled = Effect.async<void>((resume) => {
      wake = () => {
        wake = undefined
        stopGathering?.()
        stopGathering = undefined
        resume(Effect.void)
      }
    })
    const nextBatch = (): ReadonlyArray<Uint8Array> => {
      const nowMs = clock.unsafeCurrentTimeMillis()
      const taken = waiting.splice(0, batchLimit)
      const batch: Array<Uint8Array> = []
      for (const { packet, sinceMs } of taken) if (nowMs - sinceMs <= slackMs) batch.push(packet)
      lose(taken.length - batch.length)
      return batch
    }
    const sendNext = Effect.suspend(() => {
      const batch = nextBatch()
      if (batch.length === 0) return Effect.void
      return Effect.catchAllCause(Effect.suspend(() => config.send(batch)), () => Effect.sync(() => lose(batch.length)))
    })
    const body = (): Effect.Effect<unknown> => (waiting.length === 0 ? filled : sendNext)
    yield* Effect.forkScoped(Effect.whileLoop({ while: () => true, body, step: () => undefined }))
    yield* Effect.addFinalizer(() => Effect.sync(() => stopGathering?.()))
    return {
      offer: (packet) => {
        if (waiting.length >= capacity) return false
        waiting.push({ packet, sinceMs: clock.unsafeCurrentTimeMillis() })
        if (wake === undefined) return true
        if (gatherMs === 0 || waiting.length >= batchLimit) wake()
        else stopGathering ??= timer(() => wake?.(), gatherMs)
        return true
      },
      waiting: () => waiting.length
    }
  })
