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
import { Clock, Effect, Queue, type Scope } from "effect"

export interface OutboxConfig<E> {
  /** Packets that may wait. */
  readonly capacity: number
  readonly batchLimit: number
  /** Longest wait of a packet before its call starts, in milliseconds. */
  readonly slackMs: number
  readonly send: (batch: ReadonlyArray<Uint8Array>) => Effect.Effect<unknown, E>
  readonly onLost: (packets: number) => void
}

export interface Outbox {
  /** False when the queue was full and the packet is dropped. */
  readonly offer: (packet: Uint8Array) => boolean
}

interface Waiting {
  readonly packet: Uint8Array
  readonly sinceMs: number
}

/** Starts the sender in the caller's scope. */
export const makeOutbox = <E>(config: OutboxConfig<E>): Effect.Effect<Outbox, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const queue = yield* Queue.dropping<Waiting>(config.capacity)
    const lose = (packets: number) => Effect.sync(() => { if (packets > 0) config.onLost(packets) })
    yield* Queue.takeBetween(queue, 1, config.batchLimit).pipe(
      Effect.zip(Clock.currentTimeMillis),
      Effect.flatMap(([chunk, nowMs]) => {
        const waiting = [...chunk]
        const batch = waiting.filter(({ sinceMs }) => nowMs - sinceMs <= config.slackMs).map(({ packet }) => packet)
        const send = batch.length === 0 ? Effect.void : Effect.suspend(() => config.send(batch))
        return Effect.zipRight(lose(waiting.length - batch.length), Effect.catchAllCause(send, () => lose(batch.length)))
      }),
      Effect.forever,
      Effect.forkScoped
    )
    return { offer: (packet) => Queue.unsafeOffer(queue, { packet, sinceMs: clock.unsafeCurrentTimeMillis() }) }
  })
