/**
 * The cluster's entity: one run of one model. Its id is all that the database ever holds of it.
 *
 * A shard of the cluster is a slot: there are as many as workers, the cluster spreads them over the runners by their weights, and a run's id is drawn such
 * that it falls on the slot that the service wants. So the service chooses the least loaded slot, and the cluster decides who keeps it.
 *
 * Contract: an id is random but for its first letter (`c` any runner, `g` one with a GPU) and its slot; it says nothing of job, model or time. The message
 * to the entity is stored until it is answered (`Persisted`), and is delivered anew to whoever takes over the slot: at least once.
 * Knows nothing of: tensors, calls between service and runners.
 * Source: effect-notes.md §7; departures: none.
 *
 * @module
 */
import * as ClusterSchema from "@effect/cluster/ClusterSchema"
import * as Entity from "@effect/cluster/Entity"
import * as EntityAddress from "@effect/cluster/EntityAddress"
import * as EntityId from "@effect/cluster/EntityId"
import * as ShardId from "@effect/cluster/ShardId"
import type { Sharding } from "@effect/cluster/Sharding"
import { Either, Schema } from "effect"
import { Rpc } from "../../../src/actor/actor.ts"
import { fromHex, toHex } from "../../../src/bytes/hex.ts"
import type { Entropy } from "../../../src/crypto/entropy.ts"

type Places = Pick<Sharding["Type"], "getShardId">

/** Group of the slots that every runner may keep: the cluster's own default. */
export const ANY_GROUP = "default"
/** Group of the slots that only runners with a GPU keep. */
export const GPU_GROUP = "gpu"
export type SlotGroup = typeof ANY_GROUP | typeof GPU_GROUP

export const RUN_ID_BYTES = 16
const GPU_LETTER = "g"
const ANY_LETTER = "c"

const groupOfId = (entityId: string): SlotGroup => (entityId.startsWith(GPU_LETTER) ? GPU_GROUP : ANY_GROUP)

/** The one message: run it. Sent twice it is one message. `form` leaves room for another one some day; there is nothing else to say. */
const Start = Rpc.make("Start", { payload: { form: Schema.Literal(1) }, primaryKey: () => "1" })
  .annotate(ClusterSchema.Persisted, true)
  .annotate(ClusterSchema.Uninterruptible, "client")

export const RunEntity = Entity.make("run", [Start])
  .annotate(ClusterSchema.ShardGroup, groupOfId)
  .annotate(ClusterSchema.ClientTracingEnabled, false)

/** A run as the cluster addresses it. */
export interface RunAddress {
  /** 16 bytes */
  readonly run: Uint8Array
  readonly entityId: string
}

/**
 * A fresh run that falls on a slot.
 * @param slot  0 … slots − 1
 */
export const drawRun = (sharding: Places, entropy: Entropy, group: SlotGroup, slot: number): RunAddress => {
  for (;;) {
    const run = entropy(RUN_ID_BYTES)
    const entityId = `${group === GPU_GROUP ? GPU_LETTER : ANY_LETTER}${toHex(run)}`
    if (sharding.getShardId(EntityId.make(entityId), group).id === slot + 1) return { run, entityId }
  }
}

/** The run of an entity id; nothing for an id that `drawRun` does not make. */
export const runOfEntity = (entityId: string): Uint8Array | undefined => {
  const run = Either.getOrUndefined(fromHex(entityId.slice(1)))
  return run?.length === RUN_ID_BYTES ? run : undefined
}

/** All slots of both groups. */
export const slotIds = (slots: number): ReadonlyArray<ShardId.ShardId> =>
  [ANY_GROUP, GPU_GROUP].flatMap((group) => Array.from({ length: slots }, (_, slot) => ShardId.make(group, slot + 1)))

/** Where the database keeps a run. */
export const addressOf = (sharding: Places, entityId: string): EntityAddress.EntityAddress =>
  EntityAddress.make({
    shardId: sharding.getShardId(EntityId.make(entityId), groupOfId(entityId)),
    entityType: RunEntity.type,
    entityId: EntityId.make(entityId)
  })
