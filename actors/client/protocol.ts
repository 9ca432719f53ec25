/**
 * What a client actor answers to the person (or the proxy) beside it: one inference, or its three steps apart.
 *
 * Contract: tensors in, tensors out; progress as a stream of steps. Capabilities cross only here, between a person and their own client.
 * Knows nothing of: text, images, files (the command line and the library encode and decode them).
 * Source: funion.md §2, §6.4 (ticket); departures: none.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Rpc, RpcGroup } from "../../src/actor/actor.ts"

/** One named tensor: little-endian, row-major bytes. */
export const WireTensor = Schema.Struct({ name: Schema.String, dtype: Schema.String, dims: Schema.Array(Schema.Number), data: Frame })

/** Why an inference ended without an answer. `retry` says whether a new job may be tried. */
export class InferenceFailed extends Schema.TaggedError<InferenceFailed>()("InferenceFailed", {
  step: Schema.Literal("plan", "upload", "dispatch", "hold", "fetch"),
  reason: Schema.Literal(
    "unknown-model", "input-refused", "no-such-profile", "too-little-anonymity",
    "no-directory", "no-compute-service", "upload-failed", "upload-timed-out", "dispatch-timed-out",
    "dispatch-rejected", "service-broke-the-rules", "output-not-found", "output-withdrawn", "output-damaged", "job-failed", "expired", "internal"
  ),
  /** One sentence for the person; never capabilities, ids or contents. */
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** Progress of one inference, in order; `Answered` is the last. */
export const InferenceEvent = Schema.Union(
  Schema.TaggedStruct("Planned", {
    service: Schema.String,
    model: Schema.String,
    version: Schema.Number,
    bucket: Schema.Number,
    boxesIn: Schema.Number,
    boxesOut: Schema.Number,
    /** What the person should know before waiting, one sentence each. */
    warnings: Schema.Array(Schema.String)
  }),
  Schema.TaggedStruct("BoxWritten", { done: Schema.Number, total: Schema.Number }),
  Schema.TaggedStruct("Uploaded", { uploadMs: Schema.Number }),
  Schema.TaggedStruct("Accepted", { dispatchMs: Schema.Number, acceptedAtMs: Schema.Number, firstEdgeMs: Schema.Number, lastEdgeMs: Schema.Number }),
  Schema.TaggedStruct("EdgePassed", { overflow: Schema.Number, heldMs: Schema.Number }),
  Schema.TaggedStruct("BoxRead", { done: Schema.Number, total: Schema.Number }),
  Schema.TaggedStruct("Answered", {
    outputs: Schema.Array(WireTensor),
    overflow: Schema.Number,
    fetchMs: Schema.Number,
    totalMs: Schema.Number,
    packets: Schema.Struct({ sent: Schema.Number, received: Schema.Number, decoys: Schema.Number })
  })
)
export type InferenceEvent = typeof InferenceEvent.Type

/** What the directory says of one hosted model. */
export const OfferedModel = Schema.Struct({ service: Schema.String, card: Frame, profiles: Schema.Array(Schema.Struct({
  id: Schema.Number, inputClass: Schema.Number, outputClass: Schema.Number, bucket: Schema.Number, staged: Schema.Boolean
})) })

/** What a job would meet now, as far as its client can know; see planning/client-estimate. Times are means, bits are promised at least. */
export const JobEstimate = Schema.Struct({
  latencyMs: Schema.Number,
  /** The lesser of the two below. */
  anonymityBits: Schema.Number,
  /** Against somebody who sees all links, and all nodes but one mix of each way. */
  networkBits: Schema.Number,
  /** Against somebody who sees all replicas too: log2 of `batch`. */
  storageBits: Schema.Number,
  batch: Schema.Number,
  loopLoss: Schema.Number,
  roundTripMs: Schema.Number
})
export type JobEstimate = typeof JobEstimate.Type

const job = { model: Schema.String, bucket: Schema.optional(Schema.Number) }

export class Client extends RpcGroup.make(
  Rpc.make("Models", { success: Schema.Array(OfferedModel), error: InferenceFailed }),
  /** The least of anonymity and the longest mean wait over the services that could take such a job; sends nothing. */
  Rpc.make("Estimate", { payload: job, success: JobEstimate, error: InferenceFailed }),
  /** Upload, dispatch and fetch in one go. */
  Rpc.make("Infer", { payload: { ...job, inputs: Schema.Array(WireTensor) }, success: InferenceEvent, error: InferenceFailed, stream: true }),
  /** Step 1 alone: writes the input; `input` is an opaque upload record for `Dispatch`: a secret, whoever holds it owns the job. */
  Rpc.make("Upload", { payload: { ...job, inputs: Schema.Array(WireTensor) }, success: Schema.Struct({ input: Frame }), error: InferenceFailed }),
  /**
   * Step 2 alone: commissions the job; may be repeated and gives the same ticket. `ticket` (funion.md §6.4, 256 bytes) lets whoever holds it fetch the
   * answer and nothing else.
   */
  Rpc.make("Dispatch", { payload: { input: Frame }, success: Schema.Struct({ ticket: Frame }), error: InferenceFailed }),
  /** Step 5 alone, by any client: waits for the edge and reads. */
  Rpc.make("Fetch", { payload: { ticket: Frame }, success: InferenceEvent, error: InferenceFailed, stream: true }),
  Rpc.make("Counters", { success: Schema.Struct({ sent: Schema.Number, received: Schema.Number, decoys: Schema.Number }) })
) {}
