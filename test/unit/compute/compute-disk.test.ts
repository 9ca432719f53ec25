/**
 * What a compute service keeps on disk.
 *
 * Goal: journal and job keys belong together, keys come and go on time, and a service over them breaks no promise wherever power is lost. Method: a disk in
 * memory; the schedule of the crash tests, with power lost in the middle of every record and around every box.
 *
 * @module
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Exit, Fiber, Option, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { openComputeDisk, openComputeDiskIn, type ComputeStock } from "../../../actors/compute/compute-disk.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { openJournalIn } from "../../../src/inference/journal-disk.ts"
import { Epoch, epochStartMs } from "../../../src/params/epoch.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { MemoryDisk } from "../disk/memory-disk.ts"
import { awake, begin, planJob, Q, releasesOf, scenario, send, SLOTS, World } from "../inference/compute-bench.ts"
import { expectOrder, survive } from "../inference/compute-survival.ts"
import { crypto } from "../inference/sample-job.ts"

const LIMIT_MS = 60_000
const entropy = seededEntropy(1, "compute-disk")
const storageKey = new Uint8Array(32).fill(7)
const options = { crypto, params: { ...tinyParams, dispatchSuite: 2 as const }, storageKey, entropy }
const startMs = (epoch: number) => epochStartMs(tinyParams, Epoch(epoch))

const tryOpen = <A>(disk: MemoryDisk, work: (stock: ComputeStock) => Effect.Effect<A, unknown>, change: Partial<typeof options> = {}) =>
  Effect.runSync(Effect.either(Effect.scoped(Effect.flatMap(openComputeDiskIn(disk.restart(), { ...options, ...change }), work)).pipe(
    Effect.withClock({ ...Effect.runSync(Effect.clock), currentTimeMillis: Effect.succeed(startMs(10)) }))))
const open = <A>(disk: MemoryDisk, work: (stock: ComputeStock) => Effect.Effect<A, unknown>): A => Either.getOrThrow(tryOpen(disk, work))

const published = ({ jobKeys }: ComputeStock, epoch = 10) => new Map([...jobKeys.publicKeys(epoch, startMs(epoch))].map(([key, bytes]) => [key, String(bytes)]))
const keyFiles = (disk: MemoryDisk) => [...disk.files.keys()].filter((name) => name.endsWith(".key")).sort()

describe("a compute service's folder", () => {
  it("gives the same keys in every life, and the same result key even when it was lost", () => {
    const disk = new MemoryDisk()
    const view = (stock: ComputeStock) => Effect.sync(() => [published(stock), stock.journalKey.join(), stock.resultSeed.join()] as const)
    const first = open(disk, view)
    expect(open(disk, view)).toEqual(first)
    const other = open(new MemoryDisk(), view)
    expect([other[0].get(10) === first[0].get(10), other[1] === first[1], other[2] === first[2]]).toEqual([false, false, true])
  })
  it("whose journal was lost has fresh job keys, so that no earlier dispatch opens", () => {
    const disk = new MemoryDisk()
    const before = open(disk, (stock) => Effect.sync(() => published(stock)))
    disk.files.delete("journal")
    open(disk, ({ jobKeys }) => Effect.sync(() => expect(jobKeys.candidates(startMs(10))).toEqual([])))
    expect(keyFiles(disk)).toEqual([])
    const after = open(disk, (stock) => Effect.sync(() => published(stock)))
    expect([...after].filter(([epoch, key]) => before.get(epoch) === key)).toEqual([])
  })
  it("destroys keys on time, those that were due while it was down too, and uses none that it could not keep", () => {
    const disk = new MemoryDisk()
    open(disk, ({ jobKeys }) => Effect.sync(() => {
      disk.failing.add("write")
      expect(jobKeys.publicKeys(8, startMs(8)).size).toBe(0)
      disk.failing.clear()
      expect([...jobKeys.publicKeys(8, startMs(8)).keys()]).toEqual([8, 9])
      expect(keyFiles(disk)).toEqual(["job-8.key", "job-9.key"])
      disk.failing.add("destroy")
      jobKeys.candidates(startMs(10))
      disk.failing.clear()
      expect(keyFiles(disk)).toEqual(["job-8.key", "job-9.key"])
    }))
    open(disk, ({ jobKeys }) => Effect.sync(() => {
      expect(keyFiles(disk)).toEqual(["job-9.key"])
      expect(jobKeys.candidates(startMs(10)).map(({ keyEpoch }) => keyEpoch)).toEqual([9])
      jobKeys.candidates(startMs(11))
      expect(keyFiles(disk)).toEqual([])
    }))
  })
  it("destroys a key file that was cut, changed, or put under another epoch", () => {
    const disk = new MemoryDisk()
    open(disk, (stock) => Effect.sync(() => published(stock)))
    const whole = disk.files.get("job-10.key")!
    const spoilt = [whole.slice(0, -1), Uint8Array.from([...whole, 0]), ...whole.map((_, at) => at).filter((at) => at % 7 === 0)]
    for (const bytes of [...spoilt, disk.files.get("job-11.key")!]) {
      disk.files.set("job-10.key", typeof bytes === "number" ? whole.map((byte, at) => (at === bytes ? byte ^ 1 : byte)) : bytes)
      open(disk, ({ jobKeys }) => Effect.sync(() => expect(jobKeys.candidates(startMs(10)).map(({ keyEpoch }) => keyEpoch)).toEqual([11])))
      expect(keyFiles(disk)).toEqual(["job-11.key"])
    }
  })
  it("shows no secret to whoever reads it without the storage key", () => {
    const disk = new MemoryDisk()
    const drawn: Array<Uint8Array> = []
    tryOpen(disk, (stock) => Effect.sync(() => published(stock)), {
      entropy: (count) => {
        const bytes = entropy(count)
        if (count === 32) drawn.push(bytes.slice())
        return bytes
      }
    })
    const files = [...disk.files.values()].map((bytes) => Buffer.from(bytes))
    expect(drawn).toHaveLength(2)
    expect(drawn.flatMap((secret) => files.filter((file) => file.includes(Buffer.from(secret))))).toEqual([])
  })
  it("with a damaged journal, or another storage key, is a typed error that says what to do, and nothing is destroyed", () => {
    const disk = new MemoryDisk()
    const world = new World()
    open(disk, (stock) => Effect.sync(() => published(stock)))
    open(disk, ({ journal }) => journal.append(new Uint8Array(200).fill(1)))
    expect(Either.getLeft(tryOpen(disk, () => Effect.void))).toMatchObject({
      value: { _tag: "ComputeDiskUnusable", reason: "damaged", message: expect.stringMatching(/memory: the journal is damaged.*move the folder away/) }
    })
    expect([keyFiles(disk), world.runs]).toEqual([["job-10.key", "job-11.key"], 0])
  })
  it("on a real folder has modes 0700 and 0600 and one owner", async () => {
    const root = mkdtempSync(join(tmpdir(), "funion-compute-"))
    const directory = join(root, "c")
    try {
      await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        published(yield* openComputeDisk({ ...options, directory }))
        expect(yield* Effect.flip(Effect.scoped(openComputeDisk({ ...options, directory })))).toMatchObject({ reason: "in-use" })
        const modes = readdirSync(directory).filter((name) => !name.startsWith("owner-")).map((name) => statSync(join(directory, name)).mode & 0o777)
        expect([statSync(directory).mode & 0o777, modes]).toEqual([0o700, [0o600, 0o600, 0o600]])
      })))
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})

describe("a service over its disk", () => {
  /** A world whose journal is on the disk; the disk is restarted before every life. */
  const onDisk = () => {
    const disk = new MemoryDisk()
    const world = Object.assign(new World(), { runMs: 700 })
    let lives: Scope.CloseableScope | undefined
    const beforeLife = Effect.gen(function*() {
      if (lives !== undefined) yield* Effect.exit(Scope.close(lives, Exit.void))
      lives = yield* Scope.make()
      const { storage } = yield* Effect.orDie(Scope.extend(openJournalIn(disk.restart(), crypto, entropy), lives))
      world.journal = storage
    })
    return { disk, world, beforeLife }
  }

  it("that loses power in the middle of any record keeps every promise", { timeout: LIMIT_MS }, () => {
    for (let record = 1; record <= 20; record++) {
      const { beforeLife, disk, world } = onDisk()
      disk.tornShare = (record * 37 % 100) / 100
      world.onAppend = (count, durable) => {
        // the second step of a write is its middle
        if (count === record && !durable) disk.lossAt = disk.steps + 2
      }
      const aftermath = survive(world, { beforeLife })
      expect(aftermath.restarts, `record ${record}`).toHaveLength(1)
      expectOrder(aftermath)
    }
  })

  it("that dies just before or just after any box is stored writes no index with two contents", { timeout: LIMIT_MS }, () => {
    for (let box = 1; box <= 2 * SLOTS; box++) {
      for (const isStored of [false, true]) {
        const { beforeLife, disk, world } = onDisk()
        const { write } = world.store
        let writes = 0
        const dying: typeof write = (...args) => Effect.suspend(() => {
          writes += 1
          if (writes !== box) return write(...args)
          const die = Effect.die("power lost")
          disk.lossAt = disk.steps + 1
          return isStored ? Effect.zipRight(write(...args), die) : die
        })
        Object.assign(world, { store: { ...world.store, write: dying } })
        const aftermath = survive(world, { beforeLife })
        expect(aftermath.restarts, `box ${box}`).toHaveLength(1)
        expect(aftermath.jobs.map((job) => releasesOf(world, job)), `box ${box}`).toEqual([["Result"], ["Result"]])
        expectOrder(aftermath)
      }
    }
  })

  it("drains: refuses new jobs with reason 8, keeps answering old ones, and ends when every accepted job is closed, one being admitted too", () => {
    const { beforeLife, disk, world } = onDisk()
    const jobs = [planJob(world, 1), planJob(world, 2), planJob(world, 3)]
    scenario(Effect.gen(function*() {
      yield* beforeLife
      const life = yield* begin(world)
      yield* awake(300)
      expect(yield* send(life, jobs[0]!.dispatch)).toMatchObject({ _tag: "Accepted" })
      // an admission that waits for the disk when the draining begins
      disk.onSync = Effect.sleep(40)
      const admitting = yield* Effect.fork(send(life, jobs[1]!.dispatch))
      yield* Effect.sleep(1)
      life.drain()
      const draining = yield* Effect.fork(life.idle)
      expect(yield* Fiber.join(admitting)).toMatchObject({ _tag: "Accepted" })
      disk.onSync = Effect.void
      expect(yield* send(life, jobs[2]!.dispatch)).toMatchObject({ _tag: "Rejected", reason: 8 })
      expect(yield* send(life, jobs[0]!.dispatch)).toMatchObject({ _tag: "Accepted" })
      yield* awake(4 * Q)
      expect(yield* Fiber.poll(draining)).toEqual(Option.none())
      yield* Fiber.join(draining)
      expect(life.state.journal.openJobs()).toEqual([])
      expect(jobs.map((job) => releasesOf(world, job))).toEqual([["Result"], ["Result"], []])
    }))
  })
  it("that drains waits for an admission in progress although no job is open yet", () => {
    const { beforeLife, disk, world } = onDisk()
    const job = planJob(world, 1)
    scenario(Effect.gen(function*() {
      yield* beforeLife
      const life = yield* begin(world)
      yield* awake(300)
      disk.onSync = Effect.sleep(40)
      yield* Effect.fork(send(life, job.dispatch))
      yield* Effect.sleep(1)
      life.drain()
      yield* life.idle
      expect(releasesOf(world, job)).toEqual(["Result"])
    }))
  })
})
