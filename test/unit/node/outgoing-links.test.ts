/**
 * Where a node's packets go, and how long they may stay.
 *
 * Goal: packets leave for listed neighbours only, a dead neighbour is counted and holds up nobody, and no sender can park packets in a node.
 * Method: a mount in memory in virtual time, neighbours that record, a whole node with real packets.
 *
 * @module
 */
import { Context, Effect, Layer, Option, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { RpcGroup } from "../../../src/actor/actor.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../src/actor/mount-memory.ts"
import { Forward } from "../../../src/actor/packet-link.ts"
import { exponentialCapMs } from "../../../src/mixnet/delay.ts"
import { DropCounters } from "../../../src/mixnet/drop-counters.ts"
import { makeNode, type Node } from "../../../src/node/node.ts"
import { makeOutgoingLinks } from "../../../src/node/outgoing-links.ts"
import { Epoch } from "../../../src/params/epoch.ts"
import { nodeIdOf, type NodeDescriptor } from "../../../src/pki/descriptor.ts"
import { Directory } from "../../../src/pki/directory.ts"
import type { Document } from "../../../src/pki/document.ts"
import { makeIdentity } from "../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../src/pki/pki-view.ts"
import { NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { crypto, geometry, makeRing, packetFor, params } from "./sample-node.ts"

class Receiver extends RpcGroup.make(Forward) {}

const named = (name: string): NodeDescriptor => ({ name, identityKey: new Uint8Array(32).fill(name.length) }) as NodeDescriptor
const idOf = (name: string): NodeId => NodeId.unsafe(nodeIdOf(crypto, named(name).identityKey))
const documentOf = (epoch: number, ...names: ReadonlyArray<string>): Document =>
  ({ epoch: Epoch(epoch), params, mixLayers: [names.map(named)], gateways: [], serviceNodes: [] }) as unknown as Document

const view = (current: Document | undefined, next?: Document): Context.Tag.Service<typeof PkiView> => ({
  held: () => current,
  current: current === undefined ? Effect.fail(new NoDocument()) : Effect.succeed(current),
  forEpoch: (epoch) => Effect.succeed(epoch === next?.epoch ? Option.fromNullable(next) : Option.none())
})

/** Runs a test with a mount; `received` tells what came to each neighbour that serves. */
const withNetwork = <A>(
  serving: ReadonlyArray<string>,
  test: (received: Map<string, number>) => Effect.Effect<A, never, Mount | Scope.Scope>
): A =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const received = new Map<string, number>()
    for (const name of serving) {
      const handlers = Receiver.toLayer({ Forward: ({ packets }) => Effect.sync(() => { received.set(name, (received.get(name) ?? 0) + packets.length) }) })
      yield* Effect.orDie(mount.serve(name, Receiver, handlers))
    }
    return yield* Effect.provideService(test(received), Mount, mount)
  })))

const linksFor = (pki: Context.Tag.Service<typeof PkiView>, drops: DropCounters) =>
  Effect.provideService(makeOutgoingLinks({
    name: "me", crypto, drops, sendSlackMs: 250, neighboursIn: (document) => document.mixLayers[0] ?? []
  }), PkiView, pki)

describe("outgoing links", () => {
  const packet = new Uint8Array(geometry.packetBytes)
  it("bring packets to listed neighbours and drop those for anybody else", () => {
    withNetwork(["a", "bb", "ccc"], (received) => Effect.gen(function*() {
      const drops = new DropCounters()
      const links = yield* linksFor(view(documentOf(7, "a", "bb")), drops)
      for (const name of ["a", "bb", "a", "ccc", "dddd"]) yield* links.send(idOf(name), packet)
      yield* Effect.sleep(10)
      expect([...received]).toEqual([["a", 2], ["bb", 1]])
      expect(drops.snapshot()).toEqual({ "next-hop-invalid": 2 })
    }))
  })
  it("know the neighbours of the next epoch's document ahead of time", () => {
    withNetwork(["a"], (received) => Effect.gen(function*() {
      const drops = new DropCounters()
      const links = yield* linksFor(view(documentOf(7), documentOf(8, "a")), drops)
      yield* links.send(idOf("a"), packet)
      yield* Effect.sleep(10)
      expect([...received]).toEqual([["a", 1]])
    }))
  })
  it("drop everything while there is no document", () => {
    withNetwork(["a"], () => Effect.gen(function*() {
      const drops = new DropCounters()
      yield* (yield* linksFor(view(undefined), drops)).send(idOf("a"), packet)
      expect(drops.snapshot()).toEqual({ "next-hop-invalid": 1 })
    }))
  })
  it("count what a dead neighbour loses; the others get theirs", () => {
    withNetwork(["a"], (received) => Effect.gen(function*() {
      const drops = new DropCounters()
      const links = yield* linksFor(view(documentOf(7, "a", "bb")), drops)
      for (const name of ["bb", "a", "bb", "a"]) yield* links.send(idOf(name), packet)
      yield* Effect.sleep(10)
      expect([[...received], drops.snapshot()]).toEqual([[["a", 2]], { "outgoing-failed": 2 }])
    }))
  })
})

describe("a node", () => {
  const withNode = <A>(test: (node: Node, key: Uint8Array, terminals: Array<number>) => Effect.Effect<A>): A =>
    withNetwork([], () => Effect.gen(function*() {
      const keys = makeRing()
      const seed = new Uint8Array(32).fill(3)
      const terminals: Array<number> = []
      const directory = { postDescriptor: () => Effect.succeed(1), getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(0) }
      const node = yield* makeNode({
        crypto, params, geometry, authorityKeys: [], authorityThreshold: 1,
        identity: makeIdentity(crypto, "me", seed), role: "mix", mixLayer: 0, services: [], keys,
        neighboursIn: (document) => document.mixLayers[0] ?? [],
        forwards: (origin) => origin === "node",
        terminal: (order) => Effect.sync(() => { terminals.push(order.delayMs) })
      }).pipe(Effect.provideService(PkiView, view(documentOf(0))), Effect.provideService(Directory, directory))
      yield* Effect.sleep(1)
      return yield* test(node, keys.publicKeys(0).get(0) as Uint8Array, terminals)
    }))
  const capMs = exponentialCapMs(params.muPerMs)
  const recipient = { _tag: "Recipient", recipient: recipientId("echo") } as const

  it("holds a packet as long as it asks, up to the longest honest delay, and refuses longer ones", () => {
    withNode((node, key) => Effect.gen(function*() {
      yield* node.accept([packetFor(key, [{ _tag: "NodeDelay", delayMs: capMs }]), packetFor(key, [{ _tag: "NodeDelay", delayMs: capMs + 1 }])], "node")
      yield* Effect.sleep(1)
      expect(node.drops.snapshot()).toEqual({ "delay-impossible": 1 })
      yield* Effect.sleep(capMs - 10)
      expect(node.drops.get("next-hop-invalid")).toBe(0)
      yield* Effect.sleep(20)
      expect(node.drops.get("next-hop-invalid")).toBe(1)
    }))
  })
  it("refuses such delays of packets that end there too", () => {
    withNode((node, key, terminals) => Effect.gen(function*() {
      for (const delayMs of [capMs, capMs + 1, 2 ** 32 - 1]) yield* node.accept([packetFor(key, [{ _tag: "NodeDelay", delayMs }, recipient], true)], "node")
      yield* Effect.sleep(1)
      expect([terminals, node.drops.snapshot()]).toEqual([[capMs], { "delay-impossible": 2 }])
    }))
  })
  it("forwards only for those it may forward for", () => {
    withNode((node, key) => Effect.gen(function*() {
      yield* node.accept([packetFor(key)], "client")
      yield* Effect.sleep(1)
      expect(node.drops.snapshot()).toEqual({ "not-terminal": 1 })
    }))
  })
})
