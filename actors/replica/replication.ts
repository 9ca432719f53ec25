/**
 * Copies on their way to the other shard: what could not be queued at once is kept and tried again.
 *
 * Contract: `send` never waits. Kept copies are bounded for each fellow, one per box, for an hour at most; the oldest go first. What is lost here is
 * healed by read repair.
 * Source: pigeonhole.md §5.6 (replication, retry queue); departures: none.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import { encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"

/** Copies kept for one fellow. */
export const KEPT_LIMIT = 2_000
const KEPT_MS = 3_600_000

interface Kept {
  readonly frame: Uint8Array
  readonly sinceMs: number
}

export interface Replication {
  /** Sends a box, or a tombstone, to a fellow as a ReplicaWrite. */
  readonly send: (replicaId: number, box: StoredBox) => Effect.Effect<void>
}

/** Starts the retry loop in the caller's scope. @param retryMs pause between two rounds of trying again */
export const makeReplication = (
  offer: (replicaId: number, frame: Uint8Array) => boolean,
  linkCommandBytes: number,
  retryMs: number
): Effect.Effect<Replication, never, Scope.Scope> =>
  Effect.gen(function*() {
    const kept = new Map<number, Map<string, Kept>>()
    const retryFor = (replicaId: number, copies: Map<string, Kept>, nowMs: number): void => {
      let hasRoom = true
      for (const [id, { frame, sinceMs }] of copies) {
        hasRoom = hasRoom && (nowMs - sinceMs > KEPT_MS || offer(replicaId, frame))
        if (hasRoom || nowMs - sinceMs > KEPT_MS) copies.delete(id)
      }
    }
    const retry = Effect.map(Clock.currentTimeMillis, (nowMs) => {
      for (const [replicaId, copies] of kept) retryFor(replicaId, copies, nowMs)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(retryMs), retry)))
    return {
      send: (replicaId, { boxId, payload, signature }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const frame = encodeLinkCommand({ _tag: "ReplicaWrite", boxId, payload, signature }, linkCommandBytes)
          if (offer(replicaId, frame)) return
          const copies = kept.get(replicaId) ?? new Map<string, Kept>()
          kept.set(replicaId, copies)
          for (const oldest of copies.keys()) if (copies.size >= KEPT_LIMIT) copies.delete(oldest)
          copies.set(toHex(boxId), { frame, sinceMs: nowMs })
        })
    }
  })
