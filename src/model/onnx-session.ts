/**
 * One open model of the ONNX runtime: checked feeds in, tensors out, failures as closed codes.
 *
 * Runs inside a worker thread or child process only: opening and running block the event loop they are called from.
 * Contract: feeds are checked against the model's own input list before the runtime sees them; no text of the runtime leaves a run.
 * Knows nothing of: adapters, jobs, who asked.
 * Source: models/README.md §2 (providers), §3 (run-time behaviour); departures: none.
 *
 * @module
 */
import "./runtime-privacy.ts"
import { Data, Either } from "effect"
import { InferenceSession, listSupportedBackends, Tensor as RuntimeTensor } from "onnxruntime-node"
import { dtypeOfName, elementBytes, type DType, runtimeDtype } from "./dtype.ts"
import { type ExecutionProvider, providerAttempts } from "./execution-provider.ts"
import type { SessionSettings } from "./manifest.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import type { Tensor } from "./tensor.ts"

/** Why a run gave nothing: the input does not fit the model, the model failed, or its time was up before there was anything to give. */
export type RunFailureReason = "invalid-input" | "runtime" | "time-limit"

export class RunFailed extends Data.TaggedError("RunFailed")<{ readonly reason: RunFailureReason }> {}

export interface PortInfo {
  readonly name: string
  readonly dtype: DType
  /** Text for a dimension that varies. */
  readonly shape: ReadonlyArray<number | string>
}

export type Feeds = Readonly<Record<string, RuntimeTensor>>

export interface OnnxSession {
  readonly inputs: ReadonlyArray<PortInfo>
  readonly outputs: ReadonlyArray<PortInfo>
  /** The providers in use; the first one differs from the wish after a fall back. */
  readonly executionProviders: ReadonlyArray<ExecutionProvider>
  /** @errors RunFailed `invalid-input` | `runtime`; the promise itself never rejects */
  readonly run: (feeds: Feeds) => Promise<Either.Either<Feeds, RunFailed>>
  readonly release: () => Promise<void>
}

const providerConfig = (provider: ExecutionProvider, deviceId: number): InferenceSession.ExecutionProviderConfig =>
  provider === "cuda" || provider === "dml" ? { name: provider, deviceId } : provider

const sessionOptions = (settings: SessionSettings, providers: ReadonlyArray<ExecutionProvider>): InferenceSession.SessionOptions => ({
  executionProviders: providers.map((provider) => providerConfig(provider, settings.deviceId)),
  intraOpNumThreads: settings.threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  logSeverityLevel: 4,
  ...(settings.threads > 1 ? { extra: { session: { intra_op: { allow_spinning: "0" } } } } : {})
})

/**
 * Opens a model, trying the wished providers in order.
 * @param weights  the ONNX file, already checked; not kept
 * @errors ModelLoadFailed `gpu-unavailable` when only a GPU would do and none works, `unloadable` when not even the last list works
 */
export const openOnnxSession = async (
  modelId: string, weights: Uint8Array, settings: SessionSettings
): Promise<Either.Either<OnnxSession, ModelLoadFailed>> => {
  const known = listSupportedBackends().map((backend) => backend.name)
  for (const providers of providerAttempts(settings, known)) {
    const session = await InferenceSession.create(weights, sessionOptions(settings, providers)).catch(() => undefined)
    if (session === undefined) continue
    const inputs = ports(session.inputMetadata)
    const outputs = ports(session.outputMetadata)
    if (inputs !== undefined && outputs !== undefined) return Either.right(wrap(session, inputs, outputs, providers))
    await session.release()
    return Either.left(new ModelLoadFailed({ modelId, reason: "unloadable", detail: "the model has an input or output of a type that is not supported" }))
  }
  const wished = settings.executionProviders.join(", ")
  return Either.left(settings.requireGpu
    ? new ModelLoadFailed({
      modelId, reason: "gpu-unavailable",
      detail: `a GPU is required (requireGpu), but none of the execution providers ${wished} works on this machine`
    })
    : new ModelLoadFailed({ modelId, reason: "unloadable", detail: `the runtime can not open the model with the execution providers ${wished}` }))
}

const ports = (metadata: ReadonlyArray<InferenceSession.ValueMetadata>): ReadonlyArray<PortInfo> | undefined => {
  const infos: Array<PortInfo> = []
  for (const value of metadata) {
    const dtype = value.isTensor ? dtypeOfName(value.type) : undefined
    if (!value.isTensor || dtype === undefined || dtype === "bf16") return undefined
    infos.push({ name: value.name, dtype, shape: value.shape })
  }
  return infos
}

const wrap = (
  session: InferenceSession, inputs: ReadonlyArray<PortInfo>, outputs: ReadonlyArray<PortInfo>, executionProviders: ReadonlyArray<ExecutionProvider>
): OnnxSession => ({
  inputs,
  outputs,
  executionProviders,
  run: async (feeds) => {
    if (!feedsFit(inputs, feeds)) return Either.left(new RunFailed({ reason: "invalid-input" }))
    try {
      return Either.right((await session.run(feeds)) as Feeds)
    } catch (error) {
      return Either.left(new RunFailed({ reason: runtimeReason(error) }))
    }
  },
  release: () => session.release().catch(() => undefined)
})

const feedsFit = (inputs: ReadonlyArray<PortInfo>, feeds: Feeds): boolean =>
  Object.keys(feeds).length === inputs.length && inputs.every((port) => {
    const value = Object.hasOwn(feeds, port.name) ? feeds[port.name] : undefined
    return value !== undefined && value.type === runtimeDtype(port.dtype) && value.dims.length === port.shape.length
      && port.shape.every((dim, index) => typeof dim === "string" || dim === value.dims[index])
  })

/** Starts of runtime messages that mean "the input was wrong"; all else is the model's failure. */
const INPUT_PREFIXES = ["Invalid rank for input", "input '", "Unexpected input data type", "Got invalid dimensions for input", "Tensor's size("]

/** Sorts a failure of the runtime into the closed list; its text goes no further. */
export const runtimeReason = (error: unknown): RunFailureReason => {
  const text = error instanceof Error ? error.message : ""
  return INPUT_PREFIXES.some((prefix) => text.startsWith(prefix)) ? "invalid-input" : "runtime"
}

/**
 * A tensor of ours as the runtime's. Copies when the bytes are not aligned for their type (slices of received data seldom are).
 * The tensor must have passed `checkTensor`; bf16 has no counterpart and gives nothing.
 */
export const toRuntime = (tensor: Tensor): RuntimeTensor | undefined => {
  const aligned = tensor.data.byteOffset % elementBytes(tensor.dtype) === 0 ? tensor.data : tensor.data.slice()
  const { buffer, byteOffset } = aligned
  const length = aligned.length / elementBytes(tensor.dtype)
  switch (tensor.dtype) {
    case "f32": return new RuntimeTensor("float32", new Float32Array(buffer, byteOffset, length), tensor.dims)
    case "f64": return new RuntimeTensor("float64", new Float64Array(buffer, byteOffset, length), tensor.dims)
    case "f16": return new RuntimeTensor("float16", new Uint16Array(buffer, byteOffset, length), tensor.dims)
    case "i64": return new RuntimeTensor("int64", new BigInt64Array(buffer, byteOffset, length), tensor.dims)
    case "i32": return new RuntimeTensor("int32", new Int32Array(buffer, byteOffset, length), tensor.dims)
    case "i8": return new RuntimeTensor("int8", new Int8Array(buffer, byteOffset, length), tensor.dims)
    case "u8": return new RuntimeTensor("uint8", aligned, tensor.dims)
    case "bool": return new RuntimeTensor("bool", aligned, tensor.dims)
    case "bf16": return undefined
  }
}

/** A tensor of the runtime as ours, copied; nothing for a type the protocol does not have. */
export const fromRuntime = (name: string, value: RuntimeTensor): Tensor | undefined => {
  const dtype = dtypeOfName(value.type)
  if (dtype === undefined || !ArrayBuffer.isView(value.data)) return undefined
  const { buffer, byteOffset, byteLength } = value.data
  return { name, dtype, dims: [...value.dims], data: new Uint8Array(buffer, byteOffset, byteLength).slice() }
}
