/**
 * The running state of a Noise handshake: chaining key, transcript hash and the current cipher.
 *
 * Contract: both ends that feed in the same messages and secrets hold the same state. Text sealed before the first key is sent in clear, but is
 * part of the hash, as Noise has it. `open` gives `undefined` for altered bytes, after which the transcript must not be used.
 * Knows nothing of: which tokens a pattern has.
 * Source: Noise revision 34 §5.2, §4.3 with HASH = BLAKE2b (64 bytes); departures: none.
 *
 * @module
 */
import { concatBytes, utf8 } from "../bytes/concat.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { CIPHER_KEY_BYTES, CipherState } from "./cipher-state.ts"

const HASH_BYTES = 64
const NOTHING = new Uint8Array(0)

export class NoiseTranscript {
  readonly #crypto: CryptoBackend
  #chainingKey: Uint8Array
  #hash: Uint8Array
  #cipher: CipherState | undefined

  private constructor(crypto: CryptoBackend, chainingKey: Uint8Array, hash: Uint8Array, cipher: CipherState | undefined) {
    this.#crypto = crypto
    this.#chainingKey = chainingKey
    this.#hash = hash
    this.#cipher = cipher
  }

  /** @param protocolName  full Noise name of at most 64 ASCII characters */
  static start(crypto: CryptoBackend, protocolName: string, prologue: Uint8Array): NoiseTranscript {
    const name = utf8(protocolName)
    const hash = concatBytes(name, new Uint8Array(HASH_BYTES - name.length))
    const transcript = new NoiseTranscript(crypto, hash.slice(), hash, undefined)
    transcript.mixHash(prologue)
    return transcript
  }

  /** An independent copy, so that a step of a handshake leaves the state before it as it was. */
  clone(): NoiseTranscript {
    return new NoiseTranscript(this.#crypto, this.#chainingKey.slice(), this.#hash.slice(), this.#cipher?.clone())
  }

  /** The 64-byte hash of everything so far; the same on both ends, public. */
  get hash(): Uint8Array {
    return this.#hash.slice()
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.blake2b(HASH_BYTES, this.#hash, data)
  }

  mixKey(secret: Uint8Array): void {
    const output = this.#derive(secret, 2)
    this.#become(output.slice(0, HASH_BYTES), output.slice(HASH_BYTES, HASH_BYTES + CIPHER_KEY_BYTES))
    zeroize(output)
  }

  mixKeyAndHash(secret: Uint8Array): void {
    const output = this.#derive(secret, 3)
    this.mixHash(output.subarray(HASH_BYTES, 2 * HASH_BYTES))
    this.#become(output.slice(0, HASH_BYTES), output.slice(2 * HASH_BYTES, 2 * HASH_BYTES + CIPHER_KEY_BYTES))
    zeroize(output)
  }

  /** The bytes to send for `plaintext`: sealed once there is a key. */
  seal(plaintext: Uint8Array): Uint8Array {
    const sent = this.#cipher === undefined ? plaintext : this.#cipher.seal(plaintext, this.#hash)
    if (sent === undefined) throw new RangeError("a handshake has a handful of messages")
    this.mixHash(sent)
    return sent
  }

  /** The plaintext of what was received, or `undefined`. */
  open(received: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#cipher === undefined ? received.slice() : this.#cipher.open(received, this.#hash)
    this.mixHash(received)
    return plaintext
  }

  /** Keys of the two directions, for the time after the handshake. */
  split(): { readonly fromInitiator: CipherState; readonly fromResponder: CipherState } {
    const output = this.#derive(NOTHING, 2)
    const fromInitiator = new CipherState(this.#crypto, output.slice(0, CIPHER_KEY_BYTES))
    const fromResponder = new CipherState(this.#crypto, output.slice(HASH_BYTES, HASH_BYTES + CIPHER_KEY_BYTES))
    zeroize(output)
    return { fromInitiator, fromResponder }
  }

  /** Overwrites the secrets; the transcript must not be used again. */
  wipe(): void {
    zeroize(this.#chainingKey)
    this.#cipher?.wipe()
  }

  /** The Noise HKDF: HKDF with the chaining key as salt and no info, 64 bytes per output. */
  #derive(secret: Uint8Array, outputs: 2 | 3): Uint8Array {
    return this.#crypto.hkdfBlake2b512(secret, this.#chainingKey, NOTHING, outputs * HASH_BYTES)
  }

  #become(chainingKey: Uint8Array, key: Uint8Array): void {
    zeroize(this.#chainingKey)
    this.#cipher?.wipe()
    this.#chainingKey = chainingKey
    this.#cipher = new CipherState(this.#crypto, key)
  }
}
