/**
 * All links of one process: the incoming ones with their hosted calls, the outgoing ones by route.
 *
 * Contract: every socket of the mount is in one of two tables and is looked at by `sweep`; both are empty after the scope has closed.
 * Knows nothing of: groups, schemas.
 * Source: mixnet.md §14 (re-check of live links), §17; departures: none.
 *
 * @module
 */
import { connect as connectSocket, type Server, type Socket } from "node:net"
import { type Clock, Effect, type Fiber, type Runtime, type Scope } from "effect"
import { toHex } from "../bytes/hex.ts"
import type { HandshakeIdentity, HandshakePeer } from "../link/handshake.ts"
import { LinkEnd, type LinkSizes } from "../link/link-end.ts"
import { type LinkServices, uniformFrom } from "../link/link-services.ts"
import type { PeerCheck } from "../link/peer-check.ts"
import { TokenBuckets } from "../link/token-bucket.ts"
import type { MountFailed } from "./mount.ts"
import { HostedLink, type Served } from "./tcp-host.ts"
import { ByteBudget, makeCount, type TcpLimits } from "./tcp-limits.ts"
import { addressKey, Admission, KEEP_ALIVE_MS, listen, peerKeyOf, SOCKET_BUFFER_BYTES } from "./tcp-listener.ts"
import { type LinkContext, TcpLink } from "./tcp-link.ts"
import type { TcpMountOptions } from "./tcp-options.ts"
import { type Dialled, Route, type RouteContext } from "./tcp-route.ts"

export interface NodeParts {
  readonly limits: TcpLimits
  /** Lengths of commands on links to `callee`. */
  readonly sizesOf: (callee: string) => LinkSizes
  readonly services: LinkServices
  /** Of the mount; what hangs on a link hangs on a child of it. */
  readonly scope: Scope.Scope
  readonly clock: Clock.Clock
  readonly runtime: Runtime.Runtime<never>
  /** Starts a fiber that ends with the mount. */
  readonly fork: (effect: Effect.Effect<unknown>) => Fiber.RuntimeFiber<unknown>
  readonly served: () => Served | undefined
}

export interface TcpNode {
  /** Listens from the first time on. */
  readonly listening: Effect.Effect<void, MountFailed>
  readonly routeTo: (from: string, to: string) => Route
  readonly sweep: Effect.Effect<void>
  readonly sweepMs: number
}

/** What is known of a live link. */
interface Known {
  readonly inUse: () => boolean
  /** True while the peer may stay. */
  readonly isAdmitted: (peer: HandshakePeer) => boolean
}

const SLOWEST_SWEEP_MS = 250
const FASTEST_SWEEP_MS = 10

class Links {
  readonly options: TcpMountOptions
  readonly parts: NodeParts
  readonly known = new Map<TcpLink, Known>()
  /** Every socket that is not closed yet. */
  readonly sockets = new Set<Socket>()
  readonly routes = new Map<string, Route>()
  readonly admission: Admission
  readonly #handshakes: TokenBuckets
  readonly #commands: TokenBuckets
  readonly #budget: ByteBudget
  readonly #count: ReturnType<typeof makeCount>
  #recheckedMs: number

  constructor(options: TcpMountOptions, parts: NodeParts) {
    this.options = options
    this.parts = parts
    this.#count = makeCount(options.onCount)
    this.admission = new Admission({ limits: parts.limits, count: this.#count })
    this.#handshakes = new TokenBuckets(parts.limits.handshakes)
    this.#commands = new TokenBuckets(parts.limits.commands)
    this.#budget = new ByteBudget(parts.limits.heldBytes)
    this.#recheckedMs = this.nowMs()
  }

  nowMs(): number {
    return this.parts.clock.unsafeCurrentTimeMillis()
  }

  after(delayMs: number, action: () => void): void {
    this.parts.fork(Effect.delay(Effect.sync(action), delayMs))
  }

  /** A connection from outside. */
  accept(socket: Socket): void {
    const address = addressKey(socket.remoteAddress ?? "")
    socket.on("error", () => undefined)
    if (!this.admission.makeRoom(address)) {
      socket.destroy()
      return
    }
    this.#count("accepted")
    this.#track(socket)
    const { limits, runtime, fork, scope, served } = this.parts
    let hosted: HostedLink | undefined
    const end = LinkEnd.responder({
      ...this.#endConfig(this.#ownIdentity(), this.options.peers.accept, this.options.self.name),
      mayAnswer: () => this.#handshakes.tryTake(address, this.nowMs())
    })
    const link: TcpLink = new TcpLink(socket, end, this.#linkContext(address), {
      onOpen: (peer) => {
        const mayCall = this.options.peers.mayCall ?? (() => true)
        hosted = new HostedLink(link, peer.name, { served, mayCall, limits, count: this.#count, runtime, fork, scope })
        this.#count("opened")
        this.admission.opened(link, peerKeyOf(peer, toHex(this.parts.services.crypto.blake2b256(peer.linkKey))))
        this.#encourage(peer.name)
      },
      onMessage: (message) => {
        if (hosted?.take(message) === true) return
        this.#count("malformed-message")
        link.end()
      },
      onEnd: () => {
        this.admission.left(link)
        this.known.delete(link)
        hosted?.end()
      }
    })
    this.admission.enter(address, link)
    this.known.set(link, { inUse: () => true, isAdmitted: (peer) => this.options.peers.accept(peer) === peer.name })
  }

  routeTo(from: string, to: string): Route {
    const credentials = this.options.credentials?.(from, to)
    const key = `${credentials === undefined ? "" : from}\u0000${to}`
    const existing = this.routes.get(key)
    if (existing !== undefined) return existing
    const route: Route = new Route({
      limits: this.parts.limits,
      count: this.#count,
      nowMs: () => this.nowMs(),
      uniform: () => uniformFrom(this.parts.services.entropy),
      dial: (events) => this.#dial(to, credentials ?? this.#ownIdentity(), events, () => route.inUse)
    })
    this.routes.set(key, route)
    return route
  }

  sweep(): void {
    const now = this.nowMs()
    const recheck = now - this.#recheckedMs >= this.parts.limits.recheckMs
    if (recheck) {
      this.#recheckedMs = now
      this.#handshakes.sweep(now)
      this.#commands.sweep(now)
    }
    for (const [link, { inUse, isAdmitted }] of [...this.known]) {
      if (recheck && link.peer !== undefined && !isAdmitted(link.peer)) {
        this.#count("peer-withdrawn")
        link.end()
      } else link.check(inUse())
    }
  }

  close(): void {
    for (const route of this.routes.values()) route.end()
    for (const link of [...this.known.keys()]) link.close()
  }

  #dial(to: string, identity: HandshakeIdentity, events: Parameters<RouteContext["dial"]>[0], inUse: () => boolean): Dialled | undefined {
    const address = this.options.addresses(to)
    if (address === undefined) return undefined
    const stream = { highWaterMark: SOCKET_BUFFER_BYTES }
    const socket = connectSocket({
      ...stream, host: address.host, port: address.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS
    })
    this.#track(socket)
    let link: TcpLink | undefined
    let over = false
    const failed = (): void => {
      if (over || link !== undefined) return
      over = true
      socket.destroy()
      events.onEnd(false)
    }
    socket.on("error", failed)
    socket.on("close", failed)
    this.after(this.parts.limits.handshakeMs, failed)
    socket.once("connect", () => {
      if (over) return
      const expects: PeerCheck = (claim) => (this.options.peers.expects(to, claim) ? to : undefined)
      const opened = new TcpLink(socket, LinkEnd.initiator(this.#endConfig(identity, expects, to)), this.#linkContext(""), {
        onOpen: (peer) => {
          this.#count("opened")
          this.options.onSkew?.(to, peer.unixTimeS * 1000 - this.nowMs())
          events.onOpen(opened)
        },
        onMessage: events.onMessage,
        onEnd: (wasOpen) => {
          this.known.delete(opened)
          events.onEnd(wasOpen)
        }
      })
      link = opened
      this.known.set(opened, { inUse, isAdmitted: (peer) => expects(peer) !== undefined })
    })
    return { abandon: () => { if (link === undefined) failed(); else link.end() } }
  }

  #track(socket: Socket): void {
    this.sockets.add(socket)
    socket.once("close", () => this.sockets.delete(socket))
  }

  /** A peer that calls us can be called. */
  #encourage(name: string): void {
    for (const [key, route] of this.routes) if (name !== "" && key.endsWith(`\u0000${name}`)) route.encourage()
  }

  #ownIdentity(): HandshakeIdentity {
    const { identityHash, linkKey } = this.options.self
    return { linkKey, additionalData: identityHash }
  }

  #endConfig(identity: HandshakeIdentity, check: PeerCheck, callee: string) {
    const { services, sizesOf } = this.parts
    return { ...services, identity, check, sizes: sizesOf(callee), unixTimeS: () => Math.floor(this.nowMs() / 1000) }
  }

  /** Peers without a name share the bucket of their address. */
  #linkContext(address: string): LinkContext {
    return {
      limits: this.parts.limits,
      budget: this.#budget,
      count: this.#count,
      nowMs: () => this.nowMs(),
      after: (delayMs, action) => this.after(delayMs, action),
      charge: (peer, commandCount, nowMs) => this.#commands.take(peer.name === "" ? `address ${address}` : `name ${peer.name}`, commandCount, nowMs)
    }
  }
}

/** Time in which the last words of links may leave when the mount ends. */
const FAREWELL_MS = 500

/** Waits for the sockets to close by themselves, then closes those that did not. */
const farewell = (sockets: ReadonlySet<Socket>, leftMs: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (sockets.size === 0) return Effect.void
    if (leftMs > 0) return Effect.delay(farewell(sockets, leftMs - FASTEST_SWEEP_MS), FASTEST_SWEEP_MS)
    return Effect.sync(() => { for (const socket of sockets) socket.destroy() })
  })

/** The links of a mount; they end with the scope. */
export const makeTcpNode = (options: TcpMountOptions, parts: NodeParts): Effect.Effect<TcpNode, never, Scope.Scope> =>
  Effect.gen(function*() {
    const links = new Links(options, parts)
    let server: Server | undefined
    const turn = yield* Effect.makeSemaphore(1)
    yield* Effect.addFinalizer(() => Effect.suspend(() => {
      server?.close()
      links.close()
      return farewell(links.sockets, FAREWELL_MS)
    }))
    const at = options.listen ?? options.addresses(options.self.name) ?? { host: "127.0.0.1", port: 0 }
    const listening = turn.withPermits(1)(Effect.suspend(() =>
      server !== undefined || at === "nowhere" ? Effect.void : Effect.map(listen(options.self.name, at, (socket) => links.accept(socket)), (bound) => {
        server = bound.server
        options.onListening?.(bound.address)
      })))
    const { handshakeMs, idleMs, writeMs } = parts.limits
    return {
      listening: Effect.uninterruptible(listening),
      routeTo: (from, to) => links.routeTo(from, to),
      sweep: Effect.sync(() => links.sweep()),
      sweepMs: Math.max(FASTEST_SWEEP_MS, Math.min(SLOWEST_SWEEP_MS, handshakeMs / 8, idleMs / 16, writeMs / 8))
    }
  })
