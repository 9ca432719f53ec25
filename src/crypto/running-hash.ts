/**
 * SHA-256 of something that is longer than memory: fed piece by piece.
 *
 * Contract: the digest is that of the concatenation of all pieces; afterwards the hash takes no more.
 * Knows nothing of: what is hashed.
 * Source: FIPS 180-4, by OpenSSL; departures: none.
 *
 * @module
 */
import { createHash } from "node:crypto"

export interface RunningHash {
  readonly update: (piece: Uint8Array) => void
  /** Lower-case hex; once. */
  readonly finish: () => string
}

export const runningSha256 = (): RunningHash => {
  const hash = createHash("sha256")
  return { update: (piece) => { hash.update(piece) }, finish: () => hash.digest("hex") }
}
