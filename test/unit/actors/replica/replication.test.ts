/**
 * Copies to the other shard, rules R18 to R21.
 *
 * Goal: what is owed arrives, however long the fellow is away and whatever it answers, in bounded memory; one fellow's outage costs no other.
 * Method: virtual time; the real exchange and a table in memory over links that are a function each.
 *
 * @module
 */
import { makeTimer } from "../../../../src/actor/timer.ts"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeMemoryBoxTable } from "../../../../actors/replica/box-table-memory.ts"
import { BoxTableFailed, type BoxTable } from "../../../../actors/replica/box-table.ts"
import { COPIES_LIMIT, CopyExchange, copyHash } from "../../../../actors/replica/copy-exchange.ts"
import { FRESH_LIMIT, makeReplication, type Replication } from "../../../../actors/replica/replication.ts"
import { BoxId } from "../../../../src/bacap/box-id.ts"
import { randomFromEntropy } from "../../../../src/crypto/entropy.ts"
import { decodeLinkFrame } from "../../../../src/node/replica-links.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "../../../../src/pigeonhole/error-code.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { boxAt, crypto, entropyOf, pigeonhole, tombstoneAt } from "./sample-box.ts"

const MINUTE_MS = 60_000
const GAP_MS = 100
/** From a copy to its answer. */
const LATENCY_MS = 1500
const { boxAlreadyExists, databaseFailure, internalError, invalidSignature, storageFull, success } = REPLICA_ERROR
const base = boxAt(0, 1)
const numbered = (number: number): StoredBox => {
  const boxId = base.boxId.slice()
  new DataView(boxId.buffer).setUint32(0, number)
  return { ...base, boxId: BoxId.unsafe(boxId) }
}

/** What a fellow does with a copy: a code, silence, a link that dies, or a queue that is full. */
type Manner = ReplicaErrorCode | "silent" | "dead" | "full"

interface Rig {
  readonly replication: Replication
  readonly table: BoxTable
  readonly exchange: CopyExchange
  readonly manners: Map<number, Manner>
  /** Copies as they came, by fellow. */
  readonly got: (replicaId: number) => ReadonlyArray<StoredBox>
  /** Stores a box that is owed, and sends it, as a shard does. */
  readonly write: (replicaId: number, box: StoredBox) => Effect.Effect<void>
}

const withRig = <A>(test: (rig: Rig) => Effect.Effect<A, BoxTableFailed>, change: (table: BoxTable) => BoxTable = (table) => table, gapMs = GAP_MS): A =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    const manners = new Map<number, Manner>()
    const got = new Map<number, Array<StoredBox>>()
    const due: Array<Effect.Effect<void>> = []
    /** Made once for a link, as a mount does. */
    const deaths = new Map<number, Effect.Effect<void>>()
    const dead = (replicaId: number): Effect.Effect<void> => {
      const death = deaths.get(replicaId) ?? Effect.sync(() => exchange.lost(replicaId))
      deaths.set(replicaId, death)
      return death
    }
    const table = change(makeMemoryBoxTable(100_000))
    const exchange: CopyExchange = new CopyExchange({
      crypto, linkCommandBytes: pigeonhole.linkCommandBytes, timeoutMs: 160 * gapMs, timer: yield* makeTimer,
      offer: (replicaId, frame) => {
        const manner = manners.get(replicaId) ?? success
        if (manner === "full") return false
        expect(frame).toHaveLength(pigeonhole.linkCommandBytes)
        const command = decodeLinkFrame(frame, pigeonhole)
        if (command?._tag !== "ReplicaWrite") throw new Error("not a copy")
        const { boxId, payload, signature } = command
        if (manner !== "dead") got.set(replicaId, [...got.get(replicaId) ?? [], { boxId, payload, signature }])
        if (manner === "dead") due.push(dead(replicaId))
        else if (manner !== "silent") due.push(Effect.sync(() => exchange.answered(replicaId, copyHash(crypto, command), manner)))
        return true
      }
    })
    const replication = yield* makeReplication({ exchange, table, gapMs })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(LATENCY_MS), Effect.suspend(() => Effect.all(due.splice(0), { discard: true })))))
    for (const replicaId of [1, 2]) yield* Effect.forkScoped(replication.settleOwed(replicaId))
    yield* Effect.sleep(1)
    const write = (replicaId: number, box: StoredBox) =>
      Effect.map(Effect.suspend(() => Effect.orDie(table.put(5, box, [replicaId]))), () => replication.send(replicaId, box, 5))
    return yield* test({ replication, table, exchange, manners, got: (replicaId) => got.get(replicaId) ?? [], write })
  })).pipe(Effect.withRandom(randomFromEntropy(entropyOf("replication")))))

const owedCount = (table: BoxTable, replicaId: number) => Effect.map(table.owed(replicaId, undefined, 100_000), ({ boxes }) => boxes.length)

describe("a copy", () => {
  it("leaves at once, as a write of the link's one length, and is owed no longer when it is answered", () => {
    withRig(({ got, table, write }) => Effect.gen(function*() {
      yield* write(1, base)
      yield* write(1, tombstoneAt(0))
      yield* Effect.sleep(0)
      expect(got(1)).toEqual([base, tombstoneAt(0)])
      expect(yield* owedCount(table, 1)).toBe(1 + 1)
      yield* Effect.sleep(2 * LATENCY_MS)
      expect(yield* owedCount(table, 1)).toBe(0)
    }))
  })
  const outages = [[10, GAP_MS], [600, 10 * GAP_MS]] as const
  it.each(outages)("R18: to a fellow that is away for %d minutes arrives when it is back; none is lost, however many there are", (minutes, gapMs) => {
    withRig(({ got, manners, table, write }) => Effect.gen(function*() {
      manners.set(1, "dead")
      const boxes = Array.from({ length: 100 }, (_, number) => numbered(number))
      for (const box of boxes) yield* write(1, box)
      yield* Effect.sleep(minutes * MINUTE_MS)
      expect(got(1)).toEqual([])
      manners.delete(1)
      yield* Effect.sleep(20 * MINUTE_MS)
      expect(new Set(got(1).map(({ boxId }) => String(boxId)))).toEqual(new Set(boxes.map(({ boxId }) => String(boxId))))
      expect(yield* owedCount(table, 1)).toBe(0)
    }), undefined, gapMs)
  })
  it("R18: that was owed when the process died is sent by the next one", () => {
    withRig(({ got, table }) => Effect.gen(function*() {
      yield* table.put(5, base, [1])
      yield* Effect.scoped(Effect.gen(function*() {
        const seen: Array<StoredBox> = []
        const ask = (_: number, box: StoredBox) => Effect.sync(() => { seen.push(box); return success })
        const { settleOwed } = yield* makeReplication({ exchange: { ask }, table, gapMs: GAP_MS })
        yield* Effect.forkScoped(settleOwed(1))
        yield* Effect.sleep(1)
        expect(seen).toEqual([base])
      }))
      expect(yield* owedCount(table, 1)).toBe(0)
      expect(got(1)).toEqual([])
    }))
  })
  it.each([["a transient code", databaseFailure], ["an internal error", internalError], ["a full disk", storageFull], ["silence", "silent"]] as const)(
    "R19: answered with %s is tried again with growing pauses", (_, manner) => {
      withRig(({ got, manners, table, write }) => Effect.gen(function*() {
        manners.set(1, manner)
        yield* write(1, base)
        yield* Effect.sleep(10 * MINUTE_MS)
        const tries = got(1).length
        expect(tries).toBeGreaterThan(8)
        expect(tries).toBeLessThan(10 * MINUTE_MS / (20 * GAP_MS) / 10)
        manners.delete(1)
        yield* Effect.sleep(2 * MINUTE_MS)
        expect(yield* owedCount(table, 1)).toBe(0)
      }))
    })
  it("R19: that exists is done; one that is refused for good is dropped and counted; neither is sent again", () => {
    withRig(({ got, manners, replication, table, write }) => Effect.gen(function*() {
      manners.set(1, boxAlreadyExists)
      yield* write(1, numbered(1))
      yield* Effect.sleep(2 * LATENCY_MS)
      expect(replication.refusedCount()).toBe(0)
      manners.set(1, invalidSignature)
      yield* write(1, numbered(2))
      yield* Effect.sleep(10 * MINUTE_MS)
      expect([got(1).length, replication.refusedCount(), yield* owedCount(table, 1)]).toEqual([2, 1, 0])
    }))
  })
  it("that is not owed (read repair) is tried once", () => {
    withRig(({ got, manners, replication }) => Effect.gen(function*() {
      manners.set(1, "silent")
      replication.send(1, base)
      yield* Effect.sleep(10 * MINUTE_MS)
      expect(got(1)).toHaveLength(1)
    }))
  })
})

describe("a fellow", () => {
  it("R20: that accepts and never answers holds a bounded number of copies, and no other fellow's", () => {
    withRig(({ exchange, got, manners, table, write }) => Effect.gen(function*() {
      manners.set(1, "silent")
      for (let number = 0; number < 500; number++) yield* write(1, numbered(number))
      let most = 0
      for (let minute = 0; minute < 10; minute++) {
        yield* Effect.sleep(MINUTE_MS)
        most = Math.max(most, exchange.outstanding(1))
      }
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThanOrEqual(COPIES_LIMIT)
      yield* write(2, base)
      yield* Effect.sleep(2 * LATENCY_MS)
      expect(got(2)).toEqual([base])
      expect(yield* owedCount(table, 2)).toBe(0)
    }))
  })
  it("R20: gets no more fresh copies at once than the bound", () => {
    withRig(({ exchange, manners, write }) => Effect.gen(function*() {
      manners.set(1, "silent")
      for (let number = 0; number < 100; number++) yield* write(1, numbered(number))
      yield* Effect.sleep(1)
      expect(exchange.outstanding(1)).toBeLessThanOrEqual(COPIES_LIMIT)
      expect(exchange.outstanding(1)).toBeGreaterThanOrEqual(FRESH_LIMIT)
    }))
  })
  it("R21: whose queue is full holds up nobody: a send returns at once, and everything arrives when there is room", () => {
    withRig(({ got, manners, table, write }) => Effect.gen(function*() {
      manners.set(1, "full")
      for (let number = 0; number < 200; number++) yield* write(1, numbered(number))
      yield* Effect.sleep(MINUTE_MS)
      manners.delete(1)
      yield* Effect.sleep(10 * MINUTE_MS)
      expect(new Set(got(1).map(({ boxId }) => String(boxId))).size).toBe(200)
      expect(yield* owedCount(table, 1)).toBe(0)
    }))
  })
})

describe("the exchange", () => {
  it("tells apart fellows and boxes; answers nobody waits for change nothing, and nothing stays behind", () => {
    withRig(({ exchange, manners }) => Effect.gen(function*() {
      manners.set(1, "silent").set(2, "silent")
      const asked = yield* Effect.fork(Effect.all([exchange.ask(1, base), exchange.ask(2, base), exchange.ask(1, numbered(1))], { concurrency: "unbounded" }))
      yield* Effect.sleep(1)
      exchange.answered(3, copyHash(crypto, base), success)
      exchange.answered(2, copyHash(crypto, base), boxAlreadyExists)
      exchange.answered(1, copyHash(crypto, numbered(1)), databaseFailure)
      exchange.answered(1, copyHash(crypto, numbered(2)), success)
      expect(yield* asked).toEqual([undefined, boxAlreadyExists, databaseFailure])
      expect([exchange.outstanding(1), exchange.outstanding(2)]).toEqual([0, 0])
    }))
  })
})

describe("a table that fails", () => {
  it("for a while delays what is owed and loses nothing", () => {
    let failures = 5
    const flaky = (table: BoxTable): BoxTable => ({
      ...table,
      owed: (...args) => (failures-- > 0 ? new BoxTableFailed({ operation: "scan" }) : table.owed(...args)),
      settle: (...args) => (failures-- > 0 ? new BoxTableFailed({ operation: "settle" }) : table.settle(...args))
    })
    withRig(({ table, write }) => Effect.gen(function*() {
      yield* write(1, base)
      yield* Effect.sleep(10 * MINUTE_MS)
      expect(yield* owedCount(table, 1)).toBe(0)
    }), flaky)
  })
})
