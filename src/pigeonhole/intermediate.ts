/**
 * Which two replicas an envelope is addressed to, so that the courier does not learn the shards of the box directly.
 *
 * Contract: a pure function; uniform numbers are asked of the caller. With four or more replicas online the two are distinct, uniform, and
 * never shards of the box; with three, one shard and one other; with two, both.
 * Knows nothing of: where randomness comes from, descriptors.
 * Source: pigeonhole.md §5.2 (which also states what this rule leaks with few replicas); departures: the order of the two is random with
 * two and three replicas as well, so that it tells nothing.
 *
 * @module
 */
import { Either } from "effect"
import { TooFewReplicas } from "./shard.ts"

/** A uniform integer in [0, `choiceCount`), without modulo bias. */
export type Pick = (choiceCount: number) => number

/** Removes and returns a uniform member. */
const take = (pool: Array<number>, pick: Pick): number => {
  const [taken] = pool.splice(pick(pool.length), 1)
  if (taken === undefined) throw new RangeError("pick went outside its range")
  return taken
}

/**
 * @param online        replica ids listed in the document, each once
 * @param shardMembers  replica ids of the box's two shards; those offline are ignored
 * @param pick          source of uniform numbers; the system's in production
 * @errors TooFewReplicas with fewer than two online, or when no shard is
 */
export const chooseIntermediates = (
  online: ReadonlyArray<number>,
  shardMembers: ReadonlyArray<number>,
  pick: Pick
): Either.Either<readonly [number, number], TooFewReplicas> => {
  const shards = shardMembers.filter((id) => online.includes(id))
  const [firstShard] = shards
  if (online.length < 2) return Either.left(new TooFewReplicas({ replicaCount: online.length, neededCount: 2 }))
  if (firstShard === undefined) return Either.left(new TooFewReplicas({ replicaCount: 0, neededCount: 1 }))
  const pool =
    online.length >= 4 ? online.filter((id) => !shards.includes(id))
    : online.length === 3 ? [firstShard, take(online.filter((id) => id !== firstShard), pick)]
    : [...online]
  const first = take(pool, pick)
  return Either.right([first, take(pool, pick)])
}
