/**
 * Where a node's packets leave: one bounded outbox per next hop, opened when first needed.
 *
 * Contract: a packet goes only to a node that the documents list at the place this node may send to; anything else is dropped and counted. `send` and
 * `post` never wait. Which links exist depends on the topology, not on single packets' fate.
 * Knows nothing of: delays, contents.
 * Source: mixnet.md §1 (who links to whom), §5 (per-peer queue); departures: none.
 *
 * @module
 */
import { Effect, Option, Scope } from "effect"
import { callNow, RpcGroup } from "../actor/actor.ts"
import { Mount } from "../actor/mount.ts"
import { makeOutbox, type Outbox } from "../actor/outbox.ts"
import { Forward, PACKETS_PER_BATCH } from "../actor/packet-link.ts"
import { BytesMap } from "../bytes/bytes-map.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { DropCounters } from "../mixnet/drop-counters.ts"
import { Epoch } from "../params/epoch.ts"
import { nodeIdOf, type NodeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import { PkiView } from "../pki/pki-view.ts"
import type { NodeId } from "../sphinx/geometry.ts"

class PacketReceiver extends RpcGroup.make(Forward) {}

/** Packets that may wait for one peer; the newest are dropped beyond. */
export const OUTBOX_CAPACITY = 256

/** Packets that are due within this time leave in one call, in milliseconds: a fraction of any mean delay worth having. */
export const GATHER_MS = 8

export interface OutgoingLinksConfig {
  readonly name: string
  readonly crypto: CryptoBackend
  readonly drops: DropCounters
  /** Longest wait of a packet in an outbox, in milliseconds. */
  readonly sendSlackMs: number
  /** The nodes of a document that this node may send to. */
  readonly neighboursIn: (document: Document) => ReadonlyArray<NodeDescriptor>
}

/** A packet and the node that it goes to. */
export interface Outgoing {
  readonly nodeId: NodeId
  readonly packet: Uint8Array
}

export interface OutgoingLinks {
  readonly send: (nodeId: NodeId, packet: Uint8Array) => Effect.Effect<void>
  /** As `send` for each, at once; gives what is left to do for packets whose link is not open yet. */
  readonly post: (packets: ReadonlyArray<Outgoing>) => Effect.Effect<void> | undefined
  /** Packets in all outboxes now. */
  readonly waiting: () => number
}

/** Names of the permitted next hops by node id, for one document. */
const namesOf = (config: OutgoingLinksConfig, document: Document): BytesMap<string> =>
  new BytesMap(config.neighboursIn(document).map((node) => [nodeIdOf(config.crypto, node.identityKey), node.name] as const))

export const makeOutgoingLinks = (config: OutgoingLinksConfig): Effect.Effect<OutgoingLinks, never, Mount | PkiView | Scope.Scope> =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const pki = yield* PkiView
    const scope = yield* Effect.scope
    const outboxes = new Map<string, Outbox>()
    const neighbours = new WeakMap<Document, BytesMap<string>>()

    const nameIn = (document: Document, id: NodeId): string | undefined => {
      let known = neighbours.get(document)
      if (known === undefined) neighbours.set(document, known = namesOf(config, document))
      return known.get(id)
    }
    const nameInNext = ({ epoch }: Document, id: NodeId) =>
      Effect.map(pki.forEpoch(Epoch(epoch + 1)), (next) => (Option.isSome(next) ? nameIn(next.value, id) : undefined))
    const opening = yield* Effect.makeSemaphore(1)
    const open = (name: string) =>
      Effect.gen(function*() {
        const opened = outboxes.get(name)
        if (opened !== undefined) return opened
        const client = yield* mount.connect(config.name, name, PacketReceiver)
        const outbox = yield* makeOutbox({
          capacity: OUTBOX_CAPACITY,
          batchLimit: PACKETS_PER_BATCH,
          gatherMs: GATHER_MS,
          slackMs: config.sendSlackMs,
          send: (packets) => callNow(client.Forward, { packets }),
          onLost: (packets) => config.drops.count("outgoing-failed", packets)
        })
        outboxes.set(name, outbox)
        return outbox
      }).pipe(Scope.extend(scope), opening.withPermits(1))

    const put = (outbox: Outbox, packet: Uint8Array): void => {
      if (!outbox.offer(packet)) config.drops.count("outgoing-queue-full")
    }
    /** For a packet whose next hop is not in the current document, or has no outbox yet. */
    const sendSlowly = (document: Document, id: NodeId, packet: Uint8Array) =>
      Effect.gen(function*() {
        const name = nameIn(document, id) ?? (yield* nameInNext(document, id))
        if (name === undefined) return config.drops.count("next-hop-invalid")
        put(outboxes.get(name) ?? (yield* open(name)), packet)
      })
    const postUnder = (document: Document, packets: ReadonlyArray<Outgoing>): Effect.Effect<void> | undefined => {
      const rest: Array<Effect.Effect<void>> = []
      for (const { nodeId, packet } of packets) {
        const outbox = outboxes.get(nameIn(document, nodeId) ?? "")
        if (outbox === undefined) rest.push(sendSlowly(document, nodeId, packet))
        else put(outbox, packet)
      }
      return rest.length === 0 ? undefined : Effect.all(rest, { discard: true })
    }
    const post: OutgoingLinks["post"] = (packets) => {
      const document = pki.held()
      if (document !== undefined) return postUnder(document, packets)
      config.drops.count("next-hop-invalid", packets.length)
      return undefined
    }
    const waiting = (): number => [...outboxes.values()].reduce((sum, outbox) => sum + outbox.waiting(), 0)
    return { post, send: (nodeId, packet) => Effect.suspend(() => post([{ nodeId, packet }]) ?? Effect.void), waiting }
  })
