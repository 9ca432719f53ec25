/**
 * Goal: the aez bench cannot rot, and measures the same work on both sides.
 * Method: its small size on both backends. No figure is asserted.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { aezBench } from "../../../bench/aez.bench.ts"
import { benches } from "../../../bench/registry.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"
import { fastest } from "../sphinx/sphinx-path.ts"

describe("bench aez", () => {
  it("gives its two rows, with the same checksums on both backends", async () => {
    const rows = await aezBench.run({ crypto: fastest, small: true })
    expect(rows.map(({ id }) => id)).toEqual(["aez/decipher/2606", "aez/decipher/30606"])
    for (const row of rows) expect(row.ratio).toBe(row.us / row.floorUs)
    const reference = await aezBench.run({ crypto: referenceBackend, small: true })
    expect(reference.map(({ checksum }) => checksum)).toEqual(rows.map(({ checksum }) => checksum))
    expect(benches).toContain(aezBench)
  })
})
