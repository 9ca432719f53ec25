/**
 * What a replica may store and what it finds: immutable boxes, tombstones that shadow them.
 *
 * Contract: a box once stored is never replaced by other content within its two epochs, except by a tombstone that its writer signed. An identical write
 * succeeds again, on a full store too. One write per box id runs at a time. A table that fails is answered `databaseFailure`, which is worth a retry.
 * Knows nothing of: envelopes, peers, sharding.
 * Source: pigeonhole.md §5.6 (store), §7 R1–R6; departures: a box id that is no point is answered `invalidBoxId`; the stored box is compared before a
 * full store refuses.
 *
 * @module
 */
import { Effect, Exit } from "effect"
import { hasSucceeded, thenNow } from "../../src/actor/prompt.ts"
import type { BoxId } from "../../src/bacap/box-id.ts"
import { verifyBox } from "../../src/bacap/box.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"
import type { BoxTable, BoxTableFailed } from "./box-table.ts"

export interface StoreConfig {
  readonly crypto: CryptoBackend
  readonly table: BoxTable
  readonly boxCiphertextBytes: number
}

/** Held epochs, newest first: a tombstone of this epoch shadows data of the last. */
const heldEpochs = (replicaEpoch: number): ReadonlyArray<number> => [replicaEpoch, replicaEpoch - 1]

const sameBox = (a: StoredBox, b: StoredBox): boolean => constantTimeEqual(a.payload, b.payload) && constantTimeEqual(a.signature, b.signature)

export class Store {
  readonly #config: StoreConfig
  readonly #locks = new Map<string, { readonly semaphore: Effect.Semaphore; users: number }>()

  constructor(config: StoreConfig) {
    this.#config = config
  }

  /** The box under an id, in the current or the previous replica epoch. */
  find(boxId: BoxId, replicaEpoch: number): Effect.Effect<StoredBox | undefined, BoxTableFailed> {
    return this.#config.table.get(boxId, heldEpochs(replicaEpoch))
  }

  /** Checks and stores a box; an empty payload is a tombstone. @param owedTo  ids of the replicas that shall have what is stored now too */
  write(box: StoredBox, replicaEpoch: number, owedTo: ReadonlyArray<number> = []): Effect.Effect<ReplicaErrorCode> {
    const refusal = this.#refusal(box)
    if (refusal !== undefined) return Exit.succeed(refusal)
    // a table that works at once lets nobody come between
    const written = this.#locks.has(toHex(box.boxId)) ? undefined : this.#writeChecked(box, replicaEpoch, owedTo)
    if (written !== undefined && hasSucceeded(written)) return Exit.succeed(written.value)
    const again = Effect.suspend(() => this.#writeChecked(box, replicaEpoch, owedTo))
    return this.#locked(box.boxId, Effect.orElseSucceed(again, () => REPLICA_ERROR.databaseFailure))
  }

  #refusal(box: StoredBox): ReplicaErrorCode | undefined {
    const { boxCiphertextBytes, crypto } = this.#config
    if (box.payload.length !== 0 && box.payload.length !== boxCiphertextBytes) return REPLICA_ERROR.invalidPayload
    if (!crypto.edwardsPointIsValid(box.boxId)) return REPLICA_ERROR.invalidBoxId
    return verifyBox(crypto, box.boxId, box.payload, box.signature) ? undefined : REPLICA_ERROR.invalidSignature
  }

  #writeChecked(box: StoredBox, replicaEpoch: number, owedTo: ReadonlyArray<number>): Effect.Effect<ReplicaErrorCode, BoxTableFailed> {
    const { table } = this.#config
    return thenNow(this.find(box.boxId, replicaEpoch), (held): Effect.Effect<ReplicaErrorCode, BoxTableFailed> => {
      if (held !== undefined) {
        const bothTombstones = held.payload.length === 0 && box.payload.length === 0
        if (bothTombstones || sameBox(held, box)) return Exit.succeed(REPLICA_ERROR.success)
        if (held.payload.length === 0 || box.payload.length > 0) return Exit.succeed(REPLICA_ERROR.boxAlreadyExists)
      }
      if (box.payload.length > 0 && table.isFull()) return Exit.succeed(REPLICA_ERROR.storageFull)
      return thenNow(table.put(replicaEpoch, box, owedTo), () => Exit.succeed(REPLICA_ERROR.success))
    })
  }

  /** One write per box id at a time; the lock is forgotten with its last user. */
  #locked<A>(boxId: BoxId, write: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.suspend(() => {
      const id = toHex(boxId)
      const lock = this.#locks.get(id) ?? { semaphore: Effect.unsafeMakeSemaphore(1), users: 0 }
      lock.users += 1
      this.#locks.set(id, lock)
      return Effect.ensuring(lock.semaphore.withPermits(1)(write), Effect.sync(() => {
        lock.users -= 1
        if (lock.users === 0) this.#locks.delete(id)
      }))
    })
  }
}
