/**
 * The closed lists of codes on the wire: what a replica, a courier and a copy command answer.
 *
 * Contract: three namespaces that overlap numerically and never mix: each code is a number branded by its namespace. Codes nobody has named
 * stay readable; an unknown replica code counts as permanent.
 * Knows nothing of: messages, retries.
 * Source: pigeonhole.md §3.5; departures: none.
 *
 * @module
 */
declare const Namespace: unique symbol
type Code<Name extends string> = number & { readonly [Namespace]: Name }

/** What became of an operation at a replica; u8. */
export type ReplicaErrorCode = Code<"ReplicaErrorCode">
/** What a courier thinks of an envelope; u8. */
export type CourierErrorCode = Code<"CourierErrorCode">
/** How far a copy command is; u8. */
export type CopyStatus = Code<"CopyStatus">

const codeOf = <C extends number>(value: number): C => {
  if (!Number.isInteger(value) || value < 0 || value > 255) throw new RangeError("a code is one byte")
  return value as C
}

/** Brands a byte that was read as a replica code. */
export const replicaErrorCode = (value: number): ReplicaErrorCode => codeOf(value)
/** Brands a byte that was read as a courier code. */
export const courierErrorCode = (value: number): CourierErrorCode => codeOf(value)
/** Brands a byte that was read as a copy status. */
export const copyStatus = (value: number): CopyStatus => codeOf(value)

export const REPLICA_ERROR = {
  success: replicaErrorCode(0),
  boxNotFound: replicaErrorCode(1),
  invalidBoxId: replicaErrorCode(2),
  invalidSignature: replicaErrorCode(3),
  databaseFailure: replicaErrorCode(4),
  invalidPayload: replicaErrorCode(5),
  storageFull: replicaErrorCode(6),
  internalError: replicaErrorCode(7),
  invalidEpoch: replicaErrorCode(8),
  replicationFailed: replicaErrorCode(9),
  boxAlreadyExists: replicaErrorCode(10),
  tombstone: replicaErrorCode(11)
} as const

export const COURIER_ERROR = {
  success: courierErrorCode(0),
  invalidEnvelope: courierErrorCode(1),
  cacheCorruption: courierErrorCode(2),
  propagationError: courierErrorCode(3),
  invalidEpoch: courierErrorCode(4)
} as const

export const COPY_STATUS = { succeeded: copyStatus(0), inProgress: copyStatus(1), failed: copyStatus(2) } as const

const namesOf = (codes: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(codes).map(([name, code]) => [code, name]))

/** Code to name, for logs and counters. */
export const REPLICA_ERROR_NAMES = namesOf(REPLICA_ERROR)
export const COURIER_ERROR_NAMES = namesOf(COURIER_ERROR)
export const COPY_STATUS_NAMES = namesOf(COPY_STATUS)

const TEMPORARY: ReadonlySet<number> = new Set([
  REPLICA_ERROR.boxNotFound, REPLICA_ERROR.databaseFailure, REPLICA_ERROR.storageFull, REPLICA_ERROR.internalError, REPLICA_ERROR.replicationFailed
])

/** Whether trying again can help, as a copy command judges it. */
export const replicaErrorClass = (code: ReplicaErrorCode): "success" | "temporary" | "permanent" =>
  code === REPLICA_ERROR.success ? "success" : TEMPORARY.has(code) ? "temporary" : "permanent"
