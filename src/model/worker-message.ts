/**
 * Messages between a model host and its workers, the same for threads and child processes.
 *
 * Contract: all fields survive structured cloning. A worker has at most one job at a time. After `start` it answers `ready` or `refused`, after
 * `run` `done` or `failed` with the same job number, after `close` `closed`, when no native code of the runtime runs any more.
 * Source: models/README.md §3; departures: none.
 *
 * @module
 */
import type { ModelLoadReason } from "./model-load-failed.ts"
import type { SessionSettings } from "./manifest.ts"
import type { RunFailureReason } from "./onnx-session.ts"
import type { Tensor } from "./tensor.ts"

/** What a worker is to load. */
export interface WorkerModel {
  readonly id: string
  readonly session: SessionSettings
}

/** A model in service: the providers it runs on, the first one of the wish unless a GPU was missing. */
export interface ReadyModel {
  readonly id: string
  readonly executionProviders: ReadonlyArray<string>
}

/** An execution provider on this machine: whether this build of the runtime contains it, and whether a trial session on it opens. */
export interface ProviderReport {
  readonly name: string
  readonly bundled: boolean
  readonly usable: boolean
}

export type ToWorker =
  | { readonly type: "start"; readonly modelsDirectory: string; readonly models: ReadonlyArray<WorkerModel> }
  | { readonly type: "run"; readonly job: number; readonly modelId: string; readonly inputs: ReadonlyArray<Tensor> }
  | { readonly type: "stop"; readonly job: number }
  | { readonly type: "probe" }
  | { readonly type: "close" }

export type FromWorker =
  | { readonly type: "ready"; readonly models: ReadonlyArray<ReadyModel> }
  | { readonly type: "refused"; readonly modelId: string; readonly reason: ModelLoadReason; readonly detail: string }
  | { readonly type: "done"; readonly job: number; readonly outputs: ReadonlyArray<Tensor> }
  | { readonly type: "failed"; readonly job: number; readonly reason: RunFailureReason }
  | { readonly type: "probed"; readonly providers: ReadonlyArray<ProviderReport> }
  | { readonly type: "closed" }

/** Tensors whose bytes own their memory: a view would drag its whole buffer along when it is cloned. */
export const detached = (tensors: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> =>
  tensors.map(({ name, dtype, dims, data }) => ({ name, dtype, dims: [...dims], data: new Uint8Array(data) }))
