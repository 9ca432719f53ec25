/**
 * The contract that every crypto backend fulfils: the primitives of Sphinx, BACAP, MKEM and dispatch, and nothing above them.
 *
 * Contract: pure functions of their arguments; no randomness, no clock, no state seen from outside. The backends of one release give identical
 * bytes for all inputs and refuse the same ones (`elided` apart, which only simulations use). Inputs are never modified and
 * never kept (`…Into` forms say what they write).
 * Refusals are `undefined` or `false`, never an exception; a wrong *length* of key or nonce is a mistake of ours and dies.
 * Knows nothing of: packets, boxes, messages.
 * Source: sphinx.md §4–§6, §13; pigeonhole.md §1.3–§1.5, §4; departures: none.
 *
 * @module
 */

/** Expanded private key of X-Wing, made once per key and reused; opaque outside its backend. */
export interface XWingPrivateKey {
  readonly seed: Uint8Array
  /** 1216 bytes: ML-KEM-768 encapsulation key 1184, X25519 public key 32. */
  readonly publicKey: Uint8Array
  readonly expanded: unknown
}

export interface CryptoBackend {
  /** `elided` is no cryptography at all: for simulations. */
  readonly name: "native" | "reference" | "elided"
  /** Who computes what, for `funion doctor`: primitive → provider with version. */
  readonly providers: Readonly<Record<string, string>>

  // hashes: digest of the concatenation of the parts
  readonly sha256: (...parts: ReadonlyArray<Uint8Array>) => Uint8Array
  readonly sha512: (...parts: ReadonlyArray<Uint8Array>) => Uint8Array
  /** FIPS 180-4 SHA-512/256 (own initial value, not a truncation). */
  readonly sha512_256: (...parts: ReadonlyArray<Uint8Array>) => Uint8Array
  /** BLAKE2b with 32-byte output, unkeyed: H256 of the protocol documents. */
  readonly blake2b256: (...parts: ReadonlyArray<Uint8Array>) => Uint8Array
  /** BLAKE2b, unkeyed, any output length 1..64. */
  readonly blake2b: (outputBytes: number, ...parts: ReadonlyArray<Uint8Array>) => Uint8Array

  readonly hmacSha256: (key: Uint8Array, ...parts: ReadonlyArray<Uint8Array>) => Uint8Array
  /** HKDF expand step over SHA-256: `prk`, 32 bytes or more, is used raw. `output` is a length, or memory to fill, which is returned then. */
  readonly hkdfSha256Expand: (prk: Uint8Array, info: Uint8Array, output: number | Uint8Array) => Uint8Array
  /** Full HKDF over SHA-256. */
  readonly hkdfSha256: (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, outputBytes: number) => Uint8Array
  /** Full HKDF over BLAKE2b-512; an empty salt means 64 zero bytes. */
  readonly hkdfBlake2b512: (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, outputBytes: number) => Uint8Array

  /** XOR with the AES-256-CTR keystream; `iv` (16 bytes) is the whole initial counter block. */
  readonly aes256Ctr: (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => Uint8Array
  /** As above, and writes the result to `output`, as long as `data`; the two are the same memory or do not overlap. */
  readonly aes256CtrInto: (key: Uint8Array, iv: Uint8Array, data: Uint8Array, output: Uint8Array) => void
  /** First 32 bytes of the ChaCha20 keystream for a zero nonce, counter 0. */
  readonly chacha20Block32: (key: Uint8Array) => Uint8Array
  /** AEZ v5 with a 48-byte key, 16-byte nonce, no associated data, tau 0; `data` of 32 bytes or more. Result is fresh memory. */
  readonly sprpEncipher: (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => Uint8Array
  readonly sprpDecipher: (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => Uint8Array
  /** As the two above, and writes the result to `output`, as long as `data`; the two are the same memory or do not overlap. */
  readonly sprpEncipherInto: (key: Uint8Array, iv: Uint8Array, data: Uint8Array, output: Uint8Array) => void
  readonly sprpDecipherInto: (key: Uint8Array, iv: Uint8Array, data: Uint8Array, output: Uint8Array) => void

  /** ChaCha20-Poly1305 (IETF): ciphertext ‖ 16-byte tag. */
  readonly chacha20Poly1305Seal: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array) => Uint8Array
  readonly chacha20Poly1305Open: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array) => Uint8Array | undefined
  /** AES-256-GCM-SIV (RFC 8452): ciphertext ‖ 16-byte tag. */
  readonly aes256GcmSivSeal: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array) => Uint8Array
  readonly aes256GcmSivOpen: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array) => Uint8Array | undefined

  /** RFC 7748 X25519 (scalar clamped inside, top bit of u masked); `undefined` for an all-zero result. */
  readonly x25519: (scalar: Uint8Array, u: Uint8Array) => Uint8Array | undefined
  readonly x25519PublicKey: (scalar: Uint8Array) => Uint8Array
  /** RFC 7748 X448, 56 bytes; for vectors of other NIKEs. */
  readonly x448: (scalar: Uint8Array, u: Uint8Array) => Uint8Array | undefined
  readonly x448PublicKey: (scalar: Uint8Array) => Uint8Array

  /**
   * X-Wing (ML-KEM-768 + X25519, draft-connolly-cfrg-xwing-kem-05). `seed` 32 bytes, `coins` 64 bytes (ML-KEM 32, X25519 ephemeral 32).
   * `undefined`: wrong length, X25519 part of low order, encapsulation key not reduced.
   */
  readonly xwingPrivateKey: (seed: Uint8Array) => XWingPrivateKey
  readonly xwingEncapsulate: (publicKey: Uint8Array, coins: Uint8Array) => { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array } | undefined
  readonly xwingDecapsulate: (privateKey: XWingPrivateKey, ciphertext: Uint8Array) => Uint8Array | undefined

  /** RFC 8032. */
  readonly ed25519PublicKey: (seed: Uint8Array) => Uint8Array
  readonly ed25519Sign: (seed: Uint8Array, message: Uint8Array) => Uint8Array
  /** The Go rule (pigeonhole.md §1.4): cofactorless, S canonical, the encoding of S·B − k·A equals R. */
  readonly ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
  /** True when the 32 bytes decode to a point of edwards25519 as Go decodes: y of 2^255-19 or more is reduced, x = 0 with the sign bit is accepted. */
  readonly edwardsPointIsValid: (encoded: Uint8Array) => boolean
  /** scalar · point, scalar 32 bytes little-endian already reduced mod L (not clamped here); `undefined` when the point does not decode. */
  readonly edwardsScalarMult: (scalar: Uint8Array, point: Uint8Array) => Uint8Array | undefined
  /** scalar · B, scalar reduced mod L, not clamped here. */
  readonly edwardsScalarMultBase: (scalar: Uint8Array) => Uint8Array
  /** Little-endian integer of 32 or 64 bytes, mod L, as 32 bytes. */
  readonly scalarReduce: (wide: Uint8Array) => Uint8Array
  /** a·b mod L and a·b + c mod L; operands reduced, 32 bytes little-endian. */
  readonly scalarMultiply: (a: Uint8Array, b: Uint8Array) => Uint8Array
  readonly scalarMultiplyAdd: (a: Uint8Array, b: Uint8Array, c: Uint8Array) => Uint8Array
}

/** A backend with cryptography, fit to serve users. */
export interface ServingBackend extends CryptoBackend {
  readonly name: "native" | "reference"
}
