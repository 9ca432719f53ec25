/**
 * What gateway, mix and service node have in common: mix keys and their descriptor, the inbound pipeline, one delay queue, the links onwards, own loops.
 *
 * Contract: a packet is forwarded close to its due time or dropped, never late in bulk. Everything of one node lives and dies with the caller's scope
 * but its mix keys with their replay filters, which whoever made them wipes. While its own loops do not come home and the policy is `pause`, a node passes
 * nothing on and serves nothing (`paused`); its loops leave as ever.
 * Knows nothing of: which packets a role accepts and what it does with those that end here.
 * Source: mixnet.md §5, §7, §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { forkLoop } from "../actor/loop.ts"
import { showMeasured, showMetric } from "../actor/meter.ts"
import { Mount } from "../actor/mount.ts"
import { makeDelayQueue } from "../mixnet/delay-queue.ts"
import { exponentialCapMs } from "../mixnet/delay.ts"
import { DropCounters, type DropReason } from "../mixnet/drop-counters.ts"
import type { MixKeyRing } from "../mixnet/mix-key.ts"
import { nodeSlackMs } from "../params/mixnet-params.ts"
import { epochAt } from "../params/epoch.ts"
import { signDescriptor, type NodeDescriptor } from "../pki/descriptor.ts"
import type { Directory } from "../pki/directory.ts"
import type { Document } from "../pki/document.ts"
import type { Identity, NetworkSetting } from "../pki/network-setting.ts"
import type { PkiView } from "../pki/pki-view.ts"
import { publishDescriptors } from "../pki/publish.ts"
import { makeNodeLoops } from "./node-loops.ts"
import { makeOutgoingLinks, type Outgoing, type OutgoingLinks } from "./outgoing-links.ts"
import { forwardOrderOf, makeNodePipeline, terminalOrderOf, type NodePipeline, type PacketOrigin, type TerminalOrder } from "./pipeline.ts"
import { makeUnwrapPool, type UnwrapPool, type UnwrapThreads } from "./unwrap-pool.ts"

export interface NodeConfig extends NetworkSetting {
  readonly identity: Identity
  readonly role: NodeDescriptor["role"]
  /** Index of the mix layer; -1 unless `role` is mix. */
  readonly mixLayer: number
  readonly services: NodeDescriptor["services"]
  /** The node's mix keys with their replay filters; handed in, so that both survive a crash of the actor together. */
  readonly keys: MixKeyRing
  /** Threads that unwrap for this node; without it its own thread does. */
  readonly threads?: UnwrapThreads | undefined
  readonly neighboursIn: (document: Document) => ReadonlyArray<NodeDescriptor>
  /** Whether a packet from there may be forwarded by this role. */
  readonly forwards: (origin: PacketOrigin) => boolean
  /** What becomes of a packet that ends here; undefined: this role ends none. */
  readonly terminal: ((order: TerminalOrder, origin: PacketOrigin, receivedAtMs: number) => Effect.Effect<void> | undefined) | undefined
}

export interface Node {
  readonly accept: NodePipeline["accept"]
  readonly links: OutgoingLinks
  readonly drops: DropCounters
}

/** Packets that may wait to be unwrapped, and packets that may wait for their delay. */
export const INBOUND_CAPACITY = 1_000
export const DELAY_CAPACITY = 8_192

/** Uploads this node's descriptor of every epoch, with the mix keys it will use. */
const publishNode = (config: NodeConfig, keys: MixKeyRing) =>
  publishDescriptors(config.params, config.authorityKeys.length, (epoch) =>
    Effect.sync(() => {
      keys.ensure(epoch)
      return signDescriptor(config.crypto, config.identity.seed, {
        kind: "node",
        name: config.identity.name,
        role: config.role,
        epoch,
        ...config.identity.announced,
        mixLayer: config.mixLayer,
        mixKeys: keys.publicKeys(epoch),
        services: config.services
      })
    }))

/** Longest delay that a node accepts: what an honest sender may draw, so that nobody can fill the queue with packets that stay. */
const longestDelayMs = ({ params }: NodeConfig): number => Math.min(exponentialCapMs(params.muPerMs), 3 * params.epochPeriodMs)

/** Starts a node in the caller's scope: keys, publication, pipeline. */
export const makeNode = (
  config: NodeConfig
): Effect.Effect<Node, never, Directory | Mount | PkiView | Scope.Scope> =>
  Effect.gen(function*() {
    const drops = new DropCounters()
    const { keys } = config
    yield* forkLoop("publication", config.identity.name, publishNode(config, keys))
    const links = yield* makeOutgoingLinks({
      name: config.identity.name, crypto: config.crypto, drops, sendSlackMs: nodeSlackMs(config.params), neighboursIn: config.neighboursIn
    })
    const delays = yield* makeDelayQueue<Outgoing>({
      capacity: DELAY_CAPACITY,
      slackMs: nodeSlackMs(config.params),
      drops,
      onDue: links.post
    })
    const loops = yield* makeNodeLoops({
      ...config, links, rateOf: ({ lambdaGPerMs, lambdaMPerMs }) => (config.role === "gateway" ? lambdaGPerMs : lambdaMPerMs)
    })
    const pool = config.threads === undefined ? undefined : yield* makeUnwrapPool({ ...config, threads: config.threads })
    const pipeline = yield* makeNodePipeline({
      pool,
      crypto: config.crypto,
      geometry: config.geometry,
      params: config.params,
      keys,
      drops,
      inboundCapacity: INBOUND_CAPACITY,
      unwrapDwellMs: nodeSlackMs(config.params),
      route: ({ origin, receivedAtMs, unwrapped }) => {
        const drop = (reason: DropReason): undefined => {
          drops.count(reason)
          return undefined
        }
        const forward = forwardOrderOf(unwrapped)
        const terminal = forward === undefined ? terminalOrderOf(unwrapped) : undefined
        if (((forward ?? terminal)?.delayMs ?? 0) > longestDelayMs(config)) return drop("delay-impossible")
        if (terminal !== undefined && origin === "node" && loops.consume(terminal, receivedAtMs)) return undefined
        if (loops.watch.isPaused()) return drop("paused")
        if (forward !== undefined) {
          if (!config.forwards(origin)) return drop("not-terminal")
          return delays.put(forward, receivedAtMs + forward.delayMs)
        }
        return terminal === undefined || config.terminal === undefined ? drop("not-forward") : config.terminal(terminal, origin, receivedAtMs)
      }
    })
    yield* showMetric("dropped_packets_total", () => drops.readings())
    yield* showMetric("unwrapped_packets_total", pipeline.unwrapped)
    yield* showMetric("queued", () => ({ inbound: pipeline.waiting(), outgoing: links.waiting() }))
    yield* showMeasured("queued", Effect.map(delays.stats, ({ queued }) => ({ delay: queued })))
    yield* forkLoop("destruction of old keys", config.identity.name, Effect.zipRight(alarmWhenFull(config, drops), pruneKeys(config, keys, pool)))
    return { accept: pipeline.accept, links, drops }
  })

/** Says so when a key has refused packets since the last time, because it may unwrap no more. */
const alarmWhenFull = ({ identity }: NodeConfig, drops: DropCounters): Effect.Effect<void> => {
  let seen = 0
  return Effect.suspend(() => {
    const refused = drops.get("replay-filter-full")
    if (refused === seen) return Effect.void
    seen = refused
    return Effect.annotateLogs(Effect.logError("a record of replay tags is full: packets of its epoch are refused"), { actor: identity.name })
  })
}

/** Wipes outdated keys soon after each epoch's start. */
const pruneKeys = (config: NodeConfig, keys: MixKeyRing, pool: UnwrapPool | undefined): Effect.Effect<void> =>
  Effect.gen(function*() {
    keys.prune(epochAt(config.params, yield* Clock.currentTimeMillis))
    pool?.sweep()
    yield* Effect.sleep(config.params.epochPeriodMs / 8)
  })
