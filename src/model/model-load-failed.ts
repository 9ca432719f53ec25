/**
 * Why a model could not be taken into service, told to the operator (or to the user, where a client reads its tokenizer).
 *
 * Contract: `detail` is one sentence with file names and field names of the operator's own files; never anything of a job.
 * Knows nothing of: jobs.
 * Source: style.md §2.4; departures: none.
 *
 * @module
 */
import { Data } from "effect"

export type ModelLoadReason =
  | "unknown-model" | "manifest" | "missing-file" | "unreadable-file" | "damaged-file"
  | "unloadable" | "provider" | "gpu-unavailable" | "worker"

export class ModelLoadFailed extends Data.TaggedError("ModelLoadFailed")<{
  readonly modelId: string
  readonly reason: ModelLoadReason
  readonly detail: string
}> {
  override get message(): string {
    return `model ${this.modelId}: ${this.detail}`
  }
}
