/**
 * Attacks on the traffic of clients, streams and rounds: they win where cover is missing, and guess where it is not.
 *
 * Goal and method: as in matching.test.ts.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { disclosure } from "../../../../src/anonymity/attacks/intersection.ts"
import { delayLinker, learnKernel, senderLinker, type LinkTrial } from "../../../../src/anonymity/attacks/sender-linker.ts"
import { nearestNeighbour, neighbourTest, streamLinker, type StreamOperations } from "../../../../src/anonymity/attacks/stream-linker.ts"
import { drawExponential, drawIndex, drawOrder, seededDraws } from "../../../../src/anonymity/draws.ts"
import { at } from "../../../../src/anonymity/series.ts"
import { drawPoissonProcess } from "../mixnet-model.ts"

describe("SRTU", () => {
  const LAW = { hopCount: 1, muPerMs: 0.01, fixedMs: 0 }
  /** Ten clients with a Poisson schedule; the one with the job sends more on top unless there is cover. */
  const trials = (seed: number, count: number, cover: boolean): ReadonlyArray<LinkTrial> => {
    const draw = seededDraws(seed)
    return Array.from({ length: count }, () => {
      const client = drawIndex(draw, 10)
      const operationMs = Array.from({ length: 8 }, () => 2000 + 6000 * draw()).sort((one, other) => one - other)
      return {
        client,
        operationMs,
        frameMs: Array.from({ length: 10 }, (_, index) => {
          const own = !cover && index === client ? operationMs.map((instant) => instant - drawExponential(draw, 0.01)) : []
          return Float64Array.from([...drawPoissonProcess(draw, 0.01, 0, 10_000), ...own]).sort()
        })
      }
    })
  }
  it("is won where a client sends on top of its schedule when it has something to send", () => {
    const byLags = senderLinker(learnKernel(trials(1, 60, false), 1000), trials(2, 100, false), seededDraws(3))
    for (const { advantage } of [byLags, delayLinker(LAW, 1000, trials(2, 100, false), seededDraws(3))]) {
      expect(advantage.interval.lower).toBeGreaterThan(0.3)
    }
  })
  it("is guessed where the schedule never changes", () => {
    const byLags = senderLinker(learnKernel(trials(4, 60, true), 1000), trials(5, 100, true), seededDraws(6))
    for (const attack of [byLags, delayLinker(LAW, 1000, trials(5, 100, true), seededDraws(6))]) {
      expect(attack.probability).toBeGreaterThan(0.001)
      expect(attack.batchSize).toBe(10)
    }
  })
})

describe("boxes of one stream", () => {
  const batches = (seed: number, mixed: boolean): ReadonlyArray<StreamOperations> => {
    const draw = seededDraws(seed)
    return Array.from({ length: 20 }, () => {
      const order = mixed ? [...drawOrder(draw, 24)] : Array.from({ length: 24 }, (_, slot) => slot)
      let now = 0
      return { instantMs: order.map(() => (now += drawExponential(draw, 0.1))), streamOf: order.map((slot) => Math.floor(slot / 4)) }
    })
  }
  it("are found where a stream is written in one piece", () => {
    for (const by of ["time", "order"] as const) expect(streamLinker(batches(1, false), seededDraws(2), by).area.interval.lower).toBeGreaterThan(0.8)
    expect(nearestNeighbour(batches(1, false), seededDraws(2)).advantage.interval.lower).toBeGreaterThan(0.5)
    expect(neighbourTest(batches(1, false), seededDraws(2), 15_000).probability).toBeLessThan(1e-4)
  })
  it("are not found in a shuffle", () => {
    for (const by of ["time", "order"] as const) {
      const { interval } = streamLinker(batches(3, true), seededDraws(4), by).area
      expect(interval.lower).toBeLessThan(0.5)
      expect(interval.upper).toBeGreaterThan(0.5)
    }
    expect(nearestNeighbour(batches(3, true), seededDraws(4)).probability).toBeGreaterThan(0.001)
  })
  it("neighbours in a shuffle are of one stream as often as chance has it", () => {
    const probabilities = Array.from({ length: 20 }, (_, seed) => neighbourTest(batches(20 + seed, true), seededDraws(seed), 99).probability)
    expect(Math.min(...probabilities)).toBeLessThan(0.5)
    // Binomial(20, 0.05): more than 5 alarms once in 3,000
    expect(probabilities.filter((probability) => probability <= 0.05).length).toBeLessThan(6)
  })
  it("a stream whose boxes go out together is found among five that are shuffled", () => {
    const draw = seededDraws(8)
    const burst = batches(7, true).map(({ instantMs, streamOf }): StreamOperations => {
      const moved = Array.from(instantMs)
      const first = Array.from(streamOf).findIndex((stream) => stream === 0)
      Array.from(streamOf).forEach((stream, index) => (stream === 0 ? (moved[index] = at(instantMs, first) + draw()) : 0))
      const order = moved.map((_, index) => index).sort((one, other) => moved[one]! - moved[other]!)
      return { instantMs: order.map((index) => moved[index]!), streamOf: order.map((index) => at(streamOf, index)) }
    })
    const { expected, observed, probability } = neighbourTest(burst, seededDraws(9))
    expect(probability).toBeLessThan(0.005)
    expect(observed).toBeGreaterThan(expected)
  })
})

describe("long-run intersection", () => {
  const targets = (seed: number, needsOnline: boolean) => {
    const draw = seededDraws(seed)
    return Array.from({ length: 40 }, () => {
      const client = drawIndex(draw, 50)
      const online = new Uint8Array(80 * 50)
      const event = new Uint8Array(80)
      for (let round = 0; round < 80; round++) {
        for (let who = 0; who < 50; who++) online[round * 50 + who] = draw() < 0.6 ? 1 : 0
        const mayHappen = !needsOnline || online[round * 50 + client] === 1
        event[round] = mayHappen && draw() < 0.4 ? 1 : 0
      }
      return { client, clientCount: 50, event, online }
    })
  }
  it("names a client that is online whenever it happens, after enough rounds", () => {
    const { points } = disclosure("online", targets(1, true), [1, 10, 40, 80], seededDraws(2))
    expect(points[0]!.named.value).toBeLessThan(0.3)
    expect(points[3]!.named.interval.lower).toBeGreaterThan(0.8)
    expect(points.map(({ remainingBits }) => remainingBits)).toEqual(points.map(({ remainingBits }) => remainingBits).toSorted((a, b) => b - a))
    expect(points[3]!.remainingBits).toBeLessThan(0.5)
  })
  it("names nobody when it happens whether or not its client is online", () => {
    const { points } = disclosure("offline", targets(3, false), [80], seededDraws(4))
    expect(points[0]!.named.interval.lower).toBeLessThan(1 / 50)
  })
})
