/**
 * Goal: a service that would disappoint does not start, and says which field is to blame.
 * Method: the presets with the shipped models' cards; then one change at a time.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { checkStart } from "../../../actors/compute/start-check.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import type { ModelCard } from "../../../src/model/card.ts"
import { cardOf } from "../../../src/model/manifest.ts"
import { openModel } from "../../../src/model/model-folder.ts"
import type { ComputeActor, Topology } from "../../../src/topology/topology.ts"
import { topology as echomix } from "../../../topologies/echomix.ts"
import { topology as tinyReference } from "../../../topologies/tiny-reference.ts"
import { topology as tiny } from "../../../topologies/tiny.ts"

const crypto = Either.getOrThrow(selectBackend())
const cardsOf = (plan: ComputeActor): ReadonlyArray<ModelCard> =>
  plan.models.map(({ id, profiles }) => cardOf(Either.getOrThrow(openModel(crypto, id)).manifest, profiles))
const planOf = (topology: Topology): ComputeActor => topology.computes[0]!

const plan = planOf(tiny)
const cards = cardsOf(plan)
const fieldsOf = (change: Partial<ComputeActor>, given: ReadonlyArray<ModelCard> = cards): ReadonlyArray<string> =>
  checkStart(tiny.params, { ...plan, ...change }, given).map(({ field }) => field)

describe("the start-up check", () => {
  it.each([tiny, tinyReference, echomix])("lets $name start with the shipped models", (topology) => {
    expect(checkStart(topology.params, planOf(topology), cardsOf(planOf(topology)))).toEqual([])
  })

  it("names the field of a plan that the network cannot carry", () => {
    expect(fieldsOf({ sessions: 1 })).toContain("sessions")
    expect(fieldsOf({ workers: 1 })).toContain("workers")
    expect(fieldsOf({ releaseWindowMs: tiny.params.quantumMs + 1 })).toContain("releaseWindowMs")
    expect(fieldsOf({ deadlinesMs: [1000, 6000, 10_000, 20_000] })).toContain("deadlinesMs[0]")
    expect(fieldsOf({ deadlinesMs: [3500, 6000, 10_000, 20_000] })).toContain("deadlinesMs")
  })

  it("names the model whose card does not fit", () => {
    const index = cards.findIndex(({ id }) => id === "ocr-line")
    const changed = (change: Partial<ModelCard>) => cards.map((card) => (card.id === "ocr-line" ? { ...card, ...change } : card))
    expect(fieldsOf({}, changed({ maxComputeMs: plan.maxComputeMs + 1 }))).toEqual(["maxComputeMs"])
    expect(fieldsOf({}, changed({ profiles: [0] }))).toEqual([`models[${index}].profiles`])
    expect(fieldsOf({}, changed({ profiles: [7] }))).toEqual([`models[${index}].profiles`])
    expect(fieldsOf({}, changed({ outputs: [{ name: "y", dtype: "f32", shape: [1, 100_000] }] }))).toEqual([`models[${index}].profiles`])
    expect(fieldsOf({}, cards.filter(({ id }) => id !== "ocr-line"))).toEqual([`models[${index}].id`])
  })
})
