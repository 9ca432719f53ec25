/**
 * Goal: the picture names every actor of a small network and every rate, and stays readable for a large one.
 * Method: text searches in the rendered shipped topologies.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { topology as echomix } from "../../../topologies/echomix.ts"
import { topology as tiny } from "../../../topologies/tiny.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { network } from "../../../src/topology/builder.ts"
import { renderTopology } from "../../../src/topology/render.ts"

describe("renderTopology", () => {
  const text = renderTopology(tiny)
  it("every actor of tiny is named, in the order of a packet's way", () => {
    const { authorities, gateways, mixes, serviceNodes, couriers, replicas, computes, clients } = tiny
    for (const { name } of [authorities, gateways, mixes, serviceNodes, couriers, replicas, computes, clients].flat()) expect(text).toContain(name)
    expect(text).toMatch(/client-0 +gateway-0 +mix-0-0 +mix-1-0 +mix-2-0 +service-node-0/)
  })
  it("rates are shown as times, sizes as bytes, models under their profile", () => {
    expect(text).toMatch(/mean delay at a hop +20 ms/)
    expect(text).toMatch(/real packet or decoy +every 62\.5 ms/)
    expect(text).toMatch(/decoy besides +every 667 ms/)
    expect(text).toMatch(/loop of a mix or service node +every 1 s/)
    expect(text).toMatch(/loop of a gateway +every 1 s/)
    expect(text).toMatch(/plaintext of a box +1677 bytes/)
    expect(text).toMatch(/276 of 288 packets a quantum/)
    expect(text).toMatch(/profile 0: affine, /)
    expect(text).toMatch(/tiny-lm, ocr-line/)
  })
  it("no line is wider than 100 characters or ends in blanks", () => {
    for (const line of [text, renderTopology(echomix)].join("\n").split("\n")) {
      expect(line.length).toBeLessThanOrEqual(100)
      expect(line).toBe(line.trimEnd())
    }
  })
  it("long columns are counted instead of listed", () => {
    const large = renderTopology(network({ name: "large", params: tinyParams, clients: 500 }))
    expect(large).toContain("… 500 in all")
    expect(large.split("\n").length).toBeLessThan(70)
  })
  it("a network without computes has a picture too", () => {
    expect(renderTopology({ ...tiny, computes: [], clients: [] })).toContain("network tiny")
  })
})
