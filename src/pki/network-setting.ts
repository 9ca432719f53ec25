/**
 * What every actor of one network is started with: the same values for all, and its own identity.
 *
 * Contract: plain values; `Identity` holds the actor's private signing seed and prints without it.
 * Knows nothing of: roles.
 * Source: style.md §2.6 (parameters are values handed in); departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { Reach } from "./descriptor.ts"
import type { Geometry } from "../sphinx/geometry.ts"

export interface NetworkSetting {
  readonly crypto: CryptoBackend
  readonly params: MixnetParams
  readonly geometry: Geometry
  /** Ed25519 public keys of the directory authorities. */
  readonly authorityKeys: ReadonlyArray<Uint8Array>
  /** Signatures that a document needs. */
  readonly authorityThreshold: number
}

/** Who an actor is. */
export class Identity {
  readonly name: string
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** How other processes reach the actor; absent when there are none. */
  readonly reach: Reach | undefined
  readonly #seed: Uint8Array

  constructor(name: string, seed: Uint8Array, publicKey: Uint8Array, reach?: Reach) {
    this.name = name
    this.#seed = seed
    this.publicKey = publicKey
    this.reach = reach
  }

  /** Key and reach as a descriptor has them. */
  get announced(): { readonly identityKey: Uint8Array; readonly reach?: Reach } {
    return this.reach === undefined ? { identityKey: this.publicKey } : { identityKey: this.publicKey, reach: this.reach }
  }

  /** The private seed, 32 bytes; for signing only, never to be kept or shown. */
  get seed(): Uint8Array {
    return this.#seed
  }

  toJSON(): unknown {
    return { name: this.name, seed: "<redacted>" }
  }
}

export const makeIdentity = (crypto: CryptoBackend, name: string, seed: Uint8Array, reach?: Reach): Identity =>
  new Identity(name, seed, crypto.ed25519PublicKey(seed), reach)
