/**
 * A courier's own questions to the shards of a box, for copies: one shard at a time, in an envelope of its own for that shard alone.
 *
 * Contract: every question has a fresh ephemeral key, so its own hash; its command is as long as any other. What a shard says is opened with that key, and
 * only that counts. `undefined` stands for silence within the time, for an answer that does not open, and for a shard that could not be asked.
 * Knows nothing of: attempts, streams, what is in a box.
 * Source: pigeonhole.md §5.5 (reads), §5.2; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import type { BoxId } from "../../src/bacap/box-id.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import { encapsulate, nikeX25519, openReply, type Encapsulation } from "../../src/crypto/mkem.ts"
import { zeroize } from "../../src/crypto/zeroize.ts"
import { replicaEpochOf } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { envelopeHash } from "../../src/pigeonhole/envelope.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import { padTo, unpad } from "../../src/pigeonhole/padding.ts"
import { encodeReplicaInnerMessage, type ReplicaInnerMessage } from "../../src/pigeonhole/replica-message.ts"
import { decodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../src/pigeonhole/replica-reply.ts"
import { shardKeyIndexes } from "../../src/pigeonhole/shard.ts"
import type { Document } from "../../src/pki/document.ts"
import type { Offer } from "./dispatch.ts"
import type { ReplyWaiters } from "./reply-waiters.ts"

/** What copies of a courier work with. */
export interface CopySetting {
  readonly crypto: CryptoBackend
  readonly params: MixnetParams
  readonly pigeonhole: PigeonholeGeometry
  readonly entropy: Entropy
  /** The document in force, or the last one there was; undefined before the first. */
  readonly document: Effect.Effect<Document | undefined>
  readonly offer: Offer
  readonly waiters: ReplyWaiters
}

/** How long an answer is waited for. */
export const REPLY_WAIT_MS = 60_000

/** A shard's answer: its inner message, or the code of an early failure. */
export type ShardAnswer = ReplicaReplyInnerMessage | { readonly _tag: "EarlyFailure"; readonly errorCode: ReplicaErrorCode }

/** The configured shards of a box, smallest hash first; none while the document allows no storage. */
export const shardIdsOf = (crypto: CryptoBackend, document: Document, boxId: BoxId): ReadonlyArray<number> =>
  Either.match(shardKeyIndexes(crypto, document.configuredReplicas.map(({ identityKey }) => identityKey), boxId), {
    onLeft: () => [],
    onRight: (indexes) => indexes.flatMap((index) => document.configuredReplicas[index]?.replicaId ?? [])
  })

/** The key under which a replica can be asked now. */
const envelopeKeyOf = (document: Document, replicaId: number): Uint8Array | undefined =>
  document.replicas.find((replica) => replica.replicaId === replicaId)?.envelopeKeys.get(replicaEpochOf(document.params, document.epoch))

const exchange = ({ crypto, offer, pigeonhole, waiters }: CopySetting, replicaId: number, { ciphertext, deks, senderPublicKey }: Encapsulation) => {
  const frame = encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek: deks[0] ?? new Uint8Array(0), ciphertext }, pigeonhole.linkCommandBytes)
  return waiters.ask({
    hash: envelopeHash(crypto, senderPublicKey, ciphertext), replicaIds: [replicaId], send: () => offer(replicaId, frame), timeoutMs: REPLY_WAIT_MS
  })
}

/** Asks one shard once. */
export const askShard = (setting: CopySetting, replicaId: number, message: ReplicaInnerMessage): Effect.Effect<ShardAnswer | undefined> =>
  Effect.gen(function*() {
    const { crypto, entropy, pigeonhole } = setting
    const document = yield* setting.document
    const publicKey = document === undefined ? undefined : envelopeKeyOf(document, replicaId)
    const padded = padTo(encodeReplicaInnerMessage(message), pigeonhole.innerPaddedBytes)
    if (publicKey === undefined || Either.isLeft(padded)) return undefined
    const nike = nikeX25519(crypto)
    const sealed = encapsulate(crypto, nike, [publicKey], padded.right, entropy)
    if (Either.isLeft(sealed)) return undefined
    const { senderPrivateKey } = sealed.right
    const answers = yield* Effect.onInterrupt(exchange(setting, replicaId, sealed.right), () => Effect.sync(() => zeroize(senderPrivateKey)))
    const answer = answers.get(replicaId)
    const opened = answer === undefined ? undefined : openReply(crypto, nike, senderPrivateKey, publicKey, answer.payload)
    zeroize(senderPrivateKey)
    if (answer === undefined || opened === undefined) return undefined
    if (answer.payload.length === 0) return answer.errorCode === REPLICA_ERROR.success ? undefined : { _tag: "EarlyFailure", errorCode: answer.errorCode }
    return Either.getOrUndefined(opened.pipe(Either.flatMap(unpad), Either.flatMap(decodeReplicaReplyInnerMessage)))
  })
