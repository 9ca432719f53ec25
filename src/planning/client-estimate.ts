/**
 * What a client can say of its own anonymity and of its wait before it sends anything: from the signed document, and from its own loops.
 *
 * A client does not know how many others there are, so it counts on what it knows for certain, and on nothing else:
 *
 *   network   somebody who sees all links, and the inside of all nodes but one mix on the way. The set is what that mix holds: packets of the client's own
 *             sessions, loops of the nodes (λM, λG), and sessions of the services, of which a service that publishes a profile keeps at least so many as a
 *             full quantum needs. Other clients come on top and are not counted. The uncertainty about which of the packets that came in a leaving one was:
 *             the entropy of that pool, in the layer where it is least. Own loops that do not come home shrink the others' share: who drops packets
 *             leaves fewer to hide among.
 *   storage   the same, and all replicas. A replica sees when boxes are written and read, so the set is the batch: the jobs of one quantum and profile.
 *             Only the service's own jobs are certain, F of them: log2(F + 1).
 *
 * `anonymityBits` is the lesser of the two. It says nothing about the compute service itself, which sees input and answer, nor about somebody who watches for
 * weeks who is online.
 *
 * `latencyMs` is a mean: the waits of the workflow at the document's rates, and what the client's own loops took beside the delays that it drew for them.
 * It leaves out that boxes of one transfer wait for the slowest, and polls that come too early; over the drawn model (job-model.ts) it is up to a tenth short.
 *
 * Contract: pure, and cheap: no draws, so that asking for it costs no tick of a session its time.
 * Knows nothing of: sessions, actors, who asks.
 * Source: the issue's list, funion.md §5, §7 (O1), mixnet.md §8; departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../params/mixnet-params.ts"
import { sessionsNeeded } from "../params/service-check.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { boxesOfClass } from "../params/size-class.ts"
import { pollTimingOf } from "../storage/box-store.ts"
import { meanFirstPauseMs } from "../storage/poll-timing.ts"
import { deadlineMsOf, type DocumentFigures, type OfferedService } from "./document-figures.ts"
import { poolEntropyBits } from "./pool-entropy.ts"

/** What the client's own loop decoys have shown since its sessions began. */
export interface LoopReport {
  readonly returned: number
  readonly lost: number
  /** Time by which those that returned came later than their delays say, in all. */
  readonly lateMs: number
}

export interface EstimateRequest {
  readonly figures: DocumentFigures
  readonly service: OfferedService
  readonly profile: ServiceProfile
  /** The client's own. */
  readonly sessions: number
  readonly loops: LoopReport
}

export interface Estimate {
  /** Mean time from the first box to the whole answer. */
  readonly latencyMs: number
  /** The lesser of the two below. */
  readonly anonymityBits: number
  readonly networkBits: number
  readonly storageBits: number
  /** Jobs that share the batch for certain, this one included. */
  readonly batch: number
  /** Share of the client's loops that were lost; 0 as long as there is no telling. */
  readonly loopLoss: number
  /** A round trip now: the mean of the delays, and what loops took beside them. */
  readonly roundTripMs: number
}

/** Loops whose fate must be known before their loss is believed. */
const LEAST_LOOPS = 20

const lossOf = ({ lost, returned }: LoopReport): number => (lost + returned < LEAST_LOOPS ? 0 : lost / (lost + returned))

/** The mean of a hop's delay, in whole milliseconds. */
const meanHopMs = ({ muPerMs }: Pick<MixnetParams, "muPerMs">): number => 1 / -Math.expm1(-muPerMs)

/** Packets per millisecond of everybody but this client that pass a layer, as far as they are certain. */
const certainTraffic = ({ mixesPerLayer, nodes, params, services }: DocumentFigures, layer: number): number => {
  const { lambdaGPerMs, lambdaLPerMs, lambdaMPerMs, lambdaPPerMs, quantumMs } = params
  const sessions = services.reduce((sum, { deadlinesQuanta, profiles }) =>
    sum + sessionsNeeded(params, { profiles, deadlinesMs: deadlinesQuanta.map((quanta) => quanta * quantumMs) }), 0)
  const otherMixes = mixesPerLayer.reduce((sum, mixes, index) => (index === layer ? sum : sum + mixes), 0)
  return 2 * (sessions * (lambdaPPerMs + lambdaLPerMs) + nodes.gateways * lambdaGPerMs + nodes.serviceNodes * lambdaMPerMs) + otherMixes * lambdaMPerMs
}

/** The pool of one mix of the layer where it is smallest. */
const networkBitsOf = ({ figures, loops, sessions }: EstimateRequest): number => {
  const { lambdaLPerMs, lambdaPPerMs, muPerMs } = figures.params
  const own = 2 * sessions * (lambdaPPerMs + lambdaLPerMs)
  return Math.min(...figures.mixesPerLayer.map((mixes, layer) =>
    poolEntropyBits((own + certainTraffic(figures, layer) * (1 - lossOf(loops))) / mixes / muPerMs)))
}

/** Mean time of one transfer: the last box's packets on their ticks and its two round trips, or all packets one after the other. */
const transferMs = (params: MixnetParams, boxes: number, sessions: number, roundTripMs: number): number => {
  const tickMs = 1 / params.lambdaPPerMs
  const queuedMs = (Math.max(0, boxes - 1) * tickMs) / sessions
  const pauseMs = meanFirstPauseMs(pollTimingOf(params))
  const apart = queuedMs + 4 * tickMs + 2 * roundTripMs + pauseMs
  return boxes === 0 ? 0 : Math.max(apart, 2 * queuedMs + 3 * tickMs + roundTripMs)
}

const latencyMsOf = ({ figures: { params }, profile, service, sessions }: EstimateRequest, roundTripMs: number): number => {
  const { lambdaPPerMs, lambdaRPerMs, mixLayers, quantumMs } = params
  const stream = (classId: number): number =>
    transferMs(params, boxesOfClass(classId) - 1, sessions, roundTripMs) + transferMs(params, 1, sessions, roundTripMs)
  const toServiceMs = 2 / lambdaPPerMs + (roundTripMs * (mixLayers + 2)) / (2 * mixLayers + 2) + 1 / lambdaRPerMs
  const toEdgeMs = quantumMs + toServiceMs + quantumMs / 2 + deadlineMsOf(params, service, profile.bucket)
  return stream(profile.inputClass) + toEdgeMs + service.releaseWindowMs + quantumMs + stream(profile.outputClass)
}

/** The estimate for one job. @cost a few sums, and an integral of some thousand steps for every mix layer */
export const estimateJob = (request: EstimateRequest): Estimate => {
  const { figures, loops, profile } = request
  const lateMs = loops.returned === 0 ? 0 : loops.lateMs / loops.returned
  const roundTripMs = (2 * figures.params.mixLayers + 2) * meanHopMs(figures.params) + lateMs
  const networkBits = networkBitsOf(request)
  const batch = profile.coverJobs + 1
  const storageBits = Math.log2(batch)
  return {
    latencyMs: latencyMsOf(request, roundTripMs),
    anonymityBits: Math.min(networkBits, storageBits),
    networkBits,
    storageBits,
    batch,
    loopLoss: lossOf(loops),
    roundTripMs
  }
}

/** Where chance decides among several, what is sure whatever it decides: the least anonymity, the longest wait. @param estimates  at least one */
export const worstOf = (estimates: ReadonlyArray<Estimate>): Estimate => {
  const [first, ...others] = [...estimates].sort((a, b) => a.anonymityBits - b.anonymityBits)
  if (first === undefined) throw new RangeError("nothing was estimated")
  return {
    ...first,
    networkBits: Math.min(first.networkBits, ...others.map(({ networkBits }) => networkBits)),
    latencyMs: Math.max(first.latencyMs, ...others.map(({ latencyMs }) => latencyMs))
  }
}
