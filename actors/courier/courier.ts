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
import { forkLoop } from "../../src/actor/loop.ts"
import { Mount } from "../../src/actor/mount.ts"
import { replicaEpochAt } from "../../src/params/epoch.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { decodeCourierQueryTop } from "../../src/pigeonhole/courier-query.ts"
import { encodeCourierQueryReply, type CourierEnvelopeReply } from "../../src/pigeonhole/courier-reply.ts"
import { ENVELOPE_HASH_BYTES, EnvelopeHash, envelopeHash, type CourierEnvelope } from "../../src/pigeonhole/envelope.ts"
import { COPY_STATUS, COURIER_ERROR, REPLICA_ERROR, type CourierErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import { decodeLinkFrame, makeReplicaLinks, type ReplicaLinks } from "../../src/node/replica-links.ts"
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

/** Gives each intermediate the command with its own DEK; both are tried, whatever becomes of the first. False when neither had room. */
const dispatch = (config: CourierConfig, links: ReplicaLinks, envelope: CourierEnvelope): boolean => {
  const taken = ([0, 1] as const).map((slot) =>
    links.offer(envelope.intermediateReplicas[slot], encodeLinkCommand({
      _tag: "ReplicaMessage",
      senderPublicKey: envelope.senderPublicKey,
      dek: envelope.deks[slot],
      ciphertext: envelope.ciphertext
    }, config.pigeonhole.linkCommandBytes)))
  return taken.includes(true)
}

/** Whether an envelope has the lengths that every honest one has; with others its link command could not be read. */
const hasLengths = ({ pigeonhole }: CourierConfig, envelope: CourierEnvelope): boolean =>
  envelope.senderPublicKey.length === pigeonhole.nikePublicKeyBytes && envelope.ciphertext.length === pigeonhole.envelopeCiphertextBytes

const answerEnvelope = (config: CourierConfig, cache: DedupCache, links: ReplicaLinks, envelope: CourierEnvelope, nowMs: number): CourierEnvelopeReply => {
  const hash = envelopeHash(config.crypto, envelope.senderPublicKey, envelope.ciphertext)
  const epochDistance = Number(envelope.epoch) - replicaEpochAt(config.params, nowMs)
  if (!(Math.abs(epochDistance) <= 1)) return ack(hash, 0, COURIER_ERROR.invalidEpoch)
  if (envelope.replyIndex > 1 || !hasLengths(config, envelope)) return ack(hash, 0, COURIER_ERROR.invalidEnvelope)
  const known = cache.find(hash, nowMs)
  if (known === undefined) {
    const entry = cache.insert(hash, envelope.intermediateReplicas, nowMs)
    if (!dispatch(config, links, envelope)) entry.dispatchedMs = Number.NEGATIVE_INFINITY
    return ack(hash, envelope.replyIndex, COURIER_ERROR.success)
  }
  if (wantsRedispatch(known, nowMs) && dispatch(config, links, envelope)) {
    known.redispatches += 1
    known.dispatchedMs = nowMs
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

/** Files a reply frame under its envelope; a replica speaks for itself alone, and in replies of the one length or empty ones. */
const record = ({ pigeonhole }: CourierConfig, cache: DedupCache, from: number, frame: Uint8Array): Effect.Effect<void> =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const command = decodeLinkFrame(frame, pigeonhole)
    if (command?._tag !== "ReplicaMessageReply" || command.replicaId !== from) return
    const { envelopeHash: hash, errorCode, reply } = command
    if (reply.length === 0 || reply.length === pigeonhole.envelopeReplyBytes) cache.record(hash, from, { errorCode, payload: reply }, nowMs)
  })

export const courier = (config: CourierConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const pki = yield* PkiView
    const cache = new DedupCache()
    const name = config.identity.name
    const links = yield* makeReplicaLinks({
      ...config,
      name,
      replicas: Effect.map(Effect.option(pki.current), Option.match({ onNone: () => [], onSome: (document) => document.replicas })),
      connect: (replica) =>
        Effect.map(mount.connect(name, replica, Replica), (client) => (frame: Uint8Array) =>
          Effect.map(client.CourierCommand({ frame }), (reply) => reply.frame)),
      onReply: (replicaId, frame) => record(config, cache, replicaId, frame)
    })
    const sweep = Effect.map(Clock.currentTimeMillis, (nowMs) => cache.sweep(nowMs))
    yield* forkLoop("sweep", name, Effect.zipRight(Effect.sleep(SWEEP_MS), sweep))
    yield* mount.serve(name, Courier, Courier.toLayer({
      Query: ({ query }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) =>
          ({ reply: filled(answerQuery(config, cache, links, query, nowMs), config.geometry.userPayloadBytes) }))
    }))
    yield* ready
    return yield* Effect.never
  })
