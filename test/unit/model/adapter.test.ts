/**
 * Goal: every shipped model gives the documented results, and the adapters give what the bare runtime gives.
 * Method: the adapters run in the test's own process, beside bare sessions of the ONNX runtime; the fixtures are those of models/README.md §4, §5.
 *
 * @module
 */
import { Either } from "effect"
import { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node"
import { describe, expect, it } from "vitest"
import { openRunnable, type RunnableModel } from "../../../src/model/adapter.ts"
import { decodeCtc, normalisedPlanes } from "../../../src/model/adapter-ocr-line.ts"
import type { ModelInput } from "../../../src/model/client-codec.ts"
import { openModel } from "../../../src/model/model-folder.ts"
import { openOnnxSession, runtimeReason, toRuntime } from "../../../src/model/onnx-session.ts"
import { numbersOf, type Tensor, tensorOf } from "../../../src/model/tensor.ts"
import { cardOfModel, codec, crypto, digitsImage, pngOf } from "./shipped-model.ts"

const opened = (id: string) => Either.getOrThrow(openModel(crypto, id))
const running = new Map<string, Promise<RunnableModel>>()
const runnable = (id: string): Promise<RunnableModel> => {
  const model = running.get(id) ?? openRunnable(opened(id), opened(id).manifest.session).then(Either.getOrThrow)
  running.set(id, model)
  return model
}
const cpu = opened("affine").manifest.session
const encode = (id: string, input: ModelInput, maxTokens?: number) =>
  Either.getOrThrow(codec.encodeInput(cardOfModel(id), input, maxTokens === undefined ? {} : { maxTokens }))
const never = () => false
const answer = async (id: string, input: ModelInput, maxTokens?: number) =>
  Either.getOrThrow(codec.decodeOutput(cardOfModel(id), Either.getOrThrow(await (await runnable(id)).run(encode(id, input, maxTokens), never))))

describe("the models built in code", () => {
  it("affine is 2x + 1, bit for bit", async () => {
    expect((await answer("affine", { numbers: [1, 2, 3, 4] })).numbers).toEqual([3, 5, 7, 9])
    const many = Array.from({ length: 256 }, (_, index) => index / 8 - 16)
    expect((await answer("affine", { numbers: many })).numbers).toEqual(many.map((value) => 2 * value + 1))
  })

  it("rotate-K moves column i to column i + K, bit for bit, for every batch", async () => {
    for (const steps of [1, 2, 5, 64, 256]) {
      for (const batch of [1, 4]) {
        const numbers = Array.from({ length: 256 * batch }, (_, index) => Math.fround(Math.sin(index)))
        const expected = numbers.map((_, index) => numbers[index - (index % 256) + ((index - steps + 512) % 256)])
        expect((await answer(`rotate-${steps}`, { numbers })).numbers).toEqual(expected)
      }
    }
  })
})

describe("lang-id", () => {
  it("tells the languages of the documented sentences with the documented probabilities", async () => {
    const table = [
      ["Where is the nearest railway station, please?", "eng", 0.999985], ["Onde fica a estação mais próxima?", "por", 0.999944],
      ["Wo ist der nächste Bahnhof, bitte?", "deu", 0.988759], ["最寄りの駅はどこですか", "jpn", 0.999317], ["Où se trouve la gare la plus proche ?", "fra", 0.993887]
    ] as const
    for (const [text, label, probability] of table) {
      const decoded = await answer("lang-id", { text })
      expect(decoded.text).toBe(label)
      expect(Math.abs((decoded.confidence ?? 0) - probability)).toBeLessThan(1e-4)
      expect(decoded.scores?.length).toBe(50)
    }
  })
})

describe("ocr-line", () => {
  it("reads digits drawn as dots, about as sure as documented (whose exact dots are not given)", async () => {
    for (const [digits, confidence] of [["2718281828", 0.9994], ["31415926", 0.999], ["0123456789", 0.9597]] as const) {
      const decoded = await answer("ocr-line", { png: pngOf(digitsImage(digits)) })
      expect(decoded.text).toBe(digits)
      expect(Math.abs((decoded.confidence ?? 0) - confidence)).toBeLessThan(0.01)
    }
  })

  it("gives what the model gives directly for the same pixels", async () => {
    const image = digitsImage("42")
    const session = await InferenceSession.create(Either.getOrThrow(opened("ocr-line").file("weights")), { intraOpNumThreads: 1 })
    const direct = await session.run({ x: new RuntimeTensor("float32", normalisedPlanes(image.grey), [1, 3, 48, image.width]) })
    const output = direct["softmax_11.tmp_0"]!
    const dictionary = new TextDecoder().decode(Either.getOrThrow(opened("ocr-line").file("dictionary"))).trimEnd().split("\n")
    expect(dictionary.length).toBe(6623)
    const line = decodeCtc(output.data as Float32Array, output.dims[1]!, dictionary)
    const decoded = await answer("ocr-line", { png: pngOf(image) })
    expect({ text: decoded.text, confidence: decoded.confidence }).toEqual({ text: line.text, confidence: Math.fround(line.confidence) })
  })

  it("finds nothing in white paper, and says so with confidence 0", async () => {
    const decoded = await answer("ocr-line", { png: pngOf({ width: 64, height: 48, grey: new Uint8Array(64 * 48).fill(255) }) })
    expect([decoded.text, decoded.confidence]).toEqual(["", 0])
  })

  it("drops blanks and repeats, keeps repeats with a blank between, and knows the space after the last line", () => {
    const steps = [1, 1, 0, 1, 2, 3, 0]
    const probabilities = new Float32Array(steps.length * 4)
    steps.forEach((best, step) => probabilities.set([best === 0 ? 1 : 0], step * 4))
    steps.forEach((best, step) => { if (best > 0) probabilities[step * 4 + best] = best === 3 ? 0.5 : 1 })
    expect(decodeCtc(probabilities, steps.length, ["a", "b"])).toEqual({ text: "aab ", confidence: 3.5 / 4 })
  })
})

describe("tiny-lm", () => {
  const idsOf = (tensors: ReadonlyArray<Tensor>) => numbersOf(tensors[0]!)
  const generate = async (text: string, maxTokens: number, stopped: () => boolean = never) =>
    Either.map(await (await runnable("tiny-lm")).run(encode("tiny-lm", { text }, maxTokens), stopped), idsOf)

  it("continues the documented prompts with the documented ids", async () => {
    const table = [
      [
        "Fellow-Citizens of the Senate",
        "284 1969 268 1053 576 1513 59 351 478 268 260 530 459 45 284 260 530 459 365 405 283 260 1623 268 260 530 459 45 284 260 530 459"
      ],
      ["The whale", "45 842 66 122 102 45 284 317 45 270 336 45 284 317 45 317"],
      ["I am happy to report that", "260 505 391 379 298 1855 280 1144 260 678 1399 268 505 47 351 1078"]
    ] as const
    for (const [text, ids] of table) {
      const expected = ids.split(" ").map(Number)
      expect(Either.getOrThrow(await generate(text, expected.length))).toEqual(expected)
    }
  })

  it("gives the same ids as a bare session without a cache", async () => {
    const session = await InferenceSession.create(Either.getOrThrow(opened("tiny-lm").file("weights")), { intraOpNumThreads: 1 })
    const ids = idsOf(encode("tiny-lm", { text: "The sea" }))
    const expected: Array<number> = []
    for (let step = 0; step < 6; step++) {
      const all = BigInt64Array.from([...ids, ...expected].map(BigInt))
      const past = Object.fromEntries(session.inputNames.filter((name) => name.startsWith("past"))
        .map((name) => [name, new RuntimeTensor("float32", new Float32Array(0), [1, 2, 0, 32])]))
      const result = await session.run({
        ...past,
        input_ids: new RuntimeTensor("int64", all, [1, all.length]),
        attention_mask: new RuntimeTensor("int64", all.slice().fill(1n), [1, all.length]),
        position_ids: new RuntimeTensor("int64", BigInt64Array.from(all, (_, index) => BigInt(index)), [1, all.length])
      })
      const last = (result["logits"]!.data as Float32Array).slice(-2048)
      expected.push(last.indexOf(Math.max(...last)))
    }
    expect(Either.getOrThrow(await generate("The sea", 6))).toEqual(expected)
  })

  it("stops at the end of its context", async () => {
    const ids = encode("tiny-lm", { text: "word ".repeat(120) })
    const promptTokens = ids[0]!.dims[1]!
    expect(promptTokens).toBeGreaterThan(200)
    const result = Either.getOrThrow(await generate("word ".repeat(120), 255))
    expect(result.length === 256 - promptTokens || result.at(-1) === 0).toBe(true)
  })

  it("told to stop gives the tokens so far, and a time limit when there are none", async () => {
    let asked = 0
    const whole = Either.getOrThrow(await generate("The whale", 16))
    expect(Either.getOrThrow(await generate("The whale", 16, () => ++asked > 5))).toEqual(whole.slice(0, 5))
    expect(await generate("The whale", 16, () => true)).toMatchObject({ _tag: "Left", left: { reason: "time-limit" } })
  })

  it("refuses ids that are no tokens", async () => {
    const model = await runnable("tiny-lm")
    const limit = Either.getOrThrow(tensorOf("max_tokens", "i32", [1], [4]))
    for (const id of [-1, 2048]) {
      const outcome = await model.run([Either.getOrThrow(tensorOf("input_ids", "i64", [1, 2], [0, id])), limit], never)
      expect(outcome).toMatchObject({ _tag: "Left", left: { reason: "invalid-input" } })
    }
  })
})

describe("a session", () => {
  const onnx = Either.getOrThrow(opened("affine").file("weights"))
  it("refuses feeds that are not the model's, without asking the runtime", async () => {
    const session = Either.getOrThrow(await openOnnxSession("affine", onnx, cpu))
    const four = new RuntimeTensor("float32", new Float32Array(4), [1, 4])
    const feeds = [{}, { z: four }, { x: four, z: four }, { x: new RuntimeTensor("float32", new Float32Array(5), [1, 5]) },
      { x: new RuntimeTensor("float32", new Float32Array(4), [4]) }, { x: new RuntimeTensor("int32", new Int32Array(4), [1, 4]) }]
    for (const feed of feeds) {
      expect(await session.run(feed as Record<string, RuntimeTensor>)).toMatchObject({ _tag: "Left", left: { reason: "invalid-input" } })
    }
    expect(Either.isRight(await session.run({ x: four }))).toBe(true)
    await session.release()
    expect(await session.run({ x: four })).toMatchObject({ _tag: "Left", left: { reason: "runtime" } })
  })

  it("that must have a GPU is refused on a machine without one, and falls back to the CPU when it need not", async () => {
    const wish = { ...cpu, executionProviders: ["cuda", "cpu"] as const }
    expect(Either.flip(await openOnnxSession("affine", onnx, { ...wish, requireGpu: true }))).toMatchObject({ right: { reason: "gpu-unavailable" } })
    expect(Either.getOrThrow(await openOnnxSession("affine", onnx, wish)).executionProviders).toEqual(["cpu"])
  })

  it("is refused for bytes that are no model", async () => {
    expect(Either.flip(await openOnnxSession("affine", onnx.slice(0, 50), cpu))).toMatchObject({ right: { reason: "unloadable" } })
  })

  it("sorts the runtime's messages into input mistakes and failures", () => {
    expect(["Invalid rank for input: x", "input 'x' is missing in 'feeds'.", "Unexpected input data type."].map((text) => runtimeReason(new Error(text))))
      .toEqual(Array(3).fill("invalid-input"))
    expect(["Session already disposed.", "anything"].map((text) => runtimeReason(new Error(text)))).toEqual(["runtime", "runtime"])
    expect(runtimeReason("no error")).toBe("runtime")
  })

  it("takes bytes that are not aligned for their type", () => {
    const shifted = new Uint8Array(17)
    shifted.set(Either.getOrThrow(tensorOf("x", "f64", [2], [1, 2])).data, 1)
    expect(toRuntime({ name: "x", dtype: "f64", dims: [2], data: shifted.subarray(1) })?.data).toEqual(Float64Array.of(1, 2))
  })

  it("opens no model whose inputs are not the manifest's", async () => {
    const affine = opened("affine")
    const renamed = { ...affine, manifest: { ...affine.manifest, inputs: [{ name: "q", dtype: "f32" as const, shape: ["batch:1..64", 4] }] } }
    expect(Either.flip(await openRunnable(renamed, cpu))).toMatchObject({ right: { reason: "unloadable" } })
    const text = opened("tiny-lm")
    const asText: typeof text = { ...text, file: (role) => (role === "weights" ? affine : text).file(role) }
    expect(Either.flip(await openRunnable(asText, cpu))).toMatchObject({ right: { reason: "unloadable" } })
  })
})
