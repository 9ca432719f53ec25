/**
 * Goal: every mix, gateway and service node sends loops at its rate, all of them come home in time at nominal load, and on links between nodes they look
 * like any other packet.
 * Method: a network of two mixes in each of two layers, in virtual time with real crypto; figures are read where an operator reads them.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { launch } from "../../actors/launch.ts"
import type { TapEvent } from "../../src/actor/call-tap.ts"
import { Meter, MeterBook } from "../../src/actor/meter.ts"
import { randomFromEntropy, systemEntropy } from "../../src/crypto/entropy.ts"
import { briskParams, briskTopology, within } from "./brisk-network.ts"
import { runVirtually } from "./virtual-run.ts"

const LIMIT_MS = 120_000
const LISTEN_MS = 20_000

const params = { ...briskParams, mixLayers: 2, geometry: { ...briskParams.geometry, hopCount: 4 }, lambdaMPerMs: 0.004, lambdaGPerMs: 0.004 }
const choice = { params, mixLayers: [2, 2], clients: 0, computes: [], serviceNodes: [{ couriers: 1 }, { couriers: 1 }] }
const NODES = 2 + 2 + 1 + 2

describe("a network without clients", () => {
  it("is not silent: every node's loops leave at its rate and come home", async () => {
    const book = new MeterBook()
    const sizes = new Set<number>()
    const pairs = new Set<string>()
    const tap = ({ bytes, call, from, to }: TapEvent): void => {
      if (call !== "Forward") return
      pairs.add(`${from} ${to}`)
      for (const { length } of bytes) sizes.add(length)
    }
    const listen = Effect.gen(function* () {
      const net = yield* launch(briskTopology([], choice), { tap, seed: 5 })
      const before = new Map((yield* book.readings).get("loops_total"))
      yield* Effect.sleep(LISTEN_MS)
      const readings = yield* book.readings
      const loops = new Map(readings.get("loops_total"))
      const expected = NODES * params.lambdaMPerMs * LISTEN_MS
      expect(Math.abs(loops.get("sent")! - (before.get("sent") ?? 0) - expected)).toBeLessThan(5 * Math.sqrt(expected))
      expect(["late", "lost", "unsent"].map((outcome) => loops.get(outcome))).toEqual([0, 0, 0])
      expect(loops.get("timely")!).toBeGreaterThan(0.9 * loops.get("sent")!)
      expect([...readings.get("dropped_packets_total") ?? []].filter(([, count]) => count > 0)).toEqual([])
      expect([...sizes]).toEqual([net.setting.geometry.packetBytes])
      // gateway and service nodes to layer 0, layer 0 to layer 1, layer 1 to gateway and service nodes
      expect(pairs.size).toBe(3 * 2 + 2 * 2 + 2 * 3)
    })
    await runVirtually(Effect.scoped(within(LIMIT_MS)(listen)).pipe(
      Effect.provideService(Meter, book), Effect.withRandom(randomFromEntropy(systemEntropy))
    ))
  }, 2 * LIMIT_MS)
})
