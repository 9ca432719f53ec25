/**
 * Incoming connections of a mount: who is let in, how many, for how long.
 *
 * Contract: at most `connections` sockets are held, `connectionsPerAddress` of one address, `halfOpen` whose peer is not proved. A newcomer beyond the
 * last two takes the place of the oldest unproved one, silent ones first, of the address that has most of them: a flood from one address puts itself out,
 * not the others who are coming in. Proved peers are never put out for strangers. A peer that comes a second time (same identity and key) takes the place
 * of its older link. Refused connections close without a byte.
 * Knows nothing of: calls.
 * Source: mixnet.md §9 (newest wins), §17; departures: none.
 *
 * @module
 */
import { createServer, isIPv6, type Server, type Socket } from "node:net"
import { Effect } from "effect"
import type { HandshakePeer } from "../link/handshake.ts"
import { MountFailed } from "./mount.ts"
import type { TcpCount, TcpLimits } from "./tcp-limits.ts"
import type { TcpLink } from "./tcp-link.ts"
import type { TcpAddress } from "./tcp-options.ts"

/** Connections that wait until we accept them. A longer queue lets nobody in sooner under a flood: friends wait in it behind the strangers. */
const BACKLOG = 511
/** Bytes that a socket takes before it asks for a pause: a batch of packets leaves with one call of the system. */
export const SOCKET_BUFFER_BYTES = 65_536
/** Keep-alive of TCP itself, beneath our own. */
export const KEEP_ALIVE_MS = 180_000

/** The key under which connections of one address are counted: the IPv4 address, or the /64 of an IPv6 address. */
export const addressKey = (address: string): string => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "")
  if (!isIPv6(plain)) return plain
  const [head = "", tail] = plain.toLowerCase().split("::")
  const before = head === "" ? [] : head.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const groups = tail === undefined ? before : [...before, ...Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0"), ...after]
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")
}

interface Incoming {
  readonly address: string
  readonly link: TcpLink
  /** Identity and key of the proved peer. */
  peerKey: string | undefined
}

export interface AdmissionContext {
  readonly limits: Pick<TcpLimits, "connections" | "connectionsPerAddress" | "halfOpen">
  readonly count: (count: TcpCount) => void
}

/** The table of incoming connections. */
export class Admission {
  readonly #context: AdmissionContext
  readonly #all = new Map<TcpLink, Incoming>()
  readonly #byAddress = new Map<string, Set<Incoming>>()
  readonly #byPeer = new Map<string, Incoming>()
  /** In order of arrival. */
  readonly #halfOpen = new Set<Incoming>()

  constructor(context: AdmissionContext) {
    this.#context = context
  }

  get size(): number {
    return this.#all.size
  }

  get halfOpenSize(): number {
    return this.#halfOpen.size
  }

  /** True when a connection from this address may come in; may end an unproved one to make room. */
  makeRoom(address: string): boolean {
    const { count, limits } = this.#context
    const sameAddress = this.#byAddress.get(address)
    if (sameAddress !== undefined && sameAddress.size >= limits.connectionsPerAddress && !this.#evict((other) => other.address === address)) {
      count("refused-address")
      return false
    }
    if (this.#halfOpen.size >= limits.halfOpen) this.#evictFromCrowd()
    if (this.#all.size >= limits.connections && !this.#evictFromCrowd()) {
      count("refused-full")
      return false
    }
    return true
  }

  enter(address: string, link: TcpLink): void {
    const incoming = { address, link, peerKey: undefined }
    this.#all.set(link, incoming)
    this.#halfOpen.add(incoming)
    const sameAddress = this.#byAddress.get(address)
    if (sameAddress === undefined) this.#byAddress.set(address, new Set([incoming]))
    else sameAddress.add(incoming)
  }

  /** The peer has proved itself; an older link of the same peer ends. */
  opened(link: TcpLink, peerKey: string): void {
    const incoming = this.#all.get(link)
    if (incoming === undefined) return
    this.#halfOpen.delete(incoming)
    const older = this.#byPeer.get(peerKey)
    incoming.peerKey = peerKey
    this.#byPeer.set(peerKey, incoming)
    if (older === undefined) return
    this.#context.count("replaced")
    older.link.end()
  }

  left(link: TcpLink): void {
    const incoming = this.#all.get(link)
    if (incoming === undefined) return
    this.#all.delete(link)
    this.#halfOpen.delete(incoming)
    const sameAddress = this.#byAddress.get(incoming.address)
    sameAddress?.delete(incoming)
    if (sameAddress?.size === 0) this.#byAddress.delete(incoming.address)
    if (incoming.peerKey !== undefined && this.#byPeer.get(incoming.peerKey) === incoming) this.#byPeer.delete(incoming.peerKey)
  }

  /** Makes room at the cost of the address with most unproved connections; of two, the one whose first came first. */
  #evictFromCrowd(): boolean {
    const counts = new Map<string, number>()
    let crowded: string | undefined
    for (const { address } of this.#halfOpen) counts.set(address, (counts.get(address) ?? 0) + 1)
    for (const [address, count] of counts) if (crowded === undefined || count > (counts.get(crowded) ?? 0)) crowded = address
    return this.#evict((incoming) => incoming.address === crowded)
  }

  /** Ends the oldest unproved connection that fits, a silent one if there is any. */
  #evict(fits: (incoming: Incoming) => boolean): boolean {
    let oldest: Incoming | undefined
    for (const incoming of this.#halfOpen) {
      if (!fits(incoming)) continue
      oldest ??= incoming
      if (!incoming.link.isSilent) continue
      oldest = incoming
      break
    }
    if (oldest === undefined) return false
    this.#context.count("evicted-half-open")
    oldest.link.end()
    return true
  }
}

/** The key of a proved peer in the table. @param keyHash  hash of its link key */
export const peerKeyOf = (peer: HandshakePeer, keyHash: string): string => `${keyHash}:${Buffer.from(peer.additionalData).toString("hex")}`

/**
 * Listens; `onSocket` gets every connection.
 * @errors MountFailed `address-unavailable`
 */
export const listen = (
  name: string,
  at: TcpAddress,
  onSocket: (socket: Socket) => void
): Effect.Effect<{ readonly server: Server; readonly address: TcpAddress }, MountFailed> =>
  Effect.async((resume) => {
    const server = createServer({ highWaterMark: SOCKET_BUFFER_BYTES, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, onSocket)
    const refused = (): void => resume(Effect.fail(new MountFailed({ name, reason: "address-unavailable" })))
    server.once("error", refused)
    server.listen({ host: at.host, port: at.port, backlog: BACKLOG }, () => {
      server.off("error", refused)
      // An error of one accept (no file descriptors left) is that connection's end, not ours.
      server.on("error", () => undefined)
      const bound = server.address()
      resume(Effect.succeed({ server, address: { host: at.host, port: typeof bound === "object" && bound !== null ? bound.port : at.port } }))
    })
    return Effect.sync(() => { server.close() })
  })
