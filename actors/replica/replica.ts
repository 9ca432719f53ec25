/**
 * A storage replica: keeps boxes, answers couriers and fellow replicas.
 *
 * Contract: every command frame gets one reply frame at a time that does not depend on it (see reply-slots). The outer code of a sealed answer is 0
 * unless the sender consented (outer-code.ts); real codes are inside. Messages in work are bounded; beyond that they are dropped. Boxes and envelope keys
 * are handed in, so that they outlive a crash of the actor.
 * Source: pigeonhole.md §5.6, §5.7, §6.2; departures: as in its parts.
 *
 * @module
 */
import { Clock, Effect, Either, Exit, Option, Runtime } from "effect"
import { callerOf, callNow, followCall, later, mapped } from "../../src/actor/actor.ts"
import { CallsInWork } from "../../src/actor/calls-in-work.ts"
import { reportCrash } from "../../src/actor/crash-report.ts"
import { forkLoop } from "../../src/actor/loop.ts"
import { showMetric } from "../../src/actor/meter.ts"
import { Mount } from "../../src/actor/mount.ts"
import { attempted, hasEnded } from "../../src/actor/prompt.ts"
import { makeTimer } from "../../src/actor/timer.ts"
import { EntropySource, promptUniform, type Entropy } from "../../src/crypto/entropy.ts"
import { decapsulateMarked, nikeX25519, sealReply, type Nike } from "../../src/crypto/mkem.ts"
import { DropCounters } from "../../src/mixnet/drop-counters.ts"
import { decodeLinkFrame, makeReplicaLinks } from "../../src/node/replica-links.ts"
import { replicaEpochAt, replicaEpochOf } from "../../src/params/epoch.ts"
import { signDescriptor } from "../../src/pki/descriptor.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import type { Document } from "../../src/pki/document.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { publishDescriptors } from "../../src/pki/publish.ts"
import { EnvelopeHash, envelopeHash } from "../../src/pigeonhole/envelope.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { encodeLinkCommand, type LinkCommand } from "../../src/pigeonhole/link-command.ts"
import { outerCode, OUTCOME_CONSENT, type OuterErrorCode } from "../../src/pigeonhole/outer-code.ts"
import { padTo, unpad } from "../../src/pigeonhole/padding.ts"
import { decodeReplicaInnerMessage } from "../../src/pigeonhole/replica-message.ts"
import { encodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../src/pigeonhole/replica-reply.ts"
import { makeBalance } from "./balance.ts"
import type { BoxTable } from "./box-table.ts"
import { CopyExchange, copyHash } from "./copy-exchange.ts"
import type { EnvelopeKey, EnvelopeKeys } from "./envelope-keys.ts"
import { operate, type OperationsConfig } from "./operations.ts"
import { IN_WORK_LIMIT, Replica } from "./protocol.ts"
import { Proxy } from "./proxy.ts"
import { makeReplication } from "./replication.ts"
import { ReplySlots } from "./reply-slots.ts"
import { Store } from "./store.ts"

export interface ReplicaConfig extends NetworkSetting {
  readonly identity: Identity
  readonly replicaId: number
  readonly pigeonhole: PigeonholeGeometry
  readonly table: BoxTable
  readonly keys: EnvelopeKeys
  /** Masked when absent. */
  readonly outerErrorCode?: OuterErrorCode
}

/** A fellow's answer is waited for this many mean gaps of its link, and never longer than the reference's 30 s. */
const PROXY_GAPS = 40
const PROXY_LIMIT_MS = 30_000
/** The same for a copy, which may stand behind a full queue; no client waits for it. */
const COPY_GAPS = 160

type ReplicaMessage = Extract<LinkCommand, { readonly _tag: "ReplicaMessage" }>

interface Opened {
  readonly key: EnvelopeKey
  readonly paddedInner: Uint8Array
  /** Whether the sender lets the courier know how it went. */
  readonly consented: boolean
}

const openMessage = (config: ReplicaConfig, nike: Nike, message: ReplicaMessage, nowMs: number): Opened | undefined => {
  for (const key of config.keys.candidates(nowMs)) {
    const inner = decapsulateMarked(config.crypto, nike, key.privateKey, message.senderPublicKey, message.dek, message.ciphertext, OUTCOME_CONSENT)
    if (Either.isRight(inner)) return { key, paddedInner: inner.right.plaintext, consented: inner.right.isMarked }
  }
  return undefined
}

/** The frame that answers an envelope. @param reply sealed answer, empty for an early failure */
const replyFrame = (config: ReplicaConfig, hash: EnvelopeHash, errorCode: ReplicaErrorCode, reply: Uint8Array): Uint8Array =>
  encodeLinkCommand({ _tag: "ReplicaMessageReply", errorCode, envelopeHash: hash, replicaId: config.replicaId, reply }, config.pigeonhole.linkCommandBytes)

const sealAnswer = (
  config: ReplicaConfig,
  nike: Nike,
  entropy: Entropy,
  message: ReplicaMessage,
  opened: Opened,
  answer: ReplicaReplyInnerMessage
) =>
  padTo(encodeReplicaReplyInnerMessage(answer), config.pigeonhole.replyInnerPaddedBytes).pipe(
    Either.flatMap((padded) => sealReply(config.crypto, nike, opened.key.privateKey, message.senderPublicKey, padded, entropy))
  )

/** What the work of a command needs of the actor. */
interface Around {
  readonly operations: OperationsConfig
  readonly entropy: Entropy
  readonly document: () => Document | undefined
  readonly nowMs: () => number
}

/** From an envelope to the frame that answers it. */
const answerMessage = (config: ReplicaConfig, around: Around, message: ReplicaMessage, fromReplica: boolean): Effect.Effect<Uint8Array> => {
  const nike = nikeX25519(config.crypto)
  const hash = envelopeHash(config.crypto, message.senderPublicKey, message.ciphertext)
  const early = (errorCode: ReplicaErrorCode) => replyFrame(config, hash, errorCode, new Uint8Array(0))
  const nowMs = around.nowMs()
  const opened = openMessage(config, nike, message, nowMs)
  if (opened === undefined) return Exit.succeed(early(REPLICA_ERROR.invalidEpoch))
  const inner = Either.flatMap(unpad(opened.paddedInner), decodeReplicaInnerMessage)
  if (Either.isLeft(inner)) return Exit.succeed(early(REPLICA_ERROR.invalidPayload))
  const document = around.document()
  if (document === undefined) return Exit.succeed(early(REPLICA_ERROR.invalidEpoch))
  return mapped(operate(around.operations, document, inner.right, opened.paddedInner, fromReplica, nowMs), (answer) => {
    const sealed = sealAnswer(config, nike, around.entropy, message, opened, answer)
    const code = outerCode(config.outerErrorCode ?? "masked", opened.consented, answer.errorCode)
    return Either.isRight(sealed) ? replyFrame(config, hash, code, sealed.right) : early(REPLICA_ERROR.internalError)
  })
}

/** A command that is work. */
type Work = Extract<LinkCommand, { readonly _tag: "ReplicaMessage" | "ReplicaWrite" }>

/** What a frame asks for; undefined when a decoy is answer enough. */
const workIn = (config: ReplicaConfig, frame: Uint8Array, fromReplica: boolean): Work | undefined => {
  const command = decodeLinkFrame(frame, config.pigeonhole)
  return command?._tag === "ReplicaMessage" || (command?._tag === "ReplicaWrite" && fromReplica) ? command : undefined
}

/** The frame that answers a command; it may have ended, and may throw. */
const answerCommand = (config: ReplicaConfig, around: Around, command: Work, fromReplica: boolean): Effect.Effect<Uint8Array> => {
  if (command._tag === "ReplicaMessage") return answerMessage(config, around, command, fromReplica)
  const { boxId, payload, signature } = command
  const box = { boxId, payload, signature }
  return mapped(around.operations.store.write(box, replicaEpochAt(config.params, around.nowMs())), (errorCode) =>
    replyFrame(config, copyHash(config.crypto, box), errorCode, new Uint8Array(0)))
}

/** Rotates envelope keys. @returns the instant that was rotated to, Unix milliseconds */
const rotateKeys = (config: ReplicaConfig): Effect.Effect<number> =>
  Effect.tap(Clock.currentTimeMillis, (nowMs) =>
    config.keys.rotate(nowMs)
      ? Effect.void
      : Effect.annotateLogs(Effect.logError("an envelope key could not be kept on disk"), { actor: config.identity.name }))

const publish = (config: ReplicaConfig) =>
  publishDescriptors(config.params, config.authorityKeys.length, (epoch) =>
    Effect.map(rotateKeys(config), () => {
      const { identity, replicaId } = config
      return signDescriptor(config.crypto, identity.seed, {
        kind: "replica", name: identity.name, replicaId, epoch, ...identity.announced,
        envelopeKeys: config.keys.publicKeys(replicaEpochOf(config.params, epoch))
      })
    }))

/** Rotates envelope keys and drops expired boxes, at start and every 28th of a replica epoch. */
const housekeeping = (config: ReplicaConfig): Effect.Effect<void> =>
  Effect.gen(function*() {
    const nowMs = yield* rotateKeys(config)
    yield* config.table.dropBefore(replicaEpochAt(config.params, nowMs) - 1).pipe(
      Effect.catchTag("BoxTableFailed", () => Effect.annotateLogs(Effect.logError("expired boxes could not be dropped"), { actor: config.identity.name }))
    )
    yield* Effect.sleep(config.params.replicaEpochPeriodMs / 28)
  })

/** Links to the fellows, with those who read their answers. */
const makeFellows = (config: ReplicaConfig) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const pki = yield* PkiView
    const entropy = yield* EntropySource
    const timer = yield* makeTimer
    const name = config.identity.name
    const gapMs = 1 / config.params.lambdaRPerMs
    const offer = (replicaId: number, frame: Uint8Array, once: true): boolean => links.offer(replicaId, frame, once)
    const timeoutMs = Math.min(PROXY_LIMIT_MS, PROXY_GAPS * gapMs)
    const proxy: Proxy = new Proxy({ ...config, entropy, nike: nikeX25519(config.crypto), timeoutMs, offer, timer })
    const copies = new CopyExchange({
      ...config, linkCommandBytes: config.pigeonhole.linkCommandBytes, timeoutMs: COPY_GAPS * gapMs, offer, timer
    })
    const links = yield* makeReplicaLinks({
      ...config,
      name,
      replicas: Effect.map(Effect.option(pki.current), Option.match({
        onNone: () => [],
        onSome: (document) => document.replicas.filter((replica) => replica.replicaId !== config.replicaId)
      })),
      connect: (fellow) =>
        Effect.map(mount.connect(name, fellow, Replica), (client) => (frame: Uint8Array) =>
          mapped(callNow(client.ReplicaCommand, { frame }), (reply) => reply.frame)),
      onReply: (replicaId, frame) => {
        const command = decodeLinkFrame(frame, config.pigeonhole)
        if (command?._tag !== "ReplicaMessageReply") return undefined
        proxy.answered(command.envelopeHash, command.reply)
        copies.answered(replicaId, command.envelopeHash, command.errorCode)
        return undefined
      },
      onFailed: (replicaId) => Effect.sync(() => {
        proxy.lost(replicaId)
        copies.lost(replicaId)
      })
    })
    const replication = yield* makeReplication({ exchange: copies, table: config.table, gapMs })
    return { proxy, replication }
  })

/** Counts what happens: at once where it has ended, else whenever it is run. */
const counting = <A, E>(effect: Effect.Effect<A, E>, count: () => void): Effect.Effect<A, E> => {
  if (hasEnded(effect)) {
    count()
    return effect
  }
  return Effect.suspend(() => {
    count()
    return effect
  })
}

/** The table as the store uses it, with its reads and writes shown. */
const countedTable = (table: BoxTable) => {
  const operations = { read: 0, write: 0 }
  const counted: BoxTable = {
    ...table,
    get: (boxId, replicaEpochs) => counting(table.get(boxId, replicaEpochs), () => { operations.read += 1 }),
    put: (...given) => counting(table.put(...given), () => { operations.write += 1 })
  }
  return Effect.as(showMetric("replica_operations_total", () => operations), counted)
}

export const replica = (config: ReplicaConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const { proxy, replication } = yield* makeFellows(config)
    const store = new Store({ crypto: config.crypto, table: yield* countedTable(config.table), boxCiphertextBytes: config.pigeonhole.boxCiphertextBytes })
    const uniform = yield* promptUniform
    const operations: OperationsConfig = { ...config, store, proxy, replication, uniform }
    const slots = new ReplySlots(encodeLinkCommand({ _tag: "ReplicaDecoy" }, config.pigeonhole.linkCommandBytes), config.params.lambdaRPerMs)
    const works = new CallsInWork()
    const drops = new DropCounters()
    yield* showMetric("dropped_packets_total", () => drops.readings())
    yield* showMetric("queued", () => ({ work: works.size }))
    const pki = yield* PkiView
    const clock = yield* Effect.clock
    const around: Around = {
      operations, entropy: yield* EntropySource, document: () => pki.held(), nowMs: () => clock.unsafeCurrentTimeMillis()
    }
    const runtime = yield* Effect.runtime<never>()
    yield* Effect.addFinalizer(() => Effect.sync(() => works.callOffAll()))
    const work = (peer: string, command: Work, fromReplica: boolean): void => {
      if (works.size >= IN_WORK_LIMIT) return drops.count("service-queue-full")
      const call = works.begin()
      // what is called off here is not waited for: a write that is under way on disk goes on, and nobody is answered
      call.stop = followCall(runtime, attempted(() => answerCommand(config, around, command, fromReplica)), (exit) => {
        if (!works.end(call)) return
        if (Exit.isSuccess(exit)) return slots.push(peer, exit.value)
        drops.count("internal-error")
        Runtime.runFork(runtime, reportCrash("replica dropped a command", exit.cause, { actor: config.identity.name }))
      })
    }
    const timer = yield* makeTimer
    /** The reply is drawn and waited for in the same way whatever the command is. */
    const answer = (peer: string, frame: Uint8Array, fromReplica: boolean): Effect.Effect<{ readonly frame: Uint8Array }> => {
      const taken = slots.takeBy(peer, timer, uniform)
      return later((done) => {
        // the time of the reply runs before the work begins: what the work takes must not show in it
        const callOff = taken.begin((exit) => done(Exit.map(exit, (reply) => ({ frame: reply }))))
        const command = workIn(config, frame, fromReplica)
        if (command !== undefined) work(peer, command, fromReplica)
        return callOff
      })
    }
    yield* forkLoop("publication", config.identity.name, publish(config))
    yield* forkLoop("housekeeping", config.identity.name, housekeeping(config))
    yield* makeBalance({ ...config, name: config.identity.name, replication })
    yield* mount.serve(config.identity.name, Replica, Replica.toLayer({
      CourierCommand: ({ frame }, call) => answer(callerOf(call), frame, false),
      ReplicaCommand: ({ frame }, call) => answer(callerOf(call), frame, true)
    }))
    yield* ready
    return yield* Effect.never
  })
