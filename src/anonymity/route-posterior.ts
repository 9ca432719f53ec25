/**
 * Where did this packet come from? The beliefs about each node on the way, multiplied along all ways at once.
 *
 * Given all instants on all links, the pairings inside of different nodes are independent of each other, and a packet passes a node once; so the probability
 * of a way through the network is the product of its hops' probabilities, and the sum over all ways is one pass over the events, from the exit backwards.
 *
 * Contract: `originWeights` adds up to 1 less what rows cut off. Events that begin at a node (its own loops, of which the observer is granted knowledge) end
 * a way there.
 * Knows nothing of: what a row was made from. Whoever runs a node puts the truth into its rows (`knownPosterior`).
 * Source: Troncoso and Danezis 2009 (the Bayesian traffic analysis of mix networks), by exact summation where they sample; departures: none.
 *
 * @module
 */
import type { PacketFlow } from "./flow.ts"
import type { HopPosterior } from "./hop-posterior.ts"
import { at } from "./series.ts"

/** The beliefs about all nodes, laid out by event. */
export interface RouteBeliefs {
  readonly flow: PacketFlow
  /** Row of event e: entries rowStart[e] to rowEnd[e]. */
  readonly rowStart: Int32Array
  readonly rowEnd: Int32Array
  /** Event on which the packet came. */
  readonly source: Int32Array
  readonly probability: Float64Array
}

export const routeBeliefs = (flow: PacketFlow, posteriors: ReadonlyArray<HopPosterior>): RouteBeliefs => {
  const entries = posteriors.reduce((total, { source }) => total + source.length, 0)
  const [rowStart, rowEnd] = [new Int32Array(flow.instantMs.length), new Int32Array(flow.instantMs.length)]
  const [source, probability] = [new Int32Array(entries), new Float64Array(entries)]
  let next = 0
  for (const posterior of posteriors) {
    const { arrivalEvents, departureEvents } = posterior.traffic
    for (let departure = 0; departure < departureEvents.length; departure++) {
      const event = at(departureEvents, departure)
      rowStart[event] = next
      for (let entry = at(posterior.rowStart, departure); entry < at(posterior.rowStart, departure + 1); entry++) {
        source[next] = at(arrivalEvents, at(posterior.source, entry))
        probability[next++] = at(posterior.probability, entry)
      }
      rowEnd[event] = next
    }
  }
  return { flow, rowStart, rowEnd, source, probability }
}

/** What is left of a way's probability when it is given up. */
const NEGLIGIBLE = 1e-7

/** One event from which a packet may have set out. */
export interface OriginWeight {
  readonly event: number
  readonly probability: number
}

/** The events on which the packet of an event may have set out. @cost the events since the earliest of them */
export const originWeights = (beliefs: RouteBeliefs, exit: number): ReadonlyArray<OriginWeight> => {
  const { probability, rowEnd, rowStart, source } = beliefs
  const origins: Array<OriginWeight> = []
  const mass = new Map<number, number>([[exit, 1]])
  // sources have smaller indexes, so going down from the exit meets an event after all that may follow it
  for (let event = exit; event >= 0 && mass.size > 0; event--) {
    const own = mass.get(event)
    if (own === undefined) continue
    mass.delete(event)
    const [start, end] = [at(rowStart, event), at(rowEnd, event)]
    if (start === end) origins.push({ event, probability: own })
    for (let entry = start; entry < end; entry++) {
      const share = own * at(probability, entry)
      if (share > NEGLIGIBLE) mass.set(at(source, entry), (mass.get(at(source, entry)) ?? 0) + share)
    }
  }
  return origins
}

/** The probability that each party sent the packet of an event, by index in `names`. */
export const senderWeights = (beliefs: RouteBeliefs, exit: number): Float64Array => {
  const weights = new Float64Array(beliefs.flow.names.length)
  for (const { event, probability } of originWeights(beliefs, exit)) {
    const sender = at(beliefs.flow.from, event)
    weights[sender] = at(weights, sender) + probability
  }
  return weights
}
