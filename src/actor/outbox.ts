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
import { Effect, Exit, Fiber, FiberRef, Runtime, type Scope } from "effect"
import { makeTimer } from "./timer.ts"

export interface OutboxConfig<E> {
  /** Packets that may wait. */
  readonly capacity: number
  readonly batchLimit: number
  /** Longest wait of a packet before its call starts, in milliseconds. */
  readonly slackMs: number
  /** Time in which the first of a batch waits for others, in milliseconds; default 0. */
  readonly gatherMs?: number
  /** Begins the call for a batch; gives what is left of it, an `Exit` if nothing is. */
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

/** Begins a call; a defect of who makes it is the call's. */
const begin = <E>({ send }: OutboxConfig<E>, batch: ReadonlyArray<Uint8Array>): Effect.Effect<unknown, E> => {
  try {
    return send(batch)
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** Opens an outbox for as long as the caller's scope. */
export const makeOutbox = <E>(config: OutboxConfig<E>): Effect.Effect<Outbox, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const timer = yield* makeTimer
    const scheduler = yield* FiberRef.get(FiberRef.currentScheduler)
    const runtime = yield* Effect.runtime<never>()
    const { batchLimit, capacity, gatherMs = 0, slackMs } = config
    const waiting: Array<Waiting> = []
    /** The call that is not over yet. */
    let call: Fiber.RuntimeFiber<unknown, E> | undefined
    let stopGathering: (() => void) | undefined
    /** Whether a sending is ordered for when everybody who runs now has had their say: what they offer leaves in one batch. */
    let isOrdered = false
    let isClosed = false
    const lose = (packets: number): void => { if (packets > 0) config.onLost(packets) }

    const nextBatch = (): ReadonlyArray<Uint8Array> => {
      const nowMs = clock.unsafeCurrentTimeMillis()
      const taken = waiting.splice(0, batchLimit)
      const batch: Array<Uint8Array> = []
      for (const { packet, sinceMs } of taken) if (nowMs - sinceMs <= slackMs) batch.push(packet)
      lose(taken.length - batch.length)
      return batch
    }
    /** Sends what waits, call after call, until one of them takes time. */
    const send = (): void => {
      stopGathering?.()
      stopGathering = undefined
      isOrdered = false
      while (waiting.length > 0 && call === undefined && !isClosed) {
        const batch = nextBatch()
        if (batch.length === 0) continue
        const begun = begin(config, batch)
        if (Exit.isExit(begun)) {
          if (Exit.isFailure(begun)) lose(batch.length)
          continue
        }
        const fiber = Runtime.runFork(runtime, begun)
        call = fiber
        fiber.addObserver((exit) => {
          call = undefined
          if (isClosed) return
          if (Exit.isFailure(exit)) lose(batch.length)
          send()
        })
      }
    }
    yield* Effect.addFinalizer(() => Effect.suspend(() => {
      isClosed = true
      stopGathering?.()
      return call === undefined ? Effect.void : Fiber.interrupt(call)
    }))
    return {
      offer: (packet) => {
        if (waiting.length >= capacity) return false
        waiting.push({ packet, sinceMs: clock.unsafeCurrentTimeMillis() })
        if (call !== undefined || isOrdered) return true
        if (gatherMs === 0) {
          isOrdered = true
          scheduler.scheduleTask(send, 0)
        } else if (waiting.length >= batchLimit) send()
        else stopGathering ??= timer(send, gatherMs)
        return true
      },
      waiting: () => waiting.length
    }
  })
