/**
 * A storage courier: takes sealed envelopes to two replicas, keeps their answers until the client asks again, and carries out copies.
 *
 * Contract: a query is answered at once from what is known, with ACK, with a reply that is there, or with how far a copy is; dispatching never holds an
 * answer. Every reply has the full user payload length. Links to replicas carry one command per λR tick each, real or decoy, for envelopes and copies
 * alike. Nothing is on disk; everything is bounded. After a restart clients' next transmissions rebuild everything.
 * Knows nothing of: clients, box ids, contents; of copies only what their temporary streams tell.
 * Source: pigeonhole.md §5.4, §5.5, §5.7; departures: unparseable queries get courier error 1; a reply that claims success and carries nothing is none.
 *
 * @module
 */
import { Clock, Effect, Either, Exit, Option } from "effect"
import { zeroed } from "../../src/bytes/allocate.ts"
import { forkLoop } from "../../src/actor/loop.ts"
import { showMetric } from "../../src/actor/meter.ts"
import { callNow, mapped } from "../../src/actor/actor.ts"
import { Mount } from "../../src/actor/mount.ts"
import { thenNow } from "../../src/actor/prompt.ts"
import { EntropySource } from "../../src/crypto/entropy.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import type { Document } from "../../src/pki/document.ts"
import { PkiView, type PkiViewService } from "../../src/pki/pki-view.ts"
import { type CourierQuery, decodeCourierQueryTop } from "../../src/pigeonhole/courier-query.ts"
import { encodeCourierQueryReply, type CourierEnvelopeReply, type CourierQueryReply } from "../../src/pigeonhole/courier-reply.ts"
import { ENVELOPE_HASH_BYTES, EnvelopeHash, envelopeHash, type CourierEnvelope } from "../../src/pigeonhole/envelope.ts"
import { COURIER_ERROR, REPLICA_ERROR, type CourierErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { decodeLinkFrame, makeReplicaLinks } from "../../src/node/replica-links.ts"
import { DropCounters } from "../../src/mixnet/drop-counters.ts"
import { Replica } from "../replica/protocol.ts"
import { type Copies, makeCopies } from "./copies.ts"
import { bestReply, DedupCache, entryLimitFor, wantsRedispatch, type CacheEntry } from "./dedup-cache.ts"
import { dispatch, epochIsNear, hasLengths, type Offer } from "./dispatch.ts"
import { Courier } from "./protocol.ts"
import { ReplyWaiters } from "./reply-waiters.ts"
import { SILENCE_MS, SilenceWatch } from "./silence-watch.ts"

export interface CourierConfig extends NetworkSetting {
  readonly identity: Identity
  readonly pigeonhole: PigeonholeGeometry
}

/** What a courier keeps while it lives. */
interface Memory {
  readonly cache: DedupCache
  readonly waiters: ReplyWaiters
  readonly silence: SilenceWatch
  /** First bytes of frames that are no command we know, already logged. */
  readonly oddCommands: Set<number>
}

const SWEEP_MS = 30_000
const NO_BYTES = new Uint8Array(0)
const NOBODY = EnvelopeHash.unsafe(new Uint8Array(ENVELOPE_HASH_BYTES))

const ack = (hash: EnvelopeHash, replyIndex: number, errorCode: CourierErrorCode): CourierEnvelopeReply =>
  ({ envelopeHash: hash, replyIndex, replyType: "ack", payload: NO_BYTES, errorCode })

/** What the cache has for a client that asks. */
const replyFrom = (hash: EnvelopeHash, entry: CacheEntry, replyIndex: number): CourierEnvelopeReply => {
  const best = bestReply(entry, replyIndex)
  return best === undefined || best.reply.payload.length === 0
    ? ack(hash, replyIndex, COURIER_ERROR.success)
    : { envelopeHash: hash, replyIndex: best.replyIndex, replyType: "payload", payload: best.reply.payload, errorCode: COURIER_ERROR.success }
}

const answerEnvelope = (config: CourierConfig, cache: DedupCache, offer: Offer, envelope: CourierEnvelope, nowMs: number): CourierEnvelopeReply => {
  const { crypto, params, pigeonhole } = config
  const hash = envelopeHash(crypto, envelope.senderPublicKey, envelope.ciphertext)
  if (!epochIsNear(params, envelope, nowMs)) return ack(hash, 0, COURIER_ERROR.invalidEpoch)
  if (envelope.replyIndex > 1 || !hasLengths(pigeonhole, envelope)) return ack(hash, 0, COURIER_ERROR.invalidEnvelope)
  const known = cache.find(hash, nowMs)
  if (known === undefined) {
    const entry = cache.insert(hash, envelope.intermediateReplicas, nowMs)
    if (!dispatch(pigeonhole, offer, envelope)) entry.dispatchedMs = Number.NEGATIVE_INFINITY
    return ack(hash, envelope.replyIndex, COURIER_ERROR.success)
  }
  if (wantsRedispatch(known, nowMs) && dispatch(pigeonhole, offer, envelope)) cache.redispatched(known, nowMs)
  return replyFrom(hash, known, envelope.replyIndex)
}

const answerQuery = (
  config: CourierConfig, { cache }: Memory, copies: Copies, offer: Offer, query: CourierQuery, nowMs: number
): Effect.Effect<CourierQueryReply> =>
  query._tag === "CopyCommand"
    ? Effect.map(copies.answer(query.copyCommand), (copyCommandReply) => ({ _tag: "CopyCommandReply", copyCommandReply }))
    : Exit.succeed({ _tag: "EnvelopeReply", envelopeReply: answerEnvelope(config, cache, offer, query.envelope, nowMs) })

const UNREADABLE: CourierQueryReply = { _tag: "EnvelopeReply", envelopeReply: ack(NOBODY, 0, COURIER_ERROR.invalidEnvelope) }

/** Zero-fills a reply to the length that every reply has. */
const filled = (reply: Uint8Array, totalBytes: number): Uint8Array => {
  const whole = zeroed(totalBytes)
  whole.set(reply.subarray(0, totalBytes))
  return whole
}

/** Names, once per kind, frames that a newer replica may send. */
const noteOdd = ({ oddCommands }: Memory, name: string, frame: Uint8Array): Effect.Effect<void> | undefined => {
  const kind = frame[0] ?? 0
  if (oddCommands.has(kind)) return undefined
  oddCommands.add(kind)
  return Effect.annotateLogs(Effect.logWarning("a replica sent what is no command here"), { actor: name, kind })
}

/** Files a reply frame under its envelope; a replica speaks for itself alone, and in replies of the one length or empty ones. */
const record = (
  { identity, pigeonhole }: CourierConfig, memory: Memory, from: number, frame: Uint8Array, nowMs: number
): Effect.Effect<void> | undefined => {
  const command = decodeLinkFrame(frame, pigeonhole)
  if (command === undefined) return noteOdd(memory, identity.name, frame)
  if (command._tag !== "ReplicaMessageReply" || command.replicaId !== from) return undefined
  const { envelopeHash: hash, errorCode, reply } = command
  const isEarlyFailure = reply.length === 0 && errorCode !== REPLICA_ERROR.success
  if (!isEarlyFailure && reply.length !== pigeonhole.envelopeReplyBytes) return undefined
  memory.silence.heard(from)
  // kept for minutes: in memory of its own
  const answer = { errorCode, payload: reply.slice() }
  memory.cache.record(hash, from, answer, nowMs)
  memory.waiters.deliver(hash, from, answer)
  return undefined
}

/** The document in force, or the last one there was, for the gap after an epoch's change. */
const lastDocument = (pki: PkiViewService): Effect.Effect<Document | undefined> => {
  let last: Document | undefined
  return Effect.map(Effect.option(pki.current), Option.match({ onNone: () => last, onSome: (document) => (last = document) }))
}

/** Forgets what is old and names replicas that are silent. */
const sweep = (name: string, { cache, silence }: Memory, copies: Copies, document: Effect.Effect<Document | undefined>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const nowMs = yield* Clock.currentTimeMillis
    const news = silence.news(cache.silent(nowMs, SILENCE_MS))
    cache.sweep(nowMs)
    copies.prune(nowMs)
    if (news.length === 0) return
    const listed = (yield* document)?.replicas ?? []
    const names = news.map((id) => listed.find(({ replicaId }) => replicaId === id)?.name ?? `replica ${id}`)
    yield* Effect.annotateLogs(Effect.logWarning("replicas leave envelopes unanswered"), { actor: name, replicas: names.join(", ") })
  })

export const courier = (config: CourierConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const clock = yield* Effect.clock
    const document = lastDocument(yield* PkiView)
    const name = config.identity.name
    const { pigeonhole } = config
    const memory: Memory = {
      cache: new DedupCache(entryLimitFor(pigeonhole.envelopeReplyBytes)), waiters: new ReplyWaiters(), silence: new SilenceWatch(), oddCommands: new Set()
    }
    const links = yield* makeReplicaLinks({
      ...config,
      name,
      replicas: Effect.map(document, (seen) => seen?.replicas ?? []),
      connect: (replica) =>
        Effect.map(mount.connect(name, replica, Replica), (client) => (frame: Uint8Array) =>
          mapped(callNow(client.CourierCommand, { frame }), (reply) => reply.frame)),
      onReply: (replicaId, frame) => record(config, memory, replicaId, frame, clock.unsafeCurrentTimeMillis())
    })
    const drops = new DropCounters()
    yield* showMetric("dropped_packets_total", () => drops.readings())
    yield* showMetric("cached_envelopes", () => memory.cache.size)
    const offer: Offer = (replicaId, frame) => {
      const taken = links.offer(replicaId, frame)
      if (!taken) drops.count("link-queue-full")
      return taken
    }
    const copies = yield* makeCopies({ ...config, entropy: yield* EntropySource, document, offer, waiters: memory.waiters }, name)
    yield* forkLoop("sweep", name, Effect.zipRight(Effect.sleep(SWEEP_MS), sweep(name, memory, copies, document)))
    yield* mount.serve(name, Courier, Courier.toLayer({
      Query: ({ query }) => {
        const decoded = decodeCourierQueryTop(query)
        if (Either.isLeft(decoded)) drops.count("command-unreadable")
        const nowMs = clock.unsafeCurrentTimeMillis()
        const answer = Either.isLeft(decoded) ? Exit.succeed(UNREADABLE) : answerQuery(config, memory, copies, offer, decoded.right, nowMs)
        return thenNow(answer, (reply) => Exit.succeed({ reply: filled(encodeCourierQueryReply(reply), config.geometry.userPayloadBytes) }))
      }
    }))
    yield* ready
    return yield* Effect.never
  })
