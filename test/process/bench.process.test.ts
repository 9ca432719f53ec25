/**
 * Goal: the bench command prints the JSON that bench/README.md documents, and nothing else.
 * Method: the compiled program as a child process with the small size of each bench. No figure is asserted.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { ROOT } from "./cli-process.ts"

const LIMIT_MS = 120_000
const ROWS: Readonly<Record<string, ReadonlyArray<string>>> = {
  unwrap: ["unwrap/x25519/2000", "unwrap/x25519/30000", "unwrap/x-wing/2000", "unwrap/x-wing/30000"],
  bacap: [
    "bacap/write/2000", "bacap/verify/2000", "bacap/write/30000", "bacap/verify/30000", "mkem/encapsulate/2000", "mkem/decapsulate/2000"
  ],
  mix: ["mix/memory/2000", "mix/tcp/2000", "mix/workers/2000"],
  infer: ["infer/affine"]
}
/** Of the bench whose rows are figures of gates: signed ones, and shares of their bounds. */
const GATES = [/^anonymity\/hop\//, /^anonymity\/traversal\//]

const runSmall = async (name: string): Promise<Printed> => {
  const { stderr, stdout } = await promisify(execFile)(process.execPath, [join(ROOT, "dist/bench/main.js"), name, "--small", "--json"])
  // a machine that is too busy for its network is told so, in lines of a log
  expect(stderr.split("\n").filter((line) => !line.startsWith("timestamp="))).toEqual([""])
  const printed = JSON.parse(stdout) as Printed
  expect(Object.keys(printed)).toEqual(["results", "machine"])
  expect(Object.keys(printed.machine)).toEqual(["cpu", "cores", "node", "platform", "backend"])
  return printed
}

/** Fields of a row behind the four that all have. */
const MORE: Readonly<Record<string, ReadonlyArray<string>>> = {
  unwrap: ["allocatedBytes"], bacap: ["allocatedBytes"], "mix/memory/2000": ["perSecond", "allocatedBytes"], "mix/tcp/2000": ["perSecond", "allocatedBytes"],
  "mix/workers/2000": ["perSecond"]
}

interface Printed {
  readonly results: ReadonlyArray<{ readonly id: string; readonly us: number; readonly floorUs: number; readonly ratio: number; readonly checksum: string }>
  readonly machine: object
}

describe("the bench command", () => {
  it.each(Object.entries(ROWS))("%s prints one JSON object of the documented form", async (name, ids) => {
    const printed = await runSmall(name)
    expect(printed.results.map(({ id }) => id)).toEqual(ids)
    for (const row of printed.results) {
      expect(Object.keys(row)).toEqual(["id", "us", "floorUs", "ratio", ...(MORE[row.id] ?? MORE[name] ?? []), "checksum"])
      expect(row.checksum).toMatch(/^[0-9a-f]{8}$/)
      expect(row.us).toBeGreaterThan(0)
      expect(row.floorUs).toBeGreaterThan(0)
      expect(row.ratio).toBe(row.us / row.floorUs)
    }
  }, LIMIT_MS)

  it("anonymity prints the figures of one short world, in the same form", async () => {
    const { results } = await runSmall("anonymity")
    for (const gate of GATES) expect(results.some(({ id }) => gate.test(id))).toBe(true)
    for (const row of results) {
      expect(Object.keys(row)).toEqual(["id", "us", "floorUs", "ratio", "checksum"])
      expect([row.us, row.floorUs, row.ratio].every(Number.isFinite)).toBe(true)
    }
  }, LIMIT_MS)

  it("shapes prints an area for each thing that is looked for, beside what blind ones reach", async () => {
    const { results } = await runSmall("shapes")
    expect(results.map(({ id }) => id)).toEqual(["shapes/size", "shapes/failure", "shapes/bucket"])
    for (const { floorUs, us } of results) expect([us, floorUs].every((area) => area >= 0 && area <= 1)).toBe(true)
  }, LIMIT_MS)
})
