/**
 * What an operation on a box can end with besides its result.
 *
 * Contract: `BoxNotFound` says only that the replicas asked hold no such box, which nothing proves; everything that asking again cannot mend is a
 * `StorageError` with a closed reason. Codes of replicas and couriers stay in their own namespaces (C9). Neither holds ids or bytes.
 * Knows nothing of: who retries.
 * Source: pigeonhole.md §3.5, §5.3; departures: none.
 *
 * @module
 */
import { Data } from "effect"
import type { CourierErrorCode, ReplicaErrorCode } from "../pigeonhole/error-code.ts"

/** No replica that was asked holds the box: not written yet, expired, or withheld. */
export class BoxNotFound extends Data.TaggedError("BoxNotFound")<Record<never, never>> {}

/**
 * - `plaintext-too-long`: more than one box holds; nothing was sent
 * - `too-few-replicas`, `no-courier`, `geometry`: the document does not allow storage
 * - `replica-refused`: a code that repeating does not mend, or one that did not go away; `replicaCode` says which
 * - `courier-refused`: likewise from the courier; `courierCode`
 * - `forged-tombstone`: a deletion that the writer never signed
 * - `box-invalid`: the writer's own box does not decrypt or unpad
 * - `no-valid-answer`: every answer of many rounds was garbage
 * - `session-closed`: the way into the mixnet is gone
 */
export type StorageErrorReason =
  | "plaintext-too-long" | "too-few-replicas" | "no-courier" | "geometry" | "replica-refused" | "courier-refused" | "forged-tombstone" | "box-invalid"
  | "no-valid-answer" | "session-closed"

export class StorageError extends Data.TaggedError("StorageError")<{
  readonly reason: StorageErrorReason
  readonly replicaCode?: ReplicaErrorCode
  readonly courierCode?: CourierErrorCode
}> {
  override get message(): string {
    const code = this.replicaCode ?? this.courierCode
    return code === undefined ? this.reason : `${this.reason} (code ${code})`
  }
}

/** The verified, signed statement of the writer that the box is deleted. */
export interface Tombstone {
  readonly _tag: "Tombstone"
}
export const Tombstone: Tombstone = { _tag: "Tombstone" }

/** Tells what a read gave. */
export const isTombstone = (content: Uint8Array | Tombstone): content is Tombstone => !(content instanceof Uint8Array)

/** `exists-with-other-content`: somebody wrote this box before, with other bytes. */
export type WriteOutcome = "stored" | "exists-with-other-content"
