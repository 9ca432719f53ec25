/**
 * When a courier is asked again.
 *
 * Goal: replicas that take longer than a round trip cost no packets, quick ones cost no time, and the pauses tell nobody anything but parameters.
 * Method: the formula; then real envelopes against the fake storage, whose replies are ready after delays that the test draws. Virtual time.
 *
 * @module
 */
import { Array, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { readCapOf } from "../../../src/bacap/capability.ts"
import { meanRoundTripMs, pollTimingOf } from "../../../src/storage/box-store.ts"
import { ANSWER_GAPS, meanFirstPauseMs, pauseAfterAckMs } from "../../../src/storage/poll-timing.ts"
import { readBoxes } from "../../../src/storage/box-stream.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { fakeParams } from "../session/fake-network.ts"
import { withStore, WRITE_CAP } from "./store-bench.ts"

const DRAWS = Array.makeBy(1000, (at) => at / 1000)

describe("the pause after an ACK", () => {
  it("is nothing where a round trip takes as long as the replicas' answer", () => {
    const timing = pollTimingOf(tinyParams)
    expect(timing).toEqual({ roundTripMs: 160, linkGapMs: 40 })
    for (const draw of DRAWS) expect(pauseAfterAckMs(timing, 1, draw)).toBe(0)
    expect(meanFirstPauseMs(timing)).toBe(0)
  })

  it("is what the answer takes longer than a round trip, and up to half as long again, evenly", () => {
    const timing = { roundTripMs: 40, linkGapMs: 100 }
    const leastMs = ANSWER_GAPS * 100 - 40
    const pauses = DRAWS.map((draw) => pauseAfterAckMs(timing, 1, draw))
    expect(Math.min(...pauses)).toBe(leastMs)
    expect(Math.max(...pauses)).toBeLessThan(1.5 * leastMs)
    expect(Math.max(...pauses)).toBeGreaterThan(1.49 * leastMs)
    expect(pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length).toBeCloseTo(meanFirstPauseMs(timing), 0)
  })

  it("grows from ACK to ACK after the first, by no less than a round trip and two gaps", () => {
    const meanAfter = (roundTripMs: number, ackCount: number) =>
      DRAWS.reduce((sum, draw) => sum + pauseAfterAckMs({ roundTripMs, linkGapMs: 100 }, ackCount, draw), 0) / DRAWS.length
    for (const [roundTripMs, stepMs] of [[40, 200], [1000, 1000]] as const) {
      for (const ackCount of [2, 3, 4]) {
        expect(meanAfter(roundTripMs, ackCount) / (stepMs * (ackCount - 1))).toBeGreaterThan(0.95)
        expect(meanAfter(roundTripMs, ackCount) / (stepMs * (ackCount - 1))).toBeLessThan(1.05)
      }
    }
  })
})

const BOX_COUNT = 8

/** Reads of boxes, two at a time so that polls hardly queue; replies are ready some gaps of the replicas' links after the envelope came. */
const queriesPerEnvelope = (lambdaRPerMs: number, gapsOf: (round: number) => number): number => {
  const dueMs: Array<number> = []
  let now = () => 0
  const ackCount = (round: number) => {
    dueMs[round] ??= now() + gapsOf(round) / lambdaRPerMs
    return now() < dueMs[round]! ? Number.POSITIVE_INFINITY : 0
  }
  return withStore({ network: { params: { lambdaRPerMs } }, script: { ackCount } }, ({ storage }) => {
    now = () => storage.queries.at(-1)!.atMs
    const boxes = Array.makeBy(BOX_COUNT, (key) => ({ key, readCap: readCapOf(WRITE_CAP), index: WRITE_CAP.index }))
    return Effect.map(readBoxes(boxes, { windowCount: 2, retryMisses: false, missPauseMs: 1 }), (fates) => {
      expect(fates.size).toBe(BOX_COUNT)
      return storage.queries.length / storage.envelopes.length
    })
  })
}

describe("a poll", () => {
  const roundTripMs = meanRoundTripMs(fakeParams)

  it("rarely comes before the reply, although that takes some round trips", () => {
    // one to four gaps, evenly; a gap is two round trips
    expect(queriesPerEnvelope(0.5 / roundTripMs, (round) => 1 + 3 * ((round * 0.618) % 1))).toBeLessThan(2.2)
  })

  it("that comes before the reply is followed by few others, even when a reply takes three times as long as nine of ten do", () => {
    const count = queriesPerEnvelope(0.5 / roundTripMs, (round) => (round < 2 ? 3 * ANSWER_GAPS : 1))
    // two of eight envelopes take more than two queries, and at most five
    expect(count).toBeGreaterThan(2)
    expect(count).toBeLessThanOrEqual(2 + (2 * 3) / BOX_COUNT)
  })
})
