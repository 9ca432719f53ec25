/**
 * A service's own jobs in a whole network.
 *
 * Goal: their number does not depend on load, nothing of them is left unread, and a client is answered beside them (funion.md §7, O1).
 * Method: a world of the smallest network with one cover job a quantum; a client's job in its midst; every access to the replicas' tables noted.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { inferTensors } from "../../actors/session-api.ts"
import type { StorageEvent } from "../../actors/simulator/storage-event.ts"
import { runWorld, totalsOf } from "../../actors/simulator/world.ts"
import { numbersOf } from "../../src/model/tensor.ts"
import { affineAnswer, affineInput, briskParams, briskTopology } from "../network/brisk-network.ts"

const { quantumMs } = briskParams
/** From its upload to its last reading a job takes less. */
const JOB_LIFE_QUANTA = 14
/** No claim about speed: many of these run beside each other. */
const LIMIT_MS = 300_000

const topology = briskTopology(["affine"], {
  computes: [{
    deadlinesMs: [2000, 4000, 6000],
    releaseWindowMs: 1000,
    profiles: [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 2, coverJobs: 1 }],
    workers: 3,
    models: [{ id: "affine", profiles: [0] }]
  }]
})

describe("cover jobs in a whole network", () => {
  it("one is in every quantum, beside a client's job or not, and no box is written that nobody reads", async () => {
    const storage: Array<StorageEvent> = []
    let upMs = 0
    const { value } = await runWorld({ topology, seed: 7, backend: "elided", onStorage: (event) => storage.push(event) }, (world) =>
      Effect.gen(function*() {
        upMs = yield* Clock.currentTimeMillis
        const { outputs } = yield* inferTensors(world.network, "affine", [affineInput(5)])
        yield* Effect.sleep(JOB_LIFE_QUANTA * quantumMs)
        const readings = yield* world.readings
        return { numbers: numbersOf(outputs[0]!), cover: totalsOf(readings, "cover_jobs_total"), endMs: yield* Clock.currentTimeMillis }
      }))
    expect(value.numbers).toEqual(affineAnswer(5))
    const { admitted = 0, missing = 0, unread } = value.cover
    const quanta = Math.floor(value.endMs / quantumMs) - Math.floor(upMs / quantumMs)
    expect(unread).toBe(0)
    // none but those in which the very first uploads are on their way, before or soon after the service is up
    expect(missing).toBeLessThanOrEqual(4)
    expect(admitted).toBeGreaterThanOrEqual(quanta - 2)
    expect(admitted).toBeLessThanOrEqual(quanta + 2)
    const settledMs = value.endMs - JOB_LIFE_QUANTA * quantumMs
    const written = new Set(storage.filter(({ instantMs, operation }) => operation === "write" && instantMs < settledMs).map(({ boxId }) => boxId))
    for (const { boxId, found, operation } of storage) if (operation === "read" && found) written.delete(boxId)
    expect(written.size).toBeLessThanOrEqual(8)
    expect(storage.filter(({ operation }) => operation === "write").length).toBeGreaterThan(8 * quanta)
  }, LIMIT_MS)
})
