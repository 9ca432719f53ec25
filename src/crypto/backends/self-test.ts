/**
 * The known-answer test of a crypto backend.
 *
 * Contract: one output of every primitive that a library computes, on fixed inputs, against the digest of what the reference backend gives.
 * Knows nothing of: which backend it tests. The unit tests run it on the reference, so the digests cannot drift.
 * Source: backend.ts; departures: none.
 *
 * @module
 */
import { toHex } from "../../bytes/hex.ts"
import type { CryptoBackend } from "../backend.ts"

const PATTERN = Uint8Array.from({ length: 2048 }, (_, i) => 167 * i + 11)

type Sample = readonly [primitive: string, digestPrefix: string, output: Uint8Array | undefined]

const samples = (crypto: CryptoBackend): ReadonlyArray<Sample> => {
  const key = PATTERN.subarray(0, 32)
  const iv = PATTERN.subarray(40, 56)
  const nonce = PATTERN.subarray(40, 52)
  const short = PATTERN.subarray(100, 177)
  const scalar = crypto.scalarReduce(PATTERN.subarray(200, 264))
  const publicKey = crypto.ed25519PublicKey(key)
  const signature = crypto.ed25519Sign(key, short)
  const altered = signature.slice()
  altered[40] = (altered[40] as number) ^ 1
  return [
    ["sha256", "1e235030c6f1c6cd", crypto.sha256(short)],
    ["sha256", "4ad4aa58ddc36dfe", crypto.sha256(PATTERN)],
    ["sha512", "152e7ca6c648e5ba", crypto.sha512(short)],
    ["sha512", "0353747a98b99a66", crypto.sha512(PATTERN)],
    ["sha512-256", "a323313b57f9ad10", crypto.sha512_256(short)],
    ["blake2b", "36ce8c056f15812a", crypto.blake2b256(short, PATTERN)],
    ["hmac", "1262b89e3b14dd11", crypto.hmacSha256(key, short)],
    ["hmac", "ac237f22e70dd233", crypto.hmacSha256(key, PATTERN)],
    ["hkdf", "44c142c6161a7da7", crypto.hkdfSha256Expand(key, short, 160)],
    ["hkdf", "f66391d38c333c01", crypto.hkdfBlake2b512(key, nonce, short, 96)],
    ["aes-256-ctr", "82256a0250b11567", crypto.aes256Ctr(key, iv, PATTERN)],
    ["chacha20", "fe3882aa48c0c944", crypto.chacha20Block32(key)],
    ["chacha20-poly1305", "86a088ff0591bbca", crypto.chacha20Poly1305Seal(key, nonce, short, PATTERN)],
    ["aes-256-gcm-siv", "5ec4b27bb00df9de", crypto.aes256GcmSivSeal(key, nonce, short, PATTERN)],
    ["sprp", "1e1ff9274eec2b80", crypto.sprpEncipher(PATTERN.subarray(0, 48), iv, PATTERN)],
    ["x25519", "2df4958eb7bb4e32", crypto.x25519(key, crypto.x25519PublicKey(short.subarray(0, 32)))],
    ["x25519", "6e340b9cffb37a98", crypto.x25519(key, new Uint8Array(32)) ?? Uint8Array.of(0)],
    ["ed25519", "6a3a2d8f6256ae18", publicKey],
    ["ed25519", "2889bc17a1cc0ef5", signature],
    ["ed25519 verification", "4bf5122f344554c5", Uint8Array.of(crypto.ed25519Verify(publicKey, short, signature) ? 1 : 0)],
    ["ed25519 verification", "6e340b9cffb37a98", Uint8Array.of(crypto.ed25519Verify(publicKey, short, altered) ? 1 : 0)],
    ["edwards25519", "538f0869f541d02c", crypto.edwardsScalarMult(scalar, publicKey)],
    ["edwards25519", "f398da6d4e3a2b1f", crypto.edwardsScalarMultBase(scalar)],
    ["edwards25519", "35889364c95cfb95", crypto.scalarMultiplyAdd(scalar, scalar, scalar)]
  ]
}

/** The first primitive whose output is not the expected one; `undefined` when all are right. @cost under a millisecond, native */
export const failedCheck = (crypto: CryptoBackend): string | undefined =>
  samples(crypto).find(([, expected, output]) => output === undefined || toHex(crypto.sha256(output).subarray(0, 8)) !== expected)?.[0]
