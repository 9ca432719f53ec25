/**
 * Mix keys and their replay tags on disk.
 *
 * Goal: whatever happens to the process and the disk, no packet that went on is taken for a fresh one, keys and tags end together, and damage is noticed.
 * Method: a disk in memory that loses power at every step of one history; files changed byte by byte; one run on a real folder.
 *
 * @module
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Logger, LogLevel, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import type { MixKeyRing } from "../../../src/mixnet/mix-key.ts"
import { openMixKeyDisk, openMixKeysIn } from "../../../src/node/mix-key-disk.ts"
import { MemoryDisk } from "../disk/memory-disk.ts"
import { crypto, geometry } from "./sample-node.ts"

let draws = 0
const options = (replayCapacity = 50) => ({ crypto, geometry, replayCapacity, entropy: seededEntropy(++draws, "ring") })
const tag = (index: number): Uint8Array => crypto.blake2b256(Uint8Array.of(index >> 8, index))
const keyOf = (ring: MixKeyRing, epoch: number) => ring.candidates(epoch).find((key) => key.epoch === epoch)
const publicKeys = (ring: MixKeyRing) => new Map([...ring.publicKeys(0), ...ring.publicKeys(3), ...ring.publicKeys(6)])
const commit = (ring: MixKeyRing): Effect.Effect<boolean> => ring.commit ?? Effect.die("no vault")

/** Long enough for what runs beside. */
const aside = Effect.repeatN(Effect.yieldNow(), 30)

/** A life of the node over a disk. */
const life = <A, E>(disk: MemoryDisk, work: (ring: MixKeyRing) => Effect.Effect<A, E, Scope.Scope>, capacity?: number): A =>
  Effect.runSync(Effect.scoped(Effect.flatMap(openMixKeysIn(disk.restart(), options(capacity)), (ring) => Effect.zipLeft(work(ring), aside))).pipe(
    Effect.orDie,
    Logger.withMinimumLogLevel(LogLevel.None)
  ))

describe("keys and tags", () => {
  it("are there again after a restart, tags even beyond the capacity, and every further one counts", () => {
    const disk = new MemoryDisk()
    const before = life(disk, (ring) => Effect.gen(function*() {
      ring.ensure(0)
      for (let index = 0; index < 50; index++) expect(keyOf(ring, index % 2)?.replayFilter.testAndSet(tag(index))).toBe("fresh")
      expect(yield* commit(ring)).toBe(true)
      return publicKeys(ring)
    }))
    const verdicts = life(disk, (ring) => Effect.sync(() => {
      expect(ring.ensure(0)).toEqual([])
      expect(publicKeys(ring)).toEqual(before)
      return Array.from({ length: 60 }, (_, index) => keyOf(ring, index % 2)?.replayFilter.testAndSet(tag(index)))
    }), 28)
    expect(verdicts.slice(0, 50).every((verdict) => verdict === "replay")).toBe(true)
    expect(verdicts.slice(50)).toEqual(["fresh", "fresh", "fresh", "fresh", "fresh", "fresh", "full", "full", "full", "full"])
  })
  it("one sync serves all tags that came while the one before ran", () => {
    const disk = new MemoryDisk()
    return Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const ring = yield* openMixKeysIn(disk.restart(), options())
      ring.ensure(0)
      disk.onSync = Effect.yieldNow()
      const before = disk.syncs
      const commits = Array.from({ length: 20 }, (_, index) => Effect.suspend(() => {
        keyOf(ring, 0)?.replayFilter.testAndSet(tag(index))
        return commit(ring)
      }))
      expect(new Set(yield* Effect.all(commits, { concurrency: "unbounded" }))).toEqual(new Set([true]))
      expect(disk.syncs - before).toBeLessThanOrEqual(3)
    })))
  })
  it("are not called durable while the disk fails, and are once it works again, those of the failure too", () => {
    const disk = new MemoryDisk()
    life(disk, (ring) => Effect.gen(function*() {
      ring.ensure(0)
      keyOf(ring, 0)?.replayFilter.testAndSet(tag(1))
      disk.failing.add("append")
      expect([yield* commit(ring), yield* commit(ring)]).toEqual([false, false])
      keyOf(ring, 0)?.replayFilter.testAndSet(tag(2))
      disk.failing.clear()
      expect(yield* commit(ring)).toBe(true)
    }))
    life(disk, (ring) => Effect.sync(() => {
      expect([1, 2].map((index) => keyOf(ring, 0)?.replayFilter.testAndSet(tag(index)))).toEqual(["replay", "replay"])
    }))
  })
  it("no key is used that could not be kept; the next call makes another", () => {
    const disk = new MemoryDisk()
    life(disk, (ring) => Effect.sync(() => {
      disk.failing.add("write")
      expect([ring.ensure(0), publicKeys(ring).size]).toEqual([[], 0])
      disk.failing.clear()
      expect([ring.ensure(0), publicKeys(ring).size]).toEqual([[0, 1, 2], 3])
    }))
  })
  it("pruned keys are gone with their tags, and never made again, not even in a later life with its clock set back", () => {
    const disk = new MemoryDisk()
    life(disk, (ring) => Effect.gen(function*() {
      ring.ensure(0)
      keyOf(ring, 0)?.replayFilter.testAndSet(tag(1))
      yield* commit(ring)
      expect(ring.prune(3)).toEqual([0, 1])
    }))
    life(disk, (ring) => Effect.sync(() => {
      expect(ring.ensure(0)).toEqual([])
      expect([...ring.publicKeys(0).keys()]).toEqual([2])
    }))
    expect([...disk.files.keys()].sort()).toEqual(["mix-2.key", "mix-2.tags", "pruned-before-2"])
  })
  it("a key that could not be destroyed is destroyed with the next pruning", () => {
    const disk = new MemoryDisk()
    life(disk, (ring) => Effect.sync(() => {
      ring.ensure(0)
      disk.failing.add("destroy")
      ring.prune(3)
      expect(disk.files.has("mix-0.key")).toBe(true)
      disk.failing.clear()
      ring.prune(3)
      expect([disk.files.has("mix-0.key"), disk.files.has("mix-2.key")]).toEqual([false, true])
    }))
  })
  it("wiping the ring leaves the disk as it is", () => {
    const disk = new MemoryDisk()
    const before = life(disk, (ring) => Effect.sync(() => {
      ring.ensure(0)
      const keys = publicKeys(ring)
      ring.wipe()
      return keys
    }))
    expect(life(disk, (ring) => Effect.sync(() => publicKeys(ring)))).toEqual(before)
  })
})

describe("a loss of power", () => {
  /** What the node did that others saw: keys that it published, tags whose packets went on. */
  interface Seen { readonly published: Map<number, string>; readonly routed: Array<readonly [number, number]>; pruned: number }

  const history = (disk: MemoryDisk, seen: Seen): void => {
    life(Object.assign(disk, { restart: () => disk.folder() }), (ring) => Effect.gen(function*() {
      for (let now = 0; now < 4; now++) {
        ring.ensure(now)
        for (const [epoch, key] of ring.publicKeys(now)) seen.published.set(epoch, String(key))
        ring.prune(now)
        seen.pruned = now - 1
        for (let index = 10 * now; index < 10 * now + 3; index++) {
          keyOf(ring, now)?.replayFilter.testAndSet(tag(index))
          if (yield* commit(ring)) seen.routed.push([now, index])
        }
        yield* Effect.yieldNow()
      }
    }))
  }

  it("at any step, with any part of a torn write, keeps every tag whose packet went on, and keeps or ends a key with its tags", { timeout: 60_000 }, () => {
    const quiet = new MemoryDisk()
    history(quiet, { published: new Map(), routed: [], pruned: 0 })
    const stepCount = quiet.steps
    expect(stepCount).toBeGreaterThan(100)
    for (let lossAt = 1; lossAt <= stepCount; lossAt++) {
      for (const tornShare of [[0, 0.4, 1][lossAt % 3]!]) {
        const disk = Object.assign(new MemoryDisk(), { lossAt, tornShare })
        const seen: Seen = { published: new Map(), routed: [], pruned: -1 }
        // it may come to work in the background, and then nobody hears of it
        Effect.runSyncExit(Effect.sync(() => history(disk, seen)))
        expect(disk.steps).toBeGreaterThanOrEqual(lossAt)
        const after = Object.assign(new MemoryDisk(), { files: disk.files })
        life(after, (ring) => Effect.sync(() => {
          const held = publicKeys(ring)
          for (const [epoch, key] of held) if (seen.published.has(epoch)) expect(String(key), `step ${lossAt}`).toBe(seen.published.get(epoch))
          for (const [epoch, key] of seen.published) if (epoch > seen.pruned) expect(String(held.get(epoch)), `step ${lossAt}`).toBe(key)
          for (const [epoch, index] of seen.routed) {
            const key = keyOf(ring, epoch)
            if (key !== undefined) expect(key.replayFilter.has(tag(index)), `step ${lossAt}`).toBe(true)
          }
          for (const epoch of ring.ensure(0)) expect(epoch).toBeGreaterThanOrEqual(seen.pruned)
        }))
        // what the crash left half-destroyed is gone once the next life has ended
        for (const name of after.files.keys()) expect(name).toMatch(/^(mix-\d+\.(key|tags)|pruned-before-\d+)$/)
      }
    }
  })
})

describe("a damaged file", () => {
  /** Three batches of tags under the key of epoch 0. */
  const written = (): MemoryDisk => {
    const disk = new MemoryDisk()
    life(disk, (ring) => Effect.gen(function*() {
      ring.ensure(0)
      for (let index = 0; index < 6; index++) {
        keyOf(ring, 0)?.replayFilter.testAndSet(tag(index))
        if (index % 2 === 1) yield* commit(ring)
      }
    }))
    return disk
  }
  const HEADER = 16
  const BATCH = 48
  const pristine = written()
  const foreign = new Map(["mix-1.key", "mix-1.tags"].map((name) => [name, pristine.files.get(name)!]))
  for (const name of ["mix-1.key", "mix-1.tags", "mix-2.key", "mix-2.tags"]) pristine.files.delete(name)
  /** A life over changed files. @returns how many tags are known, or nothing when the key is gone */
  const known = (name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): number | undefined => {
    const disk = Object.assign(new MemoryDisk(), { files: new Map([...pristine.files].map(([key, bytes]) => [key, bytes.slice()])) })
    const changed = change(disk.files.get(name)!)
    if (changed === undefined) disk.files.delete(name)
    else disk.files.set(name, changed)
    return life(disk, (ring) => Effect.sync(() => {
      const key = keyOf(ring, 0)
      if (key !== undefined) return Array.from({ length: 6 }, (_, index) => key.replayFilter.has(tag(index))).filter(Boolean).length
      expect(disk.files.has("mix-0.key")).toBe(false)
      return undefined
    }))
  }
  it("as written knows all tags", () => {
    expect([known("mix-0.tags", (bytes) => bytes), pristine.files.get("mix-0.tags")?.length]).toEqual([6, HEADER + 3 * BATCH])
  })
  it("a tag log cut at any byte knows the whole batches before the cut, and is gone with its key when its header is cut", () => {
    for (let length = 0; length < HEADER + 3 * BATCH; length++) {
      const whole = Math.floor((length - HEADER) / BATCH)
      expect(known("mix-0.tags", (bytes) => bytes.slice(0, length)), `${length} bytes`).toBe(length < HEADER ? undefined : 2 * whole)
    }
  })
  it("a tag log with any bit flipped ends its key, unless the flip is in the last batch, which may as well be torn", () => {
    for (let at = 0; at < HEADER + 3 * BATCH; at++) {
      const count = known("mix-0.tags", (bytes) => bytes.map((byte, index) => (index === at ? byte ^ (1 << (at % 8)) : byte)))
      expect(count, `byte ${at}`).toBe(at < HEADER + 2 * BATCH ? undefined : 4)
    }
  })
  it("a torn tail of zeros, of garbage or of another place is cut", () => {
    expect(known("mix-0.tags", (bytes) => Uint8Array.from([...bytes, ...new Uint8Array(700)]))).toBe(6)
    expect(known("mix-0.tags", (bytes) => Uint8Array.from([...bytes, ...tag(1), ...tag(2), 5]))).toBe(6)
    expect(known("mix-0.tags", (bytes) => Uint8Array.from([...bytes, ...bytes.slice(HEADER, HEADER + BATCH)]))).toBe(6)
  })
  it("a log that is missing, or longer than the capacity can have made it, ends its key", () => {
    expect(known("mix-0.tags", () => undefined)).toBeUndefined()
    expect(known("mix-0.tags", (bytes) => Uint8Array.from([...bytes, ...new Uint8Array(2 * 16 * 50)]))).toBeUndefined()
    expect(known("mix-0.tags", () => foreign.get("mix-1.tags"))).toBeUndefined()
  })
  it("a key file that is cut, longer, or has any bit flipped ends its tags as well", () => {
    for (let at = 0; at < 48; at++) {
      expect(known("mix-0.key", (bytes) => bytes.map((byte, index) => (index === at ? byte ^ (1 << (at % 8)) : byte))), `byte ${at}`).toBeUndefined()
      expect(known("mix-0.key", (bytes) => bytes.slice(0, at)), `${at} bytes`).toBeUndefined()
    }
    expect(known("mix-0.key", (bytes) => Uint8Array.from([...bytes, 0]))).toBeUndefined()
    expect(known("mix-0.key", () => foreign.get("mix-1.key"))).toBeUndefined()
  })
  it("that ended a key does not keep another one from being made", () => {
    const disk = written()
    disk.files.delete("mix-0.tags")
    const before = life(written(), (ring) => Effect.sync(() => String(keyOf(ring, 0)?.privateKey.publicKey)))
    life(disk, (ring) => Effect.sync(() => {
      expect(ring.ensure(0)).toEqual([0])
      expect(String(keyOf(ring, 0)?.privateKey.publicKey)).not.toBe(before)
    }))
  })
  it("files of other names are left alone", () => {
    const disk = written()
    disk.files.set("notes.txt", tag(1))
    life(disk, (ring) => Effect.sync(() => ring.prune(9)))
    expect(disk.files.has("notes.txt")).toBe(true)
  })
})

describe("on a real folder", () => {
  it("keys and tags have mode 0600 in a folder of mode 0700, come back, and go when pruned; a path that is no folder is a typed error", async () => {
    const root = mkdtempSync(join(tmpdir(), "funion-mix-keys-"))
    const directory = join(root, "keys")
    const on = <A>(work: (ring: MixKeyRing) => Effect.Effect<A>) =>
      Effect.runPromise(Effect.scoped(Effect.flatMap(openMixKeyDisk({ ...options(), directory }), work)))
    try {
      const before = await on((ring) => Effect.gen(function*() {
        ring.ensure(0)
        keyOf(ring, 1)?.replayFilter.testAndSet(tag(1))
        expect(yield* commit(ring)).toBe(true)
        return publicKeys(ring)
      }))
      expect(statSync(directory).mode & 0o777).toBe(0o700)
      expect(readdirSync(directory).map((name) => statSync(join(directory, name)).mode & 0o777)).toEqual(Array(6).fill(0o600))
      await on((ring) => Effect.gen(function*() {
        expect(publicKeys(ring)).toEqual(before)
        expect(keyOf(ring, 1)?.replayFilter.has(tag(1))).toBe(true)
        ring.prune(3)
        while (readdirSync(directory).length > 3) yield* Effect.yieldNow()
      }))
      expect(readdirSync(directory).sort()).toEqual(["mix-2.key", "mix-2.tags", "pruned-before-2"])
      const failure = await Effect.runPromise(Effect.flip(Effect.scoped(openMixKeyDisk({ ...options(), directory: join(directory, "mix-2.key") }))))
      expect(failure).toMatchObject({ _tag: "MixKeyDiskFailed", message: expect.stringContaining("mix-2.key") })
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
