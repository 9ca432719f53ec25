/**
 * Goal: bytes crafted by a malicious peer get the same answer from both backends, and for Ed25519 the answer of the Go rule.
 * Method: points of small order, encodings that are not canonical, points with a torsion part, signatures that only a cofactored equation
 * accepts, S + L; systematic lists crossed with each other, and fast-check with a fixed seed around them.
 *
 * @module
 */
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js"
import { Either } from "effect"
import fc from "fast-check"
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend as reference } from "../../src/crypto/backends/reference.ts"

const native = Either.getOrThrow(nativeBackend())
const { Point } = ed25519
const L = 2n ** 252n + 27742317777372353535851937790883648493n
const P = 2n ** 255n - 19n

const fromInteger = (value: bigint, byteCount = 32): Uint8Array =>
  Uint8Array.from({ length: byteCount }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
const toInteger = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
const join = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
const sha512 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(createHash("sha512").update(Buffer.concat(parts)).digest())
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const SEED = { seed: 8032, numRuns: 20 }

const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex))
/** y = 0..18 written as p..2^255-1, with both signs; some are points, some are not. */
const nonCanonical = Array.from({ length: 19 }, (_, y) => [fromInteger(P + BigInt(y)), fromInteger(P + BigInt(y) + 2n ** 255n)]).flat()
/** x = 0 with the sign bit set. */
const negativeZero = [fromInteger(1n + 2n ** 255n), fromInteger(P - 1n + 2n ** 255n)]
const smallOrder = [...torsion.map((point) => point.toBytes()), ...negativeZero]
const oddKeys = [...smallOrder, ...nonCanonical]

const sameVerdict = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  const verdict = native.ed25519Verify(publicKey, message, signature)
  expect(reference.ed25519Verify(publicKey, message, signature)).toBe(verdict)
  return verdict
}

/** A signature under the secret scalar `a` whose key and R carry torsion points of the signer's choice. */
const signWithTorsion = (a: bigint, r: bigint, keyTorsion: typeof Point.BASE, rTorsion: typeof Point.BASE, message: Uint8Array) => {
  const publicKey = Point.BASE.multiply(a).add(keyTorsion).toBytes()
  const encodedR = Point.BASE.multiply(r).add(rTorsion).toBytes()
  const k = toInteger(sha512(encodedR, publicKey, message)) % L
  return { publicKey, k, signature: join(encodedR, fromInteger((r + k * a) % L)) }
}

const signWithLowOrderR = (a: bigint, keyTorsion: typeof Point.BASE, rTorsion: typeof Point.BASE, message: Uint8Array) => {
  const publicKey = Point.BASE.multiply(a).add(keyTorsion).toBytes()
  const encodedR = rTorsion.toBytes()
  const k = toInteger(sha512(encodedR, publicKey, message)) % L
  return { publicKey, k, signature: join(encodedR, fromInteger((k * a) % L)) }
}

describe("Ed25519 verification, crafted inputs", () => {
  it("judges every odd key with every odd R and S = 0 by the encoding of -k·A", () => {
    const message = Uint8Array.of(1, 2, 3)
    let accepted = 0
    for (const publicKey of oddKeys) {
      for (const r of smallOrder.includes(publicKey) ? [...smallOrder, ...nonCanonical.slice(0, 4)] : smallOrder.slice(0, 3)) {
        const verdict = sameVerdict(publicKey, message, join(r, new Uint8Array(32)))
        let point: typeof Point.BASE | undefined
        try {
          point = Point.fromBytes(publicKey, true)
        } catch {
          point = undefined
        }
        const k = toInteger(sha512(r, publicKey, message)) % L
        const expected = point === undefined ? false : Buffer.from(point.multiplyUnsafe(k).negate().toBytes()).equals(r)
        expect(verdict).toBe(expected)
        if (verdict) accepted++
      }
    }
    expect(accepted).toBeGreaterThan(0)
  })

  it("accepts a key with torsion exactly when k·torsion vanishes from the equation, never by the cofactor", () => {
    const message = new TextEncoder().encode("box")
    let accepted = 0
    let refused = 0
    for (const [i, keyTorsion] of torsion.entries()) {
      for (const [j, rTorsion] of torsion.entries()) {
        const { publicKey, k, signature } = signWithTorsion(12345n + BigInt(i), 6789n + BigInt(j), keyTorsion, rTorsion, message)
        const verdict = sameVerdict(publicKey, message, signature)
        // S·B - k·A = r·B - k·T_A must be r·B + T_R
        expect(verdict).toBe(keyTorsion.multiplyUnsafe(k).negate().equals(rTorsion))
        if (verdict) accepted++
        else refused++
      }
    }
    expect(accepted).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
  })

  it("agrees on honest-looking keys with every low-order R that fulfils the equation", () => {
    const message = Uint8Array.of(9)
    const a = 31337n
    for (const [i, keyTorsion] of torsion.entries()) {
      // R of low order: r = 0, so S = k·a; valid exactly when -k·T_A = R.
      for (const rTorsion of torsion) {
        const { publicKey, k, signature } = signWithLowOrderR(a + BigInt(i), keyTorsion, rTorsion, message)
        expect(sameVerdict(publicKey, message, signature)).toBe(keyTorsion.multiplyUnsafe(k).negate().equals(rTorsion))
      }
    }
  })

  it("refuses S + L, S + 2L, … and S with high bits", () => {
    fc.assert(
      fc.property(bytesOf(32), bytesOf(20), fc.integer({ min: 1, max: 15 }), (seed, message, times) => {
        const publicKey = reference.ed25519PublicKey(seed)
        const signature = reference.ed25519Sign(seed, message)
        const s = toInteger(signature.subarray(32))
        const raised = s + BigInt(times) * L
        expect(sameVerdict(publicKey, message, signature)).toBe(true)
        if (raised < 2n ** 256n) expect(sameVerdict(publicKey, message, join(signature.subarray(0, 32), fromInteger(raised)))).toBe(false)
        expect(sameVerdict(publicKey, message, join(signature.subarray(0, 32), fromInteger(s | (2n ** 255n))))).toBe(false)
      }),
      SEED
    )
  })

  it("refuses S = L exactly, and accepts S = L - 1 where the equation holds", () => {
    const message = Uint8Array.of(7)
    const identity = torsion.find((point) => point.equals(Point.ZERO))!.toBytes()
    // With A = identity the equation is encode(S·B) = R.
    const r = Point.BASE.multiply(L - 1n).toBytes()
    expect(sameVerdict(identity, message, join(r, fromInteger(L - 1n)))).toBe(true)
    expect(sameVerdict(identity, message, join(identity, fromInteger(0n)))).toBe(true)
    expect(sameVerdict(identity, message, join(identity, fromInteger(L)))).toBe(false)
  })

  it("agrees on random keys, signatures of any length and single flipped bits", () => {
    fc.assert(
      fc.property(bytesOf(32), bytesOf(32), bytesOf(64), fc.nat({ max: 511 }), (seed, randomKey, randomSignature, bit) => {
        const publicKey = reference.ed25519PublicKey(seed)
        const signature = reference.ed25519Sign(seed, randomKey)
        signature[bit >>> 3]! ^= 1 << (bit & 7)
        expect(sameVerdict(publicKey, randomKey, signature)).toBe(false)
        expect(sameVerdict(randomKey, randomKey, randomSignature)).toBe(false)
        expect(sameVerdict(publicKey, randomKey, signature.subarray(0, bit >>> 3))).toBe(false)
        expect(sameVerdict(publicKey.subarray(0, bit >>> 4), randomKey, signature)).toBe(false)
        expect(sameVerdict(publicKey, randomKey, join(signature, Uint8Array.of(0)))).toBe(false)
      }),
      SEED
    )
  })
})

describe("edwards25519 points, crafted inputs", () => {
  it("decodes what Go decodes: unreduced y and negative zero included", () => {
    for (const encoded of oddKeys) expect(native.edwardsPointIsValid(encoded)).toBe(reference.edwardsPointIsValid(encoded))
    for (const encoded of smallOrder) expect(native.edwardsPointIsValid(encoded)).toBe(true)
    expect(native.edwardsPointIsValid(fromInteger(P))).toBe(true) // y = 0, order 4
    expect(native.edwardsPointIsValid(fromInteger(2n))).toBe(false)
    for (const length of [0, 31, 33]) {
      expect(native.edwardsPointIsValid(new Uint8Array(length))).toBe(false)
      expect(reference.edwardsPointIsValid(new Uint8Array(length))).toBe(false)
    }
  })

  it("multiplies them to identical bytes, zero and L - 1 included", () => {
    const scalars = [0n, 1n, 2n, 8n, L - 1n, 0x1234567890abcdefn ** 3n].map((k) => fromInteger(k))
    const mixed = torsion.map((point) => Point.BASE.multiply(77n).add(point).toBytes())
    for (const encoded of [...oddKeys, ...mixed]) {
      for (const scalar of scalars) {
        const product = native.edwardsScalarMult(scalar, encoded)
        expect(product).toEqual(reference.edwardsScalarMult(scalar, encoded))
        expect(product === undefined).toBe(!reference.edwardsPointIsValid(encoded))
      }
    }
    for (const scalar of scalars) expect(native.edwardsScalarMultBase(scalar)).toEqual(reference.edwardsScalarMultBase(scalar))
    expect(native.edwardsScalarMult(scalars[1]!, new Uint8Array(31))).toBeUndefined()
    expect(reference.edwardsScalarMult(scalars[1]!, new Uint8Array(31))).toBeUndefined()
  })

  it("is the multiple by repeated addition, torsion and all", () => {
    const point = Point.BASE.multiply(5n).add(torsion[1]!)
    let sum = Point.ZERO
    for (let k = 0n; k < 20n; k++) {
      expect(native.edwardsScalarMult(fromInteger(k), point.toBytes())).toEqual(sum.toBytes())
      sum = sum.add(point)
    }
  })
})

describe("X25519, X448 and X-Wing, crafted inputs", () => {
  const lowOrder = [0n, 1n, 325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n, P - 1n, P, P + 1n]

  it("refuses every point of low order, reduced or not, with the top bit or not", () => {
    for (const u of lowOrder) {
      for (const encoded of [fromInteger(u), fromInteger(u + 2n ** 255n)]) {
        for (const k of [1n, 2n ** 255n - 1n, 2n ** 256n - 1n]) {
          expect(native.x25519(fromInteger(k), encoded)).toBeUndefined()
          expect(reference.x25519(fromInteger(k), encoded)).toBeUndefined()
        }
      }
    }
    const p448 = 2n ** 448n - 2n ** 224n - 1n
    for (const u of [0n, 1n, p448 - 1n, p448, p448 + 1n]) {
      expect(native.x448(fromInteger(9n, 56), fromInteger(u, 56))).toBeUndefined()
      expect(reference.x448(fromInteger(9n, 56), fromInteger(u, 56))).toBeUndefined()
    }
  })

  it("agrees on unreduced coordinates and on the twist", () => {
    for (let u = 2n; u < 19n; u++) {
      const secret = native.x25519(fromInteger(99n), fromInteger(P + u))
      expect(secret).toEqual(native.x25519(fromInteger(99n), fromInteger(u)))
      expect(secret).toEqual(reference.x25519(fromInteger(99n), fromInteger(P + u)))
      expect(secret).toBeDefined()
    }
  })

  it("refuses X-Wing ciphertexts of wrong length or low order, and keys that are not reduced", () => {
    for (const crypto of [native, reference]) {
      const key = crypto.xwingPrivateKey(new Uint8Array(32).fill(3))
      const { ciphertext } = crypto.xwingEncapsulate(key.publicKey, new Uint8Array(64).fill(4))!
      for (const length of [0, 1, 1088, 1119]) expect(crypto.xwingDecapsulate(key, ciphertext.subarray(0, length))).toBeUndefined()
      expect(crypto.xwingDecapsulate(key, join(ciphertext, Uint8Array.of(0)))).toBeUndefined()
      for (const u of lowOrder) {
        expect(crypto.xwingDecapsulate(key, join(ciphertext.subarray(0, 1088), fromInteger(u)))).toBeUndefined()
        expect(crypto.xwingEncapsulate(join(key.publicKey.subarray(0, 1184), fromInteger(u)), new Uint8Array(64))).toBeUndefined()
      }
      expect(crypto.xwingEncapsulate(key.publicKey.subarray(1), new Uint8Array(64))).toBeUndefined()
      const unreduced = key.publicKey.slice()
      unreduced.fill(0xff, 0, 3) // two coefficients of 4095, above q
      expect(crypto.xwingEncapsulate(unreduced, new Uint8Array(64))).toBeUndefined()
    }
  })
})
