/**
 * A gateway: the entry node. Takes packets of clients into the first mix layer and holds replies for them.
 *
 * Contract: packets of clients must go on, packets of mixes must end here with a SURB id: replies, and the gateway's own loops. Everything else is dropped
 * and counted. A client over its rate loses packets silently. A caller whom the mount names by its queue uses no other: its packets for others are dropped
 * and counted, and its stream of another queue ends without a message. Nothing on the client link depends on what a packet is. Runs until its scope closes.
 * Source: mixnet.md §1, §8, §9; departures: replies wait in memory.
 *
 * @module
 */
import { Clock, Effect, Stream } from "effect"
import { callerOf } from "../../src/actor/actor.ts"
import { forkLoop } from "../../src/actor/loop.ts"
import { showMetric } from "../../src/actor/meter.ts"
import { Mount } from "../../src/actor/mount.ts"
import { concatBytes, utf8 } from "../../src/bytes/concat.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { DropCounters } from "../../src/mixnet/drop-counters.ts"
import type { MixKeyRing } from "../../src/mixnet/mix-key.ts"
import { makeNode, type Node } from "../../src/node/node.ts"
import type { UnwrapThreads } from "../../src/node/unwrap-pool.ts"
import type { TerminalOrder } from "../../src/node/pipeline.ts"
import type { DirectoryView } from "../../src/pki/directory-view.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { RECIPIENT_BYTES, type SurbId } from "../../src/sphinx/geometry.ts"
import { Allowances } from "./allowance.ts"
import { Inboxes } from "./inboxes.ts"
import { Gateway, isQueueName } from "./protocol.ts"

export interface GatewayConfig extends NetworkSetting {
  readonly identity: Identity
  readonly keys: MixKeyRing
  readonly directoryView: DirectoryView
  readonly threads?: UnwrapThreads | undefined
}

const EMPTY = new Uint8Array(0)

/** What a client gets of a reply: SURB id and payload, in the packet's own memory where it is there. */
const messageOf = (surbId: SurbId, { memory, payload }: TerminalOrder): Uint8Array => {
  if (memory === undefined) return concatBytes(surbId, payload)
  const message = memory.subarray(memory.length - payload.length - surbId.length)
  message.set(surbId)
  return message
}

/** Puts a reply into the inbox of its client. */
const deliver = (inboxes: Inboxes, drops: DropCounters, order: TerminalOrder): void => {
  if (order.surbId === undefined) return drops.count("client-to-local-user")
  const outcome = inboxes.deliver(order.recipient, messageOf(order.surbId, order))
  if (outcome !== "delivered") drops.count(outcome)
}

/** Whether a caller may use a queue: one that is named by its queue that one alone; others are actors of this process, which the mount vouches for. */
const mayUse = (caller: string, queueId: Uint8Array): boolean => !isQueueName(caller) || constantTimeEqual(utf8(caller), queueId)

/** The packets that the connection's rate lets through; none for a queue that is not the caller's. */
const admit = (allowances: Allowances, drops: DropCounters, caller: string, queueId: Uint8Array, packets: ReadonlyArray<Uint8Array>, nowMs: number) => {
  const id = toHex(queueId)
  const isTheirs = queueId.length === RECIPIENT_BYTES && mayUse(caller, queueId)
  const admitted = isTheirs ? packets.filter(() => allowances.take(id, nowMs)) : []
  if (admitted.length < packets.length) drops.count("rate-limited", packets.length - admitted.length)
  return admitted
}

/** Forgets idle clients once an eighth of an epoch. */
const sweep = (config: GatewayConfig, inboxes: Inboxes, allowances: Allowances, drops: DropCounters): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* Effect.sleep(config.params.epochPeriodMs / 8)
    drops.count("inbox-expired", inboxes.sweep())
    allowances.sweep(yield* Clock.currentTimeMillis)
  })

export const gateway = (config: GatewayConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const clock = yield* Effect.clock
    const inboxes = new Inboxes()
    const allowances = new Allowances(config.params)
    const node: Node = yield* makeNode({
      ...config,
      role: "gateway",
      mixLayer: -1,
      services: [],
      forwards: (origin) => origin === "client",
      terminal: (order, origin) => {
        if (origin === "client") node.drops.count("client-to-local-user")
        else deliver(inboxes, node.drops, order)
        return undefined
      },
      neighboursIn: (document) => document.mixLayers[0] ?? []
    })
    yield* forkLoop("sweep", config.identity.name, sweep(config, inboxes, allowances, node.drops))
    yield* showMetric("queued", () => ({ inboxes: inboxes.waiting }))
    yield* mount.serve(config.identity.name, Gateway, Gateway.toLayer({
      Forward: ({ packets }) => node.accept(packets, "node"),
      Submit: ({ packets, queueId }, options) =>
        node.accept(admit(allowances, node.drops, callerOf(options), queueId, packets, clock.unsafeCurrentTimeMillis()), "client"),
      Receive: ({ queueId }, options) => (mayUse(callerOf(options), queueId) ? inboxes.receive(queueId) : Stream.empty),
      GetConsensus: ({ epoch }) =>
        Effect.sync(() => {
          const certificate = config.directoryView.certificateOf(epoch)
          return certificate === undefined ? { status: 1 as const, certificate: EMPTY } : { status: 0 as const, certificate }
        })
    }))
    yield* ready
    return yield* Effect.never
  })
