/**
 * The replies a gateway holds.
 *
 * Goal: nothing for strangers, bounds for everybody, and one reader at a time.
 * Method: streams read into arrays in virtual time.
 *
 * @module
 */
import { Effect, Fiber, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { takeEach, type Told } from "../../../../src/actor/told.ts"
import { INBOX_CAPACITY, Inboxes } from "../../../../actors/gateway/inboxes.ts"
import { runVirtual } from "../../session/virtual-time.ts"

const idOf = (number: number): Uint8Array => {
  const id = new Uint8Array(32)
  new DataView(id.buffer).setUint32(0, number)
  return id
}
const message = (value: number): Uint8Array => new Uint8Array([value])

type Take = (stream: Told<Uint8Array>, onItem: (bytes: Uint8Array) => void) => Effect.Effect<void>
const ways: ReadonlyArray<readonly [string, Take]> = [
  ["as a stream", (stream, onItem) => Stream.runForEach(stream, (bytes) => Effect.sync(() => onItem(bytes)))],
  ["told", takeEach]
]

describe.each(ways)("inboxes, read %s", (_, take) => {
  /** Reads a queue in the background; `read` fills as messages come. */
  const reader = (inboxes: Inboxes, id: Uint8Array) =>
    Effect.gen(function*() {
      const read: Array<number> = []
      const fiber = yield* Effect.fork(take(inboxes.receive(id), (bytes) => read.push(bytes[0] as number)))
      yield* Effect.sleep(1)
      return { read, fiber }
    })

  const drain = (stream: Told<Uint8Array>) => take(stream, () => undefined)

  it("a reply for a queue that nobody asked for is refused", () => {
    expect(new Inboxes().deliver(idOf(1), message(1))).toBe("unknown-recipient")
  })
  it("messages come in order, also those that waited while the reader was away", () => {
    const read = runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes()
      const first = yield* reader(inboxes, idOf(1))
      yield* Fiber.interrupt(first.fiber)
      for (const value of [1, 2, 3]) expect(inboxes.deliver(idOf(1), message(value))).toBe("delivered")
      const second = yield* reader(inboxes, idOf(1))
      inboxes.deliver(idOf(1), message(4))
      yield* Effect.sleep(1)
      return second.read
    }))
    expect(read).toEqual([1, 2, 3, 4])
  })
  it("the newest reader wins: the older one's stream ends and it gets nothing more", () => {
    runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes()
      const older = yield* reader(inboxes, idOf(1))
      const newer = yield* reader(inboxes, idOf(1))
      yield* Fiber.join(older.fiber)
      for (const value of [1, 2, 3]) inboxes.deliver(idOf(1), message(value))
      yield* Effect.sleep(1)
      expect([older.read, newer.read]).toEqual([[], [1, 2, 3]])
    }))
  })
  it("of many readers that come in one instant one stays", () => {
    runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes()
      const fibers = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.fork(drain(inboxes.receive(idOf(1)))))
      yield* Effect.sleep(1)
      const ended = yield* Effect.forEach(fibers, (fiber) => Effect.map(Fiber.poll(fiber), (exit) => exit._tag === "Some"))
      expect(ended.filter((over) => !over)).toHaveLength(1)
    }))
  })
  it("a full queue drops the newest message", () => {
    runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes()
      yield* Fiber.interrupt((yield* reader(inboxes, idOf(1))).fiber)
      for (let value = 0; value < INBOX_CAPACITY; value++) expect(inboxes.deliver(idOf(1), message(value))).toBe("delivered")
      expect(inboxes.deliver(idOf(1), message(0))).toBe("inbox-full")
    }))
  })
  it("an id of another length than 32 bytes has no queue", () => {
    runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes()
      for (const length of [0, 31, 33, 1_000_000]) yield* drain(inboxes.receive(new Uint8Array(length)))
      expect(inboxes.size).toBe(0)
    }))
  })
  it("the number of queues is bounded; a queue too many ends at once", () => {
    runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes(5)
      for (let number = 0; number < 5; number++) yield* Effect.fork(drain(inboxes.receive(idOf(number))))
      yield* Effect.sleep(1)
      yield* drain(inboxes.receive(idOf(5)))
      expect(inboxes.size).toBe(5)
    }))
  })
  it("queues without a reader are forgotten at the second sweep, queues with one never", () => {
    runVirtual(Effect.gen(function*() {
      const inboxes = new Inboxes()
      yield* Fiber.interrupt((yield* reader(inboxes, idOf(1))).fiber)
      yield* reader(inboxes, idOf(2))
      inboxes.sweep()
      expect(inboxes.size).toBe(2)
      for (let sweep = 0; sweep < 5; sweep++) inboxes.sweep()
      expect([inboxes.deliver(idOf(1), message(1)), inboxes.deliver(idOf(2), message(1))]).toEqual(["unknown-recipient", "delivered"])
    }))
  })
})
