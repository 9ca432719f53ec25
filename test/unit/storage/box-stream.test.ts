/**
 * Many boxes at once.
 *
 * Goal: exactly one fate per slot, in an order that tells nothing, within the window, and as many operations for any content of a class.
 * Method: the scheduling against a stand-in store that counts; whole streams against the fake storage. Virtual time, seeded randomness.
 *
 * @module
 */
import { Array, Clock, Effect, Either, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { newWriteCap, readCapOf } from "../../../src/bacap/capability.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { echomixParams, tinyParams, tinyReferenceParams } from "../../../src/params/presets.ts"
import { BoxStore, meanRoundTripMs, type BoxStoreService } from "../../../src/storage/box-store.ts"
import {
  deriveIndexes, type ReadFate, type ReadOptions, readBoxes, readSlots, windowCountFor, writeBoxes, type WriteFate, writeSlots
} from "../../../src/storage/box-stream.ts"
import { BoxNotFound, StorageError } from "../../../src/storage/storage-error.ts"
import { crypto } from "../session/fake-network.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { withStore, WRITE_CAP } from "./store-bench.ts"

const READ_CAP = readCapOf(WRITE_CAP)
const SLOTS = 23
const INDEXES = Either.getOrThrow(deriveIndexes(crypto, WRITE_CAP, SLOTS))
const slots = (fill = (slotIndex: number) => new Uint8Array([slotIndex])) =>
  INDEXES.map((_, slotIndex) => ({ slotIndex, plaintext: fill(slotIndex) }))
const slotIndexes = INDEXES.map((_, slotIndex) => slotIndex)
const READ: ReadOptions<number> = { windowCount: 8, retryMisses: true, missPauseMs: 100 }

interface Tally {
  running: number
  most: number
  readonly order: Array<number>
  readonly instants: Array<number>
}

/** A store whose operations take 50 ms and end as the test says. */
const countingStore = (tally: Tally, fateOf: (slotIndex: number, attempt: number) => ReadFate | WriteFate) => {
  const attempts = new Map<number, number>()
  const operation = (counter: bigint) =>
    Effect.gen(function* () {
      const slotIndex = Number(counter - WRITE_CAP.index.counter)
      const attempt = attempts.get(slotIndex) ?? 0
      attempts.set(slotIndex, attempt + 1)
      tally.order.push(slotIndex)
      tally.instants.push(yield* Clock.currentTimeMillis)
      tally.most = Math.max(tally.most, ++tally.running)
      yield* Effect.sleep(50).pipe(Effect.ensuring(Effect.sync(() => void tally.running--)))
      const fate = fateOf(slotIndex, attempt)
      return fate instanceof BoxNotFound || fate instanceof StorageError ? yield* fate : fate
    })
  return {
    write: (_, { counter }) => operation(counter) as ReturnType<BoxStoreService["write"]>,
    read: (_, { counter }) => operation(counter) as ReturnType<BoxStoreService["read"]>
  } satisfies BoxStoreService
}

const newTally = (): Tally => ({ running: 0, most: 0, order: [], instants: [] })

const withCounting = <A>(
  tally: Tally,
  fateOf: Parameters<typeof countingStore>[1],
  body: Effect.Effect<A, never, BoxStore>,
  seed = 1
): A =>
  runVirtual(body.pipe(
    Effect.provideService(BoxStore, countingStore(tally, fateOf)),
    Effect.withRandom(randomFromEntropy(seededEntropy(seed, "stream test")))
  ))

describe("indexes", () => {
  it("slot s is s steps from the cap's own index, for writer and reader alike", () => {
    expect(INDEXES.map(({ counter }) => counter - WRITE_CAP.index.counter)).toEqual(slotIndexes.map(BigInt))
    expect(Either.getOrThrow(deriveIndexes(crypto, READ_CAP, SLOTS))).toEqual(INDEXES)
    expect(INDEXES[0]).toEqual(WRITE_CAP.index)
    expect(Either.getOrThrow(deriveIndexes(crypto, WRITE_CAP, 0))).toEqual([])
  })

  it("end where the stream ends", () => {
    const last = { ...WRITE_CAP.index, counter: 2n ** 64n - 2n }
    expect(Either.isRight(deriveIndexes(crypto, { index: last }, 2))).toBe(true)
    expect(Either.isLeft(deriveIndexes(crypto, { index: last }, 3))).toBe(true)
  })
})

describe("the window", () => {
  it("is at least 4·λP·(mean round trip) for each session", () => {
    for (const params of [tinyParams, tinyReferenceParams, echomixParams]) {
      for (const sessionCount of [1, 6]) {
        expect(windowCountFor(params, sessionCount)).toBeGreaterThanOrEqual(4 * params.lambdaPPerMs * meanRoundTripMs(params) * sessionCount)
      }
    }
    expect(windowCountFor(tinyParams, 1)).toBe(21)
    expect(windowCountFor(tinyParams, 6)).toBe(126)
  })

  it("covers ticks far apart and answers that take long: four boxes at least, and more the slower the replicas' links", () => {
    const rare = { muPerMs: 10, lambdaPPerMs: 0.0001, mixLayers: 3, lambdaRPerMs: 10 }
    expect(windowCountFor(rare, 1)).toBe(5)
    // 4 gaps of 20 s, a quarter more by jitter, at 2 ticks a box: 5 boxes more, four times
    expect(windowCountFor({ ...rare, lambdaRPerMs: 0.00005 }, 1)).toBe(5 + 20)
  })

  it("is used whole and never exceeded, also while misses are retried", () => {
    for (const windowCount of [1, 5, 8]) {
      const tally = newTally()
      const fates = withCounting(tally, (slotIndex, attempt) => (attempt < slotIndex % 4 ? new BoxNotFound() : new Uint8Array([slotIndex])),
        readSlots(READ_CAP, INDEXES, slotIndexes, { ...READ, windowCount }))
      expect(tally.most).toBe(windowCount)
      expect([...fates.keys()].toSorted((a, b) => a - b)).toEqual(slotIndexes)
    }
  })

  it("a missing slot does not hold up the others while it waits", () => {
    const tally = newTally()
    const done: Array<number> = []
    withCounting(tally, (slotIndex, attempt) => (slotIndex < 5 && attempt < 3 ? new BoxNotFound() : new Uint8Array([slotIndex])),
      readSlots(READ_CAP, INDEXES, slotIndexes, {
        ...READ, windowCount: 2, missPauseMs: 100_000, onRead: (slotIndex) => Effect.sync(() => void done.push(slotIndex))
      }))
    expect(done.slice(0, 18).every((slotIndex) => slotIndex >= 5)).toBe(true)
  })
})

describe("the order", () => {
  it("is a fresh uniform shuffle: over 600 runs each slot comes first about equally often (chi-square, false alarm 0.1 %)", () => {
    const firsts = Array.makeBy(600, (seed) => {
      const tally = newTally()
      withCounting(tally, () => "stored", writeSlots(WRITE_CAP, INDEXES, slots().slice(0, 8), { windowCount: 4 }), seed)
      return tally.order[0]!
    })
    const chiSquare = Array.makeBy(8, (slotIndex) => firsts.filter((first) => first === slotIndex).length).reduce((sum, n) => sum + (n - 75) ** 2 / 75, 0)
    expect(chiSquare).toBeLessThan(24.3)
  })

  it("mixes the slots of several streams", () => {
    const tally = newTally()
    const other = newWriteCap(crypto, seededEntropy("stream test", "other"))
    const boxes = ["a", "b"].flatMap((stream) =>
      slots().map(({ plaintext, slotIndex }) =>
        ({ key: `${stream}${slotIndex}`, writeCap: stream === "a" ? WRITE_CAP : other, index: INDEXES[slotIndex]!, plaintext })))
    const done: Array<string> = []
    const fates = withCounting(tally, () => "stored", writeBoxes(boxes, { windowCount: 1, onWritten: (key) => Effect.sync(() => void done.push(key)) }))
    expect(fates.size).toBe(2 * SLOTS)
    expect(done.slice(0, SLOTS).filter((key) => key.startsWith("a")).length).toBeGreaterThan(4)
    expect(done.slice(0, SLOTS).filter((key) => key.startsWith("b")).length).toBeGreaterThan(4)
  })
})

describe("fates", () => {
  it("O18: a slot that exists with other content, or fails, is reported and the rest is written all the same", () => {
    const tally = newTally()
    const failed = new StorageError({ reason: "too-few-replicas" })
    const fates = withCounting(tally, (slotIndex) => (slotIndex === 3 ? "exists-with-other-content" : slotIndex === 4 ? failed : "stored"),
      writeSlots(WRITE_CAP, INDEXES, slots(), { windowCount: 4 }))
    expect([fates.get(3), fates.get(4), fates.get(5)]).toEqual(["exists-with-other-content", failed, "stored"])
    expect(tally.order.toSorted((a, b) => a - b)).toEqual(slotIndexes)
  })

  it("a miss is the fate when misses are not retried", () => {
    const tally = newTally()
    const fates = withCounting(tally, (slotIndex) => (slotIndex === 7 ? new BoxNotFound() : new Uint8Array(1)),
      readSlots(READ_CAP, INDEXES, slotIndexes, { ...READ, retryMisses: false }))
    expect(fates.get(7)).toEqual(new BoxNotFound())
    expect(tally.order.length).toBe(SLOTS)
  })

  it("the same number of operations at any content, O8, O10", () => {
    const counts = [() => new Uint8Array(0), () => new Uint8Array(1600).fill(255)].map((fill) =>
      withStore({ seed: 5 }, ({ storage }) =>
        Effect.gen(function* () {
          yield* writeSlots(WRITE_CAP, INDEXES, slots(fill), { windowCount: 16 })
          yield* readSlots(READ_CAP, INDEXES, slotIndexes, READ)
          return storage.queries.length
        })))
    expect(counts).toEqual([4 * SLOTS, 4 * SLOTS])
  })
})

describe("whole streams", () => {
  it("8.4, 8.5: come through loss of every tenth packet, written and read out of order", () => {
    let packetCount = 0
    const { read, written } = withStore({ network: { loses: () => packetCount++ % 10 === 3 } }, () =>
      Effect.gen(function* () {
        const written = yield* writeSlots(WRITE_CAP, INDEXES, slots(), { windowCount: 16 })
        return { written, read: yield* readSlots(READ_CAP, INDEXES, slotIndexes, READ) }
      }))
    expect(new Set(written.values())).toEqual(new Set(["stored"]))
    expect(slotIndexes.map((slotIndex) => read.get(slotIndex))).toEqual(slots().map(({ plaintext }) => plaintext))
  })

  it("a reader that starts before the writer gets everything", () => {
    const read = withStore({}, () =>
      Effect.gen(function* () {
        const reading = yield* Effect.fork(readSlots(READ_CAP, INDEXES, slotIndexes.slice(0, 6), READ))
        yield* Effect.sleep(1500)
        yield* writeSlots(WRITE_CAP, INDEXES, slots().slice(0, 6), { windowCount: 4 })
        return yield* Fiber.join(reading)
      }))
    expect(slotIndexes.slice(0, 6).map((slotIndex) => read.get(slotIndex))).toEqual(slots().slice(0, 6).map(({ plaintext }) => plaintext))
  })

  it("C7: interruption leaves nothing open, and no further query within one tick", () => {
    const { later, statistics } = withStore({}, ({ network, pool }) =>
      Effect.gen(function* () {
        const writing = yield* Effect.fork(writeSlots(WRITE_CAP, INDEXES, slots(), { windowCount: 16 }))
        yield* Effect.sleep(700)
        yield* Fiber.interrupt(writing)
        const before = network.arrivals.length
        yield* Effect.sleep(3000)
        return { later: network.arrivals.length - before, statistics: yield* pool.sessions[0]!.statistics }
      }))
    expect(later).toBe(0)
    expect([statistics.exchangesOpen, statistics.waiting]).toEqual([0, 0])
  })

  it("keep the ticks full: with the default window nearly every λP packet is real while boxes remain", () => {
    const share = withStore({}, ({ network }) =>
      Effect.gen(function* () {
        const boxes = Array.makeBy(60, (key) => ({ key, readCap: READ_CAP, index: INDEXES[key % SLOTS]! }))
        yield* readBoxes(boxes, { ...READ, windowCount: windowCountFor(network.params, 1), retryMisses: false })
        const lastRealMs = network.arrivals.at(-1)!.sentAtMs
        const during = network.departures.filter(({ atMs }) => atMs > 200 && atMs < lastRealMs * 0.8)
        return during.filter(({ endpoint }) => endpoint !== "echo").length / during.length
      }))
    expect(share).toBeGreaterThan(0.7)
  })
})
