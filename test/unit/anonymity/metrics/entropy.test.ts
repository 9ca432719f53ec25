/**
 * Entropy of hops and routes: theory's value where nodes do as they should, none where they don't.
 *
 * Goal: the exact posterior against brute force; log2(λe/µ) within 0.1 bit; every way of not mixing is seen.
 * Method: all pairings of small traces enumerated; the network on paper with fixed seeds.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { drawExponential, type Draw } from "../../../../src/anonymity/draws.ts"
import { exponentialLaw, STEPS_PER_MS } from "../../../../src/anonymity/delay-law.ts"
import { hopTraffic, originOf, routeOf, type HopTraffic } from "../../../../src/anonymity/flow.ts"
import { hopPosterior, knownPosterior, rowOf } from "../../../../src/anonymity/hop-posterior.ts"
import { entropyBits, hopEntropy } from "../../../../src/anonymity/metrics/hop-entropy.ts"
import { routeEntropy } from "../../../../src/anonymity/metrics/route-entropy.ts"
import { originWeights, routeBeliefs, senderWeights } from "../../../../src/anonymity/route-posterior.ts"
import { at, mean } from "../../../../src/anonymity/series.ts"
import { exitsOf, mixNames, modelFlow } from "../mixnet-model.ts"

const MU = 0.05

const traffic = (arrivalMs: ReadonlyArray<number>, departureMs: ReadonlyArray<number>): HopTraffic => {
  const events = [...arrivalMs, ...departureMs].sort((one, other) => one - other)
  return {
    node: "mix",
    arrivalEvents: Int32Array.from(arrivalMs, (instant) => events.indexOf(instant)),
    arrivalMs: Float64Array.from(arrivalMs),
    departureEvents: Int32Array.from(departureMs, (instant) => events.indexOf(instant)),
    departureMs: Float64Array.from(departureMs),
    sourceOf: Int32Array.from(departureMs, (_, index) => index)
  }
}

const pairings = (departures: number, arrivals: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  departures === 0 ? [[]] : arrivals.flatMap((last) =>
    pairings(departures - 1, arrivals.filter((arrival) => arrival !== last)).map((rest) => [...rest, last]))

describe("posterior of one node", () => {
  it("of an exponential node equals the one by enumeration of all pairings", () => {
    const arrivals = [1, 2, 5, 6, 8, 11]
    const departures = [3, 7, 9, 10]
    const node = traffic(arrivals, departures)
    const weights = departures.map(() => arrivals.map(() => 0))
    let total = 0
    for (const pairing of pairings(departures.length, arrivals.map((_, index) => index))) {
      if (pairing.some((arrival, departure) => arrivals[arrival]! >= departures[departure]!)) continue
      // likelihood of the delays that ended, and of those that had not yet ended at the last instant
      const stayed = arrivals.filter((_, arrival) => !pairing.includes(arrival)).map((arrival) => Math.exp(-MU * (11 - arrival)))
      const likelihood = pairing.reduce((product, arrival, departure) => product * MU * Math.exp(-MU * (departures[departure]! - arrivals[arrival]!)), 1) *
        stayed.reduce((product, factor) => product * factor, 1)
      total += likelihood
      pairing.forEach((arrival, departure) => (weights[departure]![arrival]! += likelihood))
    }
    const exact = hopPosterior(node, exponentialLaw(MU))
    // the general filter with equal weights at all ages must come to the same
    const filtered = hopPosterior(node, { name: "flat", horizonMs: 100, weights: new Float64Array(100 * STEPS_PER_MS + 1).fill(1) }, 0)
    departures.forEach((_, departure) => {
      for (const posterior of [exact, filtered]) {
        rowOf(posterior, departure).forEach((probability, arrival) => expect(probability).toBeCloseTo(weights[departure]![arrival]! / total, 10))
        const row = rowOf(posterior, departure)
        expect(at(posterior.entropyBits, departure)).toBeCloseTo(entropyBits(row), 10)
        expect(at(posterior.lossBits, departure)).toBeCloseTo(-Math.log2(at(row, departure)), 10)
      }
    })
  })
})

const nodeEntropy = (poolSize: number, delayMs?: (draw: Draw, node: string) => number, seed = 1) => {
  const flow = modelFlow({
    seed, clients: 10, ratePerMs: MU * poolSize / 10, muPerMs: MU, layers: [1], durationMs: 12_000 / (MU * poolSize), ...(delayMs ? { delayMs } : {})
  })
  return hopEntropy(hopTraffic(flow, "mix-0-0"), MU)
}

describe("entropy per hop", () => {
  it("is log2(λe/µ) within 0.1 bit for λ/µ = 5, 15, 40, and the interval says how sure that is", () => {
    for (const poolSize of [5, 15, 40]) {
      const measured = nodeEntropy(poolSize)
      expect(Math.abs(measured.bits.value - measured.expectedBits)).toBeLessThan(0.1)
      expect(Math.abs(measured.promisedBits.value - measured.expectedBits)).toBeLessThan(0.1)
      expect(measured.bits.interval.upper - measured.bits.interval.lower).toBeLessThan(0.25)
      expect(measured.observer).toBe("exponential")
    }
  })
  it("whole-millisecond delays hide as much, as long as instants are whole, too", () => {
    const measured = nodeEntropy(15, (draw) => Math.floor(drawExponential(draw, MU)) + draw())
    expect(Math.abs(measured.bits.value - measured.expectedBits)).toBeLessThan(0.12)
  })
  it("collapses at a node without delays", () => {
    const measured = nodeEntropy(15, () => 0)
    expect(measured.bits.value).toBeLessThan(0.2)
  })
  it("collapses at a node with one constant delay, though who trusts the parameters sees nothing of it", () => {
    const measured = nodeEntropy(15, () => 20)
    expect(measured.promisedBits.value).toBeGreaterThan(4)
    expect(measured.observer).toBe("learned")
    expect(measured.bits.value).toBeLessThan(1)
  })
  it("falls where an instant keeps its fraction of a millisecond through the node", () => {
    const measured = nodeEntropy(15, (draw) => Math.floor(drawExponential(draw, MU)) + 1)
    expect(measured.observer).toBe("learned")
    expect(measured.bits.value).toBeLessThan(measured.expectedBits - 2)
  })
  it("falls where delays are too short", () => {
    const measured = nodeEntropy(15, (draw) => drawExponential(draw, 4 * MU))
    expect(measured.bits.value).toBeLessThan(measured.expectedBits - 1.5)
  })
})

const LAYERS = [2, 2, 2]
const NETWORK = { seed: 4, clients: 20, ratePerMs: 0.02, muPerMs: MU, layers: LAYERS, durationMs: 6000 }

const beliefsOf = (options: typeof NETWORK & { readonly delayMs?: (draw: Draw, node: string) => number }, compromised: ReadonlyArray<string> = []) => {
  const flow = modelFlow(options)
  return routeBeliefs(flow, mixNames(options.layers).map((node) =>
    compromised.includes(node) ? knownPosterior(hopTraffic(flow, node)) : hopPosterior(hopTraffic(flow, node), exponentialLaw(options.muPerMs))))
}

describe("entropy of routes", () => {
  const beliefs = beliefsOf(NETWORK)
  const exits = exitsOf(beliefs.flow, 3000, 5500).filter((_, index) => index % 5 === 0)

  it("weights of origins add up to 1, are calibrated, and are spread over the clients", () => {
    const result = routeEntropy(beliefs, exits)
    for (const exit of exits.slice(0, 10)) {
      expect(originWeights(beliefs, exit).reduce((total, { probability }) => total + probability, 0)).toBeCloseTo(1, 2)
      expect(senderWeights(beliefs, exit).reduce((total, weight) => total + weight, 0)).toBeCloseTo(1, 2)
    }
    expect(Math.abs(result.senderLossBits.value - result.senderBits.value)).toBeLessThan(0.15)
    expect(result.senderBits.value).toBeGreaterThan(Math.log2(20) - 0.6)
    expect(result.senderBits.value).toBeLessThanOrEqual(Math.log2(20))
    expect(result.packetBits.value).toBeGreaterThan(result.senderBits.value)
  })
  it("is the same by the constant-time way and by written rows", () => {
    const { flow } = beliefs
    const flat = { name: "flat", horizonMs: 600, weights: new Float64Array(600 * STEPS_PER_MS + 1).fill(1) }
    const written = routeBeliefs(flow, mixNames(LAYERS).map((node) => hopPosterior(hopTraffic(flow, node), flat, 1e-9)))
    for (const exit of exits.slice(0, 5)) {
      const [one, other] = [senderWeights(beliefs, exit), senderWeights(written, exit)]
      one.forEach((weight, party) => expect(Math.abs(weight - at(other, party))).toBeLessThan(2e-3))
    }
  })
  it("one honest layer keeps most of it; without any the sender is known", () => {
    const oneHonest = routeEntropy(beliefsOf(NETWORK, mixNames(LAYERS).filter((name) => !name.startsWith("mix-1"))), exits)
    expect(oneHonest.senderBits.value).toBeGreaterThan(2.5)
    const none = routeEntropy(beliefsOf(NETWORK, mixNames(LAYERS)), exits)
    expect(none.senderBits.value).toBe(0)
    expect(none.senderLossBits.value).toBe(0)
  })
  it("without delays the sender is known", () => {
    const broken = beliefsOf({ ...NETWORK, delayMs: () => 0 })
    expect(routeEntropy(broken, exitsOf(broken.flow, 3000, 4000)).senderLossBits.value).toBeLessThan(0.05)
  })
  it("the truth of a packet is its chain of events", () => {
    const exit = exits[0]!
    expect(routeOf(beliefs.flow, exit).map((node) => beliefs.flow.names[node]!.slice(0, 5))).toEqual(["mix-0", "mix-1", "mix-2"])
    expect(beliefs.flow.names[at(beliefs.flow.from, originOf(beliefs.flow, exit))]).toMatch(/^client-/)
    expect(mean(exits)).toBeGreaterThan(0)
  })
})
