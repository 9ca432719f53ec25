/**
 * The models of a network as its topology promises them, with the cards that their manifests on this machine give.
 *
 * Contract: nothing is started and no weights are read. Every refusal is a line for the user.
 * Knows nothing of: the running network, whose directory has the last word.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { ModelCard } from "../../src/model/card.ts"
import { cardOf } from "../../src/model/manifest.ts"
import { openModel } from "../../src/model/model-folder.ts"
import type { ServiceProfile } from "../../src/params/service-profile.ts"
import type { ComputeActor, HostedModel as HostedModelPlan, Topology } from "../../src/topology/topology.ts"
import { type CliFailure, failed } from "./cli-failure.ts"

export interface HostedModel {
  readonly service: ComputeActor
  readonly card: ModelCard
  /** The preferred one first. */
  readonly profiles: ReadonlyArray<ServiceProfile>
}

const profilesOf = (service: ComputeActor, plan: HostedModelPlan): ReadonlyArray<ServiceProfile> =>
  plan.profiles.flatMap((id) => service.profiles.filter((profile) => profile.id === id))

const openPlan = (crypto: CryptoBackend, service: ComputeActor, plan: HostedModelPlan): Either.Either<HostedModel, CliFailure> =>
  Either.mapBoth(openModel(crypto, plan.id), {
    onLeft: (error) => failed(error.message),
    onRight: ({ manifest }) => ({ service, card: cardOf(manifest, plan.profiles), profiles: profilesOf(service, plan) })
  })

/** All models of a network, in the order of its services. @errors CliFailure for the first manifest that can not be read */
export const hostedModels = (crypto: CryptoBackend, topology: Topology): Either.Either<ReadonlyArray<HostedModel>, CliFailure> =>
  Either.all(topology.computes.flatMap((service) => service.models.map((plan) => openPlan(crypto, service, plan))))

/** One model of a network. @errors CliFailure: not hosted there (with the list of those that are), manifest unreadable */
export const hostedModel = (crypto: CryptoBackend, topology: Topology, modelId: string): Either.Either<HostedModel, CliFailure> => {
  for (const service of topology.computes) {
    const plan = service.models.find(({ id }) => id === modelId)
    if (plan !== undefined) return openPlan(crypto, service, plan)
  }
  const known = [...new Set(topology.computes.flatMap(({ models }) => models.map(({ id }) => id)))]
  return Either.left(failed(`there is no model "${modelId.slice(0, 64)}" in the network ${topology.name}; it has ${known.join(", ") || "none"}`))
}

/** Refuses a bucket under which a model is not offered. */
export const checkBucket = ({ card, profiles }: HostedModel, bucket: number | undefined): Either.Either<void, CliFailure> => {
  const offered = [...new Set(profiles.map((profile) => profile.bucket))]
  return bucket === undefined || offered.includes(bucket)
    ? Either.right(undefined)
    : Either.left(failed(`${card.id} is not offered in bucket ${bucket}; offered: ${offered.join(", ")}`))
}
