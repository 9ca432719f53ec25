/**
 * What a courier answers and what it sends, rows K… of pigeonhole.md §7.
 *
 * Goal: answers come at once from the cache, whatever replicas do; garbage gets error 1, odd epochs error 4; replicas speak for themselves only.
 * Method: the actor over a mount in memory, in virtual time whose instant 0 lies in replica epoch 0; replicas as scripts.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Fiber, Layer, Logger, LogLevel } from "effect"
import { describe, expect, it } from "vitest"
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

const crypto = Either.getOrThrow(selectBackend())
const geometry = Either.getOrThrow(makeGeometry(params.geometry))
const pigeonhole = Either.getOrThrow(pigeonholeGeometry(geometry.userPayloadBytes, 32))
const entropy = seededEntropy("courier tests", "entropy")
const document = { replicas: [0, 1, 2].map((replicaId) => ({ name: `replica-${replicaId}`, replicaId })) } as unknown as Document
const decoy = encodeLinkCommand({ _tag: "ReplicaDecoy" }, pigeonhole.linkCommandBytes)

const envelopeOf = (change: Partial<CourierEnvelope> = {}): CourierEnvelope => ({
  intermediateReplicas: [0, 1], deks: [entropy(60), entropy(60)], replyIndex: 0, epoch: 0n,
  senderPublicKey: entropy(32), ciphertext: entropy(pigeonhole.envelopeCiphertextBytes), ...change
})
const queryOf = (envelope: CourierEnvelope): Uint8Array => {
  const query = new Uint8Array(geometry.userPayloadBytes)
  query.set(encodeCourierQuery({ _tag: "Envelope", envelope }).subarray(0, query.length))
  return query
}
const hashOf = ({ ciphertext, senderPublicKey }: CourierEnvelope): EnvelopeHash => envelopeHash(crypto, senderPublicKey, ciphertext)
const replyFrame = (envelope: CourierEnvelope, replicaId: number, reply: Uint8Array, errorCode = 0): Uint8Array =>
  encodeLinkCommand(
    { _tag: "ReplicaMessageReply", errorCode: replicaErrorCode(errorCode), envelopeHash: hashOf(envelope), replicaId, reply }, pigeonhole.linkCommandBytes
  )

interface Bench {
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

interface BenchOptions {
  readonly lambdaRPerMs?: number
  /** How long replicas take to answer. */
  readonly answerMs?: number
}
/** For hours of a courier's life: a tick every two seconds. */
const SLOW: BenchOptions = { lambdaRPerMs: 0.0005 }
/** A tick every ten seconds. */
const SLOWEST: BenchOptions = { lambdaRPerMs: 0.0001 }

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
const withCourier = <A>(alive: ReadonlyArray<number>, test: (bench: Bench) => Effect.Effect<A>, options: BenchOptions = {}): A => {
  const warnings: Bench["warnings"] = []
  const logger = Logger.make(({ annotations, logLevel, message }) => {
    if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) warnings.push(`${String(message)} ${JSON.stringify(Object.fromEntries(annotations))}`)
  })
  return runVirtual(Effect.scoped(Effect.gen(function*() {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const parts: Pick<Bench, "answers" | "commands" | "hung" | "instants"> = { commands: [], answers: new Map(), instants: new Map(), hung: { replicaIds: new Set<number>(), now: 0, most: 0 } }
    const directory: Bench["directory"] = { document }
    yield* serveReplicas(mount, alive, parts, options.answerMs ?? 0)
    const life = courier({
      crypto, params: { ...params, lambdaRPerMs: options.lambdaRPerMs ?? params.lambdaRPerMs }, geometry, pigeonhole,
      authorityKeys: [], authorityThreshold: 1, identity: makeIdentity(crypto, "courier-0", new Uint8Array(32))
    })
    const current = Effect.suspend(() => (directory.document === undefined ? Effect.fail(new NoDocument()) : Effect.succeed(directory.document)))
    const live = Effect.scoped(Effect.provideService(life(Effect.void), Mount, mount)).pipe(
      Effect.provideService(PkiView, { current, forEpoch: () => Effect.die("not asked") })
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

describe("refusals", () => {
  it("E7: what does not parse, query type 2 too, gets error 1 and a zero hash, and replicas hear nothing of it", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      for (let attempt = 0; attempt < 50; attempt++) {
        const garbage = entropy(attempt === 0 ? 0 : geometry.userPayloadBytes)
        if (garbage.length > 0) garbage[0] = attempt % 2 === 0 ? 2 + attempt : 0
        const reply = yield* ask(garbage)
        if (reply.errorCode !== 4) expect([reply.errorCode, reply.envelopeHash]).toEqual([1, EnvelopeHash.unsafe(new Uint8Array(32))])
      }
      yield* Effect.sleep(2000)
      expect(commands).toEqual([])
    }))
  })
  it.each([2n, 3n, 2n ** 64n - 1n])("K4, E2: replica epoch %i gets error 4 before the cache is touched", (odd) => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf({ epoch: odd })
      expect((yield* ask(queryOf(envelope))).errorCode).toBe(4)
      yield* Effect.sleep(1000)
      expect(commands).toEqual([])
      expect(yield* ask(queryOf({ ...envelope, epoch: 1n }))).toMatchObject({ errorCode: 0, replyType: "ack" })
      yield* Effect.sleep(1000)
      expect(commands).toHaveLength(2)
    }))
  })
  it("K3: reply indexes above 1 get error 1, at first sight and later", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      for (let replyIndex = 2; replyIndex < 256; replyIndex++) expect((yield* ask(queryOf({ ...envelope, replyIndex }))).errorCode).toBe(1)
      yield* Effect.sleep(1000)
      expect(commands).toEqual([])
      yield* ask(queryOf(envelope))
      expect((yield* ask(queryOf({ ...envelope, replyIndex: 2 }))).errorCode).toBe(1)
    }))
  })
  it("keys and ciphertexts of another length get error 1 and are not passed on", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const odd = [{ senderPublicKey: entropy(31) }, { senderPublicKey: entropy(0) }, { ciphertext: entropy(pigeonhole.envelopeCiphertextBytes - 1) }]
      for (const change of odd) expect((yield* ask(queryOf(envelopeOf(change)))).errorCode).toBe(1)
      yield* Effect.sleep(1000)
      expect(commands).toEqual([])
    }))
  })
})

describe("envelopes", () => {
  it("K1: are acknowledged at once and asked of both intermediates once, each with its own DEK, however often they come", () => {
    withCourier([0, 1, 2], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf({ intermediateReplicas: [2, 0] })
      const replies = yield* Effect.all([ask(queryOf(envelope)), ask(queryOf(envelope)), ask(queryOf(envelope))])
      expect(replies.map(({ errorCode, replyType }) => [replyType, errorCode])).toEqual([["ack", 0], ["ack", 0], ["ack", 0]])
      yield* Effect.sleep(2000)
      expect([...commands].sort(([a], [b]) => a - b)).toEqual([[0, envelope.deks[1]], [2, envelope.deks[0]]])
    }))
  })
  it("K14, K16: are answered while no replica is there; the second is asked when the first is unknown", () => {
    withCourier([1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf({ intermediateReplicas: [9, 1] })
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
      yield* Effect.sleep(2000)
      expect(commands.map(([replicaId]) => replicaId)).toEqual([1])
      for (let more = 0; more < 200; more++) expect(yield* ask(queryOf(envelopeOf({ intermediateReplicas: [0, 2] })))).toMatchObject({ replyType: "ack" })
    }))
  })
  it("K11: serve the reply of either replica as soon as it is there, under the index it came from", () => {
    withCourier([0, 1], ({ answers, ask }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      const payload = entropy(pigeonhole.envelopeReplyBytes)
      answers.set(1, [replyFrame(envelope, 1, payload)])
      yield* Effect.sleep(1000)
      for (const replyIndex of [0, 1]) {
        expect(yield* ask(queryOf({ ...envelope, replyIndex }))).toEqual({
          envelopeHash: hashOf(envelope), replyIndex: 1, replyType: "payload", payload, errorCode: 0
        })
      }
    }))
  })
  it("K8: whose replicas give errors only are asked again on a poll and acknowledged meanwhile, five times at most", () => {
    withCourier([0, 1], ({ answers, ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      for (let poll = 0; poll < 20; poll++) {
        answers.set(0, [replyFrame(envelope, 0, new Uint8Array(0), 8)])
        expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
        yield* Effect.sleep(2000)
      }
      expect(commands).toHaveLength(12)
    }))
  })
})

describe("replies of replicas", () => {
  it.each<readonly [string, (envelope: CourierEnvelope) => Uint8Array]>([
    ["in the name of another", (envelope) => replyFrame(envelope, 0, entropy(pigeonhole.envelopeReplyBytes))],
    ["of another length", (envelope) => replyFrame(envelope, 1, entropy(pigeonhole.envelopeReplyBytes - 1))],
    ["to an unknown envelope", () => replyFrame(envelopeOf(), 1, entropy(pigeonhole.envelopeReplyBytes))],
    ["in a longer frame", (envelope) => new Uint8Array([...replyFrame(envelope, 1, entropy(pigeonhole.envelopeReplyBytes)), 0])],
    ["in garbage", () => entropy(pigeonhole.linkCommandBytes)]
  ])("%s count for nothing", (_, frame) => {
    withCourier([0, 1], ({ answers, ask }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      answers.set(1, [frame(envelope)])
      yield* Effect.sleep(2000)
      for (const replyIndex of [0, 1]) expect((yield* ask(queryOf({ ...envelope, replyIndex }))).replyType).toBe("ack")
    }))
  })
})

describe("a courier's hours", () => {
  it("K2: one replica that takes commands and never answers delays nobody, and no more than a bounded number waits for it", () => {
    withCourier([0, 1, 2], ({ answers, ask, hung }) => Effect.gen(function*() {
      hung.replicaIds.add(0)
      for (let number = 0; number < 300; number++) {
        expect(yield* ask(queryOf(envelopeOf({ intermediateReplicas: [0, 0] })))).toMatchObject({ replyType: "ack", errorCode: 0 })
        yield* Effect.sleep(30)
      }
      const envelope = envelopeOf({ intermediateReplicas: [1, 2] })
      yield* ask(queryOf(envelope))
      answers.set(1, [replyFrame(envelope, 1, entropy(pigeonhole.envelopeReplyBytes))])
      yield* Effect.sleep(1000)
      expect((yield* ask(queryOf(envelope))).replyType).toBe("payload")
      expect(hung.most).toBeGreaterThan(50)
      expect(hung.most).toBeLessThanOrEqual(256)
    }))
  })

  it("K6: an envelope older than its life is new again, without any other traffic, and is asked of both replicas anew", () => {
    withCourier([0, 1], ({ answers, ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      answers.set(0, [replyFrame(envelope, 0, entropy(pigeonhole.envelopeReplyBytes))])
      yield* Effect.sleep(60_000)
      expect((yield* ask(queryOf(envelope))).replyType).toBe("payload")
      expect(commands).toHaveLength(2)
      yield* Effect.sleep(241_000)
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
      yield* Effect.sleep(60_000)
      expect(commands).toHaveLength(4)
    }), SLOW)
  })

  it("K7: an envelope without any reply is asked again by polls after 30 s, five times in all, never without a poll", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      yield* Effect.sleep(29_000)
      yield* ask(queryOf(envelope))
      yield* Effect.sleep(15_000)
      expect(commands).toHaveLength(2)
      yield* ask(queryOf(envelope))
      yield* ask(queryOf(envelope))
      yield* Effect.sleep(20_000)
      expect(commands).toHaveLength(4)
      for (let poll = 0; poll < 22; poll++) {
        yield* ask(queryOf(envelope))
        yield* Effect.sleep(10_000)
      }
      yield* Effect.sleep(10_000)
      expect(commands).toHaveLength(12)
    }), SLOW)
  })

  it("K10: a read that is unserved for an hour is acknowledged without error; one warning names the silent replicas", () => {
    withCourier([0, 1, 2], ({ answers, ask, warnings }) => Effect.gen(function*() {
      const envelope = envelopeOf({ intermediateReplicas: [0, 2] })
      const served = envelopeOf({ intermediateReplicas: [1, 2] })
      yield* ask(queryOf(served))
      answers.set(1, [replyFrame(served, 1, entropy(pigeonhole.envelopeReplyBytes))])
      for (let minute = 0; minute < 60; minute++) {
        expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
        yield* Effect.sleep(60_000)
      }
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain("replica-0, replica-2")
      expect(warnings[0]).not.toContain("replica-1")
    }), SLOWEST)
  })

  it("K17: a replica missing for one or two re-authentications keeps its link; the third in a row closes it; it opens again when listed", () => {
    withCourier([0, 1, 2], ({ directory, instants }) => Effect.gen(function*() {
      const without = { ...document, replicas: document.replicas.slice(1) }
      const heard = (replicaId: number, forMs: number) => Effect.gen(function*() {
        const before = instants.get(replicaId)?.length ?? 0
        yield* Effect.sleep(forMs)
        return (instants.get(replicaId)?.length ?? 0) - before
      })
      const period = params.epochPeriodMs / 4
      yield* Effect.sleep(1.5 * period)
      directory.document = without
      yield* Effect.sleep(2 * period)
      expect(yield* heard(0, 0.4 * period)).toBeGreaterThan(0)
      directory.document = document
      yield* Effect.sleep(period)
      directory.document = without
      expect(yield* heard(0, 2 * period)).toBeGreaterThan(0)
      yield* Effect.sleep(1.2 * period)
      expect(yield* heard(0, period)).toBe(0)
      expect(yield* heard(1, 0.5 * period)).toBeGreaterThan(0)
      directory.document = document
      yield* Effect.sleep(0.1 * period)
      expect(yield* heard(0, 0.5 * period)).toBeGreaterThan(0)
    }), SLOWEST)
  })

  it("K18: while there is no document, the last one serves: links stay and envelopes go out", () => {
    withCourier([0, 1], ({ ask, commands, directory }) => Effect.gen(function*() {
      directory.document = undefined
      yield* Effect.sleep(2 * params.epochPeriodMs)
      yield* ask(queryOf(envelopeOf()))
      yield* Effect.sleep(60_000)
      expect(commands).toHaveLength(2)
    }), SLOWEST)
  })

  it("K19: commands leave at the same instants whether replies take no time or longer than many gaps", () => {
    const instantsWith = (answerMs: number) => withCourier([0, 1], ({ ask, instants }) => Effect.gen(function*() {
      for (let number = 0; number < 20; number++) {
        yield* ask(queryOf(envelopeOf()))
        yield* Effect.sleep(500)
      }
      return [0, 1].map((replicaId) => [...instants.get(replicaId)!])
    }), { answerMs })
    const prompt = instantsWith(0)
    expect(prompt[0]!.length).toBeGreaterThan(150)
    expect(instantsWith(3000)).toEqual(prompt)
  })

  it("K20, K21: unknown commands of a newer replica, and garbage, are named once per kind; the link goes on", () => {
    withCourier([0, 1], ({ answers, ask, warnings }) => Effect.gen(function*() {
      const unknown = new Uint8Array(pigeonhole.linkCommandBytes)
      unknown[0] = 99
      const envelope = envelopeOf()
      const payload = entropy(pigeonhole.envelopeReplyBytes)
      yield* ask(queryOf(envelope))
      answers.set(0, [unknown, unknown, new Uint8Array(0), new Uint8Array(7), unknown, replyFrame(envelope, 0, payload)])
      yield* Effect.sleep(3000)
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "payload", payload })
      expect(warnings).toHaveLength(2)
      expect(warnings[0]).toContain('"kind":99')
    }))
  })

  it("K23: after a restart nothing is remembered, and the client's next transmission builds it up again", () => {
    withCourier([0, 1], ({ answers, ask, commands, restart }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      const payload = entropy(pigeonhole.envelopeReplyBytes)
      yield* ask(queryOf(envelope))
      answers.set(0, [replyFrame(envelope, 0, payload)])
      yield* Effect.sleep(1000)
      expect((yield* ask(queryOf(envelope))).replyType).toBe("payload")
      yield* restart
      expect((yield* ask(queryOf(envelope))).replyType).toBe("ack")
      answers.set(1, [replyFrame(envelope, 1, payload)])
      yield* Effect.sleep(1000)
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "payload", replyIndex: 1, payload })
      expect(commands).toHaveLength(4)
    }))
  })

  it("a copy command is answered at once with in progress, in the one length, and ends with a verdict", () => {
    withCourier([0, 1, 2], ({ askRaw }) => Effect.gen(function*() {
      const query = new Uint8Array(geometry.userPayloadBytes)
      query.set(encodeCourierQuery({ _tag: "CopyCommand", copyCommand: { writeCap: entropy(168) } }))
      const look = Effect.map(askRaw(query), (reply) => Either.getOrThrow(decodeCourierQueryReplyTop(reply)))
      expect(yield* look).toMatchObject({ _tag: "CopyCommandReply", copyCommandReply: { status: 1 } })
      yield* Effect.sleep(1000)
      expect(yield* look).toMatchObject({ _tag: "CopyCommandReply", copyCommandReply: { status: 2, errorCode: 5, failedEnvelopeIndex: 0n } })
    }))
  })
})
