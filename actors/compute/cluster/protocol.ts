/**
 * What a compute service and its runners say to each other: inputs and outputs of runs, and a hint that there is work.
 *
 * Contract: tensors travel in parts of one length, and a run of a model has the same number of parts each way whatever it holds and however it ends.
 * Only a service's own runners are answered; anybody else hears what a runner hears of a run that does not exist.
 * Knows nothing of: SQL, shards, jobs of the network. A run id names nothing outside of these calls and is drawn anew for every run.
 * Source: effect-notes.md §7; departures: none.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Frames, Rpc, RpcGroup } from "../../../src/actor/actor.ts"

/** No such run is open: it never was, is answered, given up, or not the caller's business. The runner drops it. */
export class RunUnknown extends Schema.TaggedError<RunUnknown>()("RunUnknown", {}) {}

/** A part that does not follow the one before, or a whole whose hash is not the one stated. The runner begins again with part 0. */
export class PartRefused extends Schema.TaggedError<PartRefused>()("PartRefused", { reason: Schema.Literal("order", "form", "hash") }) {}

/** One part of an input, with what the runner must know of the run. */
export class InputPart extends Schema.Class<InputPart>("InputPart")({
  /** H256 of the model card. */
  model: Frame,
  /** Longest time of the run on a worker, in milliseconds. */
  limitMs: Schema.Number,
  /** Parts in all. */
  parts: Schema.Number,
  /** See `parcelHash`. */
  hash: Frame,
  /** Exactly `PART_BYTES` bytes. */
  bytes: Frame
}) {}

/** Which models a runner must have, by the H256 of their cards: those for any runner and those for runners with a GPU. */
export class RunnerModels extends Schema.Class<RunnerModels>("RunnerModels")({ any: Frames, gpu: Frames }) {}

/** Served by a compute service beside `Compute`. */
export class RunDesk extends RpcGroup.make(
  Rpc.make("Models", { success: RunnerModels, error: RunUnknown }),
  Rpc.make("TakeInput", { payload: { run: Frame, part: Schema.Number }, success: InputPart, error: RunUnknown }),
  /** True when the service has the whole of this output now. The first whole one counts; then the run is no longer known. */
  Rpc.make("GiveOutput", {
    payload: { run: Frame, part: Schema.Number, hash: Frame, bytes: Frame }, success: Schema.Boolean, error: Schema.Union(RunUnknown, PartRefused)
  })
) {}

export class RunnerStatus extends Schema.Class<RunnerStatus>("RunnerStatus")({
  /** Runs in progress here, waiting ones included. */
  running: Schema.Number,
  /** Slots that are this runner's now. */
  slots: Schema.Number,
  /** Outputs that the service took since the start. */
  finished: Schema.Number
}) {}

/** Served by a runner. */
export class Runner extends RpcGroup.make(
  /** There may be work in the database: look now instead of at the next look. Heeded from the service alone. */
  Rpc.make("Wake", {}),
  Rpc.make("Status", { success: RunnerStatus })
) {}
