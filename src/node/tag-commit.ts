/**
 * Between the replay test and the routing of a node whose tags outlive it: a packet goes on only after its tag is durable.
 *
 * Contract: packets go on in the order in which they came. While one commit runs, the tags and packets of the next one gather, so the rate does not depend on
 * how long a disk takes; the wait counts as part of the mixing delay, since instants of arrival stay as they are. A packet whose tag cannot be made durable is
 * dropped (`tag-not-durable`), and so is one that waited longer than `dwellMs` (`commit-dwell-exceeded`), so that a disk that stood still releases nothing in
 * bulk. What waits is bounded: beyond that the caller waits, and the queue before it fills. A packet whose routing dies is counted and the others go on.
 * Knows nothing of: keys, filters, disks.
 * Source: mixnet.md §6 (restart: persist both); departures: none.
 *
 * @module
 */
import { Chunk, Clock, Effect, Queue, type Scope } from "effect"
import type { DropCounters } from "../mixnet/drop-counters.ts"

/** Packets that go on after one commit. */
const BATCH_LIMIT = 256
/** Packets that may wait for the next commit. */
const WAITING_CAPACITY = 1_000

/** Time in which packets gather for one commit when nothing else is said, in milliseconds. */
export const COMMIT_GATHER_MS = 12

export interface TagCommitOptions<A, R> {
  /** Makes every tag recorded before it starts durable; false when it cannot. */
  readonly commit: Effect.Effect<boolean>
  /** Longest wait for a commit, in milliseconds. */
  readonly dwellMs: number
  /** Time in which packets gather for one commit, in milliseconds. */
  readonly gatherMs?: number
  readonly drops: DropCounters
  readonly route: (packet: A) => Effect.Effect<void, never, R>
}

interface Held<A> {
  readonly packet: A
  readonly sinceMs: number
}

/** Starts in the caller's scope. @returns takes a packet whose tag has been recorded; waits only for room */
export const makeTagCommit = <A, R>(
  { commit, drops, dwellMs, gatherMs = COMMIT_GATHER_MS, route }: TagCommitOptions<A, R>
): Effect.Effect<(packet: A) => Effect.Effect<void>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const waiting = yield* Queue.bounded<Held<A>>(WAITING_CAPACITY)
    const routeInTime = ({ packet, sinceMs }: Held<A>): Effect.Effect<void, never, R> =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
        (nowMs - sinceMs > dwellMs ? Effect.sync(() => drops.count("commit-dwell-exceeded")) : route(packet))).pipe(
        Effect.catchAllCause(() => Effect.sync(() => drops.count("internal-error")))
      )
    const settle = (batch: Chunk.Chunk<Held<A>>): Effect.Effect<void, never, R> =>
      Effect.flatMap(Effect.catchAllCause(commit, () => Effect.succeed(false)), (isDurable) =>
        (isDurable
          ? Effect.forEach(batch, routeInTime, { discard: true })
          : Effect.sync(() => drops.count("tag-not-durable", Chunk.size(batch)))))
    /** The first of a batch waits a little for others: a disk is asked rarely, and delays are longer than that anyway. */
    const nextBatch = Effect.zipWith(
      Effect.zipLeft(Queue.take(waiting), gatherMs === 0 ? Effect.yieldNow() : Effect.sleep(gatherMs)),
      Effect.suspend(() => Queue.takeUpTo(waiting, BATCH_LIMIT - 1)),
      (first, others) => Chunk.prepend(others, first)
    )
    yield* nextBatch.pipe(
      Effect.flatMap(settle),
      Effect.forever,
      Effect.forkScoped
    )
    return (packet) => Effect.flatMap(Clock.currentTimeMillis, (sinceMs) => Effect.asVoid(Queue.offer(waiting, { packet, sinceMs })))
  })
