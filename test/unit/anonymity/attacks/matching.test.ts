/**
 * Attacks that pair things: they win where something is broken, and guess where nothing is.
 *
 * Goal: an attack that can't win against a broken network proves nothing, one that wins against an ideal one is wrong; both are shown of each.
 * Method: networks on paper, fixed seeds. "At chance": a blind guesser does as well with probability above 0.001, so each such claim has that rate of false
 * alarms over seeds.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { cheapestAssignment } from "../../../../src/anonymity/attacks/assignment.ts"
import type { GuessingAttack } from "../../../../src/anonymity/attacks/attack-result.ts"
import { trainLogistic, trainScorer, trainStumps } from "../../../../src/anonymity/attacks/classifier.ts"
import { compromisedShare } from "../../../../src/anonymity/attacks/compromised-mixes.ts"
import { ioLinker, type JobBatch } from "../../../../src/anonymity/attacks/io-linker.ts"
import { testPairing } from "../../../../src/anonymity/attacks/pairing-test.ts"
import { nMinusOne } from "../../../../src/anonymity/attacks/n-minus-one.ts"
import { distinguishSenders } from "../../../../src/anonymity/attacks/sender-distinguisher.ts"
import { timingMatcher, type MatchingBatch } from "../../../../src/anonymity/attacks/timing-matcher.ts"
import { exponentialLaw } from "../../../../src/anonymity/delay-law.ts"
import { drawExponential, drawIndex, drawNormal, drawOrder, seededDraws, type Draw } from "../../../../src/anonymity/draws.ts"
import { hopTraffic } from "../../../../src/anonymity/flow.ts"
import { pairsBlindly } from "../../../../src/anonymity/gate.ts"
import { hopPosterior, knownPosterior } from "../../../../src/anonymity/hop-posterior.ts"
import { areaUnderCurve } from "../../../../src/anonymity/metrics/roc.ts"
import { routeBeliefs } from "../../../../src/anonymity/route-posterior.ts"
import { at } from "../../../../src/anonymity/series.ts"
import type { StorageEvent } from "../../../../src/anonymity/trace.ts"
import { exitsOf, mixNames, modelFlow, type ModelOptions } from "../mixnet-model.ts"

const MU = 0.05
const DEALINGS = 10_000
const GATE = { name: "test/linking", meaning: "which answer belongs to which input" }

const expectBlind = (attack: GuessingAttack): void => {
  expect(attack.probability, attack.name).toBeGreaterThan(0.001)
  expect(attack.advantage.interval.lower, attack.name).toBeLessThan(0.1)
}

describe("assignment", () => {
  it("is the cheapest of all, by trying all", () => {
    const draw = seededDraws(1)
    const orders = (items: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
      items.length === 0 ? [[]] : items.flatMap((first) => orders(items.filter((item) => item !== first)).map((rest) => [first, ...rest]))
    for (let n = 1; n <= 6; n++) {
      const costs = Float64Array.from({ length: n * n }, () => drawNormal(draw) * 10)
      const costOf = (columns: ArrayLike<number>): number => Array.from(columns).reduce((total, column, row) => total + at(costs, row * n + column), 0)
      expect(costOf(cheapestAssignment(costs, n))).toBeCloseTo(Math.min(...orders([...Array(n).keys()]).map(costOf)), 9)
    }
  })
})

describe("classifier", () => {
  const samples = (rowOf: (draw: Draw, label: number) => ReadonlyArray<number>, seed: number, count = 300) => {
    const draw = seededDraws(seed)
    const labels = Array.from({ length: count }, (_, index) => index % 2)
    return { labels, rows: labels.map((label) => rowOf(draw, label)) }
  }
  const areaOf = (train: typeof trainScorer, rowOf: (draw: Draw, label: number) => ReadonlyArray<number>): number => {
    const score = train(samples(rowOf, 1))
    const { labels, rows } = samples(rowOf, 2)
    const scores = rows.map(score)
    return areaUnderCurve(scores.filter((_, index) => labels[index] === 1), scores.filter((_, index) => labels[index] === 0)).value
  }
  const shifted = (draw: Draw, label: number) => [drawNormal(draw), drawNormal(draw) + label, 7]
  const ring = (draw: Draw, label: number) => [drawNormal(draw), (1 + label) * drawNormal(draw)]
  const nothing = (draw: Draw) => [drawNormal(draw), draw()]

  it("finds a shift nearly as well as the ideal test", () => {
    // ideal: 0.760
    expect(areaOf(trainLogistic, shifted)).toBeGreaterThan(0.7)
    expect(areaOf(trainStumps, shifted)).toBeGreaterThan(0.68)
    expect(areaOf(trainScorer, shifted)).toBeGreaterThan(0.7)
  })
  it("finds a spread that no sum shows", () => {
    expect(areaOf(trainLogistic, ring)).toBeLessThan(0.6)
    expect(areaOf(trainScorer, ring)).toBeGreaterThan(0.62)
  })
  it("finds nothing in nothing", () => {
    expect(Math.abs(areaOf(trainScorer, nothing) - 0.5)).toBeLessThan(0.1)
    expect(trainScorer({ rows: [], labels: [] })([1, 2])).toBe(0)
  })
})

describe("matching by timing", () => {
  const batches = (count: number, spreadMs: number, delayMs: (draw: Draw) => number, seed: number): ReadonlyArray<MatchingBatch> => {
    const draw = seededDraws(seed)
    return Array.from({ length: count }, () => {
      const entryMs = Float64Array.from({ length: 10 }, () => draw() * spreadMs)
      const exitOf = drawOrder(draw, 10)
      const exitMs = new Float64Array(10)
      exitOf.forEach((exit, entry) => (exitMs[exit] = at(entryMs, entry) + 30 + delayMs(draw)))
      return { entryMs, exitMs, exitOf }
    })
  }
  const law = { hopCount: 4, muPerMs: MU, fixedMs: 30 }
  const erlang = (draw: Draw): number => [1, 2, 3, 4].reduce((total) => total + drawExponential(draw, MU), 0)

  it("wins without delays", () => {
    const { pairs, whole } = timingMatcher(batches(30, 100, () => 0, 1), law, seededDraws(2))
    expect(pairs.advantage.value).toBe(1)
    expect(whole.advantage.value).toBe(1)
    expect(whole.batchSize).toBe(10)
  })
  it("guesses among packets that came together and waited as they should", () => {
    const { pairs, whole } = timingMatcher(batches(60, 0.5, erlang, 3), law, seededDraws(4))
    expectBlind(pairs)
    expectBlind(whole)
  })
  it("gains from packets that did not come together, and less than without delays", () => {
    const { pairs } = timingMatcher(batches(60, 400, erlang, 5), law, seededDraws(6))
    expect(pairs.probability).toBeLessThan(1e-6)
    expect(pairs.advantage.value).toBeLessThan(0.95)
  })
})

/** A batch of jobs as storage sees it: uploads, reads of inputs, writes of outputs, fetches; each step in some order of jobs. */
const jobBatch = (draw: Draw, jobs: number, orderly: boolean): JobBatch => {
  const boxes = 4
  const storage: Array<StorageEvent> = []
  const step = (kind: string, operation: "read" | "write", startMs: number, mixed: boolean): void => {
    const slots = Array.from({ length: jobs * boxes }, (_, slot) => slot)
    const order = mixed ? [...drawOrder(draw, slots.length)] : slots
    order.forEach((slot, place) =>
      storage.push({
        instantMs: startMs + 20 * place + draw(), replica: "replica-0", operation, boxId: `${kind}-${Math.floor(slot / boxes)}-${slot % boxes}`, found: true
      }))
  }
  step("in", "write", 0, false)
  step("in", "read", 10_000, !orderly)
  step("out", "write", 20_000, !orderly)
  const arrivalOrder = drawOrder(draw, jobs)
  for (const job of arrivalOrder) {
    for (let box = 0; box < boxes; box++) {
      storage.push({ instantMs: 30_000 + 100 * at(arrivalOrder, job) + box, replica: "replica-0", operation: "read", boxId: `out-${job}-${box}`, found: true })
    }
  }
  const names = (kind: string, job: number): ReadonlyArray<string> => Array.from({ length: boxes }, (_, box) => `${kind}-${job}-${box}`)
  return { storage, jobs: Array.from({ length: jobs }, (_, job) => ({ inputBoxes: names("in", job), outputBoxes: names("out", job) })) }
}

describe("IO-U", () => {
  const batches = (seed: number, count: number, orderly: boolean) => {
    const draw = seededDraws(seed)
    return Array.from({ length: count }, () => jobBatch(draw, 6, orderly))
  }
  it("is won where outputs are written in the order of inputs, by all three observers", () => {
    const { allDistances, inOrder, oneDistance, test } = ioLinker(batches(1, 20, true), 6, seededDraws(3), DEALINGS)
    for (const { pairs } of [oneDistance, allDistances, inOrder]) expect(pairs.advantage.interval.lower).toBeGreaterThan(0.7)
    expect(allDistances.whole.advantage.interval.lower).toBeGreaterThan(0.8)
    expect(test.best).toBeGreaterThan(0.9)
    expect(pairsBlindly(GATE, test, 40).pass).toBe(false)
  })
  it("is guessed where each step of a batch is one shuffle", () => {
    const { allDistances, oneDistance, test } = ioLinker(batches(4, 30, false), 6, seededDraws(6), DEALINGS)
    for (const outcome of [allDistances, oneDistance]) {
      expectBlind(outcome.pairs)
      expectBlind(outcome.whole)
    }
    expect(allDistances.pairs.batchSize).toBe(6)
    expect(pairsBlindly(GATE, test, 40).pass).toBe(true)
  })
  it("with about as many jobs as in the quick lab, the gate fails at an advantage of 0.3", () => {
    const { test } = ioLinker(batches(7, 31, false), 4, seededDraws(8), DEALINGS)
    expect(test.critical).toBeLessThan(0.3)
    expect(pairsBlindly(GATE, { ...test, best: 0.3 }, 40).pass).toBe(false)
    // all pairs of six tell as much as about seven games, not as three
    expect(test.effectiveGames / 27).toBeGreaterThan(5)
  })
})

describe("all pairs against chance", () => {
  it("blind observers pass the critical advantage as seldom as they should", () => {
    const draw = seededDraws(21)
    const batch = () => {
      const scores = Float64Array.from({ length: 36 }, () => drawNormal(draw))
      return { size: 6, rightOf: drawOrder(draw, 6), score: (left: number, right: number) => at(scores, 6 * left + right) }
    }
    let alarms = 0
    for (let repeat = 0; repeat < 100; repeat++) {
      const observers = new Map(["one", "other"].map((name) => [name, Array.from({ length: 6 }, batch)] as const))
      const { best, critical } = testPairing(observers, draw, { dealings: 400, level: 0.9 })
      if (best > critical) alarms++
    }
    // 10 expected of 100; five standard deviations
    expect(alarms).toBeGreaterThan(0)
    expect(alarms).toBeLessThan(26)
  })
  it("the interval covers the advantage of an observer as often as it says, though pairs of a batch hang together and batches differ", () => {
    const draw = seededDraws(22)
    /** In one batch of two the observer knows everything, in the other nothing: an advantage of 0.5. */
    const batch = () => {
      const scores = Float64Array.from({ length: 36 }, () => drawNormal(draw))
      const rightOf = drawOrder(draw, 6)
      const knows = draw() < 0.5
      return { size: 6, rightOf, score: (left: number, right: number) => (knows ? (at(rightOf, left) === right ? 1 : 0) : at(scores, 6 * left + right)) }
    }
    let covered = 0
    for (let repeat = 0; repeat < 400; repeat++) {
      const { best, interval } = testPairing(new Map([["one", Array.from({ length: 20 }, batch)]]), draw, { dealings: 1 })
      expect(interval.lower).toBeLessThanOrEqual(best)
      if (interval.lower <= 0.5 && interval.upper >= 0.5) covered++
    }
    // five standard deviations below 95 of 100
    expect(covered / 400).toBeGreaterThan(0.95 - 5 * Math.sqrt(0.95 * 0.05 / 400))
  })
  it("counts the effective games of the observer who is best, and corrects the interval for the number of observers", () => {
    const draw = seededDraws(23)
    const truths = Array.from({ length: 8 }, () => drawOrder(draw, 4))
    const constant = truths.map((rightOf) => ({ size: 4, rightOf, score: () => 0 }))
    const better = truths.map((rightOf) => {
      const noise = Float64Array.from({ length: 16 }, () => drawNormal(draw))
      return { size: 4, rightOf, score: (left: number, right: number) => (at(rightOf, left) === right ? 1 : 0) + at(noise, 4 * left + right) }
    })
    const alone = testPairing(new Map([["better", better]]), seededDraws(24), { dealings: 500 })
    const both = testPairing(new Map([["constant", constant], ["better", better]]), seededDraws(24), { dealings: 500 })
    expect(both.best).toBe(alone.best)
    expect(both.effectiveGames).toBeCloseTo(alone.effectiveGames, 9)
    expect(both.interval.upper - both.interval.lower).toBeGreaterThan(alone.interval.upper - alone.interval.lower)
  })
})

const NETWORK: ModelOptions = { seed: 4, clients: 20, ratePerMs: 0.02, muPerMs: MU, layers: [2, 2, 2], durationMs: 8000 }

const beliefsOf = (options: ModelOptions, compromised: ReadonlyArray<string> = []) => {
  const flow = modelFlow(options)
  return routeBeliefs(flow, mixNames(options.layers).map((node) =>
    compromised.includes(node) ? knownPosterior(hopTraffic(flow, node)) : hopPosterior(hopTraffic(flow, node), exponentialLaw(options.muPerMs))))
}

describe("telling two senders apart", () => {
  const clients = Array.from({ length: NETWORK.clients }, (_, index) => `client-${index}`)
  const play = (options: ModelOptions, compromised: ReadonlyArray<string> = []) => {
    const beliefs = beliefsOf(options, compromised)
    const exits = exitsOf(beliefs.flow, 2000, 7500).filter((_, index) => index % 8 === 0)
    return distinguishSenders("senders", beliefs, exits, clients, seededDraws(7)).advantage
  }
  const honest = play(NETWORK)

  it("is won without delays, and with all mixes compromised", () => {
    expect(play({ ...NETWORK, delayMs: () => 0 }).interval.lower).toBeGreaterThan(0.95)
    expect(play(NETWORK, mixNames(NETWORK.layers)).value).toBe(1)
  })
  it("gains little where each client sends several packets within a way's time, and still less where it sends more", () => {
    expect(honest.value).toBeLessThan(0.55)
    const busy = play({ ...NETWORK, ratePerMs: 0.1, clients: 8, durationMs: 5000 })
    expect(busy.interval.upper).toBeLessThan(honest.value)
  })
  it("two of three layers compromised give more than none, and not all", () => {
    const two = play(NETWORK, mixNames(NETWORK.layers).filter((name) => !name.startsWith("mix-1")))
    expect(two.value).toBeGreaterThan(honest.interval.lower)
    expect(two.value).toBeLessThan(0.95)
  })
})

describe("compromised mixes", () => {
  it("a way is wholly compromised as often as uniform choice says", () => {
    const flow = modelFlow(NETWORK)
    const layers = [0, 1, 2].map((layer) => mixNames(NETWORK.layers).filter((name) => name.startsWith(`mix-${layer}`)))
    const exits = exitsOf(flow, 0, 8000)
    const { expected, share } = compromisedShare(flow, exits, layers, ["mix-0-0", "mix-1-0", "mix-2-0"])
    expect(expected).toBe(0.125)
    // five standard deviations
    expect(Math.abs(share.value - expected)).toBeLessThan(5 * Math.sqrt(0.125 * 0.875 / exits.length))
    expect(compromisedShare(flow, exits, layers, ["mix-0-0", "mix-0-1", "mix-1-0"]).share.value).toBe(0)
  })
})

describe("n − 1", () => {
  const law = { hopCount: 1, muPerMs: MU, fixedMs: 0 }
  const trials = (others: number, noticed: number) => {
    const draw = seededDraws(13)
    return Array.from({ length: 60 }, () => {
      const exitMs = Array.from({ length: others + 1 }, () => drawExponential(draw, MU))
      return { entryMs: 0, exitMs, exit: drawIndex(draw, others + 1), noticed: draw() < noticed }
    })
  }
  it("finds the packet in an emptied node, is lost among others, and counts for nothing when it was noticed", () => {
    expect(nMinusOne(trials(0, 0), law, 15, seededDraws(1)).attack.advantage.value).toBe(1)
    expectBlind(nMinusOne(trials(14, 0), law, 15, seededDraws(1)).attack)
    const seen = nMinusOne(trials(0, 1), law, 15, seededDraws(1))
    expect(seen.attack.advantage.value).toBeLessThanOrEqual(0)
    expect(seen.noticed.value).toBe(1)
  })
})
