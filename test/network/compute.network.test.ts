/**
 * Goal: the compute service inside a whole network: one inference from a client's tensors to its answer, and a service that crashes in between.
 * Method: the tiny topology, launched in one process in real time with native crypto; one cheap model.
 *
 * @module
 */
import { Effect, Either, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { launch } from "../../actors/launch.ts"
import { Compute } from "../../actors/compute/protocol.ts"
import { randomFromEntropy, systemEntropy } from "../../src/crypto/entropy.ts"
import { numbersOf, tensorOf, type Tensor } from "../../src/model/tensor.ts"
import { topology as tiny } from "../../topologies/tiny.ts"

const topology = { ...tiny, computes: tiny.computes.map((plan) => ({ ...plan, models: [{ id: "affine", profiles: [0] }] })) }
const INPUT = Either.getOrThrow(tensorOf("x", "f32", [1, 4], [1, 2, 3, 4]))

describe("a network", () => {
  it("answers an inference although its compute service crashes while the job is held", async () => {
    const result = await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
      const network = yield* launch(topology)
      const client = yield* network.client()
      const compute = yield* network.mount.connect("operator", "compute-0", Compute)
      const events = yield* client.Infer({ model: "affine", inputs: [INPUT] }).pipe(
        Stream.tap((event) => event._tag !== "Accepted" ? Effect.void : Effect.gen(function* () {
          yield* network.stop("compute-0")
          yield* network.start("compute-0")
        })),
        Stream.runCollect
      )
      return { events: [...events], status: yield* compute.Status(undefined) }
    })).pipe(Effect.withRandom(randomFromEntropy(systemEntropy))))
    const answer = result.events.at(-1)
    if (answer?._tag !== "Answered") throw new Error("no answer")
    expect(numbersOf(answer.outputs[0] as Tensor)).toEqual([3, 5, 7, 9])
    expect(result.status).toMatchObject({ ready: true, draining: false, released: 1, alarms: 0 })
  }, 180_000)
})
