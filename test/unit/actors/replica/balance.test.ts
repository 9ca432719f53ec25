/**
 * Boxes on their way to where they belong, rules R24 and R25.
 *
 * Goal: exactly those boxes move that have to, each until it is acknowledged; nothing moves without a reason; a restart goes on where the last life was.
 * Method: the balancing fibers alone over a table in memory, in virtual time; a document that a test changes; deliveries are recorded and take their time.
 *
 * @module
 */
import { Effect, Either, Fiber, Logger, LogLevel } from "effect"
import { describe, expect, it } from "vitest"
import { makeBalance } from "../../../../actors/replica/balance.ts"
import { makeMemoryBoxTable } from "../../../../actors/replica/box-table-memory.ts"
import type { BoxTable } from "../../../../actors/replica/box-table.ts"
import { DELIVERED_AT_ONCE } from "../../../../actors/replica/replication.ts"
import { BoxId } from "../../../../src/bacap/box-id.ts"
import { toHex } from "../../../../src/bytes/hex.ts"
import { EPOCH_ORIGIN_MS } from "../../../../src/params/epoch.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { shardKeyIndexes } from "../../../../src/pigeonhole/shard.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { NoDocument, PkiView } from "../../../../src/pki/pki-view.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { crypto, entropyOf } from "./sample-box.ts"

const params = tinyParams
const LOOK_MS = params.epochPeriodMs / 64
const E = 10
const START_MS = EPOCH_ORIGIN_MS + E * params.replicaEpochPeriodMs + 1
const identityKeys = [0, 1, 2, 3, 4].map((id) => new Uint8Array(32).fill(id + 1))
const entropy = entropyOf("balance boxes")
const boxes: ReadonlyArray<StoredBox> = Array.from({ length: 5_000 }, () => ({
  boxId: BoxId.unsafe(entropy(32)), payload: new Uint8Array(1), signature: new Uint8Array(64)
}))

/** A document in which these ids are configured; `lost` replicas publish other keys for the same epoch. */
const documentOf = (ids: ReadonlyArray<number>, lost: ReadonlyArray<number> = [], epochs: ReadonlyArray<number> = [E - 1, E, E + 1]): Document => ({
  replicas: ids.map((replicaId) => ({
    replicaId, envelopeKeys: new Map(epochs.map((epoch) => [epoch, new Uint8Array(32).fill(lost.includes(replicaId) ? 200 + epoch : epoch)]))
  })),
  configuredReplicas: ids.map((replicaId) => ({ replicaId, identityKey: identityKeys[replicaId] as Uint8Array }))
} as unknown as Document)

const pairOf = (ids: ReadonlyArray<number>, boxId: BoxId): ReadonlyArray<number> =>
  Either.getOrThrow(shardKeyIndexes(crypto, ids.map((id) => identityKeys[id] as Uint8Array), boxId)).map((index) => ids[index] as number)
const owned = new Map<string, ReadonlyArray<StoredBox>>()
/** The boxes that belong to replica 0 in a set. */
const own = (ids: ReadonlyArray<number>): ReadonlyArray<StoredBox> => {
  const mine = owned.get(ids.join()) ?? boxes.filter(({ boxId }) => pairOf(ids, boxId).includes(0))
  owned.set(ids.join(), mine)
  return mine
}
const sendsOf = (pairs: ReadonlyArray<readonly [number, StoredBox]>): ReadonlyArray<string> => pairs.map(([to, { boxId }]) => `${to} ${toHex(boxId)}`).sort()

interface World {
  document: Document | undefined
  /** How long a delivery takes; a fellow that is not here answers at once. */
  readonly delaysMs: Map<number, number>
  readonly table: BoxTable
  readonly sent: Array<readonly [number, StoredBox]>
  mostUnderWay: number
}
const makeWorld = (document: Document | undefined): World =>
  ({ document, delaysMs: new Map(), table: makeMemoryBoxTable(1e6), sent: [], mostUnderWay: 0 })

/** One life of replica 0's balancing. */
const live = (world: World) =>
  Effect.gen(function*() {
    let underWay = 0
    const deliver = (to: number, box: StoredBox) => Effect.gen(function*() {
      underWay += 1
      world.mostUnderWay = Math.max(world.mostUnderWay, underWay)
      yield* Effect.ensuring(Effect.sleep(world.delaysMs.get(to) ?? 0), Effect.sync(() => { underWay -= 1 }))
      world.sent.push([to, box])
    })
    const pki = {
      held: () => world.document,
      current: Effect.suspend(() => (world.document === undefined ? Effect.fail(new NoDocument()) : Effect.succeed(world.document))),
      forEpoch: () => Effect.die("not asked")
    }
    const replication = { deliver, settleOwed: () => Effect.never }
    yield* makeBalance({ crypto, params, name: "replica-0", replicaId: 0, table: world.table, replication }).pipe(Effect.provideService(PkiView, pki))
    return yield* Effect.never
  }).pipe(Effect.scoped)
const liveFor = (world: World, durationMs: number) => Effect.timeoutOption(live(world), durationMs)
const put = (world: World, some: ReadonlyArray<StoredBox>, epoch = E) =>
  Effect.orDie(Effect.forEach(some, (box) => world.table.put(epoch, box), { discard: true }))
const run = <A>(effect: Effect.Effect<A>): A => runVirtual(Effect.zipRight(Effect.sleep(START_MS), effect))

/** A replica that has balanced for these ids and holds what belongs to it, some of it since the last epoch. */
const settledWorld = (ids: ReadonlyArray<number>, some: ReadonlyArray<StoredBox>) =>
  Effect.gen(function*() {
    const world = makeWorld(documentOf(ids))
    yield* liveFor(world, 2 * LOOK_MS)
    yield* put(world, some.slice(0, 100), E - 1)
    yield* put(world, some.slice(100))
    return world
  })

describe("R24: a change of the configured set", () => {
  const movedBy = (before: ReadonlyArray<number>, after: ReadonlyArray<number>, some: ReadonlyArray<StoredBox>) =>
    some.flatMap((box) => pairOf(after, box.boxId).filter((id) => id !== 0 && !pairOf(before, box.boxId).includes(id)).map((id) => [id, box] as const))
  it.each<readonly [string, ReadonlyArray<number>, ReadonlyArray<number>]>([
    ["joins", [0, 1, 2, 3], [0, 1, 2, 3, 4]], ["leaves", [0, 1, 2, 3, 4], [0, 1, 2, 3]], ["is replaced", [0, 1, 2, 3], [0, 1, 2, 4]],
    ["is this replica itself, which leaves", [0, 1, 2, 3], [1, 2, 3]]
  ])("a replica %s: exactly the boxes whose pair gains a replica go to that one, once; all stay here", (_, before, after) => {
    const some = own(before).slice(0, 1_000)
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld(before, some)
      world.document = documentOf(after)
      yield* liveFor(world, 10 * LOOK_MS)
      expect(yield* Effect.orDie(world.table.boxCount)).toBe(some.length)
      return world
    }))
    const expected = sendsOf(movedBy(before, after, some))
    expect(expected.length).toBeGreaterThan(50)
    expect(sendsOf(world.sent)).toEqual(expected)
  })
  it("moves nothing that has expired", () => {
    const some = own([0, 1, 2, 3]).slice(0, 300)
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld([0, 1, 2, 3], [])
      yield* put(world, some, E - 2)
      world.document = documentOf([0, 1, 2, 3, 4])
      yield* liveFor(world, 10 * LOOK_MS)
      return world
    }))
    expect(world.sent).toEqual([])
  })
  it("that changes again on the way covers the boxes of all sets in between", () => {
    const some = own([0, 1, 2]).slice(0, 600)
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld([0, 1, 2], some)
      world.document = documentOf([0, 1, 2, 3])
      world.delaysMs.set(3, 1e12)
      const life = yield* Effect.fork(live(world))
      yield* Effect.sleep(3 * LOOK_MS)
      expect(world.sent).toEqual([])
      world.delaysMs.clear()
      world.document = documentOf([0, 1, 2, 3, 4])
      yield* Effect.sleep(10 * LOOK_MS)
      yield* Fiber.interrupt(life)
      return world
    }))
    const wanted = new Set(sendsOf(movedBy([0, 1, 2], [0, 1, 2, 3, 4], some)))
    expect(wanted.size).toBeGreaterThan(100)
    const sent = new Set(sendsOf(world.sent))
    expect([...wanted].filter((send) => !sent.has(send))).toEqual([])
  })
})

describe("R24: no change", () => {
  it("moves nothing: first start, restart, an order of members, a replica offline, new envelope keys", () => {
    const ids = [0, 1, 2, 3]
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld(ids, own(ids).slice(0, 500))
      const quiet: ReadonlyArray<Document> = [
        documentOf(ids), documentOf([3, 1, 0, 2]), { ...documentOf(ids), replicas: documentOf([0, 1]).replicas }, documentOf(ids, [], [E, E + 1, E + 2]),
        documentOf(ids, [], [E + 40, E + 41]), documentOf(ids)
      ]
      for (const document of quiet) {
        world.document = document
        yield* liveFor(world, 3 * LOOK_MS)
      }
      return world
    }))
    expect(world.sent).toEqual([])
  })
  it("without a document nothing happens, and the first one finds the note of the last life", () => {
    const ids = [0, 1, 2, 3]
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld(ids, own(ids).slice(0, 500))
      world.document = undefined
      yield* liveFor(world, 3 * LOOK_MS)
      world.document = documentOf(ids)
      yield* liveFor(world, 3 * LOOK_MS)
      return world
    }))
    expect(world.sent).toEqual([])
  })
})

describe("a replica that needs its boxes", () => {
  const ids = [0, 1, 2, 3]
  const shared = (fellow: number, some: ReadonlyArray<StoredBox>) =>
    some.filter(({ boxId }) => pairOf(ids, boxId).includes(fellow)).map((box) => [fellow, box] as const)
  it("gets them all when it publishes other envelope keys for an epoch than before: its disk is lost", () => {
    const some = own(ids).slice(0, 500)
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld(ids, some)
      world.document = documentOf(ids, [2], [E, E + 1])
      yield* liveFor(world, 10 * LOOK_MS)
      return world
    }))
    expect(sendsOf(world.sent)).toEqual(sendsOf(shared(2, some)))
  })
  it("gets them all from one that remembers nothing, or whose memory is damaged", () => {
    const some = own(ids).slice(0, 300)
    const world = run(Effect.gen(function*() {
      const world = yield* settledWorld(ids, some)
      yield* Effect.orDie(world.table.putNote(Uint8Array.of(1, 2, 3)))
      yield* liveFor(world, 10 * LOOK_MS)
      return world
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
    expect(sendsOf(world.sent)).toEqual(sendsOf([1, 2, 3].flatMap((fellow) => shared(fellow, some))))
  })
})

describe("R25: a slow peer", () => {
  const ids = [0, 1, 2, 3]
  const some = own(ids)
  const due = some.filter(({ boxId }) => pairOf([...ids, 4], boxId).includes(4))
  it("gets every box, a few at a time, over restarts that go on where the last life was; others and the document are not held up", () => {
    const { otherDone, world } = run(Effect.gen(function*() {
      const world = yield* settledWorld(ids, some)
      world.document = documentOf([...ids, 4], [1])
      world.delaysMs.set(4, 1_000)
      yield* liveFor(world, 20_000)
      const otherDone = world.sent.filter(([to]) => to === 1).length
      const pause = 1_000 * due.length / DELIVERED_AT_ONCE / 6
      for (let restart = 0; restart < 10; restart++) yield* liveFor(world, pause + 10 * LOOK_MS)
      return { otherDone, world }
    }))
    expect(otherDone).toBe(some.filter(({ boxId }) => pairOf([...ids, 4], boxId).includes(1)).length)
    const arrived = world.sent.filter(([to]) => to === 4).map(([, { boxId }]) => toHex(boxId))
    expect(due.length).toBeGreaterThan(500)
    expect(new Set(arrived)).toEqual(new Set(due.map(({ boxId }) => toHex(boxId))))
    // a life that ends repeats what its page had under way, and no more
    expect(arrived.length - due.length).toBeLessThan(10 * 64)
    expect(world.mostUnderWay).toBeLessThanOrEqual(2 * DELIVERED_AT_ONCE)
  })
})
