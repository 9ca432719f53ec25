/**
 * One reply for every command, at a time that says nothing (R28).
 *
 * Goal: exactly one frame per command, uniform delays whether something waits or not, bounded memory.
 * Method: virtual time with seeded randomness; Kolmogorov–Smirnov test with a false-alarm rate of 10^-6.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { PEER_LIMIT, READY_LIMIT, ReplySlots } from "../../../../actors/replica/reply-slots.ts"
import { randomFromEntropy } from "../../../../src/crypto/entropy.ts"
import { distanceBound, distanceFrom } from "../../../../src/simulation/checkers/statistics.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { entropyOf } from "./sample-box.ts"

const LAMBDA_R = 0.025
const decoy = new Uint8Array([0])
const frame = (value: number): Uint8Array => new Uint8Array([value])
const run = <A>(effect: Effect.Effect<A>): A => runVirtual(Effect.withRandom(effect, randomFromEntropy(entropyOf("slots"))))

const delaysOf = (slots: ReplySlots, commandCount: number) =>
  Effect.forEach(Array.from({ length: commandCount }), () =>
    Effect.gen(function*() {
      const startMs = yield* Clock.currentTimeMillis
      yield* slots.take("courier-0")
      return (yield* Clock.currentTimeMillis) - startMs
    }))

describe("reply slots", () => {
  it.each(["decoys", "replies"])("R28: the delay of %s is uniform on [0, 1/λR]", (kind) => {
    const slots = new ReplySlots(decoy, LAMBDA_R)
    if (kind === "replies") for (let value = 0; value < READY_LIMIT; value++) slots.push("courier-0", frame(1))
    const delays = run(delaysOf(slots, 2000))
    expect(distanceFrom(delays, (x) => Math.min(1, Math.max(0, x * LAMBDA_R)))).toBeLessThan(distanceBound(2000, 1e-6))
  })
  it("a command gets the oldest reply that is ready for its peer, and a decoy when there is none", () => {
    const frames = run(Effect.gen(function*() {
      const slots = new ReplySlots(decoy, LAMBDA_R)
      slots.push("a", frame(1))
      slots.push("b", frame(9))
      slots.push("a", frame(2))
      return yield* Effect.forEach(["a", "a", "a", "b", "c"], (peer) => slots.take(peer))
    }))
    expect(frames).toEqual([frame(1), frame(2), decoy, frame(9), decoy])
  })
  it("as many frames go out as commands came in, whatever is ready meanwhile", () => {
    const frames = run(Effect.gen(function*() {
      const slots = new ReplySlots(decoy, LAMBDA_R)
      const late = Effect.zipRight(Effect.sleep(20), Effect.sync(() => { for (let value = 1; value <= 30; value++) slots.push("a", frame(value)) }))
      const [answers] = yield* Effect.all([Effect.all(Array.from({ length: 20 }, () => slots.take("a")), { concurrency: "unbounded" }), late], {
        concurrency: "unbounded"
      })
      return answers
    }))
    expect(frames).toHaveLength(20)
    const real = frames.filter((each) => each !== decoy).map((each) => each[0] as number)
    expect(new Set(real).size).toBe(real.length)
    expect(real.length).toBeGreaterThan(0)
  })
  it("R28: replies that wait are bounded per peer, the oldest go first", () => {
    const slots = new ReplySlots(decoy, LAMBDA_R)
    for (let value = 0; value <= READY_LIMIT; value++) slots.push("a", new Uint8Array([value >> 8, value & 255]))
    expect(run(slots.take("a"))).toEqual(new Uint8Array([0, 1]))
  })
  it("peers are bounded, the one that was written to longest ago goes first, and a peer that was served leaves nothing", () => {
    const slots = new ReplySlots(decoy, LAMBDA_R)
    for (let peer = 0; peer <= PEER_LIMIT; peer++) slots.push(`peer-${peer}`, frame(7))
    expect(slots.peerCount).toBe(PEER_LIMIT)
    expect([run(slots.take("peer-0")), run(slots.take("peer-1"))]).toEqual([decoy, frame(7)])
    expect(slots.peerCount).toBe(PEER_LIMIT - 1)
  })
})
