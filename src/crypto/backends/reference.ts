/**
 * The reference backend: JavaScript only, by the noble libraries and this project's AEZ.
 *
 * Contract: as `CryptoBackend`. Slow and plain; the native backend is tested against it byte for byte.
 * Not constant time where noble uses big integers, nor in AEZ.
 * Source: backend.ts; departures: none.
 *
 * @module
 */
import { ctr, gcmsiv } from "@noble/ciphers/aes.js"
import { chacha20, chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { x448 } from "@noble/curves/ed448.js"
import { ed25519, x25519 } from "@noble/curves/ed25519.js"
import { blake2b } from "@noble/hashes/blake2.js"
import { expand, hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512, sha512_256 } from "@noble/hashes/sha2.js"
import { sha3_256, shake256 } from "@noble/hashes/sha3.js"
import { concatBytes } from "../../bytes/concat.ts"
import { sprpDecipher, sprpDecipherInto, sprpEncipher, sprpEncipherInto, TABLES_PROVIDER } from "../aez.ts"
import type { CryptoBackend, ServingBackend } from "../backend.ts"
import { requireLength } from "./length.ts"
import {
  ed25519VerifyGo, edwardsPointIsValid, edwardsScalarMult, edwardsScalarMultBase, scalarMultiplyAdd, scalarReduce
} from "./noble-edwards.ts"
import { nobleMlKem768 } from "./noble-ml-kem.ts"
import { makeXWing } from "./x-wing.ts"

/** Runs a noble function that refuses a peer's bytes by throwing. */
const refusing = (compute: () => Uint8Array): Uint8Array | undefined => {
  try {
    return compute()
  } catch {
    return undefined
  }
}

const x25519Secret: CryptoBackend["x25519"] = (scalar, u) => {
  requireLength("X25519 scalar", scalar, 32)
  requireLength("X25519 point", u, 32)
  return refusing(() => x25519.getSharedSecret(scalar, u))
}

const x448Secret: CryptoBackend["x448"] = (scalar, u) => {
  requireLength("X448 scalar", scalar, 56)
  requireLength("X448 point", u, 56)
  return refusing(() => x448.getSharedSecret(scalar, u))
}

const aeadArguments = (key: Uint8Array, nonce: Uint8Array): void => {
  requireLength("AEAD key", key, 32)
  requireLength("AEAD nonce", nonce, 12)
}

const chachaPoly: Pick<CryptoBackend, "chacha20Poly1305Seal" | "chacha20Poly1305Open"> = {
  chacha20Poly1305Seal: (key, nonce, aad, plaintext) => {
    aeadArguments(key, nonce)
    return chacha20poly1305(key, nonce, aad).encrypt(plaintext)
  },
  chacha20Poly1305Open: (key, nonce, aad, sealed) => {
    aeadArguments(key, nonce)
    return refusing(() => chacha20poly1305(key, nonce, aad).decrypt(sealed))
  }
}

const gcmSiv: Pick<CryptoBackend, "aes256GcmSivSeal" | "aes256GcmSivOpen"> = {
  aes256GcmSivSeal: (key, nonce, aad, plaintext) => {
    aeadArguments(key, nonce)
    return gcmsiv(key, nonce, aad).encrypt(plaintext)
  },
  aes256GcmSivOpen: (key, nonce, aad, sealed) => {
    aeadArguments(key, nonce)
    return refusing(() => gcmsiv(key, nonce, aad).decrypt(sealed))
  }
}

const ZERO_NONCE = new Uint8Array(12)

const curves: Pick<CryptoBackend, "x25519" | "x25519PublicKey" | "x448" | "x448PublicKey"> = {
  x25519: x25519Secret,
  x25519PublicKey: (scalar) => {
    requireLength("X25519 scalar", scalar, 32)
    return x25519.getPublicKey(scalar)
  },
  x448: x448Secret,
  x448PublicKey: (scalar) => {
    requireLength("X448 scalar", scalar, 56)
    return x448.getPublicKey(scalar)
  }
}

const NOBLE = "@noble, JavaScript"

const aes256Ctr: CryptoBackend["aes256Ctr"] = (key, iv, data) => {
  requireLength("AES key", key, 32)
  requireLength("AES IV", iv, 16)
  return data.length === 0 ? new Uint8Array(0) : ctr(key, iv).encrypt(data)
}

export const referenceBackend: ServingBackend = {
  name: "reference",
  providers: {
    hashes: NOBLE, hmac: NOBLE, hkdf: NOBLE, "aes-256-ctr": NOBLE, chacha20: NOBLE, "chacha20-poly1305": NOBLE, "aes-256-gcm-siv": NOBLE,
    aez: TABLES_PROVIDER, x25519: NOBLE, x448: NOBLE, "ml-kem-768": NOBLE, ed25519: NOBLE, "ed25519 verification": NOBLE, edwards25519: NOBLE
  },

  sha256: (...parts) => sha256(concatBytes(...parts)),
  sha512: (...parts) => sha512(concatBytes(...parts)),
  sha512_256: (...parts) => sha512_256(concatBytes(...parts)),
  blake2b256: (...parts) => blake2b(concatBytes(...parts), { dkLen: 32 }),
  blake2b: (outputBytes, ...parts) => blake2b(concatBytes(...parts), { dkLen: outputBytes }),

  hmacSha256: (key, ...parts) => hmac(sha256, key, concatBytes(...parts)),
  hkdfSha256Expand: (prk, info, output) => {
    if (typeof output === "number") return expand(sha256, prk, info, output)
    const expanded = expand(sha256, prk, info, output.length)
    output.set(expanded)
    expanded.fill(0)
    return output
  },
  hkdfSha256: (ikm, salt, info, outputBytes) => hkdf(sha256, ikm, salt, info, outputBytes),
  hkdfBlake2b512: (ikm, salt, info, outputBytes) => hkdf(blake2b, ikm, salt, info, outputBytes),

  aes256Ctr,
  aes256CtrInto: (key, iv, data, output) => {
    requireLength("output", output, data.length)
    output.set(aes256Ctr(key, iv, data))
  },
  chacha20Block32: (key) => {
    requireLength("ChaCha20 key", key, 32)
    return chacha20(key, ZERO_NONCE, new Uint8Array(32))
  },
  sprpEncipher,
  sprpDecipher,
  sprpEncipherInto,
  sprpDecipherInto,

  ...chachaPoly,
  ...gcmSiv,
  ...curves,
  ...makeXWing({
    x25519: x25519Secret,
    x25519PublicKey: curves.x25519PublicKey,
    mlKem768: nobleMlKem768,
    sha3_256: (...parts) => sha3_256(concatBytes(...parts)),
    shake256: (input, outputBytes) => shake256(input, { dkLen: outputBytes })
  }),

  ed25519PublicKey: (seed) => {
    requireLength("Ed25519 seed", seed, 32)
    return ed25519.getPublicKey(seed)
  },
  ed25519Sign: (seed, message) => {
    requireLength("Ed25519 seed", seed, 32)
    return ed25519.sign(message, seed)
  },
  ed25519Verify: ed25519VerifyGo,
  edwardsPointIsValid,
  edwardsScalarMult,
  edwardsScalarMultBase,
  scalarReduce,
  scalarMultiply: (a, b) => scalarMultiplyAdd(a, b, new Uint8Array(32)),
  scalarMultiplyAdd
}
