/**
 * The reaction to every code that a replica can give: one table for writes, one for reads.
 *
 * Contract: total; codes that nobody has named, and codes that make no sense for the operation, are refusals.
 * Knows nothing of: envelopes, couriers, how often a retry is allowed.
 * Source: pigeonhole.md §3.5 (last column), §5.3 (strict mode); departures: none.
 *
 * @module
 */
import { REPLICA_ERROR, type ReplicaErrorCode } from "../pigeonhole/error-code.ts"

/** What a code means for a write. */
export type WriteReaction = "stored" | "exists" | "retry" | "refuse"
/** What a code means for a read; `open` and `tombstone` are claims that the box itself must prove. */
export type ReadReaction = "open" | "tombstone" | "not-found" | "retry" | "refuse"

/** Worth another envelope: the fault may be gone, or lie with the keys that were used. */
const RETRY: ReadonlySet<number> = new Set([
  REPLICA_ERROR.databaseFailure, REPLICA_ERROR.internalError, REPLICA_ERROR.invalidEpoch, REPLICA_ERROR.replicationFailed
])

export const writeReaction = (code: ReplicaErrorCode): WriteReaction => {
  if (code === REPLICA_ERROR.success) return "stored"
  if (code === REPLICA_ERROR.boxAlreadyExists) return "exists"
  return RETRY.has(code) ? "retry" : "refuse"
}

export const readReaction = (code: ReplicaErrorCode): ReadReaction => {
  if (code === REPLICA_ERROR.success) return "open"
  if (code === REPLICA_ERROR.tombstone) return "tombstone"
  if (code === REPLICA_ERROR.boxNotFound) return "not-found"
  return RETRY.has(code) ? "retry" : "refuse"
}
