/**
 * The models of a service that runs them elsewhere: cards without loading weights, and which runners may have each.
 *
 * Contract: pure but for reading manifests. A service and its runners that read the same topology and the same manifests get the same hashes.
 * Knows nothing of: the cluster's members, runs.
 * Source: models/README.md §8; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { toHex } from "../../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { encodeCard, maxOutputBytes, type ModelCard, modelIdHash } from "../../../src/model/card.ts"
import { checkProviders } from "../../../src/model/execution-provider.ts"
import { cardOf, type SessionSettings } from "../../../src/model/manifest.ts"
import { openModel } from "../../../src/model/model-folder.ts"
import { ModelLoadFailed } from "../../../src/model/model-load-failed.ts"
import type { HostedModel } from "../../../src/model/worker-pool.ts"
import type { ComputeActor } from "../../../src/topology/topology.ts"
import { RunnerModels } from "./protocol.ts"
import { ANY_GROUP, GPU_GROUP, type SlotGroup } from "./run-entity.ts"
import { PARCEL_LIMIT_BYTES } from "./run-parcel.ts"

export interface PlannedModel {
  readonly card: ModelCard
  /** H256 of the card. */
  readonly hash: Uint8Array
  readonly session: SessionSettings
  readonly group: SlotGroup
}

/**
 * Which slots take runs of a model: those of GPU runners when it demands one, or wishes for one and there are any.
 * @param gpu  some runner has a GPU
 */
export const groupOf = (session: Pick<SessionSettings, "executionProviders" | "requireGpu">, gpu: boolean): SlotGroup =>
  session.requireGpu || (gpu && session.executionProviders[0] !== undefined && session.executionProviders[0] !== "cpu") ? GPU_GROUP : ANY_GROUP

/**
 * Reads the manifest of one model.
 * @errors ModelLoadFailed for a manifest that is missing or wrong, or inputs or outputs too large to be sent
 */
export const planModel = (
  crypto: Pick<CryptoBackend, "sha256" | "blake2b256">, wanted: HostedModel, modelsDirectory: string, gpu: boolean
): Either.Either<PlannedModel, ModelLoadFailed> =>
  Either.gen(function*() {
    const { manifest } = yield* openModel(crypto, wanted.id, modelsDirectory)
    const session = { ...manifest.session, ...wanted.session }
    const problem = checkProviders(session)
    if (problem !== undefined) return yield* Either.left(new ModelLoadFailed({ modelId: wanted.id, reason: "provider", detail: problem }))
    const card = cardOf(manifest, wanted.profiles)
    const wrong = (detail: string) => new ModelLoadFailed({ modelId: wanted.id, reason: "manifest", detail })
    const bytes = yield* Either.mapLeft(encodeCard(card), (error) => wrong(error.message))
    if (Math.max(card.maxInputBytes, maxOutputBytes(card)) > PARCEL_LIMIT_BYTES) {
      return yield* Either.left(wrong(`inputs and outputs of a model in a cluster have at most ${PARCEL_LIMIT_BYTES} bytes`))
    }
    return { card, session, hash: modelIdHash(crypto, bytes), group: groupOf(session, gpu) }
  })

/** What the service asks of its runners. A model that only wishes for a GPU must be everywhere: the GPU runner may be gone tomorrow. */
export const modelsForRunners = (planned: ReadonlyArray<PlannedModel>): RunnerModels => new RunnerModels({
  any: planned.filter(({ session }) => !session.requireGpu).map(({ hash }) => hash),
  gpu: planned.filter(({ session }) => session.requireGpu).map(({ hash }) => hash)
})

/** The models of a topology that a runner loads. @param gpu  this runner has one */
export const modelsOfRunner = (planned: ReadonlyArray<PlannedModel>, gpu: boolean): ReadonlyArray<PlannedModel> =>
  planned.filter(({ session }) => gpu || !session.requireGpu)

/** Workers of each runner, in their order: as even as can be, at least one each for a validated topology. They sum to the service's slots. */
export const workersOfRunners = ({ runners = [], workers }: Pick<ComputeActor, "runners" | "workers">): ReadonlyArray<number> =>
  runners.map((_, index) => Math.floor(workers / runners.length) + (index < workers % runners.length ? 1 : 0))

/** How many of the models that the service asks for a runner does not have exactly so. */
export const missingModels = (asked: RunnerModels, own: ReadonlyArray<Pick<PlannedModel, "hash">>, gpu: boolean): number => {
  const have = new Set(own.map(({ hash }) => toHex(hash)))
  return [...asked.any, ...(gpu ? asked.gpu : [])].filter((hash) => !have.has(toHex(hash))).length
}
