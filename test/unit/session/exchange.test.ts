/**
 * What one exchange sends, where each transmission goes, and how it ends.
 *
 * Goal: a destination given as an effect is asked anew for every transmission, a fixed one stays; an end counts whenever it comes, and takes back what
 * waits. Method: a sender that notes what it is given and lets every packet leave after a millisecond; virtual time.
 *
 * @module
 */
import { Effect, Exit, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { makeTimer } from "../../../src/actor/timer.ts"
import { Exchange, type ExchangeRequest, repeatUntilEnded, type RepeatOptions } from "../../../src/session/exchange.ts"
import { NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "./virtual-time.ts"

const nodeOf = (byte: number) => NodeId.unsafe(new Uint8Array(32).fill(byte))
const FIXED = { serviceNode: nodeOf(7), recipient: recipientId("courier-0") }
const REPLY = Exit.succeed(Uint8Array.of(9))

interface World {
  readonly exchange: Exchange<"closed">
  /** First bytes of destination and payload of every transmission. */
  readonly seen: Array<readonly [number | undefined, number | undefined]>
  readonly retransmissions: () => number
  /** Transmissions taken back. */
  readonly takenBack: () => number
  readonly run: (request: ExchangeRequest<string>) => Effect.Effect<Uint8Array, string>
}

/** @param leaves  how a transmission settles, by its number; undefined when it waits for ever */
const inWorld = <A>(body: (world: World) => Effect.Effect<A, string>, leaves: (count: number) => "Sent" | "NotComposed" | undefined = () => "Sent"): A =>
  runVirtual(Effect.orDie(Effect.gen(function* () {
    const timer = yield* makeTimer
    const clock = yield* Effect.clock
    const nowMs = () => clock.unsafeCurrentTimeMillis()
    const exchange = new Exchange<"closed">()
    const seen: World["seen"] = []
    let [repeated, takenBack] = [0, 0]
    const transmit: RepeatOptions<never, "closed">["sender"]["transmit"] = ({ payload, serviceNode }, _owner, _lane, settled) => {
      seen.push([serviceNode[0], payload[0]])
      const fate = leaves(seen.length)
      if (fate !== undefined) timer(() => settled(fate === "Sent" ? { _tag: fate, sentAtMs: nowMs(), etaMs: 200 } : { _tag: fate }), 1)
      return Effect.sync(() => void takenBack++)
    }
    return yield* body({
      exchange, seen, retransmissions: () => repeated, takenBack: () => takenBack,
      run: (request) => repeatUntilEnded({ sender: { transmit }, exchange, request, timer, nowMs, slackMs: () => 100, onRetransmit: () => void repeated++ })
    })
  })))

describe("an exchange", () => {
  it("asks for destination and payload anew at every transmission, one after the estimate and the slack of the last", () => {
    let [asked, made] = [0, 0]
    const request = {
      destination: Effect.sync(() => ({ serviceNode: nodeOf(++asked), recipient: recipientId("queue-0") })),
      payload: Effect.sync(() => Uint8Array.of(++made))
    }
    const world = inWorld((world) => Effect.as(Effect.timeoutOption(world.run(request), 1_000), world))
    expect(world.seen).toEqual([[1, 1], [2, 2], [3, 3], [4, 4]])
    expect(world.retransmissions()).toBe(3)
  })

  it("keeps to one endpoint when that is what was asked", () => {
    const { seen } = inWorld((world) => Effect.as(Effect.timeoutOption(world.run({ ...FIXED, payload: Effect.succeed(Uint8Array.of(5)) }), 1_000), world))
    expect(seen).toEqual(Array.from({ length: 4 }, () => [7, 5]))
  })

  it("waits for the service's own answer time too", () => {
    const request = { ...FIXED, payload: Effect.succeed(Uint8Array.of(5)), answerDelayMs: 500 }
    expect(inWorld((world) => Effect.as(Effect.timeoutOption(world.run(request), 1_000), world.seen))).toHaveLength(2)
  })

  it("tries again a second after no packet could be made, which is no transmission", () => {
    const request = { ...FIXED, payload: Effect.succeed(Uint8Array.of(5)) }
    const world = inWorld((world) => Effect.as(Effect.timeoutOption(world.run(request), 2_100), world), () => "NotComposed")
    expect([world.seen.length, world.retransmissions()]).toEqual([3, 0])
  })

  it("ends with the first reply, at once, and with that alone", () => {
    const { reply, world } = inWorld((world) => Effect.gen(function* () {
      const running = yield* Effect.fork(world.run({ ...FIXED, payload: Effect.succeed(Uint8Array.of(5)) }))
      yield* Effect.sleep(50)
      world.exchange.end(REPLY)
      world.exchange.end(Exit.fail("closed"))
      const reply = yield* Fiber.await(running)
      yield* Effect.sleep(10_000)
      return { reply, world }
    }))
    expect(reply).toEqual(REPLY)
    expect([world.seen.length, world.takenBack()]).toEqual([1, 0])
  })

  it("takes back a transmission that waits for its tick when the end comes, and when it is interrupted", () => {
    const request = { ...FIXED, payload: Effect.succeed(Uint8Array.of(5)) }
    const ending = (world: World) => Effect.sync(() => world.exchange.end(REPLY))
    const interrupting = (_: World, running: Fiber.Fiber<unknown, unknown>) => Fiber.interrupt(running)
    for (const finish of [ending, interrupting]) {
      const takenBack = inWorld((world) => Effect.gen(function* () {
        const running = yield* Effect.fork(world.run(request))
        yield* Effect.sleep(5_000)
        yield* finish(world, running)
        yield* Fiber.await(running)
        return [world.seen.length, world.takenBack()]
      }), (count) => (count === 1 ? "Sent" : undefined))
      expect(takenBack).toEqual([2, 1])
    }
  })

  it("an end that comes while a request is being made counts, whether making it succeeds or fails, and nothing more is sent", () => {
    for (const rest of [Effect.succeed(Uint8Array.of(6)), Effect.fail("no document" as const)]) {
      let made = 0
      const payload = Effect.suspend(() => (++made === 1 ? Effect.succeed(Uint8Array.of(5)) : Effect.zipRight(Effect.sleep(1_000), rest)))
      const { exit, sent } = inWorld((world) => Effect.gen(function* () {
        const running = yield* Effect.fork(world.run({ ...FIXED, payload }))
        yield* Effect.sleep(600)
        world.exchange.end(REPLY)
        return { exit: yield* Fiber.await(running), sent: world.seen.length }
      }))
      expect(exit).toEqual(REPLY)
      expect(sent).toBe(1)
    }
  })

  it("fails with what its request fails with", () => {
    const exit = inWorld((world) => Effect.exit(world.run({ ...FIXED, payload: Effect.fail("too late") })))
    expect(exit).toEqual(Exit.fail("too late"))
  })
})
