/**
 * The packets of a run as a graph: each event is one packet on one link, and knows on which event the same packet came before.
 *
 *   client ──e1──▶ gateway ──e2──▶ mix ──e3──▶ …         previous(e3) = e2, previous(e2) = e1, previous(e1) = −1
 *
 * Contract: events stand in the order in which they happened; a packet's earlier event has the smaller index, also at equal instants. `previous` is the
 * ground truth, for scoring, calibrating and for nodes that the adversary runs; attacks on honest nodes take instants and links only.
 * Knows nothing of: attacks.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import type { HopMatch, LinkEvent } from "./trace.ts"
import { at } from "./series.ts"

export interface PacketFlow {
  /** Parties; events name them by index. */
  readonly names: ReadonlyArray<string>
  readonly instantMs: Float64Array
  readonly from: Int32Array
  readonly to: Int32Array
  /** The event on which this packet came to `from`; −1 where it began there or nobody told. */
  readonly previous: Int32Array
  /** 1 where this packet is known to have ended at `to`: delivered, dropped, a loop that came home. */
  readonly ended: Uint8Array
}

/** The events of packets among link events. @param isPacket  which events carry packets of the mix network */
export const flowOf = (
  links: ReadonlyArray<LinkEvent>,
  matches: ReadonlyArray<HopMatch>,
  isPacket: (event: LinkEvent) => boolean
): PacketFlow => {
  const events = links.filter(isPacket)
  const indexOf = new Map<string, number>()
  const indexed = (name: string): number => {
    const known = indexOf.get(name)
    if (known !== undefined) return known
    indexOf.set(name, indexOf.size)
    return indexOf.size - 1
  }
  const flow = {
    instantMs: Float64Array.from(events, ({ instantMs }) => instantMs),
    from: Int32Array.from(events, ({ from }) => indexed(from)),
    to: Int32Array.from(events, ({ to }) => indexed(to)),
    previous: new Int32Array(events.length).fill(-1),
    ended: new Uint8Array(events.length)
  }
  // the same bytes may pass twice (a duplicate on a faulty link): the first arrival counts, and the first departure of a match
  const arrivals = new Map<string, number>()
  const departures = new Map<string, number>()
  for (const [index, { digest, from, to }] of events.entries()) {
    const coming = `${to} ${digest}`
    const leaving = `${from} ${digest}`
    if (!arrivals.has(coming)) arrivals.set(coming, index)
    if (!departures.has(leaving)) departures.set(leaving, index)
  }
  for (const { inDigest, node, outDigest } of matches) {
    const came = inDigest === undefined ? undefined : arrivals.get(`${node} ${inDigest}`)
    const left = outDigest === undefined ? undefined : departures.get(`${node} ${outDigest}`)
    if (came !== undefined && left !== undefined && came < left) flow.previous[left] = came
    if (came !== undefined && outDigest === undefined) flow.ended[came] = 1
  }
  return { ...flow, names: [...indexOf.keys()] }
}

/** What passed one node: events by their index in the flow, and which arrival each departure was. */
export interface HopTraffic {
  readonly node: string
  readonly arrivalEvents: Int32Array
  readonly arrivalMs: Float64Array
  readonly departureEvents: Int32Array
  readonly departureMs: Float64Array
  /** For each departure the position among the arrivals, or −1. */
  readonly sourceOf: Int32Array
}

/**
 * The traffic of one node without the packets that began or ended in it. So the observer is granted knowledge of the node's own loops, which no real one has:
 * measured anonymity is that against somebody stronger.
 */
export const hopTraffic = (flow: PacketFlow, node: string): HopTraffic => {
  const self = flow.names.indexOf(node)
  const arrivalEvents: Array<number> = []
  const departureEvents: Array<number> = []
  const sources: Array<number> = []
  const positionOf = new Map<number, number>()
  for (let event = 0; event < flow.instantMs.length; event++) {
    if (flow.to[event] === self && flow.ended[event] === 0) {
      positionOf.set(event, arrivalEvents.length)
      arrivalEvents.push(event)
    }
    const source = positionOf.get(at(flow.previous, event))
    if (flow.from[event] === self && source !== undefined) {
      departureEvents.push(event)
      sources.push(source)
    }
  }
  return {
    node,
    arrivalEvents: Int32Array.from(arrivalEvents),
    arrivalMs: Float64Array.from(arrivalEvents, (event) => at(flow.instantMs, event)),
    departureEvents: Int32Array.from(departureEvents),
    departureMs: Float64Array.from(departureEvents, (event) => at(flow.instantMs, event)),
    sourceOf: Int32Array.from(sources)
  }
}

/** Event on which the packet of an event set out. */
export const originOf = (flow: PacketFlow, event: number): number => {
  let origin = event
  while (at(flow.previous, origin) >= 0) origin = at(flow.previous, origin)
  return origin
}

/** The nodes that a packet passed until an event, first to last: their indexes in `names`. */
export const routeOf = (flow: PacketFlow, event: number): ReadonlyArray<number> => {
  const nodes: Array<number> = []
  for (let here = event; at(flow.previous, here) >= 0; here = at(flow.previous, here)) nodes.push(at(flow.from, here))
  return nodes.reverse()
}
