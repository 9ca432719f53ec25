/**
 * Products of X25519 scalars.
 *
 * Goal: one multiplication with the product gives what the chain of multiplications gives. Method: random scalars and honest keys, plus torsion points.
 *
 * @module
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Either } from "effect"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { clampedResidue, x25519ScalarOf } from "../../src/sphinx/blinded-scalar.ts"
import { toHex } from "../../src/bytes/hex.ts"

const crypto = Either.getOrElse(nativeBackend(), () => referenceBackend)
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

const chain = (scalars: ReadonlyArray<Uint8Array>, point: Uint8Array): Uint8Array | undefined =>
  scalars.reduce<Uint8Array | undefined>((at, scalar) => (at === undefined ? undefined : crypto.x25519(scalar, at)), point)

const productOf = (scalars: ReadonlyArray<Uint8Array>): Uint8Array =>
  scalars.map((scalar) => clampedResidue(crypto, scalar)).reduce((a, b) => crypto.scalarMultiply(a, b))

describe("blinded scalars", () => {
  it("a product acts on an honest key as its factors one after the other", () => {
    fc.assert(fc.property(bytes32, fc.array(bytes32, { minLength: 1, maxLength: 5 }), (secret, scalars) => {
      const point = crypto.x25519PublicKey(secret)
      const expected = chain(scalars, point)
      const got = crypto.x25519(x25519ScalarOf(productOf(scalars)), point)
      expect(got === undefined ? "none" : toHex(got)).toBe(expected === undefined ? "none" : toHex(expected))
    }), { numRuns: 200, seed: 11 })
  })

  it("the scalar is one that clamping leaves as it is", () => {
    fc.assert(fc.property(bytes32, (scalar) => {
      const made = x25519ScalarOf(clampedResidue(crypto, scalar))
      expect((made[0] ?? 0) & 7).toBe(0)
      expect((made[31] ?? 0) & 0xc0).toBe(0x40)
    }), { numRuns: 500, seed: 12 })
  })

  it("a key of low order gives no secret", () => {
    expect(crypto.x25519(x25519ScalarOf(clampedResidue(crypto, new Uint8Array(32).fill(9))), new Uint8Array(32))).toBeUndefined()
  })
})
