/**
 * A storage courier: takes sealed envelopes to two replicas and keeps their answers until the client asks again.
 *
 * Contract: a query is answered at once from the cache, with ACK or with a reply that is there; dispatching never holds an answer. Every reply has the full
 * user payload length. Links to replicas carry one command per λR tick each, real or decoy. Nothing is on disk; everything is bounded.
 * Knows nothing of: clients, box ids, contents.
 * Source: pigeonhole.md §5.4, §5.7; departures: both intermediates are asked even when the first refuses; unparseable queries get courier error 1;
 * copy commands are refused (status failed): nothing in this project's workflow uses them yet.
 *
 * @module
 */
import { Clock, Effect, Either, Option } from "effect"
import { Mount } from "../../src/actor/mount.ts"
import { replicaEpochAt } from "../../src/params/epoch.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { decodeCourierQueryTop } from "../../src/pigeonhole/courier-query.ts"
import { encodeCourierQueryReply, type CourierEnvelopeReply } from "../../src/pigeonhole/courier-reply.ts"
import { ENVELOPE_HASH_BYTES, EnvelopeHash, envelopeHash, type CourierEnvelope } from "../../src/pigeonhole/envelope.ts"
import { COPY_STATUS, COURIER_ERROR, REPLICA_ERROR, type CourierErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { decodeLinkCommand, encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import { makeReplicaLinks, type ReplicaLinks } from "../../src/node/replica-links.ts"
import { Replica } from "../replica/protocol.ts"
import { bestReply, DedupCache, wantsRedispatch, type CacheEntry } from "./dedup-cache.ts"
import { Courier } from "./protocol.ts"

export interface CourierConfig extends NetworkSetting {
  readonly identity: Identity
  readonly pigeonhole: PigeonholeGeometry
}

const SWEEP_MS = 30_000
const NO_BYTES = new Uint8Array(0)

const ack = (hash: EnvelopeHash, replyIndex: number, errorCode: CourierErrorCode): CourierEnvelopeReply =>
  ({ envelopeHash: hash, replyIndex, replyType: "ack", payload: NO_BYTES, errorCode })

/** What the cache has for a client that asks. */
const replyFrom = (hash: EnvelopeHash, entry: CacheEntry, replyIndex: number): CourierEnvelopeReply => {
  const best = bestReply(entry, replyIndex)
  return best === undefined || best.reply.payload.length === 0
    ? ack(hash, replyIndex, COURIER_ERROR.success)
    : { envelopeHash: hash, replyIndex: best.replyIndex, replyType: "payload", payload: best.reply.payload, errorCode: COURIER_ERROR.success }
}

/** Gives each intermediate the command with its own DEK; both are tried, whatever becomes of the first. */
const dispatch = (config: CourierConfig, links: ReplicaLinks, envelope: CourierEnvelope): void => {
  for (const slot of [0, 1] as const) {
    links.offer(envelope.intermediateReplicas[slot], encodeLinkCommand({
      _tag: "ReplicaMessage",
      senderPublicKey: envelope.senderPublicKey,
      dek: envelope.deks[slot],
      ciphertext: envelope.ciphertext
    }, config.pigeonhole.linkCommandBytes))
  }
}

const answerEnvelope = (config: CourierConfig, cache: DedupCache, links: ReplicaLinks, envelope: CourierEnvelope, nowMs: number): CourierEnvelopeReply => {
  const hash = envelopeHash(config.crypto, envelope.senderPublicKey, envelope.ciphertext)
  const epochDistance = Number(envelope.epoch) - replicaEpochAt(config.params, nowMs)
  if (!(Math.abs(epochDistance) <= 1)) return ack(hash, 0, COURIER_ERROR.invalidEpoch)
  if (envelope.replyIndex > 1) return ack(hash, 0, COURIER_ERROR.invalidEnvelope)
  const known = cache.find(hash, nowMs)
  if (known === undefined) {
    cache.insert(hash, envelope.intermediateReplicas, nowMs)
    dispatch(config, links, envelope)
    return ack(hash, envelope.replyIndex, COURIER_ERROR.success)
  }
  if (wantsRedispatch(known, nowMs)) {
    known.redispatches += 1
    known.dispatchedMs = nowMs
    dispatch(config, links, envelope)
  }
  return replyFrom(hash, known, envelope.replyIndex)
}

const answerQuery = (config: CourierConfig, cache: DedupCache, links: ReplicaLinks, query: Uint8Array, nowMs: number): Uint8Array => {
  const decoded = decodeCourierQueryTop(query)
  if (Either.isLeft(decoded)) {
    const nobody = EnvelopeHash.unsafe(new Uint8Array(ENVELOPE_HASH_BYTES))
    return encodeCourierQueryReply({ _tag: "EnvelopeReply", envelopeReply: ack(nobody, 0, COURIER_ERROR.invalidEnvelope) })
  }
  if (decoded.right._tag === "CopyCommand") {
    const refused = { status: COPY_STATUS.failed, errorCode: REPLICA_ERROR.internalError, failedEnvelopeIndex: 0n }
    return encodeCourierQueryReply({ _tag: "CopyCommandReply", copyCommandReply: refused })
  }
  return encodeCourierQueryReply({ _tag: "EnvelopeReply", envelopeReply: answerEnvelope(config, cache, links, decoded.right.envelope, nowMs) })
}

/** Zero-fills a reply to the length that every reply has. */
const filled = (reply: Uint8Array, totalBytes: number): Uint8Array => {
  const whole = new Uint8Array(totalBytes)
  whole.set(reply.subarray(0, totalBytes))
  return whole
}

/** Files a reply frame of a replica under its envelope. */
const record = (cache: DedupCache, frame: Uint8Array): Effect.Effect<void> =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const command = decodeLinkCommand(frame)
    if (Either.isLeft(command) || command.right._tag !== "ReplicaMessageReply") return
    const { envelopeHash: hash, errorCode, reply, replicaId } = command.right
    cache.record(hash, replicaId, { errorCode, payload: reply }, nowMs)
  })

export const courier = (config: CourierConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const pki = yield* PkiView
    const cache = new DedupCache()
    const name = config.identity.name
    const links = yield* makeReplicaLinks({
      ...config,
      replicas: Effect.map(Effect.option(pki.current), Option.match({ onNone: () => [], onSome: (document) => document.replicas })),
      connect: (replica) =>
        Effect.map(mount.connect(name, replica, Replica), (client) => (frame: Uint8Array) =>
          Effect.map(client.CourierCommand({ courier: name, frame }), (reply) => reply.frame)),
      onReply: (_replicaId, frame) => record(cache, frame)
    })
    const sweep = Effect.map(Clock.currentTimeMillis, (nowMs) => cache.sweep(nowMs))
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(SWEEP_MS), sweep)))
    yield* mount.serve(name, Courier, Courier.toLayer({
      Query: ({ query }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) =>
          ({ reply: filled(answerQuery(config, cache, links, query, nowMs), config.geometry.userPayloadBytes) }))
    }))
    yield* ready
    return yield* Effect.never
  })
