/**
 * Reads and writes of a replica, its own and on behalf of others, rules R12 to R17.
 *
 * Goal: one hop at most, the other shard when the first cannot help, repair of a shard that missed a box, nothing for a silent one.
 * Method: four replicas with real stores and real envelopes between them, joined by a function; a fellow can be silenced.
 *
 * @module
 */
import { Cause, Clock, Effect, Either, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { BoxTableFailed, type BoxTable } from "../../../../actors/replica/box-table.ts"
import { makeMemoryBoxTable } from "../../../../actors/replica/box-table-memory.ts"
import { operate, type OperationsConfig } from "../../../../actors/replica/operations.ts"
import { OUTSTANDING_LIMIT, Proxy } from "../../../../actors/replica/proxy.ts"
import { Store } from "../../../../actors/replica/store.ts"
import { later } from "../../../../src/actor/actor.ts"
import { makeTimer, type Timer } from "../../../../src/actor/timer.ts"
import { decapsulate, nikeX25519, sealReply } from "../../../../src/crypto/mkem.ts"
import { decodeLinkFrame } from "../../../../src/node/replica-links.ts"
import { Epoch } from "../../../../src/params/epoch.ts"
import { tinyParams as params } from "../../../../src/params/presets.ts"
import { envelopeHash } from "../../../../src/pigeonhole/envelope.ts"
import { REPLICA_ERROR } from "../../../../src/pigeonhole/error-code.ts"
import { padTo, unpad } from "../../../../src/pigeonhole/padding.ts"
import { decodeReplicaInnerMessage, encodeReplicaInnerMessage, type ReplicaInnerMessage } from "../../../../src/pigeonhole/replica-message.ts"
import { encodeReplicaReplyInnerMessage } from "../../../../src/pigeonhole/replica-reply.ts"
import { shardKeyIndexes } from "../../../../src/pigeonhole/shard.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { boxAt, crypto, entropyOf, pigeonhole, tombstoneAt } from "./sample-box.ts"

const nike = nikeX25519(crypto)
const ids = [0, 1, 2, 3]
const identityKeys = ids.map((id) => crypto.ed25519PublicKey(new Uint8Array(32).fill(id + 1)))
const box = boxAt(0, 1)
const shards: ReadonlyArray<number> = Either.getOrThrow(shardKeyIndexes(crypto, identityKeys, box.boxId))
const [first, second] = shards as readonly [number, number]
const outsider = ids.find((id) => !shards.includes(id)) as number
const { boxAlreadyExists, boxNotFound, databaseFailure, replicationFailed, success, tombstone } = REPLICA_ERROR

const padded = (message: ReplicaInnerMessage): Uint8Array => Either.getOrThrow(padTo(encodeReplicaInnerMessage(message), pigeonhole.innerPaddedBytes))
const read: ReplicaInnerMessage = { _tag: "Read", boxId: box.boxId }
const write: ReplicaInnerMessage = { _tag: "Write", ...box }

/** A table on a disk that answers nothing any more. */
const brokenTable: BoxTable = { ...makeMemoryBoxTable(0), isFull: () => false, get: () => new BoxTableFailed({ operation: "get" }) }

const draws = entropyOf("coins")
const uniform = (): number => (draws(1)[0] as number) / 256
/** That of the clock under which the last operation runs. */
let timerNow: Timer | undefined
const timer: Timer = (task, delayMs) => timerNow?.(task, delayMs) ?? (() => undefined)

/** Makes the timer that of the fiber that asks. */
const timed = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(makeTimer, (made) => {
    timerNow = made
    return effect
  })

/** `operate` at the instant of the fiber that runs it. */
const operateNow = (config: OperationsConfig, document: Document, message: ReplicaInnerMessage, inner: Uint8Array, fromReplica: boolean) =>
  timed(Effect.flatMap(Clock.currentTimeMillis, (nowMs) => operate(config, document, message, inner, fromReplica, nowMs)))

/** Four replicas; `asked` and `copies` tell who asked whom and what was copied to whom. */
const makeReplicas = (silent: ReadonlySet<number> = new Set(), broken: ReadonlySet<number> = new Set()) => {
  const privateKeys = ids.map((id) => entropyOf(`envelope ${id}`)(32))
  const document = {
    epoch: Epoch(0), params,
    replicas: ids.map((id) => ({
      kind: "replica", name: `replica-${id}`, replicaId: id, epoch: Epoch(0), identityKey: identityKeys[id] as Uint8Array,
      envelopeKeys: new Map([[0, nike.publicKey(privateKeys[id] as Uint8Array)]])
    })),
    configuredReplicas: ids.map((id) => ({ replicaId: id, identityKey: identityKeys[id] as Uint8Array }))
  } as unknown as Document
  const asked: Array<number> = []
  const copies: Array<readonly [number, StoredBox]> = []
  const wire: Array<Uint8Array> = []
  const inbox: Array<Effect.Effect<void>> = []
  const configs: Array<OperationsConfig> = ids.map((id) => {
    const proxy: Proxy = new Proxy({
      crypto, nike, entropy: entropyOf(`proxy ${id}`), pigeonhole, timeoutMs: 1600, timer,
      offer: (to, frame) => {
        asked.push(to)
        wire.push(frame)
        if (!silent.has(to)) inbox.push(answer(to, frame, proxy))
        return true
      }
    })
    const table = broken.has(id) ? brokenTable : makeMemoryBoxTable(100)
    const store = new Store({ crypto, table, boxCiphertextBytes: pigeonhole.boxCiphertextBytes })
    const replication = { send: (to: number, copy: StoredBox) => { copies.push([to, copy]) } }
    return { crypto, params, replicaId: id, store, proxy, replication, uniform }
  })
  const answer = (id: number, frame: Uint8Array, asker: Proxy): Effect.Effect<void> =>
    Effect.gen(function*() {
      const command = decodeLinkFrame(frame, pigeonhole)
      if (command?._tag !== "ReplicaMessage") return
      const { ciphertext, dek, senderPublicKey } = command
      const inner = Either.getOrThrow(decapsulate(crypto, nike, privateKeys[id] as Uint8Array, senderPublicKey, dek, ciphertext))
      const message = Either.getOrThrow(Either.flatMap(unpad(inner), decodeReplicaInnerMessage))
      const reply = yield* operateNow(configs[id] as OperationsConfig, document, message, inner, true)
      const sealed = sealReply(crypto, nike, privateKeys[id] as Uint8Array, senderPublicKey,
        Either.getOrThrow(padTo(encodeReplicaReplyInnerMessage(reply), pigeonhole.replyInnerPaddedBytes)), entropyOf(`answer ${id}`))
      asker.answered(envelopeHash(crypto, senderPublicKey, ciphertext), Either.getOrThrow(sealed))
    })
  const deliver = Effect.forever(Effect.zipRight(Effect.sleep(5), Effect.suspend(() => inbox.shift() ?? Effect.void)))
  const ask = (id: number, message: ReplicaInnerMessage, fromReplica = false) =>
    Effect.raceFirst(operateNow(configs[id] as OperationsConfig, document, message, padded(message), fromReplica), deliver)
  const storeOf = (id: number): Store => (configs[id] as OperationsConfig).store
  return { ask, asked, copies, storeOf, wire, document, configs }
}

describe("a shard", () => {
  it("stores a write and copies it to the other shard alone", () => {
    const { ask, asked, copies } = makeReplicas()
    expect(runVirtual(ask(first, write))).toEqual({ _tag: "WriteReply", errorCode: success })
    expect([asked, copies]).toEqual([[], [[second, { boxId: box.boxId, payload: box.payload, signature: box.signature }]]])
  })
  it("copies nothing that it refused", () => {
    const { ask, copies } = makeReplicas()
    const other: ReplicaInnerMessage = { _tag: "Write", ...boxAt(0, 2) }
    expect(runVirtual(Effect.zipRight(ask(first, write), ask(first, other)))).toEqual({ _tag: "WriteReply", errorCode: boxAlreadyExists })
    expect(copies).toHaveLength(1)
  })
  it("answers reads from its own store, and asks nobody", () => {
    const { ask, asked, storeOf } = makeReplicas()
    expect(runVirtual(ask(first, read))).toMatchObject({ errorCode: boxNotFound })
    runVirtual(storeOf(first).write(box, 0))
    expect(runVirtual(ask(first, read))).toEqual({ _tag: "ReadReply", errorCode: success, ...box })
    expect(asked).toEqual([])
  })
})

describe("a shard whose disk fails", () => {
  it("says so to reads and writes, and copies nothing", () => {
    const { ask, copies } = makeReplicas(new Set(), new Set([first]))
    expect(runVirtual(ask(first, read))).toMatchObject({ _tag: "ReadReply", errorCode: databaseFailure })
    expect(runVirtual(ask(first, write))).toEqual({ _tag: "WriteReply", errorCode: databaseFailure })
    expect(copies).toEqual([])
  })
  it("is passed over by another replica, and not repaired", () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const { ask, copies, storeOf } = makeReplicas(new Set(), new Set([first]))
      runVirtual(storeOf(second).write(box, 0))
      expect(runVirtual(ask(outsider, read))).toEqual({ _tag: "ReadReply", errorCode: success, ...box })
      expect(copies).toEqual([])
    }
  })
})

describe("another replica", () => {
  it("passes a write to one shard, which stores it and copies it", () => {
    const { ask, asked, copies } = makeReplicas()
    expect(runVirtual(ask(outsider, write))).toEqual({ _tag: "WriteReply", errorCode: success })
    expect(asked).toHaveLength(1)
    expect(shards).toContain(asked[0])
    expect(copies.map(([to]) => to)).toEqual(shards.filter((id) => id !== asked[0]))
  })
  it("R13: reads a box that one shard alone has, and repairs the shard that said not found", () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const { ask, asked, copies, storeOf } = makeReplicas()
      runVirtual(storeOf(second).write(box, 0))
      expect(runVirtual(ask(outsider, read))).toEqual({ _tag: "ReadReply", errorCode: success, ...box })
      expect(copies.map(([to, copy]) => [to, copy.payload])).toEqual(asked[0] === first ? [[first, box.payload]] : [])
    }
  })
  it("R13: a tombstone ends the search and repairs like a box", () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const { ask, asked, copies, storeOf } = makeReplicas()
      runVirtual(storeOf(second).write(tombstoneAt(0), 0))
      expect(runVirtual(ask(outsider, read))).toMatchObject({ errorCode: tombstone })
      expect(copies.map(([to, copy]) => [to, copy.payload.length])).toEqual(asked[0] === first ? [[first, 0]] : [])
    }
  })
  it("R14: a silent shard costs its time and is not repaired; the other one serves", () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const { ask, copies, storeOf } = makeReplicas(new Set([first]))
      runVirtual(storeOf(second).write(box, 0))
      expect(runVirtual(ask(outsider, read))).toMatchObject({ errorCode: success })
      expect(copies).toEqual([])
    }
  })
  it("R12: a shard whose link dies is left at once for the other one, long before the proxy timeout", () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const { ask, asked, configs, storeOf } = makeReplicas(new Set([first]))
      runVirtual(storeOf(second).write(box, 0))
      const dying = Effect.zipRight(Effect.sleep(50), Effect.sync(() => (configs[outsider] as OperationsConfig).proxy.lost(first)))
      const [reply, tookMs] = runVirtual(Effect.gen(function*() {
        yield* Effect.fork(dying)
        return [yield* ask(outsider, read), yield* Clock.currentTimeMillis] as const
      }))
      expect(reply).toMatchObject({ errorCode: success })
      expect(tookMs).toBeLessThan(asked[0] === first ? 100 : 50)
    }
  })
  it("R16: 200 questions that wait for silent shards do not delay a read of what is here", () => {
    const { configs, document, storeOf } = makeReplicas(new Set(ids))
    const here = Array.from({ length: 20 }, (_, step) => boxAt(step, 1)).find(({ boxId }) =>
      Either.getOrThrow(shardKeyIndexes(crypto, identityKeys, boxId)).includes(outsider)) as StoredBox
    runVirtual(Effect.gen(function*() {
      yield* storeOf(outsider).write(here, 0)
      const config = configs[outsider] as OperationsConfig
      yield* Effect.replicateEffect(Effect.fork(operateNow(config, document, read, padded(read), false)), 200)
      yield* Effect.sleep(10)
      expect(config.proxy.outstanding).toBe(200)
      const message: ReplicaInnerMessage = { _tag: "Read", boxId: here.boxId }
      expect(yield* operateNow(config, document, message, padded(message), false)).toMatchObject({ errorCode: success })
      expect(yield* Clock.currentTimeMillis).toBe(10)
    }))
  })
  it("E4: a shard whose published key is of low order is passed over; the other one serves", () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const { ask, document, storeOf } = makeReplicas()
      runVirtual(storeOf(second).write(box, 0))
      const keys = document.replicas[first]?.envelopeKeys as Map<number, Uint8Array>
      keys.set(0, new Uint8Array(32))
      expect(runVirtual(ask(outsider, read))).toMatchObject({ errorCode: success })
    }
  })
  it("two silent shards give replication failed, two that miss give not found", () => {
    expect(runVirtual(makeReplicas(new Set(shards)).ask(outsider, read))).toMatchObject({ _tag: "ReadReply", errorCode: replicationFailed })
    expect(runVirtual(makeReplicas(new Set(shards)).ask(outsider, write))).toEqual({ _tag: "WriteReply", errorCode: replicationFailed })
    expect(runVirtual(makeReplicas().ask(outsider, read))).toMatchObject({ _tag: "ReadReply", errorCode: boxNotFound })
  })
  it("R15: what a fellow asks goes no further: reads are answered locally, writes refused and not stored", () => {
    const { ask, asked, storeOf } = makeReplicas()
    expect(runVirtual(ask(outsider, read, true))).toMatchObject({ errorCode: boxNotFound })
    expect(runVirtual(ask(outsider, write, true))).toEqual({ _tag: "WriteReply", errorCode: replicationFailed })
    expect(asked).toEqual([])
    expect(runVirtual(storeOf(outsider).find(box.boxId, 0))).toBeUndefined()
  })
  it("R17: a document with too few replicas for a shard pair fails the operation and nothing else", () => {
    const { configs, document } = makeReplicas()
    const lonely = { ...document, configuredReplicas: document.configuredReplicas.slice(0, 1) }
    expect(runVirtual(operateNow(configs[0] as OperationsConfig, lonely, read, padded(read), false))).toMatchObject({ errorCode: replicationFailed })
  })
  it("two questions about one box differ in every envelope, and each frame has the link's length", () => {
    const { ask, wire } = makeReplicas()
    runVirtual(Effect.zipRight(ask(outsider, write), ask(outsider, read)))
    expect(wire.map((frame) => frame.length)).toEqual(wire.map(() => pigeonhole.linkCommandBytes))
    expect(Buffer.from(wire[0] as Uint8Array).equals(Buffer.from(wire[1] as Uint8Array))).toBe(false)
  })
})

describe("questions to fellows", () => {
  const publicKey = nike.publicKey(entropyOf("key")(32))
  const proxyWith = (offer: () => boolean) => {
    const secrets: Array<Uint8Array> = []
    const entropy = entropyOf("questions")
    const recorded = (byteCount: number): Uint8Array => {
      const bytes = entropy(byteCount)
      if (byteCount === 32) secrets.push(bytes)
      return bytes
    }
    return { proxy: new Proxy({ crypto, nike, entropy: recorded, pigeonhole, timeoutMs: 1600, timer, offer }), secrets }
  }
  it("that meet a defect, at the first shard or at the second, die alone", () => {
    const { configs, document } = makeReplicas()
    const config = configs[outsider] as OperationsConfig
    for (const good of [0, 1]) {
      let asked = 0
      const ask = (): ReturnType<Proxy["ask"]> => {
        if (asked++ === good) throw new RangeError("broken")
        return later((done) => timer(() => done(Exit.succeed(undefined)), 10))
      }
      const exit = runVirtual(Effect.exit(operateNow({ ...config, proxy: { ask } as unknown as Proxy }, document, read, padded(read), false)))
      expect([asked, Exit.isFailure(exit) && Cause.isDie(exit.cause)]).toEqual([good + 1, true])
    }
  })
  it("leave neither a waiter nor a private key behind, whether refused by a full queue, unanswered or interrupted", () => {
    const refused = proxyWith(() => false)
    expect(runVirtual(timed(refused.proxy.ask(1, publicKey, padded(read))))).toBeUndefined()
    const silent = proxyWith(() => true)
    expect(runVirtual(timed(silent.proxy.ask(1, publicKey, padded(read))))).toBeUndefined()
    const interrupted = proxyWith(() => true)
    runVirtual(Effect.timeoutOption(timed(interrupted.proxy.ask(1, publicKey, padded(read))), 10))
    for (const { proxy, secrets } of [refused, silent, interrupted]) {
      expect(proxy.outstanding).toBe(0)
      expect(secrets[0]?.every((byte) => byte === 0)).toBe(true)
    }
  })
  it("are bounded: one too many fails at once", () => {
    const { proxy } = proxyWith(() => true)
    const waiting = runVirtual(Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: OUTSTANDING_LIMIT }), () => Effect.fork(proxy.ask(1, publicKey, padded(read))))
      yield* Effect.sleep(1)
      const startCount = proxy.outstanding
      yield* proxy.ask(1, publicKey, padded(read))
      return [startCount, proxy.outstanding]
    }))
    expect(waiting).toEqual([OUTSTANDING_LIMIT, OUTSTANDING_LIMIT])
  })
  it("an answer nobody waits for, or that does not open, changes nothing", () => {
    const { proxy } = proxyWith(() => true)
    proxy.answered(new Uint8Array(32), new Uint8Array(10))
    expect(proxy.outstanding).toBe(0)
  })
})
