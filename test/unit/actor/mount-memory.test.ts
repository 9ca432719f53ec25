/**
 * The memory mount beyond the contract of all mounts: its tap, whose clock and randomness handlers use, exact time limits.
 *
 * Goal: what an observer records is complete and in order; an actor's behaviour does not depend on who calls it.
 * Method: test clock, one small protocol.
 *
 * @module
 */
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Random, Schema, type Scope, Stream, TestClock } from "effect"
import { ActorUnavailable, callNow, CallTimedOut, Frame, Frames, isLater, later, mapped, Rpc, RpcGroup } from "../../../src/actor/actor.ts"
import type { TapEvent } from "../../../src/actor/call-tap.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../src/actor/mount-memory.ts"

class Overfull extends Schema.TaggedError<Overfull>()("Overfull", { sample: Frame }) {}

class Desk extends RpcGroup.make(
  Rpc.make("Swap", { payload: { left: Frame, rest: Frames }, success: Schema.Struct({ right: Frame }) }),
  Rpc.make("Slow", { payload: { afterMs: Schema.Number }, success: Schema.Number }),
  Rpc.make("Refuse", { error: Overfull }),
  Rpc.make("Die", {}),
  Rpc.make("Tell", { success: Frame, stream: true }),
  Rpc.make("Draw", { success: Schema.Number })
) {}

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

const DeskLive = Desk.toLayer(Desk.of({
  Swap: ({ left }) => Effect.as(Effect.sleep(5), { right: bytes(99, ...left) }),
  Slow: ({ afterMs }) => Effect.as(Effect.sleep(afterMs), afterMs),
  Refuse: () => Effect.fail(new Overfull({ sample: bytes(4) })),
  Die: () => Effect.die("planted"),
  Tell: () => Stream.make(bytes(1), bytes(2)),
  Draw: () => Random.next
}))

const onDesk = <A, E>(body: Effect.Effect<A, E, Mount | Scope.Scope>, tap?: (event: TapEvent) => void) =>
  Effect.zipRight(Effect.flatMap(Mount, (mount) => mount.serve("desk", Desk, DeskLive)), body).pipe(Effect.provide(layerMountMemory({ tap })))

it.scoped("the tap sees request, reply, items and declared failures with their bytes and instants, and no reply where none crossed", () => {
  const events: Array<TapEvent> = []
  return onDesk(Effect.gen(function*() {
    const desk = yield* (yield* Mount).connect("alice", "desk", Desk)
    yield* TestClock.adjust(1_000)
    const swap = yield* Effect.fork(desk.Swap({ left: bytes(1), rest: [bytes(2), bytes(3)] }))
    yield* TestClock.adjust(5)
    yield* Fiber.join(swap)
    yield* Stream.runDrain(desk.Tell())
    yield* Effect.ignore(desk.Refuse())
    yield* Effect.ignore(desk.Die())
    const seen = events.map(({ bytes, call, direction, from, instantMs, to }) => [from, to, call, direction, bytes.map((b) => [...b]), instantMs])
    expect(seen).toEqual([
      ["alice", "desk", "Swap", "request", [[1], [2], [3]], 1_000],
      ["alice", "desk", "Swap", "reply", [[99, 1]], 1_005],
      ["alice", "desk", "Tell", "request", [], 1_005],
      ["alice", "desk", "Tell", "item", [[1]], 1_005],
      ["alice", "desk", "Tell", "item", [[2]], 1_005],
      ["alice", "desk", "Refuse", "request", [], 1_005],
      ["alice", "desk", "Refuse", "reply", [[4]], 1_005],
      ["alice", "desk", "Die", "request", [], 1_005]
    ])
  }), (event) => events.push(event))
})

it.scoped("a call ends exactly at its limit, and one that ends earlier is not touched", () =>
  onDesk(Effect.gen(function*() {
    const desk = yield* (yield* Mount).connect("alice", "desk", Desk, { limitMs: 100 })
    const slow = yield* Effect.fork(Effect.flip(desk.Slow({ afterMs: 101 })))
    yield* TestClock.adjust(50)
    const quick = yield* Effect.fork(desk.Slow({ afterMs: 99 }))
    const later = yield* Effect.fork(Effect.flip(desk.Slow({ afterMs: 1_000 })))
    yield* TestClock.adjust(49)
    expect(yield* Fiber.poll(slow)).toMatchObject({ _tag: "None" })
    yield* TestClock.adjust(1)
    expect(yield* Fiber.join(slow)).toEqual(new CallTimedOut({ actor: "desk", call: "Slow" }))
    yield* TestClock.adjust(49)
    expect(yield* Fiber.join(quick)).toBe(99)
    expect(yield* Fiber.poll(later)).toMatchObject({ _tag: "None" })
    yield* TestClock.adjust(1)
    expect(yield* Fiber.join(later)).toBeInstanceOf(CallTimedOut)
    const afterIdle = yield* Effect.fork(Effect.flip(desk.Slow({ afterMs: 500 })))
    yield* TestClock.adjust(100)
    expect(yield* Fiber.join(afterIdle)).toBeInstanceOf(CallTimedOut)
  })))

it.scoped("the default limit is ten seconds", () =>
  onDesk(Effect.gen(function*() {
    const desk = yield* (yield* Mount).connect("alice", "desk", Desk)
    const slow = yield* Effect.fork(Effect.flip(desk.Slow({ afterMs: 10_001 })))
    yield* TestClock.adjust(9_999)
    expect(yield* Fiber.poll(slow)).toMatchObject({ _tag: "None" })
    yield* TestClock.adjust(1)
    expect(yield* Fiber.join(slow)).toBeInstanceOf(CallTimedOut)
  })))

it.scoped("a handler draws from the randomness of the actor, not of its caller", () =>
  Effect.gen(function*() {
    const mount = yield* Mount
    yield* mount.serve("seeded", Desk, DeskLive).pipe(Effect.withRandom(Random.make("actor")))
    const desk = yield* mount.connect("alice", "seeded", Desk)
    const expected = yield* Random.make("actor").next
    expect(yield* Effect.withRandom(desk.Draw(), Random.make("caller"))).toBe(expected)
  }).pipe(Effect.provide(layerMountMemory())))

it.scoped("a payload that breaks the protocol's schema dies at the caller and never reaches the actor", () => {
  const events: Array<TapEvent> = []
  return onDesk(Effect.gen(function*() {
    const desk = yield* (yield* Mount).connect("alice", "desk", Desk)
    const wrong = { left: [1, 2] as unknown as Uint8Array, rest: [] }
    expect((yield* Effect.exit(desk.Swap(wrong)))._tag).toBe("Failure")
    expect(events).toEqual([])
  }), (event) => events.push(event))
})

it.scoped("a call that the served group does not know fails", () =>
  Effect.gen(function*() {
    class Old extends RpcGroup.make(Rpc.make("Draw", { success: Schema.Number })) {}
    const mount = yield* Mount
    yield* mount.serve("old", Old, Old.toLayer(Old.of({ Draw: () => Effect.succeed(1) })))
    const desk = yield* mount.connect("alice", "old", Desk)
    expect(yield* desk.Draw()).toBe(1)
    expect(yield* Effect.flip(desk.Die())).toEqual(new ActorUnavailable({ actor: "old", reason: "unknown-call" }))
  }).pipe(Effect.provide(layerMountMemory())))

it.scoped("two layers are two separate networks", () =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const [one, two] = yield* Effect.all([Layer.buildWithScope(layerMountMemory(), scope), Layer.buildWithScope(layerMountMemory(), scope)])
    yield* Effect.flatMap(Mount, (mount) => mount.serve("desk", Desk, DeskLive)).pipe(Effect.provide(one))
    const desk = yield* Effect.flatMap(Mount, (mount) => mount.connect("alice", "desk", Desk)).pipe(Effect.provide(two))
    expect(yield* Effect.flip(desk.Draw())).toBeInstanceOf(ActorUnavailable)
  }))

/** An actor that answers at once, later without a fiber, and never. */
class Clerk extends RpcGroup.make(
  Rpc.make("AtOnce", { success: Schema.Number }),
  Rpc.make("Throws", {}),
  Rpc.make("Later", { success: Schema.Number }),
  Rpc.make("Never", { success: Schema.Number })
) {}

const onClerk = <A, E>(body: (clerk: { readonly ring: () => void; readonly calledOff: () => number }) => Effect.Effect<A, E, Mount | Scope.Scope>) => {
  const rings: Array<() => void> = []
  let calledOff = 0
  const live = Clerk.toLayer(Clerk.of({
    AtOnce: () => Exit.succeed(1),
    Throws: (): Effect.Effect<void> => { throw new Error("planted") },
    Later: () => later<number>((done) => {
      rings.push(() => done(Exit.succeed(2)))
      return () => { calledOff += 1 }
    }),
    Never: () => later<number>(() => () => { calledOff += 1 })
  }))
  return Effect.zipRight(Effect.flatMap(Mount, (mount) => mount.serve("clerk", Clerk, live)),
    body({ ring: () => rings.shift()?.(), calledOff: () => calledOff })).pipe(Effect.provide(layerMountMemory()))
}

it.scoped("a call of which the answer is there at once has ended when it is made, and one that throws has crashed", () =>
  onClerk(() => Effect.gen(function*() {
    const clerk = yield* (yield* Mount).connect("alice", "clerk", Clerk)
    expect(callNow(clerk.AtOnce, undefined)).toEqual(Exit.succeed(1))
    expect(yield* clerk.AtOnce()).toBe(1)
    expect(callNow(clerk.Throws, undefined)).toEqual(Exit.fail(new ActorUnavailable({ actor: "clerk", reason: "crashed" })))
  })))

it.scoped("a call that only waits is begun without a fiber and called back once; interrupted, it is called off at the actor", () =>
  onClerk(({ calledOff, ring }) => Effect.gen(function*() {
    const clerk = yield* (yield* Mount).connect("alice", "clerk", Clerk)
    const call = mapped(callNow(clerk.Later, undefined), (value) => value * 10)
    const ends: Array<Exit.Exit<number, unknown>> = []
    expect(isLater(call)).toBe(true)
    if (isLater(call)) call.begin((exit) => ends.push(exit))
    ring()
    expect(ends).toEqual([Exit.succeed(20)])
    const waiting = yield* Effect.fork(clerk.Later())
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(waiting)
    expect(calledOff()).toBe(1)
    ring()
    expect(ends).toHaveLength(1)
  })))

it.scoped("a call that only waits ends by its time limit, and is called off at the actor", () =>
  onClerk(({ calledOff }) => Effect.gen(function*() {
    const clerk = yield* (yield* Mount).connect("alice", "clerk", Clerk, { limitMs: 50 })
    const waiting = yield* Effect.fork(Effect.flip(clerk.Never()))
    yield* TestClock.adjust(51)
    expect(yield* Fiber.join(waiting)).toEqual(new CallTimedOut({ actor: "clerk", call: "Never" }))
    expect(calledOff()).toBe(1)
  })))
