/**
 * A mix network in one object, for tests of the endpoints: real Sphinx packets, no actors.
 *
 * Goal: sessions under test send packets that only the right keys open, and get replies through their own reply blocks.
 * Method: a packet is unwrapped along its route at once and acted on after the sum of the delays that its hops asked for; the test's service
 * answers it; what is to be lost or held back is the test's choice. Everything that passes the gateway is recorded.
 *
 * @module
 */
import { Clock, Effect, Either, Option, Queue, Runtime, type Scope, Stream } from "effect"
import { fromHex, toHex } from "../../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { type Entropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { Epoch } from "../../../src/params/epoch.ts"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { type AdvertisedService, type NodeDescriptor, nodeIdOf, type NodeRole } from "../../../src/pki/descriptor.ts"
import type { Document } from "../../../src/pki/document.ts"
import { NoDocument, type PkiViewService } from "../../../src/pki/pki-view.ts"
import type { PacketPortService, SurbDelivery } from "../../../src/session/packet-port.ts"
import { type Geometry, makeGeometry, type NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { decodeForwardPayload } from "../../../src/sphinx/packet.ts"
import { findCommand } from "../../../src/sphinx/routing-command.ts"
import { useSurb } from "../../../src/sphinx/surb.ts"
import { type MixPrivateKey, mixPrivateKey, unwrap, type Unwrapped } from "../../../src/sphinx/unwrap.ts"

const native = Either.getOrThrow(selectBackend())
const xorWithKeystream = (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => native.aes256Ctr(key.subarray(0, 32), iv, data)

/**
 * A toy Diffie-Hellman group: X25519's scalars, multiplied modulo its order, sign left out as in u-coordinates. As commutative as the curve, as safe as a
 * paper seal, and many times faster.
 */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes.slice().reverse())}`)
const clamped = (scalar: Uint8Array): bigint => (toNumber(scalar) & ((1n << 255n) - 8n)) | (1n << 254n)
const toElement = (value: bigint): Uint8Array => {
  const residue = value % ORDER
  const element = residue * 2n < ORDER ? residue : ORDER - residue
  return Either.getOrThrow(fromHex(element.toString(16).padStart(64, "0"))).reverse()
}

/** The default backend with cheap stand-ins for what takes nearly all the time and is tested elsewhere: the wide-block cipher and the curve. */
export const crypto: CryptoBackend = {
  ...native,
  sprpEncipher: xorWithKeystream,
  sprpDecipher: xorWithKeystream,
  sprpEncipherInto: (key, iv, data, output) => output.set(xorWithKeystream(key, iv, data)),
  sprpDecipherInto: (key, iv, data, output) => output.set(xorWithKeystream(key, iv, data)),
  x25519: (scalar, u) => toElement(toNumber(u) * clamped(scalar)),
  x25519PublicKey: (scalar) => toElement(9n * clamped(scalar))
}

/** One mix layer of two mixes: enough for paths to differ, cheap to unwrap. */
export const fakeParams: MixnetParams = { ...tinyParams, mixLayers: 1, geometry: { ...tinyParams.geometry, hopCount: 3 } }

/** What reached a service node. */
export interface Arrival {
  readonly node: string
  readonly endpoint: string
  readonly payload: Uint8Array
  /** When it left the session. */
  readonly sentAtMs: number
  readonly surb: Uint8Array
}

export interface FakeNetworkOptions {
  readonly params?: Partial<MixnetParams>
  readonly services?: ReadonlyArray<ReadonlyArray<AdvertisedService>>
  /** The reply to a request that is not for `echo`; undefined for none. */
  readonly service?: (arrival: Arrival) => Effect.Effect<Uint8Array | undefined>
  /** True for a request that never arrives; asked for everything that is not for `echo`. */
  readonly loses?: (arrival: Arrival) => boolean
  /** Held back on the way home, on top of the delays. */
  readonly extraReplyDelayMs?: (arrival: Arrival) => number
  /** Changes a reply on its way home; not those of `echo`. */
  readonly tamper?: (payload: Uint8Array) => Uint8Array
}

interface FakeNode {
  readonly descriptor: NodeDescriptor
  readonly key: MixPrivateKey
}

export interface FakeNetwork {
  readonly geometry: Geometry
  readonly params: MixnetParams
  /** What `pki.current` gives; undefined for none. */
  document: Document | undefined
  readonly pki: PkiViewService
  readonly serviceNodeIds: ReadonlyArray<NodeId>
  readonly port: PacketPortService
  /** Instants at which packets came to the gateway, with where they went. */
  readonly departures: Array<{ readonly atMs: number; readonly endpoint: string; readonly packetBytes: number }>
  /** Requests that were not for `echo`, lost ones included. */
  readonly arrivals: Array<Arrival>
  /** Instants at which replies other than echoes came, with the SURB id. */
  readonly deliveries: Array<{ readonly atMs: number; readonly surbId: string }>
  readonly inject: (delivery: SurbDelivery) => Effect.Effect<void>
}

const DEFAULT_SERVICES: ReadonlyArray<ReadonlyArray<AdvertisedService>> = [
  [{ capability: "echo", endpoint: "echo" }, { capability: "courier", endpoint: "courier-0" }],
  [{ capability: "echo", endpoint: "echo" }, { capability: "courier", endpoint: "courier-1" }]
]

const makeNode = (geometry: Geometry, entropy: Entropy, name: string, role: NodeRole, services: ReadonlyArray<AdvertisedService>): FakeNode => {
  const key = mixPrivateKey(crypto, geometry, entropy(32))
  const mixKeys = new Map([0, 1, 2].map((epoch) => [epoch, key.publicKey]))
  const mixLayer = role === "mix" ? 0 : -1
  return { key, descriptor: { kind: "node", name, role, epoch: Epoch(0), identityKey: entropy(32), mixLayer, mixKeys, services } }
}

/** Follows a packet to its last hop. */
const travel = (geometry: Geometry, nodes: ReadonlyMap<string, FakeNode>, firstHop: NodeId, packet: Uint8Array) => {
  let node = nodes.get(toHex(firstHop))!
  let opened: Unwrapped = Either.getOrThrow(unwrap(crypto, geometry, node.key, packet))
  let delayMs = findCommand(opened.commands, "NodeDelay")?.delayMs ?? 0
  while (opened.next !== undefined) {
    node = nodes.get(toHex(opened.next.nodeId))!
    opened = Either.getOrThrow(unwrap(crypto, geometry, node.key, opened.next.packet))
    delayMs += findCommand(opened.commands, "NodeDelay")?.delayMs ?? 0
  }
  return { node, opened, delayMs }
}

const nameOf = (recipient: Uint8Array): string => new TextDecoder().decode(recipient).replace(/\0+$/, "")

export const makeFakeNetwork = (options: FakeNetworkOptions = {}): Effect.Effect<FakeNetwork, never, Scope.Scope> =>
  Effect.gen(function* () {
    const params = { ...fakeParams, ...options.params }
    const geometry = Either.getOrThrow(makeGeometry(params.geometry))
    const entropy = seededEntropy("fake network", "nodes")
    const scope = yield* Effect.scope
    const runtime = yield* Effect.runtime<never>()
    const inbox = yield* Queue.unbounded<SurbDelivery>()
    const gateway = makeNode(geometry, entropy, "gateway-0", "gateway", [])
    const mixes = [0, 1].map((mixIndex) => makeNode(geometry, entropy, `mix-0-${mixIndex}`, "mix", []))
    const serviceNodes = (options.services ?? DEFAULT_SERVICES).map((services, nodeIndex) =>
      makeNode(geometry, entropy, `service-node-${nodeIndex}`, "service-node", services))
    const idOf = ({ descriptor }: FakeNode) => nodeIdOf(crypto, descriptor.identityKey)
    const nodes = new Map([gateway, ...mixes, ...serviceNodes].map((node) => [toHex(idOf(node)), node]))
    const document: Document = {
      epoch: Epoch(0), genesisEpoch: Epoch(0), params, geometryHash: new Uint8Array(32), mixLayers: [mixes.map(({ descriptor }) => descriptor)],
      gateways: [gateway.descriptor], serviceNodes: serviceNodes.map(({ descriptor }) => descriptor), replicas: [], configuredReplicas: [], computeServices: [],
      sharedRandomValue: new Uint8Array(32), priorSharedRandom: [new Uint8Array(32), new Uint8Array(32)]
    }

    const reply = (arrival: Arrival, payload: Uint8Array) =>
      Effect.gen(function* () {
        const { firstHop, packet } = Either.getOrThrow(useSurb(crypto, geometry, arrival.surb, payload))
        const { delayMs, opened } = travel(geometry, nodes, firstHop, packet)
        yield* Effect.sleep(delayMs + (options.extraReplyDelayMs?.(arrival) ?? 0))
        const { surbId } = findCommand(opened.commands, "SurbReply")!
        if (arrival.endpoint !== "echo") network.deliveries.push({ atMs: yield* Clock.currentTimeMillis, surbId: toHex(surbId) })
        const isEcho = arrival.endpoint === "echo"
        yield* Queue.offer(inbox, { surbId, payload: isEcho ? opened.payload! : (options.tamper?.(opened.payload!) ?? opened.payload!) })
      })

    const accept = (packet: Uint8Array) =>
      Effect.gen(function* () {
        const sentAtMs = yield* Clock.currentTimeMillis
        const { delayMs, node, opened } = travel(geometry, nodes, idOf(gateway), packet)
        const { surb, userPayload } = Either.getOrThrow(decodeForwardPayload(geometry, opened.payload!))
        const endpoint = nameOf(findCommand(opened.commands, "Recipient")!.recipient)
        network.departures.push({ atMs: sentAtMs, endpoint, packetBytes: packet.length })
        const arrival = { node: node.descriptor.name, endpoint, payload: userPayload, sentAtMs, surb: surb! }
        if (endpoint !== "echo") network.arrivals.push(arrival)
        if (endpoint !== "echo" && options.loses?.(arrival) === true) return
        yield* Effect.sleep(delayMs)
        const answer = endpoint === "echo" ? userPayload : yield* options.service?.(arrival) ?? Effect.succeed(userPayload)
        if (answer !== undefined) yield* reply(arrival, answer)
      })

    const current = Effect.suspend(() => (network.document === undefined ? Effect.fail(new NoDocument()) : Effect.succeed(network.document)))
    const network: FakeNetwork = {
      geometry, params, document, departures: [], arrivals: [], deliveries: [],
      pki: { current, held: () => network.document, forEpoch: () => Effect.sync(() => Option.fromNullable(network.document)) },
      serviceNodeIds: serviceNodes.map(idOf),
      port: {
        gateway: idOf(gateway),
        queueId: recipientId("queue"),
        send: (packet) => {
          Runtime.runFork(runtime, accept(packet), { scope })
          return true
        },
        receive: (onDelivery) => Stream.runForEach(Stream.fromQueue(inbox, { maxChunkSize: 1 }), (delivery) => Effect.sync(() => onDelivery(delivery)))
      },
      inject: (delivery) => Effect.asVoid(Queue.offer(inbox, delivery))
    }
    return network
  })
