/**
 * Port: a place that runs models, away from the event loop that paces mix traffic.
 *
 * Contract: `run` gives the outputs or a closed failure code, never a text of the runtime, and no later than its limit plus a fixed grace once
 * the job has a worker; waiting for a worker is first come, first served. A text that is not finished at the limit is given as far as it got.
 * Knows nothing of: boxes, jobs of the network, edges.
 * Source: funion.md §3 (cut at maxComputeMs), §6.4 (failure codes); models/README.md §3; departures: none.
 *
 * @module
 */
import { Context, Data, type Effect } from "effect"
import type { ModelCard } from "./card.ts"
import type { Tensor } from "./tensor.ts"
import type { ReadyModel } from "./worker-message.ts"

/** Failure codes of funion.md §6.4 that a model host can give. */
export type ModelFailureCode = 3 | 4 | 5

/**
 * A run gave nothing. Code 3: the input has the wrong names, types or shape; 4: the model or its worker failed; 5: time limit. `reason` stays in
 * the process, for counters.
 */
export class ModelFailed extends Data.TaggedError("ModelFailed")<{
  readonly code: ModelFailureCode
  readonly reason: "unknown-model" | "invalid-input" | "runtime" | "time-limit" | "worker-lost" | "queue-full" | "closed"
}> {}

export class ModelHost extends Context.Tag("funion/model/ModelHost")<ModelHost, {
  /** Cards of the models in service, in the order they were asked for. */
  readonly cards: ReadonlyArray<ModelCard>
  /** On which execution providers each model runs. */
  readonly models: ReadonlyArray<ReadyModel>
  /**
   * Runs one job.
   * @param inputs   checked here against the card
   * @param limitMs  from the start of the run on a worker
   * @errors ModelFailed
   */
  readonly run: (modelId: string, inputs: ReadonlyArray<Tensor>, limitMs: number) => Effect.Effect<ReadonlyArray<Tensor>, ModelFailed>
}>() {}
