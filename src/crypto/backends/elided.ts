/**
 * A backend without cryptography, for simulations: every length, every refusal of damaged bytes and every algebraic relation, and no secrecy whatever.
 *
 * Contract: as `CryptoBackend`, but identical to no other backend and safe against nobody: hashes are fast mixing, groups have visible logarithms (see
 * elided-group), sealed contents lie open beside a tag. What it keeps, so that protocols run and go wrong as they do in earnest: lengths; equal inputs, equal
 * outputs; unrelated inputs, unrelated outputs; both sides of an exchange get one secret; blinded keys sign and verify; a changed bit anywhere in
 * a header, payload, box or ciphertext is found where the real backends find it. Keys that differ open nothing.
 * No command that serves a user takes it: `select-backend` refuses its name.
 * Knows nothing of: packets, boxes, messages.
 * Source: the list; backend.ts; departures: all of them.
 *
 * @module
 */
import { copied, zeroed } from "../../bytes/allocate.ts"
import { constantTimeEqual, isAllZero } from "../../bytes/equal.ts"
import type { CryptoBackend } from "../backend.ts"
import { absorb, maskWithState, squeezeInto } from "../word-hash.ts"
import { evenOf, isReduced, multiplyAdd, reduce } from "./elided-group.ts"
import { requireLength, requireScalar } from "./length.ts"
import { makeXWing, type MlKem768 } from "./x-wing.ts"

/** Different uses of the one hash. */
const SEEDS = {
  sha256: 1, sha512: 2, sha512_256: 3, blake2b: 4, hmac: 5, expand: 6, hkdfSha256: 7, hkdfBlake: 8, ctr: 9, chacha: 10, aead: 11, wide: 12
} as const
const MASKED_BYTES = 32
const TAG_BYTES = 16

const hash = (seed: number, outputBytes: number, parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  absorb(seed, parts)
  const output = zeroed(outputBytes)
  squeezeInto(output)
  return output
}

const sha512 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => hash(SEEDS.sha512, 64, parts)

const clampedScalar = new Uint8Array(32)

/** Good until the next call. */
const clamped = (scalar: Uint8Array): Uint8Array => {
  const bytes = clampedScalar
  for (let at = 0; at < 32; at++) bytes[at] = scalar[at] as number
  bytes[0] = (bytes[0] as number) & 0xf8
  bytes[31] = ((bytes[31] as number) & 0x7f) | 0x40
  return bytes
}

const x25519: CryptoBackend["x25519"] = (scalar, u) => {
  requireLength("X25519 scalar", scalar, 32)
  requireLength("X25519 point", u, 32)
  const product = evenOf(multiplyAdd(clamped(scalar), u, undefined))
  return isAllZero(product) ? undefined : product
}

const x25519PublicKey: CryptoBackend["x25519PublicKey"] = (scalar) => {
  requireLength("X25519 scalar", scalar, 32)
  return evenOf(reduce(clamped(scalar)))
}

const X448_BYTES = 56

/** 56 bytes as a number modulo L. */
const reduced448 = (bytes: Uint8Array): Uint8Array => {
  const wide = new Uint8Array(64)
  wide.set(bytes)
  return reduce(wide)
}

const padded448 = (reduced: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(X448_BYTES)
  bytes.set(reduced)
  return bytes
}

const x448: CryptoBackend["x448"] = (scalar, u) => {
  requireLength("X448 scalar", scalar, X448_BYTES)
  requireLength("X448 point", u, X448_BYTES)
  const product = multiplyAdd(reduced448(scalar), reduced448(u), undefined)
  return isAllZero(product) ? undefined : padded448(product)
}

/** The wide block in both directions: its first bytes are masked by a hash of key and all other bytes, so that any change shows in them. */
const maskHead = (key: Uint8Array, iv: Uint8Array, block: Uint8Array): void => {
  requireLength("AEZ key", key, 48)
  requireLength("AEZ nonce", iv, 16)
  if (block.length < MASKED_BYTES) throw new RangeError(`a wide block has at least ${MASKED_BYTES} bytes, not ${block.length}`)
  absorb(SEEDS.wide, [key, iv, block.subarray(MASKED_BYTES)])
  maskWithState(block.subarray(0, MASKED_BYTES))
}

const wideBlockInto: CryptoBackend["sprpEncipherInto"] = (key, iv, data, output) => {
  requireLength("output", output, data.length)
  if (output !== data) output.set(data)
  maskHead(key, iv, output)
}

const wideBlock: CryptoBackend["sprpEncipher"] = (key, iv, data) => {
  const block = copied(data)
  maskHead(key, iv, block)
  return block
}

const aes256CtrInto: CryptoBackend["aes256CtrInto"] = (key, iv, data, output) => {
  requireLength("AES key", key, 32)
  requireLength("AES IV", iv, 16)
  requireLength("output", output, data.length)
  if (output !== data) output.set(data)
  absorb(SEEDS.ctr, [key, iv])
  maskWithState(output)
}

const tagOf = (suite: number, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array => {
  requireLength("AEAD key", key, 32)
  requireLength("AEAD nonce", nonce, 12)
  return hash(SEEDS.aead + 16 * suite + 256 * aad.length, TAG_BYTES, [key, nonce, aad, ciphertext])
}

const seal = (suite: number): CryptoBackend["aes256GcmSivSeal"] => (key, nonce, aad, plaintext) => {
  const sealed = zeroed(plaintext.length + TAG_BYTES)
  sealed.set(plaintext)
  sealed.set(tagOf(suite, key, nonce, aad, plaintext), plaintext.length)
  return sealed
}

const open = (suite: number): CryptoBackend["aes256GcmSivOpen"] => (key, nonce, aad, sealed) => {
  const end = sealed.length - TAG_BYTES
  if (end < 0) return undefined
  const plaintext = copied(sealed, 0, end)
  return constantTimeEqual(tagOf(suite, key, nonce, aad, plaintext), sealed.subarray(end)) ? plaintext : undefined
}

/** ML-KEM's lengths around an exchange in the visible group: the rest of keys and ciphertexts follows from that and is checked through the secret. */
const mlKem768: MlKem768 = {
  generate: (seed) => {
    const secret = seed.slice(0, 32)
    const publicKey = hash(SEEDS.chacha, 1184, [seed])
    publicKey.set(x25519PublicKey(secret))
    return {
      publicKey,
      decapsulate: (ciphertext) => hash(SEEDS.expand, 32, [x25519(secret, ciphertext.subarray(0, 32)) ?? seed, ciphertext])
    }
  },
  encapsulate: (publicKey, coins) => {
    const shared = x25519(coins, publicKey.subarray(0, 32))
    if (shared === undefined) return undefined
    const ciphertext = hash(SEEDS.chacha, 1088, [coins, publicKey])
    ciphertext.set(x25519PublicKey(coins))
    return { ciphertext, sharedSecret: hash(SEEDS.expand, 32, [shared, ciphertext]) }
  }
}

const signingScalar = (seed: Uint8Array): Uint8Array => {
  requireLength("Ed25519 seed", seed, 32)
  const wide = clamped(sha512(seed))
  wide[31] = (wide[31] as number) & 0x7f
  return reduce(wide)
}

const challengeOf = (nonce: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array => reduce(sha512(nonce, publicKey, message))

const signatures: Pick<CryptoBackend, "ed25519PublicKey" | "ed25519Sign" | "ed25519Verify"> = {
  ed25519PublicKey: signingScalar,
  ed25519Sign: (seed, message) => {
    const scalar = signingScalar(seed)
    const nonce = reduce(sha512(scalar, message))
    const signature = new Uint8Array(64)
    signature.set(nonce)
    signature.set(multiplyAdd(challengeOf(nonce, scalar, message), scalar, nonce), 32)
    return signature
  },
  /** S·B = R + k·A, and the base point is 1. */
  ed25519Verify: (publicKey, message, signature) => {
    if (signature.length !== 64 || !isReduced(publicKey)) return false
    const nonce = signature.subarray(0, 32)
    const answer = signature.subarray(32)
    return isReduced(nonce) && isReduced(answer) && constantTimeEqual(answer, multiplyAdd(challengeOf(nonce, publicKey, message), publicKey, nonce))
  }
}

const scalars: Pick<
  CryptoBackend,
  "edwardsPointIsValid" | "edwardsScalarMult" | "edwardsScalarMultBase" | "scalarReduce" | "scalarMultiply" | "scalarMultiplyAdd"
> = {
  edwardsPointIsValid: isReduced,
  edwardsScalarMult: (scalar, point) => {
    requireScalar(scalar)
    return isReduced(point) ? multiplyAdd(scalar, point, undefined) : undefined
  },
  edwardsScalarMultBase: (scalar) => {
    requireScalar(scalar)
    return scalar.slice()
  },
  scalarReduce: (wide) => {
    if (wide.length !== 32 && wide.length !== 64) throw new RangeError("an integer to reduce is 32 or 64 bytes")
    return reduce(wide)
  },
  scalarMultiply: (a, b) => {
    for (const scalar of [a, b]) requireScalar(scalar)
    return multiplyAdd(a, b, undefined)
  },
  scalarMultiplyAdd: (a, b, c) => {
    for (const scalar of [a, b, c]) requireScalar(scalar)
    return multiplyAdd(a, b, c)
  }
}

export const elidedBackend: CryptoBackend = {
  name: "elided",
  providers: { "all primitives": "elided: lengths and identities only, no secrecy" },

  sha256: (...parts) => hash(SEEDS.sha256, 32, parts),
  sha512,
  sha512_256: (...parts) => hash(SEEDS.sha512_256, 32, parts),
  blake2b256: (...parts) => hash(SEEDS.blake2b, 32, parts),
  blake2b: (outputBytes, ...parts) => hash(SEEDS.blake2b + 16 * outputBytes, outputBytes, parts),

  hmacSha256: (key, ...parts) => hash(SEEDS.hmac + 16 * key.length, 32, [key, ...parts]),
  hkdfSha256Expand: (prk, info, target) => {
    const output = typeof target === "number" ? zeroed(target) : target
    absorb(SEEDS.expand + 16 * prk.length, [prk, info])
    squeezeInto(output)
    return output
  },
  hkdfSha256: (ikm, salt, info, outputBytes) => hash(SEEDS.hkdfSha256 + 16 * ikm.length + 65536 * salt.length, outputBytes, [ikm, salt, info]),
  hkdfBlake2b512: (ikm, salt, info, outputBytes) => hash(SEEDS.hkdfBlake + 16 * ikm.length + 65536 * salt.length, outputBytes, [ikm, salt, info]),

  aes256Ctr: (key, iv, data) => {
    const output = copied(data)
    aes256CtrInto(key, iv, output, output)
    return output
  },
  aes256CtrInto,
  chacha20Block32: (key) => {
    requireLength("ChaCha20 key", key, 32)
    return hash(SEEDS.chacha, 32, [key])
  },
  sprpEncipher: wideBlock,
  sprpDecipher: wideBlock,
  sprpEncipherInto: wideBlockInto,
  sprpDecipherInto: wideBlockInto,

  chacha20Poly1305Seal: seal(1),
  chacha20Poly1305Open: open(1),
  aes256GcmSivSeal: seal(2),
  aes256GcmSivOpen: open(2),

  x25519,
  x25519PublicKey,
  x448,
  x448PublicKey: (scalar) => {
    requireLength("X448 scalar", scalar, X448_BYTES)
    return padded448(reduced448(scalar))
  },
  ...makeXWing({
    x25519,
    x25519PublicKey,
    mlKem768,
    sha3_256: (...parts) => hash(SEEDS.sha256, 32, parts),
    shake256: (input, outputBytes) => hash(SEEDS.expand, outputBytes, [input])
  }),

  ...signatures,
  ...scalars
}
