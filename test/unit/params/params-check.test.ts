/**
 * Goal: impossible parameters are named by field, possible ones pass.
 * Method: one change to a good preset per case.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import {
  boxPlaintextBytes, dispatchBytes, gatewayLoopRate, jobKeyBytes, loopSlackMs, mixKeyBytes, type MixnetParams
} from "../../../src/params/mixnet-params.ts"
import { checkParams } from "../../../src/params/params-check.ts"
import {
  echomixParams, echomixService, tinyParams, tinyReferenceParams, tinyReferenceService, tinyService
} from "../../../src/params/presets.ts"
import { checkService, warnService } from "../../../src/params/service-check.ts"

const fieldsOf = (change: Partial<MixnetParams>): ReadonlyArray<string> => checkParams({ ...tinyParams, ...change }).map(({ field }) => field)
const geometry = (change: Partial<MixnetParams["geometry"]>): Partial<MixnetParams> => ({ geometry: { ...tinyParams.geometry, ...change } })

describe("presets", () => {
  it.each([
    ["tiny", tinyParams, tinyService], ["tiny-reference", tinyReferenceParams, tinyReferenceService],
    ["echomix", { ...echomixParams, lambdaGPerMs: gatewayLoopRate(echomixParams, 4, 4) }, echomixService]
  ] as const)("%s passes every check, and its releases fit their window", (_, params, service) => {
    expect(checkParams(params)).toEqual([])
    expect(checkService(params, service)).toEqual([])
    expect(warnService(params, service).filter(({ field }) => field === "releaseWindowMs")).toEqual([])
  })
  it("one client and the service of tiny-reference cost at most half a core at 30 ms a packet", () => {
    const sessions = tinyReferenceService.sessions + 1
    expect(sessions * (tinyReferenceParams.lambdaPPerMs + tinyReferenceParams.lambdaLPerMs) * 30).toBeLessThanOrEqual(0.5)
  })
  it("a gateway's loops follow the reference's formula, and its fallback where that says nothing", () => {
    expect(gatewayLoopRate(echomixParams, 4, 4)).toBeCloseTo((16 * 1.386294 * 0.005) / 4, 6)
    expect([gatewayLoopRate(echomixParams, 1, 4), gatewayLoopRate(echomixParams, 4, 0)]).toEqual([0.0015, 0.0015])
  })
  it("a loop of the reference is lost when it is overdue by 15 s", () => {
    expect(loopSlackMs(echomixParams)).toBe(15_000)
  })
  it("lengths follow from the choices", () => {
    expect(boxPlaintextBytes(tinyParams)).toBe(1677)
    expect(mixKeyBytes(tinyParams)).toBe(32)
    expect(mixKeyBytes({ geometry: { ...tinyParams.geometry, scheme: "XWING" } })).toBe(1216)
    expect([jobKeyBytes(tinyParams), jobKeyBytes({ dispatchSuite: 1 })]).toEqual([1216, 32])
    expect([dispatchBytes(tinyParams), dispatchBytes({ dispatchSuite: 1 })]).toEqual([1986, 978])
  })
})

describe("checkParams", () => {
  it.each(["muPerMs", "lambdaPPerMs", "lambdaLPerMs", "lambdaRPerMs"] as const)("%s must be positive and finite", (field) => {
    for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-300]) expect(fieldsOf({ [field]: rate })).toEqual([field])
  })
  it.each(["lambdaMPerMs", "lambdaGPerMs"] as const)("%s is a rate, or 0 for no loops", (field) => {
    expect([0, 0.002].flatMap((rate) => fieldsOf({ [field]: rate }))).toEqual([])
    for (const rate of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e-300]) expect(fieldsOf({ [field]: rate })).toEqual([field])
  })
  it.each(["quantumMs", "answerMs", "sealBeforeEdgeMs", "retransmitSlackMs", "sendSlackMs", "epochPeriodMs", "replicaEpochPeriodMs"] as const)(
    "%s must be a whole, positive number of milliseconds", (field) => {
      for (const ms of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(fieldsOf({ [field]: ms })).toEqual([field])
    })
  it("hops are the layers and two more", () => {
    expect(fieldsOf(geometry({ hopCount: 6 }))).toEqual(["geometry.hopCount"])
    expect(fieldsOf({ mixLayers: 4 })).toEqual(["geometry.hopCount"])
    expect(fieldsOf({ mixLayers: 0 })).toEqual(["mixLayers"])
  })
  it("a box must hold a manifest of 192 bytes: 515 bytes of payload do, 514 do not", () => {
    const small = (userPayloadBytes: number) =>
      checkParams({ ...tinyParams, ...geometry({ userPayloadBytes }) }).filter(({ message }) => message.includes("manifest"))
    expect(small(515)).toEqual([])
    expect(small(514)).toEqual([{
      field: "geometry.userPayloadBytes", message: "a box would hold 191 bytes, less than a manifest of 192: use at least 515 bytes"
    }])
    expect(small(1)).toHaveLength(1)
  })
  it("a dispatch must fit one packet: 1986 bytes for X-Wing, 978 for X25519", () => {
    expect(fieldsOf(geometry({ userPayloadBytes: 1986 }))).toEqual([])
    expect(fieldsOf(geometry({ userPayloadBytes: 1985 }))).toEqual(["geometry.userPayloadBytes"])
    expect(fieldsOf({ ...geometry({ userPayloadBytes: 978 }), dispatchSuite: 1 })).toEqual([])
    expect(fieldsOf({ ...geometry({ userPayloadBytes: 977 }), dispatchSuite: 1 })).toEqual(["geometry.userPayloadBytes"])
  })
  it("an answer has at least six link ticks", () => {
    expect(fieldsOf({ answerMs: 240 })).toEqual([])
    expect(fieldsOf({ answerMs: 239 })).toEqual(["answerMs"])
  })
  it("sealing is later than a whole quantum before the edge", () => {
    expect(fieldsOf({ sealBeforeEdgeMs: tinyParams.quantumMs - 1 })).toEqual([])
    expect(fieldsOf({ sealBeforeEdgeMs: tinyParams.quantumMs })).toEqual(["sealBeforeEdgeMs"])
  })
  it("keys outlive a round trip, and replica epochs are not shorter than epochs", () => {
    expect(fieldsOf({ epochPeriodMs: 319 })).toEqual(["epochPeriodMs"])
    expect(fieldsOf({ epochPeriodMs: 320 })).toEqual([])
    expect(fieldsOf({ replicaEpochPeriodMs: tinyParams.epochPeriodMs - 1 })).toEqual(["replicaEpochPeriodMs"])
  })
})
