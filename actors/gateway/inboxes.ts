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
import { Deferred, Effect, FiberId, Option, Queue, Stream } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import { RECIPIENT_BYTES } from "../../src/sphinx/geometry.ts"

/** Messages that may wait for one client. */
export const INBOX_CAPACITY = 256
/** Clients that one gateway serves at a time. */
const INBOX_COUNT_LIMIT = 4_096

interface Inbox {
  readonly messages: Queue.Queue<Uint8Array>
  /** Ends the stream that reads this inbox now. */
  superseded: Deferred.Deferred<void> | undefined
  readInPeriod: boolean
}

/** Messages in an inbox. A queue whose reader waits has a negative size. */
const waitingIn = ({ messages }: Inbox): number => Math.max(0, Option.getOrElse(messages.unsafeSize(), () => 0))

export class Inboxes {
  readonly #inboxes = new Map<string, Inbox>()
  readonly #countLimit: number

  constructor(countLimit: number = INBOX_COUNT_LIMIT) {
    this.#countLimit = countLimit
  }

  get size(): number {
    return this.#inboxes.size
  }

  /** Queues a message, unless nobody asked for the queue or it is full. */
  deliver(queueId: Uint8Array, message: Uint8Array): "delivered" | "unknown-recipient" | "inbox-full" {
    const inbox = this.#inboxes.get(toHex(queueId))
    if (inbox === undefined) return "unknown-recipient"
    return Queue.unsafeOffer(inbox.messages, message) ? "delivered" : "inbox-full"
  }

  /** The messages of a queue, for ever, or until another reader takes over; an empty stream for an id of another length and when the gateway is full. */
  receive(queueId: Uint8Array): Stream.Stream<Uint8Array> {
    return Stream.unwrap(Effect.gen(this, function*() {
      const inbox = queueId.length === RECIPIENT_BYTES ? yield* this.#open(toHex(queueId)) : undefined
      if (inbox === undefined) return Stream.empty
      const superseded = yield* this.#takeOver(inbox)
      const left = Effect.sync(() => {
        if (inbox.superseded === superseded) inbox.superseded = undefined
      })
      return Stream.fromQueue(inbox.messages, { maxChunkSize: 16 }).pipe(Stream.interruptWhenDeferred(superseded), Stream.ensuring(left))
    }))
  }

  /** Messages that wait for their clients now. */
  get waiting(): number {
    return [...this.#inboxes.values()].reduce((sum, inbox) => sum + waitingIn(inbox), 0)
  }

  /** Forgets queues that had no reader since the last sweep. @returns messages that were forgotten with them */
  sweep(): number {
    let forgotten = 0
    for (const [id, inbox] of this.#inboxes) {
      if (inbox.superseded === undefined && !inbox.readInPeriod) {
        this.#inboxes.delete(id)
        forgotten += waitingIn(inbox)
      }
      inbox.readInPeriod = inbox.superseded !== undefined
    }
    return forgotten
  }

  /** Ends the present reader and makes way for a new one, in one step, so that of two that come together one ends too. */
  #takeOver(inbox: Inbox): Effect.Effect<Deferred.Deferred<void>> {
    return Effect.sync(() => {
      if (inbox.superseded !== undefined) Deferred.unsafeDone(inbox.superseded, Effect.void)
      inbox.superseded = Deferred.unsafeMake<void>(FiberId.none)
      return inbox.superseded
    })
  }

  #open(id: string): Effect.Effect<Inbox | undefined> {
    return Effect.gen(this, function*() {
      const messages = yield* Queue.dropping<Uint8Array>(INBOX_CAPACITY)
      const known = this.#inboxes.get(id)
      if (known !== undefined) {
        known.readInPeriod = true
        return known
      }
      if (this.#inboxes.size >= this.#countLimit) return undefined
      const inbox: Inbox = { messages, superseded: undefined, readInPeriod: true }
      this.#inboxes.set(id, inbox)
      return inbox
    })
  }
}
