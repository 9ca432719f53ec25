/**
 * The inbound half of every node: bounded queue, unwrap with the keys of the epochs, replay test; what comes out is routed by the role.
 *
 * Contract: `accept` returns at once whatever becomes of the packets. Packets are processed one by one, and the loop gives way between two of them, so
 * timers stay accurate. A packet either reaches `route` once or is dropped and counted under one reason; its sender learns nothing either way.
 * The replay tag is recorded only after the MAC has verified, in the filter of the key that verified; where keys outlive the process, a packet is routed
 * only after its tag is durable.
 * Knows nothing of: roles, delays, next hops.
 * Source: mixnet.md §5, §6; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Option, Queue, type Scope } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { DropCounters } from "../mixnet/drop-counters.ts"
import type { MixKeyRing } from "../mixnet/mix-key.ts"
import { epochAt } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { Geometry, NodeId, RecipientId, SurbId } from "../sphinx/geometry.ts"
import { findCommand } from "../sphinx/routing-command.ts"
import { unwrap, type Unwrapped } from "../sphinx/unwrap.ts"
import { makeTagCommit } from "./tag-commit.ts"

/** Who handed a packet in: a fellow node, or a client of this gateway. */
export type PacketOrigin = "node" | "client"

export interface AcceptedPacket {
  readonly unwrapped: Unwrapped
  readonly origin: PacketOrigin
  /** Unix milliseconds at which the packet entered the inbound queue. */
  readonly receivedAtMs: number
}

export interface NodePipelineConfig<R> {
  readonly crypto: CryptoBackend
  readonly geometry: Geometry
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  readonly keys: MixKeyRing
  readonly drops: DropCounters
  /** Packets that may wait; further ones are dropped as `inbound-queue-full`. */
  readonly inboundCapacity: number
  /** Longest wait before unwrapping, and again for the replay tag to be durable; a packet that waited longer is dropped as `unwrap-dwell-exceeded`. */
  readonly unwrapDwellMs: number
  readonly route: (packet: AcceptedPacket) => Effect.Effect<void, never, R>
}

export interface NodePipeline {
  readonly accept: (packets: ReadonlyArray<Uint8Array>, origin: PacketOrigin) => Effect.Effect<void>
  /** Packets that wait to be unwrapped now. */
  readonly waiting: () => number
  /** Packets that opened so far and were no replays. */
  readonly unwrapped: () => number
}

interface Waiting {
  readonly packet: Uint8Array
  readonly origin: PacketOrigin
  readonly receivedAtMs: number
}

/** Unwraps with the first key whose MAC verifies and records the replay tag; counts a refusal. */
const unwrapOnce = <R>(config: NodePipelineConfig<R>, packet: Uint8Array, nowMs: number): Unwrapped | undefined => {
  const { crypto, drops, geometry, keys, params } = config
  const candidates = keys.candidates(epochAt(params, nowMs))
  for (const { privateKey, replayFilter } of candidates) {
    const unwrapped = unwrap(crypto, geometry, privateKey, packet)
    if (Either.isRight(unwrapped)) {
      const verdict = replayFilter.testAndSet(unwrapped.right.replayTag)
      if (verdict === "fresh") return unwrapped.right
      drops.count(verdict === "replay" ? "replay" : "replay-filter-full")
      return undefined
    }
    if (unwrapped.left.reason !== "bad-mac") {
      drops.count(unwrapped.left.reason)
      return undefined
    }
  }
  drops.count(candidates.length === 0 ? "no-mix-key" : "bad-mac")
  return undefined
}

const processOne = <R>(
  config: NodePipelineConfig<R>,
  onward: NodePipelineConfig<R>["route"],
  onOpened: () => void,
  waiting: Waiting
): Effect.Effect<void, never, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
    if (nowMs - waiting.receivedAtMs > config.unwrapDwellMs) {
      config.drops.count("unwrap-dwell-exceeded")
      return Effect.void
    }
    const unwrapped = unwrapOnce(config, waiting.packet, nowMs)
    if (unwrapped === undefined) return Effect.void
    onOpened()
    return onward({ unwrapped, origin: waiting.origin, receivedAtMs: waiting.receivedAtMs })
  })

/** Starts the pipeline in the caller's scope. */
export const makeNodePipeline = <R>(config: NodePipelineConfig<R>): Effect.Effect<NodePipeline, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const inbound = yield* Queue.dropping<Waiting>(config.inboundCapacity)
    let opened = 0
    const { commit } = config.keys
    const onward = commit === undefined ? config.route : yield* makeTagCommit({ ...config, commit, dwellMs: config.unwrapDwellMs })
    yield* Queue.take(inbound).pipe(
      Effect.flatMap((waiting) => processOne(config, onward, () => { opened += 1 }, waiting)),
      Effect.catchAllCause(() => Effect.sync(() => config.drops.count("internal-error"))),
      Effect.zipRight(Effect.yieldNow()),
      Effect.forever,
      Effect.forkScoped
    )
    return {
      accept: (packets, origin) =>
        Effect.map(Clock.currentTimeMillis, (receivedAtMs) => {
          for (const packet of packets) {
            if (packet.length !== config.geometry.packetBytes) config.drops.count("wrong-length")
            else if (!Queue.unsafeOffer(inbound, { packet, origin, receivedAtMs })) config.drops.count("inbound-queue-full")
          }
        }),
      waiting: () => Math.max(0, Option.getOrElse(inbound.unsafeSize(), () => 0)),
      unwrapped: () => opened
    }
  })

/** What a hop that is not the last is told: where to, and after how long. */
export interface ForwardOrder {
  readonly nodeId: NodeId
  readonly packet: Uint8Array
  readonly delayMs: number
}

/** The order in a packet that goes on: exactly one delay and one next node, nothing else; else undefined. */
export const forwardOrderOf = ({ commands, next }: Unwrapped): ForwardOrder | undefined => {
  const delay = findCommand(commands, "NodeDelay")
  return next !== undefined && delay !== undefined && commands.length === 2
    ? { nodeId: next.nodeId, packet: next.packet, delayMs: delay.delayMs }
    : undefined
}

/** What the last hop finds: the endpoint or queue, and what came with it. */
export interface TerminalOrder {
  readonly recipient: RecipientId
  readonly payload: Uint8Array
  readonly delayMs: number
  readonly surbId: SurbId | undefined
}

/** The order in a packet that ends here: one recipient, at most one delay, at most one SURB id; else undefined. */
export const terminalOrderOf = ({ commands, payload }: Unwrapped): TerminalOrder | undefined => {
  const recipient = findCommand(commands, "Recipient")
  const delay = findCommand(commands, "NodeDelay")
  const surbReply = findCommand(commands, "SurbReply")
  const known = [recipient, delay, surbReply].filter((command) => command !== undefined).length
  return payload !== undefined && recipient !== undefined && commands.length === known
    ? { recipient: recipient.recipient, payload, delayMs: delay?.delayMs ?? 0, surbId: surbReply?.surbId }
    : undefined
}
