/**
 * Goal: real models run in real threads and processes, and closing or cutting a run never harms this process.
 * Method: few hosts, each asked many questions; a model made slow by a large batch, in a folder of its own. Needs the compiled worker
 * (`npm run build`), as Node 20 starts threads and processes from compiled files only.
 *
 * @module
 */
import { Effect, Either, Fiber, type Scope } from "effect"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { toHex } from "../../../src/bytes/hex.ts"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import { rotateOnnx } from "../../../src/model/built-in-model.ts"
import { probeProviders, runDirectly } from "../../../src/model/direct-run.ts"
import { layerProcesses, openProcess } from "../../../src/model/model-host-processes.ts"
import { layerThreads, openThread } from "../../../src/model/model-host-threads.ts"
import { defaultModelsDirectory } from "../../../src/model/model-folder.ts"
import { ModelFailed, ModelHost } from "../../../src/model/model-host.ts"
import { numbersOf, type Tensor, tensorOf } from "../../../src/model/tensor.ts"
import type { WorkerLink } from "../../../src/model/worker-link.ts"
import { makeModelHost } from "../../../src/model/worker-pool.ts"
import { cardOfModel, codec, crypto, digitsImage, pngOf } from "./shipped-model.ts"

const SLOW_BATCH = 4096
const slowInput: ReadonlyArray<Tensor> = [{ name: "x", dtype: "f32", dims: [SLOW_BATCH, 256], data: new Uint8Array(SLOW_BATCH * 1024) }]
let folder = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "funion-host-"))
  mkdirSync(join(folder, "slow"))
  const onnx = rotateOnnx(64)
  const shape = [`batch:1..${SLOW_BATCH}`, 256]
  writeFileSync(join(folder, "slow", "slow.onnx"), onnx)
  writeFileSync(join(folder, "slow", "manifest.json"), JSON.stringify({
    id: "slow", version: 1, kind: "tensor", adapter: "tensor", files: [{ role: "weights", path: "slow.onnx", sha256: toHex(crypto.sha256(onnx)) }],
    inputs: [{ name: "x", dtype: "f32", shape }], outputs: [{ name: "y", dtype: "f32", shape }],
    limits: { maxComputeMs: 10_000 }, profiles: [0], licence: "MIT", warmUpRuns: 0
  }))
  cpSync(join(defaultModelsDirectory, "lang-id"), join(folder, "lang-id"), { recursive: true })
  const weights = join(folder, "lang-id", "lang-id.onnx")
  const bytes = readFileSync(weights)
  bytes[bytes.length >> 1]! ^= 4
  writeFileSync(weights, bytes)
})
afterAll(() => rmSync(folder, { recursive: true }))

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope | Crypto>): Promise<A> =>
  effect.pipe(Effect.scoped, Effect.provideService(Crypto, crypto), Effect.runPromise)
const encode = (id: string, input: Parameters<typeof codec.encodeInput>[1], maxTokens = 8) =>
  Either.getOrThrow(codec.encodeInput(cardOfModel(id), input, { maxTokens }))
const questions = (): ReadonlyArray<readonly [string, ReadonlyArray<Tensor>]> => [
  ["affine", encode("affine", { numbers: [1, 2, 3, 4] })],
  ["rotate-5", encode("rotate-5", { numbers: Array.from({ length: 256 }, (_, index) => index) })],
  ["lang-id", encode("lang-id", { text: "Wo ist der nächste Bahnhof, bitte?" })],
  ["ocr-line", encode("ocr-line", { png: pngOf(digitsImage("31415926")) })],
  ["tiny-lm", encode("tiny-lm", { text: "The whale" })]
]
const readable = (id: string, outputs: ReadonlyArray<Tensor>) => {
  const { text, numbers } = Either.getOrThrow(codec.decodeOutput(cardOfModel(id), outputs))
  return text ?? numbers?.slice(0, 7)
}
const answers = ["3,5,7,9", "251,252,253,254,255,0,1", "deu", "31415926", ', "Aye, and I']
const models = questions().map(([id]) => ({ id }))
const reasonOf = <A>(effect: Effect.Effect<A, ModelFailed>) =>
  Effect.match(effect, { onFailure: (error) => `${error.code} ${error.reason}`, onSuccess: () => "done" })
/** Workers take half a second to start, and much more on a busy machine. */
const PATIENCE = { timeout: 60_000 }

describe("a model host on threads and one on processes", PATIENCE, () => {
  it("give the documented answers, bit for bit the same, and cut a long text to the tokens so far", async () => {
    const longText = encode("tiny-lm", { text: "The whale" }, 240)
    const ask = Effect.gen(function*() {
      const host = yield* ModelHost
      expect(host.models.map((model) => model.executionProviders)).toEqual(models.map(() => ["cpu"]))
      const whole = numbersOf((yield* host.run("tiny-lm", longText, 60_000))[0]!)
      const cut = numbersOf((yield* host.run("tiny-lm", longText, 20))[0]!)
      expect(whole.length).toBe(240)
      expect(cut.length).toBeGreaterThan(0)
      expect(cut).toEqual(whole.slice(0, cut.length))
      return yield* Effect.forEach(questions(), ([id, inputs]) => host.run(id, inputs, 20_000), { concurrency: "unbounded" })
    })
    const [threads, processes] = await run(Effect.all([
      Effect.provide(ask, layerThreads({ models, graceMs: 5000 })), Effect.provide(ask, layerProcesses({ models, graceMs: 5000 }))
    ], { concurrency: 2 }))
    expect(threads!.map((outputs, index) => String(readable(models[index]!.id, outputs)))).toEqual(answers)
    expect(processes).toEqual(threads)
  })

  it("refuse a damaged model file by name of the fault", async () => {
    const error = await run(Effect.flip(makeModelHost(openThread, { models: [{ id: "affine" }, { id: "lang-id" }], modelsDirectory: folder })))
    expect(error).toMatchObject({ reason: "damaged-file", modelId: "lang-id" })
    expect(error.message).toContain("tampered or damaged file")
  })

  it("refuse to run without the GPU that is demanded, and fall back when it is only wished for", async () => {
    const wish = { executionProviders: ["cuda", "cpu"] as const }
    const refused = await run(Effect.flip(makeModelHost(openProcess, { models: [{ id: "affine", session: { ...wish, requireGpu: true } }] })))
    expect(refused).toMatchObject({ reason: "gpu-unavailable", modelId: "affine" })
    const host = makeModelHost(openProcess, { models: [{ id: "affine", session: wish }] })
    expect(await run(Effect.map(host, (opened) => opened.models))).toEqual([{ id: "affine", executionProviders: ["cpu"] }])
  })
})

describe("a slow run", PATIENCE, () => {
  it("in a thread leaves the event loop free, and may be closed: the job fails as closed and this process goes on", async () => {
    const job = await run(Effect.gen(function*() {
      const host = yield* makeModelHost(openThread, { models: [{ id: "slow" }], modelsDirectory: folder })
      const whole = yield* Effect.fork(host.run("slow", slowInput, 20_000))
      let turns = 0
      while ((yield* Fiber.poll(whole))._tag === "None") {
        turns++
        yield* Effect.sleep(1)
      }
      yield* Fiber.join(whole)
      expect(turns).toBeGreaterThan(10)
      const cut = yield* Effect.forkDaemon(reasonOf(host.run("slow", slowInput, 20_000)))
      yield* Effect.sleep(30)
      return cut
    }))
    expect(await Effect.runPromise(Fiber.join(job))).toBe("4 closed")
  })

  it("in a process is killed at its limit, and the next job finds a new process", async () => {
    await run(Effect.gen(function*() {
      const links: Array<WorkerLink> = []
      const host = yield* makeModelHost(Effect.tap(openProcess, (link) => Effect.sync(() => links.push(link))), {
        models: [{ id: "slow" }], modelsDirectory: folder
      })
      expect(yield* reasonOf(host.run("slow", slowInput, 30))).toBe("5 time-limit")
      const small = Either.getOrThrow(tensorOf("x", "f32", [1, 256], Array.from({ length: 256 }, (_, index) => index)))
      expect(numbersOf((yield* host.run("slow", [small], 20_000))[0]!)[0]).toBe(192)
      const lost = yield* Effect.fork(reasonOf(host.run("slow", slowInput, 20_000)))
      yield* Effect.sleep(20)
      links.at(-1)?.kill?.()
      expect(yield* Fiber.join(lost)).toBe("4 worker-lost")
      expect(yield* reasonOf(host.run("slow", [small], 20_000))).toBe("done")
      expect(links.length).toBe(3)
    }))
  })
})

describe("a direct run", PATIENCE, () => {
  it("gives the model's outputs", async () => {
    const [id, inputs] = questions()[0]!
    expect(readable(id, await run(runDirectly(id, inputs)))).toEqual([3, 5, 7, 9])
  })
})

describe("the trial of execution providers", PATIENCE, () => {
  it("finds the CPU usable", async () => {
    expect(await run(probeProviders)).toContainEqual({ name: "cpu", bundled: true, usable: true })
  })
})
