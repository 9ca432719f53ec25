/**
 * Paced command links.
 *
 * Goal: one command per tick whatever happens, nothing lost that can be sent again, nothing unbounded.
 * Method: virtual time with seeded randomness; Kolmogorov–Smirnov tests with a false-alarm rate of 10^-6.
 *
 * @module
 */
import { Clock, Effect, Either, Logger, LogLevel } from "effect"
import { describe, expect, it } from "vitest"
import { later } from "../../../src/actor/actor.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { IN_FLIGHT_LIMIT, makeCommandLink, type CommandLink, type CommandLinkConfig } from "../../../src/node/command-link.ts"
import { decodeLinkFrame, makeReplicaLinks, type ListedReplica } from "../../../src/node/replica-links.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { pigeonholeGeometry } from "../../../src/pigeonhole/geometry.ts"
import { distanceBound, distanceFrom, exponential } from "../../../src/simulation/checkers/statistics.ts"
import { runVirtual } from "../session/virtual-time.ts"

const RATE = tinyParams.lambdaRPerMs
const decoy = new Uint8Array([0])
const frame = (value: number): Uint8Array => new Uint8Array([value])

interface Sent {
  readonly atMs: number
  readonly value: number
}

/** Runs a test on a link; what the link sends is recorded before `call` decides. */
const withLink = <A>(
  change: Partial<CommandLinkConfig<string>>,
  test: (link: CommandLink, sent: Array<Sent>) => Effect.Effect<A>
): A => {
  const sent: Array<Sent> = []
  const call = change.call ?? (() => Effect.succeed(decoy))
  return runVirtual(Effect.scoped(Effect.gen(function*() {
    const link = yield* makeCommandLink<string>({
      ratePerMs: RATE, sendSlackMs: 250, capacity: 8, decoy, onReply: () => Effect.void, ...change,
      call: (bytes) => Effect.flatMap(Clock.currentTimeMillis, (atMs) => {
        sent.push({ atMs, value: bytes[0] as number })
        return call(bytes)
      })
    })
    return yield* test(link, sent)
  })).pipe(Effect.withRandom(randomFromEntropy(seededEntropy("link tests", "ticks"))), Effect.provide(Logger.minimumLogLevel(LogLevel.None))))
}
const realOf = (sent: ReadonlyArray<Sent>): ReadonlyArray<number> => sent.flatMap(({ value }) => (value === 0 ? [] : [value]))
const gapsOf = (sent: ReadonlyArray<Sent>): ReadonlyArray<number> => sent.slice(1).map(({ atMs }, index) => atMs - (sent[index] as Sent).atMs)

describe("ticks", () => {
  const keepFull = (link: CommandLink) => Effect.forever(Effect.zipRight(Effect.sync(() => link.offer(frame(1))), Effect.sleep(10)))
  const cases: ReadonlyArray<readonly [string, Partial<CommandLinkConfig<string>>, boolean]> = [
    ["idle", {}, false], ["busy", {}, true], ["dead", { call: () => Effect.fail("gone") }, true], ["dying", { call: () => Effect.die("planted") }, true],
    ["slow", { call: () => Effect.delay(Effect.succeed(decoy), 1000) }, true]
  ]
  it.each(cases)("of a link come at λR: %s", (_, change, busy) => {
    const gaps = withLink(change, (link, sent) => Effect.gen(function*() {
      if (busy) yield* Effect.fork(keepFull(link))
      yield* Effect.sleep(1500 / RATE)
      return gapsOf(sent)
    }))
    expect(distanceFrom(gaps, exponential(RATE))).toBeLessThan(distanceBound(gaps.length, 1e-6))
  })
  it("go on when a peer never answers, until the bound of calls in flight; then they are counted", () => {
    withLink({ call: () => Effect.never }, (link, sent) => Effect.gen(function*() {
      yield* Effect.sleep(2 * IN_FLIGHT_LIMIT / RATE)
      expect(sent).toHaveLength(IN_FLIGHT_LIMIT)
      expect(link.stalled()).toBeGreaterThan(0)
    }))
  })
  it("K19: are not slowed by a reply that takes long to handle, nor stopped by one that kills its handler", () => {
    const throwing = (): Effect.Effect<void> => { throw new TypeError("planted") }
    for (const onReply of [() => Effect.sleep(500), () => Effect.die("planted"), throwing]) {
      const count = withLink({ onReply }, (_, sent) => Effect.map(Effect.sleep(200 / RATE), () => sent.length))
      expect(Math.abs(count - 200)).toBeLessThan(6 * Math.sqrt(200))
    }
  })
})

describe("a defect in a call", () => {
  const throwing = (): never => { throw new TypeError("planted") }
  it.each([["before it begins", throwing], ["as it begins", () => later<Uint8Array>(throwing)]])(
    "%s ends that call alone, and its command comes again", (_, broken) => {
      let left = 3
      const called: Array<number> = []
      const call = (bytes: Uint8Array): Effect.Effect<Uint8Array> => {
        called.push(bytes[0] as number)
        return bytes[0] === 7 && left-- > 0 ? broken() : Effect.succeed(decoy)
      }
      runVirtual(Effect.scoped(Effect.gen(function*() {
        const link = yield* makeCommandLink({ ratePerMs: RATE, sendSlackMs: 250, capacity: 8, decoy, onReply: () => undefined, call })
        link.offer(frame(7))
        yield* Effect.sleep(50 / RATE)
      })).pipe(Effect.withRandom(randomFromEntropy(seededEntropy("link tests", "defects")))))
      expect(called.filter((value) => value === 7)).toHaveLength(4)
      expect(called.length).toBeGreaterThan(20)
    })
})

describe("R29: a link", () => {
  it.each([0, -1, Number.NaN])("with rate %d does not start; it is never silently idle", (ratePerMs) => {
    expect(() => withLink({ ratePerMs }, () => Effect.sleep(1000))).toThrow("a tick rate must be positive")
  })
})

describe("commands", () => {
  it("leave in order, one per tick, then decoys", () => {
    withLink({}, (link, sent) => Effect.gen(function*() {
      for (const value of [1, 2, 3]) expect(link.offer(frame(value))).toBe(true)
      yield* Effect.sleep(20 / RATE)
      expect(sent.slice(0, 4).map(({ value }) => value)).toEqual([1, 2, 3, 0])
    }))
  })
  it("K14: are refused when the queue is full, without waiting", () => {
    withLink({}, (link) => Effect.sync(() => {
      expect(Array.from({ length: 9 }, (_, value) => link.offer(frame(value)))).toEqual([...Array.from({ length: 8 }, () => true), false])
      expect(link.waiting()).toBe(8)
    }))
  })
  it.each([["failed", Effect.fail("gone")], ["died", Effect.die("planted")]] as const)("K12, K13: whose call %s come first at the next tick", (_, end) => {
    let failures = 3
    withLink({ call: () => Effect.suspend(() => (failures-- > 0 ? end : Effect.succeed(decoy))) }, (link, sent) => Effect.gen(function*() {
      for (const value of [1, 2]) link.offer(frame(value))
      yield* Effect.sleep(20 / RATE)
      expect(realOf(sent)).toEqual([1, 1, 1, 1, 2])
    }))
  })
  it("R22: that are in flight when the connection is replaced leave on the new one, first of all; nothing breaks", () => {
    let connection = "old"
    const came: Array<string> = []
    const call = () => Effect.suspend(() => {
      const mine = connection
      if (mine === "new") came.push(mine)
      return mine === "old" ? Effect.delay(Effect.fail("replaced"), 100) : Effect.succeed(decoy)
    })
    withLink({ call }, (link, sent) => Effect.gen(function*() {
      for (const value of [1, 2]) link.offer(frame(value))
      while (realOf(sent).length === 0) yield* Effect.sleep(1)
      connection = "new"
      yield* Effect.sleep(20 / RATE)
      expect(realOf(sent).slice(-2).sort()).toEqual([1, 2])
      expect(came.length).toBeGreaterThan(2)
    }))
  })
  it("that were offered once are forgotten when their call fails, and the owner is told of every failure", () => {
    let failureCount = 0
    let failures = 4
    const change = {
      call: () => Effect.suspend(() => (failures-- > 0 ? Effect.fail("gone") : Effect.succeed(decoy))),
      onFailed: Effect.sync(() => { failureCount += 1 })
    }
    withLink(change, (link, sent) => Effect.gen(function*() {
      link.offer(frame(1), true)
      link.offer(frame(2))
      yield* Effect.sleep(20 / RATE)
      expect(realOf(sent)).toEqual([1, 2, 2, 2, 2])
      expect(failureCount).toBe(4)
    }))
  })
  it("that failed find a queue that filled meanwhile, and are lost rather than held without bound", () => {
    withLink({ call: () => Effect.delay(Effect.fail("gone"), 500) }, (link) => Effect.gen(function*() {
      yield* Effect.fork(Effect.forever(Effect.zipRight(Effect.sync(() => { while (link.offer(frame(1))); }), Effect.sleep(5))))
      yield* Effect.sleep(100 / RATE)
      expect(link.waiting()).toBeLessThanOrEqual(8)
    }))
  })
  it("are not sent again for what their reply did to its handler", () => {
    withLink({ onReply: () => Effect.die("planted") }, (link, sent) => Effect.gen(function*() {
      link.offer(frame(1))
      yield* Effect.sleep(50 / RATE)
      expect(realOf(sent)).toEqual([1])
    }))
  })
})

describe("links to replicas", () => {
  const pigeonhole = Either.getOrThrow(pigeonholeGeometry(2000, 32))
  const start = (replicas: Effect.Effect<ReadonlyArray<ListedReplica>>, connected: Array<string>) =>
    makeReplicaLinks({
      params: tinyParams, pigeonhole, name: "courier-0", replicas,
      connect: (name) => Effect.sync(() => {
        connected.push(name)
        return (bytes: Uint8Array) => Effect.sync(() => {
          expect(decodeLinkFrame(bytes, pigeonhole)?._tag).toBe("ReplicaDecoy")
          return bytes
        })
      }),
      onReply: () => Effect.void
    })
  const listed = (replicaId: number): ListedReplica => ({ name: `replica-${replicaId}`, replicaId })
  it("open once for each replica that is listed, also for one that comes later, and stay when none is listed", () => {
    const connected: Array<string> = []
    let now = [listed(1)]
    runVirtual(Effect.scoped(Effect.gen(function*() {
      const links = yield* start(Effect.sync(() => now), connected)
      expect(links.offer(1, new Uint8Array(3))).toBe(false)
      yield* Effect.sleep(100)
      now = [listed(1), listed(2)]
      yield* Effect.sleep(tinyParams.epochPeriodMs / 32)
      now = []
      yield* Effect.sleep(tinyParams.epochPeriodMs / 32)
      expect(connected).toEqual(["replica-1", "replica-2"])
      expect([links.offer(2, new Uint8Array(3)), links.offer(3, new Uint8Array(3))]).toEqual([true, false])
    })))
  })
  it("keep looking for replicas after a defect", () => {
    const connected: Array<string> = []
    let looks = 0
    runVirtual(Effect.scoped(Effect.gen(function*() {
      yield* start(Effect.suspend(() => (looks++ === 0 ? Effect.die("planted") : Effect.succeed([listed(1)]))), connected)
      yield* Effect.sleep(5000)
      expect(connected).toEqual(["replica-1"])
    })).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
  })
  it("frames of another length, and garbage, are no commands", () => {
    const bytes = seededEntropy("link tests", "garbage")
    for (const length of [0, 1, pigeonhole.linkCommandBytes - 1, pigeonhole.linkCommandBytes, pigeonhole.linkCommandBytes + 1]) {
      expect(decodeLinkFrame(bytes(length), pigeonhole)).toBeUndefined()
    }
  })
})
