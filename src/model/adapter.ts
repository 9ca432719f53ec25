/**
 * Adapters: what the service does around a model so that small inputs and outputs travel (the client's half is `client-codec`).
 *
 * Contract: an adapter gets tensors that passed `validateInputs`, never rejects, and asks `stopped` between the steps of a long answer.
 * Knows nothing of: jobs, workers, files.
 * Source: models/README.md §5; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { openCausalLm } from "./adapter-causal-lm.ts"
import { openOcrLine } from "./adapter-ocr-line.ts"
import { openPlainTensor } from "./adapter-tensor.ts"
import type { SessionSettings } from "./manifest.ts"
import type { OpenedModel } from "./model-folder.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import { type OnnxSession, openOnnxSession } from "./onnx-session.ts"
import type { RunModel } from "./run-model.ts"
import { tensorOf, type Tensor } from "./tensor.ts"
import { largestDims } from "./tensor-spec.ts"

export interface RunnableModel {
  readonly run: RunModel
  readonly session: OnnxSession
}

/**
 * Opens a model with the adapter of its manifest and warms it up.
 * @errors ModelLoadFailed of its files, of the runtime, or `unloadable` when the model's inputs are not what the adapter feeds or the warm-up fails
 */
export const openRunnable = async (
  opened: OpenedModel, settings: SessionSettings
): Promise<Either.Either<RunnableModel, ModelLoadFailed>> => {
  const weights = opened.file("weights")
  if (Either.isLeft(weights)) return Either.left(weights.left)
  const session = await openOnnxSession(opened.manifest.id, weights.right, settings)
  if (Either.isLeft(session)) return Either.left(session.left)
  const run = adapt(opened, session.right)
  if (Either.isLeft(run)) {
    await session.right.release()
    return Either.left(run.left)
  }
  const warm = await warmUp(opened, run.right)
  if (warm) return Either.right({ run: run.right, session: session.right })
  await session.right.release()
  return Either.left(new ModelLoadFailed({ modelId: opened.manifest.id, reason: "unloadable", detail: "the model fails on the warm-up input" }))
}

const adapt = (opened: OpenedModel, session: OnnxSession): Either.Either<RunModel, ModelLoadFailed> => {
  switch (opened.manifest.adapter) {
    case "tensor":
    case "lang-id": return openPlainTensor(opened.manifest, session)
    case "ocr-line": return openOcrLine(opened, session)
    case "causal-lm": return openCausalLm(opened, session)
  }
}

const warmUp = async (opened: OpenedModel, run: RunModel): Promise<boolean> => {
  const inputs = warmUpInputs(opened)
  for (let i = 0; i < opened.manifest.warmUpRuns; i++) {
    const outcome = await run(inputs, () => false)
    if (Either.isLeft(outcome)) return false
  }
  return true
}

/** Zeros of the largest shape, so that the runtime's memory has its final size; for text a short prompt and a few tokens. */
const warmUpInputs = (opened: OpenedModel): ReadonlyArray<Tensor> =>
  opened.manifest.inputs.map((spec) => {
    const generates = opened.manifest.kind === "generate"
    const dims = generates ? spec.shape.map(() => 1) : largestDims(spec)
    const value = generates && spec.name === "max_tokens" ? Math.min(8, opened.manifest.limits.maxTokens ?? 1) : 0
    const count = dims.reduce((product, dim) => product * dim, 1)
    return Either.getOrThrow(tensorOf(spec.name, spec.dtype, dims, Array<number>(count).fill(value)))
  })
