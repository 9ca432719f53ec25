/**
 * A courier on a mount in memory, between a client that asks and replicas that are scripts.
 *
 * Goal: every answer is checked for its length and for coming at once; what replicas get, and when, is recorded.
 * Method: virtual time whose instant 0 lies in replica epoch 0; seeded ticks.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Fiber, Layer, Logger, LogLevel } from "effect"
import { expect } from "vitest"
import { courier } from "../../../../actors/courier/courier.ts"
import { Courier } from "../../../../actors/courier/protocol.ts"
import { Replica } from "../../../../actors/replica/protocol.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { randomFromEntropy, seededEntropy } from "../../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../../src/crypto/select-backend.ts"
import { decodeLinkFrame } from "../../../../src/node/replica-links.ts"
import { tinyParams as params } from "../../../../src/params/presets.ts"
import { encodeCourierQuery } from "../../../../src/pigeonhole/courier-query.ts"
import { type CourierEnvelopeReply, decodeCourierQueryReplyTop } from "../../../../src/pigeonhole/courier-reply.ts"
import { type CourierEnvelope, EnvelopeHash, envelopeHash } from "../../../../src/pigeonhole/envelope.ts"
import { replicaErrorCode } from "../../../../src/pigeonhole/error-code.ts"
import { pigeonholeGeometry } from "../../../../src/pigeonhole/geometry.ts"
import { encodeLinkCommand } from "../../../../src/pigeonhole/link-command.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../../src/pki/pki-view.ts"
import { makeGeometry } from "../../../../src/sphinx/geometry.ts"
import { runVirtual } from "../../session/virtual-time.ts"

export const crypto = Either.getOrThrow(selectBackend())
export const geometry = Either.getOrThrow(makeGeometry(params.geometry))
export const pigeonhole = Either.getOrThrow(pigeonholeGeometry(geometry.userPayloadBytes, 32))
export const entropy = seededEntropy("courier tests", "entropy")
export const document = { replicas: [0, 1, 2].map((replicaId) => ({ name: `replica-${replicaId}`, replicaId })) } as unknown as Document
const decoy = encodeLinkCommand({ _tag: "ReplicaDecoy" }, pigeonhole.linkCommandBytes)

export const envelopeOf = (change: Partial<CourierEnvelope> = {}): CourierEnvelope => ({
  intermediateReplicas: [0, 1], deks: [entropy(60), entropy(60)], replyIndex: 0, epoch: 0n,
  senderPublicKey: entropy(32), ciphertext: entropy(pigeonhole.envelopeCiphertextBytes), ...change
})
export const queryOf = (envelope: CourierEnvelope): Uint8Array => {
  const query = new Uint8Array(geometry.userPayloadBytes)
  query.set(encodeCourierQuery({ _tag: "Envelope", envelope }).subarray(0, query.length))
  return query
}
export const hashOf = ({ ciphertext, senderPublicKey }: CourierEnvelope): EnvelopeHash => envelopeHash(crypto, senderPublicKey, ciphertext)
export const replyFrame = (envelope: CourierEnvelope, replicaId: number, reply: Uint8Array, errorCode = 0): Uint8Array =>
  encodeLinkCommand(
    { _tag: "ReplicaMessageReply", errorCode: replicaErrorCode(errorCode), envelopeHash: hashOf(envelope), replicaId, reply }, pigeonhole.linkCommandBytes
  )

export interface Bench {
  /** Sends a query and gives the reply, checked for length and for having come at once. */
  readonly ask: (query: Uint8Array) => Effect.Effect<CourierEnvelopeReply>
  readonly askRaw: (query: Uint8Array) => Effect.Effect<Uint8Array>
  /** Real commands that replicas got, as [replica, DEK]. */
  readonly commands: Array<readonly [replicaId: number, dek: Uint8Array]>
  /** Frames that replicas answer with, by replica; a decoy when empty. */
  readonly answers: Map<number, Array<Uint8Array>>
  /** Instants at which replicas got commands, decoys too. */
  readonly instants: Map<number, Array<number>>
  /** Replicas that take commands and never answer; the number of commands they hold now, and the most they held at once. */
  readonly hung: { readonly replicaIds: Set<number>; now: number; most: number }
  /** What the courier sees as the document; undefined for none. */
  readonly directory: { document: Document | undefined }
  /** Ends the courier and starts another in its place. */
  readonly restart: Effect.Effect<void>
  /** Log lines at level warning and above, with their annotations. */
  readonly warnings: Array<string>
}

export interface BenchOptions {
  readonly lambdaRPerMs?: number
  /** How long replicas take to answer. */
  readonly answerMs?: number
}
/** For hours of a courier's life: a tick every two seconds. */
export const SLOW: BenchOptions = { lambdaRPerMs: 0.0005 }
/** A tick every ten seconds. */
export const SLOWEST: BenchOptions = { lambdaRPerMs: 0.0001 }

/** Serves the replicas that are alive. */
const serveReplicas = (
  mount: Context.Tag.Service<Mount>, alive: ReadonlyArray<number>, bench: Pick<Bench, "answers" | "commands" | "hung" | "instants">, answerMs: number
) =>
  Effect.forEach(alive, (replicaId) => {
    const answer = ({ frame }: { readonly frame: Uint8Array }) => Effect.gen(function*() {
      const command = decodeLinkFrame(frame, pigeonhole)
      bench.instants.set(replicaId, [...(bench.instants.get(replicaId) ?? []), yield* Clock.currentTimeMillis])
      if (command?._tag === "ReplicaMessage") bench.commands.push([replicaId, command.dek])
      if (bench.hung.replicaIds.has(replicaId)) {
        bench.hung.most = Math.max(bench.hung.most, ++bench.hung.now)
        return yield* Effect.ensuring(Effect.never, Effect.sync(() => { bench.hung.now -= 1 }))
      }
      if (answerMs > 0) yield* Effect.sleep(answerMs)
      return { frame: bench.answers.get(replicaId)?.shift() ?? decoy }
    })
    return Effect.orDie(mount.serve(`replica-${replicaId}`, Replica, Replica.toLayer({ CourierCommand: answer, ReplicaCommand: answer })))
  }, { discard: true })

/** Runs a test with a courier and the given replicas alive. */
export const withCourier = <A>(alive: ReadonlyArray<number>, test: (bench: Bench) => Effect.Effect<A>, options: BenchOptions = {}): A => {
  const warnings: Bench["warnings"] = []
  const logger = Logger.make(({ annotations, logLevel, message }) => {
    if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) warnings.push(`${String(message)} ${JSON.stringify(Object.fromEntries(annotations))}`)
  })
  return runVirtual(Effect.scoped(Effect.gen(function*() {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const parts: Pick<Bench, "answers" | "commands" | "hung" | "instants"> = {
      commands: [], answers: new Map(), instants: new Map(), hung: { replicaIds: new Set<number>(), now: 0, most: 0 }
    }
    const directory: Bench["directory"] = { document }
    yield* serveReplicas(mount, alive, parts, options.answerMs ?? 0)
    const life = courier({
      crypto, params: { ...params, lambdaRPerMs: options.lambdaRPerMs ?? params.lambdaRPerMs }, geometry, pigeonhole,
      authorityKeys: [], authorityThreshold: 1, identity: makeIdentity(crypto, "courier-0", new Uint8Array(32))
    })
    const current = Effect.suspend(() => (directory.document === undefined ? Effect.fail(new NoDocument()) : Effect.succeed(directory.document)))
    const live = Effect.scoped(Effect.provideService(life(Effect.void), Mount, mount)).pipe(
      Effect.provideService(PkiView, { current, held: () => directory.document, forEpoch: () => Effect.die("not asked") })
    )
    let running = yield* Effect.forkScoped(live)
    const restart = Effect.gen(function*() {
      yield* Fiber.interrupt(running)
      running = yield* Effect.forkDaemon(live)
      yield* Effect.sleep(100)
    })
    yield* Effect.sleep(100)
    const client = yield* mount.connect("service-node-0", "courier-0", Courier)
    const askRaw: Bench["askRaw"] = (query) => Effect.gen(function*() {
      const startMs = yield* Clock.currentTimeMillis
      const { reply } = yield* Effect.orDie(client.Query({ query }))
      expect((yield* Clock.currentTimeMillis) - startMs).toBe(0)
      expect(reply.length).toBe(geometry.userPayloadBytes)
      return reply
    })
    const ask: Bench["ask"] = (query) => Effect.map(askRaw(query), (reply) => {
      const decoded = Either.getOrThrow(decodeCourierQueryReplyTop(reply))
      if (decoded._tag !== "EnvelopeReply") throw new Error("not an envelope reply")
      return decoded.envelopeReply
    })
    return yield* test({ ask, askRaw, ...parts, directory, restart, warnings })
  })).pipe(Effect.withRandom(randomFromEntropy(seededEntropy("courier tests", "ticks"))), Effect.provide(Logger.replace(Logger.defaultLogger, logger))))
}
