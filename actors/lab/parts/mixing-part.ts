/**
 * Packets under observation: what each hop and the whole way hide, from whoever watches the links and from whoever runs some of the nodes besides.
 *
 * ε_E is the advantage of the best adversary known here in the game of one traversal: of two clients, which one sent this packet? The paper's bound on linking
 * is 4·ε_E + δ, with δ the advantage against BACAP, which is cryptography's and taken as 0.
 *
 * Contract: one world, in which clients send at their rates and nothing else happens; the broken one is the same with mixes that do not wait.
 * Knows nothing of: jobs, storage, threads, reports.
 * Source: funion.md §5; arXiv 2505.18398 Theorem 4.4; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { GuessingAttack } from "../../../src/anonymity/attacks/attack-result.ts"
import { compromisedShare } from "../../../src/anonymity/attacks/compromised-mixes.ts"
import { distinguishSenders } from "../../../src/anonymity/attacks/sender-distinguisher.ts"
import { timingMatcher, type MatchingBatch } from "../../../src/anonymity/attacks/timing-matcher.ts"
import { learnedMatcher } from "../../../src/anonymity/attacks/learned-matcher.ts"
import { exponentialLaw } from "../../../src/anonymity/delay-law.ts"
import { seededDraws, type Draw } from "../../../src/anonymity/draws.ts"
import { hopTraffic, originOf, type PacketFlow } from "../../../src/anonymity/flow.ts"
import { hopPosterior, knownPosterior } from "../../../src/anonymity/hop-posterior.ts"
import { scaledInterval } from "../../../src/anonymity/metrics/advantage.ts"
import { clopperPearson } from "../../../src/anonymity/metrics/interval.ts"
import { routeEntropy } from "../../../src/anonymity/metrics/route-entropy.ts"
import { routeBeliefs, type RouteBeliefs } from "../../../src/anonymity/route-posterior.ts"
import { at } from "../../../src/anonymity/series.ts"
import type { Topology } from "../../../src/topology/topology.ts"
import type { Variant } from "../../simulator/world.ts"
import { atMost, GATE_LEVEL, type Gate } from "../../../src/anonymity/gate.ts"
import { mixingNetwork } from "../lab-network.ts"
import { entropySeries, type Figure } from "../../../src/anonymity/findings.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { hopMeasures, packetFlow, type HopMeasures } from "../measures/node-measures.ts"
import { recordWorld, type Recording } from "../recorded-world.ts"

interface Size {
  readonly clients: number
  readonly spanMs: number
  /** Packets that games are played about. */
  readonly games: number
}

const SIZES: Readonly<Record<LabScale, Size>> = {
  test: { clients: 20, spanMs: 30_000, games: 120 },
  quick: { clients: 24, spanMs: 60_000, games: 300 },
  large: { clients: 48, spanMs: 600_000, games: 2_000 }
}

const MIXES_PER_LAYER = 2

export const mixingTopology = (scale: LabScale): Topology => mixingNetwork({ clients: SIZES[scale].clients, mixesPerLayer: MIXES_PER_LAYER })

/** A world of packets alone. */
export const runMixingWorld = (topology: Topology, seed: number, spanMs: number, variants?: ReadonlyMap<string, Variant>): Promise<Recording<void>> =>
  recordWorld({ topology, seed, ...(variants === undefined ? {} : { variants }), keeps: ({ call }) => call === "Forward" || call === "Submit" },
    () => Effect.sleep(spanMs))

/** Beliefs about all mixes and gateways; those whose inside the adversary sees are known. */
const beliefsOf = ({ gateways, mixes, params }: Topology, flow: PacketFlow, inside: ReadonlySet<string>): RouteBeliefs => {
  const law = exponentialLaw(params.muPerMs)
  return routeBeliefs(flow, [...gateways, ...mixes].map(({ name }) => {
    const traffic = hopTraffic(flow, name)
    return inside.has(name) ? knownPosterior(traffic) : hopPosterior(traffic, law)
  }))
}

/** Packets of clients that reached a service node after the network had filled, spread over the recording. */
const exitsOf = ({ clients, params, serviceNodes }: Topology, flow: PacketFlow, count: number): ReadonlyArray<number> => {
  const ends = new Set(serviceNodes.map(({ name }) => flow.names.indexOf(name)))
  const senders = new Set(clients.map(({ name }) => flow.names.indexOf(name)))
  const warmMs = at(flow.instantMs, 0) + (10 * (params.mixLayers + 2)) / params.muPerMs
  const all = Array.from(flow.instantMs.keys()).filter((event) =>
    ends.has(at(flow.to, event)) && at(flow.instantMs, event) > warmMs && senders.has(at(flow.from, originOf(flow, event))))
  const step = Math.max(1, Math.floor(all.length / count))
  return all.filter((_, index) => index % step === 0).slice(0, count)
}

/** Consecutive exits, with when each packet set out. */
const MATCH_BATCH = 10
const matchingBatches = (flow: PacketFlow, exits: ReadonlyArray<number>): ReadonlyArray<MatchingBatch> =>
  Array.from({ length: Math.floor(exits.length / MATCH_BATCH) }, (_, batch) => {
    const some = exits.slice(batch * MATCH_BATCH, (batch + 1) * MATCH_BATCH)
    const entries = some.map((exit) => ({ exit, entryMs: at(flow.instantMs, originOf(flow, exit)) })).sort((one, other) => one.entryMs - other.entryMs)
    return {
      entryMs: entries.map(({ entryMs }) => entryMs),
      exitMs: some.map((exit) => at(flow.instantMs, exit)),
      exitOf: entries.map(({ exit }) => some.indexOf(exit))
    }
  })

/** Exits one after the other, for matching: packets that could be taken for each other. */
const neighbouringExits = (topology: Topology, flow: PacketFlow, count: number): ReadonlyArray<number> =>
  exitsOf(topology, flow, Number.MAX_SAFE_INTEGER).slice(0, count)

interface Sets {
  readonly name: string
  readonly inside: ReadonlyArray<string>
}

/** What an adversary may run besides watching. */
const insideSets = ({ gateways, mixes }: Topology): ReadonlyArray<Sets> => {
  const inLayer = (layer: number) => mixes.filter((mix) => mix.layer === layer).map(({ name }) => name)
  const firsts = [0, 1, 2].flatMap((layer) => inLayer(layer).slice(0, 1))
  return [
    { name: "links alone", inside: [] },
    { name: "links + 1 mix of each layer", inside: firsts },
    { name: "links + all mixes of layers 0 and 1", inside: [...inLayer(0), ...inLayer(1)] },
    { name: "links + all mixes but one", inside: mixes.slice(0, -1).map(({ name }) => name) },
    { name: "links + all gateways", inside: gateways.map(({ name }) => name) },
    { name: "links + all gateways and mixes", inside: [...gateways, ...mixes].map(({ name }) => name) }
  ]
}

/** Bound of ε_E: a packet in the clear gives 1; on sound networks of this size and these rates the exact posterior wins 0.27 to 0.33. */
const TRAVERSAL_MARGIN = 0.45

export interface MixingMeasures {
  readonly hops: HopMeasures
  /** The attacks that ε_E is made from: of somebody who sees links alone. */
  readonly traversals: ReadonlyArray<GuessingAttack>
  readonly gates: ReadonlyArray<Gate>
  readonly figures: ReadonlyArray<Figure>
}

const hopFigures = ({ gateways, mixes }: HopMeasures, seed: number): ReadonlyArray<Figure> =>
  [...mixes, ...gateways].flatMap(({ bits, departures, expectedBits, node, observer, poolSize }): ReadonlyArray<Figure> => [{
    group: "entropy per hop", name: node, estimate: bits, unit: "bits", adversary: "network", samples: departures, seed,
    note: `λ/µ ${poolSize.toFixed(1)}, log2(λe/µ) ${expectedBits.toFixed(2)}, better observer: ${observer}`
  }])

/** Everything about one recording of packets. @param games  packets that games are played about */
export const measureMixing = (topology: Topology, recording: Recording<void>, seed: number, games: number): MixingMeasures => {
  const draw: Draw = seededDraws(seed)
  const flow = packetFlow(recording)
  const hops = hopMeasures(topology, flow)
  const clients = topology.clients.map(({ name }) => name)
  const exits = exitsOf(topology, flow, games)
  const layers = [0, 1, 2].map((layer) => topology.mixes.filter((mix) => mix.layer === layer).map(({ name }) => name))
  const traversals = insideSets(topology).map(({ inside, name }) => {
    const beliefs = beliefsOf(topology, flow, new Set(inside))
    return { name, inside, beliefs, attack: distinguishSenders(name, beliefs, exits, clients, draw), share: compromisedShare(flow, exits, layers, inside) }
  })
  const [network] = traversals
  if (network === undefined) throw new RangeError("no adversary")
  const route = routeEntropy(network.beliefs, exits)
  const matching = matchingBatches(flow, neighbouringExits(topology, flow, games))
  const law = { hopCount: topology.params.mixLayers + 1, muPerMs: topology.params.muPerMs, fixedMs: 0 }
  const byTiming = timingMatcher(matching, law, draw)
  const features = matching.map(({ entryMs, exitMs, exitOf }) =>
    ({ left: Array.from(entryMs, (ms) => [ms]), right: Array.from(exitMs, (ms) => [ms]), rightOf: exitOf }))
  const half = Math.floor(features.length / 2)
  const learned = learnedMatcher("matching, learned", features.slice(0, half), features.slice(half), draw)
  const { chance, trials, value, wins } = network.attack.advantage
  const guessing = (name: string, attack: { readonly advantage: typeof network.attack.advantage }, note: string, group = "packets"): Figure =>
    ({ group, name, estimate: attack.advantage, unit: "advantage", adversary: "network", samples: attack.advantage.trials, seed, note })
  return {
    hops,
    traversals: [network.attack, byTiming.pairs, learned.allDistances.pairs],
    gates: [
      ...hops.gates,
      atMost({ name: "traversal/epsilon", meaning: "ε_E: which of two clients sent a packet, by the beliefs about all hops" },
        { value, interval: scaledInterval(clopperPearson(wins, trials, GATE_LEVEL), chance) }, TRAVERSAL_MARGIN, trials, 50)
    ],
    figures: [
      ...hopFigures(hops, seed),
      { group: "entropy of the way", name: "which packet", estimate: route.packetBits, unit: "bits", adversary: "network", samples: route.exits, seed },
      {
        group: "entropy of the way", name: "which client", estimate: route.senderBits, unit: "bits", adversary: "network", samples: route.exits, seed,
        note: `of log2(${clients.length}) = ${Math.log2(clients.length).toFixed(2)}`
      },
      guessing("of two packets, which is which", byTiming.pairs, "maximum likelihood on the time between entry and exit"),
      guessing(`of ${MATCH_BATCH} packets in a row, the whole pairing`, byTiming.whole, "the same"),
      guessing("of two packets, learned", learned.allDistances.pairs, "trained on half of the batches"),
      ...traversals.map(({ attack, name, share }): Figure => ({
        group: "which of two clients sent it", name, estimate: attack.advantage, unit: "advantage", adversary: name, samples: attack.advantage.trials, seed,
        note: `packets that met no honest mix: ${(100 * share.share.value).toFixed(0)} %`
      }))
    ]
  }
}

export const mixingPart = async ({ scale, seed }: PartChoice): Promise<LabPart> => {
  const topology = mixingTopology(scale)
  const { games, spanMs } = SIZES[scale]
  const recording = await runMixingWorld(topology, seed, spanMs)
  const { figures, gates, hops, traversals } = measureMixing(topology, recording, seed, games)
  const series = [entropySeries("mixes", hops.mixes), entropySeries("gateways", hops.gateways)]
  return { ...emptyPart("mixing"), traversals, figures, gates, series, traceHashes: [recording.traceHash] }
}
