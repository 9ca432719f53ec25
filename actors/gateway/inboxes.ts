/**
 * The replies that a gateway holds for its clients, one bounded queue per client connection.
 *
 * Contract: a queue is made when its client first asks for it; replies for queues nobody asked for are dropped. The newest reader of a queue wins. A full
 * queue drops the newest message. Queues without a reader are forgotten after one idle period, and there are never more than a stated number.
 * Knows nothing of: what messages hold.
 * Source: mixnet.md §9 (spool, push delivery); departures: queues live in memory; retransmission by the client covers what is lost with them.
 *
 * @module
 */
import { Deferred, Effect, Queue, Stream } from "effect"
import { toHex } from "../../src/bytes/hex.ts"

/** Messages that may wait for one client. */
const INBOX_CAPACITY = 1_024
/** Clients that one gateway serves at a time. */
const INBOX_COUNT_LIMIT = 4_096

interface Inbox {
  readonly messages: Queue.Queue<Uint8Array>
  /** Ends the stream that reads this inbox now. */
  superseded: Deferred.Deferred<void> | undefined
  readInPeriod: boolean
}

export class Inboxes {
  readonly #inboxes = new Map<string, Inbox>()

  /** Queues a message; false when there is no such queue or it is full. */
  deliver(queueId: Uint8Array, message: Uint8Array): boolean {
    const inbox = this.#inboxes.get(toHex(queueId))
    return inbox !== undefined && Queue.unsafeOffer(inbox.messages, message)
  }

  /** The messages of a queue, for ever, or until another reader takes over; an empty stream when the gateway is full. */
  receive(queueId: Uint8Array): Stream.Stream<Uint8Array> {
    return Stream.unwrap(Effect.gen(this, function*() {
      const inbox = yield* this.#open(toHex(queueId))
      if (inbox === undefined) return Stream.empty
      if (inbox.superseded !== undefined) yield* Deferred.succeed(inbox.superseded, undefined)
      const superseded = yield* Deferred.make<void>()
      inbox.superseded = superseded
      const left = Effect.sync(() => {
        if (inbox.superseded === superseded) inbox.superseded = undefined
      })
      return Stream.fromQueue(inbox.messages, { maxChunkSize: 16 }).pipe(Stream.interruptWhenDeferred(superseded), Stream.ensuring(left))
    }))
  }

  /** Forgets queues that had no reader since the last sweep. */
  sweep(): void {
    for (const [id, inbox] of this.#inboxes) {
      if (inbox.superseded === undefined && !inbox.readInPeriod) this.#inboxes.delete(id)
      inbox.readInPeriod = false
    }
  }

  #open(id: string): Effect.Effect<Inbox | undefined> {
    return Effect.gen(this, function*() {
      const known = this.#inboxes.get(id)
      if (known !== undefined) {
        known.readInPeriod = true
        return known
      }
      if (this.#inboxes.size >= INBOX_COUNT_LIMIT) return undefined
      const inbox: Inbox = { messages: yield* Queue.dropping<Uint8Array>(INBOX_CAPACITY), superseded: undefined, readInPeriod: true }
      this.#inboxes.set(id, inbox)
      return inbox
    })
  }
}
