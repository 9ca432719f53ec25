/**
 * Couriers and replicas in one object, behind the fake network: real envelopes, real boxes, no links.
 *
 * Goal: the store under test talks to counterparts that open its envelopes with their own keys and answer by the rules, or as a test tells them.
 * Method: a courier acknowledges an envelope at first sight and serves the replicas' reply from then on; every replica holds every box.
 *
 * @module
 */
import { Clock, Effect, Either } from "effect"
import { BoxId } from "../../../src/bacap/box-id.ts"
import { type SealedBox, verifyBox } from "../../../src/bacap/box.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { type Entropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { decapsulate, nikeX25519, sealReply } from "../../../src/crypto/mkem.ts"
import { Epoch } from "../../../src/params/epoch.ts"
import type { CopyCommandReply } from "../../../src/pigeonhole/copy-command.ts"
import { decodeCourierQueryTop } from "../../../src/pigeonhole/courier-query.ts"
import { encodeCourierQueryReply } from "../../../src/pigeonhole/courier-reply.ts"
import { type CourierEnvelope, type EnvelopeHash, envelopeHash } from "../../../src/pigeonhole/envelope.ts"
import { COURIER_ERROR, courierErrorCode, REPLICA_ERROR, replicaErrorCode } from "../../../src/pigeonhole/error-code.ts"
import { type PigeonholeGeometry, pigeonholeGeometry } from "../../../src/pigeonhole/geometry.ts"
import { padTo, unpad } from "../../../src/pigeonhole/padding.ts"
import { decodeReplicaInnerMessage, type ReplicaInnerMessage } from "../../../src/pigeonhole/replica-message.ts"
import { encodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../../src/pigeonhole/replica-reply.ts"
import type { Document } from "../../../src/pki/document.ts"
import { type Arrival, crypto } from "../session/fake-network.ts"

export const GEOMETRY: PigeonholeGeometry = Either.getOrThrow(pigeonholeGeometry(2000, 32))
const nike = nikeX25519(crypto)

export interface FakeReplica {
  readonly replicaId: number
  readonly identityKey: Uint8Array
  readonly privateKeys: ReadonlyMap<number, Uint8Array>
}

/** One envelope as a courier saw it. */
export interface SeenEnvelope {
  readonly hash: string
  readonly courier: string
  readonly atMs: number
  readonly envelope: CourierEnvelope
  readonly message: ReplicaInnerMessage
}

/** What a test changes; all undefined is an honest, prompt storage. */
export interface StorageScript {
  /** Bytes instead of the courier's answer, "silent" for none, undefined to go on. `round` counts distinct envelopes from 0. */
  readonly courier?: (arrival: Arrival, round: number) => Uint8Array | "silent" | undefined
  /** The answer to a copy command, "silent" or nothing for none. `look` counts the commands from 0. */
  readonly copy?: (arrival: Arrival, look: number) => Uint8Array | CopyCommandReply | "silent"
  /** An error code of the courier instead of its answer. */
  readonly courierCode?: (round: number) => number | undefined
  /** What the replica answers instead. */
  readonly replica?: (message: ReplicaInnerMessage, round: number) => ReplicaReplyInnerMessage | undefined
  /** ACKs in all before the reply is served; 1 by default. */
  readonly ackCount?: (round: number) => number
  /** Seal the reply with the keys of this replica epoch instead of the envelope's. */
  readonly replyEpochOffset?: number
}

export interface FakeStorage {
  readonly replicas: ReadonlyArray<FakeReplica>
  readonly boxes: Map<string, SealedBox>
  /** Every envelope at first sight. */
  readonly envelopes: Array<SeenEnvelope>
  /** Every query, repeated ones too: courier and hash. */
  readonly queries: Array<{ readonly courier: string; readonly hash: string; readonly atMs: number; readonly bytes: string }>
  /** Every copy command. */
  readonly commands: Array<{ readonly courier: string; readonly atMs: number; readonly payload: Uint8Array; readonly surb: string }>
  readonly service: (arrival: Arrival) => Effect.Effect<Uint8Array | undefined>
  /** Puts the replicas into a document. */
  readonly listIn: (document: Document) => Document
}

const NO_SIGNATURE = new Uint8Array(64)
const NO_BYTES = new Uint8Array(0)

const actOn = (boxes: Map<string, SealedBox>, message: ReplicaInnerMessage): ReplicaReplyInnerMessage => {
  const held = boxes.get(toHex(message.boxId))
  if (message._tag === "Read") {
    if (held === undefined) return { _tag: "ReadReply", errorCode: REPLICA_ERROR.boxNotFound, boxId: message.boxId, signature: NO_SIGNATURE, payload: NO_BYTES }
    const errorCode = held.ciphertext.length === 0 ? REPLICA_ERROR.tombstone : REPLICA_ERROR.success
    return { _tag: "ReadReply", errorCode, boxId: held.boxId, signature: held.signature, payload: held.ciphertext }
  }
  const writeReply = (errorCode: typeof REPLICA_ERROR.success) => ({ _tag: "WriteReply", errorCode }) as const
  if (!verifyBox(crypto, message.boxId, message.payload, message.signature)) return writeReply(REPLICA_ERROR.invalidSignature)
  if (message.payload.length !== GEOMETRY.boxCiphertextBytes) return writeReply(REPLICA_ERROR.invalidPayload)
  if (held !== undefined && toHex(held.ciphertext) !== toHex(message.payload)) return writeReply(REPLICA_ERROR.boxAlreadyExists)
  boxes.set(toHex(message.boxId), { boxId: BoxId.unsafe(message.boxId), ciphertext: message.payload, signature: message.signature })
  return writeReply(REPLICA_ERROR.success)
}

const makeReplica = (entropy: Entropy, replicaId: number): FakeReplica => ({
  replicaId, identityKey: entropy(32), privateKeys: new Map([0, 1].map((epoch) => [epoch, entropy(32)]))
})

export const makeFakeStorage = (script: StorageScript = {}, replicaCount = 5): FakeStorage => {
  const entropy = seededEntropy("fake storage", "keys")
  const replicas = Array.from({ length: replicaCount }, (_, index) => makeReplica(entropy, 10 + index))
  const boxes = new Map<string, SealedBox>()
  const envelopes: Array<SeenEnvelope> = []
  const queries: FakeStorage["queries"] = []
  const commands: FakeStorage["commands"] = []
  const cache = new Map<string, { readonly round: number; asked: number; readonly reply: Uint8Array }>()

  const open = (envelope: CourierEnvelope) => {
    const replica = replicas.find(({ replicaId }) => replicaId === envelope.intermediateReplicas[0])!
    const privateKey = replica.privateKeys.get(Number(envelope.epoch))!
    const padded = Either.getOrThrow(decapsulate(crypto, nike, privateKey, envelope.senderPublicKey, envelope.deks[0], envelope.ciphertext))
    return { replica, message: Either.getOrThrow(decodeReplicaInnerMessage(Either.getOrThrow(unpad(padded)))) }
  }

  const admit = (envelope: CourierEnvelope, hash: string, courier: string, atMs: number) => {
    const round = cache.size
    const { message, replica } = open(envelope)
    envelopes.push({ hash, courier, atMs, envelope, message })
    const reply = script.replica?.(message, round) ?? actOn(boxes, message)
    const padded = Either.getOrThrow(padTo(encodeReplicaReplyInnerMessage(reply), GEOMETRY.replyInnerPaddedBytes))
    const replyKey = replica.privateKeys.get(Number(envelope.epoch) + (script.replyEpochOffset ?? 0))!
    const entry = { round, asked: 0, reply: Either.getOrThrow(sealReply(crypto, nike, replyKey, envelope.senderPublicKey, padded, entropy)) }
    cache.set(hash, entry)
    return entry
  }

  const answer = (hash: EnvelopeHash, payload: Uint8Array, code: number = COURIER_ERROR.success) =>
    encodeCourierQueryReply({
      _tag: "EnvelopeReply",
      envelopeReply: {
        envelopeHash: hash, replyIndex: 0, replyType: payload.length > 0 ? "payload" : "ack", payload, errorCode: courierErrorCode(code)
      }
    })

  const service = (arrival: Arrival) =>
    Effect.map(Clock.currentTimeMillis, (atMs) => {
      const query = Either.getOrThrow(decodeCourierQueryTop(arrival.payload))
      if (query._tag !== "Envelope") {
        commands.push({ courier: arrival.endpoint, atMs: arrival.sentAtMs, payload: arrival.payload, surb: toHex(arrival.surb) })
        const copied = script.copy?.(arrival, commands.length - 1) ?? "silent"
        if (copied === "silent") return undefined
        return copied instanceof Uint8Array ? copied : encodeCourierQueryReply({ _tag: "CopyCommandReply", copyCommandReply: copied })
      }
      const hash = envelopeHash(crypto, query.envelope.senderPublicKey, query.envelope.ciphertext)
      queries.push({ courier: arrival.endpoint, hash: toHex(hash), atMs, bytes: toHex(arrival.payload) })
      const entry = cache.get(toHex(hash)) ?? admit(query.envelope, toHex(hash), arrival.endpoint, atMs)
      const scripted = script.courier?.(arrival, entry.round)
      if (scripted !== undefined) return scripted === "silent" ? undefined : scripted
      const code = script.courierCode?.(entry.round)
      if (code !== undefined) return answer(hash, NO_BYTES, code)
      return entry.asked++ < (script.ackCount?.(entry.round) ?? 1) ? answer(hash, NO_BYTES) : answer(hash, entry.reply)
    })

  return {
    replicas, boxes, envelopes, queries, commands, service,
    listIn: (document) => ({
      ...document,
      configuredReplicas: replicas.map(({ identityKey, replicaId }) => ({ replicaId, identityKey })),
      replicas: replicas.map(({ identityKey, privateKeys, replicaId }) => ({
        kind: "replica", name: `replica-${replicaId}`, replicaId, epoch: Epoch(0), identityKey,
        envelopeKeys: new Map([...privateKeys].map(([epoch, key]) => [epoch, nike.publicKey(key)]))
      }))
    })
  }
}

/** A reply of a replica with a code alone. */
export const writeCode = (code: number): ReplicaReplyInnerMessage => ({ _tag: "WriteReply", errorCode: replicaErrorCode(code) })
export const readCode = (code: number): ReplicaReplyInnerMessage =>
  ({ _tag: "ReadReply", errorCode: replicaErrorCode(code), boxId: BoxId.unsafe(new Uint8Array(32)), signature: NO_SIGNATURE, payload: NO_BYTES })
