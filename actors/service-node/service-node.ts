/**
 * A service node: the last hop. Serves the sampled last delay, then hands a request to its endpoint: echo, a courier, or a compute service's queue.
 *
 * Contract: every request carries a SURB and is answered once or not at all; the answer leaves through the first mix layer. A request acts only after its
 * delay, so the instant of an action hides the instant of arrival. Requests in work are bounded; beyond that they are dropped and counted.
 * Source: mixnet.md §10, funion.md §6.1; departures: the delay is served before the service acts, not added to the reply.
 *
 * @module
 */
import { Effect, Either, Exit, Stream } from "effect"
import { callNow, followCall } from "../../src/actor/actor.ts"
import { CallsInWork } from "../../src/actor/calls-in-work.ts"
import { showMeasured, showMetric } from "../../src/actor/meter.ts"
import { Mount } from "../../src/actor/mount.ts"
import { attempted, thenNow } from "../../src/actor/prompt.ts"
import { toHex } from "../../src/bytes/hex.ts"
import { EntropySource } from "../../src/crypto/entropy.ts"
import { makeDelayQueue } from "../../src/mixnet/delay-queue.ts"
import type { MixKeyRing } from "../../src/mixnet/mix-key.ts"
import { makeNode, type Node } from "../../src/node/node.ts"
import type { UnwrapThreads } from "../../src/node/unwrap-pool.ts"
import type { TerminalOrder } from "../../src/node/pipeline.ts"
import { nodeSlackMs } from "../../src/params/mixnet-params.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { recipientId } from "../../src/sphinx/geometry.ts"
import { decodeForwardPayload } from "../../src/sphinx/packet.ts"
import { useSurb } from "../../src/sphinx/surb.ts"
import { Courier } from "../courier/protocol.ts"
import { REQUEST_CAPACITY, ServiceNode } from "./protocol.ts"
import { makeQueueHost } from "./queue-host.ts"

export interface ServiceNodeConfig extends NetworkSetting {
  readonly identity: Identity
  readonly keys: MixKeyRing
  /** Names of the couriers in front of which this node stands; a courier's endpoint is its name. */
  readonly couriers: ReadonlyArray<string>
  /** Endpoints of the dispatch queues hosted here. */
  readonly queues: ReadonlyArray<string>
  readonly threads?: UnwrapThreads | undefined
}

/** Requests that may be with one courier. */
const IN_WORK_LIMIT = 512

interface Request {
  readonly endpoint: string
  readonly surb: Uint8Array
  readonly userPayload: Uint8Array
  /** That SURB and user payload lie in, where it is a packet's: for who has no more use for them. */
  readonly memory: Uint8Array | undefined
  readonly dueMs: number
}

const hexOf = (endpoint: string): string => toHex(recipientId(endpoint))

/** What is left to do for a packet, if anything. */
type Rest = Effect.Effect<void> | undefined

/** Answers with a SURB: the packet goes to the first hop that the SURB names. */
const replyWith = (config: ServiceNodeConfig, node: Node, surb: Uint8Array, reply: Uint8Array, memory?: Uint8Array): Rest => {
  const made = useSurb(config.crypto, config.geometry, surb, reply, memory)
  if (Either.isRight(made)) return node.links.post([{ nodeId: made.right.firstHop, packet: made.right.packet }])
  node.drops.count("surb-invalid")
  return undefined
}

/** The request in a packet that ends here, or undefined (counted). */
const requestOf = (config: ServiceNodeConfig, node: Node, order: TerminalOrder, receivedAtMs: number): Request | undefined => {
  const payload = decodeForwardPayload(config.geometry, order.payload)
  if (order.surbId !== undefined || Either.isLeft(payload) || payload.right.surb === undefined) {
    node.drops.count("bad-payload")
    return undefined
  }
  const { surb, userPayload } = payload.right
  return { endpoint: toHex(order.recipient), surb, userPayload, memory: order.memory, dueMs: receivedAtMs + order.delayMs }
}

type Endpoint = (request: Request) => Rest

/** Passes requests to a courier without waiting for it. One that hangs fills its own bound and no other's. */
const courierEndpoint = (config: ServiceNodeConfig, node: Node, name: string) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const runtime = yield* Effect.runtime<never>()
    const courier = yield* mount.connect(config.identity.name, name, Courier)
    const inWork = new CallsInWork()
    yield* Effect.addFinalizer(() => Effect.sync(() => inWork.callOffAll()))
    return ({ surb, userPayload }: Request): Rest => {
      if (inWork.size >= IN_WORK_LIMIT) {
        node.drops.count("service-queue-full")
        return undefined
      }
      const call = inWork.begin()
      const answer = attempted(() =>
        thenNow(callNow(courier.Query, { query: userPayload }), ({ reply }) => replyWith(config, node, surb, reply) ?? Exit.void))
      call.stop = followCall(runtime, answer, (exit) => {
        if (inWork.end(call) && Exit.isFailure(exit)) node.drops.count("service-failed")
      })
      return undefined
    }
  })

export const serviceNode = (config: ServiceNodeConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const entropy = yield* EntropySource
    const endpoints = new Map<string, Endpoint>()
    const node: Node = yield* makeNode({
      ...config,
      role: "service-node",
      mixLayer: -1,
      services: [
        { capability: "echo", endpoint: "echo" },
        ...config.couriers.map((endpoint) => ({ capability: "courier", endpoint })),
        ...config.queues.map((endpoint) => ({ capability: "compute-queue", endpoint }))
      ],
      forwards: () => false,
      terminal: (order, _origin, receivedAtMs) => {
        const request = requestOf(config, node, order, receivedAtMs)
        return request === undefined ? undefined : waiting.put(request, request.dueMs)
      },
      neighboursIn: (document) => document.mixLayers[0] ?? []
    })
    /** One request that cannot be served costs no other of its batch. */
    const act = (request: Request): ReadonlyArray<Effect.Effect<void>> => {
      const endpoint = endpoints.get(request.endpoint)
      if (endpoint === undefined) {
        node.drops.count("unknown-recipient")
        return []
      }
      const failed = (): void => node.drops.count("internal-error")
      try {
        const rest = endpoint(request)
        return rest === undefined ? [] : [Effect.catchAllCause(rest, () => Effect.sync(failed))]
      } catch {
        failed()
        return []
      }
    }
    const waiting = yield* makeDelayQueue<Request>({
      capacity: REQUEST_CAPACITY,
      slackMs: nodeSlackMs(config.params),
      drops: node.drops,
      onDue: (due) => {
        const rests = due.flatMap(act)
        return rests.length === 0 ? undefined : Effect.all(rests, { discard: true })
      }
    })

    endpoints.set(hexOf("echo"), ({ memory, surb, userPayload }) => replyWith(config, node, surb, userPayload, memory))
    for (const name of config.couriers) {
      endpoints.set(hexOf(name), yield* courierEndpoint(config, node, name))
    }
    const hosts = new Map<string, Effect.Effect.Success<ReturnType<typeof makeQueueHost>>>()
    for (const name of config.queues) {
      const host = yield* makeQueueHost({ ...config, entropy, drops: node.drops, answer: (surb, reply) => replyWith(config, node, surb, reply) })
      hosts.set(hexOf(name), host)
      endpoints.set(hexOf(name), ({ dueMs, surb, userPayload }) => host.take(surb, userPayload, dueMs))
    }
    yield* showMeasured("queued", Effect.map(waiting.stats, ({ queued }) => ({ service: queued })))
    yield* showMetric("waiting_dispatches", () => [...hosts.values()].reduce((sum, host) => sum + host.waiting(), 0))
    yield* mount.serve(config.identity.name, ServiceNode, ServiceNode.toLayer({
      Forward: ({ packets }) => node.accept(packets, "node"),
      QueueDeliveries: ({ endpoint }) => hosts.get(toHex(endpoint))?.deliveries ?? Stream.empty,
      QueueAnswer: ({ endpoint, frame }) => {
        hosts.get(toHex(endpoint))?.answered(frame)
        return Exit.void
      }
    }))
    yield* ready
    return yield* Effect.never
  })
