/**
 * Goal: the choice of backend is what the caller asked for, and both backends say who computes what.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"

describe("backend selection", () => {
  it("passes its own comparison with the reference on this machine", () => {
    expect(nativeBackend()).toMatchObject({ _tag: "Right", right: { name: "native" } })
  })

  it("takes native without a wish, and what is wished otherwise", () => {
    expect(Either.getOrThrow(selectBackend()).name).toBe("native")
    expect(Either.getOrThrow(selectBackend("native")).name).toBe("native")
    expect(Either.getOrThrow(selectBackend("reference"))).toBe(referenceBackend)
  })

  it("builds the native backend once", () => {
    expect(Either.getOrThrow(selectBackend("native"))).toBe(Either.getOrThrow(nativeBackend()))
  })

  it("names a provider for the same primitives in both backends", () => {
    const native = Either.getOrThrow(nativeBackend())
    expect(Object.keys(native.providers).sort()).toEqual(Object.keys(referenceBackend.providers).sort())
    expect(native.providers["x25519"]).toMatch(/^sodium-native \d/)
    expect(native.providers["ed25519 verification"]).toMatch(/^OpenSSL 3/)
  })
})
