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
  /** For departures of exponential nodes: how many packets were inside; else 0. */
  readonly inside: Float64Array
  /** Row of event e, for departures of other nodes: entries rowStart[e] to rowEnd[e]. */
  readonly rowStart: Int32Array
  readonly rowEnd: Int32Array
  /** Event on which the packet came. */
  readonly source: Int32Array
  readonly probability: Float64Array
  /** Working space by event and by party, all zero between calls. */
  readonly mass: Float64Array
  readonly pooled: Float64Array
}

export const routeBeliefs = (flow: PacketFlow, posteriors: ReadonlyArray<HopPosterior>): RouteBeliefs => {
  const entries = posteriors.reduce((total, { source }) => total + source.length, 0)
  const events = flow.instantMs.length
  const [inside, rowStart, rowEnd] = [new Float64Array(events), new Int32Array(events), new Int32Array(events)]
  const [source, probability] = [new Int32Array(entries), new Float64Array(entries)]
  let next = 0
  for (const posterior of posteriors) {
    const { arrivalEvents, departureEvents } = posterior.traffic
    for (let departure = 0; departure < departureEvents.length; departure++) {
      const event = at(departureEvents, departure)
      if (posterior.inside !== undefined) inside[event] = at(posterior.inside, departure)
      rowStart[event] = next
      for (let entry = at(posterior.rowStart, departure); entry < at(posterior.rowStart, departure + 1); entry++) {
        source[next] = at(arrivalEvents, at(posterior.source, entry))
        probability[next++] = at(posterior.probability, entry)
      }
      rowEnd[event] = next
    }
  }
  return { flow, inside, rowStart, rowEnd, source, probability, mass: new Float64Array(events), pooled: new Float64Array(flow.names.length) }
}

/** What is left of a way's probability when it is given up. */
const NEGLIGIBLE = 1e-9
/** Share of all ways that may be left unfollowed. */
const UNFOLLOWED = 1e-4

/** One event from which a packet may have set out. */
export interface OriginWeight {
  readonly event: number
  readonly probability: number
}

/**
 * The events on which the packet of an event may have set out.
 *
 * Going back in time from the exit, `pooled` of an exponential node is what an arrival there is worth: a departure of probability m among n inside makes m/n
 * of it and leaves 1 − 1/n of what was before. Other nodes hand their probability to the arrivals of their row.
 * @cost the events since the earliest origin that matters
 */
export const originWeights = (beliefs: RouteBeliefs, exit: number): ReadonlyArray<OriginWeight> => {
  const { flow: { ended, from, to }, inside, mass, pooled, probability, rowEnd, rowStart, source } = beliefs
  const origins: Array<OriginWeight> = []
  mass[exit] = 1
  let found = 0
  let event = exit
  let earliest = exit
  // sources have smaller indexes, so going down from the exit meets an event after all that may follow it
  for (; event >= 0 && found < 1 - UNFOLLOWED; event--) {
    const receiver = to[event] as number
    const own = (mass[event] as number) + (event !== exit && ended[event] === 0 ? pooled[receiver] as number : 0)
    mass[event] = 0
    const crowd = inside[event] as number
    if (crowd > 0) {
      const sender = from[event] as number
      pooled[sender] = (pooled[sender] as number) * (1 - 1 / crowd) + own / crowd
      continue
    }
    if (own <= NEGLIGIBLE) continue
    const [start, end] = [rowStart[event] as number, rowEnd[event] as number]
    if (start === end) {
      origins.push({ event, probability: own })
      found += own
    }
    for (let entry = start; entry < end; entry++) {
      const before = source[entry] as number
      mass[before] = (mass[before] as number) + own * (probability[entry] as number)
      if (before < earliest) earliest = before
    }
  }
  pooled.fill(0)
  mass.fill(0, earliest, event + 1)
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
