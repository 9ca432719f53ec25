/**
 * Models built in code, for tests and measurements: `affine` and `rotate-1` … `rotate-256`.
 *
 * `affine`: y = 2x + 1 on float32 [batch, 4]. `rotate-K`: K matrix products by a cyclic permutation of 256 columns, so
 * y[(i + K) mod 256] = x[i] exactly, on any CPU, in a time proportional to K.
 * Contract: the bytes depend on the id alone.
 * Knows nothing of: files, the runtime.
 * Source: models/README.md §4; departures: none.
 *
 * @module
 */
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { ModelManifest } from "./manifest.ts"
import { writeOnnx } from "./onnx-writer.ts"

/** Columns of the `rotate-K` models. */
export const ROTATE_WIDTH = 256
const ROTATE_MAX_STEPS = 256
/** 4 rows of 1 KiB and the container's framing fit three data chunks of 1669 bytes. */
const ROTATE_MAX_BATCH = 4
const AFFINE_WIDTH = 4
const AFFINE_MAX_BATCH = 64

export interface BuiltInModel {
  readonly manifest: ModelManifest
  readonly onnx: Uint8Array
}

const affineOnnx = (): Uint8Array =>
  writeOnnx({
    name: "affine",
    inputs: [{ name: "x", dims: ["batch", AFFINE_WIDTH] }],
    outputs: [{ name: "y", dims: ["batch", AFFINE_WIDTH] }],
    constants: [{ name: "two", dims: [], values: Float32Array.of(2) }, { name: "one", dims: [], values: Float32Array.of(1) }],
    nodes: [
      { operator: "Mul", inputs: ["x", "two"], outputs: ["doubled"] },
      { operator: "Add", inputs: ["doubled", "one"], outputs: ["y"] }
    ]
  })

/** The ONNX file of `rotate-K`; `steps` is K. */
export const rotateOnnx = (steps: number): Uint8Array => {
  const permutation = new Float32Array(ROTATE_WIDTH * ROTATE_WIDTH)
  for (let row = 0; row < ROTATE_WIDTH; row++) permutation[row * ROTATE_WIDTH + ((row + 1) % ROTATE_WIDTH)] = 1
  const valueName = (step: number): string => (step === 0 ? "x" : step === steps ? "y" : `x${step}`)
  return writeOnnx({
    name: `rotate-${steps}`,
    inputs: [{ name: "x", dims: ["batch", ROTATE_WIDTH] }],
    outputs: [{ name: "y", dims: ["batch", ROTATE_WIDTH] }],
    constants: [{ name: "w", dims: [ROTATE_WIDTH, ROTATE_WIDTH], values: permutation }],
    nodes: Array.from({ length: steps }, (_, step) => ({
      operator: "MatMul", inputs: [valueName(step), "w"], outputs: [valueName(step + 1)]
    }))
  })
}

const builtIn = (
  crypto: Pick<CryptoBackend, "sha256">, id: string, onnx: Uint8Array, maxBatch: number, width: number
): BuiltInModel => {
  const shape = [`batch:1..${maxBatch}`, width]
  return {
    onnx,
    manifest: {
      id,
      version: 1,
      kind: "tensor",
      adapter: "tensor",
      files: [{ role: "weights", path: `${id}.onnx`, sha256: toHex(crypto.sha256(onnx)) }],
      inputs: [{ name: "x", dtype: "f32", shape }],
      outputs: [{ name: "y", dtype: "f32", shape }],
      limits: { maxComputeMs: 700 },
      session: { executionProviders: ["cpu"], deviceId: 0, requireGpu: false, threads: 1 },
      profiles: [0],
      licence: "MIT",
      warmUpRuns: 2
    }
  }
}

/** The model with this id, when it is one of those built in code. */
export const builtInModel = (crypto: Pick<CryptoBackend, "sha256">, modelId: string): BuiltInModel | undefined => {
  if (modelId === "affine") return builtIn(crypto, modelId, affineOnnx(), AFFINE_MAX_BATCH, AFFINE_WIDTH)
  const steps = /^rotate-([1-9]\d{0,2})$/.exec(modelId)?.[1]
  if (steps === undefined || Number(steps) > ROTATE_MAX_STEPS) return undefined
  return builtIn(crypto, modelId, rotateOnnx(Number(steps)), ROTATE_MAX_BATCH, ROTATE_WIDTH)
}
