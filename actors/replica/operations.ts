/**
 * One read or write as a replica carries it out: on its own store when it is a shard of the box, through a shard otherwise.
 *
 * Contract: a question that came from a fellow replica is never passed on, so there is one hop at most. A proxied read ends with the first shard that has the
 * box or its tombstone, and repairs a shard that said "not found"; a silent shard is not repaired. A write taken here as a shard is copied to the other.
 * Knows nothing of: envelopes, links.
 * Source: pigeonhole.md §5.6, §7 R12–R15; departures: the one-hop rule holds for writes as well.
 *
 * @module
 */
import { Effect, Either, Exit } from "effect"
import { type Later, later, mapped } from "../../src/actor/actor.ts"
import { hasSucceeded } from "../../src/actor/prompt.ts"
import { BOX_ID_BYTES, BoxId } from "../../src/bacap/box-id.ts"
import { SIGNATURE_BYTES } from "../../src/bacap/box.ts"
import { replicaEpochAt, replicaEpochOf } from "../../src/params/epoch.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"
import type { Document } from "../../src/pki/document.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { ReplicaInnerMessage } from "../../src/pigeonhole/replica-message.ts"
import type { ReplicaReplyInnerMessage } from "../../src/pigeonhole/replica-reply.ts"
import { shardKeyIndexes } from "../../src/pigeonhole/shard.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"
import type { Proxy } from "./proxy.ts"
import type { Replication } from "./replication.ts"
import type { Store } from "./store.ts"

export interface OperationsConfig extends Pick<NetworkSetting, "crypto" | "params"> {
  readonly replicaId: number
  readonly store: Store
  readonly proxy: Proxy
  readonly replication: Pick<Replication, "send">
  /** Draws in [0, 1). */
  readonly uniform: () => number
}

const NO_BOX = { boxId: BoxId.unsafe(new Uint8Array(BOX_ID_BYTES)), signature: new Uint8Array(SIGNATURE_BYTES), payload: new Uint8Array(0) }

const readReply = (box: StoredBox | undefined): ReplicaReplyInnerMessage =>
  box === undefined
    ? { _tag: "ReadReply", errorCode: REPLICA_ERROR.boxNotFound, ...NO_BOX }
    : { _tag: "ReadReply", errorCode: box.payload.length === 0 ? REPLICA_ERROR.tombstone : REPLICA_ERROR.success, ...box }

const failed = (message: ReplicaInnerMessage, errorCode: ReplicaErrorCode): ReplicaReplyInnerMessage =>
  message._tag === "Read" ? { _tag: "ReadReply", errorCode, ...NO_BOX } : { _tag: "WriteReply", errorCode }

/** Codes of a shard after which the other shard is worth asking. */
const TRY_OTHER_SHARD: ReadonlySet<number> = new Set([
  REPLICA_ERROR.databaseFailure, REPLICA_ERROR.internalError, REPLICA_ERROR.invalidEpoch, REPLICA_ERROR.replicationFailed, REPLICA_ERROR.boxNotFound
])

/** The replica ids of the two shards of a box. */
const shardsOf = (config: OperationsConfig, document: Document, boxId: BoxId): ReadonlyArray<number> =>
  Either.match(shardKeyIndexes(config.crypto, document.configuredReplicas.map((replica) => replica.identityKey), boxId), {
    onLeft: () => [],
    onRight: (indexes) => indexes.flatMap((index) => document.configuredReplicas[index]?.replicaId ?? [])
  })

/** Asks the shards in the order of a coin, one after the other. */
const proxied = (
  config: OperationsConfig, document: Document, shards: ReadonlyArray<number>, message: ReplicaInnerMessage, paddedInner: Uint8Array
): Later<ReplicaReplyInnerMessage> =>
  later((done) => {
    const missing: Array<number> = []
    const order = config.uniform() < 0.5 ? [...shards] : [...shards].reverse()
    let callOff = (): void => undefined
    const end = (reply: ReplicaReplyInnerMessage): void => done(Exit.succeed(reply))
    /** True when the reply settles the matter. */
    const isEnough = (replicaId: number, reply: ReplicaReplyInnerMessage | undefined): reply is ReplicaReplyInnerMessage => {
      if (reply === undefined || reply._tag !== (message._tag === "Read" ? "ReadReply" : "WriteReply")) return false
      if (reply._tag === "ReadReply" && reply.errorCode === REPLICA_ERROR.boxNotFound) missing.push(replicaId)
      return !TRY_OTHER_SHARD.has(reply.errorCode)
    }
    const step = (): void => {
      const replicaId = order.shift()
      if (replicaId === undefined) return end(failed(message, missing.length > 0 ? REPLICA_ERROR.boxNotFound : REPLICA_ERROR.replicationFailed))
      const shard = document.replicas.find((replica) => replica.replicaId === replicaId)
      const key = shard?.envelopeKeys.get(replicaEpochOf(config.params, document.epoch))
      if (key === undefined) return askNext()
      let isOver = false
      const stop = config.proxy.ask(replicaId, key, paddedInner).begin((exit) => {
        isOver = true
        const reply = Exit.isSuccess(exit) ? exit.value : undefined
        if (!isEnough(replicaId, reply)) return askNext()
        if (reply._tag === "ReadReply") for (const holder of missing) config.replication.send(holder, reply)
        end(reply)
      })
      if (!isOver) callOff = stop
    }
    /** A defect is the end of this question and of nothing else. */
    const askNext = (): void => {
      try {
        step()
      } catch (defect) {
        done(Exit.die(defect))
      }
    }
    askNext()
    return () => callOff()
  })

const readLocally = (config: OperationsConfig, message: ReplicaInnerMessage, replicaEpoch: number): Effect.Effect<ReplicaReplyInnerMessage> => {
  const found = config.store.find(message.boxId, replicaEpoch)
  return hasSucceeded(found)
    ? Exit.succeed(readReply(found.value))
    : Effect.match(found, { onFailure: () => failed(message, REPLICA_ERROR.databaseFailure), onSuccess: readReply })
}

/**
 * Carries out one message, at once where store and fellows allow it.
 * @param paddedInner the message as it came, for passing on
 * @param nowMs Unix milliseconds
 */
export const operate = (
  config: OperationsConfig,
  document: Document,
  message: ReplicaInnerMessage,
  paddedInner: Uint8Array,
  fromReplica: boolean,
  nowMs: number
): Effect.Effect<ReplicaReplyInnerMessage> => {
  const shards = shardsOf(config, document, message.boxId)
  const isShard = shards.includes(config.replicaId)
  const replicaEpoch = replicaEpochAt(config.params, nowMs)
  if (!isShard && !fromReplica) return proxied(config, document, shards, message, paddedInner)
  if (message._tag === "Read") return readLocally(config, message, replicaEpoch)
  if (!isShard) return Exit.succeed(failed(message, REPLICA_ERROR.replicationFailed))
  const { boxId, payload, signature } = message
  const box: StoredBox = { boxId, payload, signature }
  const others = shards.filter((shard) => shard !== config.replicaId)
  return mapped(config.store.write(box, replicaEpoch, others), (errorCode) => {
    if (errorCode === REPLICA_ERROR.success) for (const other of others) config.replication.send(other, box, replicaEpoch)
    return { _tag: "WriteReply", errorCode } as const
  })
}
