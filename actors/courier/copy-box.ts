/**
 * The boxes of a temporary stream, as a copy reads them and clears them away.
 *
 * Contract: a box is asked for at its two shards in turn, ten times each at most, with a pause after each pair that doubles from half a second to ten.
 * A shard that gives a lasting refusal, or a box that does not prove itself, is not asked again. What counts is only what the box itself proves. A shard
 * that was silent is asked second from then on. Clearing writes real tombstones to both shards and gives up silently.
 * Knows nothing of: envelopes in the stream, verdicts.
 * Source: pigeonhole.md §5.5, §1.6, §1.8, §7 Y6, Y7, Y9, Y15; departures: the shards take turns, where the reference asks the first ten times before
 * the second: a shard that is away costs a minute and not a quarter of an hour; a code 8 is asked again, with the keys of the next document.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { boxIdOf, openBox, sealTombstone } from "../../src/bacap/box.ts"
import type { MessageBoxIndex } from "../../src/bacap/box-index.ts"
import type { WriteCap } from "../../src/bacap/capability.ts"
import { REPLICA_ERROR, replicaErrorClass, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import { unpad } from "../../src/pigeonhole/padding.ts"
import type { BoxId } from "../../src/bacap/box-id.ts"
import { askShard, type CopySetting, shardIdsOf, type ShardAnswer } from "./shard-question.ts"

/** Attempts at one shard, and at one destination envelope. */
export const ATTEMPT_LIMIT = 10
const TOMBSTONE_ATTEMPT_LIMIT = 3
const FIRST_PAUSE_MS = 500
const PAUSE_DOUBLINGS = 8
const LONGEST_PAUSE_MS = 10_000

/** Pause after the n-th failed attempt, n from 0. */
export const pauseAfterMs = (attempt: number): number => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, PAUSE_DOUBLINGS))

/** What a shard's answer means for a read. */
type Verdict =
  | { readonly _tag: "Plain"; readonly plaintext: Uint8Array }
  /** No shard can mend it. */
  | { readonly _tag: "Hopeless"; readonly errorCode: ReplicaErrorCode }
  /** This shard will say nothing else. */
  | { readonly _tag: "Refused"; readonly errorCode: ReplicaErrorCode }
  | { readonly _tag: "Again"; readonly errorCode: ReplicaErrorCode; readonly silent: boolean }

/** A box of the stream, or the code for which it cannot be had. */
export type BoxReading = Either.Either<Uint8Array, ReplicaErrorCode>

const judgeCode = (errorCode: ReplicaErrorCode): Verdict =>
  replicaErrorClass(errorCode) === "temporary" || errorCode === REPLICA_ERROR.invalidEpoch
    ? { _tag: "Again", errorCode, silent: false }
    : { _tag: "Refused", errorCode }

const judge = ({ crypto }: CopySetting, writeCap: WriteCap, index: MessageBoxIndex, answer: ShardAnswer | undefined): Verdict => {
  if (answer === undefined) return { _tag: "Again", errorCode: REPLICA_ERROR.replicationFailed, silent: true }
  if (answer._tag === "EarlyFailure") return judgeCode(answer.errorCode)
  if (answer._tag !== "ReadReply") return { _tag: "Refused", errorCode: REPLICA_ERROR.internalError }
  if (answer.errorCode !== REPLICA_ERROR.success && answer.errorCode !== REPLICA_ERROR.tombstone) return judgeCode(answer.errorCode)
  const opened = openBox(crypto, writeCap.publicKey, index, { boxId: answer.boxId, ciphertext: answer.payload, signature: answer.signature })
  if (Either.isLeft(opened)) {
    return opened.left.reason === "decrypt-failed"
      ? { _tag: "Hopeless", errorCode: REPLICA_ERROR.invalidPayload }
      : { _tag: "Refused", errorCode: REPLICA_ERROR.invalidSignature }
  }
  if (opened.right._tag === "Tombstone") return { _tag: "Hopeless", errorCode: REPLICA_ERROR.tombstone }
  const plaintext = unpad(opened.right.plaintext)
  return Either.isRight(plaintext) ? { _tag: "Plain", plaintext: plaintext.right } : { _tag: "Hopeless", errorCode: REPLICA_ERROR.invalidPayload }
}

/** The shards of a box, those that were silent before last. */
const shardsInTurn = (setting: CopySetting, silent: ReadonlySet<number>, boxId: BoxId): Effect.Effect<ReadonlyArray<number>> =>
  Effect.map(setting.document, (document) => {
    const ids = document === undefined ? [] : shardIdsOf(setting.crypto, document, boxId)
    return [...ids.filter((id) => !silent.has(id)), ...ids.filter((id) => silent.has(id))]
  })

/** Reads one box. @param silent  replicas that gave no answer in this copy; kept up to date here */
export const readBox = (setting: CopySetting, silent: Set<number>, writeCap: WriteCap, index: MessageBoxIndex): Effect.Effect<BoxReading> =>
  Effect.gen(function*() {
    const named = boxIdOf(setting.crypto, writeCap.publicKey, index)
    if (Either.isLeft(named)) return Either.left(REPLICA_ERROR.invalidBoxId)
    const boxId = named.right
    const refused = new Map<number, ReplicaErrorCode>()
    let last: ReplicaErrorCode = REPLICA_ERROR.replicationFailed
    for (let round = 0; round < ATTEMPT_LIMIT; round++) {
      if (round > 0) yield* Effect.sleep(pauseAfterMs(round - 1))
      const shards = yield* shardsInTurn(setting, silent, boxId)
      for (const replicaId of shards) {
        if (refused.has(replicaId)) continue
        const verdict = judge(setting, writeCap, index, yield* askShard(setting, replicaId, { _tag: "Read", boxId }))
        if (verdict._tag === "Plain") return Either.right(verdict.plaintext)
        if (verdict._tag === "Hopeless") return Either.left(verdict.errorCode)
        last = verdict.errorCode
        if (verdict._tag === "Refused") refused.set(replicaId, verdict.errorCode)
        else if (verdict.silent) silent.add(replicaId)
        else silent.delete(replicaId)
      }
      if (shards.length > 0 && shards.every((id) => refused.has(id))) return Either.left(last)
    }
    return Either.left(last)
  })

/** Overwrites one box by a tombstone at every shard that can be asked, as well as that goes. */
export const clearBox = (setting: CopySetting, writeCap: WriteCap, index: MessageBoxIndex): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { boxId, ciphertext, signature } = sealTombstone(setting.crypto, writeCap, index)
    const open = new Set(yield* shardsInTurn(setting, new Set(), boxId))
    for (let round = 0; round < TOMBSTONE_ATTEMPT_LIMIT && open.size > 0; round++) {
      if (round > 0) yield* Effect.sleep(pauseAfterMs(round - 1))
      for (const replicaId of [...open]) {
        const answer = yield* askShard(setting, replicaId, { _tag: "Write", boxId, signature, payload: ciphertext })
        if (answer !== undefined && answer._tag !== "ReadReply" && replicaErrorClass(answer.errorCode) !== "temporary") open.delete(replicaId)
      }
    }
  })
