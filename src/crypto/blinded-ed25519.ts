/**
 * Ed25519 keys blinded by a factor: whoever knows the factor can blind the public key, and the holder of the seed can sign for the result.
 *
 * Contract: deterministic; signatures verify under the blinded public key by plain Ed25519. Blinding can be repeated.
 * Knows nothing of: boxes, where factors come from.
 * Source: pigeonhole.md §1.3–§1.4 (hpqc `sign/ed25519`); departures: none.
 *
 * @module
 */
import { concatBytes } from "../bytes/concat.ts"
import type { CryptoBackend } from "./backend.ts"

/** A signing key without a seed. `scalar` is secret. */
export interface BlindedPrivateKey {
  /** s, 32 bytes little-endian, below L. */
  readonly scalar: Uint8Array
  /** s · B, 32 bytes. */
  readonly publicKey: Uint8Array
}

/** Clamps 32 bytes as Ed25519 does and reduces them mod L. */
const clampedScalar = (crypto: CryptoBackend, bytes: Uint8Array): Uint8Array => {
  const clamped = bytes.slice(0, 32)
  clamped[0] = (clamped[0] as number) & 0xf8
  clamped[31] = ((clamped[31] as number) & 0x3f) | 0x40
  const scalar = crypto.scalarReduce(clamped)
  clamped.fill(0)
  return scalar
}

/**
 * φ: the clamped SHA-512/256 of the factor, mod L.
 * @param factor  any length, usually 32 bytes
 * @returns 32 bytes little-endian; never zero
 */
export const factorScalar = (crypto: CryptoBackend, factor: Uint8Array): Uint8Array => clampedScalar(crypto, crypto.sha512_256(factor))

/** φ · publicKey (32 bytes); `undefined` when `publicKey` is no point. @cost one scalar multiplication */
export const blindPublicKey = (crypto: CryptoBackend, publicKey: Uint8Array, factor: Uint8Array): Uint8Array | undefined =>
  crypto.edwardsScalarMult(factorScalar(crypto, factor), publicKey)

const privateKeyOf = (crypto: CryptoBackend, scalar: Uint8Array): BlindedPrivateKey => ({ scalar, publicKey: crypto.edwardsScalarMultBase(scalar) })

/** The key φ · a of the Ed25519 seed (32 bytes) whose scalar is a. @cost one multiplication of the base point */
export const blindPrivateKey = (crypto: CryptoBackend, seed: Uint8Array, factor: Uint8Array): BlindedPrivateKey => {
  if (seed.length !== 32) throw new RangeError("an Ed25519 seed is 32 bytes")
  const expanded = crypto.sha512(seed)
  const root = clampedScalar(crypto, expanded)
  const blinded = privateKeyOf(crypto, crypto.scalarMultiply(factorScalar(crypto, factor), root))
  expanded.fill(0)
  root.fill(0)
  return blinded
}

/** Blinds a blinded key once more. */
export const blindAgain = (crypto: CryptoBackend, key: BlindedPrivateKey, factor: Uint8Array): BlindedPrivateKey =>
  privateKeyOf(crypto, crypto.scalarMultiply(factorScalar(crypto, factor), key.scalar))

/**
 * Signs with a blinded key. The nonce is SHA-512(d[32..64] ‖ message ‖ d[33..64]) with d = SHA-512(s): the trailing part is 31 bytes.
 * @returns R ‖ S, 64 bytes
 */
export const signBlinded = (crypto: CryptoBackend, key: BlindedPrivateKey, message: Uint8Array): Uint8Array => {
  const d = crypto.sha512(key.scalar)
  const wideNonce = crypto.sha512(d.subarray(32), message, d.subarray(33))
  const nonce = crypto.scalarReduce(wideNonce)
  const r = crypto.edwardsScalarMultBase(nonce)
  const challenge = crypto.scalarReduce(crypto.sha512(r, key.publicKey, message))
  const s = crypto.scalarMultiplyAdd(challenge, key.scalar, nonce)
  for (const secret of [d, wideNonce, nonce]) secret.fill(0)
  return concatBytes(r, s)
}
