/**
 * The plain adapter: the job's tensors are the model's inputs, the model's outputs are the job's.
 *
 * Contract: opening compares the manifest with the model's own input and output lists; each run checks what comes out against the manifest.
 * Source: models/README.md §3 (validate feeds); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { ModelManifest } from "./manifest.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import { fromRuntime, type OnnxSession, type PortInfo, RunFailed, toRuntime } from "./onnx-session.ts"
import type { RunModel } from "./run-model.ts"
import type { Tensor } from "./tensor.ts"
import { matchSpecs, type TensorSpec } from "./tensor-spec.ts"

/** @errors ModelLoadFailed `unloadable` when the manifest's tensors are not the model's */
export const openPlainTensor = (manifest: ModelManifest, session: OnnxSession): Either.Either<RunModel, ModelLoadFailed> => {
  const inputsFit = manifest.inputs.length === session.inputs.length && manifest.inputs.every((spec) => hasPort(session.inputs, spec))
  if (inputsFit && manifest.outputs.every((spec) => hasPort(session.outputs, spec))) {
    return Either.right((inputs) => runPlain(manifest, session, inputs))
  }
  const detail = "the inputs or outputs of the manifest are not those of the model file"
  return Either.left(new ModelLoadFailed({ modelId: manifest.id, reason: "unloadable", detail }))
}

const hasPort = (ports: ReadonlyArray<PortInfo>, spec: TensorSpec): boolean =>
  ports.some((port) => port.name === spec.name && port.dtype === spec.dtype && port.shape.length === spec.shape.length)

const runPlain = async (
  manifest: ModelManifest, session: OnnxSession, inputs: ReadonlyArray<Tensor>
): Promise<Either.Either<ReadonlyArray<Tensor>, RunFailed>> => {
  const feeds = Object.fromEntries(inputs.flatMap((tensor) => {
    const value = toRuntime(tensor)
    return value === undefined ? [] : [[tensor.name, value]]
  }))
  return Either.flatMap(await session.run(feeds), (results) => {
    const outputs = manifest.outputs.flatMap((spec) => {
      const value = results[spec.name]
      const tensor = value === undefined ? undefined : fromRuntime(spec.name, value)
      return tensor === undefined ? [] : [tensor]
    })
    return Either.mapLeft(matchSpecs(manifest.outputs, outputs), () => new RunFailed({ reason: "runtime" }))
  })
}
