/**
 * The client's side of copies.
 *
 * Goal: what a plan holds is what the replicas can open and nobody else; the command is repeated to one courier until it says how it ended, and another is
 * taken when that can help; every ending is a typed one.
 * Method: real envelopes and boxes against the fake storage, in virtual time; couriers answer copy commands as the test says.
 *
 * @module
 */
import { Effect, Either, Option, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { nextIndex } from "../../../src/bacap/box-index.ts"
import { encodeWriteCap, newWriteCap } from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { decapsulateMarked, nikeX25519 } from "../../../src/crypto/mkem.ts"
import { decodeCourierQueryTop } from "../../../src/pigeonhole/courier-query.ts"
import { copyStreamDecoder } from "../../../src/pigeonhole/copy-stream.ts"
import { copyStatus, replicaErrorCode } from "../../../src/pigeonhole/error-code.ts"
import { outerCode, OUTCOME_CONSENT } from "../../../src/pigeonhole/outer-code.ts"
import { unpad } from "../../../src/pigeonhole/padding.ts"
import { decodeReplicaInnerMessage } from "../../../src/pigeonhole/replica-message.ts"
import { PkiView } from "../../../src/pki/pki-view.ts"
import { SessionPool } from "../../../src/session/session-pool.ts"
import type { BoxStore } from "../../../src/storage/box-store.ts"
import { type CopyDestination, CopyImpossible, planCopy } from "../../../src/storage/copy-plan.ts"
import { copyBoxes, CopyFailed } from "../../../src/storage/copy-run.ts"
import { sealQuery } from "../../../src/storage/sealed-query.ts"
import { StorageError } from "../../../src/storage/storage-error.ts"
import { crypto } from "../session/fake-network.ts"
import { GEOMETRY, type StorageScript } from "./fake-storage.ts"
import { type StoreBench, withStore, WRITE_CAP } from "./store-bench.ts"

const destinationsOf = (count: number): ReadonlyArray<CopyDestination> => {
  const destinations: Array<CopyDestination> = []
  for (let index = WRITE_CAP.index; destinations.length < count; index = Either.getOrThrow(nextIndex(crypto, index))) {
    destinations.push({ writeCap: WRITE_CAP, index, plaintext: Uint8Array.of(destinations.length) })
  }
  return destinations
}
const reply = (status: number, code = 0, index = 0n) =>
  ({ status: copyStatus(status), errorCode: replicaErrorCode(code), failedEnvelopeIndex: index })
const PROGRESS = reply(1)
const SUCCESS = reply(0)

/** A session that sends three packets a second: minutes of its life take no time. */
const SLOW = { params: { lambdaPPerMs: 0.003, lambdaLPerMs: 0.00001 } }

/** Runs one copy of two boxes under a script. */
const copyTwo = (copy: NonNullable<StorageScript["copy"]>, act: (bench: StoreBench) => Effect.Effect<unknown, never, Scope.Scope> = () => Effect.void) =>
  withStore({ script: { copy }, network: SLOW }, (bench) => Effect.gen(function* () {
    yield* Effect.forkScoped(act(bench))
    const result = yield* Effect.either(provided(bench, copyBoxes(destinationsOf(2), { windowCount: 4 })))
    return { result, commands: bench.storage.commands, boxes: bench.storage.boxes.size, statistics: yield* bench.pool.sessions[0]!.statistics }
  }))

const provided = <A, E>({ network, pool }: StoreBench, work: Effect.Effect<A, E, BoxStore | SessionPool | PkiView | Crypto>) =>
  work.pipe(Effect.provideService(SessionPool, pool), Effect.provideService(PkiView, network.pki), Effect.provideService(Crypto, crypto))

const failure = <A>(result: Either.Either<A, unknown>) => Option.getOrUndefined(Either.getLeft(result))

describe("a plan", () => {
  const plan = (destinations: ReadonlyArray<CopyDestination>) => withStore({}, ({ network, storage }) =>
    Effect.succeed({ storage, planned: planCopy({
      crypto, geometry: GEOMETRY, document: network.document!, entropy: seededEntropy("copy plan", "entropy"), destinations
    }) }))

  it("holds every destination in order, in envelopes that two replicas open, each with consent and fresh keys", () => {
    const { planned, storage } = plan(destinationsOf(5))
    const { elements, envelopeCount } = Either.getOrThrow(planned)
    const decoder = copyStreamDecoder(GEOMETRY)
    const envelopes = elements.flatMap((element) => Either.getOrThrow(decoder.push(element)).completed.map(({ envelope }) => envelope))
    expect([envelopes.length, envelopeCount]).toEqual([5, 5])
    expect(elements.every(({ length }) => length <= GEOMETRY.maxPlaintextBytes)).toBe(true)
    expect(new Set(envelopes.map(({ senderPublicKey }) => toHex(senderPublicKey))).size).toBe(5)
    const messages = envelopes.map(({ ciphertext, deks, intermediateReplicas, senderPublicKey }) =>
      intermediateReplicas.map((id, slot) => {
        const key = storage.replicas.find(({ replicaId }) => replicaId === id)!.privateKeys.get(0)!
        const opened = Either.getOrThrow(decapsulateMarked(crypto, nikeX25519(crypto), key, senderPublicKey, deks[slot]!, ciphertext, OUTCOME_CONSENT))
        expect(opened.isMarked).toBe(true)
        return Either.getOrThrow(Either.flatMap(unpad(opened.plaintext), decodeReplicaInnerMessage))
      }))
    for (const [first, second] of messages) expect(first).toEqual(second)
    expect(new Set(messages.map(([message]) => toHex(message!.boxId))).size).toBe(5)
  })

  it("ordinary envelopes bear no consent, and without it the outer code of a masked network is 0", () => {
    const isMarked = withStore({}, ({ network, storage }) => Effect.sync(() => {
      const { boxId } = { boxId: new Uint8Array(32) as never }
      const query = Either.getOrThrow(sealQuery({
        crypto, geometry: GEOMETRY, document: network.document!, boxId, message: { _tag: "Read", boxId },
        entropy: seededEntropy("copy plan", "read"), pick: () => 0
      }))
      const decoded = Either.getOrThrow(decodeCourierQueryTop(query.queryBytes))
      if (decoded._tag !== "Envelope") throw new Error("not an envelope")
      const { ciphertext, deks, intermediateReplicas, senderPublicKey } = decoded.envelope
      const key = storage.replicas.find(({ replicaId }) => replicaId === intermediateReplicas[0])!.privateKeys.get(0)!
      return Either.getOrThrow(decapsulateMarked(crypto, nikeX25519(crypto), key, senderPublicKey, deks[0], ciphertext, OUTCOME_CONSENT)).isMarked
    }))
    expect(isMarked).toBe(false)
    const code = replicaErrorCode(10)
    expect([outerCode("masked", false, code), outerCode("masked", true, code), outerCode("katzenpost", false, code)]).toEqual([0, 10, 10])
  })

  it("of nothing, of too much, or of a box too long is refused before anything is sent", () => {
    expect(failure(plan([]).planned)).toEqual(new CopyImpossible({ reason: "nothing-to-copy" }))
    const many = Array.from<CopyDestination>({ length: 2 ** 16 + 1 }).fill(destinationsOf(1)[0]!)
    expect(failure(plan(many).planned)).toEqual(new CopyImpossible({ reason: "too-large" }))
    const long = { ...destinationsOf(1)[0]!, plaintext: new Uint8Array(GEOMETRY.maxPlaintextBytes + 1) }
    expect(failure(plan([long]).planned)).toEqual(new StorageError({ reason: "plaintext-too-long" }))
  })
})

describe("a copy", () => {
  it("is commanded after its stream is stored, to one courier, looked at about every 5 s under fresh reply blocks, until it has succeeded", () => {
    const { boxes, commands, result, statistics } = copyTwo((_, look) => (look < 5 ? PROGRESS : SUCCESS))
    expect(result).toEqual(Either.right(undefined))
    expect(boxes).toBe(3)
    expect(commands).toHaveLength(6)
    expect(new Set(commands.map(({ courier }) => courier)).size).toBe(1)
    expect(new Set(commands.map(({ surb }) => surb)).size).toBe(6)
    expect(new Set(commands.map(({ payload }) => toHex(payload))).size).toBe(1)
    expect(commands[0]!.payload.length).toBe(GEOMETRY.userPayloadBytes)
    const gaps = commands.slice(1).map(({ atMs }, at) => atMs - commands[at]!.atMs)
    expect(Math.min(...gaps)).toBeGreaterThan(2500)
    expect(Math.max(...gaps)).toBeLessThan(12_000)
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(500)
    expect([statistics.exchangesOpen, statistics.waiting]).toEqual([0, 0])
  })

  it("that the courier ended for a lasting reason fails with its code and envelope", () => {
    const { commands, result } = copyTwo((_, look) => (look < 2 ? PROGRESS : reply(2, 10, 2n)))
    expect(failure(result)).toEqual(new CopyFailed({ reason: "refused", replicaCode: replicaErrorCode(10), failedEnvelopeIndex: 2n }))
    expect(commands).toHaveLength(3)
  })

  it.each<readonly [string, () => Uint8Array | ReturnType<typeof reply>]>([
    ["failed for a passing reason", () => reply(2, 9, 1n)], ["is too busy", () => reply(2, 7)], ["talks garbage", () => new Uint8Array(5)],
    ["gives an envelope's reply", () => new Uint8Array(100)], ["names no known status", () => reply(77)]
  ])("goes on with the other courier when one %s, and that ends when none does better", (_, answer) => {
    const first = copyTwo((_arrival, look) => (look === 0 ? answer() : SUCCESS))
    expect(first.result).toEqual(Either.right(undefined))
    expect(new Set(first.commands.map(({ courier }) => courier)).size).toBe(2)
    const never = copyTwo(answer)
    expect(failure(never.result)).toMatchObject({ _tag: "CopyFailed", reason: "no-courier-finished" })
    expect(never.commands).toHaveLength(5)
  })

  it("goes on with the other courier when one is silent, after the same command three times", () => {
    let silent: string | undefined
    const { commands, result } = copyTwo(({ endpoint }) => ((silent ??= endpoint) === endpoint ? "silent" : SUCCESS))
    expect(result).toEqual(Either.right(undefined))
    expect(commands.map(({ courier }) => courier === silent)).toEqual([true, true, true, false])
  })

  it("whose stream another courier had already cleared away has an unknown outcome; without another courier the deletion is a refusal", () => {
    const cleared = reply(2, 11, 1n)
    let silent: string | undefined
    const unknown = copyTwo(({ endpoint }) => ((silent ??= endpoint) === endpoint ? "silent" : cleared))
    expect(failure(unknown.result)).toMatchObject({ reason: "outcome-unknown", replicaCode: 11 })
    expect(failure(copyTwo(() => cleared).result)).toMatchObject({ reason: "refused", replicaCode: 11 })
  })

  it("ends with a typed error when there is no courier", () => {
    const echo = [{ capability: "echo", endpoint: "echo" }]
    const { result } = copyTwo(() => PROGRESS, ({ network, storage }) => Effect.gen(function* () {
      yield* Effect.repeat(Effect.sleep(1), { until: () => storage.commands.length > 0 })
      network.document = { ...network.document!, serviceNodes: network.document!.serviceNodes.map((node) => ({ ...node, services: echo })) }
    }))
    expect(failure(result)).toEqual(new StorageError({ reason: "no-courier" }))
  })

  it("interrupted leaves nothing open, and no further command", () => {
    const { after, open } = withStore({ script: { copy: () => PROGRESS }, network: SLOW }, (bench) => Effect.gen(function* () {
      yield* Effect.timeoutOption(provided(bench, copyBoxes(destinationsOf(1), { windowCount: 4 })), 20_000)
      const before = bench.storage.commands.length
      expect(before).toBeGreaterThan(1)
      yield* Effect.sleep(20_000)
      return { after: bench.storage.commands.length - before, open: yield* bench.pool.sessions[0]!.statistics }
    }))
    expect(after).toBe(0)
    expect([open.exchangesOpen, open.waiting]).toEqual([0, 0])
  })

  it("a write cap in a command is the whole of its content", () => {
    const cap = newWriteCap(crypto, seededEntropy("copy run", "cap"))
    const { commands } = copyTwo(() => SUCCESS)
    const decoded = Either.getOrThrow(decodeCourierQueryTop(commands[0]!.payload))
    expect(decoded._tag === "CopyCommand" ? decoded.copyCommand.writeCap.length : 0).toBe(encodeWriteCap(cap).length)
  })
})
