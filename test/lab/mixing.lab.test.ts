/**
 * Goal: on the shipped actors each hop hides what theory promises, and the attacks on single packets are what the report says they are.
 * Method: one small world of packets in virtual time, seed fixed; gates at a false-alarm rate of 10^-4 each.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { measureMixing, mixingTopology, runMixingWorld } from "../../actors/lab/parts/mixing-part.ts"

const SEED = 20_251_201
const SPAN_MS = 30_000
const GAMES = 120

describe("packets under observation", () => {
  it("every gate passes; who runs all nodes knows every sender", async () => {
    const topology = mixingTopology("test")
    const recording = await runMixingWorld(topology, SEED, SPAN_MS)
    const { figures, gates } = measureMixing(topology, recording, SEED, GAMES)
    expect(gates.filter(({ pass }) => !pass)).toEqual([])
    const all = figures.find(({ adversary }) => adversary === "links + all gateways and mixes")
    expect(all?.estimate.value).toBe(1)
  }, 900_000)
})
