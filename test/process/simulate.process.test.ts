/**
 * `funion simulate` as a user runs it.
 *
 * Goal: two processes print the same trace hash for one seed; the object that --json prints has the fields that the page names.
 * Method: the compiled program, twice at once, for seconds of virtual time.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { funion, ROOT } from "./cli-process.ts"

const TOPOLOGY = "topologies/tiny.ts"
const simulate = (...words: ReadonlyArray<string>) => funion(["simulate", join(ROOT, TOPOLOGY), ...words])

describe("funion simulate", () => {
  it("prints the same run in two processes, but for the time that it took", async () => {
    const runs = await Promise.all([1, 2].map(() => simulate("--seed", "7", "--hours", "0.001", "--json")))
    expect(runs.map(({ status, stderr }) => ({ status, stderr }))).toEqual(runs.map(() => ({ status: 0, stderr: "" })))
    const [first, second] = runs.map(({ stdout }) => ({ ...JSON.parse(stdout) as Record<string, unknown>, virtualOverReal: 0 }))
    expect(second).toEqual(first)
    expect(first).toMatchObject({ verdict: "pass", backend: "elided", seed: 7, jobs: { asked: 1, answered: 1 }, failures: [] })
    const page = readFileSync(join(ROOT, "docs/simulation.md"), "utf8")
    for (const field of Object.keys(first!)) expect(page).toContain(`\`${field}\``)
  }, 300_000)
  it("runs many seeds, each as it would run alone, whatever its process ran before", async () => {
    const seeds = Array.from({ length: availableParallelism() + 1 }, (_, index) => 5 + index)
    const last = seeds.at(-1)!
    const [many, alone] = [
      await simulate("--seeds", `5..${last}`, "--hours", "0.0005", "--json"), await simulate("--seed", String(last), "--hours", "0.0005", "--json")
    ].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>)
    expect(many).toMatchObject({ verdict: "pass", seeds: seeds.length, passed: seeds.length, failed: [] })
    expect(many).toMatchObject({ runs: seeds.map((seed) => ({ seed, verdict: "pass" })) })
    expect((many!.runs as ReadonlyArray<unknown>).at(-1)).toMatchObject({ seed: last, traceHash: alone!.traceHash })
  }, 300_000)
  it("refuses what is no number of hours, and a seed that is none", async () => {
    const [hours, seed] = await Promise.all([simulate("--hours", "0"), simulate("--seed", "-1")])
    expect([hours!.status, seed!.status]).toEqual([2, 2])
    expect(hours!.stderr).toContain("--hours")
    expect(seed!.stderr).toContain("--seed")
  })
})
