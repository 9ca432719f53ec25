/**
 * What replicas do together: an emptied disk, the border of a replica epoch, fellows that are away; rules R10, R18, R21, R23, R31 and E1.
 *
 * Goal: no box that was acknowledged is lost, no operation is left without an answer, whatever one replica goes through.
 * Method: four real replicas and a courier in virtual time (replica-rig.ts); a test reads the tables behind their backs.
 *
 * @module
 */
import { Effect, Either, Logger, LogLevel } from "effect"
import { describe, expect, it } from "vitest"
import { nextIndex, type MessageBoxIndex } from "../../../../src/bacap/box-index.ts"
import { sealBox } from "../../../../src/bacap/box.ts"
import { replicaEpochAt, replicaEpochOf, replicaEpochStartMs, ReplicaEpoch } from "../../../../src/params/epoch.ts"
import { REPLICA_ERROR } from "../../../../src/pigeonhole/error-code.ts"
import { padTo } from "../../../../src/pigeonhole/padding.ts"
import type { ReplicaInnerMessage } from "../../../../src/pigeonhole/replica-message.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"
import { crypto, pigeonhole, writeCap } from "./sample-box.ts"
import { rigParams, withReplicas, type Answer, type Rig, type Stock } from "./replica-rig.ts"

/** Of the real clock, for a machine that is busy with other things. */
const LIMIT_MS = 60_000
const { boxAlreadyExists, invalidEpoch, success } = REPLICA_ERROR
const { epochPeriodMs } = rigParams

/** Boxes of one stream. */
const sealedBoxes = (count: number): ReadonlyArray<StoredBox> => {
  const made: Array<StoredBox> = []
  let index: MessageBoxIndex = writeCap.index
  for (let step = 0; step < count; step++) {
    const plaintext = Either.getOrThrow(padTo(new Uint8Array(40).fill(step), pigeonhole.paddedPlaintextBytes))
    const { boxId, ciphertext, signature } = sealBox(crypto, writeCap, index, plaintext)
    made.push({ boxId, payload: ciphertext, signature })
    index = Either.getOrThrow(nextIndex(crypto, index))
  }
  return made
}
const boxes = sealedBoxes(40)

const readOf = ({ boxId }: StoredBox): ReplicaInnerMessage => ({ _tag: "Read", boxId })
const writeOf = (box: StoredBox): ReplicaInnerMessage => ({ _tag: "Write", ...box })
const codeOf = (answer: Answer): number | undefined => answer?.errorCode

/** What a client does: asks both replicas that are not shards, and again until one of them has said something final. */
const operate = (rig: Rig, message: ReplicaInnerMessage, seen: Array<Answer> = []): Effect.Effect<Answer> =>
  Effect.gen(function*() {
    const shards = rig.shardsOf(message.boxId)
    const intermediates = rig.ids.filter((id) => !shards.includes(id))
    for (let round = 0; round < 4; round++) {
      const answers = yield* Effect.forEach(intermediates, (id) => rig.ask(id, message), { concurrency: "unbounded" })
      seen.push(...answers)
      const final = answers.find((answer) => answer?._tag !== "Early" && (codeOf(answer) === success || codeOf(answer) === boxAlreadyExists))
      if (final !== undefined) return final
    }
    return undefined
  })
const operateAll = (rig: Rig, messages: ReadonlyArray<ReplicaInnerMessage>, seen?: Array<Answer>) =>
  Effect.forEach(messages, (message) => operate(rig, message, seen), { concurrency: "unbounded" })

const startAll = (rig: Rig, ids = rig.ids) =>
  Effect.gen(function*() {
    const stocks = new Map<number, Stock>(ids.map((id) => [id, rig.newStock(id)]))
    for (const [id, stock] of stocks) yield* rig.start(id, stock)
    yield* rig.awaitDocument
    yield* Effect.sleep(500)
    return stocks
  })
const hasBox = ({ table }: Stock, { boxId }: StoredBox) =>
  Effect.gen(function*() {
    const epoch = replicaEpochAt(rigParams, yield* Effect.clockWith((clock) => clock.currentTimeMillis))
    return (yield* Effect.orDie(table.get(boxId, [epoch, epoch - 1]))) !== undefined
  })
const quiet = <A>(effect: Effect.Effect<A, never, never>) => Logger.withMinimumLogLevel(effect, LogLevel.None)

describe("a replica whose disk was emptied", () => {
  it("answers code 8 for the lost key and takes copies meanwhile; every box is read and written; with the next epochs it has its keys and boxes again", () => {
    withReplicas(4, (rig) => Effect.gen(function*() {
      const [old, fresh] = [boxes.slice(0, 12), boxes.slice(12, 24)]
      yield* startAll(rig)
      expect((yield* operateAll(rig, old.map(writeOf))).map(codeOf)).toEqual(old.map(() => success))
      yield* Effect.sleep(2_000)
      yield* rig.stop(0)
      const emptied = rig.newStock(0)
      yield* rig.start(0, emptied)
      const published = rig.posted.size
      const seen: Array<Answer> = []
      const read = yield* operateAll(rig, old.map(readOf), seen)
      expect(read).toEqual(old.map((box) => ({ _tag: "ReadReply", errorCode: success, ...box })))
      expect((yield* operateAll(rig, fresh.map(writeOf), seen)).map(codeOf)).toEqual(fresh.map(() => success))
      expect((yield* operateAll(rig, fresh.map(readOf), seen)).map(codeOf)).toEqual(fresh.map(() => success))
      expect(seen.filter((answer) => answer?._tag === "Early").map(codeOf)).toContain(invalidEpoch)
      expect(seen.filter((answer) => answer === undefined)).toEqual([])
      yield* Effect.sleep(2_000)
      const held = yield* Effect.filter(fresh, (box) => hasBox(emptied, box))
      expect(held).toEqual(fresh.filter(({ boxId }) => rig.shardsOf(boxId).includes(0)))
      expect(held.length).toBeGreaterThan(2)

      yield* Effect.sleep(4 * epochPeriodMs)
      expect(rig.posted.size).toBeGreaterThan(published + 2)
      const { epoch, replicas } = yield* Effect.orDie(rig.document)
      const replicaEpoch = replicaEpochOf(rigParams, epoch)
      expect(replicas.find(({ replicaId }) => replicaId === 0)?.envelopeKeys.get(replicaEpoch)).toEqual(emptied.keys.publicKeys(replicaEpoch).get(replicaEpoch))
      const mine = [...old, ...fresh].filter(({ boxId }) => rig.shardsOf(boxId).includes(0))
      expect(yield* Effect.filter(mine, (box) => hasBox(emptied, box))).toEqual(mine)
      const again = yield* Effect.forEach(mine, (box) => rig.ask(0, readOf(box)))
      expect(again.map(codeOf)).toEqual(mine.map(() => success))
    }).pipe(quiet))
  }, LIMIT_MS)
})

describe("R18: a shard that is away", () => {
  it("gets what was written meanwhile when it comes back, also when the one that owes it was restarted in between", () => {
    withReplicas(4, (rig) => Effect.gen(function*() {
      const some = boxes.slice(0, 12)
      const stocks = yield* startAll(rig)
      yield* rig.stop(1)
      expect((yield* operateAll(rig, some.map(writeOf))).map(codeOf)).toEqual(some.map(() => success))
      for (const id of [0, 2, 3]) {
        yield* rig.stop(id)
        yield* rig.start(id, stocks.get(id) as Stock)
      }
      const stock = stocks.get(1) as Stock
      const mine = some.filter(({ boxId }) => rig.shardsOf(boxId).includes(1))
      expect(mine.length).toBeGreaterThan(2)
      expect(yield* Effect.filter(mine, (box) => hasBox(stock, box))).toEqual([])
      yield* rig.start(1, stock)
      yield* Effect.sleep(2 * epochPeriodMs)
      expect(yield* Effect.filter(mine, (box) => hasBox(stock, box))).toEqual(mine)
    }).pipe(quiet))
  }, LIMIT_MS)
})

describe("the border of a replica epoch", () => {
  const border = (rig: Rig) => Effect.gen(function*() {
    const nowMs = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const { epoch } = yield* Effect.orDie(rig.document)
    return replicaEpochStartMs(rigParams, ReplicaEpoch(replicaEpochOf(rigParams, epoch) + 1)) - nowMs
  })
  it("E1: with 100 operations in flight all complete, each box once", () => {
    withReplicas(4, (rig) => Effect.gen(function*() {
      const first = boxes.slice(0, 10)
      yield* startAll(rig)
      yield* operateAll(rig, first.map(writeOf))
      yield* Effect.sleep((yield* border(rig)) - 150)
      const repeated = (some: ReadonlyArray<StoredBox>, count: number) => Array.from({ length: count }, (_, at) => some[at % some.length] as StoredBox)
      const messages = [...repeated(first, 40).map(readOf), ...repeated(boxes.slice(10, 40), 60).map(writeOf)]
      const answers = yield* operateAll(rig, messages)
      expect(yield* border(rig)).toBeGreaterThan(rigParams.replicaEpochPeriodMs / 2)
      expect(answers.map(codeOf)).toEqual(messages.map(() => success))
    }).pipe(quiet), 119)
  }, LIMIT_MS)
})

describe("a question under the last replica epoch's key", () => {
  it("R10: that is passed on is answered under the key that opened it", () => {
    withReplicas(4, (rig) => Effect.gen(function*() {
      const box = boxes[0] as StoredBox
      yield* startAll(rig)
      yield* operateAll(rig, [writeOf(box)])
      const outsiders = rig.ids.filter((id) => !rig.shardsOf(box.boxId).includes(id))
      const { epoch, replicas } = yield* Effect.orDie(rig.document)
      const keyOf = (id: number) => replicas.find(({ replicaId }) => replicaId === id)?.envelopeKeys.get(replicaEpochOf(rigParams, epoch))
      yield* Effect.sleep(1.5 * epochPeriodMs)
      expect(replicaEpochOf(rigParams, (yield* Effect.orDie(rig.document)).epoch)).toBe(replicaEpochOf(rigParams, epoch) + 1)
      const answers = yield* Effect.forEach(outsiders, (id) => rig.ask(id, readOf(box), keyOf(id)))
      expect(answers).toEqual(outsiders.map(() => ({ _tag: "ReadReply", errorCode: success, ...box })))
    }).pipe(quiet), 119)
  }, LIMIT_MS)
})

describe("a replica", () => {
  it("R23: never connects to itself, though its own descriptor is in the document", () => {
    withReplicas(3, (rig) => Effect.gen(function*() {
      yield* startAll(rig)
      yield* Effect.sleep(epochPeriodMs)
      const among = [...rig.connections].filter((pair) => !pair.startsWith("courier")).sort()
      expect(among).toEqual([0, 1, 2].flatMap((from) => [0, 1, 2].filter((to) => to !== from).map((to) => `replica-${from} replica-${to}`)))
    }))
  }, LIMIT_MS)
  it("R31: publishes at once, without waiting for a document", () => {
    withReplicas(4, (rig) => Effect.gen(function*() {
      yield* rig.start(2, rig.newStock(2))
      yield* Effect.sleep(100)
      expect(yield* Effect.isFailure(rig.document)).toBe(true)
      expect([...rig.posted.values()].map((held) => [...held.keys()])).toEqual([[2], [2]])
    }))
  }, LIMIT_MS)
  it("R21: goes on publishing with fellows that are gone and copies that wait for them", () => {
    withReplicas(3, (rig) => Effect.gen(function*() {
      const stocks = yield* startAll(rig)
      yield* rig.stop(1)
      yield* rig.stop(2)
      const mine = boxes.filter(({ boxId }) => rig.shardsOf(boxId).includes(0))
      yield* Effect.forEach(mine, (box) => rig.ask(0, writeOf(box)), { concurrency: "unbounded" })
      const before = rig.posted.size
      yield* Effect.sleep(3 * epochPeriodMs)
      expect((yield* Effect.orDie((stocks.get(0) as Stock).table.owed(1, undefined, 99))).boxes.length).toBeGreaterThan(5)
      expect([...rig.posted.entries()].filter(([, held]) => held.has(0)).length).toBeGreaterThanOrEqual(before + 3)
    }).pipe(quiet))
  }, LIMIT_MS)
})
