/**
 * Those who wait for replicas' answers to envelopes: the copy jobs of a courier.
 *
 * Contract: a question is asked after its waiter is registered, so no answer is missed; it ends with the first answer that is enough, or when its time is
 * over. Each replica asked has one slot: a success stays, anything else gives way to what is newer. Handing an answer over never blocks, and answers
 * nobody waits for are dropped. One waiter per question; their number is the askers' to bound.
 * Knows nothing of: links, what answers mean.
 * Source: pigeonhole.md §5.4 (copy waiters), §7 Y7, Y12; departures: none.
 *
 * @module
 */
import { Deferred, Effect } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import type { EnvelopeHash } from "../../src/pigeonhole/envelope.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"

/** What a replica answered: its outer code, and the sealed answer, empty for an early failure. */
export interface ReplicaAnswer {
  readonly errorCode: ReplicaErrorCode
  readonly payload: Uint8Array
}

interface Waiter {
  readonly answers: Map<number, ReplicaAnswer>
  readonly replicaIds: ReadonlyArray<number>
  readonly enough: Deferred.Deferred<void>
}

export interface Question {
  readonly hash: EnvelopeHash
  /** Replicas that are asked. */
  readonly replicaIds: ReadonlyArray<number>
  /** Sends the question. @returns false when nobody could be asked; there is nothing to wait for then */
  readonly send: () => boolean
  readonly timeoutMs: number
}

const isSuccess = (answer: ReplicaAnswer | undefined): boolean => answer !== undefined && answer.errorCode === REPLICA_ERROR.success

export class ReplyWaiters {
  readonly #waiters = new Map<string, Set<Waiter>>()

  /** Questions that wait for an answer. */
  get size(): number {
    let count = 0
    for (const waiters of this.#waiters.values()) count += waiters.size
    return count
  }

  /** Asks and waits for a success, for the answers of all, or for the end of the time. @returns the answers by replica, fewer in the last case */
  ask({ hash, replicaIds, send, timeoutMs }: Question): Effect.Effect<ReadonlyMap<number, ReplicaAnswer>> {
    const id = toHex(hash)
    return Effect.gen(this, function*() {
      const waiter: Waiter = { answers: new Map(), replicaIds, enough: yield* Deferred.make<void>() }
      const register = Effect.sync(() => this.#waiters.set(id, (this.#waiters.get(id) ?? new Set()).add(waiter)))
      const asked = Effect.suspend(() => (send() ? Effect.timeoutOption(Deferred.await(waiter.enough), timeoutMs) : Effect.void))
      yield* Effect.acquireUseRelease(register, () => asked, () => Effect.sync(() => this.#forget(id, waiter)))
      return waiter.answers
    })
  }

  /** Hands an answer to all who wait for it. */
  deliver(hash: EnvelopeHash, replicaId: number, answer: ReplicaAnswer): void {
    for (const waiter of this.#waiters.get(toHex(hash)) ?? []) {
      if (!waiter.replicaIds.includes(replicaId) || isSuccess(waiter.answers.get(replicaId))) continue
      waiter.answers.set(replicaId, answer)
      if (isSuccess(answer) || waiter.answers.size === new Set(waiter.replicaIds).size) Deferred.unsafeDone(waiter.enough, Effect.void)
    }
  }

  #forget(id: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(id)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiters.delete(id)
  }
}
