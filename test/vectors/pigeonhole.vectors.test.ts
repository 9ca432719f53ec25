/**
 * Pigeonhole messages, geometry, padding, shards, copy stream and link commands against the reference implementation's vectors.
 * Goal: no section is empty, and every case agrees byte for byte in both backends.
 *
 * @module
 */
import { Either } from "effect"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { runConformance } from "../../src/conformance/conformance.ts"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"

const DATA = join(dirname(fileURLToPath(import.meta.url)), "data")
const load = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(DATA, name), "utf8")) as Record<string, unknown>

describe.each([Either.getOrThrow(nativeBackend()), referenceBackend])("vectors in the $name backend", (backend) => {
  const passedOf = (file: unknown): number => {
    const { cases } = runConformance([backend], "file", file)
    expect(cases.filter((one) => one.outcome !== "passed")).toEqual([])
    return cases.length
  }
  const pigeonhole = load("pigeonhole_vectors.json")

  it.each([
    ["messages", 11], ["parser_checks", 2], ["padding", 5], ["geometry", 21], ["shard2", 115], ["copy_stream", 5], ["end_to_end_query", 5]
  ])("pigeonhole %s: all %i cases pass", (section, count) => {
    expect(passedOf({ [section]: pigeonhole[section] })).toBe(count)
  })
  it("replica link commands: lengths and 3 commands pass", () => {
    expect(passedOf(load("replica_wire_vectors.json"))).toBe(4)
  })
  it("client link commands: all 7 pass", () => {
    expect(passedOf(load("wire_commands_vectors.json"))).toBe(7)
  })
})
