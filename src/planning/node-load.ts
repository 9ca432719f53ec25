/**
 * What nodes and lines carry: packets of every node, bytes of every client, commands of storage links. All of it is cover as well as load: the rates are
 * those of the document, whatever is asked of the network.
 *
 * A session's packet is unwrapped by its gateway, a mix of each layer and a service node; its reply by a mix of each layer and the gateway. A loop of a mix
 * passes every other layer once and ends where it began; a loop of a gateway or service node passes every layer twice. All of them are turned round by
 * a service node.
 *
 * Contract: pure. Means over all nodes of a kind; rates of the result are per second.
 * Knows nothing of: jobs, who is who.
 * Source: mixnet.md §2, §3, §8, pigeonhole.md §5.7; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { frameBytes } from "../link/frame.ts"
import { GATHER_MS } from "../node/outgoing-links.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { boxPlaintextBytes, ENVELOPE_KEY_BYTES } from "../params/mixnet-params.ts"
import { pigeonholeGeometry } from "../pigeonhole/geometry.ts"
import { makeGeometry, SURB_ID_BYTES } from "../sphinx/geometry.ts"
import { type HardwareFigures, type NetworkFigures, serviceSessions } from "./network-figures.ts"
import { poolEntropyBits } from "./pool-entropy.ts"

const SECOND_MS = 1_000
const DAY_S = 86_400
const US_PER_S = 1e6
/** Bytes that a call adds to what it carries on a link between machines. */
export const LINK_CALL_BYTES = 96
/** A delivery says how long its payload was, with the tag of its wide block. */
const DELIVERY_BYTES = SURB_ID_BYTES + 32

/** One node of a kind. */
export interface NodeLoad {
  /** Packets that come in and are unwrapped. */
  readonly unwrappedPerSecond: number
  /** Of these, those that wait for their delay here and go on. */
  readonly delayedPerSecond: number
  /** Packets that leave, its own loops and the replies that it makes included. */
  readonly sentPerSecond: number
  /** Mean number of packets that wait here. */
  readonly waiting: number
  /** Share of a core that unwrapping takes. */
  readonly cpuShare: number
}

export interface MixLoad extends NodeLoad {
  readonly layer: number
  readonly mixes: number
  /** Uncertainty about which of the packets that came in a leaving one was. */
  readonly entropyBits: number
}

export interface NodeLoads {
  readonly gateway: NodeLoad
  readonly layers: ReadonlyArray<MixLoad>
  readonly serviceNode: NodeLoad
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/** Packets of all senders per millisecond, by who sends them. */
const sourcesOf = (figures: NetworkFigures) => {
  const { counts, params } = figures
  const { lambdaGPerMs, lambdaLPerMs, lambdaMPerMs, lambdaPPerMs } = params
  return {
    sessions: (counts.users + serviceSessions(figures)) * (lambdaPPerMs + lambdaLPerMs),
    mixLoops: counts.mixesPerLayer.map((mixes) => mixes * lambdaMPerMs),
    gatewayLoops: counts.gateways * lambdaGPerMs,
    serviceNodeLoops: counts.serviceNodes * lambdaMPerMs
  }
}

/** A node's load from what all nodes of its kind unwrap, delay and send. @param all  per millisecond */
const loadOf = (
  all: { readonly unwrapped: number; readonly delayed: number; readonly sent: number }, nodes: number, params: MixnetParams, hardware: HardwareFigures
): NodeLoad => {
  const unwrappedPerSecond = (all.unwrapped / nodes) * SECOND_MS
  return {
    unwrappedPerSecond,
    delayedPerSecond: (all.delayed / nodes) * SECOND_MS,
    sentPerSecond: (all.sent / nodes) * SECOND_MS,
    waiting: all.delayed / nodes / params.muPerMs,
    cpuShare: (unwrappedPerSecond * hardware.unwrapUs) / US_PER_S
  }
}

export const nodeLoads = (figures: NetworkFigures, hardware: HardwareFigures): NodeLoads => {
  const { counts, params } = figures
  const { gatewayLoops, mixLoops, serviceNodeLoops, sessions } = sourcesOf(figures)
  const allMixLoops = sum(mixLoops)
  const turned = sessions + allMixLoops + gatewayLoops + serviceNodeLoops
  return {
    gateway: loadOf({ unwrapped: 2 * sessions + gatewayLoops, delayed: sessions, sent: 2 * sessions + gatewayLoops }, counts.gateways, params, hardware),
    layers: counts.mixesPerLayer.map((mixes, layer) => {
      const own = mixLoops[layer] ?? 0
      const delayed = 2 * (sessions + gatewayLoops + serviceNodeLoops) + allMixLoops - own
      const load = loadOf({ unwrapped: delayed + own, delayed, sent: delayed + own }, mixes, params, hardware)
      return { ...load, layer, mixes, entropyBits: poolEntropyBits(load.waiting) }
    }),
    serviceNode: loadOf({ unwrapped: turned + serviceNodeLoops, delayed: turned, sent: turned + serviceNodeLoops }, counts.serviceNodes, params, hardware)
  }
}

/** Mean wait for company: the first packet waits the whole time in which a node gathers, those that come meanwhile the rest of it. */
const gatherAt = (ratePerMs: number): number => (GATHER_MS * (1 + (ratePerMs * GATHER_MS) / 2)) / (1 + ratePerMs * GATHER_MS)

/** The mean of that over the nodes of a round trip. */
export const meanGatherMs = (figures: NetworkFigures): number => {
  const { gateways, mixesPerLayer, serviceNodes } = figures.counts
  const { gatewayLoops, mixLoops, serviceNodeLoops, sessions } = sourcesOf(figures)
  const turned = sessions + sum(mixLoops) + gatewayLoops + serviceNodeLoops
  const [first, last] = [mixesPerLayer[0] ?? 1, mixesPerLayer.at(-1) ?? 1]
  const between = mixesPerLayer.slice(1).map((mixes, index) => (sessions + turned) / (mixes * (mixesPerLayer[index] ?? 1)))
  const out = [(sessions + gatewayLoops) / (gateways * first), ...between, turned / (last * serviceNodes)]
  const home = [turned / (serviceNodes * first), ...between, sessions / (last * gateways)]
  return sum([...out, ...home].map(gatherAt)) / (out.length + home.length)
}

/** What a client's line carries, whether or not it has a job. */
export interface ClientLine {
  readonly packetsPerSecond: number
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
  readonly bytesPerDay: number
  /** Contents of boxes that it could move at most: every λP tick used, two to a box. */
  readonly goodputBytesPerSecond: number
}

export const clientLine = (params: MixnetParams): ClientLine => {
  const geometry = Either.getOrThrow(makeGeometry(params.geometry))
  const packetsPerSecond = (params.lambdaPPerMs + params.lambdaLPerMs) * SECOND_MS
  const upBytesPerSecond = packetsPerSecond * frameBytes(geometry.packetBytes + LINK_CALL_BYTES)
  const downBytesPerSecond = packetsPerSecond * frameBytes(geometry.forwardPayloadBytes + DELIVERY_BYTES + LINK_CALL_BYTES)
  return {
    packetsPerSecond,
    upBytesPerSecond,
    downBytesPerSecond,
    bytesPerDay: (upBytesPerSecond + downBytesPerSecond) * DAY_S,
    goodputBytesPerSecond: ((params.lambdaPPerMs * SECOND_MS) / 2) * boxPlaintextBytes(params)
  }
}

/** What storage links carry. */
export interface StorageLoad {
  /** Commands that one replica gets, decoys included. */
  readonly commandsPerReplicaPerSecond: number
  /** Bytes that one replica gets, and as many that it sends. */
  readonly bytesPerReplicaPerSecond: number
  /** Share of ticks that carry a command of somebody's. */
  readonly courierLinkUse: number
  readonly replicaLinkUse: number
}

/** Commands between replicas that one box causes on average: a question of each intermediate, and for writes the copies. */
const REPLICA_COMMANDS = { read: 2, write: 4 }
const INTERMEDIATES = 2

/** @param boxesPerMs  boxes that are written and read in the whole network */
export const storageLoad = ({ counts, params }: NetworkFigures, boxesPerMs: { readonly written: number; readonly read: number }): StorageLoad => {
  const { couriers, replicas } = counts
  const { lambdaRPerMs } = params
  const commandBytes = Either.match(pigeonholeGeometry(params.geometry.userPayloadBytes, ENVELOPE_KEY_BYTES), {
    onLeft: () => 0,
    onRight: ({ linkCommandBytes }) => linkCommandBytes
  })
  const commandsPerReplicaPerSecond = (couriers + replicas - 1) * lambdaRPerMs * SECOND_MS
  const questions = INTERMEDIATES * (boxesPerMs.written + boxesPerMs.read)
  const between = REPLICA_COMMANDS.write * boxesPerMs.written + REPLICA_COMMANDS.read * boxesPerMs.read
  return {
    commandsPerReplicaPerSecond,
    bytesPerReplicaPerSecond: commandsPerReplicaPerSecond * frameBytes(commandBytes + LINK_CALL_BYTES),
    courierLinkUse: questions / (couriers * replicas * lambdaRPerMs),
    replicaLinkUse: between / (replicas * Math.max(1, replicas - 1) * lambdaRPerMs)
  }
}
