/**
 * Shared randomness of the directory authorities: each commits to a number before it sees anybody else's, all reveal, and the hash of all is the value.
 *
 *   REVEAL = BE64(epoch) ‖ H(32 random bytes)                   40 bytes
 *   COMMIT = BE64(epoch) ‖ H(REVEAL)                            40 bytes
 *   value  = H("shared-random" ‖ BE64(epoch) ‖ N ‖ value of the document before, or 32 zero bytes)
 *   N      = H(authority key) ‖ REVEAL of every authority that counts, descending by REVEAL
 *
 * Contract: H is BLAKE2b-256. Whoever commits last knows no other number yet, so nobody chooses the value; an authority can only stay away with its own.
 * The two prior values change once per replica epoch, so that something random lasts that long.
 * Knows nothing of: signatures, who may take part, how many must.
 * Source: mixnet.md §12 (PriorSharedRandom), §13 (shared random); departures: none.
 *
 * @module
 */
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { replicaEpochOf, type Epoch } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"

/** Length of a commit and of a reveal. */
export const SHARE_BYTES = 40
/** Length of a shared random value, and of the secret behind a reveal. */
export const SHARED_RANDOM_BYTES = 32
/** What stands for a value that does not exist. */
export const NO_SHARED_RANDOM = new Uint8Array(SHARED_RANDOM_BYTES)

const LABEL = utf8("shared-random")

/** The values of one document. */
export interface SharedRandom {
  /** 32 bytes. */
  readonly sharedRandomValue: Uint8Array
  /** Two values of 32 bytes, the younger first; zeros where there was none yet. */
  readonly priorSharedRandom: readonly [Uint8Array, Uint8Array]
}

/** What a document inherits from the last one before it. */
export interface Past extends SharedRandom {
  /** Of that document. */
  readonly epoch: Epoch
  readonly genesisEpoch: Epoch
}

/** One authority's number. */
export interface Revealed {
  readonly authorityKey: Uint8Array
  /** 40 bytes. */
  readonly reveal: Uint8Array
}

const epochBytes = (epoch: Epoch): Uint8Array => new ByteWriter(8).u64(epoch).finish()

/** @param secret  32 random bytes, never used again */
export const makeReveal = (crypto: CryptoBackend, epoch: Epoch, secret: Uint8Array): Uint8Array =>
  concatBytes(epochBytes(epoch), crypto.blake2b256(secret))

export const makeCommit = (crypto: CryptoBackend, epoch: Epoch, reveal: Uint8Array): Uint8Array =>
  concatBytes(epochBytes(epoch), crypto.blake2b256(reveal))

/** Whether commit and reveal are of `epoch` and belong together. */
export const revealFits = (crypto: CryptoBackend, epoch: Epoch, commit: Uint8Array, reveal: Uint8Array): boolean =>
  commit.length === SHARE_BYTES && reveal.length === SHARE_BYTES &&
  constantTimeEqual(reveal.subarray(0, 8), epochBytes(epoch)) && constantTimeEqual(commit, makeCommit(crypto, epoch, reveal))

/**
 * The shared random value of an epoch.
 * @param revealed  those that count, in any order
 * @param previous  value of the document before, 32 bytes; zeros when there is none
 */
export const sharedRandomOf = (crypto: CryptoBackend, epoch: Epoch, revealed: ReadonlyArray<Revealed>, previous: Uint8Array): Uint8Array => {
  const ordered = revealed
    .map(({ authorityKey, reveal }) => ({ authorityKey, reveal, order: toHex(reveal) }))
    .sort((a, b) => (a.order > b.order ? -1 : a.order < b.order ? 1 : 0))
  return crypto.blake2b256(
    LABEL, epochBytes(epoch), ...ordered.flatMap(({ authorityKey, reveal }) => [crypto.blake2b256(authorityKey), reveal]), previous
  )
}

/** The prior values of the document of `epoch`: those of the document before, moved on by one in the first document of a replica epoch. */
export const priorSharedRandomOf = (
  params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">, epoch: Epoch, past: Past | undefined
): SharedRandom["priorSharedRandom"] => {
  if (past === undefined) return [NO_SHARED_RANDOM, NO_SHARED_RANDOM]
  return replicaEpochOf(params, epoch) === replicaEpochOf(params, past.epoch)
    ? past.priorSharedRandom
    : [past.sharedRandomValue, past.priorSharedRandom[0]]
}
