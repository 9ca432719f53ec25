/**
 * Sessions against a small network with real packets, in virtual time.
 *
 * Goal: exchanges survive loss, delay and rubbish, end once, and leave nothing behind; nothing real leaves off schedule.
 * Method: `runVirtual` with seeded randomness; the fake network records departures and deliveries. Ids C… are the rows of pigeonhole.md §7.
 *
 * @module
 */
import { Clock, Deferred, Effect, Either, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { fromHex } from "../../../src/bytes/hex.ts"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { PkiView } from "../../../src/pki/pki-view.ts"
import { PacketPort } from "../../../src/session/packet-port.ts"
import { poolOf } from "../../../src/session/session-pool.ts"
import { EXCHANGE_COUNT_LIMIT, makeSession, type Session, SessionClosed } from "../../../src/session/session.ts"
import { recipientId, SurbId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "./virtual-time.ts"
import { crypto, type FakeNetwork, type FakeNetworkOptions, makeFakeNetwork } from "./fake-network.ts"

const COURIER = recipientId("courier-0")

/** Starts a session on a network in the scope of the test. */
const start = (network: FakeNetwork) =>
  makeSession.pipe(
    Effect.provideService(PacketPort, network.port),
    Effect.provideService(PkiView, network.pki),
    Effect.provideService(Crypto, crypto)
  )

const inNetwork = <A, E>(
  options: FakeNetworkOptions,
  body: (network: FakeNetwork, session: Session) => Effect.Effect<A, E, Scope.Scope>,
  seed = 1
): A =>
  runVirtual(
    Effect.gen(function* () {
      const network = yield* makeFakeNetwork(options)
      return yield* body(network, yield* start(network))
    }).pipe(
      Effect.scoped,
      Effect.provideService(EntropySource, seededEntropy(seed, "session test")),
      Effect.withRandom(randomFromEntropy(seededEntropy(seed, "session random")))
    )
  )

const ask = (network: FakeNetwork, session: Session, payload: Uint8Array | Effect.Effect<Uint8Array, string>, answerDelayMs = 0) =>
  session.exchange({
    serviceNode: network.serviceNodeIds[0]!, recipient: COURIER, answerDelayMs,
    payload: payload instanceof Uint8Array ? Effect.succeed(payload) : payload
  })

const fromHexOrThrow = (text: string) => Either.getOrThrow(fromHex(text))

const bytes = (...values: ReadonlyArray<number>) => new Uint8Array(values)

/** Waits until the network has seen this many requests. */
const untilArrivals = (network: FakeNetwork, count: number): Effect.Effect<void> =>
  Effect.repeat(Effect.sleep(1), { until: () => network.arrivals.length >= count }).pipe(Effect.asVoid)

describe("an exchange", () => {
  it("gives the user payload of the reply, whole", () => {
    const reply = inNetwork({}, (network, session) => ask(network, session, bytes(1, 2, 3)))
    expect(reply.length).toBe(2000)
    expect([...reply.subarray(0, 4)]).toEqual([1, 2, 3, 0])
  })

  it("C1: a lost request is repeated with the same bytes to the same service, under another reply block, and answered once", () => {
    const { arrivals, statistics } = inNetwork({ loses: ({ payload }) => payload[0] === 9 && lost++ < 2 }, (network, session) =>
      Effect.gen(function* () {
        yield* ask(network, session, bytes(9, 8, 7))
        return { arrivals: network.arrivals, statistics: yield* session.statistics }
      }))
    expect(arrivals.length).toBe(3)
    expect(new Set(arrivals.map(({ payload }) => payload.join())).size).toBe(1)
    expect(new Set(arrivals.map(({ node }) => node)).size).toBe(1)
    expect(new Set(arrivals.map(({ surb }) => surb.join())).size).toBe(3)
    expect(statistics.retransmissions).toBe(2)
    expect(statistics.exchangesOpen).toBe(0)
  })
  let lost = 0

  it("asks its payload anew for every transmission, and fails with what the payload fails with", () => {
    let made = 0
    const payload = Effect.suspend(() => (++made < 3 ? Effect.succeed(bytes(made)) : Effect.fail("used up")))
    const { arrivals, result } = inNetwork({ loses: () => true }, (network, session) =>
      Effect.map(Effect.either(ask(network, session, payload)), (result) => ({ result, arrivals: network.arrivals })))
    expect(result).toEqual(Either.left("used up"))
    expect(arrivals.map((arrival) => arrival.payload[0])).toEqual([1, 2])
  })

  it("waits for the service's own answer time before it repeats", () => {
    const instants = inNetwork({ loses: () => true }, (network, session) =>
      Effect.gen(function* () {
        yield* Effect.fork(ask(network, session, bytes(1), 9000))
        yield* Effect.sleep(14_000)
        return network.arrivals.map(({ sentAtMs }) => sentAtMs)
      }))
    expect(instants.length).toBe(2)
    expect(instants[1]! - instants[0]!).toBeGreaterThan(11_000)
  })

  it("a request too long for a packet is a mistake that dies, and the schedule goes on", () => {
    const { after, exit } = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(ask(network, session, new Uint8Array(2001)))
        const before = network.departures.length
        yield* Effect.sleep(5000)
        return { exit, after: network.departures.length - before }
      }))
    expect(Exit.isFailure(exit) && exit.cause._tag).toBe("Die")
    expect(after).toBeGreaterThan(50)
  })

  it("C20: a reply much later than the estimate is accepted through the first reply block", () => {
    const { deliveries, elapsedMs, statistics } = inNetwork({ extraReplyDelayMs: () => 7000 }, (network, session) =>
      Effect.gen(function* () {
        const startedAtMs = yield* Clock.currentTimeMillis
        yield* ask(network, session, bytes(5))
        const elapsedMs = (yield* Clock.currentTimeMillis) - startedAtMs
        return { elapsedMs, statistics: yield* session.statistics, deliveries: network.deliveries }
      }))
    expect(statistics.retransmissions).toBeGreaterThan(0)
    expect(elapsedMs).toBeLessThan(9000)
    expect(deliveries.length).toBeGreaterThan(0)
  })
})

describe("cancelling", () => {
  it("C4, C5, C7: at any instant of an exchange leaves no packet, block or place behind", () => {
    for (let cancelAtMs = 0; cancelAtMs < 3000; cancelAtMs += 211) {
      const options: FakeNetworkOptions = { params: { lambdaPPerMs: 0.01, lambdaLPerMs: 0.001 }, loses: ({ sentAtMs }) => sentAtMs < 1000 }
      const { later, statistics } = inNetwork(options, (network, session) =>
        Effect.gen(function* () {
          const asking = yield* Effect.fork(ask(network, session, bytes(1)))
          yield* Effect.sleep(cancelAtMs)
          yield* Fiber.interrupt(asking)
          const before = network.arrivals.length
          yield* Effect.sleep(4000)
          return { later: network.arrivals.length - before, statistics: yield* session.statistics }
        }), cancelAtMs)
      expect(later).toBe(0)
      expect(statistics.exchangesOpen).toBe(0)
      expect(statistics.waiting).toBe(0)
      expect(statistics.unknownSurbs).toBeLessThanOrEqual(1)
      expect(statistics.surbsOut).toBeLessThan(400)
    }
  })

  it("the tick for which a cancelled request was prepared sends a decoy instead", () => {
    const gapMs = inNetwork({ params: { lambdaPPerMs: 0.001, lambdaLPerMs: 0 } }, (network, session) =>
      Effect.gen(function* () {
        for (let trial = 0; trial < 20; trial++) {
          const asking = yield* Effect.fork(ask(network, session, bytes(1)))
          yield* Effect.sleep(800)
          yield* Fiber.interrupt(asking)
        }
        yield* Effect.sleep(100_000)
        return 116_000 / network.departures.length
      }))
    expect(gapMs).toBeGreaterThan(700)
    expect(gapMs).toBeLessThan(1400)
  })

  it("closing the scope fails what is pending with SessionClosed", () => {
    const results = inNetwork({ loses: () => true }, (network) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const session = yield* Scope.extend(start(network), scope)
        const pending = yield* Effect.fork(Effect.either(ask(network, session, bytes(1))))
        yield* untilArrivals(network, 1)
        yield* Scope.close(scope, Exit.void)
        const later = yield* Effect.either(ask(network, session, bytes(2)))
        const pooled = yield* Effect.either(ask(network, { ...session, exchange: poolOf([session]).exchange }, bytes(2)))
        return { results: [yield* Fiber.join(pending), later, pooled], surbsOut: (yield* session.statistics).surbsOut }
      }))
    expect(results.results).toEqual([Either.left(new SessionClosed()), Either.left(new SessionClosed()), Either.left(new SessionClosed())])
    expect(results.surbsOut).toBe(0)
  })
})

describe("replies", () => {
  it("C6: a reply stops the pending repetition", () => {
    const { arrivals, unknown } = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        yield* ask(network, session, bytes(1))
        yield* Effect.sleep(8000)
        return { arrivals: network.arrivals.length, unknown: (yield* session.statistics).unknownSurbs }
      }))
    expect(arrivals).toBe(1)
    expect(unknown).toBe(0)
  })

  it("C8: the follow-up of a reply leaves on a tick, never together with the reply", () => {
    const { deliveries, departures } = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        for (let round = 0; round < 40; round++) yield* ask(network, session, bytes(round))
        return network
      }))
    const real = departures.filter(({ endpoint }) => endpoint !== "echo").map(({ atMs }) => atMs)
    expect(real.length).toBe(40)
    const replyInstants = new Set(deliveries.map(({ atMs }) => atMs))
    expect(real.filter((atMs) => replyInstants.has(atMs))).toEqual([])
  })

  it("C15: garbled, unknown and repeated deliveries change nothing; a garbled reply counts as lost", () => {
    let garbledCount = 0
    const tamper = (payload: Uint8Array) => (garbledCount++ === 0 ? payload.map((byte) => byte ^ 1) : payload)
    const { reply, statistics } = inNetwork({ tamper }, (network, session) =>
      Effect.gen(function* () {
        yield* network.inject({ surbId: SurbId.unsafe(new Uint8Array(16)), payload: new Uint8Array(7) })
        const reply = yield* ask(network, session, bytes(1))
        yield* network.inject({ surbId: SurbId.unsafe(fromHexOrThrow(network.deliveries.at(-1)!.surbId)), payload: new Uint8Array(0) })
        yield* Effect.sleep(100)
        return { reply, statistics: yield* session.statistics }
      }))
    expect(reply[0]).toBe(1)
    expect(statistics.garbledReplies).toBe(1)
    expect(statistics.unknownSurbs).toBe(2)
    expect(statistics.retransmissions).toBe(1)
  })

  it("decoys come back and are counted as decoys", () => {
    const statistics = inNetwork({}, (_, session) => Effect.zipRight(Effect.sleep(10_000), session.statistics))
    expect(statistics.sent).toBe(statistics.decoys)
    expect(statistics.decoysReturned).toBeGreaterThan(statistics.decoys - 40)
    expect(statistics.received).toBe(statistics.decoysReturned)
    expect(statistics.surbsOut).toBe(statistics.decoys - statistics.decoysReturned)
  })
})

describe("documents", () => {
  it("C2: without a document nothing leaves but what was ready; once there is one again the request goes out within the retry period", () => {
    const { departures, reply, startedAtMs } = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        const document = network.document
        yield* Effect.sleep(1000)
        network.document = undefined
        yield* Effect.sleep(500)
        const asking = yield* Effect.fork(ask(network, session, bytes(4)))
        yield* Effect.sleep(5000)
        const silent = network.departures.filter(({ atMs }) => atMs > 1500 && atMs <= 6500).length
        network.document = document
        const reply = yield* Fiber.join(asking)
        return { reply, departures: silent, startedAtMs: network.arrivals[0]!.sentAtMs }
      }))
    expect(reply[0]).toBe(4)
    expect(departures).toBeLessThanOrEqual(2)
    expect(startedAtMs).toBeGreaterThan(6500)
    expect(startedAtMs).toBeLessThan(6500 + 1000 + 600)
  })

  it("a session that starts without a document begins when the first one comes", () => {
    const sent = runVirtual(Effect.gen(function* () {
      const network = yield* makeFakeNetwork()
      const document = network.document
      network.document = undefined
      const session = yield* start(network)
      yield* Effect.sleep(3000)
      const before = (yield* session.counters).sent
      network.document = document
      yield* ask(network, session, bytes(1))
      return before
    }).pipe(Effect.scoped))
    expect(sent).toBe(0)
  })

  it("a request to a node that is not in the document waits, and does not hold up the others", () => {
    const reply = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        const gone = { serviceNode: network.port.gateway, recipient: COURIER, payload: Effect.succeed(bytes(1)) }
        yield* Effect.fork(session.exchange(gone))
        return yield* ask(network, session, bytes(2))
      }))
    expect(reply[0]).toBe(2)
  })

  it("new rates in a new document are followed", () => {
    const [slow, fast] = inNetwork({ params: { lambdaPPerMs: 0.001, lambdaLPerMs: 0 } }, (network) =>
      Effect.gen(function* () {
        yield* Effect.sleep(50_000)
        const slow = network.departures.length
        network.document = { ...network.document!, params: { ...network.params, lambdaPPerMs: 0.01 } }
        yield* Effect.sleep(50_000)
        return [slow, network.departures.length - slow] as const
      }))
    expect(slow).toBeGreaterThan(25)
    expect(slow).toBeLessThan(80)
    expect(fast).toBeGreaterThan(380)
  })
})

describe("trouble on the way out", () => {
  it("C3: while the link to the gateway is away transmissions are repeated, and the exchange ends when it is back", () => {
    const { arrivals, reply, statistics } = inNetwork({}, (network) =>
      Effect.gen(function* () {
        let away = true
        const port = { ...network.port, send: (packet: Uint8Array) => !away && network.port.send(packet) }
        const session = yield* start({ ...network, port })
        const asking = yield* Effect.fork(ask(network, session, bytes(6)))
        yield* Effect.sleep(12_000)
        away = false
        return { reply: yield* Fiber.join(asking), arrivals: network.arrivals.length, statistics: yield* session.statistics }
      }))
    expect(reply[0]).toBe(6)
    expect(arrivals).toBe(1)
    expect(statistics.retransmissions).toBeGreaterThan(0)
    expect([statistics.exchangesOpen, statistics.waiting]).toEqual([0, 0])
  })

  it("C21: an exchange whose maker throws fails alone; the others, and later ones, are answered", () => {
    const { exits, later, statistics } = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        const broken = Effect.suspend((): Effect.Effect<Uint8Array, string> => { throw new Error("planted") })
        const payloads = [bytes(1), broken, bytes(3), Effect.fail("refused"), new Uint8Array(2001)]
        const exits = yield* Effect.forEach(payloads, (payload) => Effect.exit(ask(network, session, payload)), { concurrency: "unbounded" })
        return { exits: exits.map(Exit.isSuccess), later: yield* ask(network, session, bytes(4)), statistics: yield* session.statistics }
      }))
    expect(exits).toEqual([true, false, true, false, false])
    expect(later[0]).toBe(4)
    expect([statistics.exchangesOpen, statistics.waiting]).toEqual([0, 0])
  })
})

describe("back-pressure", () => {
  it("a session takes 16 requests and lets further callers wait; all are answered", () => {
    const { answered, roomWhileFull } = inNetwork({}, (network, session) =>
      Effect.gen(function* () {
        const full = yield* Deferred.make<boolean>()
        const numbers = Array.from({ length: 60 }, (_, number) => number)
        const asking = yield* Effect.fork(Effect.forEach(numbers, (number) => ask(network, session, bytes(number)), { concurrency: 60 }))
        yield* Effect.yieldNow()
        yield* Effect.sleep(1)
        yield* Deferred.succeed(full, session.hasRoom())
        return { roomWhileFull: yield* Deferred.await(full), answered: (yield* Fiber.join(asking)).map((reply) => reply[0]) }
      }))
    expect(roomWhileFull).toBe(false)
    expect(answered).toEqual(Array.from({ length: 60 }, (_, i) => i))
  })

  it("no more than 256 exchanges are in progress; one that waits for its place can be given up, and those behind it come in", () => {
    const { answered, givenUp, open, statistics } = inNetwork({ params: { lambdaPPerMs: 0.1 } }, (network, session) =>
      Effect.gen(function* () {
        const numbers = Array.from({ length: EXCHANGE_COUNT_LIMIT + 2 }, (_, number) => number)
        const fibers = yield* Effect.forEach(numbers, (number) => Effect.fork(ask(network, session, bytes(number % 256, number >> 8))))
        yield* Effect.sleep(1)
        const open = (yield* session.statistics).exchangesOpen
        const givenUp = yield* Fiber.interrupt(fibers[EXCHANGE_COUNT_LIMIT]!)
        const rest = fibers.filter((_, number) => number !== EXCHANGE_COUNT_LIMIT)
        const answered = yield* Effect.forEach(rest, (fiber) => Fiber.join(fiber))
        return { answered: answered.map((reply) => reply[0]! + 256 * reply[1]!), givenUp, open, statistics: yield* session.statistics }
      }))
    expect(open).toBe(EXCHANGE_COUNT_LIMIT)
    expect(Exit.isInterrupted(givenUp)).toBe(true)
    expect(answered).toEqual([...Array.from({ length: EXCHANGE_COUNT_LIMIT }, (_, number) => number), EXCHANGE_COUNT_LIMIT + 1])
    expect([statistics.exchangesOpen, statistics.waiting]).toEqual([0, 0])
  })
})
