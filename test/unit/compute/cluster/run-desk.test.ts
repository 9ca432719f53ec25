/**
 * Goal: the desk answers its own runners alone, and a run once, with the first whole output that is right.
 * Method: runners are clients of the memory mount that send what they like.
 *
 * @module
 */
import { Context, Effect, Either, Fiber, Layer, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { modelsForRunners } from "../../../../actors/compute/cluster/model-set.ts"
import { RunDesk } from "../../../../actors/compute/cluster/protocol.ts"
import { makeDesk, mountWithDesk } from "../../../../actors/compute/cluster/run-desk.ts"
import { encodeOutcome, failed, type Outcome, openParcel, parcelHash, parcelPart } from "../../../../actors/compute/cluster/run-parcel.ts"
import { Compute, ComputeStatus } from "../../../../actors/compute/protocol.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { encodeContainer } from "../../../../src/model/tensor-container.ts"
import { crypto } from "../../model/shipped-model.ts"
import { COMPUTE, input, planned } from "./cluster-rig.ts"

const run = new Uint8Array(16).fill(7)
const content = Either.getOrThrow(encodeContainer(input([1, 2, 3, 4])))
const answer = (values: ReadonlyArray<number>) => Either.right(input(values).map((tensor) => ({ ...tensor, name: "y" })))
const outputOf = (outcome: Outcome) => {
  const bytes = Either.getOrThrow(encodeOutcome(outcome))
  return { run, part: 0, hash: parcelHash(crypto, run, "output", bytes), bytes: parcelPart(bytes, 0) }
}

const rig = Effect.gen(function*() {
  const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
  const desk = makeDesk({ crypto, runners: ["r0", "r1"], models: modelsForRunners([planned()]) })
  const status = new ComputeStatus({ ready: true, draining: false, admitted: 1, rejected: 0, released: 0, alarms: 0 })
  const served = mountWithDesk(mount, COMPUTE, desk)
  yield* served.serve(COMPUTE, Compute, Compute.toLayer({ Status: () => Effect.succeed(status), Drain: () => Effect.void }))
  const client = (name: string) => mount.connect(name, COMPUTE, RunDesk)
  const compute = yield* mount.connect("person", COMPUTE, Compute)
  const waiting = yield* Effect.flatMap(
    desk.open(run, { card: planned().card, model: planned().hash, input: content, limitMs: 500 }), Effect.fork)
  return { desk, compute, waiting, r0: yield* client("r0"), r1: yield* client("r1"), stranger: yield* client("mallory") }
})
type Rig = Effect.Effect.Success<typeof rig>
const within = <A, E>(use: (rig: Rig) => Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(Effect.flatMap(rig, use)))
const refusal = <A, E>(call: Effect.Effect<A, E>) => Effect.match(call, {
  onFailure: (error) => (error as { readonly _tag: string; readonly reason?: string }).reason ?? (error as { readonly _tag: string })._tag,
  onSuccess: String
})

describe("a desk", () => {
  it("is served beside the service's own calls, and gives runners their input and its limit", () =>
    within(({ compute, r0 }) => Effect.gen(function*() {
      expect(yield* compute.Status()).toMatchObject({ admitted: 1 })
      const part = yield* r0.TakeInput({ run, part: 0 })
      expect(part).toMatchObject({ limitMs: 500, parts: 1, model: planned().hash, hash: parcelHash(crypto, run, "input", content) })
      expect(Either.getOrThrow(openParcel([part.bytes]))).toEqual(content)
      expect((yield* r0.Models()).any).toEqual([planned().hash])
    })))

  it("takes the first right output, from whomever, and knows the run no more", () =>
    within(({ r0, r1, waiting }) => Effect.gen(function*() {
      expect(yield* r1.GiveOutput(outputOf(answer([3, 5, 7, 9])))).toBe(true)
      expect(yield* Fiber.join(waiting)).toEqual(answer([3, 5, 7, 9]))
      expect(yield* refusal(r0.GiveOutput(outputOf(answer([0, 0, 0, 0]))))).toBe("RunUnknown")
      expect(yield* refusal(r0.TakeInput({ run, part: 0 }))).toBe("RunUnknown")
    })))

  it("refuses wrong hashes, other runs' hashes, wrong tensors and wrong forms, and still takes a right one", () =>
    within(({ r0, waiting }) => Effect.gen(function*() {
      const right = outputOf(Either.left(failed("time-limit")))
      expect(yield* refusal(r0.GiveOutput({ ...right, hash: parcelHash(crypto, run, "input", right.bytes) }))).toBe("hash")
      expect(yield* refusal(r0.GiveOutput(outputOf(Either.right(input([1, 2, 3, 4])))))).toBe("form")
      expect(yield* refusal(r0.GiveOutput({ ...right, bytes: right.bytes.map(() => 255) }))).toBe("form")
      expect(yield* refusal(r0.GiveOutput({ ...right, bytes: right.bytes.subarray(1) }))).toBe("order")
      expect(yield* refusal(r0.GiveOutput({ ...right, part: 1 }))).toBe("order")
      expect(yield* r0.GiveOutput(right)).toBe(true)
      expect(yield* Fiber.join(waiting)).toEqual(Either.left(failed("time-limit")))
    })))

  it("tells strangers and askers for runs, parts or closed runs that are not there the same", () =>
    within(({ desk, r0, stranger }) => Effect.gen(function*() {
      const asked = [
        stranger.TakeInput({ run, part: 0 }), stranger.GiveOutput(outputOf(answer([1, 1, 1, 1]))), stranger.Models(),
        r0.TakeInput({ run: run.map(() => 8), part: 0 }), r0.TakeInput({ run, part: 1 }), r0.TakeInput({ run, part: -1 }), r0.TakeInput({ run, part: 0.5 }),
        Effect.zipRight(Effect.sync(() => desk.close(run)), r0.TakeInput({ run, part: 0 }))
      ]
      expect(new Set(yield* Effect.forEach(asked, (call) => refusal(call as Effect.Effect<unknown, unknown>)))).toEqual(new Set(["RunUnknown"]))
    })))
})
