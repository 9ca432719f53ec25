/**
 * Goal: the packets of an epoch are counted as they pass a mix.
 * Method: the sum by hand for one network.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { tinyParams } from "../../../src/params/presets.ts"
import { packetsPerEpoch } from "../../../src/params/replay-capacity.ts"

describe("packets of an epoch", () => {
  const params = { ...tinyParams, lambdaPPerMs: 0.02, lambdaLPerMs: 0.005, lambdaMPerMs: 0.001, lambdaGPerMs: 0.003, epochPeriodMs: 1_000_000 }

  it("are those of sessions and nodes twice, and of mixes once, shared by the smallest layer", () => {
    const perMs = 2 * 10 * 0.025 + 2 * 2 * 0.003 + (2 * 3 + 7) * 0.001
    expect(packetsPerEpoch(params, { sessions: 10, gateways: 2, serviceNodes: 3, mixLayers: [2, 2, 3] })).toBeCloseTo((perMs * 1_000_000) / 2, 6)
  })
})
