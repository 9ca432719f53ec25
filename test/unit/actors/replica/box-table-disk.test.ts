/**
 * What a table on disk promises beyond the contract of a table.
 *
 * Goal: an acknowledged box survives the process, room comes back, and a database that cannot be used says what to do.
 * Method: real databases in temporary folders; the process that is killed or that meets a failing disk is a real one (disk-writer.ts).
 *
 * @module
 */
import { once } from "node:events"
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ClassicLevel } from "classic-level"
import { Effect, Either, Exit, Fiber, Logger, LogLevel, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { BoxTable } from "../../../../actors/replica/box-table.ts"
import { BoxTableFailed } from "../../../../actors/replica/box-table.ts"
import { openDiskBoxTable, type DiskBoxTableOptions } from "../../../../actors/replica/box-table-disk.ts"
import { encodeStoredBox } from "../../../../src/pigeonhole/stored-box.ts"
import { startWriter, writtenBox } from "./disk-writer.ts"
import { plainBox } from "./plain-box.ts"

let directory = ""
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "funion-disk-"))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(directory, { recursive: true })
})

const open = (options: Partial<DiskBoxTableOptions> = {}) => openDiskBoxTable({ directory, quotaBytes: 1e9, reserveBytes: 0, ...options })
const withTable = <A, E>(body: (table: BoxTable) => Effect.Effect<A, E>, options: Partial<DiskBoxTableOptions> = {}): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(open(options), body)).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
const refusal = () => Effect.runPromise(Effect.flip(Effect.scoped(open())))
const sizeOnDisk = async (): Promise<number> => {
  let sum = 0
  for (const name of await readdir(directory)) sum += (await stat(join(directory, name))).size
  return sum
}
const rawLevel = async <A>(use: (level: ClassicLevel<Uint8Array, Uint8Array>) => Promise<A>): Promise<A> => {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: "view", valueEncoding: "view" })
  try {
    return await use(level)
  } finally {
    await level.close()
  }
}
const keyOf = (epoch: number, id: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, epoch, ...plainBox(id).boxId)
/** Ids of the lines that begin with a word. */
const idsOf = (lines: string, word: string): ReadonlyArray<number> =>
  lines.split("\n").filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.slice(word.length + 1)))
const foundOf = (ids: ReadonlyArray<number>) =>
  withTable((table) => Effect.forEach(ids, (id) => Effect.map(table.get(writtenBox(id).boxId, [5]), (box) => box?.payload[0] === (id & 255))))

describe("a table on disk", () => {
  it("keeps boxes and tombstones from one opening to the next, under epoch and id, as Box records", async () => {
    await withTable((table) => Effect.zipRight(table.put(5, plainBox(1)), table.put(6, plainBox(2, 9, 0))))
    const raw = await rawLevel((level) => level.iterator().all())
    expect(raw.map(([key, value]) => [Uint8Array.from(key), Uint8Array.from(value)])).toEqual([
      [keyOf(5, 1), encodeStoredBox(plainBox(1))], [keyOf(6, 2), encodeStoredBox(plainBox(2, 9, 0))]
    ])
    const boxes = await withTable((table) => Effect.all([table.get(plainBox(1).boxId, [6, 5]), table.get(plainBox(2).boxId, [6, 5])]))
    expect(boxes).toEqual([plainBox(1), plainBox(2, 9, 0)])
    expect((await stat(join(directory, "CURRENT"))).isFile()).toBe(true)
  })
  it("R8: writes what gathered during a sync as one synced batch, and answers no box before its batch is synced", async () => {
    const batches: Array<number> = []
    const original = ClassicLevel.prototype.batch
    let synced = 0
    vi.spyOn(ClassicLevel.prototype, "batch").mockImplementation(async function(this: unknown, ...args: ReadonlyArray<unknown>) {
      const [operations, options] = args as [ReadonlyArray<unknown>, unknown]
      expect(options).toEqual({ sync: true })
      await Reflect.apply(original, this, [...args])
      batches.push(operations.length)
      synced += operations.length
    } as never)
    const early = await withTable((table) => Effect.gen(function*() {
      const first = yield* Effect.fork(table.put(5, plainBox(0)))
      yield* Effect.sleep(0)
      let answered = 0
      let tooEarly = 0
      yield* Effect.forEach(Array.from({ length: 300 }, (_, id) => plainBox(id + 1)), (box) =>
        Effect.map(table.put(5, box), () => {
          answered += 1
          if (answered > synced) tooEarly += 1
        }), { concurrency: "unbounded", discard: true })
      yield* Fiber.join(first)
      expect(yield* table.boxCount).toBe(301)
      return tooEarly
    }))
    expect(early).toBe(0)
    expect(batches[0]).toBe(1)
    expect(batches.length).toBeLessThan(10)
  })
  it("R5: gives the disk its space back when epochs are dropped", async () => {
    const boxes = Array.from({ length: 1_000 }, (_, id) => writtenBox(id))
    await withTable((table) => Effect.gen(function*() {
      yield* Effect.forEach(boxes, (box) => table.put(5, box), { concurrency: "unbounded", discard: true })
      yield* table.put(6, plainBox(1))
      const before = yield* Effect.promise(sizeOnDisk)
      expect(before).toBeGreaterThan(4_000_000)
      yield* table.dropBefore(6)
      expect(yield* Effect.promise(sizeOnDisk)).toBeLessThan(before / 20)
      expect(yield* table.get(plainBox(1).boxId, [6, 5])).toEqual(plainBox(1))
    }))
  })
  it("notes what is owed in the batch of its box, so that a crash leaves both or neither; settling needs no sync of its own", async () => {
    const batches: Array<unknown> = []
    const original = ClassicLevel.prototype.batch
    vi.spyOn(ClassicLevel.prototype, "batch").mockImplementation(async function(this: unknown, ...args: ReadonlyArray<unknown>) {
      const [operations, options] = args as [ReadonlyArray<{ readonly type: string }>, unknown]
      batches.push([operations.map(({ type }) => type), options])
      await Reflect.apply(original, this, [...args])
    } as never)
    await withTable((table) => Effect.zipRight(table.put(5, plainBox(1), [3, 4]), table.settle(3, [{ replicaEpoch: 5, box: plainBox(1) }])))
    expect(batches).toEqual([[["put", "put", "put"], { sync: true }], [["del"], { sync: false }]])
    const owed = await withTable((table) => Effect.all([table.owed(3, undefined, 9), table.owed(4, undefined, 9)]))
    expect(owed.map(({ boxes }) => boxes.length)).toEqual([0, 1])
  })
  it("takes a damaged record for a missing one, which can be written again", async () => {
    await rawLevel((level) => level.batch([
      { type: "put", key: keyOf(5, 1), value: Uint8Array.of(1, 2, 3) }, { type: "put", key: keyOf(5, 2), value: encodeStoredBox(plainBox(3)) }
    ]))
    const seen = await withTable((table) => Effect.gen(function*() {
      const before = [yield* table.get(plainBox(1).boxId, [5]), yield* table.get(plainBox(2).boxId, [5])]
      yield* table.put(5, plainBox(1))
      return [...before, yield* table.get(plainBox(1).boxId, [5])]
    }))
    expect(seen).toEqual([undefined, undefined, plainBox(1)])
  })
  it("settles every put when it is closed, and refuses later ones; what it acknowledged is there", async () => {
    const outcomes = await Effect.runPromise(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const table = yield* Scope.extend(open(), scope)
      const putting = yield* Effect.fork(Effect.forEach(Array.from({ length: 50 }, (_, id) => writtenBox(id)), (box) => Effect.either(table.put(5, box)),
        { concurrency: "unbounded" }))
      yield* Effect.sleep(0)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Effect.flip(table.put(5, writtenBox(99)))).toEqual(new BoxTableFailed({ operation: "put" }))
      expect(yield* Effect.flip(table.get(writtenBox(0).boxId, [5]))).toEqual(new BoxTableFailed({ operation: "get" }))
      return yield* Fiber.join(putting)
    }))
    expect(outcomes).toHaveLength(50)
    const stored = outcomes.flatMap((outcome, id) => (Either.isRight(outcome) ? [id] : []))
    expect(await foundOf(stored)).toEqual(stored.map(() => true))
  })
})

describe("R7: room", () => {
  const probeOf = (seen: { databaseBytes: number; freeBytes: number } | { broken: true }) => ({
    databaseBytes: Effect.suspend(() => ("broken" in seen ? Effect.fail("broken") : Effect.succeed(seen.databaseBytes))),
    freeBytes: Effect.suspend(() => ("broken" in seen ? Effect.fail("broken") : Effect.succeed(seen.freeBytes)))
  })
  it.each([
    ["below quota and above reserve", { databaseBytes: 999, freeBytes: 500 }, false],
    ["at the quota", { databaseBytes: 1_000, freeBytes: 500 }, true],
    ["below the reserve", { databaseBytes: 0, freeBytes: 499 }, true],
    ["unknown, since the probe fails", { broken: true } as const, false]
  ])("%s", async (_, seen, full) => {
    expect(await withTable((table) => Effect.sync(table.isFull), { quotaBytes: 1_000, reserveBytes: 500, probe: probeOf(seen) })).toBe(full)
  })
  it("is measured on the folder and its disk; bytes written since count at once", async () => {
    const full = await withTable((table) => Effect.gen(function*() {
      const before = table.isFull()
      yield* table.put(5, writtenBox(1))
      return [before, table.isFull()]
    }), { quotaBytes: 4_000 })
    expect(full).toEqual([false, true])
    expect(await withTable((table) => Effect.sync(table.isFull), { quotaBytes: 4_000 })).toBe(true)
    expect(await withTable((table) => Effect.sync(table.isFull), { reserveBytes: Number.MAX_SAFE_INTEGER })).toBe(true)
    expect(await withTable((table) => Effect.sync(table.isFull))).toBe(false)
  })
  it("comes back by itself: with the next sample, and when epochs are dropped", async () => {
    const seen = { databaseBytes: 2_000, freeBytes: 500 }
    await withTable((table) => Effect.gen(function*() {
      expect(table.isFull()).toBe(true)
      seen.databaseBytes = 10
      yield* Effect.repeat(Effect.sleep(1), { until: () => Effect.sync(() => !table.isFull()) })
    }), { quotaBytes: 1_000, reserveBytes: 500, sampleEveryMs: 5, probe: probeOf(seen) })
    await withTable((table) => Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 30 }, (_, id) => writtenBox(id)), (box) => table.put(5, box), { concurrency: "unbounded" })
      expect(table.isFull()).toBe(true)
      yield* table.dropBefore(6)
      expect(table.isFull()).toBe(false)
    }), { quotaBytes: 100_000 })
  })
})

describe("a database that cannot be used", () => {
  it("is locked while somebody has it open", async () => {
    await withTable(() => Effect.promise(async () => {
      const error = await refusal()
      expect(error).toMatchObject({ _tag: "BoxTableUnusable", reason: "locked" })
      expect(error.message).toBe(`${directory}: another process uses these boxes; stop it, or give this replica a folder of its own`)
    }))
    await withTable((table) => table.put(5, plainBox(1)))
  })
  it("is damaged when its files are, and the sentence says how to go on", async () => {
    await withTable((table) => table.put(5, plainBox(1)))
    for (const name of await readdir(directory)) if (name.startsWith("MANIFEST")) await writeFile(join(directory, name), "garbage")
    const error = await refusal()
    expect(error.reason).toBe("damaged")
    expect(error.message).toMatch(/is damaged \(.+\); move the folder away and start again/)
  })
  it("is out of reach when a file is in its place", async () => {
    await writeFile(join(directory, "file"), "")
    const error = await Effect.runPromise(Effect.flip(Effect.scoped(open({ directory: join(directory, "file") }))))
    expect(error.reason).toBe("inaccessible")
    expect(error.message).toContain("check the path and its owner")
  })
})

describe("a real process", () => {
  const LIMIT_MS = 30_000
  it("R8: that is killed right after an acknowledgement leaves the box behind, and its lock does not", async () => {
    const writer = startWriter(directory, { perRound: 8, rounds: 5_000 })
    const ended = once(writer, "close")
    let lines = ""
    let lockedMeanwhile: string | undefined
    for await (const chunk of writer.stdout) {
      lines += String(chunk)
      if (lockedMeanwhile === undefined) lockedMeanwhile = (await refusal()).reason
      if (idsOf(lines, "stored").length >= 40) writer.kill("SIGKILL")
    }
    expect(await ended).toEqual([null, "SIGKILL"])
    expect(lockedMeanwhile).toBe("locked")
    const stored = idsOf(lines.slice(0, lines.lastIndexOf("\n")), "stored")
    expect(stored.length).toBeGreaterThanOrEqual(40)
    expect((await foundOf(stored)).filter((found) => !found)).toEqual([])
  }, LIMIT_MS)
  it("whose disk refuses a batch fails those boxes, goes on with reads and the next ones, and keeps all that it acknowledged", async () => {
    const writer = startWriter(directory, { fileLimitKb: 1_024, perRound: 64, rounds: 12 })
    const ended = once(writer, "close")
    let lines = ""
    let complaints = ""
    writer.stderr.on("data", (chunk) => { complaints += String(chunk) })
    for await (const chunk of writer.stdout) lines += String(chunk)
    expect(await ended, complaints).toEqual([0, null])
    const stored = idsOf(lines, "stored")
    const refused = idsOf(lines, "refused")
    expect(stored.length + refused.length).toBe(64 * 12)
    expect(refused.length).toBeGreaterThan(0)
    expect(Math.max(...stored)).toBeGreaterThan(Math.min(...refused))
    expect(idsOf(lines, "read")).toHaveLength(12)
    expect((await foundOf(stored)).filter((found) => !found)).toEqual([])
  }, LIMIT_MS)
})
