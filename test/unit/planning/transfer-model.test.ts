/**
 * The model of a transfer.
 *
 * Goal: where a mean can be written down, the draws have it; and what must make a transfer longer does.
 * Method: fixed seeds; replicas that answer at once leave ticks, hops and pauses alone; means within five standard errors.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { tinyParams } from "../../../src/params/presets.ts"
import { modelUniform, spreadOf } from "../../../src/planning/draws.ts"
import { drawStream, drawTransfer, type StorageFigures, type TransferPlan } from "../../../src/planning/transfer-model.ts"

const HOP_MS = 1 / -Math.expm1(-tinyParams.muPerMs)
const ROUND_TRIP_MS = (2 * tinyParams.mixLayers + 2) * HOP_MS
const TICK_MS = 1 / tinyParams.lambdaPPerMs

const storage: StorageFigures = { params: tinyParams, couriers: 2, replicas: 8, linkUse: { courier: 0, replica: 0 }, linkMs: 0, gatherMs: 0 }
/** Links so quick that every answer is there before anybody asks for it. */
const instant: StorageFigures = { ...storage, params: { ...tinyParams, lambdaRPerMs: 100 } }
const one: TransferPlan = { kind: "write", sessions: 1, use: 0, startMs: 0, boxes: 1 }

const timesOf = (figures: StorageFigures, plan: TransferPlan, draws = 4_000) => {
  const uniform = modelUniform(5)
  return spreadOf(Array.from({ length: draws }, () => drawTransfer(figures, plan, uniform).doneMs - plan.startMs))
}

describe("a transfer", () => {
  it("of one box over replicas that answer at once takes two round trips, each behind the tick that makes its packet and the tick that sends it", () => {
    const { error, mean } = timesOf(instant, one)
    expect(Math.abs(mean - 2 * (2 * TICK_MS + ROUND_TRIP_MS))).toBeLessThan(5 * error)
  })
  it("of many boxes takes two ticks a box, whatever else it waits for", () => {
    const { mean } = timesOf(instant, { ...one, boxes: 200 }, 20)
    expect(mean / (400 * TICK_MS)).toBeGreaterThan(0.97)
    expect(mean / (400 * TICK_MS)).toBeLessThan(1.1)
  })
  it("over m sessions takes the m-th part of the ticks", () => {
    const [single, six] = [1, 6].map((sessions) => timesOf(instant, { ...one, boxes: 240, sessions }, 20).mean)
    expect((single ?? 0) / (six ?? 1)).toBeGreaterThan(4.5)
  })
  it("waits longer where links and sessions carry others' work, and where packets take time on their way", () => {
    const alone = timesOf(storage, one).mean
    expect(timesOf({ ...storage, linkUse: { courier: 0.7, replica: 0.7 } }, one).mean).toBeGreaterThan(1.02 * alone)
    expect(timesOf(storage, { ...one, use: 0.5 }).mean - alone).toBeGreaterThan(3.5 * TICK_MS)
    expect(timesOf({ ...storage, linkMs: 10 }, one).mean - alone).toBeGreaterThan(150)
  })
  it("finds a box that was there before, and none that is written later", () => {
    const uniform = modelUniform(9)
    const read: TransferPlan = { ...one, kind: "read", availableMs: 0 }
    expect(drawTransfer(storage, read, uniform).found).toBe(true)
    expect(drawTransfer(storage, { ...read, availableMs: 1e9 }, uniform).found).toBe(false)
  })
  it("stores a box before its writer hears of it, with three packets or two", () => {
    const uniform = modelUniform(9)
    for (let draw = 0; draw < 50; draw++) {
      const { doneMs, packets, storedMs } = drawTransfer(storage, one, uniform)
      expect(storedMs).toBeLessThan(doneMs)
      expect(packets).toBeGreaterThanOrEqual(2)
    }
  })
  it("of nothing takes no time, and a stream is its data and then its manifest", () => {
    expect(drawTransfer(storage, { ...one, boxes: 0, startMs: 40 }, modelUniform(1))).toEqual({
      doneMs: 40, storedMs: 40, found: true, packets: 0, finished: true
    })
    const [uniform, again] = [modelUniform(2), modelUniform(2)]
    const stream = drawStream(storage, { ...one, boxes: 4 }, uniform)
    const data = drawTransfer(storage, { ...one, boxes: 3 }, again)
    const manifest = drawTransfer(storage, { ...one, startMs: data.doneMs }, again)
    expect(stream).toEqual({ ...manifest, packets: data.packets + manifest.packets })
  })
  it("works with three replicas and with two, where a shard is asked directly", () => {
    const [three, eight] = [3, 8].map((replicas) => timesOf({ ...storage, replicas }, one).mean)
    expect(three).toBeLessThan(eight ?? 0)
    expect(timesOf({ ...storage, replicas: 2 }, one).mean).toBeLessThan(eight ?? 0)
  })
})
