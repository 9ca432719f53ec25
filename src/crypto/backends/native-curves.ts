/**
 * X25519, edwards25519 and Ed25519 signing of the native backend, by libsodium.
 *
 * libsodium refuses points outside the prime-order subgroup, encodings that are not canonical, and a zero scalar, where Go does not: what it
 * refuses is decided by the noble arithmetic, so that both backends agree on every input. libsodium's own verification is not used: it has
 * another equation (openssl-verify).
 *
 * Contract: as `CryptoBackend`. Products of scalars are computed in limbs, in a time that does not depend on them.
 * Source: RFC 7748, RFC 8032; pigeonhole.md §1.3–§1.4; departures: none.
 *
 * @module
 */
import { x448 } from "@noble/curves/ed448.js"
import { zeroedOffHeap } from "../../bytes/allocate.ts"
import type { CryptoBackend } from "../backend.ts"
import { requireLength, requireScalar } from "./length.ts"
import { edwardsPointIsValid, edwardsScalarMult, edwardsScalarMultBase } from "./noble-edwards.ts"
import type { Sodium } from "./sodium.ts"

/** Runs a function that refuses its input by throwing. */
const refusing = <A>(compute: () => A): A | undefined => {
  try {
    return compute()
  } catch {
    return undefined
  }
}

/** a·b + c of 32-byte little-endian integers, as 64 bytes. */
const wideMultiplyAdd = (a: Uint8Array, b: Uint8Array, c: Uint8Array): Uint8Array => {
  const columns = new Float64Array(32) // 16-bit limbs; a column sums at most 16 products and a carry, far below 2^53
  for (let i = 0; i < 16; i++) columns[i] = (c[2 * i] as number) + 256 * (c[2 * i + 1] as number)
  for (let i = 0; i < 16; i++) {
    const limb = (a[2 * i] as number) + 256 * (a[2 * i + 1] as number)
    for (let j = 0; j < 16; j++) {
      columns[i + j] = (columns[i + j] as number) + limb * ((b[2 * j] as number) + 256 * (b[2 * j + 1] as number))
    }
  }
  const wide = new Uint8Array(64)
  let carry = 0
  for (let i = 0; i < 32; i++) {
    const value = (columns[i] as number) + carry
    carry = Math.floor(value / 65536)
    const limb = value - 65536 * carry
    wide[2 * i] = limb & 255
    wide[2 * i + 1] = limb >>> 8
  }
  columns.fill(0)
  return wide
}

const ZERO_SCALAR = new Uint8Array(32)

const montgomery = (sodium: Sodium): Pick<CryptoBackend, "x25519" | "x25519PublicKey" | "x448" | "x448PublicKey"> => ({
  x25519: (scalar, u) => {
    requireLength("X25519 scalar", scalar, 32)
    requireLength("X25519 point", u, 32)
    const secret = zeroedOffHeap(32)
    return refusing(() => {
      sodium.crypto_scalarmult(secret, scalar, u)
      return secret
    })
  },
  x25519PublicKey: (scalar) => {
    requireLength("X25519 scalar", scalar, 32)
    const publicKey = new Uint8Array(32)
    sodium.crypto_scalarmult_base(publicKey, scalar)
    return publicKey
  },
  // Only vectors of other NIKEs use it.
  x448: (scalar, u) => {
    requireLength("X448 scalar", scalar, 56)
    requireLength("X448 point", u, 56)
    return refusing(() => x448.getSharedSecret(scalar, u))
  },
  x448PublicKey: (scalar) => {
    requireLength("X448 scalar", scalar, 56)
    return x448.getPublicKey(scalar)
  }
})

type Edwards = Pick<
  CryptoBackend,
  | "ed25519PublicKey" | "ed25519Sign" | "edwardsPointIsValid" | "edwardsScalarMult" | "edwardsScalarMultBase" | "scalarReduce"
  | "scalarMultiply" | "scalarMultiplyAdd"
>

const edwards = (sodium: Sodium): Edwards => {
  const keyPair = (seed: Uint8Array): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array } => {
    requireLength("Ed25519 seed", seed, 32)
    const publicKey = new Uint8Array(32)
    const secretKey = new Uint8Array(64)
    sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
    return { publicKey, secretKey }
  }
  const multiplyAdd: CryptoBackend["scalarMultiplyAdd"] = (a, b, c) => {
    for (const scalar of [a, b, c]) requireScalar(scalar)
    const wide = wideMultiplyAdd(a, b, c)
    const reduced = new Uint8Array(32)
    sodium.crypto_core_ed25519_scalar_reduce(reduced, wide)
    wide.fill(0)
    return reduced
  }
  return {
    ed25519PublicKey: (seed) => {
      const { publicKey, secretKey } = keyPair(seed)
      secretKey.fill(0)
      return publicKey
    },
    ed25519Sign: (seed, message) => {
      const { secretKey } = keyPair(seed)
      const signature = new Uint8Array(64)
      sodium.crypto_sign_detached(signature, message, secretKey)
      secretKey.fill(0)
      return signature
    },
    edwardsPointIsValid: (encoded) => encoded.length === 32 && (sodium.crypto_core_ed25519_is_valid_point(encoded) || edwardsPointIsValid(encoded)),
    edwardsScalarMult: (scalar, point) => {
      requireScalar(scalar)
      if (point.length !== 32) return undefined
      const product = new Uint8Array(32)
      const accepted = refusing(() => {
        sodium.crypto_scalarmult_ed25519_noclamp(product, scalar, point)
        return product
      })
      return accepted ?? edwardsScalarMult(scalar, point)
    },
    edwardsScalarMultBase: (scalar) => {
      requireScalar(scalar)
      const product = new Uint8Array(32)
      const accepted = refusing(() => {
        sodium.crypto_scalarmult_ed25519_base_noclamp(product, scalar)
        return product
      })
      return accepted ?? edwardsScalarMultBase(scalar)
    },
    scalarReduce: (wide) => {
      if (wide.length !== 32 && wide.length !== 64) throw new RangeError("an integer to reduce is 32 or 64 bytes")
      const padded = new Uint8Array(64)
      padded.set(wide)
      const reduced = new Uint8Array(32)
      sodium.crypto_core_ed25519_scalar_reduce(reduced, padded)
      padded.fill(0)
      return reduced
    },
    scalarMultiply: (a, b) => multiplyAdd(a, b, ZERO_SCALAR),
    scalarMultiplyAdd: multiplyAdd
  }
}

export const nativeCurves = (sodium: Sodium): ReturnType<typeof montgomery> & Edwards => ({ ...montgomery(sodium), ...edwards(sodium) })
