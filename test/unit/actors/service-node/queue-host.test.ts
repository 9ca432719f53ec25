/**
 * The host of a dispatch queue.
 *
 * Goal: every dispatch is answered at exactly its last delay plus AnswerMs in the same form, whatever the service does; the link ticks whatever waits.
 * Method: virtual time with seeded randomness; services that answer, stay away, answer late, twice, or in garbage.
 *
 * @module
 */
import { Clock, Effect, Either, Fiber, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { makeQueueHost, OUTSTANDING_LIMIT, type QueueHost } from "../../../../actors/service-node/queue-host.ts"
import { takeEach } from "../../../../src/actor/told.ts"
import { randomFromEntropy, seededEntropy } from "../../../../src/crypto/entropy.ts"
import { REPLY_BYTES } from "../../../../src/inference/dispatch-reply.ts"
import { decodeQueueFrame, encodeQueueFrame, type QueueFrame, queueFrameBytes } from "../../../../src/inference/queue-frame.ts"
import { DropCounters } from "../../../../src/mixnet/drop-counters.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { makeGeometry } from "../../../../src/sphinx/geometry.ts"
import { distanceBound, distanceFrom, exponential } from "../../../../src/simulation/checkers/statistics.ts"
import { runVirtual } from "../../session/virtual-time.ts"

const geometry = Either.getOrThrow(makeGeometry(tinyParams.geometry))
const UFPL = geometry.userPayloadBytes
const entropy = seededEntropy("queue host tests", "entropy")
const dispatchOf = (value: number): Uint8Array => new Uint8Array(UFPL).fill(value)
const serviceReply = new Uint8Array(REPLY_BYTES).fill(0xee)

interface Answer {
  readonly atMs: number
  readonly surb: number
  readonly reply: Uint8Array
}

type Service = (frame: QueueFrame, host: QueueHost) => Effect.Effect<void>

/** Runs a test with a host whose queue the service reads; undefined: nobody reads. */
const withHost = <A>(service: Service | undefined, test: (host: QueueHost, answers: Array<Answer>, drops: DropCounters) => Effect.Effect<A>): A =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    const answers: Array<Answer> = []
    const drops = new DropCounters()
    const host = yield* makeQueueHost({
      params: tinyParams, geometry, entropy, drops,
      answer: (surb, reply) => Effect.map(Clock.currentTimeMillis, (atMs) => { answers.push({ atMs, surb: surb[0] as number, reply }) })
    })
    const onFrame = (bytes: Uint8Array) => service === undefined ? Effect.void : service(Either.getOrThrow(decodeQueueFrame(bytes, UFPL)), host)
    if (service !== undefined) yield* Effect.forkScoped(Stream.runForEach(host.deliveries, onFrame))
    return yield* test(host, answers, drops)
  })).pipe(Effect.withRandom(randomFromEntropy(seededEntropy("queue host tests", "ticks")))))

/** The service says `frame`. */
const says = (host: QueueHost, frame: Uint8Array): Effect.Effect<void> => Effect.sync(() => host.answered(frame))

const respond: Service = (frame, host) =>
  frame._tag === "Deliver"
    ? says(host, encodeQueueFrame({ _tag: "Answer", queryId: frame.queryId, reply: serviceReply }, UFPL))
    : Effect.void
const take = (host: QueueHost, value: number, dueMs: number) =>
  Effect.suspend(() => host.take(new Uint8Array([value]), dispatchOf(value), dueMs) ?? Effect.void)

describe("answers", () => {
  const services: ReadonlyArray<readonly [string, Service | undefined, boolean]> = [
    ["that answers", respond, true],
    ["that is away", undefined, false],
    ["that stays silent", () => Effect.void, false],
    ["that answers too late", (frame, host) => Effect.zipRight(Effect.sleep(1000), respond(frame, host)), false],
    ["that answers in garbage", (_, host) => says(host, entropy(queueFrameBytes(UFPL))), false],
    ["that answers other queries", (frame, host) =>
      frame._tag === "Deliver" ? says(host, encodeQueueFrame({ _tag: "Answer", queryId: entropy(16), reply: serviceReply }, UFPL)) : Effect.void, false],
    ["that sends back what it got", (frame, host) => says(host, encodeQueueFrame(frame, UFPL)), false]
  ]
  it.each(services)("of a service %s leave at the last delay plus AnswerMs, with 93 bytes", (_, service, served) => {
    withHost(service, (host, answers) => Effect.gen(function*() {
      yield* Effect.sleep(500)
      yield* take(host, 1, 480)
      yield* take(host, 2, 500.25)
      yield* Effect.sleep(2000)
      expect(answers.map(({ surb }) => surb)).toEqual([1, 2])
      for (const [index, dueMs] of [480, 500.25].entries()) expect(Math.abs((answers[index]?.atMs ?? 0) - dueMs - tinyParams.answerMs)).toBeLessThan(0.01)
      expect(answers.map(({ reply }) => reply.length)).toEqual([REPLY_BYTES, REPLY_BYTES])
      expect(answers.map(({ reply }) => Buffer.from(reply).equals(serviceReply))).toEqual([served, served])
    }))
  })
  it("the first word of a service counts, and each dispatch gets its own", () => {
    const twice: Service = (frame, host) => frame._tag !== "Deliver" ? Effect.void : Effect.gen(function*() {
      for (const byte of [frame.dispatch[0] as number, 0xff]) {
        yield* says(host, encodeQueueFrame({ _tag: "Answer", queryId: frame.queryId, reply: new Uint8Array(REPLY_BYTES).fill(byte) }, UFPL))
      }
    })
    withHost(twice, (host, answers) => Effect.gen(function*() {
      for (const value of [1, 2, 3]) yield* take(host, value, 0)
      yield* Effect.sleep(1000)
      expect(answers.map(({ reply, surb }) => [surb, reply[0]])).toEqual([[1, 1], [2, 2], [3, 3]])
    }))
  })
  it("filler is fresh random bytes each time", () => {
    withHost(undefined, (host, answers) => Effect.gen(function*() {
      for (const value of [1, 2, 3]) yield* take(host, value, 0)
      yield* Effect.sleep(1000)
      expect(new Set(answers.map(({ reply }) => Buffer.from(reply).toString("hex"))).size).toBe(3)
      const bits = answers.flatMap(({ reply }) => [...reply]).reduce((sum, byte) => sum + byte.toString(2).replace(/0/g, "").length, 0)
      expect(Math.abs(bits - (3 * 93 * 8) / 2)).toBeLessThan(6 * Math.sqrt((3 * 93 * 8) / 4))
    }))
  })
  it("more dispatches than the bound are all answered; those beyond are not delivered and counted", () => {
    const delivered: Array<number> = []
    const count: Service = (frame) => Effect.sync(() => { if (frame._tag === "Deliver") delivered.push(1) })
    withHost(undefined, (host, answers, drops) => Effect.gen(function*() {
      for (let number = 0; number < OUTSTANDING_LIMIT + 5; number++) yield* take(host, 1, 0)
      expect(drops.get("service-queue-full")).toBe(5)
      yield* Effect.sleep(1000)
      expect(answers).toHaveLength(OUTSTANDING_LIMIT + 5)
      yield* take(host, 2, 1000)
      expect(drops.get("service-queue-full")).toBe(5)
      yield* Effect.fork(Stream.runForEach(host.deliveries, (bytes) => count(Either.getOrThrow(decodeQueueFrame(bytes, UFPL)), host)))
      yield* Effect.sleep(290)
      expect(delivered).toHaveLength(1)
    }))
  })
})

describe("a service that is away", () => {
  it("leaves nothing behind of the dispatches whose answers have gone out", () => {
    withHost(undefined, (host, answers) => Effect.gen(function*() {
      for (let round = 0; round < 3; round++) {
        for (let number = 0; number < 200; number++) yield* Effect.flatMap(Clock.currentTimeMillis, (nowMs) => take(host, 1, nowMs))
        expect(host.waiting()).toBe(200)
        yield* Effect.sleep(1000)
        expect(host.waiting()).toBe(0)
      }
      expect(answers).toHaveLength(600)
    }))
  })
})

describe("the link to the service", () => {
  const flood = (host: QueueHost) =>
    Effect.forever(Effect.zipRight(Effect.flatMap(Clock.currentTimeMillis, (nowMs) => take(host, 1, nowMs)), Effect.sleep(25)))
  const gapsOf = (busy: boolean, count: number): ReadonlyArray<number> =>
    withHost(undefined, (host) => Effect.gen(function*() {
      const instants: Array<number> = []
      const reading = yield* Effect.fork(Stream.runForEach(Stream.take(host.deliveries, count), (frame) =>
        Effect.map(Clock.currentTimeMillis, (atMs) => {
          expect(frame.length).toBe(queueFrameBytes(UFPL))
          instants.push(atMs)
        })))
      yield* Effect.raceFirst(Fiber.join(reading), busy ? flood(host) : Effect.never)
      return instants.slice(1).map((atMs, index) => atMs - (instants[index] as number))
    }))
  it.each([["idle", false], ["busy", true]] as const)("%s: the link ticks at λR (Kolmogorov–Smirnov, false alarms 10^-6)", (_, busy) => {
    const gaps = gapsOf(busy, 1200)
    expect(distanceFrom(gaps, exponential(tinyParams.lambdaRPerMs))).toBeLessThan(distanceBound(gaps.length, 1e-6))
  })
  it("a dispatch whose answer has gone out is not delivered any more", () => {
    withHost(undefined, (host) => Effect.gen(function*() {
      yield* take(host, 1, 0)
      yield* Effect.sleep(1000)
      const frames = yield* Stream.runCollect(Stream.take(host.deliveries, 20))
      expect([...frames].map((bytes) => bytes[0])).toEqual(Array.from({ length: 20 }, () => 0))
    }))
  })
  const pulled = (host: QueueHost, onFrame: (frame: Uint8Array) => void) => Stream.runForEach(host.deliveries, (frame) => Effect.sync(() => onFrame(frame)))
  const told = (host: QueueHost, onFrame: (frame: Uint8Array) => void) => takeEach(host.deliveries, onFrame)
  it.each([["told", told, told], ["told after pulled", pulled, told], ["pulled after told", told, pulled], ["pulled", pulled, pulled]] as const)(
    "the newest reader wins, and a dispatch goes to one reader: %s", (_, first, second) => {
      withHost(undefined, (host) => Effect.gen(function*() {
        const tags: Array<string> = []
        const read = (name: string, by: typeof told) => Effect.fork(by(host, (bytes) => { if (bytes[0] === 1) tags.push(name) }))
        const older = yield* read("older", first)
        yield* Effect.sleep(100)
        yield* read("newer", second)
        yield* Fiber.join(older)
        for (const value of [1, 2, 3]) yield* take(host, value, 1000)
        yield* Effect.sleep(800)
        expect(tags).toEqual(["newer", "newer", "newer"])
      }))
    })
  it("a reader that is told frames gets them at λR, idle and busy alike, until it leaves", () => {
    for (const busy of [false, true]) {
      withHost(undefined, (host) => Effect.gen(function*() {
        const clock = yield* Effect.clock
        const instants: Array<number> = []
        const reading = yield* Effect.fork(told(host, (frame) => {
          expect(frame.length).toBe(queueFrameBytes(UFPL))
          instants.push(clock.unsafeCurrentTimeMillis())
        }))
        if (busy) yield* Effect.fork(flood(host))
        yield* Effect.sleep(48_000)
        const gaps = instants.slice(1).map((atMs, index) => atMs - (instants[index] as number))
        expect(gaps.length).toBeGreaterThan(1_000)
        expect(distanceFrom(gaps, exponential(tinyParams.lambdaRPerMs))).toBeLessThan(distanceBound(gaps.length, 1e-6))
        yield* Fiber.interrupt(reading)
        const count = instants.length
        yield* Effect.sleep(5_000)
        expect(instants).toHaveLength(count)
      }))
    }
  })
  it("a reader that stands still costs ticks, and no dispatch", () => {
    const seen: Array<number> = []
    const note = (frame: QueueFrame) => Effect.sync(() => { if (frame._tag === "Deliver") seen.push(frame.dispatch[0] as number) })
    withHost((frame) => Effect.zipRight(note(frame), Effect.sleep(frame._tag === "Deliver" ? 60 : 200)),
      (host) => Effect.gen(function*() {
        yield* Effect.sleep(20_000)
        for (const value of [1, 2, 3]) yield* take(host, value, 60_000)
        yield* Effect.sleep(30_000)
        expect(seen).toEqual([1, 2, 3])
      }))
  })
})
