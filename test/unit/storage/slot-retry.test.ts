/**
 * Slots that are asked for again.
 *
 * Goal: a slot that cannot be stored or found for a while costs its own attempts and nothing else: no other waits for it, the window stays full and whole.
 * Method: a stand-in store whose operations take 50 ms, in virtual time.
 *
 * @module
 */
import { Array, Clock, Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { readCapOf } from "../../../src/bacap/capability.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { BoxStore, type BoxStoreService } from "../../../src/storage/box-store.ts"
import { readBoxes, writeBoxes, type WriteFate } from "../../../src/storage/box-stream.ts"
import { BoxNotFound, StorageError } from "../../../src/storage/storage-error.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { WRITE_CAP } from "./store-bench.ts"

const SLOT_COUNT = 40
const WINDOW = 4
const OPERATION_MS = 50
const REFUSED = new StorageError({ reason: "no-valid-answer" })

interface Log {
  readonly started: Array<{ readonly slot: number; readonly atMs: number }>
  running: number
  most: number
}

/** Slots by the first byte of what is written, by the order of their index for reads. */
const storeOf = (log: Log, fails: (slot: number, attempt: number) => boolean): BoxStoreService => {
  const operation = (slot: number) =>
    Effect.gen(function* () {
      const attempt = log.started.filter((one) => one.slot === slot).length
      log.started.push({ slot, atMs: yield* Clock.currentTimeMillis })
      log.most = Math.max(log.most, ++log.running)
      yield* Effect.sleep(OPERATION_MS).pipe(Effect.ensuring(Effect.sync(() => void log.running--)))
      return !fails(slot, attempt)
    })
  return {
    write: (_cap, _index, plaintext) =>
      Effect.flatMap(operation(plaintext[0]!), (stored) => (stored ? Effect.succeed("stored" as const) : Effect.fail(REFUSED))),
    read: (_cap, { counter }) =>
      Effect.flatMap(operation(Number(counter)), (found) => (found ? Effect.succeed(new Uint8Array(1)) : Effect.fail(new BoxNotFound())))
  }
}

const newLog = (): Log => ({ started: [], running: 0, most: 0 })
const run = <A, E>(log: Log, fails: Parameters<typeof storeOf>[1], body: Effect.Effect<A, E, BoxStore>): A =>
  runVirtual(body.pipe(
    Effect.provideService(BoxStore, storeOf(log, fails)),
    Effect.withRandom(randomFromEntropy(seededEntropy(1, "slot retry")))
  ))

const writes = Array.makeBy(SLOT_COUNT, (slot) => ({ key: slot, writeCap: WRITE_CAP, index: WRITE_CAP.index, plaintext: new Uint8Array([slot]) }))
const reads = Array.makeBy(SLOT_COUNT, (slot) =>
  ({ key: slot, readCap: readCapOf(WRITE_CAP), index: { ...WRITE_CAP.index, counter: BigInt(slot) } }))
const retry = { wanted: (fate: WriteFate) => fate === REFUSED, pauseMs: 10_000 }

describe("a slot that is refused again and again", () => {
  it("is written again until it is stored, and holds up no other", () => {
    const log = newLog()
    const { fates, othersDoneMs } = run(log, (slot, attempt) => slot === 7 && attempt < 4, Effect.gen(function* () {
      let othersDoneMs = 0
      const onWritten = (key: number) =>
        key === 7 ? Effect.void : Effect.map(Clock.currentTimeMillis, (nowMs) => void (othersDoneMs = nowMs))
      return { fates: yield* writeBoxes(writes, { windowCount: WINDOW, retry, onWritten }), othersDoneMs }
    }))
    expect(new Set(fates.values())).toEqual(new Set(["stored"]))
    expect(log.started.filter(({ slot }) => slot === 7).length).toBe(5)
    expect(log.started.length).toBe(SLOT_COUNT + 4)
    // all places busy to the end: no more than one operation's time beyond an even share
    expect(othersDoneMs).toBeLessThanOrEqual((SLOT_COUNT / WINDOW + 1) * OPERATION_MS)
    expect(log.most).toBe(WINDOW)
  })

  it("is a fate like another where writing again is not wanted", () => {
    const log = newLog()
    const fates = run(log, (slot) => slot === 7, writeBoxes(writes, { windowCount: WINDOW }))
    expect([fates.get(7), log.started.length]).toEqual([REFUSED, SLOT_COUNT])
  })

  it("gives its place back while it pauses, also when all slots do", () => {
    const log = newLog()
    run(log, (_slot, attempt) => attempt === 0, writeBoxes(writes, { windowCount: WINDOW, retry: { ...retry, pauseMs: 1e7 } }))
    const first = log.started.slice(0, SLOT_COUNT)
    expect(new Set(first.map(({ slot }) => slot)).size).toBe(SLOT_COUNT)
    expect(first.at(-1)!.atMs).toBe((SLOT_COUNT / WINDOW - 1) * OPERATION_MS)
    expect(log.most).toBe(WINDOW)
  })
})

describe("slots that are not there yet", () => {
  it("are read again in the window, with pauses that grow, and interruption ends it at once", () => {
    const log = newLog()
    const runningAtEnd = run(log, (slot) => slot < 30, Effect.gen(function* () {
      const reading = yield* Effect.fork(readBoxes(reads, { windowCount: WINDOW, retryMisses: true, missPauseMs: 100 }))
      yield* Effect.sleep(20_000)
      yield* Fiber.interrupt(reading)
      const seen = log.started.length
      yield* Effect.sleep(20_000)
      return { running: log.running, further: log.started.length - seen }
    }))
    expect(runningAtEnd).toEqual({ running: 0, further: 0 })
    expect(log.most).toBe(WINDOW)
    const attempts = log.started.filter(({ slot }) => slot === 3).map(({ atMs }) => atMs)
    expect(attempts.length).toBeGreaterThan(4)
    expect(attempts.length).toBeLessThan(12)
    expect(log.started.filter(({ slot }) => slot >= 30).length).toBe(10)
  })

  it("a mistake in what is told of a slot ends the work, and is not lost", () => {
    const dies = run(newLog(), () => false, Effect.exit(readBoxes(reads, {
      windowCount: WINDOW, retryMisses: true, missPauseMs: 1, onRead: () => Effect.die(new RangeError("listener"))
    })))
    expect(dies).toEqual(Exit.die(new RangeError("listener")))
  })
})
