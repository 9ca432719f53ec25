/**
 * The contract of a mount, whatever carries the calls.
 *
 * Goal: a mount that passes this suite can join any actors of this repository.
 * Method: one small protocol, real time, no assertion on how long anything takes; time limits are short where one must pass.
 *
 * @module
 */
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, Ref, Schema, Scope, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { ActorUnavailable, CallTimedOut, callerOf, type Client, Frame, Frames, Rpc, RpcGroup } from "../../src/actor/actor.ts"
import { takeEach } from "../../src/actor/told.ts"
import { Mount } from "../../src/actor/mount.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Number }) {}

class Probe extends RpcGroup.make(
  Rpc.make("Echo", { payload: { frames: Frames, tag: Schema.Number }, success: Schema.Struct({ frame: Frame, tag: Schema.Number }), error: Refused }),
  Rpc.make("WhoAmI", { success: Schema.String }),
  Rpc.make("OneWay", { payload: { frames: Frames } }),
  Rpc.make("Hang", {}),
  Rpc.make("Gather", { success: Schema.Number }),
  Rpc.make("Die", {}),
  Rpc.make("Count", { payload: { items: Schema.Number, pauseMs: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("CountThenRefuse", { success: Schema.Number, error: Refused, stream: true }),
  Rpc.make("Endless", { success: Frame, stream: true })
) {}

/** What the handlers tell the test. */
interface Witness {
  readonly events: Ref.Ref<ReadonlyArray<string>>
  readonly hanging: Deferred.Deferred<void>
  readonly released: Deferred.Deferred<void>
  readonly gathered: Deferred.Deferred<void>
  readonly produced: Ref.Ref<number>
}

const GATHERING = 64

const makeWitness: Effect.Effect<Witness> = Effect.all({
  events: Ref.make<ReadonlyArray<string>>([]),
  hanging: Deferred.make<void>(),
  released: Deferred.make<void>(),
  gathered: Deferred.make<void>(),
  produced: Ref.make(0)
})

const note = (witness: Witness, event: string) => Ref.update(witness.events, (events) => [...events, event])

const probeLive = (witness: Witness, label = "first") =>
  Probe.toLayer(Effect.gen(function*() {
    yield* Effect.addFinalizer(() => note(witness, "layer closed"))
    let present = 0
    const stopped = note(witness, "handler stopped").pipe(Effect.zipRight(Deferred.succeed(witness.released, undefined)))
    return Probe.of({
      Echo: ({ frames, tag }) => tag < 0 ? Effect.fail(new Refused({ code: -tag })) : Effect.succeed({ frame: frames[0] ?? new Uint8Array(0), tag }),
      WhoAmI: (_payload, options) => Effect.succeed(`${label}: ${callerOf(options)}`),
      OneWay: () => Effect.void,
      Hang: () => Deferred.succeed(witness.hanging, undefined).pipe(Effect.zipRight(Effect.never), Effect.onInterrupt(() => stopped)),
      Gather: () => Effect.suspend(() => {
        present += 1
        const all = present === GATHERING ? Deferred.succeed(witness.gathered, undefined) : Effect.void
        return Effect.zipRight(all, Effect.as(Deferred.await(witness.gathered), present))
      }),
      Die: () => Effect.die(new Error("planted")),
      Count: ({ items, pauseMs }) => Stream.range(1, items).pipe(Stream.rechunk(1), Stream.tap(() => Effect.sleep(pauseMs))),
      CountThenRefuse: () => Stream.concat(Stream.make(1, 2), Stream.fail(new Refused({ code: 9 }))),
      Endless: () =>
        Stream.repeatEffect(Effect.as(Ref.update(witness.produced, (produced) => produced + 1), new Uint8Array([7]))).pipe(
          Stream.tap(() => Deferred.succeed(witness.hanging, undefined)),
          Stream.ensuring(stopped)
        )
    })
  }))

interface Stage {
  readonly witness: Witness
  readonly client: Client<RpcGroup.Rpcs<typeof Probe>>
  /** Closes the first actor. */
  readonly close: Effect.Effect<void>
  /** Serves a new actor under the same name until the test ends. */
  readonly restart: Effect.Effect<void>
}

const LIMIT_MS = 5_000

const stage = (limitMs = LIMIT_MS): Effect.Effect<Stage, never, Mount | Scope.Scope> =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const witness = yield* makeWitness
    const actorScope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(actorScope, Exit.void))
    const client = yield* mount.connect("tester", "probe", Probe, { limitMs })
    yield* mount.serve("probe", Probe, probeLive(witness)).pipe(Scope.extend(actorScope), Effect.orDie)
    const scope = yield* Effect.scope
    return {
      witness,
      client,
      close: Scope.close(actorScope, Exit.void),
      restart: mount.serve("probe", Probe, probeLive(witness, "second")).pipe(Scope.extend(scope), Effect.orDie)
    }
  })

const failureOf = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<E | undefined> =>
  Effect.map(Effect.either(effect), (result) => result._tag === "Left" ? result.left : undefined)

/** Runs the suite over what `makeMount` builds anew for every case. */
export const mountContract = (title: string, makeMount: () => Layer.Layer<Mount>): void => {
  const claim = <E>(what: string, body: Effect.Effect<void, E, Mount | Scope.Scope>): void => {
    it(what, () => Effect.runPromise(Effect.scoped(body).pipe(Effect.provide(makeMount()), Logger.withMinimumLogLevel(LogLevel.None))))
  }
  describe(`${title}: calls`, () => callClaims(claim))
  describe(`${title}: streams`, () => streamClaims(claim))
  describe(`${title}: lives`, () => lifeClaims(claim))
  describe(`${title}: limits`, () => limitClaims(claim))
}

type Claim = <E>(what: string, body: Effect.Effect<void, E, Mount | Scope.Scope>) => void

const callClaims = (claim: Claim): void => {
  claim("an answer holds the bytes that were sent, also of an empty and a large frame", Effect.gen(function*() {
    const { client } = yield* stage()
    for (const frame of [new Uint8Array(0), Uint8Array.of(0, 255), new Uint8Array(40_000).fill(3)]) {
      const answer = yield* client.Echo({ frames: [frame], tag: 5 })
      expect(answer.tag).toBe(5)
      expect(Array.from(answer.frame)).toEqual(Array.from(frame))
    }
  }))
  claim("a declared error arrives as itself", Effect.gen(function*() {
    const { client } = yield* stage()
    expect(yield* failureOf(client.Echo({ frames: [], tag: -3 }))).toEqual(new Refused({ code: 3 }))
  }))
  claim("a call without payload and a call without answer work", Effect.gen(function*() {
    const { client } = yield* stage()
    expect(yield* client.OneWay({ frames: [new Uint8Array(9)] })).toBeUndefined()
    expect(yield* client.WhoAmI()).toBe("first: tester")
  }))
  claim(`${GATHERING} calls can be inside one handler at the same time`, Effect.gen(function*() {
    const { client } = yield* stage()
    const counts = yield* Effect.all(Array.from({ length: GATHERING }, () => client.Gather()), { concurrency: "unbounded" })
    expect(counts).toHaveLength(GATHERING)
  }))
  claim("a handler's defect fails its own call and no other", Effect.gen(function*() {
    const { client, witness } = yield* stage()
    const others = yield* Effect.fork(Effect.all(Array.from({ length: GATHERING - 1 }, () => client.Gather()), { concurrency: "unbounded" }))
    yield* Effect.yieldNow()
    expect(yield* failureOf(client.Die())).toEqual(new ActorUnavailable({ actor: "probe", reason: "crashed" }))
    yield* client.Gather()
    expect(yield* Fiber.join(others)).toHaveLength(GATHERING - 1)
    expect(yield* Ref.get(witness.events)).toEqual([])
  }))
  claim("interrupting a caller stops the handler", Effect.gen(function*() {
    const { client, witness } = yield* stage()
    const caller = yield* Effect.fork(client.Hang())
    yield* Deferred.await(witness.hanging)
    yield* Fiber.interrupt(caller)
    yield* Deferred.await(witness.released)
  }))
}

const streamClaims = (claim: Claim): void => {
  claim("items arrive in order and the stream ends", Effect.gen(function*() {
    const { client } = yield* stage()
    expect(Array.from(yield* Stream.runCollect(client.Count({ items: 100, pauseMs: 0 })))).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  }))
  claim("a declared failure comes after the items before it", Effect.gen(function*() {
    const { client } = yield* stage()
    const items: Array<number> = []
    const end = yield* failureOf(Stream.runForEach(client.CountThenRefuse(), (item) => Effect.sync(() => items.push(item))))
    expect(items).toEqual([1, 2])
    expect(end).toEqual(new Refused({ code: 9 }))
  }))
  claim("a consumer that leaves stops the producer", Effect.gen(function*() {
    const { client, witness } = yield* stage()
    expect(yield* Stream.runCount(Stream.take(client.Endless(), 3))).toBe(3)
    yield* Deferred.await(witness.released)
  }))
  claim("a producer waits for a slow consumer", Effect.gen(function*() {
    const { client, witness } = yield* stage()
    const consumer = yield* Effect.fork(Stream.runForEach(client.Endless(), () => Effect.never))
    yield* Deferred.await(witness.hanging)
    let produced = -1
    while (produced !== (yield* Ref.get(witness.produced))) {
      produced = yield* Ref.get(witness.produced)
      yield* Effect.sleep(20)
    }
    expect(produced).toBeLessThanOrEqual(64)
    yield* Fiber.interrupt(consumer)
  }))
  claim("a stream may pause for longer than the time limit of calls", Effect.gen(function*() {
    const { client } = yield* stage(20)
    expect(Array.from(yield* Stream.runCollect(client.Count({ items: 2, pauseMs: 60 })))).toEqual([1, 2])
  }))
  claim("who takes items at once gets them in order, and the end", Effect.gen(function*() {
    const { client } = yield* stage()
    const items: Array<number> = []
    yield* takeEach(client.Count({ items: 100, pauseMs: 0 }), (item) => items.push(item))
    expect(items).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
    expect(yield* failureOf(takeEach(client.CountThenRefuse(), (item) => items.push(item)))).toEqual(new Refused({ code: 9 }))
    expect(items.slice(100)).toEqual([1, 2])
  }))
  claim("who takes items at once and leaves stops the producer; whose actor closes is told", Effect.gen(function*() {
    const { client, close, witness } = yield* stage()
    const leaving = yield* Effect.fork(takeEach(client.Endless(), () => undefined))
    yield* Deferred.await(witness.hanging)
    yield* Fiber.interrupt(leaving)
    yield* Deferred.await(witness.released)
    const staying = yield* Effect.fork(failureOf(takeEach(client.Endless(), () => undefined)))
    yield* Effect.sleep(20)
    yield* close
    expect(yield* Fiber.join(staying)).toEqual(new ActorUnavailable({ actor: "probe", reason: "closed" }))
    expect(yield* failureOf(takeEach(client.Endless(), () => undefined))).toBeInstanceOf(ActorUnavailable)
  }))
  claim("an open stream fails when its actor closes", Effect.gen(function*() {
    const { client, close, witness } = yield* stage()
    const consumer = yield* Effect.fork(failureOf(Stream.runDrain(client.Endless())))
    yield* Deferred.await(witness.hanging)
    yield* close
    expect(yield* Fiber.join(consumer)).toEqual(new ActorUnavailable({ actor: "probe", reason: "closed" }))
  }))
}

const lifeClaims = (claim: Claim): void => {
  claim("calls and streams to a name that nobody serves fail", Effect.gen(function*() {
    const client = yield* (yield* Mount).connect("tester", "nobody", Probe, { limitMs: LIMIT_MS })
    const expected = new ActorUnavailable({ actor: "nobody", reason: "not-serving" })
    expect(yield* failureOf(client.WhoAmI())).toEqual(expected)
    expect(yield* failureOf(Stream.runDrain(client.Endless()))).toEqual(expected)
  }))
  claim("closing an actor fails the calls it was answering, stops its handlers and only then releases what they use", Effect.gen(function*() {
    const { client, close, witness } = yield* stage()
    const caller = yield* Effect.fork(failureOf(client.Hang()))
    yield* Deferred.await(witness.hanging)
    yield* close
    expect(yield* Fiber.join(caller)).toEqual(new ActorUnavailable({ actor: "probe", reason: "closed" }))
    expect(yield* Ref.get(witness.events)).toEqual(["handler stopped", "layer closed"])
    expect(yield* failureOf(client.WhoAmI())).toBeInstanceOf(ActorUnavailable)
  }))
  claim("a client that connected earlier reaches the restarted actor", Effect.gen(function*() {
    const { client, close, restart } = yield* stage()
    expect(yield* client.WhoAmI()).toBe("first: tester")
    yield* close
    yield* restart
    expect(yield* client.WhoAmI()).toBe("second: tester")
  }))
  claim("a name can be served once at a time", Effect.gen(function*() {
    const { client, witness } = yield* stage()
    const second = yield* failureOf(Effect.scoped((yield* Mount).serve("probe", Probe, probeLive(witness, "second"))))
    expect(second).toMatchObject({ _tag: "MountFailed", reason: "name-taken" })
    expect(yield* client.WhoAmI()).toBe("first: tester")
  }))
  claim("an actor that cannot be built leaves its name free", Effect.gen(function*() {
    const { close, restart } = yield* stage()
    yield* close
    const broken = Probe.toLayer(Effect.fail("planted" as const))
    expect(yield* failureOf(Effect.scoped((yield* Mount).serve("probe", Probe, broken)))).toBe("planted")
    yield* restart
  }))
  claim("closing a connection fails its calls and stops their handlers", Effect.gen(function*() {
    const { witness } = yield* stage()
    const scope = yield* Scope.make()
    const client = yield* (yield* Mount).connect("leaver", "probe", Probe).pipe(Scope.extend(scope))
    const caller = yield* Effect.fork(failureOf(client.Hang()))
    yield* Deferred.await(witness.hanging)
    yield* Scope.close(scope, Exit.void)
    expect(yield* Fiber.join(caller)).toBeInstanceOf(ActorUnavailable)
    yield* Deferred.await(witness.released)
    expect(yield* failureOf(client.WhoAmI())).toBeInstanceOf(ActorUnavailable)
  }))
  claim("handlers find the services that their layer was built with", Effect.gen(function*() {
    class Colour extends Context.Tag("test/Colour")<Colour, string>() {}
    const mount = yield* Mount
    const whoAmI = () => Effect.map(Effect.serviceOption(Colour), Option.getOrElse(() => "none"))
    const layer = Probe.toLayer(Probe.of({ ...silent, WhoAmI: whoAmI })).pipe(Layer.provide(Layer.succeed(Colour, "blue")))
    yield* mount.serve("painted", Probe, layer)
    const client = yield* mount.connect("tester", "painted", Probe)
    expect(yield* client.WhoAmI().pipe(Effect.provideService(Colour, "red"))).toBe("blue")
  }))
}

const silent = {
  Echo: () => Effect.fail(new Refused({ code: 0 })),
  OneWay: () => Effect.void,
  Hang: () => Effect.never,
  Gather: () => Effect.succeed(0),
  Die: () => Effect.void,
  Count: () => Stream.empty,
  CountThenRefuse: () => Stream.empty,
  Endless: () => Stream.empty
}

const limitClaims = (claim: Claim): void => {
  claim("a call that gets no answer fails at its time limit and stops the handler", Effect.gen(function*() {
    const { client, witness } = yield* stage(30)
    // a link comes up first, which may itself take longer than that
    yield* Effect.retry(client.WhoAmI(), { times: 100 })
    expect(yield* failureOf(client.Hang())).toEqual(new CallTimedOut({ actor: "probe", call: "Hang" }))
    yield* Deferred.await(witness.released)
  }))
  claim("many calls reach their limits while others are answered", Effect.gen(function*() {
    const { client } = yield* stage(200)
    const hanging = yield* Effect.fork(Effect.all(Array.from({ length: 50 }, () => failureOf(client.Hang())), { concurrency: "unbounded" }))
    for (let call = 0; call < 50; call++) yield* client.OneWay({ frames: [] })
    const ends = yield* Fiber.join(hanging)
    expect(new Set(ends.map((end) => end?._tag))).toEqual(new Set(["CallTimedOut"]))
    expect(yield* client.WhoAmI()).toBe("first: tester")
  }))
}
