/**
 * A client's estimate, on a whole network.
 *
 * Goal: the estimate comes from the document in force and from loops that really ran; a floor that is not reached sends nothing; a mix that drops shows.
 * Method: a brisk network in a simulated world; the client's own counters and the library's calls.
 *
 * @module
 */
import { Effect, Either, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { InferenceFailed, type JobEstimate } from "../../actors/client/protocol.ts"
import type { Network } from "../../actors/launch.ts"
import { estimate, infer } from "../../actors/session-api.ts"
import { runWorld } from "../../actors/simulator/world.ts"
import { GATHER_MS } from "../../src/node/outgoing-links.ts"
import { briskParams, briskTopology } from "./brisk-network.ts"

const inWorld = async <A, E>(use: (network: Network) => Effect.Effect<A, E, Scope.Scope>): Promise<A> => {
  const { value } = await runWorld({ topology: briskTopology(["affine"]), seed: 3, backend: "elided" }, ({ network }) => use(network))
  return value
}

const INPUT = { numbers: [1, 2, 3, 4] }
const MEAN_ROUND_TRIP_MS = (2 * briskParams.mixLayers + 2) / -Math.expm1(-briskParams.muPerMs)

describe("a client's estimate", () => {
  it("is there before anything is sent, comes with the answer, and is near what the job then took", async () => {
    const heard: Array<JobEstimate> = []
    const { answer, before } = await inWorld((net) => Effect.gen(function*() {
      yield* Effect.sleep(5_000)
      const before = yield* estimate(net, "affine")
      return { before, answer: yield* infer(net, "affine", INPUT, { onEstimate: (told) => Effect.sync(() => { heard.push(told) }) }) }
    }))
    expect(answer.estimate).toEqual(heard[0])
    expect(heard).toHaveLength(1)
    expect(before.networkBits).toBeGreaterThan(1)
    expect(before).toMatchObject({ anonymityBits: 0, storageBits: 0, batch: 1, loopLoss: 0 })
    expect(before.roundTripMs).toBeGreaterThanOrEqual(MEAN_ROUND_TRIP_MS)
    // at four nodes of the round trip packets gather for others that go the same way
    expect(before.roundTripMs).toBeLessThan(MEAN_ROUND_TRIP_MS + 4 * GATHER_MS)
    // One job may be lucky or not by the quantum's phase and the first poll; not by more than five quanta.
    expect(Math.abs(answer.timings.totalMs - before.latencyMs)).toBeLessThan(5 * briskParams.quantumMs)
  }, 60_000)
  it("below the floor refuses with a sentence and sends decoys only; the wait is bounded", async () => {
    const { counters, refused, waitedMs } = await inWorld((net) => Effect.gen(function*() {
      const clock = yield* Effect.clock
      const startMs = clock.unsafeCurrentTimeMillis()
      const refused = yield* Effect.either(infer(net, "affine", INPUT, { minAnonymityBits: 1.5, floorWaitMs: 3_000 }))
      const person = yield* net.client()
      return { refused, waitedMs: clock.unsafeCurrentTimeMillis() - startMs, counters: yield* person.Counters(undefined) }
    }))
    const failure = Either.getOrThrow(Either.flip(refused))
    expect(failure).toBeInstanceOf(InferenceFailed)
    expect(failure).toMatchObject({ step: "plan", reason: "too-little-anonymity" })
    expect(failure.message).toContain("1.5 bits of anonymity are asked for, and 0.00 are certain")
    expect(waitedMs).toBeGreaterThanOrEqual(3_000)
    expect(waitedMs).toBeLessThan(4_500)
    expect(counters.sent).toBeGreaterThan(0)
    expect(counters.decoys).toBe(counters.sent)
  }, 60_000)
  it("shows that loops do not come home, and promises less then", async () => {
    const { after, before } = await inWorld((net) => Effect.gen(function*() {
      yield* Effect.sleep(3_000)
      const before = yield* estimate(net, "affine")
      yield* net.stop("mix-0-0")
      yield* Effect.sleep(12_000)
      return { before, after: yield* estimate(net, "affine") }
    }))
    expect(before.loopLoss).toBe(0)
    expect(after.loopLoss).toBeGreaterThan(0.4)
    expect(after.networkBits).toBeLessThan(before.networkBits)
  }, 60_000)
  it("of a model that nobody hosts is refused like a job", async () => {
    const refused = await inWorld((net) => Effect.either(estimate(net, "none")))
    expect(Either.getOrThrow(Either.flip(refused))).toMatchObject({ step: "plan", reason: "unknown-model" })
  }, 60_000)
})
