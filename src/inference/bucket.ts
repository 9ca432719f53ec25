/**
 * Latency buckets: the public instants at which a result may leave a compute service, and every other instant of the workflow that lies on,
 * or is drawn from, the same grid.
 *
 * Contract: an edge depends on (quantum of acceptance k, bucket j, release number r) alone, never on a job's content or running time. Buckets
 * count from 1, releases and quanta from 0. Chance comes in as a uniform number of [0, 1).
 * Knows nothing of: models, boxes, the network. Reads no clock: every instant is an argument, in milliseconds since the Unix epoch.
 * Source: funion.md §3, §6.2, §7 (O4, O5, O7, O15, O17), §8; departures: a first poll drawn beyond the end of polling is made at the end, so
 * that every reader looks at least once.
 *
 * @module
 */
import { Data, Either } from "effect"
import { DEADLINE_COUNT_LIMIT } from "../params/service-profile.ts"

/** notAfter lies this many quanta after the running one. */
export const NOT_AFTER_QUANTA = 8
/** A service refuses a notAfter further ahead than this; a client never sends one later than its first plus this. */
export const NOT_AFTER_LIMIT_QUANTA = 16
/** A reader stops polling this many quanta after the last edge and its window. */
export const POLL_QUANTA = 8
/** A jobId is kept at least this many quanta after its notAfter … */
export const KEEP_QUANTA = 32
/** … and at least this many PKI epochs. */
export const KEEP_EPOCHS = 2
/** After a failure new work starts at a uniform instant of this many quanta. */
export const NEW_JOB_QUANTA = 4

const DEADLINE_MAX = 0xffff

/** What a service publishes of its time grid. */
export interface BucketGrid {
  /** q, one value for the whole network */
  readonly quantumMs: number
  /** d_1 < … < d_n in quanta */
  readonly deadlinesQuanta: ReadonlyArray<number>
  /** w: all of an edge is on the replicas this long after it */
  readonly releaseWindowMs: number
  /** s: what an edge holds is decided this long before it */
  readonly sealBeforeEdgeMs: number
}

/** The grid cannot be used; names the field. */
export class BucketGridInvalid extends Data.TaggedError("BucketGridInvalid")<{ readonly field: keyof BucketGrid }> {}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value > 0

/** @errors BucketGridInvalid with the first field that breaks funion.md §3 or §6.3 */
export const checkBucketGrid = (grid: BucketGrid): Either.Either<BucketGrid, BucketGridInvalid> => {
  const { quantumMs, deadlinesQuanta, releaseWindowMs, sealBeforeEdgeMs } = grid
  const invalid = (field: keyof BucketGrid) => Either.left(new BucketGridInvalid({ field }))
  if (!isCount(quantumMs)) return invalid("quantumMs")
  if (deadlinesQuanta.length < 1 || deadlinesQuanta.length > DEADLINE_COUNT_LIMIT) return invalid("deadlinesQuanta")
  const rising = deadlinesQuanta.every((quanta, index) => isCount(quanta) && quanta <= DEADLINE_MAX && quanta > (deadlinesQuanta[index - 1] ?? 0))
  if (!rising) return invalid("deadlinesQuanta")
  if (!isCount(releaseWindowMs) || releaseWindowMs > quantumMs) return invalid("releaseWindowMs")
  if (!isCount(sealBeforeEdgeMs) || sealBeforeEdgeMs >= quantumMs * (deadlinesQuanta[0] ?? 0)) return invalid("sealBeforeEdgeMs")
  return Either.right(grid)
}

/** k: the quantum that holds the instant. */
export const quantumIndexAt = (quantumMs: number, nowMs: number): number => Math.floor(nowMs / quantumMs)

/** (k + 1)·q: a job accepted anywhere in quantum k counts as accepted here; reads of the quantum's jobs start here. */
export const acceptedAtMs = (quantumMs: number, quantumIndex: number): number => (quantumIndex + 1) * quantumMs

/** True for an instant on the grid. */
export const isOnGrid = (quantumMs: number, instantMs: number): boolean => Number.isSafeInteger(instantMs) && instantMs % quantumMs === 0

/** The first grid instant at or after `nowMs`: when late work leaves, together with whatever else leaves then (O19). */
export const gridInstantFrom = (quantumMs: number, nowMs: number): number => Math.ceil(nowMs / quantumMs) * quantumMs

/** Number of instants at which a job of bucket j may be released: n − j + 1, staged (j = 1) n. */
export const releaseCountOf = (deadlinesQuanta: ReadonlyArray<number>, bucket: number): number =>
  Math.max(deadlinesQuanta.length - bucket + 1, 0)

/**
 * All edges of a job, ascending: release number r leaves at element r; the last element is t_n.
 * @returns nothing for a bucket that the deadlines do not have
 */
export const releaseEdgesMs = (
  quantumMs: number,
  deadlinesQuanta: ReadonlyArray<number>,
  quantumIndex: number,
  bucket: number
): ReadonlyArray<number> => {
  if (!isCount(bucket)) return []
  return deadlinesQuanta.slice(bucket - 1).map((quanta) => acceptedAtMs(quantumMs, quantumIndex) + quanta * quantumMs)
}

/** What the edge holds is decided, and on disk, from here on. */
export const sealingPointMs = (edgeMs: number, sealBeforeEdgeMs: number): number => edgeMs - sealBeforeEdgeMs

/** Quanta from edge r to edge r + 1, 0 after the last one. */
export const quantaToNext = (quantumMs: number, edgesMs: ReadonlyArray<number>, releaseIndex: number): number => {
  const next = edgesMs[releaseIndex + 1]
  const edge = edgesMs[releaseIndex]
  return next === undefined || edge === undefined ? 0 : (next - edge) / quantumMs
}

/** The slots of the output stream that release r owns: r·n_c … (r + 1)·n_c − 1, as [first, end). */
export const slotRangeOf = (releaseIndex: number, slotCount: number): readonly [number, number] =>
  [releaseIndex * slotCount, (releaseIndex + 1) * slotCount]

/** Exp(mean) by inversion; `uniform` in [0, 1). */
const exponentialMs = (meanMs: number, uniform: number): number => -Math.log1p(-uniform) * meanMs

/** Readers stop here, 8 q after the last edge and its window. */
export const pollEndMs = (grid: Pick<BucketGrid, "quantumMs" | "releaseWindowMs">, lastEdgeMs: number): number =>
  lastEdgeMs + grid.releaseWindowMs + POLL_QUANTA * grid.quantumMs

/** t + w + Exp(mean q), never before the edge and window, at most the end of polling (O4). */
export const firstPollMs = (
  grid: Pick<BucketGrid, "quantumMs" | "releaseWindowMs">,
  edgeMs: number,
  lastEdgeMs: number,
  uniform: number
): number => Math.min(edgeMs + grid.releaseWindowMs + exponentialMs(grid.quantumMs, uniform), pollEndMs(grid, lastEdgeMs))

/** The poll after one that missed at `polledAtMs`; past `pollEndMs` the reader gives up instead. */
export const nextPollMs = (quantumMs: number, polledAtMs: number, uniform: number): number => polledAtMs + exponentialMs(quantumMs, uniform)

/** A uniform instant of the quantum after the one that holds `nowMs`: dispatch after upload (O5), upload after an answer (O17). */
export const uniformInNextQuantumMs = (quantumMs: number, nowMs: number, uniform: number): number =>
  (quantumIndexAt(quantumMs, nowMs) + 1 + uniform) * quantumMs

/**
 * When a dispatch that met a full or draining service goes out again: a uniform instant, `retryAfterQuanta` plus 0..3 quanta later.
 * @param uniformLater  chooses among the four; @param uniform  places the instant inside the quantum
 */
export const retryInstantMs = (quantumMs: number, nowMs: number, retryAfterQuanta: number, uniformLater: number, uniform: number): number =>
  (quantumIndexAt(quantumMs, nowMs) + Math.max(retryAfterQuanta, 1) + Math.floor(4 * uniformLater) + uniform) * quantumMs

/** A uniform instant of the next four quanta: content of a failed job is never retried at once (O15). */
export const newJobInstantMs = (quantumMs: number, nowMs: number, uniform: number): number =>
  (quantumIndexAt(quantumMs, nowMs) + 1 + NEW_JOB_QUANTA * uniform) * quantumMs

/** (floor(now / q) + 8)·q: on the grid, so that no clock offset shows. */
export const notAfterFor = (quantumMs: number, nowMs: number): number => (quantumIndexAt(quantumMs, nowMs) + NOT_AFTER_QUANTA) * quantumMs

/**
 * The notAfter of another sealing of the same job.
 * @returns nothing once it would lie more than 16 q after the job's first one: then only a new job helps
 */
export const notAfterForResend = (quantumMs: number, nowMs: number, firstNotAfterMs: number): number | undefined => {
  const notAfterMs = notAfterFor(quantumMs, nowMs)
  return notAfterMs <= firstNotAfterMs + NOT_AFTER_LIMIT_QUANTA * quantumMs ? notAfterMs : undefined
}

/** The service's view of notAfter: on the grid, not passed, at most 16 q ahead. */
export const notAfterIsAcceptable = (quantumMs: number, nowMs: number, notAfterMs: number): boolean =>
  isOnGrid(quantumMs, notAfterMs) && nowMs <= notAfterMs && notAfterMs <= nowMs + NOT_AFTER_LIMIT_QUANTA * quantumMs

/** A jobId may be forgotten after this instant: the later of notAfter + 2 epochs and notAfter + 32 q (O7). */
export const forgetAfterMs = (quantumMs: number, epochPeriodMs: number, notAfterMs: number): number =>
  notAfterMs + Math.max(KEEP_EPOCHS * epochPeriodMs, KEEP_QUANTA * quantumMs)
