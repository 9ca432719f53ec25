/**
 * Every vector file through the conformance run. Goal: all files pass in both backends, with every form recognised from its content.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { conformanceExitCode, runConformanceText } from "../../src/conformance/conformance.ts"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"
import { FILES, textOf } from "./vector-files.ts"

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
