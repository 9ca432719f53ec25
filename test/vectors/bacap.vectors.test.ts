/**
 * BACAP against the reference implementation's vectors, in the reference backend. Goal: caps, chains, boxes and refusals agree byte for byte.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { runConformance } from "../../src/conformance/conformance.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"

const file = JSON.parse(readFileSync(join(dirname(fileURLToPath(import.meta.url)), "data", "bacap_vectors.json"), "utf8")) as Record<string, unknown>

describe("BACAP vectors in the reference backend", () => {
  it.each([
    ["sizes", 1], ["aes256_gcm_siv", 6], ["blinded_ed25519", 40], ["message_box_index_chain", 21], ["new_write_cap_from_stream", 2], ["boxes", 226],
    ["parse_and_limit_negatives", 7], ["upstream_check", 2]
  ])("%s: all %i cases pass", (section, count) => {
    const outcome = runConformance([referenceBackend], section, { [section]: file[section] })
    expect(outcome.cases.filter((one) => one.outcome === "failed")).toEqual([])
    expect(outcome.cases.filter((one) => one.outcome === "passed").length).toBe(count)
  })
})
