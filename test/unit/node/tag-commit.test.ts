/**
 * Packets between the replay test and their routing.
 *
 * Goal: nothing goes on before its tag is durable, in order, and nothing late in bulk. Method: a commit that takes its time, in virtual time; and the whole
 * pipeline over a ring whose disk is slow, fails or stands still.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { DropCounters } from "../../../src/mixnet/drop-counters.ts"
import { openMixKeysIn } from "../../../src/node/mix-key-disk.ts"
import { COMMIT_GATHER_MS, makeTagCommit } from "../../../src/node/tag-commit.ts"
import { MemoryDisk } from "../disk/memory-disk.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { crypto, entropy, geometry, packetFor, pipelineWith } from "./sample-node.ts"

const run = <A, E>(test: Effect.Effect<A, E, Scope.Scope>): A => runVirtual(Effect.scoped(Effect.orDie(test)))

/** Packets are numbers; routed ones are noted with their instant. */
const commitWith = (commit: Effect.Effect<boolean>, route: (packet: number) => Effect.Effect<void> = () => Effect.void) =>
  Effect.gen(function*() {
    const drops = new DropCounters()
    const routed: Array<readonly [number, number]> = []
    const offer = yield* makeTagCommit<number, never>({
      commit, drops, dwellMs: 250, gatherMs: 0,
      route: (packet) => Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        routed.push([packet, nowMs])
        return route(packet)
      })
    })
    return { drops, routed, offer }
  })

describe("a packet whose tag is recorded", () => {
  it("goes on when the commit that began after it has ended; those that come meanwhile go together with the next one, in order", () => {
    run(Effect.gen(function*() {
      const { offer, routed } = yield* commitWith(Effect.as(Effect.sleep(20), true))
      yield* offer(1)
      yield* Effect.sleep(5)
      yield* Effect.forEach([2, 3, 4], offer)
      yield* Effect.sleep(100)
      expect(routed).toEqual([[1, 20], [2, 40], [3, 40], [4, 40]])
    }))
  })
  it("is dropped and counted when its tag cannot be made durable; later ones go on when it can", () => {
    run(Effect.gen(function*() {
      const outcomes = [Effect.succeed(false), Effect.die("planted"), Effect.succeed(true)]
      let commits = 0
      const { drops, offer, routed } = yield* commitWith(Effect.suspend(() => outcomes[commits++] ?? Effect.succeed(true)))
      for (const packet of [1, 2, 3]) yield* Effect.zipRight(offer(packet), Effect.sleep(1))
      expect([routed.map(([packet]) => packet), drops.snapshot()]).toEqual([[3], { "tag-not-durable": 2 }])
    }))
  })
  it("is dropped when the disk stood still for longer than the dwell: nothing comes in bulk afterwards", () => {
    run(Effect.gen(function*() {
      const { drops, offer, routed } = yield* commitWith(Effect.as(Effect.sleep(251), true))
      yield* Effect.forEach([1, 2, 3], offer)
      yield* Effect.sleep(1_000)
      expect([routed, drops.snapshot()]).toEqual([[], { "commit-dwell-exceeded": 3 }])
    }))
  })
  it("goes on although the routing of another one dies", () => {
    run(Effect.gen(function*() {
      const { drops, offer, routed } = yield* commitWith(Effect.succeed(true), (packet) => (packet === 2 ? Effect.die("planted") : Effect.void))
      yield* Effect.forEach([1, 2, 3], offer)
      yield* Effect.sleep(1)
      expect([routed.map(([packet]) => packet), drops.snapshot()]).toEqual([[1, 2, 3], { "internal-error": 1 }])
    }))
  })
  it("waits for room when a thousand wait already", () => {
    run(Effect.gen(function*() {
      const { offer } = yield* commitWith(Effect.never)
      let taken = 0
      yield* Effect.forkScoped(Effect.forEach(Array.from({ length: 3_000 }, (_, index) => index), (packet) => Effect.map(offer(packet), () => { taken += 1 })))
      yield* Effect.sleep(10)
      expect(taken).toBeGreaterThanOrEqual(1_000)
      expect(taken).toBeLessThanOrEqual(1_000 + 256 + 1)
    }))
  })
})

describe("a pipeline over keys on disk", () => {
  const onDisk = (disk: MemoryDisk) => openMixKeysIn(disk.restart(), { crypto, geometry, entropy, replayCapacity: 100 })
  const publicKey = (ring: { readonly publicKeys: (epoch: number) => ReadonlyMap<number, Uint8Array> }): Uint8Array => ring.publicKeys(0).get(0) as Uint8Array

  it("routes with the instant of arrival, not that of the commit, and knows the packet as a replay in the next life", () => {
    const disk = new MemoryDisk()
    const packet = run(Effect.gen(function*() {
      disk.onSync = Effect.sleep(30)
      const ring = yield* onDisk(disk)
      ring.ensure(0)
      const { pipeline, routed } = yield* pipelineWith(ring)
      const packet = packetFor(publicKey(ring))
      yield* Effect.sleep(7)
      yield* pipeline.accept([packet.slice()], "node")
      yield* Effect.sleep(COMMIT_GATHER_MS + 29)
      expect(routed).toEqual([])
      yield* Effect.sleep(2)
      expect(routed.map(({ receivedAtMs }) => receivedAtMs)).toEqual([7])
      return packet
    }))
    disk.onSync = Effect.void
    run(Effect.gen(function*() {
      const { drops, pipeline, routed } = yield* pipelineWith(yield* onDisk(disk))
      yield* pipeline.accept([packet.slice()], "client")
      yield* Effect.sleep(1)
      expect([routed.length, drops.snapshot()]).toEqual([0, { replay: 1 }])
    }))
  })
  it("drops packets while the disk fails; one that was dropped so stays known", () => {
    const disk = new MemoryDisk()
    run(Effect.gen(function*() {
      const ring = yield* onDisk(disk)
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring)
      const packet = packetFor(publicKey(ring))
      disk.failing.add("append")
      yield* pipeline.accept([packet.slice()], "node")
      yield* Effect.sleep(COMMIT_GATHER_MS + 1)
      disk.failing.clear()
      yield* pipeline.accept([packet.slice(), packetFor(publicKey(ring))], "node")
      yield* Effect.sleep(COMMIT_GATHER_MS + 1)
      expect([routed.length, drops.snapshot()]).toEqual([1, { "tag-not-durable": 1, replay: 1 }])
    }))
  })
})
