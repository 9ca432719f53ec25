/**
 * The inbound half of every node: bounded queue, unwrap with the keys of the epochs, replay test; what comes out is routed by the role.
 *
 * Contract: `accept` returns at once whatever becomes of the packets. Packets are processed one by one, without a fiber's step between them, and the loop
 * gives way after `BURST_LIMIT` of them or a millisecond, so timers stay accurate. A packet either reaches `route` once or is dropped and counted under one
 * reason; its sender learns nothing either way. With an unwrap pool other threads unwrap, in batches, as long as one of them is up; all else stays here.
 * The replay tag is recorded only after the MAC has verified, in the filter of the key that verified; where keys outlive the process, a packet is routed
 * only after its tag is durable.
 * Knows nothing of: roles, delays, next hops.
 * Source: mixnet.md §5, §6; departures: none.
 *
 * @module
 */
import { Effect, Exit, type Scope } from "effect"
import { giveWay } from "../actor/give-way.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { DropCounters } from "../mixnet/drop-counters.ts"
import type { MixKey, MixKeyRing } from "../mixnet/mix-key.ts"
import { epochAt } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { Geometry, NodeId, RecipientId, SurbId } from "../sphinx/geometry.ts"
import { findCommand } from "../sphinx/routing-command.ts"
import { replayTagOf } from "../sphinx/replay-tag.ts"
import { type MixPrivateKey, type Unwrapped, unwrapInPlace } from "../sphinx/unwrap.ts"
import { makeTagCommit } from "./tag-commit.ts"
import { isOpened, openPacket, type UnwrapOutcome } from "./unwrap-outcome.ts"
import { BATCH_LIMIT, type UnwrapPool } from "./unwrap-pool.ts"

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
  /** Threads that unwrap; without one this thread does. */
  readonly pool?: UnwrapPool | undefined
  /** Gives what is left to do for the packet, for which the next one waits; undefined when all is done. */
  readonly route: (packet: AcceptedPacket) => Effect.Effect<void, never, R> | undefined
}

export interface NodePipeline {
  /** Queues packets at once, which are the pipeline's from here on: it writes to them. What it gives says that it is done. */
  readonly accept: (packets: ReadonlyArray<Uint8Array>, origin: PacketOrigin) => Exit.Exit<void>
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

/** Packets that are unwrapped between two turns of the event loop, at most. */
const BURST_LIMIT = 8

/** A batch that came back from the pool. */
interface Returned {
  readonly batch: ReadonlyArray<Waiting>
  readonly candidates: ReadonlyArray<MixKey>
  readonly outcomes: ReadonlyArray<UnwrapOutcome>
}

/** The work of one pipeline, one step at a time. */
class Inbound<R> {
  readonly #config: NodePipelineConfig<R>
  readonly #onward: NodePipelineConfig<R>["route"]
  readonly #nowMs: () => number
  readonly #waiting: Array<Waiting> = []
  readonly #returned: Array<Returned> = []
  #wake: (() => void) | undefined
  /** What the packet served last has left to do. */
  #rest: Effect.Effect<void, never, R> | undefined
  #isServing = false
  #tried: ReadonlyArray<MixKey> = []
  /** Of the keys in `#tried`. */
  #privateKeys: ReadonlyArray<MixPrivateKey> = []
  #burst = 0
  #burstMs = 0
  #opened = 0

  constructor(config: NodePipelineConfig<R>, onward: NodePipelineConfig<R>["route"], nowMs: () => number) {
    this.#config = config
    this.#onward = onward
    this.#nowMs = nowMs
  }

  get opened(): number {
    return this.#opened
  }

  get waiting(): number {
    return this.#waiting.length
  }

  accept(packets: ReadonlyArray<Uint8Array>, origin: PacketOrigin): void {
    const { drops, geometry, inboundCapacity } = this.#config
    const receivedAtMs = this.#nowMs()
    for (const packet of packets) {
      if (packet.length !== geometry.packetBytes) drops.count("wrong-length")
      else if (this.#waiting.length >= inboundCapacity) drops.count("inbound-queue-full")
      else this.#waiting.push({ packet, origin, receivedAtMs })
    }
    if (this.#wake !== undefined && !this.#isServing) this.#serveNow()
  }

  /** Looks for work again. */
  wake(): void {
    this.#wake?.()
  }

  /** What comes in while nothing waits is served on the spot, as far as a burst goes; the fiber is woken for the rest. */
  #serveNow(): void {
    if (this.#config.pool?.isUp() === true) return this.wake()
    const nowMs = this.#nowMs()
    if (nowMs > this.#burstMs) {
      this.#burst = 0
      this.#burstMs = nowMs
    }
    this.#isServing = true
    try {
      this.#rest = this.#processBurst(nowMs)
    } catch {
      this.#config.drops.count("internal-error")
    }
    this.#isServing = false
    if (this.#rest !== undefined || this.#waiting.length > 0) this.wake()
  }

  /** What is to be done next; a step takes no longer than a burst, or a batch that others have unwrapped. */
  step(): Effect.Effect<void, never, R> {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) return rest
    const returned = this.#returned.shift()
    if (returned !== undefined) return this.#routeAll(returned)
    if (this.#waiting.length === 0) return this.#idle
    const { pool } = this.#config
    if (pool?.isUp() === true) return pool.hasRoom() ? Effect.sync(() => this.#dispatch(pool)) : this.#idle
    const nowMs = this.#nowMs()
    if (this.#burst >= BURST_LIMIT || nowMs > this.#burstMs) {
      this.#burst = 0
      this.#burstMs = nowMs
      return Effect.zipRight(giveWay, Effect.sync(() => { this.#burstMs = this.#nowMs() }))
    }
    return this.#processBurst(nowMs) ?? Effect.void
  }

  readonly #idle = Effect.async<void>((resume) => {
    this.#wake = () => {
      this.#wake = undefined
      resume(Effect.void)
    }
  })

  #candidates(nowMs: number): ReadonlyArray<MixKey> {
    return this.#config.keys.candidates(epochAt(this.#config.params, nowMs))
  }

  /** Packet after packet until the burst is over, or until one of them leaves something to do. */
  #processBurst(nowMs: number): Effect.Effect<void, never, R> | undefined {
    const candidates = this.#candidates(nowMs)
    if (candidates !== this.#tried) {
      this.#tried = candidates
      this.#privateKeys = candidates.map(({ privateKey }) => privateKey)
    }
    const privateKeys = this.#privateKeys
    while (this.#waiting.length > 0 && this.#burst < BURST_LIMIT && this.#nowMs() <= this.#burstMs) {
      this.#burst += 1
      const rest = this.#processOne(nowMs, candidates, privateKeys)
      if (rest !== undefined) return rest
    }
    return undefined
  }

  #processOne(nowMs: number, candidates: ReadonlyArray<MixKey>, privateKeys: ReadonlyArray<MixPrivateKey>): Effect.Effect<void, never, R> | undefined {
    const { crypto, geometry } = this.#config
    const waiting = this.#waiting.shift()
    if (waiting === undefined || !this.#isInTime(waiting, nowMs)) return undefined
    const replayTag = replayTagOf(crypto, geometry, waiting.packet)
    if (this.#wasHere(replayTag, candidates)) return undefined
    return this.#route(waiting, candidates, openPacket(crypto, geometry, privateKeys, waiting.packet, replayTag, unwrapInPlace))
  }

  /** False for a packet that waited too long, which is counted. */
  #isInTime({ receivedAtMs }: Waiting, nowMs: number): boolean {
    if (nowMs - receivedAtMs <= this.#config.unwrapDwellMs) return true
    this.#config.drops.count("unwrap-dwell-exceeded")
    return false
  }

  /** True for a replay of what has been here, which is counted: a hash instead of scalar multiplications. */
  #wasHere(replayTag: Uint8Array | undefined, candidates: ReadonlyArray<MixKey>): boolean {
    if (replayTag === undefined) return false
    for (const { replayFilter } of candidates) {
      if (!replayFilter.has(replayTag)) continue
      this.#config.drops.count("replay")
      return true
    }
    return false
  }

  /** Gives the pool a batch: a share of what waits, but no crumbs. */
  #dispatch(pool: UnwrapPool): void {
    const nowMs = this.#nowMs()
    const share = Math.ceil(this.#waiting.length / pool.size)
    const candidates = this.#candidates(nowMs)
    const { crypto, geometry } = this.#config
    const batch = this.#waiting.splice(0, Math.min(BATCH_LIMIT, Math.max(BURST_LIMIT, share)))
      .filter((waiting) => this.#isInTime(waiting, nowMs) && !this.#wasHere(replayTagOf(crypto, geometry, waiting.packet), candidates))
    if (batch.length === 0) return
    pool.submit(batch.map(({ packet }) => packet), candidates.map(({ privateKey }) => privateKey), (outcomes) => {
      this.#returned.push({ batch, candidates, outcomes })
      this.wake()
    })
  }

  #routeAll(returned: Returned, first = 0, held = new Set(this.#candidates(this.#nowMs()))): Effect.Effect<void, never, R> {
    const { batch, candidates, outcomes } = returned
    for (let index = first; index < outcomes.length; index++) {
      const outcome = outcomes[index] as UnwrapOutcome
      // A key that went while its packets were on the way has lost its record of tags.
      const gone = isOpened(outcome) && !held.has(candidates[outcome.keyIndex] as MixKey)
      const rest = this.#route(batch[index] as Waiting, candidates, gone ? "no-mix-key" : outcome)
      if (rest !== undefined) return Effect.zipRight(rest, Effect.suspend(() => this.#routeAll(returned, index + 1, held)))
    }
    return Effect.void
  }

  /** Records the replay tag of a packet that opened, and hands it on; counts any other. */
  #route({ origin, receivedAtMs }: Waiting, candidates: ReadonlyArray<MixKey>, outcome: UnwrapOutcome): Effect.Effect<void, never, R> | undefined {
    const { drops } = this.#config
    if (!isOpened(outcome)) {
      drops.count(outcome)
      return undefined
    }
    const verdict = candidates[outcome.keyIndex]?.replayFilter.testAndSet(outcome.unwrapped.replayTag)
    if (verdict !== "fresh") {
      drops.count(verdict === "replay" ? "replay" : "replay-filter-full")
      return undefined
    }
    this.#opened += 1
    try {
      const rest = this.#onward({ unwrapped: outcome.unwrapped, origin, receivedAtMs })
      return rest === undefined ? undefined : Effect.catchAllCause(rest, () => Effect.sync(() => drops.count("internal-error")))
    } catch {
      // A defect of the role is the end of this packet, not of those behind it.
      drops.count("internal-error")
      return undefined
    }
  }
}

/** Starts the pipeline in the caller's scope. */
export const makeNodePipeline = <R>(config: NodePipelineConfig<R>): Effect.Effect<NodePipeline, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const { commit } = config.keys
    const routeDurable = (packet: AcceptedPacket): Effect.Effect<void, never, R> => Effect.suspend(() => config.route(packet) ?? Effect.void)
    const onward = commit === undefined
      ? config.route
      : yield* makeTagCommit({ drops: config.drops, commit, dwellMs: config.unwrapDwellMs, route: routeDurable })
    const inbound = new Inbound(config, onward, () => clock.unsafeCurrentTimeMillis())
    config.pool?.onChange(() => inbound.wake())
    const guarded = (): Effect.Effect<void, never, R> =>
      Effect.catchAllCause(Effect.suspend(() => inbound.step()), () => Effect.sync(() => config.drops.count("internal-error")))
    yield* Effect.forkScoped(Effect.whileLoop({ while: () => true, body: guarded, step: () => undefined }))
    return {
      accept: (packets, origin) => {
        inbound.accept(packets, origin)
        return Exit.void
      },
      waiting: () => inbound.waiting,
      unwrapped: () => inbound.opened
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
  /** The packet's memory, where `payload` ends it; what lies before it is of no more use. */
  readonly memory: Uint8Array | undefined
}

/** The order in a packet that ends here: one recipient, at most one delay, at most one SURB id; else undefined. */
export const terminalOrderOf = ({ commands, memory, payload }: Unwrapped): TerminalOrder | undefined => {
  const recipient = findCommand(commands, "Recipient")
  const delay = findCommand(commands, "NodeDelay")
  const surbReply = findCommand(commands, "SurbReply")
  const known = [recipient, delay, surbReply].filter((command) => command !== undefined).length
  return payload !== undefined && recipient !== undefined && commands.length === known
    ? { recipient: recipient.recipient, payload, delayMs: delay?.delayMs ?? 0, surbId: surbReply?.surbId, memory }
    : undefined
}
