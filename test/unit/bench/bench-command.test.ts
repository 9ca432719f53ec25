/**
 * Goal: benches cannot rot, and their command prints what it promises.
 * Method: the small size of each bench on whatever backend there is; arguments good and bad; medians by hand. No figure is asserted.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { bacapBench } from "../../../bench/bacap.bench.ts"
import { parseInvocation, renderJson, renderTable, resultsFolderOf } from "../../../bench/bench-command.ts"
import { compare, machineOf, median } from "../../../bench/harness.ts"
import { plotOf } from "../../../bench/plot.ts"
import { unwrapBench } from "../../../bench/unwrap.bench.ts"
import { fastest } from "../sphinx/sphinx-path.ts"

describe("bench", () => {
  it("the unwrap bench gives its four rows, with the same checksums every time", async () => {
    const rows = await unwrapBench.run({ crypto: fastest, small: true })
    expect(rows.map(({ id }) => id)).toEqual(["unwrap/x25519/2000", "unwrap/x25519/30000", "unwrap/x-wing/2000", "unwrap/x-wing/30000"])
    for (const row of rows) {
      expect(row.us).toBeGreaterThan(0)
      expect(row.ratio).toBe(row.us / row.floorUs)
    }
    const again = await unwrapBench.run({ crypto: fastest, small: true })
    expect(again.map(({ checksum }) => checksum)).toEqual(rows.map(({ checksum }) => checksum))
  })

  it("the bacap bench gives its six rows, with the same checksums every time", async () => {
    const rows = await bacapBench.run({ crypto: fastest, small: true })
    expect(rows.map(({ id }) => id)).toEqual([
      "bacap/write/2000", "bacap/verify/2000", "bacap/write/30000", "bacap/verify/30000", "mkem/encapsulate/2000", "mkem/decapsulate/2000"
    ])
    for (const row of rows) expect(row.ratio).toBe(row.us / row.floorUs)
    const again = await bacapBench.run({ crypto: fastest, small: true })
    expect(again.map(({ checksum }) => checksum)).toEqual(rows.map(({ checksum }) => checksum))
  })

  it("JSON has results and machine and nothing else; the table has a line per row", () => {
    const row = compare({ id: "a/b", candidate: (i) => i, floor: (i) => i + 1, inputCount: 2, small: true })
    const machine = machineOf(fastest)
    const printed = JSON.parse(renderJson([row], machine)) as { readonly results: ReadonlyArray<object>; readonly machine: object }
    expect(Object.keys(printed)).toEqual(["results", "machine"])
    expect(Object.keys(printed.results[0]!)).toEqual(["id", "us", "floorUs", "ratio", "allocatedBytes", "checksum"])
    expect(Object.keys(printed.machine)).toEqual(["cpu", "cores", "node", "platform", "backend"])
    expect(renderTable([unwrapBench], [row]).split("\n")).toHaveLength(3)
  })

  it("a picture has one bar per row and a line at 1, and no text that could be markup", () => {
    const row = compare({ id: "a<b/\"c\"", candidate: (i) => i, floor: (i) => i + 1, inputCount: 2, small: true })
    const picture = plotOf("why & how", [{ ...row, ratio: 2 }, { ...row, ratio: 0.5 }, { ...row, ratio: Number.POSITIVE_INFINITY }], "note")
    const widths = [...picture.matchAll(/<rect x="210" y="\d+" width="(\d+)"/g)].map((match) => Number(match[1]))
    expect(widths).toHaveLength(3)
    expect(Math.abs((widths[0] as number) / (widths[1] as number) - 4)).toBeLessThan(0.05)
    expect(picture.match(/<line /g)).toHaveLength(1)
    expect(picture).toContain("why &#38; how")
    expect(picture).not.toContain("a<b")
    expect(plotOf("q", [row], "note")).toBe(plotOf("q", [row], "note"))
  })

  it("pictures go where the repository keeps them, from source and compiled", () => {
    expect(["/some/funion/bench/", "/some/funion/dist/bench/", "/dist/funion/bench"].map(resultsFolderOf)).toEqual([
      "/some/funion/bench/results", "/some/funion/bench/results", "/dist/funion/bench/results"
    ])
  })

  it("arguments choose benches; unknown names and options are explained", () => {
    expect(Either.getOrThrow(parseInvocation(["unwrap", "--json", "--small"]))).toMatchObject({ chosen: [unwrapBench], json: true, small: true })
    expect(Either.getOrThrow(parseInvocation([])).chosen).toContain(unwrapBench)
    expect(Either.getOrThrow(Either.flip(parseInvocation(["wrap"])))).toMatch(/unknown bench wrap; benches: .*unwrap/)
    expect(Either.isLeft(parseInvocation(["unwrap", "--loud"]))).toBe(true)
    expect(Either.isLeft(parseInvocation(["--backend", "gpu"]))).toBe(true)
  })

  it("the median is the middle value", () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7]), median([])]).toEqual([2, 2.5, 7, 0])
  })
})
