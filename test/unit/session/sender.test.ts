/**
 * The emission schedule with a stand-in composer that takes time.
 *
 * Goal: the instants at which packets leave carry no information about whether there was anything to say; late ticks lose no request.
 * Method: two-sample Kolmogorov–Smirnov over thousands of gaps, idle against busy, fixed seeds; virtual time in which composing takes 5 ms.
 *
 * @module
 */
import { Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import type { HeartbeatWatch } from "../../../src/mixnet/heartbeat-watch.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { ComposeFailed, type Composer } from "../../../src/session/composer.ts"
import { makeSender, type Sender } from "../../../src/session/sender.ts"
import { SurbLedger } from "../../../src/session/surb-ledger.ts"
import type { TransmissionOutcome } from "../../../src/session/transmission-queue.ts"
import { NodeId, recipientId, SurbId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "./virtual-time.ts"

interface Owner {
  readonly name: string
}
interface Departure {
  readonly atMs: number
  /** First byte of the payload, 0 for a decoy. */
  readonly mark: number
}
interface Bench {
  readonly sender: Sender<Owner>
  readonly ledger: SurbLedger<Owner>
  readonly departures: Array<Departure>
  composeMs: number
  hasDocument: boolean
  readonly keys: Array<Uint8Array>
  readonly watch: StandInWatch
}

/** A watch that the test tells to pause. */
interface StandInWatch extends Pick<HeartbeatWatch, "sent" | "isPaused" | "onPause"> {
  readonly pause: Effect.Effect<void>
  readonly goOn: () => void
}

const makeWatch = (): StandInWatch => {
  const acts: Array<Effect.Effect<void>> = []
  let isPaused = false
  return {
    sent: () => undefined,
    isPaused: () => isPaused,
    onPause: (act) => void acts.push(act),
    pause: Effect.suspend(() => {
      isPaused = true
      return Effect.all(acts, { discard: true })
    }),
    goOn: () => { isPaused = false }
  }
}

/** Queues one transmission and waits for its end; interruption takes it back. */
const transmitted = (sender: Sender<Owner>, mark: number, lane: "fresh" | "resend" = "fresh") =>
  Effect.async<TransmissionOutcome>((resume) => sender.transmit(request(mark), OWNER, lane, (outcome) => resume(Exit.succeed(outcome))))

const OWNER: Owner = { name: "test" }
const request = (mark: number) => ({ serviceNode: NodeId.unsafe(new Uint8Array(32)), recipient: recipientId("x"), payload: new Uint8Array([mark]) })

const withSender = <A>(seed: number, body: (bench: Bench) => Effect.Effect<A>): A =>
  runVirtual(
    Effect.gen(function* () {
      let made = 0
      const composed = (mark: number) =>
        Effect.gen(function* () {
          if (!bench.hasDocument) return yield* new ComposeFailed({ reason: "no-document" })
          if (mark === 99) return yield* new ComposeFailed({ reason: "no-service-node" })
          yield* Effect.sleep(bench.composeMs)
          const surbId = SurbId.unsafe(new Uint8Array(16))
          new DataView(surbId.buffer).setUint32(0, ++made)
          const surbKeys = new Uint8Array(64).fill(7)
          bench.keys.push(surbKeys)
          return { packet: new Uint8Array([mark]), surbId, surbKeys, etaMs: 200, route: { forward: [], back: [] } }
        })
      const composer: Composer = {
        request: ({ payload }) => composed(payload[0] ?? 0),
        decoy: () => composed(0),
        paramsNow: () => (bench.hasDocument ? tinyParams : undefined)
      }
      const departures: Array<Departure> = []
      const ledger = new SurbLedger<Owner>()
      const clock = yield* Effect.clock
      const send = (packet: Uint8Array) => {
        departures.push({ atMs: clock.unsafeCurrentTimeMillis(), mark: packet[0] ?? 0 })
        return true
      }
      const watch = makeWatch()
      const sender = yield* makeSender<Owner>({ composer, ledger, send, watch })
      const bench: Bench = { sender, ledger, departures, composeMs: 5, hasDocument: true, keys: [], watch }
      yield* Effect.forkScoped(sender.run)
      return yield* body(bench)
    }).pipe(Effect.scoped, Effect.withRandom(randomFromEntropy(seededEntropy(seed, "sender test"))))
  )

/** Gaps between departures over three minutes, with so many callers that send all the time. */
const gaps = (seed: number, callerCount: number) =>
  withSender(seed, ({ departures, sender }) =>
    Effect.gen(function* () {
      const callers = Array.from({ length: callerCount }, (_, index) => Effect.forever(transmitted(sender, index + 1)))
      yield* Effect.fork(Effect.all(callers, { concurrency: "unbounded" }))
      yield* Effect.sleep(180_000)
      return { gapsMs: departures.slice(1).map(({ atMs }, index) => atMs - departures[index]!.atMs), departures: [...departures], counts: { ...sender.counts } }
    }))

/** Largest distance between two empirical distributions, in units of the 0.1 % critical value. */
const distanceToLimit = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const [x, y] = [a.toSorted((p, q) => p - q), b.toSorted((p, q) => p - q)]
  let [i, j, largest] = [0, 0, 0]
  while (i < x.length && j < y.length) {
    const at = Math.min(x[i]!, y[j]!)
    while (i < x.length && x[i]! <= at) i++
    while (j < y.length && y[j]! <= at) j++
    largest = Math.max(largest, Math.abs(i / x.length - j / y.length))
  }
  return largest / (1.95 * Math.sqrt((x.length + y.length) / (x.length * y.length)))
}

describe("the schedule", () => {
  it("gaps of a busy session have the distribution of an idle one (KS, false alarm 0.1 %)", () => {
    const idle = gaps(1, 0)
    const busy = gaps(2, 20)
    expect(idle.gapsMs.length).toBeGreaterThan(4000)
    expect(distanceToLimit(idle.gapsMs, busy.gapsMs)).toBeLessThan(1)
    expect(busy.departures.filter(({ mark }) => mark > 0).length).toBeGreaterThan(3500)
    expect(idle.departures.every(({ mark }) => mark === 0)).toBe(true)
  })

  it("the test above can fail: a session that sent real packets at once would be seen", () => {
    const idle = gaps(1, 0).gapsMs
    expect(distanceToLimit(idle, idle.map((gapMs, index) => (index % 5 === 0 ? gapMs / 4 : gapMs)))).toBeGreaterThan(1)
  })

  it("with the same random numbers, the instants are the same whatever there is to send", () => {
    expect(gaps(3, 7).departures.map(({ atMs }) => atMs)).toEqual(gaps(3, 0).departures.map(({ atMs }) => atMs))
  })

  it("counts every packet, and decoys among them", () => {
    const { counts, departures } = gaps(4, 3)
    expect(counts.sent).toBe(departures.length)
    expect(counts.decoys).toBe(departures.filter(({ mark }) => mark === 0).length)
  })

  it("callers get their turn in order of arrival, resends before fresh requests", () => {
    const marks = withSender(5, ({ departures, sender }) =>
      Effect.gen(function* () {
        const fresh = [1, 2, 3].map((mark) => transmitted(sender, mark))
        const resend = [4, 5].map((mark) => transmitted(sender, mark, "resend"))
        yield* Effect.all([...fresh, ...resend], { concurrency: "unbounded" })
        return departures.map(({ mark }) => mark).filter((mark) => mark > 0)
      }))
    expect(marks).toEqual([4, 5, 1, 2, 3])
  })

  it("ticks that come too late send nothing and are counted; the request goes out on a later one", () => {
    const { counts, marks, outcome } = withSender(6, (bench) =>
      Effect.gen(function* () {
        yield* Effect.sleep(1000)
        bench.composeMs = 2000
        const outcome = yield* transmitted(bench.sender, 1)
        bench.composeMs = 5
        yield* Effect.sleep(3000)
        return { outcome, counts: { ...bench.sender.counts }, marks: bench.departures.map(({ mark }) => mark) }
      }))
    expect(outcome._tag).toBe("Sent")
    expect(counts.lateTicks).toBeGreaterThan(20)
    expect(marks.filter((mark) => mark === 1).length).toBe(1)
  })

  it("a port that never takes a packet does not stop the ticks", () => {
    const sent = runVirtual(Effect.gen(function* () {
      const composer: Composer = {
        request: () => Effect.fail(new ComposeFailed({ reason: "no-path" })),
        decoy: () => Effect.succeed({
          packet: new Uint8Array(1), surbId: SurbId.unsafe(new Uint8Array(16)), surbKeys: new Uint8Array(64), etaMs: 1, route: { forward: [], back: [] }
        }),
        paramsNow: () => tinyParams
      }
      let room = 64
      const sender = yield* makeSender<Owner>({ composer, ledger: new SurbLedger<Owner>(), watch: makeWatch(), send: () => room-- > 0 })
      yield* Effect.forkScoped(sender.run)
      yield* Effect.sleep(60_000)
      return { ...sender.counts }
    }).pipe(Effect.scoped))
    expect(sent.sent).toBeGreaterThan(1000)
    expect(sent.portDrops).toBe(sent.sent - 64)
  })
})

describe("a pause", () => {
  /** Callers that send all the time; from 60 s to 120 s the watch says pause. */
  const withPause = (callerCount: number) =>
    withSender(11, (bench) =>
      Effect.gen(function* () {
        const { departures, sender, watch } = bench
        bench.composeMs = 0
        const callers = Array.from({ length: callerCount }, (_, index) => Effect.forever(transmitted(sender, index + 1)))
        yield* Effect.fork(Effect.all(callers, { concurrency: "unbounded" }))
        yield* Effect.sleep(60_000)
        yield* watch.pause
        yield* Effect.sleep(60_000)
        watch.goOn()
        yield* Effect.sleep(60_000)
        return [...departures]
      }))

  it("lets decoys alone leave, and all callers go on afterwards", () => {
    const departures = withPause(7)
    const marksBetween = (fromMs: number, toMs: number) => new Set(departures.filter(({ atMs }) => atMs > fromMs && atMs <= toMs).map(({ mark }) => mark))
    expect([...marksBetween(60_000, 120_000)]).toEqual([0])
    expect(marksBetween(0, 60_000).size).toBe(8)
    expect(marksBetween(121_000, 180_000).size).toBe(8)
  })
  it("is not seen: with the same random numbers every packet leaves at the instant at which it does without anything to say, or without a pause", () => {
    const instants = (departures: ReadonlyArray<Departure>) => departures.map(({ atMs }) => atMs)
    const paused = instants(withPause(7))
    expect(paused.length).toBeGreaterThan(4000)
    expect(paused).toEqual(instants(withPause(0)))
    expect(paused).toEqual(instants(withSender(11, (bench) => {
      bench.composeMs = 0
      return Effect.map(Effect.sleep(180_000), () => [...bench.departures])
    })))
  })
  it.each([[2, [1, 3, 4]], [3, [1, 2, 4]]] as const)("keeps the order; request %i, withdrawn meanwhile, is not sent", (withdrawn, expected) => {
    const { marks, sentMeanwhile } = withSender(12, ({ departures, sender, watch }) =>
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach([1, 2, 3, 4], (mark) => Effect.fork(transmitted(sender, mark)))
        // the first leaves, and the second is ready
        while (departures.length === 0) yield* Effect.sleep(1)
        yield* Effect.sleep(6)
        yield* watch.pause
        const before = departures.length
        yield* Effect.sleep(1000)
        const sentMeanwhile = departures.slice(before).filter(({ mark }) => mark > 0).length
        yield* Fiber.interrupt(fibers[withdrawn - 1]!)
        watch.goOn()
        yield* Effect.all(fibers.map(Fiber.await))
        return { sentMeanwhile, marks: departures.map(({ mark }) => mark).filter((mark) => mark > 0) }
      }))
    expect([sentMeanwhile, marks]).toEqual([0, expected])
  })
})

describe("a transmission", () => {
  it("whose destination is unknown is settled NotComposed, and the tick goes to the next one", () => {
    const outcomes = withSender(7, ({ sender }) =>
      Effect.all([transmitted(sender, 99), transmitted(sender, 1)], { concurrency: 2 }))
    expect(outcomes.map(({ _tag }) => _tag)).toEqual(["NotComposed", "Sent"])
  })

  it("without a document keeps its place; ticks pass empty and are counted", () => {
    const { counts, outcome } = withSender(8, (bench) =>
      Effect.gen(function* () {
        yield* Effect.sleep(500)
        bench.hasDocument = false
        const sending = yield* Effect.fork(transmitted(bench.sender, 1))
        yield* Effect.sleep(3000)
        const counts = { ...bench.sender.counts }
        bench.hasDocument = true
        return { counts, outcome: yield* Fiber.join(sending) }
      }))
    expect(outcome._tag).toBe("Sent")
    expect(counts.emptyTicks).toBeGreaterThan(40)
  })

  it("interrupted at any instant never leaves afterwards, and gives its place back", () => {
    for (let cancelAtMs = 0; cancelAtMs < 150; cancelAtMs++) {
      const { late, waiting } = withSender(100 + cancelAtMs, ({ departures, sender }) =>
        Effect.gen(function* () {
          const sending = yield* Effect.fork(transmitted(sender, 1))
          yield* Effect.sleep(cancelAtMs)
          const exit = yield* Fiber.interrupt(sending)
          const before = departures.filter(({ mark }) => mark === 1).length
          yield* Effect.sleep(400)
          yield* Effect.all(Array.from({ length: 16 }, () => transmitted(sender, 2)), { concurrency: 16 })
          const after = departures.filter(({ mark }) => mark === 1).length
          return { late: after - before, waiting: sender.waitingCount(), sent: Exit.isSuccess(exit) }
        }))
      expect(late).toBe(0)
      expect(waiting).toBe(0)
    }
  })

  it("keys of packets that never leave are overwritten", () => {
    const { keys } = withSender(9, (bench) =>
      Effect.gen(function* () {
        yield* Effect.sleep(300)
        bench.sender.discard()
        bench.ledger.clear()
        return bench
      }))
    expect(keys.length).toBeGreaterThan(3)
    expect(keys.filter((key) => key.some((byte) => byte !== 0)).length).toBeLessThanOrEqual(0)
  })
})
