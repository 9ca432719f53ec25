/**
 * An answer for people, and as the JSON object that programs read.
 *
 * Contract: the JSON has exactly the fields of the issue's list. Numbers that JSON does not have become text: whole numbers beyond 2^53, NaN, infinities.
 * Knows nothing of: where it is printed.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import { bigintsOf, numbersOf, type Tensor } from "../../src/model/tensor.ts"
import { runtimeDtype } from "../../src/model/dtype.ts"
import type { JobEstimate } from "../client/protocol.ts"
import type { FetchedAnswer, InferenceAnswer } from "../session-api.ts"
import { plainText } from "./cli-failure.ts"
import { seconds } from "./progress.ts"

type JsonNumber = number | string

const jsonNumber = (value: number): JsonNumber => (Number.isFinite(value) ? value : String(value))

const elementsOf = (tensor: Tensor): ReadonlyArray<JsonNumber> =>
  tensor.dtype === "i64"
    ? bigintsOf(tensor).map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)))
    : numbersOf(tensor).map(jsonNumber)

const outputsJson = (outputs: ReadonlyArray<Tensor>) =>
  outputs.map((tensor) => ({ name: tensor.name, dtype: runtimeDtype(tensor.dtype), shape: tensor.dims, data: elementsOf(tensor) }))

/** An answer read with a ticket, as one line of JSON; `model` is absent when the ticket does not tell. */
export const fetchedJson = ({ model, outputs, overflow, packets, text, timings }: FetchedAnswer): string =>
  JSON.stringify({ model, outputs: outputsJson(outputs), ...(text === undefined ? {} : { text }), overflow, timings, packets })

/** One line about how an answer was read with a ticket. */
export const fetchedSummary = ({ model, overflow, packets, timings }: FetchedAnswer): string =>
  [
    model ?? "a model that the ticket does not name",
    ...(overflow === 0 ? [] : [`edges missed ${overflow}`]),
    `held ${seconds(timings.heldMs)}, fetch ${seconds(timings.fetchMs)}`,
    `${packets.sent} packets sent (${packets.decoys} decoys), ${packets.received} received`
  ].join("; ")

/** One line of JSON. */
export const answerJson = (answer: InferenceAnswer): string =>
  JSON.stringify({
    model: answer.model,
    version: answer.version,
    outputs: outputsJson(answer.outputs),
    ...(answer.text === undefined ? {} : { text: answer.text }),
    bucket: answer.bucket,
    overflow: answer.overflow,
    timings: answer.timings,
    packets: answer.packets,
    boxes: answer.boxes,
    estimate: answer.estimate
  })

/** Numbers as rows of the last dimension. */
const tensorText = (tensor: Tensor): string => {
  const elements = elementsOf(tensor).map(String)
  const width = Math.max(1, tensor.dims.at(-1) ?? 1)
  const rows = Array.from({ length: Math.ceil(elements.length / width) }, (_, row) => elements.slice(row * width, (row + 1) * width).join(" "))
  return rows.join("\n")
}

/** What the person asked for: the text, or the numbers. A single tensor goes without its name. */
export const answerText = ({ outputs, text }: Pick<InferenceAnswer, "outputs" | "text">): string => {
  if (text !== undefined) return plainText(text)
  const [only] = outputs
  if (outputs.length === 1 && only !== undefined) return tensorText(only)
  return outputs.map((tensor) => `${tensor.name}:\n${tensorText(tensor)}`).join("\n")
}

/** One line about what a job would meet, for before it is sent. */
export const estimateSummary = ({ anonymityBits, batch, latencyMs, loopLoss, networkBits, storageBits }: JobEstimate): string =>
  [
    `estimate: an answer in about ${seconds(latencyMs)}`,
    `${anonymityBits.toFixed(1)} bits of anonymity certain (observer of the network ${networkBits.toFixed(1)}, of storage ${storageBits.toFixed(1)}: `
    + `batch of ${batch})`,
    ...(loopLoss === 0 ? [] : [`${(100 * loopLoss).toFixed(1)} % of loops lost`])
  ].join("; ")

/** One line about how the answer came. */
export const answerSummary = ({ boxes, bucket, model, overflow, packets, timings, version }: InferenceAnswer): string =>
  [
    `${model} version ${version}`,
    `bucket ${bucket}${overflow === 0 ? "" : `, edges missed ${overflow}`}`,
    `${seconds(timings.totalMs)} (upload ${seconds(timings.uploadMs)}, dispatch ${seconds(timings.dispatchMs)}, `
    + `held ${seconds(timings.heldMs)}, fetch ${seconds(timings.fetchMs)})`,
    `${packets.sent} packets sent (${packets.decoys} decoys), ${packets.received} received`,
    `${boxes.in} boxes in, ${boxes.out} out`
  ].join("; ")
