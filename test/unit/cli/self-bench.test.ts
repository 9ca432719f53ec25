/**
 * The start-up self-benchmark.
 *
 * Goal: it gives figures, keeps them for the same program on the same machine only, and lives without a cache folder.
 * Method: measuring for real, in a temporary folder; files spoilt by hand. No figure is asserted.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { measureMachine, renderFigures, storedFigures, storeFigures } from "../../../actors/cli/self-bench.ts"
import { fastest } from "../sphinx/sphinx-path.ts"

const folder = mkdtempSync(join(tmpdir(), "funion-bench-"))
afterAll(() => rmSync(folder, { recursive: true }))
const FIGURES = { cores: 2, unwrapsPerSecond: 11_000, aezMegabytesPerSecond: 340, boxWritesPerSecond: 11_800, commitsPerSecond: 0 }

describe("the self-benchmark", () => {
  it("gives a figure above zero for everything and leaves nothing but its cache behind", async () => {
    const figures = await Effect.runPromise(measureMachine(fastest, folder))
    for (const value of Object.values(figures)) expect(value).toBeGreaterThan(0)
    expect(readdirSync(folder)).toEqual([])
    expect(storeFigures(fastest, figures, folder)).toBe(true)
    expect(storedFigures(fastest, folder)).toEqual(figures)
    expect(readdirSync(folder)).toHaveLength(1)
  }, 60_000)
  it("figures of another backend, version or machine are none, and so is a file that is cut, spoilt or missing", () => {
    storeFigures(fastest, FIGURES, folder)
    const path = join(folder, readdirSync(folder)[0] ?? "")
    const text = readFileSync(path, "utf8")
    expect(storedFigures({ ...fastest, name: fastest.name === "native" ? "reference" : "native" }, folder)).toBeUndefined()
    for (const spoilt of [text.slice(0, -4), text.replace("funion", "x"), text.replace(/\d+\.\d+\.\d+/, "9.9.9"), text.replace("11000", "\"x\""), ""]) {
      writeFileSync(path, spoilt)
      expect(storedFigures(fastest, folder)).toEqual(spoilt === text ? FIGURES : undefined)
    }
    rmSync(path)
    expect(storedFigures(fastest, folder)).toBeUndefined()
  })
  it("a folder that cannot be written costs the cache only", () => {
    expect(storeFigures(fastest, FIGURES, "/dev/null/funion")).toBe(false)
    expect(storedFigures(fastest, "/dev/null/funion")).toBeUndefined()
    expect(renderFigures(FIGURES)["commits"]).toMatch(/not measured/)
  })
})
