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
import { Chunk, Effect, Exit, Option, Stream } from "effect"
import { told, type Told } from "../../src/actor/told.ts"
import { toHex } from "../../src/bytes/hex.ts"
import { RECIPIENT_BYTES } from "../../src/sphinx/geometry.ts"

/** Messages that may wait for one client. */
export const INBOX_CAPACITY = 256
/** Clients that one gateway serves at a time. */
export const INBOX_COUNT_LIMIT = 4_096

/** Messages that a reader takes at once. */
const CHUNK_LIMIT = 16

/** Who reads an inbox. */
interface Reader {
  /** Tells of a message, or of another reader; undefined while it does not wait. */
  wake: (() => void) | undefined
}

interface Inbox {
  readonly messages: Array<Uint8Array>
  reader: Reader | undefined
  readInPeriod: boolean
}

/** The next messages of an inbox for `reader`, who waits for them without a fiber of its own; the end when another reader has come. */
const pull = (inbox: Inbox, reader: Reader): Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<never>> =>
  Effect.suspend(() => {
    if (inbox.reader !== reader) return Effect.fail(Option.none())
    if (inbox.messages.length > 0) return Effect.succeed(Chunk.unsafeFromArray(inbox.messages.splice(0, CHUNK_LIMIT)))
    return Effect.zipRight(
      Effect.async<void>((resume) => {
        reader.wake = () => {
          reader.wake = undefined
          resume(Effect.void)
        }
      }),
      pull(inbox, reader)
    )
  })

const left = (inbox: Inbox, reader: Reader): void => {
  if (inbox.reader === reader) inbox.reader = undefined
}

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
    if (inbox.messages.length >= INBOX_CAPACITY) return "inbox-full"
    const wake = inbox.reader?.wake
    // a message that waits is a copy: what came in is a piece of a larger slab, which would wait with it
    inbox.messages.push(wake === undefined ? message.slice() : message)
    wake?.()
    return "delivered"
  }

  /** The messages of a queue, for ever, or until another reader takes over; an empty stream for an id of another length and when the gateway is full. */
  receive(queueId: Uint8Array): Told<Uint8Array> {
    const stream = Stream.suspend(() => {
      const reader: Reader = { wake: undefined }
      const inbox = this.#readBy(reader, queueId)
      if (inbox === undefined) return Stream.empty
      return Stream.ensuring(Stream.repeatEffectChunkOption(pull(inbox, reader)), Effect.sync(() => left(inbox, reader)))
    })
    return told(stream, (onItem, onEnd) => {
      const reader: Reader = { wake: undefined }
      const inbox = this.#readBy(reader, queueId)
      if (inbox === undefined) {
        onEnd(Exit.void)
        return () => undefined
      }
      reader.wake = () => {
        while (inbox.reader === reader && inbox.messages.length > 0) onItem(inbox.messages.shift() as Uint8Array)
        if (inbox.reader !== reader) onEnd(Exit.void)
      }
      reader.wake()
      return () => left(inbox, reader)
    })
  }

  /** Makes `reader` the one of a queue; undefined when there is no such queue and none can be made. */
  #readBy(reader: Reader, queueId: Uint8Array): Inbox | undefined {
    const inbox = queueId.length === RECIPIENT_BYTES ? this.#open(toHex(queueId)) : undefined
    if (inbox === undefined) return undefined
    const older = inbox.reader
    inbox.reader = reader
    older?.wake?.()
    return inbox
  }

  /** Messages that wait for their clients now. */
  get waiting(): number {
    return [...this.#inboxes.values()].reduce((sum, { messages }) => sum + messages.length, 0)
  }

  /** Forgets queues that had no reader since the last sweep. @returns messages that were forgotten with them */
  sweep(): number {
    let forgotten = 0
    for (const [id, inbox] of this.#inboxes) {
      if (inbox.reader === undefined && !inbox.readInPeriod) {
        this.#inboxes.delete(id)
        forgotten += inbox.messages.length
      }
      inbox.readInPeriod = inbox.reader !== undefined
    }
    return forgotten
  }

  #open(id: string): Inbox | undefined {
    const known = this.#inboxes.get(id)
    if (known !== undefined) {
      known.readInPeriod = true
      return known
    }
    if (this.#inboxes.size >= this.#countLimit) return undefined
    const inbox: Inbox = { messages: [], reader: undefined, readInPeriod: true }
    this.#inboxes.set(id, inbox)
    return inbox
  }
}
