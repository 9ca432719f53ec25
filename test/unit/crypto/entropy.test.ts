/**
 * Goal: system entropy is fresh and handed out once; seeded entropy depends on seed and label and on nothing else; the Random service made
 * from it is uniform.
 * Method: chi-square tests with fixed seeds. Each has a false-alarm rate of 10^-4 for a random seed; with the seed fixed they never flicker.
 *
 * @module
 */
import { Chunk, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { EntropySource, type Entropy, randomFromEntropy, seededEntropy, systemEntropy } from "../../../src/crypto/entropy.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const chiSquare = (counts: ReadonlyArray<number>): number => {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** Upper 10^-4 quantile of chi-square by Wilson and Hilferty (3.719 standard deviations). */
const limit = (cells: number): number => {
  const k = cells - 1
  return k * (1 - 2 / (9 * k) + 3.719 * Math.sqrt(2 / (9 * k))) ** 3
}

const histogram = (cells: number, draws: number, draw: () => number): Array<number> => {
  const counts = new Array<number>(cells).fill(0)
  for (let i = 0; i < draws; i++) counts[draw()]!++
  return counts
}

describe("system entropy", () => {
  it("gives the length asked for, also beyond its pool, and never the same bytes", () => {
    for (const length of [0, 1, 31, 4095, 4096, 4097, 20000]) expect(systemEntropy(length).length).toBe(length)
    const seen = new Set(Array.from({ length: 2000 }, () => hex(systemEntropy(16))))
    expect(seen.size).toBe(2000)
  })

  it("hands over memory that the caller may overwrite", () => {
    const first = systemEntropy(32)
    expect(first.buffer.byteLength).toBe(32)
    first.fill(0)
    expect(hex(systemEntropy(32))).not.toBe(hex(first))
  })

  it("is what the service gives when nothing else is provided", async () => {
    expect(await Effect.runPromise(Effect.map(EntropySource, (entropy) => entropy === systemEntropy))).toBe(true)
    const fixed: Entropy = (count) => new Uint8Array(count).fill(7)
    expect(await Effect.runPromise(Effect.provideService(Effect.map(EntropySource, (entropy) => entropy(2)), EntropySource, fixed))).toEqual(
      Uint8Array.of(7, 7)
    )
  })
})

describe("seeded entropy", () => {
  it("is the same for the same seed and label, whatever the sizes of the requests", () => {
    const whole = seededEntropy(5, "a")(10000)
    const piecewise = seededEntropy("5", "a")
    const pieces = [1, 2, 4093, 0, 1, 3000, 2903].map((count) => piecewise(count))
    expect(hex(new Uint8Array(Buffer.concat(pieces)))).toBe(hex(whole))
  })

  it("differs by seed and by label, and label and seed do not run together", () => {
    const streams = [["1", "a"], ["2", "a"], ["1", "b"], ["1a", ""], ["", "1a"], ["a1", ""], ["", "a1"], ["a", "1"], ["11", "1"], ["1", "11"]] as const
    expect(new Set(streams.map(([seed, label]) => hex(seededEntropy(seed, label)(32)))).size).toBe(streams.length)
  })

  it("keeps its bytes from release to release", () => {
    expect(hex(seededEntropy(1, "funion")(16))).toBe("84fe353577b53c1d31c972a3489ff0c0")
  })

  it("has uniform bytes", () => {
    const entropy = seededEntropy(1, "bytes")
    expect(chiSquare(histogram(256, 100_000, () => entropy(1)[0]!))).toBeLessThan(limit(256))
  })
})

describe("Random from entropy", () => {
  const random = (label: string) => randomFromEntropy(seededEntropy(2, label))
  const draw = <A>(effect: Effect.Effect<A>) => () => Effect.runSync(effect)

  it("draws doubles that are uniform in [0, 1), in their high and in their low bits", () => {
    const values = Array.from({ length: 50_000 }, draw(random("doubles").next))
    expect(values.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 53))).toBe(true)
    let at = 0
    expect(chiSquare(histogram(100, values.length, () => Math.floor(values[at++]! * 100)))).toBeLessThan(limit(100))
    at = 0
    expect(chiSquare(histogram(32, values.length, () => (values[at++]! * 2 ** 53) % 32))).toBeLessThan(limit(32))
  })

  it("draws integers without bias from ranges small and large, max excluded", () => {
    for (const [min, max] of [[0, 1], [0, 3], [-5, 5], [10, 266], [0, 257], [1, 1001]] as const) {
      const integer = draw(random(`${min} ${max}`).nextIntBetween(min, max))
      expect(chiSquare(histogram(max - min, 30_000, () => integer() - min)) || 0).toBeLessThan(limit(Math.max(2, max - min)))
    }
  })

  it("draws from ranges near 2^53 without bias in halves", () => {
    const bound = 3 * 2 ** 51
    const integer = draw(random("wide").nextIntBetween(0, bound))
    expect(chiSquare(histogram(3, 20_000, () => Math.floor(integer() / 2 ** 51)))).toBeLessThan(limit(3))
  })

  it("gives min for an empty range and stays inside fractional bounds", () => {
    const { nextIntBetween } = random("edges")
    expect(Effect.runSync(nextIntBetween(4, 4))).toBe(4)
    expect(Effect.runSync(nextIntBetween(4, 1))).toBe(4)
    for (let i = 0; i < 100; i++) expect([2, 3]).toContain(Effect.runSync(nextIntBetween(1.5, 3.5)))
  })

  it("draws booleans, integers and ranges", () => {
    const source = random("others")
    expect(chiSquare(histogram(2, 20_000, () => (Effect.runSync(source.nextBoolean) ? 1 : 0)))).toBeLessThan(limit(2))
    expect(chiSquare(histogram(16, 20_000, () => Math.floor(Effect.runSync(source.nextInt) / 2 ** 49)))).toBeLessThan(limit(16))
    expect(chiSquare(histogram(20, 20_000, () => Math.floor(Effect.runSync(source.nextRange(-10, 10)) + 10)))).toBeLessThan(limit(20))
  })

  it("shuffles to every order of four elements equally often and loses nothing", () => {
    const shuffle = draw(random("shuffle").shuffle([0, 1, 2, 3]))
    const indexes = new Map<string, number>()
    const counts = histogram(24, 24_000, () => {
      const order = Chunk.toReadonlyArray(shuffle()).join("")
      expect([...order].sort().join("")).toBe("0123")
      if (!indexes.has(order)) indexes.set(order, indexes.size)
      return indexes.get(order)!
    })
    expect(indexes.size).toBe(24)
    expect(chiSquare(counts)).toBeLessThan(limit(24))
    expect(Chunk.toReadonlyArray(Effect.runSync(random("none").shuffle([])))).toEqual([])
  })

  it("works as the Random of a program", async () => {
    const program = Effect.all([Effect.random.pipe(Effect.flatMap((service) => service.next)), Effect.random.pipe(Effect.flatMap((service) => service.next))])
    const run = () => Effect.runPromise(Effect.withRandom(program, random("program")))
    expect(await run()).toEqual(await run())
  })
})
