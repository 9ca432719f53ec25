/**
 * Whether a compute service may start: its plan, its models' cards and its network must fit each other.
 *
 * Contract: an empty list means that overflow is left for breakdowns and that every card's largest input and output fit the classes of every
 * profile it is offered under.
 * Knows nothing of: keys, journals, the document.
 * Source: funion.md §3, §4, §6.3; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { checkBucketGrid } from "../../src/inference/bucket.ts"
import { payloadBytesOfClass } from "../../src/inference/slots.ts"
import { maxOutputBytes, type ModelCard } from "../../src/model/card.ts"
import { boxPlaintextBytes, type MixnetParams } from "../../src/params/mixnet-params.ts"
import { checkService, type CheckProblem } from "../../src/params/service-check.ts"
import type { ServiceProfile } from "../../src/params/service-profile.ts"
import { deadlinesQuantaOf, type ComputeActor } from "../../src/topology/topology.ts"

/** The service refuses to start; `field` is the path of what is to be changed. */
export class ComputeRefused extends Data.TaggedError("ComputeRefused")<{ readonly field: string; readonly message: string }> {}

const checkFit = (boxBytes: number, card: ModelCard, field: string, profile: ServiceProfile): ReadonlyArray<CheckProblem> => {
  const inputBytes = payloadBytesOfClass(boxBytes, profile.inputClass)
  const outputBytes = payloadBytesOfClass(boxBytes, profile.outputClass)
  return [
    ...(card.maxInputBytes <= inputBytes ? [] : [{
      field: `${field}.profiles`,
      message: `${card.id} takes inputs of up to ${card.maxInputBytes} bytes but input class ${profile.inputClass} of profile ${profile.id} has ${inputBytes}`
    }]),
    ...(maxOutputBytes(card) <= outputBytes ? [] : [{
      field: `${field}.profiles`,
      message: `${card.id} gives up to ${maxOutputBytes(card)} bytes but output class ${profile.outputClass} of profile ${profile.id} has ${outputBytes}`
    }])
  ]
}

const checkCard = (params: MixnetParams, plan: ComputeActor, card: ModelCard): ReadonlyArray<CheckProblem> => {
  const field = `models[${plan.models.findIndex(({ id }) => id === card.id)}]`
  const slow = card.maxComputeMs <= plan.maxComputeMs ? [] : [{
    field: "maxComputeMs",
    message: `${card.id} may compute for ${card.maxComputeMs} ms, longer than the service's ${plan.maxComputeMs} ms`
  }]
  const fits = card.profiles.flatMap((id): ReadonlyArray<CheckProblem> => {
    const profile = plan.profiles.find((candidate) => candidate.id === id)
    return profile === undefined
      ? [{ field: `${field}.profiles`, message: `${card.id} names profile ${id}, which the service does not have` }]
      : checkFit(boxPlaintextBytes(params), card, field, profile)
  })
  return [...slow, ...fits]
}

/** All that keeps the service from starting. @param cards  of the models that are loaded */
export const checkStart = (params: MixnetParams, plan: ComputeActor, cards: ReadonlyArray<ModelCard>): ReadonlyArray<CheckProblem> => {
  const { quantumMs, sealBeforeEdgeMs } = params
  const grid = checkBucketGrid({ quantumMs, sealBeforeEdgeMs, releaseWindowMs: plan.releaseWindowMs, deadlinesQuanta: deadlinesQuantaOf(params, plan) })
  const missing = plan.models.flatMap(({ id }, index): ReadonlyArray<CheckProblem> =>
    cards.some((card) => card.id === id) ? [] : [{ field: `models[${index}].id`, message: `the model ${id} is not loaded` }])
  return [
    ...(Either.isLeft(grid) ? [{ field: grid.left.field === "deadlinesQuanta" ? "deadlinesMs" : grid.left.field, message: "off the network's grid" }] : []),
    ...missing,
    ...checkService(params, plan),
    ...cards.flatMap((card) => checkCard(params, plan, card))
  ]
}
