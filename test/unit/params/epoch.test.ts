/**
 * Goal: epoch numbers agree with the reference's at known instants and at every border.
 * Method: instants computed by hand from the origin.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import {
  Epoch, EPOCH_ORIGIN_MS, epochAt, epochStartMs, ReplicaEpoch, replicaEpochAt, replicaEpochOf, replicaEpochStartMs
} from "../../../src/params/epoch.ts"

const periods = { epochPeriodMs: 20 * 60_000, replicaEpochPeriodMs: 7 * 86_400_000 }

describe("epoch", () => {
  it("the origin is 2017-06-01T00:00:00Z", () => {
    expect(EPOCH_ORIGIN_MS).toBe(1_496_275_200_000)
  })
  it("an epoch starts at its first millisecond and ends before the next one's", () => {
    const start = epochStartMs(periods, Epoch(1000))
    expect(start).toBe(1_496_275_200_000 + 1000 * 1_200_000)
    expect(epochAt(periods, start)).toBe(1000)
    expect(epochAt(periods, start - 1)).toBe(999)
    expect(epochAt(periods, start + 1_199_999)).toBe(1000)
    expect(epochAt(periods, start + 1_200_000)).toBe(1001)
  })
  it("the same holds for replica epochs", () => {
    const start = replicaEpochStartMs(periods, ReplicaEpoch(3))
    expect(replicaEpochAt(periods, start)).toBe(3)
    expect(replicaEpochAt(periods, start - 1)).toBe(2)
  })
  it("504 epochs of 20 minutes make one replica epoch of 7 days", () => {
    expect([0, 503, 504, 1007, 1008].map((epoch) => replicaEpochOf(periods, Epoch(epoch)))).toEqual([0, 0, 1, 1, 2])
  })
  it("periods are the network's own", () => {
    const short = { epochPeriodMs: 5000, replicaEpochPeriodMs: 60_000 }
    expect(epochAt(short, EPOCH_ORIGIN_MS + 59_999)).toBe(11)
    expect(replicaEpochOf(short, Epoch(11))).toBe(0)
    expect(replicaEpochOf(short, Epoch(12))).toBe(1)
  })
  it("an instant before the origin belongs to epoch 0", () => {
    expect(epochAt(periods, 0)).toBe(0)
    expect(replicaEpochAt(periods, EPOCH_ORIGIN_MS - 1)).toBe(0)
  })
})
