/**
 * What nodes do with time: how many bits each hop hides, and whether the last delay is served before anything happens.
 *
 * Contract: pure. Delays are read off the links; which packet is which is the ground truth of the recording.
 * Knows nothing of: clients, jobs.
 * Source: mixnet.md §5, §10; funion.md §6.1; departures: none.
 *
 * @module
 */
import { flowOf, hopTraffic, type PacketFlow } from "../../../src/anonymity/flow.ts"
import { BATCHES, hopEntropy, type HopEntropy } from "../../../src/anonymity/metrics/hop-entropy.ts"
import { LEVEL, studentInterval, type Estimate } from "../../../src/anonymity/metrics/interval.ts"
import { studentQuantile } from "../../../src/anonymity/metrics/special-functions.ts"
import { mean } from "../../../src/anonymity/series.ts"
import type { RecordedRun } from "../../../src/anonymity/trace.ts"
import type { Topology } from "../../../src/topology/topology.ts"
import { atLeast, atMost, followsLaw, GATE_LEVEL, sharedLevel, type Gate } from "../../../src/anonymity/gate.ts"

/** Sphinx packets on their way: from clients, and between nodes. */
export const packetFlow = (run: RecordedRun): PacketFlow =>
  flowOf(run.links, run.matches, ({ call, direction }) => direction === "request" && (call === "Forward" || call === "Submit"))

/** Bits that a hop may fall short of log2(λe/µ), or be above it: the issue's. */
const HOP_TOLERANCE_BITS = 0.1
/** Of the intervals of a node's bits. */
const DEGREES = BATCHES - 1
/** Below this many departures nothing is said of a node. */
const LEAST_DEPARTURES = 200

export interface HopMeasures {
  readonly mixes: ReadonlyArray<HopEntropy>
  readonly gateways: ReadonlyArray<HopEntropy>
  readonly gates: ReadonlyArray<Gate>
}

const shortfall = ({ bits, expectedBits }: HopEntropy): number => expectedBits - bits.value

/** Every node by itself: the worst one, by how sure one can be that it hides too little; intervals are corrected for taking the worst of so many. */
const worstGate = (name: string, meaning: string, nodes: ReadonlyArray<HopEntropy>): Gate => {
  const level = sharedLevel(nodes.length)
  const estimates = nodes.map((node): Estimate => {
    const value = -shortfall(node)
    // Student's interval of the report is at 95 %: the same quantile's multiple at the level of the gate
    const half = (node.bits.interval.upper - node.bits.value) * studentQuantile(1 - (1 - level) / 2, DEGREES) / studentQuantile(1 - (1 - LEVEL) / 2, DEGREES)
    return { value, interval: { lower: value - half, upper: value + half, level } }
  })
  const [worst] = [...estimates].sort((one, other) => one.interval.upper - other.interval.upper)
  return atLeast({ name, meaning }, worst ?? { value: 0, interval: { lower: 0, upper: 0, level } }, -HOP_TOLERANCE_BITS,
    nodes.length === 0 ? 0 : Math.min(...nodes.map(({ departures }) => departures)), LEAST_DEPARTURES)
}

/** What each mix and gateway hides, and the gates on it. */
export const hopMeasures = (topology: Topology, flow: PacketFlow): HopMeasures => {
  const { muPerMs } = topology.params
  const measure = ({ name }: { readonly name: string }): HopEntropy => hopEntropy(hopTraffic(flow, name), muPerMs)
  const mixes = topology.mixes.map(measure)
  const gateways = topology.gateways.map(measure)
  const excess = mixes.map((mix) => -shortfall(mix))
  const interval = studentInterval(excess, GATE_LEVEL)
  const departures = Math.min(...mixes.map((mix) => mix.departures))
  return {
    mixes,
    gateways,
    gates: [
      atLeast({ name: "hop/entropy-least", meaning: "bits of the mean mix beside log2(λe/µ), from below" },
        { value: mean(excess), interval }, -HOP_TOLERANCE_BITS, departures, LEAST_DEPARTURES),
      atMost({ name: "hop/entropy-most", meaning: "the same from above: delays are not longer than the parameters say" },
        { value: mean(excess), interval }, HOP_TOLERANCE_BITS, departures, LEAST_DEPARTURES),
      worstGate("hop/entropy-worst-mix", "bits of the worst mix beside log2(λe/µ)", mixes),
      worstGate("hop/entropy-worst-gateway", "bits of the worst gateway beside log2(λe/µ)", gateways)
    ]
  }
}

/** Delays between a packet's coming to a service node and what it asks for: the call of a courier, in the order in which equal requests came. */
export const lastDelaysOf = (run: RecordedRun, serviceNodes: ReadonlySet<string>): ReadonlyArray<number> => {
  const calls = new Map<string, Array<number>>()
  for (const { call, digest, direction, from, instantMs } of run.links) {
    if (call !== "Query" || direction !== "request") continue
    const key = `${from} ${digest}`
    const known = calls.get(key) ?? []
    calls.set(key, known)
    known.push(instantMs)
  }
  const nextOf = new Map(run.matches.flatMap(({ inDigest, node, outDigest }) =>
    (inDigest === undefined || outDigest === undefined || !serviceNodes.has(node) ? [] : [[`${node} ${inDigest}`, `${node} ${outDigest}`] as const])))
  const arrivals = new Map<string, Array<number>>()
  for (const { digest, instantMs, to } of run.links) {
    const request = nextOf.get(`${to} ${digest}`)
    if (request === undefined) continue
    const known = arrivals.get(request) ?? []
    arrivals.set(request, known)
    known.push(instantMs)
  }
  return [...arrivals].flatMap(([request, came]) => (calls.get(request) ?? []).flatMap((calledMs, index) => {
    const cameMs = came[index]
    return cameMs === undefined ? [] : [calledMs - cameMs]
  }))
}

/** Whole milliseconds from 1, as senders draw them. */
export const hopDelayCdf = (muPerMs: number) => (delayMs: number): number => 1 - Math.exp(-muPerMs * Math.max(0, delayMs))

/** The gate on the last delay before a courier acts. */
export const lastHopGate = (topology: Topology, run: RecordedRun): Gate => {
  const { muPerMs } = topology.params
  const delays = lastDelaysOf(run, new Set(topology.serviceNodes.map(({ name }) => name)))
  // a draw is rounded up to a whole millisecond, and the node reads its clock in whole ones
  return followsLaw({ name: "last-hop/delay", meaning: "distance of the delays before a courier acts from the exponential law that senders draw" },
    delays, hopDelayCdf(muPerMs), 2 * muPerMs)
}
