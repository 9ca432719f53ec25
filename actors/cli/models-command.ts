/**
 * `funion models`: what a network offers, by its topology and the manifests on this machine.
 *
 * Contract: nothing is started. With `--json` standard output is one JSON object.
 * Knows nothing of: running networks.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { runtimeDtype } from "../../src/model/dtype.ts"
import { renderShape, type TensorSpec } from "../../src/model/tensor-spec.ts"
import type { ServiceProfile } from "../../src/params/service-profile.ts"
import { boxesOfClass } from "../../src/params/size-class.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { type HostedModel, hostedModels } from "./hosted-model.ts"
import { printLine } from "./output.ts"
import { defaultTopology, loadTopology } from "./topology-file.ts"

const specJson = (spec: TensorSpec) => ({ name: spec.name, dtype: runtimeDtype(spec.dtype), shape: spec.shape })

const profileJson = ({ service }: HostedModel, profile: ServiceProfile) => ({
  id: profile.id,
  bucket: profile.bucket,
  deadlineMs: service.deadlinesMs[profile.bucket - 1],
  staged: profile.staged,
  boxes: { in: boxesOfClass(profile.inputClass), out: boxesOfClass(profile.outputClass) }
})

const modelJson = (model: HostedModel) => {
  const { card } = model
  return {
    id: card.id,
    version: card.version,
    service: model.service.name,
    kind: card.kind,
    adapter: card.adapter,
    inputs: card.inputs.map(specJson),
    outputs: card.outputs.map(specJson),
    maxInputBytes: card.maxInputBytes,
    ...(card.maxTokens === undefined ? {} : { maxTokens: card.maxTokens }),
    maxComputeMs: card.maxComputeMs,
    profiles: model.profiles.map((profile) => profileJson(model, profile))
  }
}

const specText = (specs: ReadonlyArray<TensorSpec>): string =>
  specs.map((spec) => `${spec.name} ${runtimeDtype(spec.dtype)} ${renderShape(spec.shape)}`).join(", ")

const profileText = ({ service }: HostedModel, profile: ServiceProfile): string => {
  const boxes = `${boxesOfClass(profile.inputClass)} boxes in, ${boxesOfClass(profile.outputClass)} out`
  const held = (service.deadlinesMs[profile.bucket - 1] ?? 0) / 1000
  return `profile ${profile.id}: ${boxes}, bucket ${profile.bucket} (held for ${held} s${profile.staged ? ", staged" : ""})`
}

const modelText = (model: HostedModel): string => [
  `${model.card.id}  version ${model.card.version} at ${model.service.name}`,
  `  in   ${specText(model.card.inputs)}`,
  `  out  ${specText(model.card.outputs)}`,
  ...model.profiles.map((profile) => `  ${profileText(model, profile)}`)
].join("\n")

/** Lists the models of a network. */
export const runModels = (request: { readonly json: boolean; readonly topology: string | undefined }): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const crypto = yield* Either.mapLeft(selectBackend(), (error) => failed(error.message))
    const { topology } = yield* request.topology === undefined ? defaultTopology(crypto.name) : loadTopology(request.topology)
    const models = yield* hostedModels(crypto, topology)
    yield* printLine(request.json
      ? JSON.stringify({ topology: topology.name, models: models.map(modelJson) })
      : models.map(modelText).join("\n"))
  })
