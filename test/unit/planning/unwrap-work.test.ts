/**
 * Packets that a node unwraps, and that a core can.
 *
 * Goal: figures of one kind of packet serve networks of another; a node's packets are those of its kind and layer.
 * Method: round figures, by hand; shipped topologies.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { figuresOf } from "../../../src/planning/network-figures.ts"
import { nodeLoads } from "../../../src/planning/node-load.ts"
import { ASSUMED_UNWRAP, expectedPacketsPerSecond, unwrapsPerSecondOf } from "../../../src/planning/unwrap-work.ts"
import { topology as echomix } from "../../../topologies/echomix.ts"

const { geometry } = echomix.params
const FIGURES = { unwrapsPerSecond: 10_000, aezMegabytesPerSecond: 340 }

describe("what a core unwraps", () => {
  it("takes longer payloads and X-Wing into account", () => {
    const rateOf = (change: Partial<typeof geometry>): number =>
      unwrapsPerSecondOf({ geometry: { ...geometry, scheme: "x25519", userPayloadBytes: 2_000, ...change } }, FIGURES)
    expect(rateOf({})).toBeCloseTo(10_000)
    expect(rateOf({ userPayloadBytes: 1_000 })).toBeCloseTo(10_000)
    expect(rateOf({ userPayloadBytes: 36_000 })).toBeCloseTo(5_000)
    expect(rateOf({ scheme: "XWING" })).toBeCloseTo(2_000)
    expect(rateOf({ scheme: "XWING", userPayloadBytes: 36_000 })).toBeCloseTo(1e6 / 600)
  })
  it("is assumed to be 100 us a packet where nobody has measured", () => {
    expect(unwrapsPerSecondOf({ geometry: { ...geometry, scheme: "x25519", userPayloadBytes: 2_000 } }, ASSUMED_UNWRAP)).toBeCloseTo(10_000)
  })
})

describe("what a node unwraps", () => {
  it("is the load of its kind, of a mix that of its layer, and nothing for who does not unwrap", () => {
    const { gateway, layers, serviceNode } = nodeLoads(figuresOf(echomix), { unwrapUs: 0, linkMs: 0 })
    const expected = (name: string, role: Parameters<typeof expectedPacketsPerSecond>[1]["role"]): number => expectedPacketsPerSecond(echomix, { name, role })
    expect(expected("gateway-0", "gateway")).toBe(gateway.unwrappedPerSecond)
    expect(expected("service-0", "service-node")).toBe(serviceNode.unwrappedPerSecond)
    layers.forEach(({ unwrappedPerSecond }, layer) => expect(expected(`mix-${layer}-0`, "mix")).toBe(unwrappedPerSecond))
    expect(gateway.unwrappedPerSecond).toBeGreaterThan(0)
    expect(expected("replica-0", "replica")).toBe(0)
    expect(expected("mix-9-0", "mix")).toBe(0)
  })
})
