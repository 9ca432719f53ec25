/**
 * Outboxes and loops that survive.
 *
 * Goal: batches form by themselves, late packets are dropped rather than sent in a burst, and no failure stops the sender.
 * Method: virtual time; calls that fail, die, hang or are slow.
 *
 * @module
 */
import { Clock, Effect, Logger, LogLevel } from "effect"
import { describe, expect, it } from "vitest"
import { forkLoop } from "../../../src/actor/loop.ts"
import { makeOutbox, type Outbox } from "../../../src/actor/outbox.ts"
import { runVirtual } from "../session/virtual-time.ts"

const packet = (value: number): Uint8Array => new Uint8Array([value])

/** Runs a test on an outbox for eight packets, batches of three and 100 ms of slack. */
const withOutbox = <A>(
  send: (attempt: number) => Effect.Effect<unknown, string>,
  test: (outbox: Outbox, sent: Array<ReadonlyArray<number>>, lost: { count: number }) => Effect.Effect<A>
): A =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    const sent: Array<ReadonlyArray<number>> = []
    const lost = { count: 0 }
    const outbox = yield* makeOutbox({
      capacity: 8, batchLimit: 3, slackMs: 100,
      send: (batch) => {
        sent.push(batch.map((bytes) => bytes[0] as number))
        return send(sent.length)
      },
      onLost: (packets) => { lost.count += packets }
    })
    yield* Effect.sleep(1)
    return yield* test(outbox, sent, lost)
  })))

describe("an outbox", () => {
  it("sends at once when idle, and what gathers during a call as the next batches", () => {
    withOutbox(() => Effect.sleep(10), (outbox, sent) => Effect.gen(function*() {
      outbox.offer(packet(1))
      yield* Effect.sleep(1)
      for (const value of [2, 3, 4, 5]) outbox.offer(packet(value))
      yield* Effect.sleep(50)
      expect(sent).toEqual([[1], [2, 3, 4], [5]])
    }))
  })
  it("refuses the newest packet when full", () => {
    withOutbox(() => Effect.never, (outbox) => Effect.gen(function*() {
      outbox.offer(packet(0))
      yield* Effect.sleep(1)
      expect(Array.from({ length: 9 }, (_, value) => outbox.offer(packet(value)))).toEqual([...Array.from({ length: 8 }, () => true), false])
    }))
  })
  it.each([["fails", Effect.fail("gone")], ["dies", Effect.die("planted")], ["is interrupted from within", Effect.interrupt]])(
    "loses and counts a batch whose call %s, and sends the next", (_, end) => {
      withOutbox((attempt) => (attempt === 1 ? end : Effect.void), (outbox, sent, lost) => Effect.gen(function*() {
        outbox.offer(packet(1))
        yield* Effect.sleep(1)
        outbox.offer(packet(2))
        yield* Effect.sleep(1)
        expect([sent, lost.count]).toEqual([[[1], [2]], 1])
      }))
    })
  it("drops and counts what waited longer than its slack, so that a peer that hung gets no burst", () => {
    withOutbox((attempt) => (attempt === 1 ? Effect.sleep(500) : Effect.void), (outbox, sent, lost) => Effect.gen(function*() {
      outbox.offer(packet(1))
      yield* Effect.sleep(1)
      for (const value of [2, 3, 4, 5]) outbox.offer(packet(value))
      yield* Effect.sleep(450)
      outbox.offer(packet(6))
      yield* Effect.sleep(100)
      expect([sent, lost.count]).toEqual([[[1], [6]], 4])
    }))
  })
})

describe("a loop", () => {
  it("goes on a second after a defect, and ends with its scope", () => {
    const instants: Array<number> = []
    runVirtual(Effect.gen(function*() {
      yield* Effect.scoped(Effect.zipRight(
        forkLoop("test", "nobody", Effect.gen(function*() {
          instants.push(yield* Clock.currentTimeMillis)
          if (instants.length % 2 === 1) return yield* Effect.die("planted")
          return yield* Effect.sleep(100)
        })),
        Effect.sleep(2500)
      ))
      yield* Effect.sleep(10_000)
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
    expect(instants.map((atMs) => Math.round(atMs))).toEqual([0, 1000, 1100, 2100, 2200])
  })
})
