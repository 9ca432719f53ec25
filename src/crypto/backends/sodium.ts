/**
 * The functions of sodium-native that the native backend calls, typed, and the loading of the library.
 *
 * Contract: outputs come first and are filled; lengths are the caller's duty; a refusal of the library is an exception.
 * Source: sodium-native 5.1 (libsodium 1.0); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { createRequire } from "node:module"
import { BackendUnavailable } from "../backend-unavailable.ts"

type Fill = (output: Uint8Array, input: Uint8Array) => void

export interface Sodium {
  readonly crypto_hash_sha256: Fill
  readonly crypto_hash_sha512: Fill
  readonly crypto_hash_sha512_STATEBYTES: number
  readonly crypto_hash_sha512_init: (state: Uint8Array) => void
  readonly crypto_hash_sha512_update: (state: Uint8Array, input: Uint8Array) => void
  /** The digest goes into `output`, 64 bytes. */
  readonly crypto_hash_sha512_final: (state: Uint8Array, output: Uint8Array) => void
  /** BLAKE2b; the output length, 16..64, selects the function. */
  readonly crypto_generichash: Fill
  readonly crypto_stream_chacha20: (output: Uint8Array, nonce: Uint8Array, key: Uint8Array) => void
  readonly crypto_aead_chacha20poly1305_ietf_encrypt: (
    sealed: Uint8Array, plaintext: Uint8Array, aad: Uint8Array | null, nsec: null, nonce: Uint8Array, key: Uint8Array
  ) => number
  readonly crypto_aead_chacha20poly1305_ietf_decrypt: (
    plaintext: Uint8Array, nsec: null, sealed: Uint8Array, aad: Uint8Array | null, nonce: Uint8Array, key: Uint8Array
  ) => number
  /** Throws for a point of low order. */
  readonly crypto_scalarmult: (output: Uint8Array, scalar: Uint8Array, point: Uint8Array) => void
  readonly crypto_scalarmult_base: (output: Uint8Array, scalar: Uint8Array) => void
  /** Throws for points outside the prime-order subgroup, non-canonical encodings and a zero scalar. */
  readonly crypto_scalarmult_ed25519_noclamp: (output: Uint8Array, scalar: Uint8Array, point: Uint8Array) => void
  readonly crypto_scalarmult_ed25519_base_noclamp: (output: Uint8Array, scalar: Uint8Array) => void
  readonly crypto_core_ed25519_is_valid_point: (point: Uint8Array) => boolean
  /** 64 bytes to 32. */
  readonly crypto_core_ed25519_scalar_reduce: Fill
  readonly crypto_sign_seed_keypair: (publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array) => void
  readonly crypto_sign_detached: (signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array) => void
}

/** The library and its version, or why it cannot be loaded. */
export const loadSodium = (): Either.Either<{ readonly sodium: Sodium; readonly version: string }, BackendUnavailable> =>
  Either.try({
    try: () => {
      const require = createRequire(import.meta.url)
      const sodium: Sodium = require("sodium-native")
      const manifest: { readonly version: string } = require("sodium-native/package.json")
      return { sodium, version: manifest.version }
    },
    catch: (cause) =>
      new BackendUnavailable({ backend: "native", reason: "library-missing", detail: cause instanceof Error ? cause.message.split("\n", 1).join() : "unknown" })
  })
