/**
 * Goal: every shipped model gives through the network what it gives directly, several jobs at once.
 * Method: the tiny topology with real crypto, two clients, in time that is never faster than the real one; the
 * direct runs are of the same inputs in a process of their own.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import type { ModelInput } from "../../src/model/client-codec.ts"
import { openProcess } from "../../src/model/model-host-processes.ts"
import { numbersOf, type Tensor } from "../../src/model/tensor.ts"
import { makeModelHost } from "../../src/model/worker-pool.ts"
import { topology as tiny } from "../../topologies/tiny.ts"
import { cardOfModel, codec, digitsImage, pngOf } from "../unit/model/shipped-model.ts"
import { endingOf, inNetwork, within } from "./brisk-network.ts"

const LIMIT_MS = 100_000
const topology = { ...tiny, clients: [{ name: "client-0" }, { name: "client-1" }] }

interface Job {
  readonly model: string
  readonly input: ModelInput
  /** The text, where the model gives one that is documented. */
  readonly text?: string
  readonly maxTokens?: number
  /** Largest difference of an element; 0 for models that only move or scale numbers. */
  readonly tolerance: number
}

const numbers = Array.from({ length: 256 }, (_, index) => Math.fround(Math.sin(index)))
const JOBS: ReadonlyArray<Job> = [
  { model: "lang-id", input: { text: "Pardon, où puis-je acheter un billet ?" }, text: "fra", tolerance: 1e-4 },
  { model: "lang-id", input: { text: "Der Zug nach Norden hat leider Verspätung." }, text: "deu", tolerance: 1e-4 },
  { model: "lang-id", input: { text: "Quero comprar três bilhetes para amanhã de manhã." }, text: "por", tolerance: 1e-4 },
  { model: "ocr-line", input: { png: pngOf(digitsImage("1414213562")) }, text: "1414213562", tolerance: 1e-4 },
  { model: "tiny-lm", input: { text: "Once upon a time" }, maxTokens: 8, tolerance: 0 },
  { model: "affine", input: { numbers: [1.5, -2, 3, 4] }, tolerance: 0 },
  { model: "rotate-3", input: { numbers }, tolerance: 0 },
  { model: "rotate-64", input: { numbers }, tolerance: 0 }
]

const encoded = ({ input, maxTokens, model }: Job): ReadonlyArray<Tensor> =>
  Either.getOrThrow(codec.encodeInput(cardOfModel(model), input, maxTokens === undefined ? {} : { maxTokens }))

const largestDifference = (a: ReadonlyArray<Tensor>, b: ReadonlyArray<Tensor>): number => {
  expect(a.map(({ dims, dtype, name }) => ({ name, dtype, dims }))).toEqual(b.map(({ dims, dtype, name }) => ({ name, dtype, dims })))
  return Math.max(...a.flatMap((tensor, index) => {
    const others = numbersOf(b[index]!)
    return numbersOf(tensor).map((value, element) => Math.abs(value - others[element]!))
  }))
}

/** All jobs on one host, without a network. */
const runAllDirectly = makeModelHost(openProcess, { models: [...new Set(JOBS.map(({ model }) => model))].map((id) => ({ id })) }).pipe(
  Effect.flatMap((host) => Effect.forEach(JOBS, (job) => host.run(job.model, encoded(job), 60_000))),
  Effect.scoped
)

describe("a network", () => {
  it("gives for every shipped model what the model gives directly", async () => {
    await inNetwork(topology, { jumpFactor: 1 }, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const direct = yield* Effect.provideService(runAllDirectly, Crypto, net.setting.crypto)
      const endings = yield* Effect.forEach(JOBS, (job, index) =>
        Effect.scoped(Effect.flatMap(net.client(`client-${index % 2}`), (person) =>
          endingOf(person.Infer({ model: job.model, inputs: encoded(job) })))), { concurrency: "unbounded" })
      for (const [index, job] of JOBS.entries()) {
        const ending = endings[index]!
        if (ending._tag === "Failure") throw new Error(`${job.model}: ${ending.step} ${ending.reason}`)
        expect(largestDifference(ending.outputs, direct[index]!), job.model).toBeLessThanOrEqual(job.tolerance)
        const decode = (outputs: ReadonlyArray<Tensor>) => Either.getOrThrow(codec.decodeOutput(cardOfModel(job.model), outputs)).text
        expect(decode(ending.outputs)).toBe(decode(direct[index]!))
        if (job.text !== undefined) expect(decode(ending.outputs)).toBe(job.text)
      }
    })))
  }, 2 * LIMIT_MS)
})
