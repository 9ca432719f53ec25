/**
 * The lives of links beneath a TCP mount.
 *
 * Goal: processes that end and start again, cut links, silence, full queues and withdrawn peers give typed errors and recover; frames have one length.
 * Method: whole mounts that are stopped and started on their port; a proxy that counts bytes or cuts; short limits; real time, never asserted on.
 *
 * @module
 */
import { connect, createServer, type Socket } from "node:net"
import { Deferred, Effect, Either, Fiber, Logger, LogLevel, Schedule, Schema, type Scope, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { ActorUnavailable, callerOf, CallTimedOut, Frame, Rpc, RpcGroup } from "../../src/actor/actor.ts"
import type { TcpMountOptions } from "../../src/actor/mount-tcp.ts"
import type { TcpLimits } from "../../src/actor/tcp-limits.ts"
import type { TcpAddress } from "../../src/actor/tcp-options.ts"
import { claimMatches } from "../../src/link/peer-check.ts"
import { claimOf, linkKeyOf, makeTcpNetwork, type TcpNetwork } from "./tcp-rig.ts"

class Shop extends RpcGroup.make(
  Rpc.make("WhoAmI", { success: Schema.String }),
  Rpc.make("Mirror", { payload: { frame: Frame }, success: Schema.Struct({ frame: Frame }) }),
  Rpc.make("Hang", {}),
  Rpc.make("Endless", { success: Frame, stream: true })
) {}

const FAST: Partial<TcpLimits> = { firstPauseMs: 5, longestPauseMs: 20, settledMs: 0, handshakeMs: 2_000 }
const NAMES = ["shop", "friend"]

const serveShop = (network: TcpNetwork, hanging?: Deferred.Deferred<void>, stopped?: Deferred.Deferred<void>, more: Partial<TcpMountOptions> = {}) =>
  Effect.flatMap(network.mountOf("shop", more), (mount) => mount.serve("shop", Shop, Shop.toLayer(Shop.of({
    WhoAmI: (_payload, options) => Effect.succeed(callerOf(options)),
    Mirror: ({ frame }) => Effect.succeed({ frame }),
    Hang: () => Effect.zipRight(hanging === undefined ? Effect.void : Deferred.succeed(hanging, undefined), Effect.never).pipe(
      Effect.onInterrupt(() => stopped === undefined ? Effect.void : Deferred.succeed(stopped, undefined))),
    Endless: () => Stream.repeatEffect(Effect.succeed(new Uint8Array(40)))
  })))).pipe(Effect.orDie)

const shopClient = (network: TcpNetwork, limitMs = 3_000, more: Partial<TcpMountOptions> = {}) =>
  Effect.flatMap(network.mountOf("friend", more), (mount) => mount.connect("friend", "shop", Shop, { limitMs }))

/** A relay before the shop, which counts bytes and can be cut. */
const relay = (network: TcpNetwork) => Effect.gen(function*() {
  const sockets = new Set<Socket>()
  const bytes = { there: 0, back: 0 }
  const server = createServer((outer) => {
    const inner = connect(network.addresses.get("shop") as TcpAddress)
    for (const socket of [outer, inner]) {
      sockets.add(socket)
      socket.on("error", () => undefined)
    }
    outer.on("close", () => inner.destroy())
    inner.on("close", () => outer.destroy())
    outer.on("data", (chunk) => { bytes.there += chunk.length; inner.write(chunk) })
    inner.on("data", (chunk) => { bytes.back += chunk.length; outer.write(chunk) })
  })
  const port = yield* Effect.async<number>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as { readonly port: number }).port)))
  })
  const cut = () => { for (const socket of sockets) socket.destroy() }
  yield* Effect.addFinalizer(() => Effect.sync(() => { cut(); server.close() }))
  return { bytes, cut, freeze: () => { for (const socket of sockets) socket.pause() }, addresses: () => ({ host: "127.0.0.1", port }) }
})

const claim = <E>(what: string, body: Effect.Effect<void, E, Scope.Scope>): void => {
  it(what, () => Effect.runPromise(Effect.scoped(body).pipe(Logger.withMinimumLogLevel(LogLevel.None))))
}
const until = (condition: () => boolean): Effect.Effect<void> => Effect.suspend(() => condition() ? Effect.void : Effect.delay(until(condition), 5))
const unavailable = (reason: ActorUnavailable["reason"]) => Either.left(new ActorUnavailable({ actor: "shop", reason }))

describe("tcp lives", () => {
  claim("a process that ends and starts again on its port is reached by the clients it had, which fail with a typed error meanwhile", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    yield* serveShop(network)
    const client = yield* shopClient(network)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
    for (let round = 0; round < 3; round++) {
      yield* network.stop("shop")
      expect((yield* Effect.either(client.WhoAmI()))._tag).toBe("Left")
      expect(yield* Effect.either(client.WhoAmI())).toEqual(unavailable("not-serving"))
      yield* serveShop(network)
      expect(yield* Effect.retry(client.WhoAmI(), Schedule.spaced(10))).toBe("friend")
    }
  }))
  claim("a cut link fails the calls on it, stops their handlers, and the next call dials again", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    const hanging = yield* Deferred.make<void>()
    const stopped = yield* Deferred.make<void>()
    yield* serveShop(network, hanging, stopped)
    const { addresses, cut } = yield* relay(network)
    const client = yield* shopClient(network, 3_000, { addresses })
    const call = yield* Effect.fork(Effect.either(client.Hang()))
    yield* Deferred.await(hanging)
    cut()
    expect(yield* Fiber.join(call)).toEqual(unavailable("closed"))
    yield* Deferred.await(stopped)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
  }))
  claim("a peer that calls us is called again at once, whatever pause was due", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: { ...FAST, firstPauseMs: 600_000, longestPauseMs: 600_000 } })
    yield* serveShop(network)
    yield* network.stop("shop")
    yield* Effect.flatMap(network.mountOf("friend"), (mount) => mount.serve("friend", Shop, Shop.toLayer(Shop.of({
      WhoAmI: (_payload, options) => Effect.succeed(callerOf(options)),
      Mirror: ({ frame }) => Effect.succeed({ frame }),
      Hang: () => Effect.never,
      Endless: () => Stream.empty
    }))))
    const client = yield* shopClient(network)
    for (const _attempt of [1, 2]) expect(yield* Effect.either(client.WhoAmI())).toEqual(unavailable("not-serving"))
    yield* serveShop(network)
    expect(yield* Effect.either(client.WhoAmI())).toEqual(unavailable("not-serving"))
    const back = yield* Effect.flatMap(network.mountOf("shop"), (mount) => mount.connect("shop", "friend", Shop))
    expect(yield* Effect.orDie(back.WhoAmI())).toBe("shop")
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
  }))
  claim("a caller learns the callee's clock", Effect.gen(function*() {
    const heard: Array<readonly [string, boolean]> = []
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    yield* serveShop(network)
    const client = yield* shopClient(network, 3_000, { onSkew: (name, skewMs) => heard.push([name, Number.isFinite(skewMs)]) })
    yield* Effect.orDie(client.WhoAmI())
    expect(heard).toEqual([["shop", true]])
  }))
  claim("a peer that takes connections but never answers costs a call no more than its limit", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    const mute = createServer((socket) => { socket.on("error", () => undefined) })
    const port = yield* Effect.async<number>((resume) => {
      mute.listen(0, "127.0.0.1", () => resume(Effect.succeed((mute.address() as { readonly port: number }).port)))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => mute.close()))
    const client = yield* shopClient(network, 50, { addresses: () => ({ host: "127.0.0.1", port }) })
    expect(yield* Effect.either(client.WhoAmI())).toEqual(unavailable("not-serving"))
  }))
  claim("a silent network ends the link at both ends within the idle time, although a call is open", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: { ...FAST, idleMs: 200 } })
    const hanging = yield* Deferred.make<void>()
    const stopped = yield* Deferred.make<void>()
    yield* serveShop(network, hanging, stopped)
    const { addresses, freeze } = yield* relay(network)
    const client = yield* shopClient(network, 60_000, { addresses })
    const call = yield* Effect.fork(Effect.either(client.Hang()))
    yield* Deferred.await(hanging)
    freeze()
    expect(yield* Fiber.join(call)).toEqual(unavailable("closed"))
    yield* Deferred.await(stopped)
  }))
  claim("an open call keeps its link alive through silence; without calls the link ends and comes back", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: { ...FAST, idleMs: 160 } })
    yield* serveShop(network)
    const client = yield* shopClient(network, 500)
    expect(yield* Effect.either(client.Hang())).toEqual(Either.left(new CallTimedOut({ actor: "shop", call: "Hang" })))
    const friend = network.counts.get("friend")
    expect(friend?.get("idle")).toBeUndefined()
    yield* until(() => friend?.get("idle") === 1)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
    expect(friend?.get("dialled")).toBe(2)
  }))
  claim("a peer that is withdrawn from the directory loses its link", Effect.gen(function*() {
    const admitted = new Set(NAMES)
    const peers = {
      accept: (peer: Parameters<typeof claimMatches>[0]) => NAMES.find((name) => admitted.has(name) && claimMatches(peer, claimOf(name))),
      expects: (to: string, peer: Parameters<typeof claimMatches>[0]) => claimMatches(peer, claimOf(to))
    }
    const network = yield* makeTcpNetwork(NAMES, { peers, limits: { ...FAST, recheckMs: 20 } })
    yield* serveShop(network)
    const client = yield* shopClient(network)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
    admitted.delete("friend")
    yield* until(() => network.counts.get("shop")?.get("peer-withdrawn") === 1)
    expect((yield* Effect.either(client.WhoAmI()))._tag).toBe("Left")
  }))
})

describe("tcp messages", () => {
  claim("every command of a direction has one length, whatever is said", Effect.gen(function*() {
    const sizes = { fromInitiatorBytes: 300, fromResponderBytes: 500 }
    const network = yield* makeTcpNetwork(NAMES, { sizes, limits: FAST })
    yield* serveShop(network)
    const { addresses, bytes } = yield* relay(network)
    const client = yield* shopClient(network, 3_000, { addresses })
    for (const length of [0, 1, 299, 1_000, 20_000]) {
      yield* Effect.orDie(client.Mirror({ frame: new Uint8Array(length) }))
      expect((bytes.there - 1217 - 2644) % (300 + 36)).toBe(0)
      expect((bytes.back - 2628 - 1152) % (500 + 36)).toBe(0)
    }
  }))
  claim("two short calls of different kinds look alike", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    yield* serveShop(network)
    const { addresses, bytes } = yield* relay(network)
    const client = yield* shopClient(network, 3_000, { addresses })
    yield* Effect.orDie(client.WhoAmI())
    const deltas: Array<readonly [number, number]> = []
    for (const call of [Effect.asVoid(client.WhoAmI()), Effect.asVoid(client.Mirror({ frame: new Uint8Array(3_000) })), Effect.asVoid(client.WhoAmI())]) {
      const before = { ...bytes }
      yield* Effect.orDie(call)
      deltas.push([bytes.there - before.there, bytes.back - before.back])
    }
    expect(deltas).toEqual([[4_132, 4_132], [4_132, 4_132], [4_132, 4_132]])
  }))
  claim("a frame of 2 MiB comes back whole; one beyond the limit fails its own call alone", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    yield* serveShop(network)
    const client = yield* shopClient(network, 20_000)
    const frame = new Uint8Array(2 << 20).map((_, i) => i * 7)
    const answer = yield* Effect.orDie(client.Mirror({ frame }))
    expect(Buffer.compare(answer.frame, frame)).toBe(0)
    expect(yield* Effect.either(client.Mirror({ frame: new Uint8Array(5 << 20) }))).toEqual(unavailable("not-serving"))
    expect(network.counts.get("friend")?.get("message-too-long")).toBe(1)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
  }))
  claim("what does not fit into the queue is dropped newest first, told to its caller and counted", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: { ...FAST, queueBytes: 50_000 } })
    yield* serveShop(network)
    const client = yield* shopClient(network)
    yield* Effect.orDie(client.WhoAmI())
    const calls = Array.from({ length: 20 }, () => Effect.either(client.Mirror({ frame: new Uint8Array(10_000) })))
    const ends = yield* Effect.all(calls, { concurrency: "unbounded" })
    const lost = ends.filter(Either.isLeft)
    expect(lost.length).toBeGreaterThan(0)
    expect(ends.slice(0, 4).every(Either.isRight)).toBe(true)
    expect(new Set(lost.map((end) => JSON.stringify(end)))).toEqual(new Set([JSON.stringify(unavailable("not-serving"))]))
    expect(network.counts.get("friend")?.get("dropped-request")).toBe(lost.length)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
  }))
  claim("calls beyond the limit of a link are refused, and there is room again when one ends", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: { ...FAST, callsPerLink: 3 } })
    yield* serveShop(network)
    const client = yield* shopClient(network)
    const hanging = yield* Effect.forEach([1, 2, 3], () => Effect.fork(client.Hang()))
    yield* Effect.yieldNow()
    expect(yield* Effect.either(client.WhoAmI())).toEqual(unavailable("not-serving"))
    yield* Fiber.interrupt(hanging[0] as Fiber.RuntimeFiber<unknown, unknown>)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
  }))
  claim("a peer that sends faster than its bucket allows is served slowly, not refused", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: { ...FAST, commands: { capacity: 5, perS: 200 } } })
    yield* serveShop(network)
    const client = yield* shopClient(network)
    for (let call = 0; call < 20; call++) expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
    expect(network.counts.get("shop")?.get("throttled")).toBeGreaterThan(0)
  }))
  claim("a consumer that waits does not let the stream fill memory", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    yield* serveShop(network)
    const { addresses, bytes } = yield* relay(network)
    const client = yield* shopClient(network, 3_000, { addresses })
    const first = yield* Deferred.make<void>()
    yield* Effect.forkScoped(Stream.runForEach(client.Endless(), () => Effect.zipRight(Deferred.succeed(first, undefined), Effect.never)))
    yield* Deferred.await(first)
    let before = -1
    while (before !== bytes.back) {
      before = bytes.back
      yield* Effect.sleep(20)
    }
    expect(bytes.back).toBeLessThan(40 * 4_132)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("friend")
  }))
  claim("anonymous clients with credentials of their own are kept apart by them", Effect.gen(function*() {
    const peers = { accept: (peer: { readonly additionalData: Uint8Array }) => `queue ${new TextDecoder().decode(peer.additionalData)}`, expects: () => true }
    const network = yield* makeTcpNetwork(NAMES, { peers, limits: FAST })
    yield* serveShop(network)
    const mount = yield* network.mountOf("friend", {
      credentials: (from) => ({ linkKey: linkKeyOf(`fresh ${from}`), additionalData: new TextEncoder().encode(from) })
    })
    const [one, two] = yield* Effect.all([mount.connect("1", "shop", Shop), mount.connect("2", "shop", Shop)])
    expect([yield* Effect.orDie(one.WhoAmI()), yield* Effect.orDie(two.WhoAmI())]).toEqual(["queue 1", "queue 2"])
    expect(network.counts.get("shop")?.get("opened")).toBe(2)
  }))
  claim("an actor calls itself without a link, by any name", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(NAMES, { limits: FAST })
    yield* serveShop(network)
    const client = yield* Effect.flatMap(network.mountOf("shop"), (mount) => mount.connect("person", "shop", Shop))
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("person")
    expect(network.counts.get("shop")?.get("dialled")).toBeUndefined()
  }))
  claim("a port that is taken is a typed failure", Effect.gen(function*() {
    const network = yield* makeTcpNetwork(["shop", "friend"], { limits: FAST })
    yield* serveShop(network)
    const rival = yield* makeTcpNetwork(["shop"], { listen: network.addresses.get("shop") })
    const failed = yield* Effect.either(Effect.flatMap(rival.mountOf("shop"), (mount) => mount.serve("shop", Shop, Shop.toLayer(Effect.die("never built")))))
    expect(Either.isLeft(failed) && failed.left).toMatchObject({ _tag: "MountFailed", reason: "address-unavailable" })
  }))
})
