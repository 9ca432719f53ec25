/**
 * One direction of an encrypted conversation: a key, a counter, and the step to the next key.
 *
 * Contract: every seal or successful open advances the counter by one; `rekey` replaces the key and keeps the counter. A failed open changes nothing.
 * The counter never wraps: after 2^53 - 1 messages both operations refuse.
 * Knows nothing of: frames, handshakes.
 * Source: Noise revision 34 §5.1, §11.3, mixnet.md §14 (nonce = 4 zero bytes | LE64 counter); departures: the limit of 2^53 messages instead of 2^64.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"

export const CIPHER_KEY_BYTES = 32
export const TAG_BYTES = 16

const NONCE_BYTES = 12
const NO_DATA = new Uint8Array(0)
const REKEY_PLAINTEXT = new Uint8Array(CIPHER_KEY_BYTES)
/** The counter value 2^64 - 1, which Noise reserves for rekeying. */
const REKEY_NONCE = new Uint8Array([0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])

export class CipherState {
  readonly #crypto: CryptoBackend
  #key: Uint8Array
  #counter: number
  readonly #nonce = new Uint8Array(NONCE_BYTES)
  readonly #nonceView = new DataView(this.#nonce.buffer)

  /** @param key 32 bytes, owned by the state from now on @param counter of the next message */
  constructor(crypto: CryptoBackend, key: Uint8Array, counter = 0) {
    this.#crypto = crypto
    this.#key = key
    this.#counter = counter
  }

  /** An independent state with the same key and counter. */
  clone(): CipherState {
    return new CipherState(this.#crypto, this.#key.slice(), this.#counter)
  }

  /** `plaintext` ‖ 16-byte tag; `undefined` when the counter is used up. */
  seal(plaintext: Uint8Array, associatedData: Uint8Array = NO_DATA): Uint8Array | undefined {
    if (!this.#nextNonce()) return undefined
    const sealed = this.#crypto.chacha20Poly1305Seal(this.#key, this.#nonce, associatedData, plaintext)
    this.#counter += 1
    return sealed
  }

  /** `undefined` for bytes that are not the next message under this key, and when the counter is used up. */
  open(sealed: Uint8Array, associatedData: Uint8Array = NO_DATA): Uint8Array | undefined {
    if (!this.#nextNonce()) return undefined
    const plaintext = this.#crypto.chacha20Poly1305Open(this.#key, this.#nonce, associatedData, sealed)
    if (plaintext !== undefined) this.#counter += 1
    return plaintext
  }

  /** Moves on to the next key; the old one is overwritten. */
  rekey(): void {
    const wide = this.#crypto.chacha20Poly1305Seal(this.#key, REKEY_NONCE, NO_DATA, REKEY_PLAINTEXT)
    zeroize(this.#key)
    this.#key = wide.slice(0, CIPHER_KEY_BYTES)
    zeroize(wide)
  }

  /** Overwrites the key; the state must not be used again. */
  wipe(): void {
    zeroize(this.#key)
  }

  #nextNonce(): boolean {
    if (this.#counter >= Number.MAX_SAFE_INTEGER) return false
    this.#nonceView.setBigUint64(4, BigInt(this.#counter), true)
    return true
  }
}
