/**
 * The port through which a link asks who its peer is.
 *
 * Contract: called with what the peer has *claimed* on message 2 (by the initiator) or proved in part on message 3 (by the responder): a valid link proves
 * possession of the link key only with the message after it, so a check must not act on its answer, only give it. Must be synchronous and must
 * not throw; keys are compared in constant time (`claimMatches`).
 * Knows nothing of: documents, configuration.
 * Source: mixnet.md §14 (table of peers); departures: none.
 *
 * @module
 */
import { constantTimeEqual } from "../bytes/equal.ts"

export interface PeerClaim {
  /** Identity hash of a node, queue id of a client, or nothing. */
  readonly additionalData: Uint8Array
  /** X-Wing public key, 1216 bytes. */
  readonly linkKey: Uint8Array
}

/** The peer's name, `""` for one that is let in without a name, `undefined` for one that is not let in. */
export type PeerCheck = (claim: PeerClaim) => string | undefined

/** True when the claim has exactly this identity and key; reads every byte of both. */
export const claimMatches = (claim: PeerClaim, expected: PeerClaim): boolean => {
  const sameIdentity = constantTimeEqual(claim.additionalData, expected.additionalData)
  const sameKey = constantTimeEqual(claim.linkKey, expected.linkKey)
  return sameIdentity && sameKey
}
