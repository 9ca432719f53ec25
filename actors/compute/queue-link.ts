/**
 * The link of a compute service to one of its queue hosts.
 *
 * Contract: one frame of fixed size leaves per λR tick, an answer when one waits and a decoy else; the traffic says nothing about jobs. The
 * stream of deliveries is opened again, after growing pauses, whenever it ends. It is read as fast as it comes, however long an admission takes,
 * so that the pace of the reading tells nothing either. Waiting dispatches and answers are bounded; beyond that the newest is lost and the host
 * fills in.
 * Knows nothing of: what a dispatch holds.
 * Source: funion.md §1, §6.1, §7 (O6); departures: none.
 *
 * @module
 */
import { Effect, Either, Queue, Random, type Scope } from "effect"
import { callNow, type Client, type RpcGroup } from "../../src/actor/actor.ts"
import { makeOutbox } from "../../src/actor/outbox.ts"
import { takeEach } from "../../src/actor/told.ts"
import { decodeQueueFrame, encodeQueueFrame, type QueueFrame } from "../../src/inference/queue-frame.ts"
import { poissonTicks } from "../../src/mixnet/pacer.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"
import { recipientId } from "../../src/sphinx/geometry.ts"
import type { ServiceNode } from "../service-node/protocol.ts"

/** Dispatches that may wait to be decided. */
export const DISPATCH_CAPACITY = 256
/** Answers that may wait for a tick. */
const ANSWER_CAPACITY = 256
/** Frames whose sending is not acknowledged. */
const OUTBOX_CAPACITY = 16
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

type Deliver = Extract<QueueFrame, { readonly _tag: "Deliver" }>

export interface QueueLinkConfig<E> extends Pick<NetworkSetting, "params" | "geometry"> {
  readonly client: Pick<Client<RpcGroup.Rpcs<typeof ServiceNode>>, "QueueDeliveries" | "QueueAnswer">
  readonly endpoint: string
  /** The sealed reply to a dispatch, or nothing for one that nobody can read. */
  readonly answer: (dispatch: Uint8Array) => Effect.Effect<Uint8Array | undefined, E>
}

/** Serves the link for ever. @errors those of `answer` */
export const serveQueueLink = <E>(config: QueueLinkConfig<E>): Effect.Effect<never, E, Scope.Scope> =>
  Effect.gen(function*() {
    const { client, params } = config
    const { userPayloadBytes } = config.geometry
    const endpoint = recipientId(config.endpoint)
    const answers: Array<Uint8Array> = []
    const decoy = encodeQueueFrame({ _tag: "Decoy" }, userPayloadBytes)
    const outbox = yield* makeOutbox({
      capacity: OUTBOX_CAPACITY,
      batchLimit: 1,
      slackMs: params.sendSlackMs,
      send: ([frame = decoy]) => callNow(client.QueueAnswer, { endpoint, frame }),
      onLost: () => undefined
    })
    const onTick = (): undefined => {
      outbox.offer(answers.shift() ?? decoy)
      return undefined
    }
    const dispatches = yield* Queue.dropping<Deliver>(DISPATCH_CAPACITY)
    let pauseMs = FIRST_PAUSE_MS
    const onFrame = (bytes: Uint8Array): void => {
      pauseMs = FIRST_PAUSE_MS
      const frame = decodeQueueFrame(bytes, userPayloadBytes)
      if (Either.isRight(frame) && frame.right._tag === "Deliver") Queue.unsafeOffer(dispatches, frame.right)
    }
    const decide = Effect.gen(function*() {
      const { dispatch, queryId } = yield* Queue.take(dispatches)
      const reply = yield* config.answer(dispatch)
      if (reply === undefined || answers.length >= ANSWER_CAPACITY) return
      answers.push(encodeQueueFrame({ _tag: "Answer", queryId, reply }, userPayloadBytes))
    })
    const listen = Effect.gen(function*() {
      while (true) {
        yield* Effect.ignore(takeEach(client.QueueDeliveries({ endpoint }), onFrame))
        yield* Effect.sleep(pauseMs * (0.5 + (yield* Random.next)))
        pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
      }
    })
    const ticking = poissonTicks(params.lambdaRPerMs, onTick, { sendSlackMs: params.sendSlackMs })
    return yield* Effect.zipRight(Effect.all([listen, Effect.forever(decide), ticking], { concurrency: "unbounded", discard: true }), Effect.never)
  })
