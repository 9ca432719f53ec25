/**
 * Goal: upload and fetch of a stream use nearly every tick that comes anyway, on links where replicas take many round trips to answer, and the
 * packets that leave meanwhile are those of a Poisson stream at the rate that the document states.
 * Method: the transfer bench's own run, seeded, in virtual time with real actors and crypto, a tap on what the client hands to its gateway. Gaps: one-sample
 * Kolmogorov–Smirnov against the exponential distribution of both streams together, false-alarm rate 10^-4; the same for two thirds of the rate must fail.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { runTransfer, TRANSFER_CLIENT, transferFloorMs } from "../../bench/transfer-run.ts"
import { runVirtually } from "../../bench/virtual-run.ts"
import type { TapEvent } from "../../src/actor/call-tap.ts"
import { distanceFrom, exponential } from "../../src/simulation/checkers/statistics.ts"
import { fastest } from "../unit/sphinx/sphinx-path.ts"
import { briskParams } from "./brisk-network.ts"

const LIMIT_MS = 120_000
const JUMP_FACTOR = 1e9
const CLASS_ID = 8
const FALSE_ALARM_RATE = 1e-4
const ADDRESS_BYTES = 32

describe("a transfer of many boxes", () => {
  it("takes two packets a box, little longer than the ticks for them, and leaves the schedule as it is", async () => {
    const sentMs: Array<number> = []
    const tap = ({ bytes, call, direction, from, instantMs }: TapEvent): void => {
      if (call !== "Submit" || direction !== "request" || from !== TRANSFER_CLIENT) return
      for (const { length } of bytes) if (length !== ADDRESS_BYTES) sentMs.push(instantMs)
    }
    const backend = fastest.name === "native" ? "native" : "reference"
    const params = briskParams
    const { boxCount, fetch, upload } = await runVirtually(runTransfer({ params, classId: CLASS_ID, sessionCount: 1, seed: 7, backend, tap }), JUMP_FACTOR)
    const floorMs = transferFloorMs(params, boxCount, 1)
    for (const { elapsedMs, requestCount } of [upload, fetch]) {
      expect(requestCount / boxCount).toBeGreaterThanOrEqual(2)
      expect(requestCount / boxCount).toBeLessThan(2.1)
      // a quarter is for the ticks' own chance; a manifest alone and the last box take some round trips, whatever the stream's length
      expect(elapsedMs).toBeLessThan(1.25 * floorMs + 8 * (1 / params.lambdaPPerMs + 4 / params.lambdaRPerMs))
    }
    const gaps = sentMs.slice(1).map((atMs, index) => atMs - sentMs[index]!)
    const ratePerMs = params.lambdaPPerMs + params.lambdaLPerMs
    const critical = Math.sqrt(-Math.log(FALSE_ALARM_RATE / 2) / 2) / Math.sqrt(gaps.length)
    expect(gaps.length).toBeGreaterThan(300)
    expect(distanceFrom(gaps, exponential(ratePerMs))).toBeLessThan(critical)
    expect(distanceFrom(gaps, exponential(ratePerMs * (2 / 3)))).toBeGreaterThan(critical)
  }, LIMIT_MS)
})
