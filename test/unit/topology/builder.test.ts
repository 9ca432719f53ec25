/**
 * Goal: a network of a few lines is whole; counts and defaults expand as promised.
 * Method: smallest choice, larger choice, and counts that make no sense.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { echomixParams, tinyParams, tinyReferenceParams } from "../../../src/params/presets.ts"
import { network, STANDARD_MODELS } from "../../../src/topology/builder.ts"
import { validateTopology } from "../../../src/topology/validate.ts"

describe("network", () => {
  it.each([tinyParams, tinyReferenceParams, echomixParams])("name and parameters alone make a network that can run", (params) => {
    expect(Either.isRight(validateTopology(network({ name: "mine", params })))).toBe(true)
  })
  it("the default network is the smallest whole one", () => {
    const topology = network({ name: "mine", params: tinyParams })
    expect(topology.mixes).toEqual([0, 1, 2].map((layer) => ({ name: `mix-${layer}-0`, layer, index: 0 })))
    expect(topology.serviceNodes).toEqual([{ name: "service-node-0", couriers: ["courier-0", "courier-1"] }])
    expect(topology.couriers.map(({ serviceNode }) => serviceNode)).toEqual(["service-node-0", "service-node-0"])
    expect(topology.replicas).toHaveLength(4)
    expect(topology.computes.map(({ name, sessions, queues }) => [name, sessions, queues])).toEqual([["compute-0", 6, ["service-node-0"]]])
    expect(topology.computes[0]?.models).toEqual(STANDARD_MODELS)
  })
  it("couriers are numbered through all service nodes, and the first four hold queues", () => {
    const serviceNodes = [1, 0, 2, 1, 0].map((couriers) => ({ couriers }))
    const topology = network({ name: "mine", params: tinyParams, serviceNodes })
    expect(topology.serviceNodes.map(({ couriers }) => couriers)).toEqual([["courier-0"], [], ["courier-1", "courier-2"], ["courier-3"], []])
    expect(topology.computes[0]?.queues).toEqual(["service-node-0", "service-node-1", "service-node-2", "service-node-3"])
  })
  it("more than half of the authorities must sign unless said otherwise", () => {
    expect([1, 2, 3, 4, 5].map((authorities) => network({ name: "mine", params: tinyParams, authorities }).authorityThreshold)).toEqual([1, 2, 2, 3, 3])
    expect(network({ name: "mine", params: tinyParams, authorities: 3, authorityThreshold: 3 }).authorityThreshold).toBe(3)
  })
  it("the loop rate of gateways follows from the numbers of gateways and mixes, unless it is given", () => {
    const rate = (mixLayers: ReadonlyArray<number>, gateways: number) =>
      network({ name: "mine", params: echomixParams, mixLayers, gateways }).params.lambdaGPerMs
    expect([rate([4, 4, 4], 4), rate([1, 4, 2], 4)]).toEqual([4 * Math.log(4) * 0.005, 4 * Math.log(4) * 0.005])
    expect(rate([3, 3, 3], 1)).toBeCloseTo(9 * Math.log(3) * 0.005, 12)
    expect(rate([1, 1, 1], 2)).toBe(0.0015)
    expect(network({ name: "mine", params: { ...echomixParams, lambdaGPerMs: 0.25 } }).params.lambdaGPerMs).toBe(0.25)
  })
  it("a compute without the profile of a model does not host it", () => {
    const profiles = [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 1, coverJobs: 0 }]
    const models = network({ name: "mine", params: tinyParams, computes: [{ profiles }] }).computes[0]?.models
    expect(models?.map(({ id }) => id)).not.toContain("ocr-line")
    expect(models).toContainEqual({ id: "lang-id", profiles: [0] })
    expect(models).toHaveLength(STANDARD_MODELS.length - 1)
  })
  it("a compute with foreign profile ids alone hosts no standard model", () => {
    const profiles = [{ id: 7, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 1, coverJobs: 0 }]
    expect(network({ name: "mine", params: tinyParams, computes: [{ profiles }] }).computes[0]?.models).toEqual([])
  })
  it("at most sixteen models are standard", () => {
    expect(STANDARD_MODELS.length).toBeLessThanOrEqual(16)
    expect(new Set(STANDARD_MODELS.map(({ id }) => id)).size).toBe(STANDARD_MODELS.length)
  })
  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e9])("%s gateways are refused by the check, not by a crash", (gateways) => {
    const verdict = validateTopology(network({ name: "mine", params: tinyParams, gateways }))
    expect(Either.isLeft(verdict) && verdict.left.field).toBe("gateways")
  })
})
