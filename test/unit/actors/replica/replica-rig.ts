/**
 * A few replicas, a directory and a courier in one process, for tests of what replicas do together.
 *
 * Contract: replicas are the real actors with real cryptography over a mount in memory; their descriptors go into the document of their epoch when they come
 * before it begins, the first ones until all are there, and a second one for the same epoch is refused, as authorities do. What a replica keeps is handed in
 * at every start, so that a test can take it away. Everything runs in virtual time.
 * Knows nothing of: mixes, clients.
 * Source: none; departures: one authority, without signatures.
 *
 * @module
 */
import { Clock, Context, Deferred, Effect, Either, Fiber, Layer, Option, type Scope } from "effect"
import type { BoxTable } from "../../../../actors/replica/box-table.ts"
import { makeMemoryBoxTable } from "../../../../actors/replica/box-table-memory.ts"
import { EnvelopeKeys } from "../../../../actors/replica/envelope-keys.ts"
import { Replica } from "../../../../actors/replica/protocol.ts"
import { replica } from "../../../../actors/replica/replica.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import type { BoxId } from "../../../../src/bacap/box-id.ts"
import { toHex } from "../../../../src/bytes/hex.ts"
import { randomFromEntropy } from "../../../../src/crypto/entropy.ts"
import { encapsulate, nikeX25519, openReply } from "../../../../src/crypto/mkem.ts"
import { decodeLinkFrame, makeReplicaLinks } from "../../../../src/node/replica-links.ts"
import { epochAt, EPOCH_ORIGIN_MS, epochStartMs, replicaEpochOf } from "../../../../src/params/epoch.ts"
import type { MixnetParams } from "../../../../src/params/mixnet-params.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { envelopeHash } from "../../../../src/pigeonhole/envelope.ts"
import { encodeLinkCommand } from "../../../../src/pigeonhole/link-command.ts"
import { padTo, unpad } from "../../../../src/pigeonhole/padding.ts"
import { encodeReplicaInnerMessage, type ReplicaInnerMessage } from "../../../../src/pigeonhole/replica-message.ts"
import { decodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../../../src/pigeonhole/replica-reply.ts"
import { shardKeyIndexes } from "../../../../src/pigeonhole/shard.ts"
import { openDescriptor, type ReplicaDescriptor } from "../../../../src/pki/descriptor.ts"
import { Directory } from "../../../../src/pki/directory.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../../src/pki/pki-view.ts"
import { makeGeometry } from "../../../../src/sphinx/geometry.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { crypto, entropyOf, pigeonhole } from "./sample-box.ts"

const nike = nikeX25519(crypto)

/** Epochs of six seconds; a replica epoch is 30 of them. */
export const rigParams: MixnetParams = { ...tinyParams, epochPeriodMs: 6_000, replicaEpochPeriodMs: 180_000 }
const geometry = Either.getOrThrow(makeGeometry(rigParams.geometry))
/** The first one's document waits for all replicas. */
const START_EPOCH = 100

/** What a replica keeps beyond its process. */
export interface Stock {
  readonly table: BoxTable
  readonly keys: EnvelopeKeys
}

/** An answer of a replica: what was sealed, or the code that came instead; undefined when nothing came. */
export type Answer = ReplicaReplyInnerMessage | { readonly _tag: "Early"; readonly errorCode: number } | undefined

export interface Rig {
  readonly ids: ReadonlyArray<number>
  readonly newStock: (id: number) => Stock
  readonly start: (id: number, stock: Stock) => Effect.Effect<void>
  /** Ends a replica at once, as a crash does. */
  readonly stop: (id: number) => Effect.Effect<void>
  readonly document: Effect.Effect<Document, NoDocument>
  /** Waits for the first document. */
  readonly awaitDocument: Effect.Effect<Document>
  /** Sends one envelope to one replica, as a courier does. @param key  the envelope key to use, if not the document's */
  readonly ask: (id: number, message: ReplicaInnerMessage, key?: Uint8Array) => Effect.Effect<Answer>
  /** The two shards of a box. */
  readonly shardsOf: (boxId: BoxId) => ReadonlyArray<number>
  /** `from to` of every connection that was made. */
  readonly connections: ReadonlySet<string>
  /** Accepted descriptors, by epoch. */
  readonly posted: ReadonlyMap<number, ReadonlyMap<number, ReplicaDescriptor>>
}

const ANSWER_MS = 4_000

/** The directory: one document per epoch. */
const makeDirectory = (ids: ReadonlyArray<number>, identityKeys: ReadonlyArray<Uint8Array>, first: number) => {
  const posted = new Map<number, Map<number, ReplicaDescriptor>>()
  const post = (epoch: number, bytes: Uint8Array) => Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const descriptor = Either.getOrThrow(openDescriptor(crypto, bytes)) as ReplicaDescriptor
    const held = posted.get(epoch) ?? new Map<number, ReplicaDescriptor>()
    const before = held.get(descriptor.replicaId)
    if (before !== undefined) return JSON.stringify([...before.envelopeKeys]) === JSON.stringify([...descriptor.envelopeKeys]) ? 1 : 0
    if (epoch > first && nowMs >= epochStartMs(rigParams, descriptor.epoch)) return 0
    posted.set(epoch, held.set(descriptor.replicaId, descriptor))
    return 1
  })
  const document = Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
    const epoch = epochAt(rigParams, nowMs)
    const replicas = [...posted.get(epoch)?.values() ?? []]
    if (replicas.length === 0 || (epoch === first && replicas.length < ids.length)) return Effect.fail(new NoDocument())
    const configuredReplicas = ids.map((replicaId) => ({ replicaId, identityKey: identityKeys[replicaId] as Uint8Array }))
    return Effect.succeed({ epoch, params: rigParams, replicas, configuredReplicas } as unknown as Document)
  })
  return { posted, post, document }
}

/** A ReplicaMessageReply. */
interface Came {
  readonly errorCode: number
  readonly reply: Uint8Array
}

/** The courier's side of the links: replies by envelope hash. */
const makeCourier = (document: Effect.Effect<Document, NoDocument>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const waiting = new Map<string, Deferred.Deferred<Came | undefined>>()
    const entropy = entropyOf("rig courier")
    const links = yield* makeReplicaLinks({
      params: rigParams, pigeonhole, name: "courier-0",
      replicas: Effect.match(document, { onFailure: () => [], onSuccess: ({ replicas }) => replicas }),
      connect: (name) => Effect.map(mount.connect("courier-0", name, Replica), (client) => (frame: Uint8Array) =>
        Effect.map(client.CourierCommand({ frame }), (reply) => reply.frame)),
      onReply: (_, frame) => {
        const command = decodeLinkFrame(frame, pigeonhole)
        if (command?._tag !== "ReplicaMessageReply") return Effect.void
        const answer = waiting.get(toHex(command.envelopeHash))
        return answer === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(answer, command))
      }
    })
    const ask: Rig["ask"] = (id, message, key) => Effect.gen(function*() {
      const current = yield* Effect.orDie(document)
      const listed = current.replicas.find(({ replicaId }) => replicaId === id)?.envelopeKeys.get(replicaEpochOf(rigParams, current.epoch))
      const publicKey = key ?? listed ?? new Uint8Array(32).fill(9)
      const inner = Either.getOrThrow(padTo(encodeReplicaInnerMessage(message), pigeonhole.innerPaddedBytes))
      const { ciphertext, deks, senderPrivateKey, senderPublicKey } = Either.getOrThrow(encapsulate(crypto, nike, [publicKey], inner, entropy))
      const answer = yield* Deferred.make<Came | undefined>()
      waiting.set(toHex(envelopeHash(crypto, senderPublicKey, ciphertext)), answer)
      links.offer(id, encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek: deks[0] as Uint8Array, ciphertext }, pigeonhole.linkCommandBytes))
      const came = yield* Effect.timeoutTo(Deferred.await(answer), { duration: ANSWER_MS, onSuccess: (each) => each, onTimeout: () => undefined })
      if (came === undefined || came.reply.length === 0) return came === undefined ? undefined : { _tag: "Early", errorCode: came.errorCode } as const
      return Either.getOrThrow(openReply(crypto, nike, senderPrivateKey, publicKey, came.reply).pipe(
        Either.flatMap(unpad), Either.flatMap(decodeReplicaReplyInnerMessage)))
    })
    return ask
  })

const makeRig = (ids: ReadonlyArray<number>, startEpoch: number): Effect.Effect<Rig, never, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Effect.sleep(EPOCH_ORIGIN_MS + startEpoch * rigParams.epochPeriodMs + 10)
    const seeds = ids.map((id) => new Uint8Array(32).fill(id + 1))
    const identityKeys = seeds.map((seed) => crypto.ed25519PublicKey(seed))
    const { document, post, posted } = makeDirectory(ids, identityKeys, startEpoch)
    const inner = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const connections = new Set<string>()
    const mount = { ...inner, connect: ((from: string, to: string, ...rest: ReadonlyArray<never>) => {
      connections.add(`${from} ${to}`)
      return Reflect.apply(inner.connect, inner, [from, to, ...rest])
    }) as typeof inner.connect }
    const clock = yield* Effect.clock
    const held = () => Option.getOrUndefined(Effect.runSync(Effect.withClock(Effect.option(document), clock)))
    const lives = new Map<number, Fiber.RuntimeFiber<unknown, unknown>>()
    const scope = yield* Effect.scope
    const start: Rig["start"] = (id, stock) => Effect.gen(function*() {
      const life = replica({
        crypto, params: rigParams, geometry, pigeonhole, authorityKeys: [new Uint8Array(32)], authorityThreshold: 1, replicaId: id, ...stock,
        identity: makeIdentity(crypto, `replica-${id}`, seeds[id] as Uint8Array)
      })
      lives.set(id, yield* Effect.forkIn(Effect.scoped(life(Effect.void)).pipe(
        Effect.provideService(Mount, mount),
        Effect.provideService(PkiView, { current: document, held, forEpoch: () => Effect.die("not asked") }),
        Effect.provideService(Directory, { postDescriptor: post, getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(0) })
      ), scope))
    })
    let stockCount = 0
    const newStock = (id: number): Stock =>
      ({ table: makeMemoryBoxTable(10_000), keys: new EnvelopeKeys(rigParams, nike, entropyOf(`rig keys ${id} ${stockCount++}`)) })
    const ask = yield* Effect.provideService(makeCourier(document), Mount, mount)
    const awaitDocument = Effect.retry(document, { while: () => Effect.as(Effect.sleep(20), true) })
    return {
      ids, newStock, start, document, ask, connections, posted,
      awaitDocument: Effect.orDie(awaitDocument),
      stop: (id) => Effect.suspend(() => {
        const life = lives.get(id)
        return life === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(life))
      }),
      shardsOf: (boxId) => Either.getOrThrow(shardKeyIndexes(crypto, identityKeys, boxId)).map((index) => ids[index] as number)
    }
  })

/** Runs a test over replicas 0 to `count` − 1, none of which has started yet. @param startEpoch  120 is the first of a replica epoch */
export const withReplicas = <A>(count: number, test: (rig: Rig) => Effect.Effect<A, never, Scope.Scope>, startEpoch = START_EPOCH): A =>
  runVirtual(Effect.scoped(Effect.flatMap(makeRig(Array.from({ length: count }, (_, id) => id), startEpoch), test)).pipe(
    Effect.withRandom(randomFromEntropy(entropyOf("rig random")))))
