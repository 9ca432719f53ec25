/**
 * Goal: n − 1 finds packets when nobody judges loops; with policy pause it is noticed in time, clients stop, and nothing is found from then on.
 * Method: one small world in virtual time for each policy, seed fixed.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { blockingPart } from "../../actors/lab/parts/blocking-part.ts"

const SEED = 20_251_201

describe("somebody who lets one packet at a time into a mix", () => {
  it("finds it, and is stopped", async () => {
    const { figures, gates, rules } = await blockingPart({ scale: "test", seed: SEED })
    expect(gates.map(({ name, pass }) => [name, pass])).toEqual([
      ["n-minus-one/noticed", true], ["n-minus-one/client-stops", true], ["n-minus-one/after-pause", true]
    ])
    expect(rules[0]?.off?.interval.lower).toBeGreaterThan(0.3)
    // the pause ends the game, and does not spoil those that were played: what is let in later is no game that was lost
    const games = (policy: string) => figures.find(({ name }) => name === `packet found, policy ${policy}`)?.samples ?? 0
    expect(games("pause")).toBeLessThan(games("off"))
    expect(rules[0]?.on?.interval.upper).toBeGreaterThan(0)
  }, 900_000)
})
