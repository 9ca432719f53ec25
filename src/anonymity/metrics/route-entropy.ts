/**
 * How many bits the whole way through the network hides: which packet a packet was, and which party sent it.
 *
 * Contract: each exit counts once; intervals are Student's over batches of consecutive exits. `senderBits` is at most log2 of the number of parties that
 * send.
 * Knows nothing of: how beliefs were made.
 * Source: Serjantov and Danezis 2002, Díaz et al. 2002 (entropy as the size of the anonymity set); departures: none.
 *
 * @module
 */
import { originOf } from "../flow.ts"
import { originWeights, type RouteBeliefs } from "../route-posterior.ts"
import { at, batchMeans } from "../series.ts"
import { entropyBits } from "./hop-entropy.ts"
import { meanEstimate, type Estimate } from "./interval.ts"

export interface RouteEntropy {
  /** Entropy of which packet that set out is the one that came out. */
  readonly packetBits: Estimate
  /** Entropy of which party sent it. */
  readonly senderBits: Estimate
  /** Mean −log2 of the belief in the true sender. */
  readonly senderLossBits: Estimate
  readonly exits: number
}

const BATCHES = 20
/** Largest log loss: the true sender was cut off. */
const LARGEST_LOSS_BITS = 24

/** @param exits  events, in their order, of packets whose whole way lies in the recording */
export const routeEntropy = (beliefs: RouteBeliefs, exits: ReadonlyArray<number>): RouteEntropy => {
  const { flow } = beliefs
  const rows = exits.map((exit) => {
    const origins = originWeights(beliefs, exit)
    const senders = new Float64Array(flow.names.length)
    for (const { event, probability } of origins) senders[at(flow.from, event)] = at(senders, at(flow.from, event)) + probability
    const truth = at(senders, at(flow.from, originOf(flow, exit)))
    return {
      packet: entropyBits(origins.map(({ probability }) => probability)),
      sender: entropyBits(senders),
      loss: Math.min(LARGEST_LOSS_BITS, -Math.log2(truth))
    }
  })
  const estimated = (of: (row: (typeof rows)[number]) => number): Estimate => meanEstimate(batchMeans(rows.map(of), Math.min(BATCHES, rows.length)))
  return {
    packetBits: estimated(({ packet }) => packet),
    senderBits: estimated(({ sender }) => sender),
    senderLossBits: estimated(({ loss }) => loss),
    exits: exits.length
  }
}
