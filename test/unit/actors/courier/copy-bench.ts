/**
 * Replicas in one object for copies of a courier: real envelopes and real boxes, no links.
 *
 * Goal: a copy job under test talks to counterparts that open its envelopes with their own keys and answer by the rules, or as the test tells them.
 * Method: the `offer` of a copy's setting puts a frame into a queue; a fiber opens it, acts on one store that all replicas share, and delivers the
 * answer to the waiters after some time. Boxes of the temporary stream are put into the store by hand. Virtual time, seeded randomness.
 *
 * @module
 */
import { Effect, Either, Queue, type Scope } from "effect"
import type { CopySetting } from "../../../../actors/courier/shard-question.ts"
import { ReplyWaiters } from "../../../../actors/courier/reply-waiters.ts"
import { shardIdsOf } from "../../../../actors/courier/shard-question.ts"
import { BoxId } from "../../../../src/bacap/box-id.ts"
import { boxIdOf, openBox, type SealedBox, sealBox } from "../../../../src/bacap/box.ts"
import { type MessageBoxIndex, nextIndex } from "../../../../src/bacap/box-index.ts"
import { newWriteCap, type WriteCap } from "../../../../src/bacap/capability.ts"
import { toHex } from "../../../../src/bytes/hex.ts"
import { randomFromEntropy, seededEntropy } from "../../../../src/crypto/entropy.ts"
import { decapsulateMarked, nikeX25519, sealReply } from "../../../../src/crypto/mkem.ts"
import { selectBackend } from "../../../../src/crypto/select-backend.ts"
import { decodeLinkFrame } from "../../../../src/node/replica-links.ts"
import { tinyParams as params } from "../../../../src/params/presets.ts"
import { envelopeHash } from "../../../../src/pigeonhole/envelope.ts"
import { REPLICA_ERROR, type ReplicaErrorCode, replicaErrorCode } from "../../../../src/pigeonhole/error-code.ts"
import { pigeonholeGeometry } from "../../../../src/pigeonhole/geometry.ts"
import { outerCode, OUTCOME_CONSENT } from "../../../../src/pigeonhole/outer-code.ts"
import { padTo, unpad } from "../../../../src/pigeonhole/padding.ts"
import { decodeReplicaInnerMessage, type ReplicaInnerMessage } from "../../../../src/pigeonhole/replica-message.ts"
import { encodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../../../src/pigeonhole/replica-reply.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { type CopyDestination, type CopyPlan, planCopy } from "../../../../src/storage/copy-plan.ts"
import { runVirtual } from "../../session/virtual-time.ts"

export const crypto = Either.getOrThrow(selectBackend())
export const pigeonhole = Either.getOrThrow(pigeonholeGeometry(params.geometry.userPayloadBytes, 32))
const nike = nikeX25519(crypto)
const REPLICA_COUNT = 5
const NO_BYTES = new Uint8Array(0)

/** One question as a replica saw it. */
export interface Seen {
  readonly replicaId: number
  readonly atMs: number
  readonly message: ReplicaInnerMessage
  readonly hash: string
}

/** What a test changes about one question; nothing is an honest answer after 100 ms. */
export interface Reaction {
  /** No answer ever. */
  readonly silent?: boolean
  /** The message was acted on, but this code is told instead. */
  readonly code?: number
  /** An early failure: no sealed answer, and the message was not acted on. */
  readonly earlyCode?: number
  readonly delayMs?: number
  /** How often the answer comes; 1 by default. */
  readonly times?: number
}

export interface CopyBench {
  readonly setting: CopySetting
  readonly boxes: Map<string, SealedBox>
  readonly seen: Array<Seen>
  /** Asked for every question in turn. */
  react: (seen: Seen, past: ReadonlyArray<Seen>) => Reaction
  /** What the courier sees as the document; undefined for none. */
  document: Document | undefined
  /** True: no queue has room. */
  full: boolean
  readonly shardsOf: (writeCap: WriteCap, index: MessageBoxIndex) => ReadonlyArray<number>
  /** What is under an index now: plaintext, "tombstone" or undefined. */
  readonly contentOf: (writeCap: WriteCap, index: MessageBoxIndex) => Uint8Array | "tombstone" | undefined
}

const actOn = (boxes: Map<string, SealedBox>, message: ReplicaInnerMessage): ReplicaReplyInnerMessage => {
  const held = boxes.get(toHex(message.boxId))
  if (message._tag === "Read") {
    const none = { boxId: BoxId.unsafe(new Uint8Array(32)), signature: new Uint8Array(64), payload: NO_BYTES }
    if (held === undefined) return { _tag: "ReadReply", errorCode: REPLICA_ERROR.boxNotFound, ...none }
    const errorCode = held.ciphertext.length === 0 ? REPLICA_ERROR.tombstone : REPLICA_ERROR.success
    return { _tag: "ReadReply", errorCode, boxId: held.boxId, signature: held.signature, payload: held.ciphertext }
  }
  const answer = (errorCode: ReplicaErrorCode) => ({ _tag: "WriteReply", errorCode }) as const
  if (message.payload.length !== 0 && message.payload.length !== pigeonhole.boxCiphertextBytes) return answer(REPLICA_ERROR.invalidPayload)
  if (!crypto.ed25519Verify(message.boxId, message.payload, message.signature)) return answer(REPLICA_ERROR.invalidSignature)
  if (held !== undefined && message.payload.length > 0 && toHex(held.ciphertext) !== toHex(message.payload)) return answer(REPLICA_ERROR.boxAlreadyExists)
  boxes.set(toHex(message.boxId), { boxId: message.boxId, ciphertext: message.payload, signature: message.signature })
  return answer(REPLICA_ERROR.success)
}

const withCode = (answer: ReplicaReplyInnerMessage, code: number | undefined): ReplicaReplyInnerMessage =>
  code === undefined ? answer : { ...answer, errorCode: replicaErrorCode(code) }

const makeBench = (clockMs: () => Effect.Effect<number>): Effect.Effect<CopyBench, never, Scope.Scope> =>
  Effect.gen(function*() {
    const entropy = seededEntropy("copy bench", "replicas")
    const keys = Array.from({ length: REPLICA_COUNT }, () => ({ identityKey: entropy(32), privateKey: entropy(32) }))
    const inbox = yield* Queue.unbounded<readonly [replicaId: number, frame: Uint8Array]>()
    const scope = yield* Effect.scope
    const waiters = new ReplyWaiters()
    const answer = (replicaId: number, frame: Uint8Array) =>
      Effect.gen(function*() {
        const command = decodeLinkFrame(frame, pigeonhole)
        const key = keys[replicaId]
        if (command?._tag !== "ReplicaMessage" || key === undefined) return
        const { ciphertext, dek, senderPublicKey } = command
        const opened = Either.getOrThrow(decapsulateMarked(crypto, nike, key.privateKey, senderPublicKey, dek, ciphertext, OUTCOME_CONSENT))
        const message = Either.getOrThrow(Either.flatMap(unpad(opened.plaintext), decodeReplicaInnerMessage))
        const hash = envelopeHash(crypto, senderPublicKey, ciphertext)
        const seen: Seen = { replicaId, atMs: yield* clockMs(), message, hash: toHex(hash) }
        const reaction = bench.react(seen, [...bench.seen])
        bench.seen.push(seen)
        yield* Effect.sleep(reaction.delayMs ?? 100)
        const early = reaction.earlyCode
        if (reaction.silent === true) return
        const inner = early === undefined ? withCode(actOn(bench.boxes, message), reaction.code) : undefined
        for (let time = 0; time < (reaction.times ?? 1); time++) {
          if (inner === undefined) {
            waiters.deliver(hash, replicaId, { errorCode: replicaErrorCode(early ?? 0), payload: NO_BYTES })
            continue
          }
          const padded = Either.getOrThrow(padTo(encodeReplicaReplyInnerMessage(inner), pigeonhole.replyInnerPaddedBytes))
          const payload = Either.getOrThrow(sealReply(crypto, nike, key.privateKey, senderPublicKey, padded, entropy))
          waiters.deliver(hash, replicaId, { errorCode: outerCode("masked", opened.isMarked, inner.errorCode), payload })
        }
      })
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(inbox), ([replicaId, frame]) => Effect.forkIn(answer(replicaId, frame), scope))))
    const configuredReplicas = keys.map(({ identityKey }, replicaId) => ({ replicaId, identityKey }))
    const document = {
      epoch: 0, params, configuredReplicas,
      serviceNodes: [{ identityKey: entropy(32), services: [{ capability: "courier", endpoint: "courier-0" }] }],
      replicas: keys.map(({ identityKey, privateKey }, replicaId) =>
        ({ name: `replica-${replicaId}`, replicaId, identityKey, envelopeKeys: new Map([[0, nike.publicKey(privateKey)]]) }))
    } as unknown as Document
    const idOf = (writeCap: WriteCap, index: MessageBoxIndex) => Either.getOrThrow(boxIdOf(crypto, writeCap.publicKey, index))
    const bench: CopyBench = {
      boxes: new Map(), seen: [], react: () => ({}), document, full: false,
      setting: {
        crypto, params, pigeonhole, entropy: seededEntropy("copy bench", "courier"), waiters,
        document: Effect.sync(() => bench.document),
        offer: (replicaId, frame) => {
          expectLength(frame)
          if (bench.full) return false
          Queue.unsafeOffer(inbox, [replicaId, frame] as const)
          return true
        }
      },
      shardsOf: (writeCap, index) => shardIdsOf(crypto, document, idOf(writeCap, index)),
      contentOf: (writeCap, index) => {
        const held = bench.boxes.get(toHex(idOf(writeCap, index)))
        if (held === undefined) return undefined
        const opened = Either.getOrThrow(openBox(crypto, writeCap.publicKey, index, held))
        return opened._tag === "Tombstone" ? "tombstone" : Either.getOrThrow(unpad(opened.plaintext))
      }
    }
    return bench
  })

/** Every command of a courier has one length, whatever it is for. */
const expectLength = (frame: Uint8Array): void => {
  if (frame.length !== pigeonhole.linkCommandBytes) throw new Error(`a command of ${frame.length} bytes`)
}

/** Runs a test with replicas and a courier's setting, in virtual time. */
export const withReplicas = <A, E>(test: (bench: CopyBench) => Effect.Effect<A, E, Scope.Scope>): A =>
  runVirtual(
    Effect.scoped(Effect.flatMap(makeBench(() => Effect.clockWith((clock) => clock.currentTimeMillis)), test))
      .pipe(Effect.withRandom(randomFromEntropy(seededEntropy("copy bench", "random"))))
  )

const SOURCE = seededEntropy("copy bench", "client")

/** Destination boxes of a stream of their own, with `first, first + 1, …` in them. */
export const destinationsOf = (count: number, first = 1): ReadonlyArray<CopyDestination> => {
  const writeCap = newWriteCap(crypto, SOURCE)
  const destinations: Array<CopyDestination> = []
  for (let index = writeCap.index; destinations.length < count; index = Either.getOrThrow(nextIndex(crypto, index))) {
    destinations.push({ writeCap, index, plaintext: Uint8Array.of(first + destinations.length) })
  }
  return destinations
}

/** The plan of a copy, its temporary boxes in the store. */
export const planned = (bench: CopyBench, destinations: ReadonlyArray<CopyDestination>): CopyPlan => {
  const plan = Either.getOrThrow(planCopy({ crypto, geometry: pigeonhole, document: bench.document!, entropy: SOURCE, destinations }))
  storeStream(bench, plan.temporary, plan.elements)
  return plan
}

/** Puts the boxes of a temporary stream into the store. @returns their indexes */
export const storeStream = (bench: CopyBench, writeCap: WriteCap, elements: ReadonlyArray<Uint8Array>): ReadonlyArray<MessageBoxIndex> => {
  const indexes: Array<MessageBoxIndex> = []
  let index = writeCap.index
  for (const element of elements) {
    const box = sealBox(crypto, writeCap, index, Either.getOrThrow(padTo(element, pigeonhole.paddedPlaintextBytes)))
    bench.boxes.set(toHex(box.boxId), box)
    indexes.push(index)
    index = Either.getOrThrow(nextIndex(crypto, index))
  }
  return indexes
}

/** The indexes of a stream's first boxes. */
export const indexesOf = (writeCap: WriteCap, count: number): ReadonlyArray<MessageBoxIndex> => {
  const indexes = [writeCap.index]
  while (indexes.length < count) indexes.push(Either.getOrThrow(nextIndex(crypto, indexes.at(-1)!)))
  return indexes
}
