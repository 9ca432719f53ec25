/**
 * A request as one packet with the reply block inside, over freshly chosen paths and delays.
 *
 *   way                        hops                                delay drawn at
 *   client → service           gateway, layer 0 … L-1, service     every hop (the service serves its delay before it acts)
 *   service → client (SURB)    layer 0 … L-1, gateway              every hop but the last
 *   node → service (loop)      layers after the node's, service    every hop
 *   service → node (SURB)      layers before the node's, the node  every hop but the last
 *
 * A gateway or service node stands before the first layer on the way out, and behind the last one on the way home.
 *
 * Contract: all packets of a geometry look and weigh the same whatever they carry. Each hop's mix key is that of the epoch in which the packet gets
 * there: the running time starts at `nowMs`, grows by each hop's delay and runs on from the forward into the return path. A draw whose
 * delays add up to two epochs, or that needs a key which the document lacks, is thrown away whole, at most 32 times.
 * The same arguments and the same random numbers give the same packet.
 * Knows nothing of: clocks, schedules, what requests mean.
 * Source: mixnet.md §2, §4.3, sphinx.md §7; departures: a missing key counts as one of the 32 attempts (reference: own limit of 3); the time
 * that choosing takes is not measured.
 *
 * @module
 */
import { Data, Either } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { epochAt } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { listedNodeId, type NodeDescriptor } from "../pki/descriptor.ts"
import { SURB_ID_BYTES, SurbId, type Geometry, type NodeId, type RecipientId } from "../sphinx/geometry.ts"
import { createFramedPacket, type PathHop } from "../sphinx/packet.ts"
import type { RoutingCommand } from "../sphinx/routing-command.ts"
import { createSurb } from "../sphinx/surb.ts"
import { sampleHopDelayMs } from "./delay.ts"
import {
  chooseForwardPath, chooseLoopForwardPath, chooseLoopReturnPath, chooseReturnPath, findGateway, type PathImpossible, type PathView, type Uniform
} from "./path.ts"

/** Draws of paths and delays before a request is given up. */
export const COMPOSE_ATTEMPT_LIMIT = 32
/** Both ways together must take less than this many epochs. */
const DELAY_LIMIT_EPOCHS = 2

/**
 * The request cannot be sent over this document: no path (`empty-layer`, `unknown-gateway`), no draw in 32 whose hops all have keys (`no-mix-key`)
 * or whose delays are short enough (`delay-too-long`), or lengths that do not fit the geometry (`packet-invalid`).
 */
export class ComposeFailed extends Data.TaggedError("ComposeFailed")<{
  readonly reason: "empty-layer" | "unknown-gateway" | "no-mix-key" | "delay-too-long" | "packet-invalid"
}> {}

export interface RequestPlan {
  /** When the packet leaves, Unix milliseconds, skew-corrected. */
  readonly nowMs: number
  readonly gateway: NodeId
  readonly serviceNode: NodeDescriptor
  /** The endpoint at the service node. */
  readonly recipient: RecipientId
  /** The queue at the gateway where the reply is awaited. */
  readonly replyRecipient: RecipientId
  /** At most `userPayloadBytes`; zeros are added. */
  readonly userPayload: Uint8Array
}

/** A node's loop to a service and back to itself; it carries zeros. */
export interface LoopPlan extends Omit<RequestPlan, "gateway" | "userPayload"> {
  /** The node itself, as the document lists it. */
  readonly home: NodeDescriptor
}

export interface ComposedRequest {
  /** `packetBytes` bytes, for the first hop: the gateway, or a loop's first mix (or service node). */
  readonly packet: Uint8Array
  readonly surbId: SurbId
  /** Secret; opens the reply. The owner overwrites it. */
  readonly surbKeys: Uint8Array
  /** Sum of all drawn delays, both ways, in milliseconds. */
  readonly etaMs: number
  /** Ids of the hops, in order: secret, as the path is what hides the sender. */
  readonly route: { readonly forward: ReadonlyArray<NodeId>; readonly back: ReadonlyArray<NodeId> }
}

/** A hop with its place in time. */
interface TimedHop {
  readonly node: NodeDescriptor
  readonly publicKey: Uint8Array
  readonly delayMs: number
}

interface TimedPath {
  readonly hops: ReadonlyArray<TimedHop>
  readonly endMs: number
}

const failed = (reason: ComposeFailed["reason"]): Either.Either<never, ComposeFailed> => Either.left(new ComposeFailed({ reason }))

/** Draws the delays of the first `delayCount` hops and picks every hop's key. */
const timePath = (
  params: MixnetParams,
  nodes: ReadonlyArray<NodeDescriptor>,
  delayCount: number,
  startMs: number,
  uniform: Uniform
): Either.Either<TimedPath, ComposeFailed> => {
  const hops: Array<TimedHop> = []
  let runningMs = startMs
  for (const [hopIndex, node] of nodes.entries()) {
    const publicKey = node.mixKeys.get(epochAt(params, runningMs))
    if (publicKey === undefined) return failed("no-mix-key")
    const delayMs = hopIndex < delayCount ? sampleHopDelayMs(uniform(), params.muPerMs) : 0
    hops.push({ node, publicKey, delayMs })
    runningMs += delayMs
  }
  return Either.right({ hops, endMs: runningMs })
}

interface Route {
  readonly forward: TimedPath
  readonly back: TimedPath
}

type PathDraw = (uniform: Uniform) => Either.Either<ReadonlyArray<NodeDescriptor>, PathImpossible>

/** Where a request may pass: a draw of each way. */
interface Ways {
  readonly forward: PathDraw
  readonly back: PathDraw
}

/** One draw of both ways. */
const drawRoute = (params: MixnetParams, ways: Ways, nowMs: number, uniform: Uniform): Either.Either<Route, ComposeFailed> => {
  const out = ways.forward(uniform)
  if (Either.isLeft(out)) return failed(out.left.reason)
  const forward = timePath(params, out.right, out.right.length, nowMs, uniform)
  if (Either.isLeft(forward)) return Either.left(forward.left)
  const home = ways.back(uniform)
  if (Either.isLeft(home)) return failed(home.left.reason)
  const back = timePath(params, home.right, home.right.length - 1, forward.right.endMs, uniform)
  if (Either.isLeft(back)) return Either.left(back.left)
  const isShort = back.right.endMs - nowMs < DELAY_LIMIT_EPOCHS * params.epochPeriodMs
  return isShort ? Either.right({ forward: forward.right, back: back.right }) : failed("delay-too-long")
}

const worthAnotherDraw = (error: ComposeFailed): boolean => error.reason === "no-mix-key" || error.reason === "delay-too-long"

const chooseRoute = (params: MixnetParams, ways: Ways, nowMs: number, uniform: Uniform): Either.Either<Route, ComposeFailed> => {
  let route = drawRoute(params, ways, nowMs, uniform)
  for (let attempt = 1; attempt < COMPOSE_ATTEMPT_LIMIT && Either.isLeft(route) && worthAnotherDraw(route.left); attempt++) {
    route = drawRoute(params, ways, nowMs, uniform)
  }
  return route
}

/** The hops as Sphinx wants them; `lastCommands` stand behind the last hop's delay, if it has one. */
const pathOf = (crypto: CryptoBackend, { hops }: TimedPath, lastCommands: ReadonlyArray<RoutingCommand>): Array<PathHop> =>
  hops.map(({ delayMs, node, publicKey }, hopIndex) => ({
    nodeId: listedNodeId(crypto, node),
    publicKey,
    commands: [
      ...(delayMs > 0 ? [{ _tag: "NodeDelay", delayMs } as const] : []),
      ...(hopIndex === hops.length - 1 ? lastCommands : [])
    ]
  }))

/** One request with its reply block over one of the given ways. */
const composeOver = (
  crypto: CryptoBackend,
  geometry: Geometry,
  params: MixnetParams,
  ways: Ways,
  plan: Omit<RequestPlan, "gateway">,
  entropy: Entropy,
  uniform: Uniform
): Either.Either<ComposedRequest, ComposeFailed> => {
  if (plan.userPayload.length > geometry.userPayloadBytes || !geometry.withSurb) return failed("packet-invalid")
  const chosen = chooseRoute(params, ways, plan.nowMs, uniform)
  if (Either.isLeft(chosen)) return Either.left(chosen.left)
  const { back, forward } = chosen.right
  const surbId = SurbId.unsafe(entropy(SURB_ID_BYTES))
  const home = pathOf(crypto, back, [{ _tag: "Recipient", recipient: plan.replyRecipient }, { _tag: "SurbReply", surbId }])
  const created = createSurb(crypto, geometry, home, entropy)
  if (Either.isLeft(created)) return failed("packet-invalid")
  const out = pathOf(crypto, forward, [{ _tag: "Recipient", recipient: plan.recipient }])
  const packet = createFramedPacket(crypto, geometry, out, { surb: created.right.surb, userPayload: plan.userPayload }, entropy)
  // it holds the reply's key, and is in the packet now, under all layers
  zeroize(created.right.surb)
  if (Either.isLeft(packet)) {
    zeroize(created.right.keys)
    return failed("packet-invalid")
  }
  const route = { forward: out.map(({ nodeId }) => nodeId), back: home.map(({ nodeId }) => nodeId) }
  return Either.right({ packet: packet.right, surbId, surbKeys: created.right.keys, etaMs: back.endMs - plan.nowMs, route })
}

/**
 * Composes one request with its reply block.
 * @param document  whose keys and nodes are used
 * @param params  rates and epochs, those of the document
 * @param entropy  gives, in this order: SURB id, what the SURB needs, what the packet needs
 * @param uniform  gives, per draw: a number per mix and then per delay of the way out, the same of the way back
 * @errors ComposeFailed; no random bytes are drawn unless a route was found
 * @cost two headers (scalar multiplications growing with the square of the hops) and L + 2 wide-block passes over the payload
 */
export const composeRequest = (
  crypto: CryptoBackend,
  geometry: Geometry,
  document: PathView,
  params: MixnetParams,
  plan: RequestPlan,
  entropy: Entropy,
  uniform: Uniform
): Either.Either<ComposedRequest, ComposeFailed> => {
  const gateway = findGateway(crypto, document, plan.gateway)
  if (Either.isLeft(gateway)) return failed(gateway.left.reason)
  const ways: Ways = {
    forward: (draw) => chooseForwardPath(document, gateway.right, plan.serviceNode, draw),
    back: (draw) => chooseReturnPath(document, gateway.right, draw)
  }
  return composeOver(crypto, geometry, params, ways, plan, entropy, uniform)
}

const NOTHING = new Uint8Array(0)

/**
 * Composes a node's loop. Whoever has not drawn its path cannot tell it from a request or its reply: same lengths, same commands at every hop.
 * Arguments, errors and cost as `composeRequest`.
 */
export const composeLoop = (
  crypto: CryptoBackend,
  geometry: Geometry,
  document: PathView,
  params: MixnetParams,
  plan: LoopPlan,
  entropy: Entropy,
  uniform: Uniform
): Either.Either<ComposedRequest, ComposeFailed> => {
  const ways: Ways = {
    forward: (draw) => chooseLoopForwardPath(document, plan.home, plan.serviceNode, draw),
    back: (draw) => chooseLoopReturnPath(document, plan.home, draw)
  }
  return composeOver(crypto, geometry, params, ways, { ...plan, userPayload: NOTHING }, entropy, uniform)
}
