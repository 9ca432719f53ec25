/**
 * The rest between two jobs of one client.
 *
 * Goal: neither an answer nor a failure dates the upload that follows it. Method: the client's workflow in its made-up world, in virtual time.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { FAILURE_CODES } from "../../../src/inference/release-record.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { hear, makeLife, Q, REQUEST, RESULT, START_MS, World, type Life } from "./client-world.ts"

const inVirtual = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): A =>
  runVirtual(Effect.zipRight(Effect.sleep(START_MS), Effect.scoped(effect)).pipe(
    Effect.withRandom(randomFromEntropy(seededEntropy(4, "random"))), Effect.orDie))

const nextWrite = (world: World, after: number) => world.operations.slice(after).find(({ kind }) => kind === "write")?.atMs ?? Number.NaN
const quantumOf = (instantMs: number): number => Math.floor(instantMs / Q)

/** Quanta from asking to the first write, of `count` jobs one after the other, and where in its quantum each write was. */
const startsOf = (world: World, count: number, work: (life: Life) => Effect.Effect<unknown>, pauseMs = 0) =>
  inVirtual(Effect.gen(function* () {
    const life = yield* makeLife(world)
    const starts: Array<{ readonly quanta: number; readonly waitedMs: number; readonly phase: number }> = []
    for (let job = 0; job < count; job++) {
      const askedMs = yield* Clock.currentTimeMillis
      const before = world.operations.length
      yield* work(life)
      const atMs = nextWrite(world, before)
      starts.push({ quanta: quantumOf(atMs) - quantumOf(askedMs), waitedMs: atMs - askedMs, phase: (atMs % Q) / Q })
      yield* Effect.sleep(pauseMs)
    }
    return starts
  }))

const infer = ({ workflow }: Life) => hear((listener) => workflow.infer(REQUEST, listener))

describe("the rest of a client", () => {
  it("its first job begins at once; after an answer the upload starts somewhere in the next quantum", () => {
    const [first, ...later] = startsOf(new World(), 12, infer)
    expect(first?.waitedMs).toBe(0)
    expect(new Set(later.map(({ quanta }) => quanta))).toEqual(new Set([1]))
    expect(new Set(later.map(({ phase }) => Math.floor(phase * 4))).size).toBe(4)
  })

  it("an answer fetched with a ticket counts as well", () => {
    const [, second] = startsOf(new World(), 2, ({ workflow }) => Effect.gen(function* () {
      const ticket = yield* workflow.dispatch(yield* workflow.upload(REQUEST))
      yield* workflow.fetch(ticket, () => Effect.void)
    }).pipe(Effect.orDie))
    expect(second?.quanta).toBe(1)
  })

  it("after a failure the upload starts somewhere in the next four quanta, and long after it in the next one", () => {
    const failing = () => new World({ releases: () => ({ _tag: "Failure", code: FAILURE_CODES.model }) })
    const soon = startsOf(failing(), 25, infer).slice(1).map(({ quanta }) => quanta)
    expect(new Set(soon)).toEqual(new Set([1, 2, 3, 4]))
    expect(new Set(startsOf(failing(), 5, infer, 10 * Q).slice(1).map(({ quanta }) => quanta))).toEqual(new Set([1]))
  })

  it("a request that was refused before anything was sent costs no rest", () => {
    const world = new World({ releases: () => RESULT })
    const starts = startsOf(world, 1, (life) =>
      Effect.zipRight(hear((listener) => life.workflow.infer({ ...REQUEST, model: "unknown" }, listener)), infer(life)))
    expect(starts[0]?.waitedMs).toBe(0)
  })
})
