/**
 * Threads that unwrap.
 *
 * Goal: a batch comes back whole with what unwrapping here would have given; a thread that ends costs its batches and nothing else; wiped keys open nothing.
 * Method: the program of a thread run in this one, message by message, in virtual time; a pipeline over it; the layout alone.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { MixKeyRing } from "../../../src/mixnet/mix-key.ts"
import { forwardOrderOf } from "../../../src/node/pipeline.ts"
import { UnwrapBatch } from "../../../src/node/unwrap-batch.ts"
import type { ToUnwrapThread, UnwrapThreadEvents } from "../../../src/node/unwrap-message.ts"
import { openPacket, type UnwrapOutcome } from "../../../src/node/unwrap-outcome.ts"
import { BATCH_LIMIT, BATCHES_PER_THREAD, makeUnwrapPool, type UnwrapPool } from "../../../src/node/unwrap-pool.ts"
import { type OpenUnwrapThread, unwrapProgram } from "../../../src/node/unwrap-thread.ts"
import { mixPrivateKey, type MixPrivateKey } from "../../../src/sphinx/unwrap.ts"
import { recipientId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { crypto, entropy, geometry, makeRing, NEXT, packetFor, pipelineWith } from "./sample-node.ts"

/** Threads whose messages wait until `work` is called. */
class StillThreads {
  readonly threads: Array<{
    readonly inbox: Array<ToUnwrapThread>
    readonly program: (message: ToUnwrapThread) => void
    readonly events: UnwrapThreadEvents
  }> = []
  readonly sent: Array<ToUnwrapThread> = []
  closed = 0

  readonly open: OpenUnwrapThread = (events) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const inbox: Array<ToUnwrapThread> = []
        this.threads.push({ inbox, program: unwrapProgram(events.onMessage), events })
        return {
          post: (message: ToUnwrapThread) => {
            inbox.push(message)
            this.sent.push(message)
          }
        }
      }),
      () => Effect.sync(() => { this.closed += 1 })
    )

  /** Lets every thread do what it was told. */
  work(): void {
    for (const { inbox, program } of this.threads) while (inbox.length > 0) program(inbox.shift() as ToUnwrapThread)
  }
}

const poolOf = (threads: StillThreads, count = 1) =>
  Effect.gen(function*() {
    const pool = yield* makeUnwrapPool({ crypto, geometry, threads: { count, open: threads.open } })
    yield* Effect.sleep(1)
    threads.work()
    return pool
  })
const run = <A>(test: Effect.Effect<A, never, Scope.Scope>): A => runVirtual(Effect.scoped(test))
const makeKey = (): MixPrivateKey => mixPrivateKey(crypto, geometry, entropy(32))
const samples = (key: MixPrivateKey): ReadonlyArray<Uint8Array> => {
  const good = packetFor(key.publicKey)
  return [
    good,
    packetFor(key.publicKey, [{ _tag: "NodeDelay", delayMs: 3 }, { _tag: "Recipient", recipient: recipientId("echo") }], true),
    good.map((byte, index) => (index === 40 ? byte ^ 1 : byte)),
    good.map((byte, index) => (index === 0 ? 1 : byte)),
    new Uint8Array(geometry.packetBytes)
  ]
}
const submitted = (pool: UnwrapPool, threads: StillThreads, packets: ReadonlyArray<Uint8Array>, keys: ReadonlyArray<MixPrivateKey>) => {
  let outcomes: ReadonlyArray<UnwrapOutcome> = []
  pool.submit(packets, keys, (done) => { outcomes = done })
  threads.work()
  return outcomes
}

describe("a pool of threads", () => {
  it("gives for every packet what unwrapping here gives, whichever key fits", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* poolOf(threads)
      const keys = [makeKey(), makeKey()]
      const packets = keys.flatMap(samples)
      expect(submitted(pool, threads, packets, keys)).toEqual(packets.map((packet) => openPacket(crypto, geometry, keys, packet)))
      expect(submitted(pool, threads, packets, [])).toEqual(packets.map((packet) => openPacket(crypto, geometry, [], packet)))
    }))
  })
  it("lends a key to a thread once; a wiped key opens nothing, and its neighbours keep their places", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* poolOf(threads)
      const keys = [makeKey(), makeKey()] as const
      const packets = keys.map(({ publicKey }) => packetFor(publicKey))
      for (let i = 0; i < 3; i++) expect(submitted(pool, threads, packets, keys).map((outcome) => (outcome as { keyIndex: number }).keyIndex)).toEqual([0, 1])
      expect(threads.sent.filter(({ type }) => type === "key")).toHaveLength(2)
      keys[0].wipe()
      pool.sweep()
      expect(submitted(pool, threads, packets, keys)).toMatchObject(["bad-mac", { keyIndex: 1 }])
    }))
  })
  it("takes so many batches and no more; is down until its threads are ready", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* makeUnwrapPool({ crypto, geometry, threads: { count: 2, open: threads.open } })
      yield* Effect.sleep(1)
      expect([pool.isUp(), pool.hasRoom()]).toEqual([false, false])
      threads.work()
      let done = 0
      for (let i = 0; i < 2 * BATCHES_PER_THREAD; i++) {
        expect([pool.isUp(), pool.hasRoom()]).toEqual([true, true])
        pool.submit([new Uint8Array(geometry.packetBytes)], [], () => { done += 1 })
      }
      expect(pool.hasRoom()).toBe(false)
      expect(() => pool.submit([], [], () => undefined)).toThrow(RangeError)
      threads.work()
      expect([done, pool.hasRoom()]).toEqual([2 * BATCHES_PER_THREAD, true])
    }))
  })
  it("replaces a thread that ends, drops its batches, and forgets it with the scope", () => {
    const threads = new StillThreads()
    run(Effect.gen(function*() {
      const pool = yield* poolOf(threads)
      const key = makeKey()
      const outcomes: Array<ReadonlyArray<UnwrapOutcome>> = []
      pool.submit(samples(key), [key], (done) => outcomes.push(done))
      threads.threads[0]?.events.onExit()
      yield* Effect.sleep(1)
      expect([outcomes, pool.isUp(), threads.closed]).toEqual([[samples(key).map(() => "unwrap-thread-lost")], false, 1])
      threads.threads[0]?.events.onMessage({ type: "done", slot: 0 })
      yield* Effect.sleep(60)
      threads.work()
      expect([pool.isUp(), threads.threads.length, outcomes.length]).toEqual([true, 2, 1])
      expect(submitted(pool, threads, [packetFor(key.publicKey)], [key])).toMatchObject([{ keyIndex: 0 }])
    }))
    expect(threads.closed).toBe(2)
  })
  it("starts a thread that never gets ready less and less often", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      yield* makeUnwrapPool({ crypto, geometry, threads: { count: 1, open: threads.open } })
      const counts: Array<number> = []
      for (let second = 0; second < 20; second++) {
        for (let i = 0; i < 100; i++) {
          threads.threads.at(-1)?.events.onExit()
          yield* Effect.sleep(10)
        }
        counts.push(threads.threads.length)
      }
      expect(counts.at(-1)).toBeGreaterThan(8)
      expect(counts.at(-1)).toBeLessThan(14)
    }))
  })
})

describe("a pipeline over a pool", () => {
  const keyOf = (ring: MixKeyRing): Uint8Array => ring.publicKeys(0).get(0) as Uint8Array
  it("routes each packet once with its instant of arrival, drops replays within a batch, and counts the rest", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* poolOf(threads, 2)
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring, { pool })
      yield* Effect.sleep(7)
      const [first, second] = [packetFor(keyOf(ring)), packetFor(keyOf(ring))]
      yield* pipeline.accept([first, second, first, entropy(geometry.packetBytes).fill(0, 0, 2)], "client")
      yield* Effect.sleep(3)
      expect(routed).toHaveLength(0)
      threads.work()
      yield* Effect.sleep(1)
      expect(routed.map(({ origin, receivedAtMs, unwrapped }) => [origin, receivedAtMs - routed[0]!.receivedAtMs, forwardOrderOf(unwrapped)?.nodeId]))
        .toEqual([["client", 0, NEXT], ["client", 0, NEXT]])
      expect(drops.snapshot()).toEqual({ replay: 1, "bad-mac": 1 })
    }))
  })
  it("keeps a bounded backlog while the pool is busy, and sends batches of what waits", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* poolOf(threads)
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring, { pool, inboundCapacity: 50 })
      const packets = Array.from({ length: 60 }, () => packetFor(keyOf(ring)))
      yield* pipeline.accept(packets, "node")
      yield* Effect.sleep(1)
      expect([pipeline.waiting(), drops.get("inbound-queue-full")]).toEqual([50 - BATCHES_PER_THREAD * BATCH_LIMIT, 10])
      for (let i = 0; i < 4; i++) {
        threads.work()
        yield* Effect.sleep(1)
      }
      expect([routed.length, pipeline.waiting(), pipeline.unwrapped()]).toEqual([50, 0, 50])
    }))
  })
  it("unwraps here while no thread is up, and drops what a lost thread had", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* makeUnwrapPool({ crypto, geometry, threads: { count: 1, open: threads.open } })
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring, { pool })
      yield* pipeline.accept([packetFor(keyOf(ring))], "node")
      yield* Effect.sleep(1)
      expect(routed).toHaveLength(1)
      threads.work()
      yield* pipeline.accept([packetFor(keyOf(ring)), packetFor(keyOf(ring))], "node")
      yield* Effect.sleep(1)
      threads.threads[0]?.events.onExit()
      yield* Effect.sleep(1)
      expect([routed.length, drops.snapshot()]).toEqual([1, { "unwrap-thread-lost": 2 }])
    }))
  })
  it("routes nothing under a key that was wiped while its packets were away", () => {
    run(Effect.gen(function*() {
      const threads = new StillThreads()
      const pool = yield* poolOf(threads)
      const ring = makeRing()
      ring.ensure(0)
      const { drops, pipeline, routed } = yield* pipelineWith(ring, { pool })
      yield* pipeline.accept([packetFor(keyOf(ring))], "node")
      yield* Effect.sleep(1)
      const [batch] = threads.threads[0]!.inbox.splice(-1)
      threads.work()
      threads.threads[0]!.program(batch as ToUnwrapThread)
      ring.prune(5)
      yield* Effect.sleep(1)
      expect([routed.length, drops.snapshot()]).toEqual([0, { "no-mix-key": 1 }])
    }))
  })
})

describe("shared memory of a batch", () => {
  it("brings back what was written and holds nothing of a result that was read", () => {
    const memory = new SharedArrayBuffer(UnwrapBatch.byteLength(geometry))
    const batch = new UnwrapBatch(geometry, memory)
    const key = makeKey()
    const outcomes = samples(key).map((packet) => openPacket(crypto, geometry, [key], packet))
    outcomes.forEach((outcome, index) => batch.writeOutcome(index, outcome))
    expect(outcomes.map((_, index) => batch.readOutcome(index))).toEqual(outcomes)
    expect(new Uint8Array(memory).subarray(8).filter((byte) => byte > 8)).toHaveLength(0)
    const packets = samples(key)
    batch.writePackets(packets)
    expect(packets.map((_, index) => batch.packet(index).slice())).toEqual(packets)
    batch.wipe()
    expect(new Uint8Array(memory).every((byte) => byte === 0)).toBe(true)
  })
})
