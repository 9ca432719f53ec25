/**
 * The host of one compute service's dispatch queue.
 *
 * Contract: every dispatch is answered exactly AnswerMs after its last delay, with the service's 93 bytes or with 93 random ones: the sender's side of
 * the network sees the same whether the service was there, accepted, rejected or could not read. The link to the service carries one frame per λR tick.
 * Waiting dispatches are bounded; beyond the bound the newest is answered with filler.
 * Knows nothing of: what a dispatch holds.
 * Source: funion.md §6.1, §7 O6; departures: none.
 *
 * @module
 */
import { Effect, Either, Queue, Stream, type Scope } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import { decodeQueueFrame, encodeQueueFrame, QUERY_ID_BYTES, QUEUE_REPLY_BYTES } from "../../src/inference/queue-frame.ts"
import { makeDelayQueue } from "../../src/mixnet/delay-queue.ts"
import type { DropCounters } from "../../src/mixnet/drop-counters.ts"
import { poissonTicks } from "../../src/mixnet/pacer.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"

/** Dispatches that may wait for the service's next ticks. */
const DELIVER_CAPACITY = 256
/** Dispatches whose answer is outstanding. */
const OUTSTANDING_LIMIT = 1_024

interface Outstanding {
  readonly id: string
  readonly surb: Uint8Array
}

export interface QueueHostConfig extends Pick<NetworkSetting, "params" | "geometry"> {
  readonly entropy: Entropy
  readonly drops: DropCounters
  /** Sends `reply` home with a SURB. */
  readonly answer: (surb: Uint8Array, reply: Uint8Array) => Effect.Effect<void>
}

export interface QueueHost {
  /** Takes a dispatch whose last delay is over; never waits for the service. */
  readonly take: (surb: Uint8Array, dispatch: Uint8Array, dueMs: number) => Effect.Effect<void>
  /** One frame per λR tick, while somebody reads. */
  readonly deliveries: Stream.Stream<Uint8Array>
  readonly answered: (frame: Uint8Array) => Effect.Effect<void>
}

export const makeQueueHost = (config: QueueHostConfig): Effect.Effect<QueueHost, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { userPayloadBytes } = config.geometry
    const deliveries = yield* Queue.dropping<Uint8Array>(DELIVER_CAPACITY)
    const answers = new Map<string, Uint8Array | undefined>()
    const decoy = encodeQueueFrame({ _tag: "Decoy" }, userPayloadBytes)
    const due = yield* makeDelayQueue<Outstanding>({
      capacity: OUTSTANDING_LIMIT,
      slackMs: config.params.sendSlackMs,
      drops: config.drops,
      onDue: (batch) =>
        Effect.forEach(batch, ({ id, surb }) => {
          const reply = answers.get(id) ?? config.entropy(QUEUE_REPLY_BYTES)
          answers.delete(id)
          return config.answer(surb, reply)
        }, { discard: true })
    })
    const take: QueueHost["take"] = (surb, dispatch, dueMs) =>
      Effect.suspend(() => {
        const queryId = config.entropy(QUERY_ID_BYTES)
        const id = toHex(queryId)
        for (const oldest of answers.keys()) if (answers.size >= OUTSTANDING_LIMIT) answers.delete(oldest)
        answers.set(id, undefined)
        const queued = Queue.unsafeOffer(deliveries, encodeQueueFrame({ _tag: "Deliver", queryId, dispatch }, userPayloadBytes))
        if (!queued) config.drops.count("service-queue-full")
        return due.offer({ id, surb }, dueMs + config.params.answerMs)
      })
    const nextFrame = Effect.map(Queue.poll(deliveries), (frame) => (frame._tag === "Some" ? frame.value : decoy))
    const ticking = Stream.unwrapScoped(Effect.gen(function*() {
      const frames = yield* Queue.dropping<Uint8Array>(DELIVER_CAPACITY)
      const tick = Effect.flatMap(nextFrame, (frame) => Effect.asVoid(Queue.offer(frames, frame)))
      yield* Effect.forkScoped(poissonTicks(config.params.lambdaRPerMs, tick, { sendSlackMs: config.params.sendSlackMs }))
      return Stream.fromQueue(frames, { maxChunkSize: 1 })
    }))
    const answered: QueueHost["answered"] = (bytes) =>
      Effect.sync(() => {
        const frame = decodeQueueFrame(bytes, userPayloadBytes)
        if (Either.isLeft(frame) || frame.right._tag !== "Answer") return
        const id = toHex(frame.right.queryId)
        if (answers.has(id)) answers.set(id, frame.right.reply)
      })
    return { take, deliveries: ticking, answered }
  })
