/**
 * Which two replicas hold a box: rendezvous hashing over all configured replicas.
 *
 * Contract: a pure function of the configured identity keys and the box id; who is online does not matter, so an outage moves no box.
 * Knows nothing of: descriptors, who is online.
 * Source: pigeonhole.md §5.2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import type { BoxId } from "../bacap/box-id.ts"
import type { CryptoBackend } from "../crypto/backend.ts"

/** Fewer replicas than a box, or an envelope, needs. */
export class TooFewReplicas extends Data.TaggedError("TooFewReplicas")<{ readonly replicaCount: number; readonly neededCount: number }> {}

/** Order of two byte strings of one length. */
const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

/** H256(key ‖ box id) of every key: the shards are the two smallest. */
export const shardHashes = (crypto: CryptoBackend, configuredKeys: ReadonlyArray<Uint8Array>, boxId: BoxId): ReadonlyArray<Uint8Array> =>
  configuredKeys.map((key) => crypto.blake2b256(key, boxId))

/**
 * @param configuredKeys  identity public keys of all configured replicas, of any length
 * @returns positions in `configuredKeys` of the two shards, smallest hash first
 * @errors TooFewReplicas below two keys
 */
export const shardKeyIndexes = (
  crypto: CryptoBackend,
  configuredKeys: ReadonlyArray<Uint8Array>,
  boxId: BoxId
): Either.Either<readonly [number, number], TooFewReplicas> => {
  const ranked = shardHashes(crypto, configuredKeys, boxId)
    .map((hash, keyIndex) => ({ hash, keyIndex }))
    .sort((a, b) => compareBytes(a.hash, b.hash) || a.keyIndex - b.keyIndex)
  const [first, second] = ranked
  return first === undefined || second === undefined
    ? Either.left(new TooFewReplicas({ replicaCount: configuredKeys.length, neededCount: 2 }))
    : Either.right([first.keyIndex, second.keyIndex])
}
