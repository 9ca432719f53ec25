/**
 * What becomes of a packet at the keys of a node: it opens under one of them, or it is dropped for a reason.
 *
 * Contract: the first key whose MAC verifies opens the packet; a refusal for any other reason than the MAC is final. Nothing is recorded here.
 * Knows nothing of: threads, replay filters, epochs.
 * Source: mixnet.md §5; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { DropReason } from "../mixnet/drop-counters.ts"
import type { Geometry } from "../sphinx/geometry.ts"
import { type MixPrivateKey, type Unwrap, unwrap, type Unwrapped } from "../sphinx/unwrap.ts"

export interface Opened {
  readonly unwrapped: Unwrapped
  /** Of the keys that were tried, the one that fits. */
  readonly keyIndex: number
}

export type UnwrapOutcome = Opened | DropReason

export const isOpened = (outcome: UnwrapOutcome): outcome is Opened => typeof outcome !== "string"

/** Tries the keys in turn. @param replayTag  of the packet, where it is known already. @param take  how a layer is taken off; by default into fresh memory */
export const openPacket = (
  crypto: CryptoBackend,
  geometry: Geometry,
  keys: ReadonlyArray<MixPrivateKey>,
  packet: Uint8Array,
  replayTag?: Uint8Array,
  take: Unwrap = unwrap
): UnwrapOutcome => {
  for (let keyIndex = 0; keyIndex < keys.length; keyIndex++) {
    const unwrapped = take(crypto, geometry, keys[keyIndex] as MixPrivateKey, packet, replayTag)
    if (Either.isRight(unwrapped)) return { unwrapped: unwrapped.right, keyIndex }
    if (unwrapped.left.reason !== "bad-mac") return unwrapped.left.reason
  }
  return keys.length === 0 ? "no-mix-key" : "bad-mac"
}
