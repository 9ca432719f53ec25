/**
 * A connection of a client, or of a compute service's session, to its gateway.
 *
 * Contract: every connection has a fresh random queue id. Packets leave at once as they are handed over, in batches when the gateway is slow; replies are
 * handed over as they come, and listened for again after every interruption. The two directions do not depend on each other.
 * Knows nothing of: what packets are.
 * Source: mixnet.md §4.1; departures: the queue id survives a restart of the gateway, so that outstanding reply blocks stay good.
 *
 * @module
 */
import { Effect, type Scope, type Stream } from "effect"
import { copied } from "../src/bytes/allocate.ts"
import { callNow } from "../src/actor/actor.ts"
import { takeEach } from "../src/actor/told.ts"
import { Mount } from "../src/actor/mount.ts"
import { makeOutbox } from "../src/actor/outbox.ts"
import { PACKETS_PER_BATCH } from "../src/actor/packet-link.ts"
import { utf8 } from "../src/bytes/concat.ts"
import { toHex } from "../src/bytes/hex.ts"
import { type Entropy, EntropySource } from "../src/crypto/entropy.ts"
import type { PacketPortService, SurbDelivery } from "../src/session/packet-port.ts"
import { RecipientId, SURB_ID_BYTES, SurbId, type NodeId } from "../src/sphinx/geometry.ts"
import { Gateway } from "./gateway/protocol.ts"

/** Packets that may wait for the gateway. */
const OUTBOX_CAPACITY = 256
/** A packet that waited longer is lost rather than sent in a burst. */
const OUTBOX_SLACK_MS = 1_000
const RECONNECT_MS = 200
const QUEUE_ID_ENTROPY_BYTES = 16

/** A fresh queue id as text: 32 hexadecimal digits. */
export const freshQueueName = (entropy: Entropy): string => toHex(entropy(QUEUE_ID_ENTROPY_BYTES))

/** What a message of the gateway brings; nothing when it is too short to bring anything. */
const deliveryOf = (message: Uint8Array): SurbDelivery | undefined =>
  message.length > SURB_ID_BYTES
    ? { surbId: SurbId.unsafe(copied(message, 0, SURB_ID_BYTES)), payload: message.subarray(SURB_ID_BYTES) }
    : undefined

/** Hands over what one stream of messages brings after another, for ever. A taker that throws ends it with that defect. */
const receiveFrom = <E>(connect: () => Stream.Stream<Uint8Array, E>, onDelivery: (delivery: SurbDelivery) => void): Effect.Effect<never> =>
  Effect.suspend(() => {
    let ending: Effect.Effect<void> = Effect.void
    const take = (message: Uint8Array): void => {
      const delivery = deliveryOf(message)
      if (delivery === undefined) return
      try {
        onDelivery(delivery)
      } catch (defect) {
        ending = Effect.die(defect)
        throw defect
      }
    }
    return Effect.suspend(() => takeEach(connect(), take)).pipe(
      Effect.catchAllCause(() => ending),
      Effect.zipRight(Effect.sleep(RECONNECT_MS)),
      Effect.forever
    )
  })

/**
 * Opens a connection in the caller's scope.
 * @param from  the caller's name towards the gateway
 * @param gateway  name and node id of the gateway
 * @param queueName  from `freshQueueName`; default: a new one
 */
export const openPacketPort = (
  from: string,
  gateway: { readonly name: string; readonly nodeId: NodeId },
  queueName?: string
): Effect.Effect<PacketPortService, never, Mount | Scope.Scope> =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const entropy = yield* EntropySource
    const queueId = RecipientId.unsafe(utf8(queueName ?? freshQueueName(entropy)))
    const client = yield* mount.connect(from, gateway.name, Gateway)
    const outbox = yield* makeOutbox({
      capacity: OUTBOX_CAPACITY,
      batchLimit: PACKETS_PER_BATCH,
      slackMs: OUTBOX_SLACK_MS,
      send: (packets) => callNow(client.Submit, { queueId, packets }),
      onLost: () => undefined
    })
    return { gateway: gateway.nodeId, queueId, send: outbox.offer, receive: (onDelivery) => receiveFrom(() => client.Receive({ queueId }), onDelivery) }
  })
