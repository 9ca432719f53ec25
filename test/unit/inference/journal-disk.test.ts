/**
 * A journal's bytes on disk.
 *
 * Goal: what was appended is there after any crash, torn writes and failures leave no wrong bytes behind, and a journal has one owner. Method: a disk in
 * memory that loses power at any step of random histories, beside a plain array; one run on a real folder.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Logger, LogLevel, type Scope } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { fileJournal, openJournalIn, type DiskJournal } from "../../../src/inference/journal-disk.ts"
import { MemoryDisk } from "../disk/memory-disk.ts"
import { crypto } from "./sample-job.ts"

const HEADER_BYTES = 32
const entropy = seededEntropy(1, "journal-disk")
const quiet = Logger.withMinimumLogLevel(LogLevel.None)
const with_ = <A, E>(disk: MemoryDisk, work: (journal: DiskJournal) => Effect.Effect<A, E, Scope.Scope>): Either.Either<A, unknown> =>
  Effect.runSync(Effect.scoped(Effect.flatMap(openJournalIn(disk.restart(), crypto, entropy), work)).pipe(Effect.either, quiet))
const opened = <A, E>(disk: MemoryDisk, work: (journal: DiskJournal) => Effect.Effect<A, E, Scope.Scope>): A => Either.getOrThrow(with_(disk, work))
const contentOf = (disk: MemoryDisk): ReadonlyArray<number> => opened(disk, ({ storage }) => Effect.map(storage.readAll, (bytes) => [...bytes]))
const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)

type Step =
  | { readonly _tag: "append"; readonly bytes: Uint8Array }
  | { readonly _tag: "replace"; readonly bytes: Uint8Array }
  | { readonly _tag: "truncate"; readonly share: number }

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("append" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }) }) },
  fc.record({ _tag: fc.constant("replace" as const), bytes: fc.uint8Array({ maxLength: 9 }) }),
  fc.record({ _tag: fc.constant("truncate" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) })
)

const after = (before: ReadonlyArray<number>, step: Step): ReadonlyArray<number> =>
  step._tag === "append" ? [...before, ...step.bytes] : step._tag === "replace" ? [...step.bytes] : before.slice(0, Math.floor(before.length * step.share))

const take = ({ storage }: DiskJournal, before: ReadonlyArray<number>, step: Step) =>
  step._tag === "append" ? storage.append(step.bytes)
    : step._tag === "replace" ? storage.replace(step.bytes) : storage.truncate(Math.floor(before.length * step.share))

describe("a journal on disk", () => {
  it("after a crash holds the steps before it, and of an append under way a prefix, of anything else all or nothing", () => {
    fc.assert(fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 1, noNaN: true }),
      (steps, lossAfter, tornShare) => {
        const disk = new MemoryDisk()
        opened(disk, () => Effect.void)
        const folder = disk.folder()
        Object.assign(disk, { lossAt: disk.steps + lossAfter, tornShare })
        let done: ReadonlyArray<number> = []
        let underWay: Step | undefined
        Effect.runSyncExit(Effect.scoped(Effect.gen(function*() {
          const journal = yield* openJournalIn(folder, crypto, entropy)
          for (const step of steps) {
            underWay = step
            yield* take(journal, done, step)
            done = after(done, step)
            underWay = undefined
          }
        })))
        const found = contentOf(disk)
        const whole = underWay === undefined ? done : after(done, underWay)
        if (underWay?._tag === "append") {
          expect(found.length).toBeGreaterThanOrEqual(done.length)
          expect(found).toEqual(whole.slice(0, found.length))
        } else expect([done, whole]).toContainEqual(found)
      }), { numRuns: 80, seed: 7 })
  })
  it("writes appends that come at once together and in order", async () => {
    const disk = new MemoryDisk()
    disk.onSync = Effect.yieldNow()
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const { storage } = yield* openJournalIn(disk.restart(), crypto, entropy)
      const before = disk.syncs
      yield* Effect.all(Array.from({ length: 20 }, (_, index) => storage.append(bytes(index))), { concurrency: "unbounded", discard: true })
      expect(disk.syncs - before).toBeLessThanOrEqual(2)
      expect([...(yield* storage.readAll)]).toEqual(Array.from({ length: 20 }, (_, index) => index))
    })))
  })
  it("cuts back what a failed append left, before anything else, and fails as long as it cannot", () => {
    const disk = new MemoryDisk()
    const found = opened(disk, ({ storage }) => Effect.gen(function*() {
      yield* storage.append(bytes(1, 2))
      disk.failing.add("append")
      expect(yield* Effect.flip(storage.append(bytes(3)))).toMatchObject({ _tag: "JournalUnavailable", operation: "append" })
      // half of it is on disk all the same
      const file = disk.files.get("journal")!
      expect(file).toHaveLength(HEADER_BYTES + 2)
      disk.failing.add("truncate")
      disk.failing.delete("append")
      expect(yield* Effect.flip(storage.readAll)).toMatchObject({ operation: "read" })
      disk.failing.clear()
      yield* storage.append(bytes(4))
      return [...(yield* storage.readAll)]
    }))
    expect([found, contentOf(disk)]).toEqual([[1, 2, 4], [1, 2, 4]])
  })
  it("whose replacement fails is the old one, in the file that has the name", () => {
    for (const call of ["rename", "append", "openLog"] as const) {
      const disk = new MemoryDisk()
      opened(disk, ({ storage }) => Effect.gen(function*() {
        yield* storage.append(bytes(1, 2))
        disk.failing.add(call)
        yield* Effect.flip(storage.replace(bytes(9)))
        disk.failing.clear()
        yield* storage.append(bytes(3))
        yield* storage.replace(bytes(7))
        yield* storage.append(bytes(8))
      }))
      expect(contentOf(disk), call).toEqual([7, 8])
      expect([...disk.files.keys()], call).toEqual(["journal"])
    }
  })
  it("keeps its life as long as its file, and has another one when the file was lost", () => {
    const disk = new MemoryDisk()
    const life = () => opened(disk, (journal) => Effect.succeed(journal.life.join()))
    const [first, second] = [life(), life()]
    disk.files.delete("journal")
    expect([first === second, first === life()]).toEqual([true, false])
  })
  it("that does not begin as one is a typed error that names the file", () => {
    const disk = new MemoryDisk()
    opened(disk, () => Effect.void)
    const whole = disk.files.get("journal")!
    for (let at = 0; at < HEADER_BYTES; at++) {
      disk.files.set("journal", at % 2 === 0 ? whole.slice(0, at) : whole.map((byte, index) => (index === at ? byte ^ 64 : byte)))
      expect(Either.getLeft(with_(disk, () => Effect.void)), `byte ${at}`).toMatchObject({
        value: { _tag: "JournalFileUnusable", reason: "damaged", message: expect.stringMatching(/memory\/journal.*move the folder away/) }
      })
    }
  })
  it("on a real folder has one owner, mode 0600, and is there in the next life", async () => {
    const root = mkdtempSync(join(tmpdir(), "funion-journal-"))
    const open = fileJournal({ directory: join(root, "j"), crypto, entropy })
    try {
      await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const journal = yield* open
        yield* journal.append(bytes(1, 2))
        yield* journal.replace(bytes(5))
        yield* journal.append(bytes(6))
        expect(yield* Effect.flip(Effect.scoped(open))).toMatchObject({ reason: "in-use", message: expect.stringContaining(join(root, "j")) })
      })))
      expect(statSync(join(root, "j", "journal")).mode & 0o777).toBe(0o600)
      expect([...readFileSync(join(root, "j", "journal")).subarray(HEADER_BYTES)]).toEqual([5, 6])
      expect(await Effect.runPromise(Effect.scoped(Effect.flatMap(open, ({ readAll }) => readAll)))).toEqual(bytes(5, 6))
      writeFileSync(join(root, "file"), "")
      expect(await Effect.runPromise(Effect.flip(Effect.scoped(fileJournal({ directory: join(root, "file"), crypto, entropy })))))
        .toMatchObject({ reason: "inaccessible" })
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
