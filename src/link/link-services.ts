/**
 * What links need of the process: its crypto backend and its randomness.
 *
 * Contract: the folders that carry links take these from here and know no cryptography themselves.
 * Source: style.md §1.1 (actor imports link, not crypto); departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { CryptoBackend, XWingPrivateKey } from "../crypto/backend.ts"
import { Crypto } from "../crypto/crypto-service.ts"
import { type Entropy, EntropySource } from "../crypto/entropy.ts"

export interface LinkServices {
  readonly crypto: CryptoBackend
  readonly entropy: Entropy
}

/** A link key pair: X-Wing. */
export type LinkKey = XWingPrivateKey

/** The service that must be provided to whoever opens links. */
export type LinkRequirements = Crypto

export const linkServices: Effect.Effect<LinkServices, never, LinkRequirements> = Effect.gen(function*() {
  return { crypto: yield* Crypto, entropy: yield* EntropySource }
})

const TWO_32 = 2 ** 32

/** Uniform in [0, 1), in steps of 2^-32: for jitter. */
export const uniformFrom = (entropy: Entropy): number => {
  const bytes = entropy(4)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / TWO_32
}
