/**
 * Goal: an answer as JSON has exactly the promised fields with plain numbers, and as text nothing that steers a terminal.
 * Method: made-up answers of every kind of tensor.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { answerJson, answerSummary, answerText, estimateSummary } from "../../../actors/cli/answer-report.ts"
import type { InferenceAnswer } from "../../../actors/session-api.ts"
import type { DType } from "../../../src/model/dtype.ts"
import { type Tensor, tensorOf } from "../../../src/model/tensor.ts"

const tensor = (name: string, dtype: DType, dims: ReadonlyArray<number>, values: ReadonlyArray<number | bigint>): Tensor =>
  Either.getOrThrow(tensorOf(name, dtype, dims, values))
const answer: InferenceAnswer = {
  model: "affine",
  version: 3,
  outputs: [tensor("y", "f32", [2, 2], [1, -2, 0.5, 1000])],
  numbers: [1, -2, 0.5, 1000],
  bucket: 2,
  overflow: 1,
  timings: { uploadMs: 1000, dispatchMs: 500, heldMs: 3000, fetchMs: 700, totalMs: 5250 },
  packets: { sent: 30, received: 20, decoys: 10 },
  boxes: { in: 4, out: 6 },
  estimate: { latencyMs: 9_100, anonymityBits: 1, networkBits: 4.52, storageBits: 1, batch: 2, loopLoss: 0, roundTripMs: 164 },
  warnings: ["mind the gap"]
}
const parsed = (value: InferenceAnswer) => JSON.parse(answerJson(value)) as Record<string, unknown>

describe("an answer as JSON", () => {
  it("has exactly the promised fields", () => {
    expect(parsed(answer)).toEqual({
      model: "affine",
      version: 3,
      outputs: [{ name: "y", dtype: "float32", shape: [2, 2], data: [1, -2, 0.5, 1000] }],
      bucket: 2,
      overflow: 1,
      timings: answer.timings,
      packets: answer.packets,
      boxes: answer.boxes,
      estimate: answer.estimate
    })
  })
  it("has its expectation told before, with the loss of loops where there is any", () => {
    expect(estimateSummary(answer.estimate)).toBe(
      "estimate: an answer in about 9.1 s; 1.0 bits of anonymity certain (observer of the network 4.5, of storage 1.0: batch of 2)")
    expect(estimateSummary({ ...answer.estimate, loopLoss: 0.125 })).toContain("12.5 % of loops lost")
  })
  it("has the text where the model gives one, the empty one too", () => {
    expect(parsed({ ...answer, text: "por" })["text"]).toBe("por")
    expect(parsed({ ...answer, text: "" })["text"]).toBe("")
  })
  it("is one line", () => {
    expect(answerJson({ ...answer, text: "a\nb" })).not.toContain("\n")
  })
  it("spells whole numbers beyond 2^53 and numbers that JSON has not as text", () => {
    const outputs = [
      tensor("ids", "i64", [3], [7n, -(2n ** 53n), 2n ** 63n - 1n]),
      tensor("odd", "f32", [3], [Number.NaN, Number.POSITIVE_INFINITY, -1]),
      tensor("bytes", "u8", [2], [0, 255]),
      tensor("flags", "bool", [], [1])
    ]
    expect(parsed({ ...answer, outputs })["outputs"]).toEqual([
      { name: "ids", dtype: "int64", shape: [3], data: [7, "-9007199254740992", "9223372036854775807"] },
      { name: "odd", dtype: "float32", shape: [3], data: ["NaN", "Infinity", -1] },
      { name: "bytes", dtype: "uint8", shape: [2], data: [0, 255] },
      { name: "flags", dtype: "bool", shape: [], data: [1] }
    ])
  })
})

describe("an answer as text", () => {
  it("is the text alone, without terminal sequences", () => {
    expect(answerText({ ...answer, text: "Olá\u001b[31m!\u0007\nmundo\t\u009b" })).toBe("Olá!\ufffd\nmundo\t\ufffd")
  })
  it("is the numbers in rows of the last dimension, with names where there are several tensors", () => {
    expect(answerText(answer)).toBe("1 -2\n0.5 1000")
    expect(answerText({ ...answer, outputs: [...answer.outputs, tensor("n", "i32", [], [5])] })).toBe("y:\n1 -2\n0.5 1000\nn:\n5")
  })
  it("is empty for a tensor without elements", () => {
    expect(answerText({ ...answer, outputs: [tensor("y", "f32", [0, 4], [])] })).toBe("")
  })
})

describe("the summary", () => {
  it("is one line with model, version, bucket, edges missed, times, packets and boxes", () => {
    const summary = answerSummary(answer)
    expect(summary).not.toContain("\n")
    for (const part of ["affine version 3", "bucket 2", "edges missed 1", "5.3 s", "held 3.0 s", "30 packets sent (10 decoys)", "4 boxes in, 6 out"]) {
      expect(summary).toContain(part)
    }
  })
})
