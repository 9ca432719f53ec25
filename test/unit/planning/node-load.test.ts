/**
 * Loads and figures of a network.
 *
 * Goal: every packet is counted once at every node that it passes; changes reach all that follows from them.
 * Method: by hand for small networks; conservation for others.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"
import { frameBytes } from "../../../src/link/frame.ts"
import { gatewayLoopRate } from "../../../src/params/mixnet-params.ts"
import { changeFigures, figuresOf, serviceSessions } from "../../../src/planning/network-figures.ts"
import { clientLine, meanGatherMs, nodeLoads, storageLoad } from "../../../src/planning/node-load.ts"
import { linkSizesOf } from "../../../actors/network-links.ts"
import { knowledgeOf } from "../../../actors/knowledge.ts"
import { topology as echomix } from "../../../topologies/echomix.ts"
import { topology as tiny } from "../../../topologies/tiny.ts"

const hardware = { unwrapUs: 100, linkMs: 0 }

describe("node loads", () => {
  it("of tiny: a session's packet meets the gateway twice, each mix twice and the service node once", () => {
    const figures = changeFigures(figuresOf(tiny), { lambdaMPerMs: 0, lambdaGPerMs: 0 })
    const { gateway, layers, serviceNode } = nodeLoads(figures, hardware)
    const sent = (1 + serviceSessions(figures)) * clientLine(figures.params).packetsPerSecond
    expect(gateway.unwrappedPerSecond).toBeCloseTo(2 * sent, 6)
    expect(layers.map(({ unwrappedPerSecond }) => unwrappedPerSecond / sent)).toEqual([2, 2, 2].map((times) => expect.closeTo(times, 9)))
    expect(serviceNode.unwrappedPerSecond).toBeCloseTo(sent, 6)
    expect(gateway.cpuShare).toBeCloseTo((2 * sent * hardware.unwrapUs) / 1e6, 9)
  })
  it("loops of a mix meet every layer once, loops of a gateway or a service node every layer twice", () => {
    const quiet = changeFigures(figuresOf(echomix), { users: 0, sessions: 0, lambdaMPerMs: 0, lambdaGPerMs: 0 })
    const [mixes, gateways] = [{ lambdaMPerMs: 0.001 }, { lambdaGPerMs: 0.001 }].map((rate) => nodeLoads(changeFigures(quiet, rate), hardware))
    // 12 mixes and 4 service nodes at one loop a second: 12 + 2·4 packets a second through each layer of four
    expect(mixes?.layers.map(({ unwrappedPerSecond }) => unwrappedPerSecond)).toEqual([5, 5, 5].map((rate) => expect.closeTo(rate, 9)))
    expect(mixes?.serviceNode.unwrappedPerSecond).toBeCloseTo((12 + 4 + 4) / 4, 9)
    expect(gateways?.layers[0]?.unwrappedPerSecond).toBeCloseTo(2, 9)
    expect(gateways?.gateway.unwrappedPerSecond).toBeCloseTo(1, 9)
  })
  it("gather packets for 8 ms at most, less where many go the same way, and for half of it where very many do", () => {
    expect(meanGatherMs(figuresOf(echomix))).toBeGreaterThan(7.5)
    expect(meanGatherMs(figuresOf(echomix))).toBeLessThan(8)
    expect(meanGatherMs(changeFigures(figuresOf(tiny), { users: 1e6 }))).toBeCloseTo(4, 1)
  })
  it("a line's bytes are frames of the lengths that links to a gateway have", () => {
    const { downBytesPerSecond, packetsPerSecond, upBytesPerSecond } = clientLine(tiny.params)
    const knowledge = Either.getOrThrow(knowledgeOf(tiny, referenceBackend, () => new Uint8Array(32)))
    const { fromInitiatorBytes, fromResponderBytes } = linkSizesOf(knowledge)("gateway-0")
    expect(upBytesPerSecond / packetsPerSecond).toBeCloseTo(frameBytes(fromInitiatorBytes), 6)
    expect(downBytesPerSecond / packetsPerSecond).toBeCloseTo(frameBytes(fromResponderBytes), 6)
  })
  it("a replica gets a command of every courier and every fellow on each of their ticks", () => {
    const { commandsPerReplicaPerSecond, courierLinkUse, replicaLinkUse } = storageLoad(figuresOf(tiny), { written: 0.001, read: 0.001 })
    expect(commandsPerReplicaPerSecond).toBeCloseTo((2 + 3) * tiny.params.lambdaRPerMs * 1_000, 9)
    expect(courierLinkUse).toBeCloseTo(0.004 / (8 * tiny.params.lambdaRPerMs), 9)
    expect(replicaLinkUse).toBeCloseTo(0.006 / (12 * tiny.params.lambdaRPerMs), 9)
  })
})

describe("changes of figures", () => {
  const figures = figuresOf(echomix)
  it("of layers reach hops and mixes, of box bytes the payload, of the quantum the deadlines", () => {
    const changed = changeFigures(figures, { mixLayers: 5, boxBytes: 4_000, quantumMs: 30_000 })
    expect(changed.counts.mixesPerLayer).toEqual([4, 4, 4, 4, 4])
    expect(changed.params.geometry).toMatchObject({ hopCount: 7, userPayloadBytes: 4_323 })
    expect(changed.services[0]?.deadlinesMs).toEqual(figures.services[0]?.deadlinesMs.map((deadlineMs) => deadlineMs / 2))
  })
  it("of mixes and gateways reach λG as long as it follows its formula", () => {
    expect(changeFigures(figures, { mixesPerLayer: 8, gateways: 2 }).params.lambdaGPerMs).toBeCloseTo(gatewayLoopRate(figures.params, 8, 2), 12)
    expect(changeFigures(figures, { mixesPerLayer: 8, lambdaGPerMs: 0.5 }).params.lambdaGPerMs).toBe(0.5)
    expect(changeFigures(figuresOf(tiny), { mixesPerLayer: 8 }).params.lambdaGPerMs).toBe(tiny.params.lambdaGPerMs)
  })
  it("of nothing change nothing", () => {
    expect(changeFigures(figures, {})).toEqual(figures)
  })
})
