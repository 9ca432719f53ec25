/**
 * Goal: what travels looks the same whatever it is: every kind of message has one size in each direction, a client's packets leave with the same gaps
 * whether it works or rests, and a job that fails costs storage as many operations as one that succeeds.
 * Method: one brisk network, seeded, in virtual time with real crypto, a tap on every call; idle time, then a job that succeeds, then one whose model fails.
 * Gaps: two-sample Kolmogorov–Smirnov, false-alarm rate 10^-4, of a client that works and one that rests in the same seconds.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import type { TapEvent } from "../../src/actor/call-tap.ts"
import { boxesOfClass } from "../../src/params/size-class.ts"
import { cardOfModel, codec } from "../unit/model/shipped-model.ts"
import { briskTopology, endingOf, inNetwork, within } from "./brisk-network.ts"

const LIMIT_MS = 90_000
const FALSE_ALARM_RATE = 1e-4
/** Calls that carry traffic; the directory's and people's own calls are none. */
const TRAFFIC = new Set(["Forward", "Submit", "Receive", "Query", "CourierCommand", "ReplicaCommand", "QueueDeliveries", "QueueAnswer"])
const ADDRESS_BYTES = 32
const QUERY_HEAD_BYTES = 256

/** Largest distance between the distributions of two samples. */
const distanceBetween = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const shareBelow = (sample: ReadonlyArray<number>, value: number) => sample.filter((other) => other <= value).length / sample.length
  return Math.max(...[...a, ...b].map((value) => Math.abs(shareBelow(a, value) - shareBelow(b, value))))
}

/** The distance that two samples of one distribution exceed with the false-alarm rate. */
const criticalDistanceOf = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  Math.sqrt(-Math.log(FALSE_ALARM_RATE / 2) / 2) * Math.sqrt((a.length + b.length) / (a.length * b.length))

const gapsOf = (instantsMs: ReadonlyArray<number>): ReadonlyArray<number> => instantsMs.slice(1).map((instantMs, index) => instantMs - instantsMs[index]!)

/** Listens to the whole network. */
const makeEar = () => {
  const sizes = new Map<string, Set<number>>()
  const sentMs = new Map<string, Array<number>>([["client-0", []], ["client-1", []]])
  let queries = new Set<string>()
  const tap = ({ bytes, call, direction, from, instantMs }: TapEvent): void => {
    if (!TRAFFIC.has(call)) return
    const frames = bytes.filter(({ length }) => length !== ADDRESS_BYTES)
    const key = `${call} ${direction}`
    const seen = sizes.get(key) ?? new Set<number>()
    sizes.set(key, seen)
    for (const frame of frames) {
      seen.add(frame.length)
      if (call === "Submit" && direction === "request") sentMs.get(from)?.push(instantMs)
      if (call === "Query" && direction === "request") queries.add(Buffer.from(frame.subarray(0, QUERY_HEAD_BYTES)).toString("latin1"))
    }
  }
  /** Envelopes since the last call; repetitions of one envelope count once. */
  const takeEnvelopeCount = (): number => {
    const count = queries.size
    queries = new Set()
    return count
  }
  return { tap, sizes, sentMs, takeEnvelopeCount }
}

describe("a network", () => {
  it("E8: shows neither work nor failure in sizes, gaps and numbers of operations", async () => {
    const ear = makeEar()
    const card = cardOfModel("tiny-lm")
    const good = Either.getOrThrow(codec.encodeInput(card, { text: "Once upon a time" }, { maxTokens: 4 }))
    // Ids beyond the vocabulary: of the right shape and type, so that only the model can refuse them.
    const bad = good.map((tensor, index) => (index === 0 ? { ...tensor, data: new Uint8Array(tensor.data.length).fill(0x7f) } : tensor))
    const options = { tap: ear.tap, seed: 20_251_123, jumpFactor: 2 }
    await inNetwork(briskTopology(["tiny-lm"], { clients: 2 }), options, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const person = yield* net.client()
      const ask = (inputs: typeof good) =>
        Effect.map(endingOf(person.Infer({ model: "tiny-lm", inputs })), (ending) => ({ ending, envelopeCount: ear.takeEnvelopeCount() }))
      yield* Effect.sleep(2000)
      expect(ear.takeEnvelopeCount()).toBe(0)
      for (const instantsMs of ear.sentMs.values()) instantsMs.length = 0
      const success = yield* ask(good)
      const failure = yield* ask(bad)
      const [busyGaps = [], idleGaps = []] = [...ear.sentMs.values()].map(gapsOf)
      expect(success.ending._tag).toBe("Answer")
      expect(failure.ending).toMatchObject({ _tag: "Failure", step: "fetch", reason: "job-failed" })
      // input written and read, output written and read; a round that had to be repeated, or a poll that missed, adds one
      const needed = 4 * boxesOfClass(0)
      for (const { envelopeCount } of [success, failure]) {
        expect(envelopeCount).toBeGreaterThanOrEqual(needed)
        expect(envelopeCount).toBeLessThanOrEqual(needed + 4)
      }
      expect(Math.min(idleGaps.length, busyGaps.length)).toBeGreaterThan(200)
      expect(distanceBetween(idleGaps, busyGaps)).toBeLessThan(criticalDistanceOf(idleGaps, busyGaps))

      const { packetBytes, userPayloadBytes } = net.setting.geometry
      expect(ear.sizes.get("Forward request")).toEqual(new Set([packetBytes]))
      expect(ear.sizes.get("Submit request")).toEqual(new Set([packetBytes]))
      expect(ear.sizes.get("Query request")).toEqual(new Set([userPayloadBytes]))
      expect(ear.sizes.get("Query reply")).toEqual(new Set([userPayloadBytes]))
      expect([...ear.sizes].filter(([, seen]) => seen.size > 1)).toEqual([])
    })))
  }, 2 * LIMIT_MS)
})
