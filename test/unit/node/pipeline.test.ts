/**
 * The inbound half of a node.
 *
 * Goal: every packet is routed once or counted once, replays are dropped, nobody can spoil a tag or kill the loop.
 * Method: real packets and keys in virtual time, whose instant 0 lies in epoch 0.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { EPOCH_ORIGIN_MS } from "../../../src/params/epoch.ts"
import { forwardOrderOf, terminalOrderOf } from "../../../src/node/pipeline.ts"
import type { UnwrapPool } from "../../../src/node/unwrap-pool.ts"
import { recipientId, SurbId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { crypto, entropy, geometry, makeRing, NEXT, packetFor, params, pipelineWith } from "./sample-node.ts"

const settle = Effect.sleep(1)
const keyOf = (ring: ReturnType<typeof makeRing>, epoch: number): Uint8Array => ring.publicKeys(epoch).get(epoch) as Uint8Array
const flipped = (packet: Uint8Array, at: number): Uint8Array => packet.map((byte, index) => (index === at ? byte ^ 1 : byte))
const run = <A>(test: Effect.Effect<A, never, import("effect").Scope.Scope>): A => runVirtual(Effect.scoped(test))

describe("a packet", () => {
  it("is unwrapped once and routed with the instant at which it came", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring)
      yield* Effect.sleep(7)
      yield* pipeline.accept([packetFor(keyOf(ring, 0))], "client")
      yield* settle
      expect(routed.map(({ origin, receivedAtMs }) => [origin, receivedAtMs])).toEqual([["client", 7]])
      expect(forwardOrderOf(routed[0]?.unwrapped as never)).toMatchObject({ nodeId: NEXT, delayMs: 5 })
      expect(drops.snapshot()).toEqual({})
    }))
  })
  it("that comes again is dropped and counted as a replay, however often", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring)
      const packet = packetFor(keyOf(ring, 0))
      yield* pipeline.accept([packet.slice(), packet.slice()], "node")
      yield* settle
      yield* pipeline.accept([packet], "client")
      yield* settle
      expect([routed.length, drops.snapshot()]).toEqual([1, { replay: 2 }])
    }))
  })
  it("that comes again costs no curve operation, also where threads unwrap: its tag is looked up before", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      let curveOperations = 0
      const counting: CryptoBackend = {
        ...crypto,
        x25519: (scalar, point) => { curveOperations++; return crypto.x25519(scalar, point) },
        x25519PublicKey: (scalar) => { curveOperations++; return crypto.x25519PublicKey(scalar) },
        xwingDecapsulate: (key, ciphertext) => { curveOperations++; return crypto.xwingDecapsulate(key, ciphertext) }
      }
      const { drops, pipeline, routed } = yield* pipelineWith(ring, { crypto: counting })
      const packet = packetFor(keyOf(ring, 0))
      yield* pipeline.accept([packet.slice()], "node")
      yield* settle
      expect([routed.length, curveOperations]).toEqual([1, 2])
      // also with another payload or MAC: whoever replays an element has replayed the packet
      yield* pipeline.accept([packet, flipped(packet, geometry.packetBytes - 1), flipped(packet, geometry.headerBytes - 1)], "node")
      yield* settle
      expect([routed.length, curveOperations, drops.snapshot()]).toEqual([1, 2, { replay: 3 }])
      const submitted: Array<number> = []
      const pool: UnwrapPool = {
        size: 1, isUp: () => true, hasRoom: () => true, sweep: () => undefined, onChange: () => undefined,
        submit: (packets) => { submitted.push(packets.length) }
      }
      const threaded = yield* pipelineWith(ring, { crypto: counting, pool })
      yield* threaded.pipeline.accept([packet, packetFor(keyOf(ring, 0)), packet], "node")
      yield* settle
      expect([submitted, curveOperations, threaded.drops.snapshot()]).toEqual([[1], 2, { replay: 2 }])
    }))
  })
  it("whose element was copied under a bad MAC does not spoil the honest one: its tag is not recorded", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring)
      const packet = packetFor(keyOf(ring, 0))
      const elementEnd = 2 + geometry.elementBytes
      yield* pipeline.accept([flipped(packet, elementEnd), flipped(packet, geometry.headerBytes - 1)], "client")
      yield* settle
      expect([routed.length, drops.snapshot()]).toEqual([0, { "bad-mac": 2 }])
      yield* pipeline.accept([packet], "node")
      yield* settle
      expect(routed).toHaveLength(1)
    }))
  })
  it.each<readonly [string, number, number, boolean]>([
    ["for this epoch", 10, 10, true], ["for the last one", 10, 9, true], ["for the next one", 10, 11, true],
    ["for the one after the next", 10, 12, false], ["for one long gone", 11, 9, false]
  ])("%s (now %i, key of %i): accepted %s", (_, now, keyEpoch, accepted) => {
    run(Effect.gen(function*() {
      yield* Effect.sleep(EPOCH_ORIGIN_MS + now * params.epochPeriodMs + 1)
      const ring = makeRing()
      ring.ensure(9)
      ring.ensure(11)
      const { drops, pipeline, routed } = yield* pipelineWith(ring)
      yield* pipeline.accept([packetFor(keyOf(ring, keyEpoch))], "node")
      yield* settle
      expect([routed.length, drops.get("bad-mac")]).toEqual(accepted ? [1, 0] : [0, 1])
    }))
  })
  it("that waited longer than its dwell is dropped unopened", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline } = yield* pipelineWith(ring, { route: () => Effect.sleep(251) })
      yield* pipeline.accept([packetFor(keyOf(ring, 0)), packetFor(keyOf(ring, 0))], "node")
      yield* Effect.sleep(1000)
      expect(drops.snapshot()).toEqual({ "unwrap-dwell-exceeded": 1 })
    }))
  })
})

describe("the queue", () => {
  it("is bounded: what is too much is counted, and the caller never waits", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline } = yield* pipelineWith(ring, { inboundCapacity: 3, route: () => Effect.never })
      const packet = packetFor(keyOf(ring, 0))
      const startMs = yield* Clock.currentTimeMillis
      yield* pipeline.accept([packet], "node")
      yield* settle
      yield* pipeline.accept(Array.from({ length: 10 }, () => packet), "node")
      expect((yield* Clock.currentTimeMillis) - startMs).toBe(1)
      expect(drops.snapshot()).toEqual({ "inbound-queue-full": 7 })
    }))
  })
  it("takes no bytes of another length, so that a few huge ones cannot fill the memory", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline } = yield* pipelineWith(ring)
      yield* pipeline.accept([0, 1, geometry.packetBytes - 1, geometry.packetBytes + 1].map((length) => entropy(length)), "client")
      expect(drops.snapshot()).toEqual({ "wrong-length": 4 })
    }))
  })
  it("random bytes are counted under a reason and stop nothing; without a key they are counted too", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      const { drops, pipeline, routed } = yield* pipelineWith(ring)
      yield* pipeline.accept([entropy(geometry.packetBytes)], "client")
      yield* settle
      expect(drops.snapshot()).toEqual({ "no-mix-key": 1 })
      ring.ensure(0)
      const garbage = Array.from({ length: 40 }, (_, index) => {
        const bytes = entropy(geometry.packetBytes)
        if (index % 2 === 0) bytes.set([0, 0])
        return bytes
      })
      yield* pipeline.accept(garbage, "client")
      yield* settle
      const counted = Object.values(drops.snapshot()).reduce((sum, count) => sum + count, 0)
      yield* pipeline.accept([packetFor(keyOf(ring, 0))], "client")
      yield* settle
      expect([counted, routed.length]).toEqual([41, 1])
    }))
  })
  it("goes on after a packet whose routing dies or is interrupted", () => {
    run(Effect.gen(function*() {
      const ring = makeRing()
      ring.ensure(0)
      const ends = [Effect.die("planted"), Effect.interrupt, Effect.void]
      let served = 0
      const { drops, pipeline } = yield* pipelineWith(ring, { route: () => ends[served++] ?? Effect.void })
      yield* pipeline.accept([1, 2, 3].map(() => packetFor(keyOf(ring, 0))), "node")
      yield* settle
      expect([served, drops.snapshot()]).toEqual([3, { "internal-error": 2 }])
    }))
  })
  it("a full replay filter refuses packets and forgets no tag", () => {
    run(Effect.gen(function*() {
      const full = new (makeRing().constructor as new (options: object) => ReturnType<typeof makeRing>)({ crypto, geometry, entropy, replayCapacity: 1 })
      full.ensure(0)
      const { drops, pipeline } = yield* pipelineWith(full)
      const first = packetFor(keyOf(full, 0))
      yield* pipeline.accept([first, packetFor(keyOf(full, 0)), first.slice()], "node")
      yield* settle
      expect(drops.snapshot()).toEqual({ "replay-filter-full": 1, replay: 1 })
    }))
  })
})

describe("orders", () => {
  const recipient = recipientId("echo")
  const surbId = SurbId.unsafe(new Uint8Array(16))
  const delay = { _tag: "NodeDelay", delayMs: 5 } as const
  const ends = { replayTag: new Uint8Array(32), next: undefined, payload: new Uint8Array(4) }
  it("one that ends needs one recipient, and has at most one delay and one SURB id", () => {
    const recipientCommand = { _tag: "Recipient", recipient } as const
    const surb = { _tag: "SurbReply", surbId } as const
    expect(terminalOrderOf({ ...ends, commands: [recipientCommand] })).toMatchObject({ delayMs: 0, surbId: undefined })
    expect(terminalOrderOf({ ...ends, commands: [delay, recipientCommand, surb] })).toMatchObject({ delayMs: 5, surbId })
    for (const commands of [[], [delay], [surb], [recipientCommand, recipientCommand], [recipientCommand, delay, delay], [recipientCommand, surb, surb]]) {
      expect(terminalOrderOf({ ...ends, commands })).toBeUndefined()
    }
  })
  it("one that goes on has one delay and one next node, and nothing else", () => {
    const mac = new Uint8Array(32)
    const nextNode = { _tag: "NextNode", nodeId: NEXT, mac } as const
    const goes = { ...ends, payload: undefined, next: { nodeId: NEXT, packet: new Uint8Array(1) } }
    expect(forwardOrderOf({ ...goes, commands: [delay, nextNode] })).toBeDefined()
    for (const commands of [[nextNode], [delay, delay, nextNode], [delay, nextNode, { _tag: "Recipient", recipient } as const]]) {
      expect(forwardOrderOf({ ...goes, commands })).toBeUndefined()
    }
  })
})
