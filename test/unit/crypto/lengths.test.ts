/**
 * Goal: a key, nonce or scalar of a wrong length, or a scalar that is not reduced, dies in both backends: it is a mistake of ours.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"

const of = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(1)
const unreduced = new Uint8Array(32).fill(0xff)

const mistakes: Record<string, (crypto: CryptoBackend) => unknown> = {
  "BLAKE2b of no bytes": (c) => c.blake2b(0, of(3)),
  "BLAKE2b of 65 bytes": (c) => c.blake2b(65, of(3)),
  "HKDF expand from a short key": (c) => c.hkdfSha256Expand(of(31), of(0), 32),
  "HKDF of more than 255 blocks": (c) => c.hkdfSha256(of(32), of(0), of(0), 255 * 32 + 1),
  "HKDF-BLAKE2b of more than 255 blocks": (c) => c.hkdfBlake2b512(of(32), of(0), of(0), 255 * 64 + 1),
  "AES key": (c) => c.aes256Ctr(of(16), of(16), of(5)),
  "AES counter block": (c) => c.aes256Ctr(of(32), of(12), of(5)),
  "AES key for no data": (c) => c.aes256Ctr(of(31), of(16), of(0)),
  "ChaCha20 key": (c) => c.chacha20Block32(of(31)),
  "SPRP key": (c) => c.sprpEncipher(of(32), of(16), of(40)),
  "SPRP IV": (c) => c.sprpDecipher(of(48), of(12), of(40)),
  "SPRP data": (c) => c.sprpEncipher(of(48), of(16), of(31)),
  "Poly1305 key": (c) => c.chacha20Poly1305Seal(of(31), of(12), of(0), of(3)),
  "Poly1305 nonce": (c) => c.chacha20Poly1305Open(of(32), of(24), of(0), of(30)),
  "GCM-SIV key": (c) => c.aes256GcmSivSeal(of(16), of(12), of(0), of(3)),
  "GCM-SIV nonce of the old BACAP": (c) => c.aes256GcmSivOpen(of(32), of(16), of(0), of(30)),
  "X25519 scalar": (c) => c.x25519(of(31), of(32)),
  "X25519 point": (c) => c.x25519(of(32), of(33)),
  "X25519 key": (c) => c.x25519PublicKey(of(33)),
  "X448 scalar": (c) => c.x448(of(32), of(56)),
  "X448 point": (c) => c.x448(of(56), of(57)),
  "X448 key": (c) => c.x448PublicKey(of(57)),
  "X-Wing seed": (c) => c.xwingPrivateKey(of(64)),
  "X-Wing coins": (c) => c.xwingEncapsulate(of(1216), of(32)),
  "X-Wing key made elsewhere": (c) => c.xwingDecapsulate({ seed: of(32), publicKey: of(1216), expanded: {} }, of(1120)),
  "Ed25519 seed": (c) => c.ed25519PublicKey(of(64)),
  "Ed25519 seed for signing": (c) => c.ed25519Sign(of(31), of(4)),
  "scalar length": (c) => c.edwardsScalarMultBase(of(31)),
  "unreduced scalar with the base": (c) => c.edwardsScalarMultBase(unreduced),
  "unreduced scalar with a point": (c) => c.edwardsScalarMult(unreduced, c.ed25519PublicKey(of(32))),
  "unreduced factor": (c) => c.scalarMultiply(of(32), unreduced),
  "unreduced summand": (c) => c.scalarMultiplyAdd(of(32), of(32), unreduced),
  "integer to reduce": (c) => c.scalarReduce(of(48))
}

describe("our own mistakes die", () => {
  for (const crypto of [referenceBackend, Either.getOrThrow(nativeBackend())]) {
    for (const [name, make] of Object.entries(mistakes)) {
      it(`${crypto.name}: ${name}`, () => {
        expect(() => make(crypto)).toThrow()
      })
    }
  }
})
