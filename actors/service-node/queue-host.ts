/**
 * The host of one compute service's dispatch queue.
 *
 * Contract: every dispatch is answered exactly AnswerMs after its last delay, with the service's 93 bytes or with 93 random ones: the sender's side of
 * the network sees the same whether the service was there, accepted, rejected or could not read. The link to the service carries one frame per λR tick.
 * Dispatches outstanding are bounded; beyond the bound the newest is not delivered and gets filler. One whose answer has gone out is not delivered any
 * more. The newest reader of the link wins, and a reader that does not keep up costs ticks, never dispatches.
 * Knows nothing of: what a dispatch holds.
 * Source: funion.md §6.1, §7 O6; departures: none.
 *
 * @module
 */
import { Deferred, Effect, Either, Exit, FiberId, Option, Queue, Runtime, Stream, type Scope } from "effect"
import { type Each, told, type Told } from "../../src/actor/told.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import { fillerReply } from "../../src/inference/dispatch-reply.ts"
import { decodeQueueFrame, encodeQueueFrame, QUERY_ID_BYTES } from "../../src/inference/queue-frame.ts"
import { makeDelayQueue } from "../../src/mixnet/delay-queue.ts"
import type { DropCounters } from "../../src/mixnet/drop-counters.ts"
import { poissonTicks } from "../../src/mixnet/pacer.ts"
import { nodeSlackMs } from "../../src/params/mixnet-params.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"

/** Dispatches that the service may still answer. */
export const OUTSTANDING_LIMIT = 1_024
/** Answers that may be due, filler for what was not delivered included. */
const DUE_CAPACITY = 8_192
/** Frames that a reader may be behind. */
const READER_CAPACITY = 16

interface Outstanding {
  readonly dueMs: number
  reply: Uint8Array | undefined
}

interface Due {
  readonly id: string
  readonly surb: Uint8Array
}

export interface QueueHostConfig extends Pick<NetworkSetting, "params" | "geometry"> {
  readonly entropy: Entropy
  readonly drops: DropCounters
  /** Sends `reply` home with a SURB. */
  readonly answer: (surb: Uint8Array, reply: Uint8Array) => Effect.Effect<void> | undefined
}

export interface QueueHost {
  /** Takes a dispatch whose last delay is over; never waits for the service. */
  readonly take: (surb: Uint8Array, dispatch: Uint8Array, dueMs: number) => Effect.Effect<void> | undefined
  /** One frame per λR tick, while somebody reads. */
  readonly deliveries: Told<Uint8Array>
  /** Takes what the service says. */
  readonly answered: (frame: Uint8Array) => void
  /** Dispatches that wait for a tick of the link now. */
  readonly waiting: () => number
}

/** Who reads the link now. */
interface Reader {
  /** Another reads it from here on. */
  readonly superseded: () => void
}

/** The dispatches of one queue that wait for the service's word, and those among them that it has not heard of yet. */
class Book {
  readonly #outstanding = new Map<string, Outstanding>()
  /** Oldest first. */
  readonly #undelivered = new Map<string, Uint8Array>()

  /** Dispatches that the service has not heard of and may still answer. */
  get undelivered(): number {
    return this.#undelivered.size
  }

  /** False when there is no room. */
  add(id: string, frame: Uint8Array, dueMs: number, nowMs: number): boolean {
    if (this.#outstanding.size >= OUTSTANDING_LIMIT) this.#forgetBefore(nowMs)
    if (this.#outstanding.size >= OUTSTANDING_LIMIT) return false
    this.#outstanding.set(id, { dueMs, reply: undefined })
    this.#undelivered.set(id, frame)
    return true
  }

  /** The frame of the oldest dispatch that is still of use. */
  next(): Uint8Array | undefined {
    for (const [id, frame] of this.#undelivered) {
      this.#undelivered.delete(id)
      return frame
    }
    return undefined
  }

  answer(id: string, reply: Uint8Array): void {
    const entry = this.#outstanding.get(id)
    if (entry !== undefined) entry.reply ??= reply.slice()
  }

  /** The service's word on a dispatch, which is settled with it. */
  settle(id: string): Uint8Array | undefined {
    const reply = this.#outstanding.get(id)?.reply
    this.#forget(id)
    return reply
  }

  /** Forgets what was due and has been dropped instead of answered. */
  #forgetBefore(nowMs: number): void {
    for (const [id, { dueMs }] of this.#outstanding) if (dueMs < nowMs) this.#forget(id)
  }

  #forget(id: string): void {
    this.#outstanding.delete(id)
    this.#undelivered.delete(id)
  }
}

/** One frame per λR tick, while somebody reads: what waits in the book, else a decoy. The newest reader takes over. */
const makeDeliveries = ({ drops, params }: QueueHostConfig, book: Book, decoy: Uint8Array): Effect.Effect<Told<Uint8Array>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { lambdaRPerMs, sendSlackMs } = params
    const runtime = yield* Effect.runtime<never>()
    let reader: Reader | undefined
    const takeOver = (next: Reader): void => {
      const former = reader
      reader = next
      former?.superseded()
    }
    const nextFrame = (): Uint8Array => book.next() ?? decoy
    const pulled = Stream.unwrapScoped(Effect.gen(function*() {
      const superseded = Deferred.unsafeMake<void>(FiberId.none)
      const own: Reader = { superseded: () => Deferred.unsafeDone(superseded, Effect.void) }
      takeOver(own)
      const frames = yield* Queue.dropping<Uint8Array>(READER_CAPACITY)
      yield* Effect.addFinalizer(() => Effect.map(Queue.takeAll(frames), (unread) => {
        drops.count("reader-lost", [...unread].filter((frame) => frame !== decoy).length)
      }))
      const tick = (): undefined => {
        const isBehind = frames.unsafeSize().pipe(Option.exists((waiting) => waiting >= READER_CAPACITY))
        if (!isBehind && own === reader) Queue.unsafeOffer(frames, nextFrame())
        return undefined
      }
      yield* Effect.forkScoped(poissonTicks(lambdaRPerMs, tick, { sendSlackMs }))
      return Stream.fromQueue(frames, { maxChunkSize: 1 }).pipe(Stream.interruptWhenDeferred(superseded))
    }))
    const each: Each<Uint8Array, never> = (onFrame, onEnd) => {
      const tick = (): undefined => {
        if (own === reader) onFrame(nextFrame())
        return undefined
      }
      const fiber = Runtime.runFork(runtime, poissonTicks(lambdaRPerMs, tick, { sendSlackMs }))
      const leave = (): void => fiber.unsafeInterruptAsFork(FiberId.none)
      const own: Reader = {
        superseded: () => {
          leave()
          onEnd(Exit.void)
        }
      }
      takeOver(own)
      return leave
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => reader?.superseded()))
    return told(pulled, each)
  })

export const makeQueueHost = (config: QueueHostConfig): Effect.Effect<QueueHost, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { userPayloadBytes } = config.geometry
    const { answerMs, sendSlackMs } = config.params
    const clock = yield* Effect.clock
    const book = new Book()
    const decoy = encodeQueueFrame({ _tag: "Decoy" }, userPayloadBytes)
    const due = yield* makeDelayQueue<Due>({
      capacity: DUE_CAPACITY,
      slackMs: nodeSlackMs(config.params),
      drops: config.drops,
      onDue: (batch) => {
        const rests = batch.flatMap(({ id, surb }) => {
          const filler = fillerReply(config.entropy)
          return config.answer(surb, book.settle(id) ?? filler) ?? []
        })
        return rests.length === 0 ? undefined : Effect.all(rests, { discard: true })
      }
    })
    const take: QueueHost["take"] = (surb, dispatch, lastDelayMs) => {
      const queryId = config.entropy(QUERY_ID_BYTES)
      const id = toHex(queryId)
      const dueMs = lastDelayMs + answerMs
      const frame = encodeQueueFrame({ _tag: "Deliver", queryId, dispatch }, userPayloadBytes)
      if (!book.add(id, frame, dueMs + sendSlackMs, clock.unsafeCurrentTimeMillis())) config.drops.count("service-queue-full")
      return due.put({ id, surb }, dueMs)
    }
    const answered: QueueHost["answered"] = (bytes) => {
      const frame = decodeQueueFrame(bytes, userPayloadBytes)
      if (Either.isLeft(frame)) config.drops.count("reply-unreadable")
      else if (frame.right._tag === "Answer") book.answer(toHex(frame.right.queryId), frame.right.reply)
    }
    return { take, deliveries: yield* makeDeliveries(config, book, decoy), answered, waiting: () => book.undelivered }
  })
