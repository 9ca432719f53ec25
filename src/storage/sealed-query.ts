/**
 * One request to the replicas of a box, sealed for one courier, and the reading of what that courier answers.
 *
 * Contract: every query has a fresh ephemeral key, fresh intermediates and a courier chosen uniformly. The replica epoch is taken once, from
 * the document; key look-up, label and reply keys all use it. Reads and writes have equal lengths. An answer is believed only if it names this
 * envelope and opens under a key of one of the two replicas; everything else is `Garbage`.
 * Knows nothing of: sessions, retries, what codes mean.
 * Source: pigeonhole.md §3.1, §4, §5.1–§5.3; departures: reply keys of up to three replica epochs are tried, this envelope's first.
 *
 * @module
 */
import { Data, Either } from "effect"
import type { BoxId } from "../bacap/box-id.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { encapsulate, nikeX25519, openReply } from "../crypto/mkem.ts"
import { replicaEpochOf } from "../params/epoch.ts"
import { encodeCourierQuery } from "../pigeonhole/courier-query.ts"
import { decodeCourierQueryReplyTop } from "../pigeonhole/courier-reply.ts"
import { envelopeHash } from "../pigeonhole/envelope.ts"
import { COURIER_ERROR, type CourierErrorCode } from "../pigeonhole/error-code.ts"
import type { PigeonholeGeometry } from "../pigeonhole/geometry.ts"
import { chooseIntermediates } from "../pigeonhole/intermediate.ts"
import { OUTCOME_CONSENT } from "../pigeonhole/outer-code.ts"
import { padTo, unpad } from "../pigeonhole/padding.ts"
import { encodeReplicaInnerMessage, type ReplicaInnerMessage } from "../pigeonhole/replica-message.ts"
import { decodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../pigeonhole/replica-reply.ts"
import { shardKeyIndexes } from "../pigeonhole/shard.ts"
import { listedNodeId, type ReplicaDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import { type NodeId, recipientId, type RecipientId } from "../sphinx/geometry.ts"

/** The capability under which service nodes advertise couriers. */
export const COURIER_CAPABILITY = "courier"

/** Where a courier takes queries. */
export interface CourierAddress {
  readonly serviceNode: NodeId
  readonly recipient: RecipientId
}

/** The document gives no way to store or fetch this box. */
export class QueryImpossible extends Data.TaggedError("QueryImpossible")<{
  readonly reason: "too-few-replicas" | "no-courier" | "geometry"
}> {}

export interface SealedQuery {
  readonly courier: CourierAddress
  /** Exactly userPayloadBytes. */
  readonly queryBytes: Uint8Array
  readonly hash: Uint8Array
  /** Secret: opens the reply. Overwritten by the owner when the envelope is done with. */
  readonly senderPrivateKey: Uint8Array
  /** Under which the reply may be sealed, likeliest first. */
  readonly replyPublicKeys: ReadonlyArray<Uint8Array>
}

/** What a courier's answer amounts to. */
export type QueryAnswer =
  | { readonly _tag: "Ack" }
  | { readonly _tag: "CourierError"; readonly code: CourierErrorCode }
  | { readonly _tag: "Replica"; readonly reply: ReplicaReplyInnerMessage }
  | { readonly _tag: "Garbage" }

export interface SealQueryOptions {
  readonly crypto: CryptoBackend
  readonly geometry: PigeonholeGeometry
  readonly document: Document
  readonly boxId: BoxId
  readonly message: ReplicaInnerMessage
  readonly entropy: Entropy
  /** A uniform integer in [0, choiceCount). */
  readonly pick: (choiceCount: number) => number
  /** Lets the courier know how it went; for copy commands alone. */
  readonly outcomeToCourier?: boolean
}

const impossible = (reason: QueryImpossible["reason"]) => () => new QueryImpossible({ reason })

const couriers = new WeakMap<CryptoBackend, WeakMap<Document, ReadonlyArray<CourierAddress>>>()

/** All couriers of a document, one entry per endpoint; found once in its life. */
export const couriersOf = (crypto: CryptoBackend, document: Document): ReadonlyArray<CourierAddress> => {
  let known = couriers.get(crypto)
  if (known === undefined) couriers.set(crypto, known = new WeakMap())
  let found = known.get(document)
  if (found !== undefined) return found
  found = document.serviceNodes.flatMap((node) =>
    node.services
      .filter(({ capability }) => capability === COURIER_CAPABILITY)
      .map(({ endpoint }) => ({ serviceNode: listedNodeId(crypto, node), recipient: recipientId(endpoint) }))
  )
  known.set(document, found)
  return found
}

/** True when the document still lists this courier. */
export const listsCourier = (crypto: CryptoBackend, document: Document, courier: CourierAddress): boolean =>
  couriersOf(crypto, document).some(
    (other) => constantTimeEqual(other.serviceNode, courier.serviceNode) && constantTimeEqual(other.recipient, courier.recipient)
  )

/** The two replicas that the envelope is addressed to. */
const intermediatesOf = ({ boxId, crypto, document, pick }: SealQueryOptions, replicaEpoch: number) =>
  Either.gen(function* () {
    const tooFew = impossible("too-few-replicas")
    const configured = document.configuredReplicas
    const shards = yield* Either.mapLeft(shardKeyIndexes(crypto, configured.map(({ identityKey }) => identityKey), boxId), tooFew)
    const shardIds = shards.flatMap((keyIndex) => configured[keyIndex]?.replicaId ?? [])
    const online = new Map(document.replicas.filter(({ envelopeKeys }) => envelopeKeys.has(replicaEpoch)).map((one) => [one.replicaId, one]))
    const ids = yield* Either.mapLeft(chooseIntermediates([...online.keys()], shardIds, pick), tooFew)
    const [first, second] = [online.get(ids[0]), online.get(ids[1])]
    return first === undefined || second === undefined ? yield* Either.left(tooFew()) : ([first, second] as const)
  })

/** Keys of both replicas: those of the envelope's epoch, then of the previous, then of the next one. */
const replyKeysOf = (replicas: ReadonlyArray<ReplicaDescriptor>, replicaEpoch: number): ReadonlyArray<Uint8Array> =>
  [replicaEpoch, replicaEpoch - 1, replicaEpoch + 1].flatMap((epoch) => replicas.flatMap(({ envelopeKeys }) => envelopeKeys.get(epoch) ?? []))

/**
 * Seals one request.
 * @errors QueryImpossible
 * @cost one MKEM encapsulation to two
 */
export const sealQuery = (options: SealQueryOptions): Either.Either<SealedQuery, QueryImpossible> =>
  Either.gen(function* () {
    const { crypto, document, entropy, geometry, message, pick } = options
    const couriers = couriersOf(crypto, document)
    const courier = couriers[couriers.length === 0 ? 0 : pick(couriers.length)]
    if (courier === undefined) return yield* Either.left(impossible("no-courier")())
    const replicaEpoch = replicaEpochOf(document.params, document.epoch)
    const replicas = yield* intermediatesOf(options, replicaEpoch)
    const publicKeys = replicas.flatMap(({ envelopeKeys }) => envelopeKeys.get(replicaEpoch) ?? [])
    const padded = yield* Either.mapLeft(padTo(encodeReplicaInnerMessage(message), geometry.innerPaddedBytes), impossible("geometry"))
    const mark = options.outcomeToCourier === true ? OUTCOME_CONSENT : undefined
    const sealed = yield* Either.mapLeft(encapsulate(crypto, nikeX25519(crypto), publicKeys, padded, entropy, mark), impossible("too-few-replicas"))
    const [firstDek, secondDek] = sealed.deks
    if (firstDek === undefined || secondDek === undefined) return yield* Either.left(impossible("too-few-replicas")())
    const queryBytes = encodeCourierQuery({
      _tag: "Envelope",
      envelope: {
        intermediateReplicas: [replicas[0].replicaId, replicas[1].replicaId],
        deks: [firstDek, secondDek],
        replyIndex: 0,
        epoch: BigInt(replicaEpoch),
        senderPublicKey: sealed.senderPublicKey,
        ciphertext: sealed.ciphertext
      }
    })
    return {
      courier,
      queryBytes,
      hash: envelopeHash(crypto, sealed.senderPublicKey, sealed.ciphertext),
      senderPrivateKey: sealed.senderPrivateKey,
      replyPublicKeys: replyKeysOf(replicas, replicaEpoch)
    }
  })

const GARBAGE: QueryAnswer = { _tag: "Garbage" }

const openPayload = (crypto: CryptoBackend, query: SealedQuery, payload: Uint8Array): QueryAnswer => {
  for (const publicKey of query.replyPublicKeys) {
    const opened = openReply(crypto, nikeX25519(crypto), query.senderPrivateKey, publicKey, payload)
    if (Either.isLeft(opened)) continue
    const reply = Either.flatMap(unpad(opened.right), decodeReplicaReplyInnerMessage)
    return Either.isRight(reply) ? { _tag: "Replica", reply: reply.right } : GARBAGE
  }
  return GARBAGE
}

/** Reads the user payload of a reply; never fails, since anything may have been sent. */
export const openAnswer = (crypto: CryptoBackend, query: SealedQuery, answer: Uint8Array): QueryAnswer => {
  const decoded = decodeCourierQueryReplyTop(answer)
  if (Either.isLeft(decoded) || decoded.right._tag !== "EnvelopeReply") return GARBAGE
  const { envelopeHash: hash, errorCode, payload, replyType } = decoded.right.envelopeReply
  const isOurs = constantTimeEqual(hash, query.hash)
  if (errorCode !== COURIER_ERROR.success && (isOurs || isAllZero(hash))) return { _tag: "CourierError", code: errorCode }
  if (!isOurs || errorCode !== COURIER_ERROR.success) return GARBAGE
  return replyType === "ack" ? { _tag: "Ack" } : openPayload(crypto, query, payload)
}
