/**
 * A bounded queue that turns single packets into batched one-way calls.
 *
 * Contract: `offer` never waits: a full queue drops the newest packet and says so. One call is in flight at a time; what gathers meanwhile leaves as the
 * next batch, so an idle link adds no delay and a busy one batches by itself. A failed call loses its batch and is counted; it is not repeated,
 * since a late packet is worth less than a lost one.
 * Knows nothing of: what the packets are.
 * Source: effect-notes.md §3 (batch), mixnet.md §5 (per-peer queue, drop newest); departures: none.
 *
 * @module
 */
import { Effect, Queue, type Scope } from "effect"

export interface OutboxConfig<E> {
  /** Packets that may wait. */
  readonly capacity: number
  readonly batchLimit: number
  readonly send: (batch: ReadonlyArray<Uint8Array>) => Effect.Effect<unknown, E>
  readonly onLost: (packets: number) => void
}

export interface Outbox {
  /** False when the queue was full and the packet is dropped. */
  readonly offer: (packet: Uint8Array) => boolean
}

/** Starts the sender in the caller's scope. */
export const makeOutbox = <E>(config: OutboxConfig<E>): Effect.Effect<Outbox, never, Scope.Scope> =>
  Effect.gen(function*() {
    const queue = yield* Queue.dropping<Uint8Array>(config.capacity)
    yield* Queue.takeBetween(queue, 1, config.batchLimit).pipe(
      Effect.flatMap((chunk) => {
        const batch = [...chunk]
        return Effect.catchAll(config.send(batch), () => Effect.sync(() => config.onLost(batch.length)))
      }),
      Effect.forever,
      Effect.forkScoped
    )
    return { offer: (packet) => Queue.unsafeOffer(queue, packet) }
  })
