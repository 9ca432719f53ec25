/**
 * Goal: the native AES-GCM-SIV is the reference one at every length and alignment, and where its counter wraps.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend as reference } from "../../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { signedLebWide } from "../../../src/crypto/wasm/assembler.ts"

const native = Either.getOrThrow(nativeBackend())
const entropy = seededEntropy(1, "gcm-siv")
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

describe("AES-GCM-SIV in the native backend", () => {
  it("seals and opens as the reference does, from 0 to 130 bytes, at every offset, and at the length of a large box", () => {
    for (const byteCount of [...Array.from({ length: 131 }, (_, i) => i), 29_681]) {
      const [key, nonce, aad] = [entropy(32), entropy(12), entropy(byteCount % 37)]
      const plaintext = entropy(byteCount + 3).subarray(byteCount % 4)
      const sealed = native.aes256GcmSivSeal(key, nonce, aad, plaintext)
      expect(Buffer.compare(sealed, reference.aes256GcmSivSeal(key, nonce, aad, plaintext))).toBe(0)
      const moved = new Uint8Array(sealed.length + 1)
      moved.set(sealed, 1)
      const opened = native.aes256GcmSivOpen(key, nonce, aad, moved.subarray(1))
      expect(opened !== undefined && Buffer.compare(opened, plaintext) === 0).toBe(true)
    }
  })

  it("wraps its counter within 32 bits (RFC 8452 C.3)", () => {
    const key = new Uint8Array(32)
    const plaintext = bytes("00000000000000000000000000000000" + "4db923dc793ee6497c76dcc03a98e108")
    const sealed = bytes("f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3ea" + "ffffffff000000000000000000000000")
    expect(native.aes256GcmSivSeal(key, new Uint8Array(12), new Uint8Array(0), plaintext)).toEqual(sealed)
    expect(native.aes256GcmSivOpen(key, new Uint8Array(12), new Uint8Array(0), sealed)).toEqual(plaintext)
  })
})

describe("signed LEB128 of 64 bits", () => {
  it.each<readonly [bigint, ReadonlyArray<number>]>([
    [0n, [0]], [-1n, [0x7f]], [63n, [0x3f]], [64n, [0xc0, 0]], [-64n, [0x40]], [-65n, [0xbf, 0x7f]],
    [2n ** 63n - 1n, [...new Array<number>(9).fill(0xff), 0]], [-(2n ** 63n), [...new Array<number>(9).fill(0x80), 0x7f]]
  ])("%s", (value, expected) => {
    expect(signedLebWide(value)).toEqual(expected)
  })

  it("refuses what does not fit", () => {
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) expect(() => signedLebWide(value)).toThrow(RangeError)
  })
})
