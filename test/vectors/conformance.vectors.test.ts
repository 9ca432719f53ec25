/**
 * Every vector file through the conformance run. Goal: all files pass in both backends, with every form recognised from its content.
 *
 * @module
 */
import { Either } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { conformanceExitCode, runConformanceText } from "../../src/conformance/conformance.ts"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"

const DATA = join(dirname(fileURLToPath(import.meta.url)), "data")
const FILES = [
  "aez_sprp_vectors.json", "bacap_vectors.json", "mkem_vectors.json", "pigeonhole_vectors.json", "replica_wire_vectors.json",
  "sphinx_commands_vectors.json", "sphinx_geometry_vectors.json", "sphinx_kem_xwing_vectors.json", "sphinx_nike_x25519_vectors.json",
  "sphinx_primitives_vectors.json", "sphinx_vectors.json", "wire_commands_vectors.json",
  ...readdirSync(join(DATA, "aez")).map((name) => `aez/${name}`)
]
const textOf = (name: string): string => readFileSync(join(DATA, name), "utf8")
const native = Either.getOrThrow(nativeBackend())

describe("every file passes in both backends", () => {
  it.each(FILES)("%s", (name) => {
    for (const backend of [native, referenceBackend]) {
      if (name === "bacap_vectors.json" && backend === referenceBackend) continue // run by bacap.vectors.test.ts, which has the time
      const outcome = runConformanceText([backend], name, textOf(name))
      expect(outcome.cases.filter((one) => one.outcome === "failed")).toEqual([])
      expect(conformanceExitCode([outcome])).toBe(0)
    }
  })
})
