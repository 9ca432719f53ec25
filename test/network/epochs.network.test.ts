/**
 * Goal: nothing is lost at the borders of epochs and replica epochs at nominal load: every loop comes home in time, no packet is dropped for want of a key, a
 * document or a next hop, and jobs that cross the borders are answered without a repetition.
 * Method: a world of two layers of two mixes, without cryptography, with epochs of 8 s and replica epochs of 16 s, over five borders of the one and two of the
 * other; one job after the other by way of storage. The seed is fixed.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { inferTensors } from "../../actors/session-api.ts"
import { runWorld, totalsOf } from "../../actors/simulator/world.ts"
import { numbersOf } from "../../src/model/tensor.ts"
import { epochAt, replicaEpochAt } from "../../src/params/epoch.ts"
import { affineAnswer, affineInput, briskParams, briskTopology } from "./brisk-network.ts"

const LIMIT_MS = 300_000
const EPOCH_MS = 8_000

const params = {
  ...briskParams, mixLayers: 2, geometry: { ...briskParams.geometry, hopCount: 4 }, lambdaMPerMs: 0.004, lambdaGPerMs: 0.008,
  epochPeriodMs: EPOCH_MS, replicaEpochPeriodMs: 2 * EPOCH_MS
}
const topology = briskTopology(["affine"], { params, mixLayers: [2, 2], clients: 1, gateways: 2, serviceNodes: [{ couriers: 1 }, { couriers: 1 }] })

describe("at the borders of epochs", () => {
  it("no packet is lost, and jobs go on", async () => {
    const { dropsByReason, value } = await runWorld({ topology, seed: 11, backend: "elided" }, (world) => Effect.gen(function* () {
      const startMs = world.nowMs()
      const endMs = startMs + 5.2 * EPOCH_MS
      let jobs = 0
      while (world.nowMs() < endMs) {
        const { outputs } = yield* inferTensors(world.network, "affine", [affineInput(jobs)])
        expect(numbersOf(outputs[0]!)).toEqual(affineAnswer(jobs))
        jobs += 1
      }
      const readings = yield* world.readings
      return {
        jobs, loops: totalsOf(readings, "loops_total"), session: totalsOf(readings, "session_events_total"),
        epochs: epochAt(params, world.nowMs()) - epochAt(params, startMs),
        replicaEpochs: replicaEpochAt(params, world.nowMs()) - replicaEpochAt(params, startMs)
      }
    }))
    expect(value.epochs).toBeGreaterThanOrEqual(5)
    expect(value.replicaEpochs).toBeGreaterThanOrEqual(2)
    expect(value.jobs).toBeGreaterThanOrEqual(4)
    expect(Object.entries(dropsByReason).filter(([, count]) => count > 0)).toEqual([])
    expect(value.loops).toMatchObject({ late: 0, lost: 0, unsent: 0 })
    expect(value.loops.timely).toBeGreaterThan(2000)
    expect(value.session).toMatchObject({ retransmission: 0, "unknown-reply": 0, "garbled-reply": 0, "empty-tick": 0, "late-tick": 0 })
  }, LIMIT_MS)
})
