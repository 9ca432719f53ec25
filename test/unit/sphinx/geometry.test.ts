/**
 * Goal: the lengths of a geometry are those of the published table, and no impossible geometry can be made.
 * Method: the table of sphinx.md §2 row by row; each kind of bad choice and of tampered field. Hashes are in test/vectors.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { geometryFields, geometryFromFields } from "../../../src/sphinx/geometry-hash.ts"
import { makeGeometry, recipientId } from "../../../src/sphinx/geometry.ts"
import { geometryOf, reasonOf } from "./sphinx-path.ts"

const TABLE = [
  ["x25519", 5, 103, true, [82, 410, 476, 572, 677, 1185]],
  ["x25519", 5, 2000, true, [82, 410, 476, 572, 2574, 3082]],
  ["x25519", 5, 30000, true, [82, 410, 476, 572, 30574, 31082]],
  ["x25519", 3, 2000, true, [82, 246, 312, 408, 2410, 2754]],
  ["x25519", 7, 2000, true, [82, 574, 640, 736, 2738, 3410]],
  ["XWING", 5, 2000, true, [1202, 6010, 7164, 7260, 9262, 16458]],
  ["XWING", 5, 30000, true, [1202, 6010, 7164, 7260, 37262, 44458]],
  ["XWING", 7, 2000, true, [1202, 8414, 9568, 9664, 11666, 21266]],
  ["x25519", 5, 103, false, [82, 410, 476, 572, 103, 611]],
  ["x25519", 5, 2000, false, [82, 410, 476, 572, 2000, 2508]]
] as const

describe("geometry", () => {
  it.each(TABLE)("%s, %i hops, %i bytes, SURB %s: lengths are as published", (scheme, hopCount, userPayloadBytes, withSurb, lengths) => {
    const geometry = geometryOf(scheme, hopCount, userPayloadBytes, withSurb)
    expect([
      geometry.perHopBytes, geometry.routingInfoBytes, geometry.headerBytes, geometry.surbBytes, geometry.forwardPayloadBytes, geometry.packetBytes
    ]).toEqual(lengths)
  })

  it("a scheme is found in any case and spelled the canonical way", () => {
    const geometry = Either.getOrThrow(makeGeometry({ scheme: "xWing", hopCount: 5, userPayloadBytes: 2000, withSurb: true }))
    expect(geometry.scheme).toEqual({ kind: "kem", name: "XWING" })
  })

  it.each([
    [{ scheme: "x448" }, "unknown-scheme"], [{ scheme: "" }, "unknown-scheme"],
    [{ hopCount: 0 }, "hop-count"], [{ hopCount: 65 }, "hop-count"], [{ hopCount: 2.5 }, "hop-count"], [{ hopCount: Number.NaN }, "hop-count"],
    [{ userPayloadBytes: -1 }, "payload-length"], [{ userPayloadBytes: 0.5 }, "payload-length"], [{ userPayloadBytes: 2 ** 25 }, "payload-length"]
  ])("the choice %o is refused", (wrong, reason) => {
    expect(reasonOf(makeGeometry({ scheme: "x25519", hopCount: 5, userPayloadBytes: 2000, withSurb: true, ...wrong }))).toBe(reason)
  })

  it("fields lead back to the geometry", () => {
    for (const [scheme, hopCount, userPayloadBytes, withSurb] of TABLE) {
      const geometry = geometryOf(scheme, hopCount, userPayloadBytes, withSurb)
      expect(Either.getOrThrow(geometryFromFields(geometryFields(geometry)))).toEqual(geometry)
    }
  })

  it("a change of any one field is noticed", () => {
    const fields = geometryFields(geometryOf("x25519", 5, 2000, true))
    for (const [name, value] of Object.entries(fields)) {
      const tampered = { ...fields, [name]: typeof value === "number" ? value + 1 : `${value}x` }
      expect(reasonOf(geometryFromFields(tampered)), name).not.toBe("accepted")
    }
    expect(reasonOf(geometryFromFields({ ...fields, KEMName: "XWING" }))).toBe("unknown-scheme")
    expect(reasonOf(geometryFromFields({ ...fields, NIKEName: "" }))).toBe("unknown-scheme")
  })

  it("recipient names are zero-padded, and too long ones die", () => {
    expect(recipientId("echo")).toEqual(Uint8Array.from([0x65, 0x63, 0x68, 0x6f, ...new Uint8Array(28)]))
    expect(recipientId("x".repeat(32))).toHaveLength(32)
    expect(() => recipientId("x".repeat(33))).toThrow(RangeError)
  })
})
