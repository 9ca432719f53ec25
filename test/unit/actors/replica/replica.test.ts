/**
 * A replica as couriers and fellows meet it: rules R9, R11, R30, R32, E2, E4 and the masked outer code.
 *
 * Goal: one frame for one frame whatever is sent, real codes inside the seal only, answers under the key that opened the question.
 * Method: the actor over a mount in memory, in virtual time that starts with replica epoch 0; replica epochs of a minute.
 *
 * @module
 */
import { Context, Effect, Either, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { makeMemoryBoxTable } from "../../../../actors/replica/box-table-memory.ts"
import { copyHash } from "../../../../actors/replica/copy-exchange.ts"
import { EnvelopeKeys } from "../../../../actors/replica/envelope-keys.ts"
import { Replica } from "../../../../actors/replica/protocol.ts"
import { replica } from "../../../../actors/replica/replica.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { randomFromEntropy } from "../../../../src/crypto/entropy.ts"
import { encapsulate, nikeX25519, openReply } from "../../../../src/crypto/mkem.ts"
import { decodeLinkFrame } from "../../../../src/node/replica-links.ts"
import { Epoch, EPOCH_ORIGIN_MS } from "../../../../src/params/epoch.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { envelopeHash } from "../../../../src/pigeonhole/envelope.ts"
import { encodeLinkCommand, type LinkCommand } from "../../../../src/pigeonhole/link-command.ts"
import { padTo, unpad } from "../../../../src/pigeonhole/padding.ts"
import { encodeReplicaInnerMessage, type ReplicaInnerMessage } from "../../../../src/pigeonhole/replica-message.ts"
import { decodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../../../src/pigeonhole/replica-reply.ts"
import { Directory } from "../../../../src/pki/directory.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../../src/pki/pki-view.ts"
import { makeGeometry } from "../../../../src/sphinx/geometry.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { boxAt, crypto, entropyOf, pigeonhole } from "./sample-box.ts"

const nike = nikeX25519(crypto)
const params = { ...tinyParams, epochPeriodMs: 30_000, replicaEpochPeriodMs: 60_000 }
const geometry = Either.getOrThrow(makeGeometry(params.geometry))
const entropy = entropyOf("replica actor")
const seeds = [1, 2].map((byte) => new Uint8Array(32).fill(byte))
/** Two replicas are configured, so both are shards of every box; only the first is there. */
const document = {
  epoch: Epoch(0), params, replicas: [],
  configuredReplicas: seeds.map((seed, replicaId) => ({ replicaId, identityKey: crypto.ed25519PublicKey(seed) }))
} as unknown as Document
const box = boxAt(0, 1)
const read: ReplicaInnerMessage = { _tag: "Read", boxId: box.boxId }
const write: ReplicaInnerMessage = { _tag: "Write", ...box }
const decoy = encodeLinkCommand({ _tag: "ReplicaDecoy" }, pigeonhole.linkCommandBytes)

interface Question {
  readonly frame: Uint8Array
  readonly hash: Uint8Array
  readonly open: (reply: Uint8Array) => ReplicaReplyInnerMessage
}

const questionOf = (publicKey: Uint8Array, inner: Uint8Array): Question => {
  const sealed = Either.getOrThrow(encapsulate(crypto, nike, [publicKey], inner, entropy))
  const { ciphertext, deks, senderPrivateKey, senderPublicKey } = sealed
  return {
    frame: encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek: deks[0] as Uint8Array, ciphertext }, pigeonhole.linkCommandBytes),
    hash: envelopeHash(crypto, senderPublicKey, ciphertext),
    open: (reply) => Either.getOrThrow(openReply(crypto, nike, senderPrivateKey, publicKey, reply).pipe(
      Either.flatMap(unpad), Either.flatMap(decodeReplicaReplyInnerMessage)
    ))
  }
}
const padded = (message: ReplicaInnerMessage): Uint8Array => Either.getOrThrow(padTo(encodeReplicaInnerMessage(message), pigeonhole.innerPaddedBytes))

interface Bench {
  /** Sends one frame as a peer and gives the one frame that answers it. */
  readonly send: (peer: string, frame: Uint8Array, call?: "CourierCommand" | "ReplicaCommand") => Effect.Effect<Uint8Array>
  /** Sends a frame, then decoys until something other than a decoy comes. */
  readonly answerTo: (frame: Uint8Array) => Effect.Effect<LinkCommand | undefined>
  readonly keys: EnvelopeKeys
}

const withReplica = <A>(test: (bench: Bench) => Effect.Effect<A>, current: Document | "none" = document): A =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    yield* Effect.sleep(EPOCH_ORIGIN_MS)
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const keys = new EnvelopeKeys(params, nike, entropyOf("actor keys"))
    const life = replica({
      crypto, params, geometry, pigeonhole, authorityKeys: [], authorityThreshold: 1, replicaId: 0, keys,
      identity: makeIdentity(crypto, "replica-0", seeds[0] as Uint8Array), table: makeMemoryBoxTable(100)
    })
    const pki = {
      held: () => (current === "none" ? undefined : current),
      current: current === "none" ? Effect.fail(new NoDocument()) : Effect.succeed(current),
      forEpoch: () => Effect.die("not asked")
    }
    yield* Effect.forkScoped(life(Effect.void).pipe(
      Effect.provideService(Mount, mount), Effect.provideService(PkiView, pki),
      Effect.provideService(Directory, { postDescriptor: () => Effect.succeed(0), getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(0) })
    ))
    yield* Effect.sleep(1)
    const send: Bench["send"] = (peer, frame, call = "CourierCommand") => Effect.gen(function*() {
      const client = yield* mount.connect(peer, "replica-0", Replica)
      const { frame: reply } = yield* Effect.orDie(client[call]({ frame }))
      expect(reply.length).toBe(pigeonhole.linkCommandBytes)
      return reply
    }).pipe(Effect.scoped)
    const answerTo: Bench["answerTo"] = (frame) => Effect.gen(function*() {
      let reply = yield* send("courier-0", frame)
      for (let more = 0; more < 5 && decodeLinkFrame(reply, pigeonhole)?._tag === "ReplicaDecoy"; more++) reply = yield* send("courier-0", decoy)
      return decodeLinkFrame(reply, pigeonhole)
    })
    return yield* test({ send, answerTo, keys })
  })).pipe(Effect.withRandom(randomFromEntropy(entropyOf("actor delays")))))

const keyOf = (keys: EnvelopeKeys, replicaEpoch: number): Uint8Array => keys.publicKeys(replicaEpoch).get(replicaEpoch) as Uint8Array

describe("envelopes", () => {
  it("are answered under their hash with our id; the outer code is 0, real codes are inside", () => {
    withReplica(({ answerTo, keys }) => Effect.gen(function*() {
      const other: ReplicaInnerMessage = { _tag: "Write", ...boxAt(0, 2) }
      const expected: ReadonlyArray<readonly [ReplicaInnerMessage, number]> = [[read, 1], [write, 0], [write, 0], [other, 10], [read, 0]]
      const sizes = new Set<number>()
      for (const [message, code] of expected) {
        const question = questionOf(keyOf(keys, 0), padded(message))
        const answer = yield* answerTo(question.frame)
        expect(answer).toMatchObject({ _tag: "ReplicaMessageReply", errorCode: 0, replicaId: 0, envelopeHash: question.hash })
        if (answer?._tag !== "ReplicaMessageReply") continue
        expect(question.open(answer.reply)).toMatchObject({ _tag: message._tag === "Read" ? "ReadReply" : "WriteReply", errorCode: code })
        sizes.add(answer.reply.length)
      }
      expect([...sizes]).toEqual([pigeonhole.envelopeReplyBytes])
    }))
  })
  it("R30, R11: for a key that we do not hold get code 8 under their hash and with our id", () => {
    withReplica(({ answerTo }) => Effect.gen(function*() {
      const question = questionOf(nike.publicKey(entropy(32)), padded(read))
      expect(yield* answerTo(question.frame)).toEqual({
        _tag: "ReplicaMessageReply", errorCode: 8, envelopeHash: question.hash, replicaId: 0, reply: new Uint8Array(0)
      })
    }))
  })
  it("R30, E4: with an undecodable sender key, or one of low order, get code 8 under their hash and with our id, and the replica lives", () => {
    withReplica(({ answerTo, keys }) => Effect.gen(function*() {
      for (const senderPublicKey of [new Uint8Array(32), entropy(32)]) {
        const { dek, ciphertext } = { dek: entropy(60), ciphertext: entropy(pigeonhole.envelopeCiphertextBytes) }
        const frame = encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek, ciphertext }, pigeonhole.linkCommandBytes)
        expect(yield* answerTo(frame)).toEqual({
          _tag: "ReplicaMessageReply", errorCode: 8, envelopeHash: envelopeHash(crypto, senderPublicKey, ciphertext), replicaId: 0, reply: new Uint8Array(0)
        })
      }
      const question = questionOf(keyOf(keys, 0), padded(read))
      expect(yield* answerTo(question.frame)).toMatchObject({ errorCode: 0 })
    }))
  })
  it("E2: of a client that is one replica epoch ahead are answered under that epoch's key; two ahead there is no key", () => {
    withReplica(({ answerTo, keys }) => Effect.gen(function*() {
      const question = questionOf(keyOf(keys, 1), padded(read))
      const answer = yield* answerTo(question.frame)
      expect(answer?._tag === "ReplicaMessageReply" && question.open(answer.reply)).toMatchObject({ errorCode: 1 })
      expect(keys.publicKeys(2).has(2)).toBe(false)
    }))
  })
  it("whose contents do not parse get code 5; without a document every one gets code 8", () => {
    withReplica(({ answerTo, keys }) => Effect.gen(function*() {
      const garbage = questionOf(keyOf(keys, 0), entropy(pigeonhole.innerPaddedBytes).fill(0xff, 0, 4))
      expect(yield* answerTo(garbage.frame)).toMatchObject({ errorCode: 5, reply: new Uint8Array(0) })
    }))
    withReplica(({ answerTo, keys }) => Effect.gen(function*() {
      expect(yield* answerTo(questionOf(keyOf(keys, 0), padded(read)).frame)).toMatchObject({ errorCode: 8, reply: new Uint8Array(0) })
    }), "none")
  })
  it("R9: under the last epoch's key are opened and answered under the same key, those of the one before are not", () => {
    withReplica(({ answerTo, keys }) => Effect.gen(function*() {
      const old = keyOf(keys, 0)
      yield* Effect.sleep(1.5 * params.replicaEpochPeriodMs)
      const question = questionOf(old, padded(read))
      const answer = yield* answerTo(question.frame)
      expect(answer?._tag === "ReplicaMessageReply" && question.open(answer.reply)).toMatchObject({ errorCode: 1 })
      yield* Effect.sleep(params.replicaEpochPeriodMs)
      expect(yield* answerTo(questionOf(old, padded(read)).frame)).toMatchObject({ errorCode: 8 })
    }))
  })
})

describe("frames", () => {
  it("R32: garbage, other lengths and commands out of place get a decoy like a decoy does", () => {
    withReplica(({ send }) => Effect.gen(function*() {
      const odd = [decoy, entropy(pigeonhole.linkCommandBytes), entropy(0), entropy(7), new Uint8Array(1_000_000),
        encodeLinkCommand({ _tag: "ReplicaWrite", ...box }, pigeonhole.linkCommandBytes)]
      for (const frame of odd) for (let more = 0; more < 3; more++) expect(yield* send("courier-0", frame)).toEqual(decoy)
    }))
  })
  it("a fellow's copy is stored and never passed on; the fellow hears its code under the copy's hash, nobody else does", () => {
    withReplica(({ answerTo, keys, send }) => Effect.gen(function*() {
      let heard = yield* send("replica-1", encodeLinkCommand({ _tag: "ReplicaWrite", ...box }, pigeonhole.linkCommandBytes), "ReplicaCommand")
      for (let more = 0; more < 5 && decodeLinkFrame(heard, pigeonhole)?._tag === "ReplicaDecoy"; more++) {
        heard = yield* send("replica-1", decoy, "ReplicaCommand")
      }
      expect(decodeLinkFrame(heard, pigeonhole)).toEqual({
        _tag: "ReplicaMessageReply", errorCode: 0, envelopeHash: copyHash(crypto, box), replicaId: 0, reply: new Uint8Array(0)
      })
      const question = questionOf(keyOf(keys, 0), padded(read))
      const answer = yield* answerTo(question.frame)
      expect(answer?._tag === "ReplicaMessageReply" && question.open(answer.reply)).toMatchObject({ errorCode: 0, payload: box.payload })
    }))
  })
  it("a reply goes to the peer that asked, whatever others send meanwhile", () => {
    withReplica(({ keys, send }) => Effect.gen(function*() {
      const question = questionOf(keyOf(keys, 0), padded(read))
      const calls = [send("courier-0", question.frame), ...[1, 2, 3].map(() => send("courier-1", decoy))]
      const [, ...others] = yield* Effect.all(calls, { concurrency: "unbounded" })
      expect(others).toEqual([decoy, decoy, decoy])
    }))
  })
})
