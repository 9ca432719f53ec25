/**
 * Goal: the transfer bench cannot rot; its rows say rates and whose clock they are of.
 * Method: its small size in virtual time, on whatever backend there is. No figure is asserted.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { parseInvocation, renderJson } from "../../../bench/bench-command.ts"
import { machineOf } from "../../../bench/harness.ts"
import { transferBench } from "../../../bench/transfer.bench.ts"
import { fastest } from "../sphinx/sphinx-path.ts"

const LIMIT_MS = 120_000

describe("the transfer bench", () => {
  it("gives a row for each direction: achieved rate ÷ floor's rate, in virtual time", async () => {
    const rows = await transferBench.run({ crypto: fastest, small: true })
    expect(rows.map(({ clock, id }) => [id, clock])).toEqual([["transfer/upload", "virtual"], ["transfer/fetch", "virtual"]])
    for (const row of rows) {
      expect(row.us).toBeGreaterThan(0)
      expect(row.ratio).toBe(row.floorUs / row.us)
    }
    const printed = JSON.parse(renderJson(rows, machineOf(fastest))) as { readonly results: ReadonlyArray<object> }
    expect(printed.results.map((row) => Object.keys(row))).toEqual([0, 1].map(() => ["id", "us", "floorUs", "ratio", "clock", "checksum"]))
  }, LIMIT_MS)

  it("runs in real time when asked to", () => {
    expect(Either.getOrThrow(parseInvocation(["transfer", "--real-time"]))).toMatchObject({ chosen: [transferBench], realTime: true })
    expect(Either.getOrThrow(parseInvocation(["transfer"]))).toMatchObject({ realTime: false })
  })
})
