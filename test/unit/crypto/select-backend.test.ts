/**
 * Goal: the choice of backend is what the caller asked for, and both backends say who computes what.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { BackendUnavailable } from "../../../src/crypto/backend-unavailable.ts"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"
import { failedCheck } from "../../../src/crypto/backends/self-test.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"

describe("backend selection", () => {
  it("has a native backend on this machine, and both backends pass the self-test", () => {
    expect(nativeBackend()).toMatchObject({ _tag: "Right", right: { name: "native" } })
    expect(failedCheck(Either.getOrThrow(nativeBackend()))).toBeUndefined()
    expect(failedCheck(referenceBackend)).toBeUndefined()
  })

  it("names the primitive when one of them is wrong", () => {
    const wrong = (bytes: Uint8Array) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte))
    const native = Either.getOrThrow(nativeBackend())
    expect(failedCheck({ ...native, aes256Ctr: (...args) => wrong(native.aes256Ctr(...args)) })).toBe("aes-256-ctr")
    expect(failedCheck({ ...native, x25519: () => new Uint8Array(32) })).toBe("x25519")
    expect(failedCheck({ ...native, ed25519Verify: () => true })).toBe("ed25519 verification")
    expect(failedCheck({ ...native, edwardsScalarMult: () => undefined })).toBe("edwards25519")
  })

  it("explains a missing library without throwing", () => {
    const failure = new BackendUnavailable({ backend: "native", reason: "library-missing", detail: "no such module" })
    expect(failure.message).toBe("crypto backend native: library-missing (no such module)")
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
