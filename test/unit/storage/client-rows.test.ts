/**
 * Rows of pigeonhole.md §7 that are about several operations of a client, or about one that takes long: C13, C14, C18, C19.
 *
 * Goal: nobody waits for the schedule who needs no packet, nobody is starved, and nothing is lost by a crash or by patience.
 * Method: real envelopes and boxes against the fake storage, in virtual time.
 *
 * @module
 */
import { Clock, Effect, Either, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { sealBox } from "../../../src/bacap/box.ts"
import { readCapOf } from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { padTo } from "../../../src/pigeonhole/padding.ts"
import { BoxStore } from "../../../src/storage/box-store.ts"
import { deriveIndexes, readSlots, writeSlots } from "../../../src/storage/box-stream.ts"
import { planCopy } from "../../../src/storage/copy-plan.ts"
import { crypto } from "../session/fake-network.ts"
import { GEOMETRY } from "./fake-storage.ts"
import { withStore, WRITE_CAP } from "./store-bench.ts"

const INDEXES = Either.getOrThrow(deriveIndexes(crypto, WRITE_CAP, 40))
const write = (slotIndex: number) => Effect.flatMap(BoxStore, (store) => store.write(WRITE_CAP, INDEXES[slotIndex]!, Uint8Array.of(slotIndex)))
const slots = INDEXES.slice(1).map((_, at) => ({ slotIndex: at + 1, plaintext: Uint8Array.of(at + 1) }))

describe("a client", () => {
  it("C13: derives, seals and plans at once, and sends nothing for it, while its session waits minutes for a tick", () => {
    const { elapsedMs, elements, sent } = withStore({ network: { params: { lambdaPPerMs: 1e-6, lambdaLPerMs: 1e-9 } } }, ({ network }) =>
      Effect.gen(function* () {
        yield* Effect.forkScoped(Effect.all([1, 2, 3].map(write), { concurrency: "unbounded" }))
        yield* Effect.sleep(10)
        const [startMs, before] = [yield* Clock.currentTimeMillis, network.departures.length]
        const indexes = Either.getOrThrow(deriveIndexes(crypto, WRITE_CAP, 10))
        const destinations = indexes.map((index) => ({ writeCap: WRITE_CAP, index, plaintext: Uint8Array.of(1) }))
        const plan = planCopy({ crypto, geometry: GEOMETRY, document: network.document!, entropy: seededEntropy("client rows", "plan"), destinations })
        return {
          elements: Either.getOrThrow(plan).elements.length, elapsedMs: (yield* Clock.currentTimeMillis) - startMs, sent: network.departures.length - before
        }
      }))
    expect(elements).toBeGreaterThan(10)
    expect([elapsedMs, sent]).toEqual([0, 0])
  })

  it("C14: with one busy and one quiet user serves the quiet one after no more than the busy one's window, long before it is done", () => {
    const { busyLeft, outcome } = withStore({}, ({ storage }) =>
      Effect.gen(function* () {
        const busy = yield* Effect.fork(writeSlots(WRITE_CAP, INDEXES, slots, { windowCount: 4 }))
        yield* Effect.repeat(Effect.sleep(1), { until: () => storage.boxes.size > 2 })
        const outcome = yield* write(0)
        const busyLeft = slots.length - (storage.boxes.size - 1)
        yield* Fiber.interrupt(busy)
        return { outcome, busyLeft }
      }))
    expect(outcome).toBe("stored")
    expect(busyLeft).toBeGreaterThan(slots.length / 2)
  })

  it("C18: that crashed at any instant of a write writes the same box again, and one box is stored", () => {
    for (const crashMs of [1, 150, 300, 450, 600, 750]) {
      const { before, outcome, stored } = withStore({ seed: crashMs }, ({ storage }) =>
        Effect.gen(function* () {
          const writing = yield* Effect.fork(write(0))
          yield* Effect.sleep(crashMs)
          yield* Fiber.interrupt(writing)
          const before = [...storage.boxes.values()].map(({ ciphertext }) => toHex(ciphertext))
          return { before, outcome: yield* write(0), stored: [...storage.boxes.values()].map(({ ciphertext }) => toHex(ciphertext)) }
        }))
      expect(outcome).toBe("stored")
      expect(stored).toHaveLength(1)
      expect([[], stored]).toContainEqual(before)
    }
  })

  it("C19: that looks for a box written ten minutes later finds it, through a fresh envelope each time", () => {
    const { envelopes, found } = withStore({ network: { params: { lambdaPPerMs: 0.001, lambdaLPerMs: 1e-5 } } }, ({ storage }) =>
      Effect.gen(function* () {
        const options = { windowCount: 2, retryMisses: true, missPauseMs: 1000 }
        const reading = yield* Effect.fork(readSlots(readCapOf(WRITE_CAP), INDEXES, [0], options))
        yield* Effect.sleep(600_000)
        const box = sealBox(crypto, WRITE_CAP, INDEXES[0]!, Either.getOrThrow(padTo(Uint8Array.of(9), GEOMETRY.paddedPlaintextBytes)))
        storage.boxes.set(toHex(box.boxId), box)
        return { found: yield* Fiber.join(reading), envelopes: storage.envelopes.map(({ hash }) => hash) }
      }))
    expect(found.get(0)).toEqual(Uint8Array.of(9))
    expect(envelopes.length).toBeGreaterThan(5)
    expect(new Set(envelopes).size).toBe(envelopes.length)
  })
})
