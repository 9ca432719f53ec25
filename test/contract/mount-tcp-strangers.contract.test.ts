/**
 * Strangers at the door of a TCP mount.
 *
 * Goal: no key, wrong key, a replayed handshake, garbage, oversized frames, slow senders and many half-open connections get nothing and disturb nobody;
 * what is held for them is bounded.
 * Method: raw sockets against a served actor, while an honest caller goes on calling. Limits are short; nothing asserts how long anything takes.
 *
 * @module
 */
import { connect, createServer, type Socket } from "node:net"
import { Deferred, Effect, Either, Logger, LogLevel, Schema, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { ActorUnavailable, callerOf, Rpc, RpcGroup } from "../../src/actor/actor.ts"
import type { TcpMountOptions } from "../../src/actor/mount-tcp.ts"
import { encodeEnvelope } from "../../src/actor/tcp-envelope.ts"
import type { TcpAddress } from "../../src/actor/tcp-options.ts"
import { concatBytes, utf8 } from "../../src/bytes/concat.ts"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { frameBytes } from "../../src/link/frame.ts"
import type { HandshakeIdentity } from "../../src/link/handshake.ts"
import { LinkEnd } from "../../src/link/link-end.ts"
import { CommandId } from "../../src/link/padding.ts"
import { crypto, identityOf, makeTcpNetwork, type TcpNetwork } from "./tcp-rig.ts"

class Door extends RpcGroup.make(
  Rpc.make("WhoAmI", { success: Schema.String }),
  Rpc.make("Forbidden", { success: Schema.String })
) {}

const doorLive = Door.toLayer(Door.of({
  WhoAmI: (_payload, options) => Effect.succeed(`hello ${callerOf(options)}`),
  Forbidden: () => Effect.succeed("done")
}))

const SIZES = { fromInitiatorBytes: 256, fromResponderBytes: 256 }
const LIMITS = { handshakeMs: 400, halfOpen: 16, handshakes: { capacity: 10_000, perS: 10_000 } }

interface Scene {
  readonly network: TcpNetwork
  readonly address: TcpAddress
  /** An honest call; the answer must be right. */
  readonly honest: Effect.Effect<void>
  readonly counted: (count: string) => number
}

const scene = (more: Partial<TcpMountOptions> = {}): Effect.Effect<Scene, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* makeTcpNetwork(["door", "friend", "other"], { sizes: SIZES, limits: LIMITS, ...more })
    yield* (yield* network.mountOf("door")).serve("door", Door, doorLive).pipe(Effect.orDie)
    const client = yield* (yield* network.mountOf("friend")).connect("friend", "door", Door, { limitMs: 3_000 })
    const honest = Effect.map(Effect.orDie(client.WhoAmI()), (answer) => expect(answer).toBe("hello friend"))
    const counted = (count: string): number => network.counts.get("door")?.get(count as never) ?? 0
    return { network, address: network.addresses.get("door") as TcpAddress, honest, counted }
  })

interface Visit {
  readonly socket: Socket
  readonly received: () => Uint8Array
  /** Bytes received when the other end closed. */
  readonly closed: Effect.Effect<Uint8Array>
  /** Waits for that many bytes or the end. */
  readonly got: (byteCount: number) => Effect.Effect<Uint8Array>
}

const visit = (address: TcpAddress): Effect.Effect<Visit, never, Scope.Scope> =>
  Effect.gen(function*() {
    const end = yield* Deferred.make<void>()
    let received: Uint8Array = new Uint8Array(0)
    const socket = connect(address)
    socket.on("error", () => undefined)
    socket.on("data", (chunk) => { received = concatBytes(received, chunk) })
    socket.on("close", () => Deferred.unsafeDone(end, Effect.void))
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    const got = (byteCount: number): Effect.Effect<Uint8Array> =>
      Effect.suspend(() => received.length >= byteCount || socket.destroyed ? Effect.succeed(received) : Effect.delay(got(byteCount), 5))
    return { socket, received: () => received, closed: Effect.map(Deferred.await(end), () => received), got }
  })

const claim = <E>(what: string, body: Effect.Effect<void, E, Scope.Scope>): void => {
  it(what, () => Effect.runPromise(Effect.scoped(body).pipe(Logger.withMinimumLogLevel(LogLevel.None))))
}

const initiatorOf = (identity: HandshakeIdentity, sizes = SIZES): LinkEnd =>
  LinkEnd.initiator({ crypto, entropy: systemEntropy, identity, check: () => "door", sizes, unixTimeS: () => 0 })

/** Goes through the handshake by hand. */
const handshaken = (address: TcpAddress, identity: HandshakeIdentity, sizes = SIZES) =>
  Effect.gen(function*() {
    const guest = yield* visit(address)
    const end = initiatorOf(identity, sizes)
    guest.socket.write(end.firstMessage)
    const second = yield* guest.got(2628)
    const third = Either.getOrThrow(end.receive(second.subarray(0, 2628)))
    guest.socket.write(concatBytes(...third.write))
    const fourth = yield* guest.got(2628 + 1152 + frameBytes(sizes.fromResponderBytes))
    const opened = end.receive(fourth.subarray(2628))
    if (Either.isRight(opened)) guest.socket.write(concatBytes(...opened.right.write))
    return { guest, end, opened }
  })

describe("strangers", () => {
  claim("who says nothing hears nothing and is put out", Effect.gen(function*() {
    const { address, counted, honest } = yield* scene()
    const guest = yield* visit(address)
    yield* honest
    expect((yield* guest.closed).length).toBe(0)
    expect(counted("handshake-deadline")).toBe(1)
    yield* honest
  }))
  claim("garbage hears nothing", Effect.gen(function*() {
    const { address, counted, honest } = yield* scene()
    for (const bytes of [utf8("GET / HTTP/1.1\r\n\r\n"), systemEntropy(5_000).fill(9, 0, 1), new Uint8Array(100)]) {
      const guest = yield* visit(address)
      guest.socket.write(bytes)
      expect((yield* guest.closed).length).toBe(0)
    }
    expect(counted("handshake-failed")).toBe(3)
    yield* honest
  }))
  claim("an unknown key, and a known identity with another key, hear message 2 and no more", Effect.gen(function*() {
    const { address, honest } = yield* scene()
    const strangers = [identityOf("stranger"), { ...identityOf("stranger"), additionalData: identityOf("friend").additionalData }]
    for (const identity of strangers) {
      const guest = yield* visit(address)
      const end = initiatorOf(identity)
      guest.socket.write(end.firstMessage)
      const third = Either.getOrThrow(end.receive(yield* guest.got(2628)))
      guest.socket.write(concatBytes(...third.write))
      expect((yield* guest.closed).length).toBe(2628)
    }
    yield* honest
  }))
  claim("a recorded handshake with its calls, played again, hears message 2 and no more", Effect.gen(function*() {
    const { address, network, honest } = yield* scene()
    const recorded: Array<Uint8Array> = []
    const proxy = createServer((socket) => {
      const inner = connect(address)
      socket.on("data", (chunk) => { recorded.push(new Uint8Array(chunk)); inner.write(chunk) })
      inner.pipe(socket)
      socket.on("error", () => undefined)
      inner.on("error", () => undefined)
    })
    const port = yield* Effect.async<number>((resume) => {
      proxy.listen(0, "127.0.0.1", () => resume(Effect.succeed((proxy.address() as { readonly port: number }).port)))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => proxy.close()))
    const other = yield* network.mountOf("other", { addresses: () => ({ host: "127.0.0.1", port }) })
    const client = yield* other.connect("other", "door", Door)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("hello other")
    const guest = yield* visit(address)
    guest.socket.write(concatBytes(...recorded))
    expect((yield* guest.closed).length).toBeLessThanOrEqual(2628)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("hello other")
    yield* honest
  }))
  claim("one byte at a time does not stretch the deadline", Effect.gen(function*() {
    const { address, counted, honest } = yield* scene()
    const guest = yield* visit(address)
    const first = initiatorOf(identityOf("friend")).firstMessage
    const send = (byte: number) => Effect.delay(Effect.sync(() => guest.socket.write(Uint8Array.of(byte))), 2)
    yield* Effect.fork(Effect.forEach(Array.from(first), send, { discard: true }))
    expect((yield* guest.closed).length).toBe(0)
    expect(counted("handshake-deadline")).toBe(1)
    yield* honest
  }))
  claim("500 half-open connections hold no more than the limit, and friends come in meanwhile", Effect.gen(function*() {
    const { address, counted, honest, network } = yield* scene()
    const first = initiatorOf(identityOf("friend")).firstMessage
    const guests: Array<Visit> = []
    for (let i = 0; i < 500; i++) {
      const guest = yield* visit(address)
      guests.push(guest)
      if (i % 50 === 0) guest.socket.write(first)
      if (i % 100 === 99) {
        yield* network.stop("other")
        const client = yield* (yield* network.mountOf("other")).connect("other", "door", Door, { limitMs: 3_000 })
        expect(yield* Effect.retry(client.WhoAmI(), { times: 20 })).toBe("hello other")
      }
    }
    yield* honest
    yield* Effect.iterate(0, { while: () => counted("accepted") < 500, body: () => Effect.delay(Effect.succeed(0), 5) })
    expect(counted("evicted-half-open") + counted("handshake-deadline")).toBeGreaterThanOrEqual(500 - LIMITS.halfOpen - 2)
    yield* honest
  }))
})

describe("peers that misbehave", () => {
  const MISDEEDS: ReadonlyArray<readonly [string, (end: LinkEnd) => Uint8Array]> = [
    ["a frame that nobody sealed", () => systemEntropy(400)],
    ["a message that claims 4 GiB", (end) => Either.getOrThrow(end.seal(CommandId.Segment, new Uint8Array(4).fill(255)))],
    ["an empty message", (end) => Either.getOrThrow(end.seal(CommandId.Segment, new Uint8Array(4)))],
    ["a list of 2^32 values", (end) => Either.getOrThrow(end.seal(CommandId.Segment, Uint8Array.of(0, 0, 0, 5, 0xdd, 255, 255, 255, 255)))],
    ["an extension type", (end) => Either.getOrThrow(end.seal(CommandId.Segment, Uint8Array.of(0, 0, 0, 4, 0x91, 0xd4, 0x72, 0x40)))],
    ["an answer to nothing", (end) => Either.getOrThrow(end.seal(CommandId.Segment, Uint8Array.of(0, 0, 0, 4, 0x93, 1, 1, 1)))],
    ["credit for a call that was not asked", (end) => Either.getOrThrow(end.seal(CommandId.Segment, utf8("\u0000\u0000\u0000\u0002no")))]
  ]
  for (const [what, misdeed] of MISDEEDS) {
    claim(`${what} ends their link alone`, Effect.gen(function*() {
      const { address, counted, honest } = yield* scene()
      yield* honest
      const { end, guest, opened } = yield* handshaken(address, identityOf("other"))
      expect(Either.isRight(opened) && opened.right.opened?.name).toBe("door")
      guest.socket.write(misdeed(end))
      yield* guest.closed
      // A first frame that comes together with a bad one is lost with it: then the peer was never proved.
      expect(counted("malformed-message") + counted("link-broken") + counted("handshake-failed")).toBe(1)
      yield* honest
    }))
  }
  claim("frames of another length end the link before they are read", Effect.gen(function*() {
    const { address, counted, honest } = yield* scene()
    const { guest } = yield* handshaken(address, identityOf("other"), { ...SIZES, fromInitiatorBytes: 1_000_000 })
    yield* guest.closed
    expect([counted("handshake-failed"), counted("opened")]).toEqual([1, 0])
    yield* honest
  }))
  claim("messages that never end are held only within the budget of all links together", Effect.gen(function*() {
    const { address, counted, honest } = yield* scene({ limits: { ...LIMITS, heldBytes: 2_000 } })
    const { end, guest } = yield* handshaken(address, identityOf("other"))
    const start = new Uint8Array(250)
    start.set(Uint8Array.of(0, 15, 0, 0))
    for (const body of [start, ...Array.from({ length: 9 }, () => new Uint8Array(250))]) {
      guest.socket.write(Either.getOrThrow(end.seal(CommandId.Segment, body)))
    }
    yield* guest.closed
    expect(counted("malformed-message") + counted("handshake-failed")).toBe(1)
    yield* honest
  }))
  claim("a peer that asks and never reads is put out when it has taken nothing for a while", Effect.gen(function*() {
    const sizes = { fromInitiatorBytes: 256, fromResponderBytes: 1_000_000 }
    const { address, counted, honest } = yield* scene({ sizes, limits: { ...LIMITS, writeMs: 200, queueBytes: 100_000 } })
    const { end, guest } = yield* handshaken(address, identityOf("other"), sizes)
    guest.socket.pause()
    yield* Effect.iterate(1, {
      while: () => counted("write-stalled") === 0,
      body: (id) => Effect.sync(() => {
        guest.socket.write(Either.getOrThrow(end.seal(CommandId.Segment, encodeEnvelope({ _tag: "Request", id, call: "WhoAmI", payload: undefined }))))
        return id + 1
      }).pipe(Effect.delay(5))
    })
    yield* honest
  }))
  claim("the newest link of a peer ends its older one", Effect.gen(function*() {
    const { address, counted, honest } = yield* scene()
    const older = yield* handshaken(address, identityOf("other"))
    const newer = yield* handshaken(address, identityOf("other"))
    yield* older.guest.closed
    expect(counted("replaced")).toBe(1)
    expect(newer.guest.socket.destroyed).toBe(false)
    yield* honest
  }))
  claim("a callee with another key is not called", Effect.gen(function*() {
    const { network } = yield* scene()
    const other = yield* network.mountOf("other", { peers: { accept: () => undefined, expects: (_to, { linkKey }) => linkKey.length === 0 } })
    const client = yield* other.connect("other", "door", Door, { limitMs: 2_000 })
    const failed = yield* Effect.either(client.WhoAmI())
    expect(Either.isLeft(failed) && failed.left).toEqual(new ActorUnavailable({ actor: "door", reason: "not-serving" }))
  }))
  claim("a call that a caller may not make looks unknown to it", Effect.gen(function*() {
    const known = { accept: () => "", expects: () => true, mayCall: (caller: string, call: string) => caller !== "" || call === "WhoAmI" }
    const { network } = yield* scene({ peers: known })
    const anonymous = yield* network.mountOf("other")
    const client = yield* anonymous.connect("other", "door", Door)
    expect(yield* Effect.orDie(client.WhoAmI())).toBe("hello ")
    const failed = yield* Effect.either(client.Forbidden())
    expect(Either.isLeft(failed) && failed.left).toEqual(new ActorUnavailable({ actor: "door", reason: "unknown-call" }))
  }))
})
