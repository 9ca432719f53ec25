/**
 * What a compute service answers to its own operator. Jobs never come this way: they come through the mix network.
 *
 * Contract: only coarse counters; nothing names a job.
 * Source: issue "One anonymous inference", style.md §2.7; departures: none.
 *
 * @module
 */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "../../src/actor/actor.ts"

export class ComputeStatus extends Schema.Class<ComputeStatus>("ComputeStatus")({
  ready: Schema.Boolean,
  draining: Schema.Boolean,
  admitted: Schema.Number,
  rejected: Schema.Number,
  released: Schema.Number,
  alarms: Schema.Number
}) {}

export class Compute extends RpcGroup.make(
  Rpc.make("Status", { success: ComputeStatus }),
  /** Refuses new dispatches (reason 8) and returns when every accepted job is closed. */
  Rpc.make("Drain", {})
) {}
