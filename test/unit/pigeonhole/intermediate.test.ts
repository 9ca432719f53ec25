/**
 * Choice of intermediates. Goal: disjoint from the shards, uniform, and defined for small networks.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { chooseIntermediates } from "../../../src/pigeonhole/intermediate.ts"

/** All results over all sequences of draws, each with its probability. */
const outcomes = (online: ReadonlyArray<number>, shards: ReadonlyArray<number>): ReadonlyMap<string, number> => {
  const weights = new Map<string, number>()
  const explore = (draws: ReadonlyArray<number>): void => {
    let used = 0
    let weight = 1
    let open = 0
    const chosen = chooseIntermediates(online, shards, (choiceCount) => {
      weight /= choiceCount
      const draw = draws[used++]
      if (draw === undefined && open === 0) open = choiceCount
      return draw ?? 0
    })
    if (open > 0) for (let draw = 0; draw < open; draw++) explore([...draws, draw])
    else weights.set(String(Either.getOrThrow(chosen)), (weights.get(String(Either.getOrThrow(chosen))) ?? 0) + weight)
  }
  explore([])
  return weights
}

describe("chooseIntermediates", () => {
  it("with four or more online is uniform over ordered pairs of replicas that are not shards", () => {
    for (const online of [[1, 2, 3, 4], [9, 8, 7, 6, 5, 4]]) {
      const others = online.filter((id) => id !== 4 && id !== online[0])
      const pairs = others.flatMap((a) => others.filter((b) => b !== a).map((b) => `${a},${b}`))
      const found = outcomes(online, [4, online[0]!])
      expect([...found.keys()].sort()).toEqual(pairs.sort())
      for (const weight of found.values()) expect(weight).toBeCloseTo(1 / pairs.length, 12)
    }
  })
  it("with one shard offline still avoids the other", () => {
    expect([...outcomes([1, 2, 3, 4], [4, 200]).keys()].every((pair) => !pair.includes("4"))).toBe(true)
  })
  it("with three online takes one shard and one other, with two both", () => {
    expect([...outcomes([1, 2, 3], [2, 3]).keys()].sort()).toEqual(["1,2", "2,1", "2,3", "3,2"])
    expect([...outcomes([1, 2], [2, 7]).keys()].sort()).toEqual(["1,2", "2,1"])
  })
  it("with fewer than two online, or no shard online, is refused", () => {
    for (const [online, shards] of [[[], [1, 2]], [[1], [1, 2]], [[3, 4, 5, 6], [1, 2]]] as const) {
      expect(Either.isLeft(chooseIntermediates(online, shards, () => 0))).toBe(true)
    }
  })
  it("a pick outside its range is the caller's mistake and dies", () => {
    expect(() => chooseIntermediates([1, 2, 3, 4], [1, 2], (n) => n)).toThrow(RangeError)
  })
})
