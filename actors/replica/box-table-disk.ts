/**
 * A replica's store on disk: one ordered database, shared with nobody.
 *
 *     key    u64 replica epoch at the time of writing, big-endian ‖ box id 32
 *     value  Box record (stored-box.ts)
 *
 * Contract: as `BoxTable`. Boxes that come while a batch is being synced go into the next batch; `put` returns when its batch is synced. A box that is being
 * written is not found before. Expired epochs go in one range, and the range is compacted, so that the disk gets its space back. After a failed batch the
 * database is closed and opened again, since its log may end in a torn record; when that fails it is tried again with every batch and every sample.
 * A record that does not parse counts as missing, so that it can be written or repaired again.
 * Knows nothing of: signatures, immutability, shards.
 * Source: pigeonhole.md §5.6 (store), §7 R5, R7, R8; departures: none.
 *
 * @module
 */
import { ClassicLevel } from "classic-level"
import { Data, Deferred, Effect, Either, FiberId, Queue, type Scope } from "effect"
import { mkdir } from "node:fs/promises"
import type { BoxId } from "../../src/bacap/box-id.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { ByteWriter } from "../../src/bytes/writer.ts"
import { decodeStoredBox, encodeStoredBox } from "../../src/pigeonhole/stored-box.ts"
import { BoxTableFailed, type BoxTable } from "./box-table.ts"
import { makeDiskRoom, probeDirectory, type DiskProbe, type DiskRoom } from "./disk-room.ts"

export interface DiskBoxTableOptions {
  /** The database's own folder; made when it is missing, readable by its owner only. */
  readonly directory: string
  /** Size of the database from which on it is full. */
  readonly quotaBytes: number
  /** Free disk space below which it is full; default 500 MiB. */
  readonly reserveBytes?: number
  /** How often room is looked at; default 30 s. */
  readonly sampleEveryMs?: number
  /** Default: the folder and its disk. */
  readonly probe?: DiskProbe
}

/** The database cannot be opened; `message` says why and what to do, in a sentence. */
export class BoxTableUnusable extends Data.TaggedError("BoxTableUnusable")<{
  readonly reason: "locked" | "damaged" | "inaccessible"
  readonly message: string
}> {}

type Level = ClassicLevel<Uint8Array, Uint8Array>

interface Waiting {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly done: Deferred.Deferred<void, BoxTableFailed>
}

const RESERVE_BYTES = 500 * 1_024 * 1_024
const SAMPLE_EVERY_MS = 30_000
/** Boxes of one batch: some tens of megabytes at the largest packets. */
const BATCH_LIMIT = 1_024
const EPOCH_BYTES = 8
const KEY_BYTES = 40
const FIRST_KEY = new Uint8Array(EPOCH_BYTES)
/** After every key: no epoch has that number. */
const BEYOND_KEYS = new Uint8Array(KEY_BYTES).fill(255)

const epochPrefix = (replicaEpoch: number): Uint8Array => new ByteWriter(EPOCH_BYTES).u64(BigInt(Math.max(0, replicaEpoch))).finish()
const keyOf = (replicaEpoch: number, boxId: BoxId): Uint8Array => new ByteWriter(KEY_BYTES).bytes(epochPrefix(replicaEpoch)).bytes(boxId).finish()

const field = (error: unknown, name: "code" | "cause"): unknown =>
  typeof error === "object" && error !== null ? (error as Readonly<Record<string, unknown>>)[name] : undefined

const unusable = (directory: string) => (error: unknown): BoxTableUnusable => {
  const cause = field(error, "cause") ?? error
  const code = field(cause, "code")
  if (code === "LEVEL_LOCKED") {
    const message = `${directory}: another process uses these boxes; stop it, or give this replica a folder of its own`
    return new BoxTableUnusable({ reason: "locked", message })
  }
  const detail = cause instanceof Error ? cause.message : String(cause)
  if (code === "LEVEL_CORRUPTION") {
    const message = `${directory}: the box database is damaged (${detail}); move the folder away and start again: boxes come back from the other replicas`
    return new BoxTableUnusable({ reason: "damaged", message })
  }
  return new BoxTableUnusable({ reason: "inaccessible", message: `${directory}: cannot be opened as a box database (${detail}); check the path and its owner` })
}

const failed = (operation: BoxTableFailed["operation"]) => (): BoxTableFailed => new BoxTableFailed({ operation })

const openLevel = (directory: string): Effect.Effect<Level, BoxTableUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        const level: Level = new ClassicLevel(directory, { keyEncoding: "view", valueEncoding: "view", compression: false })
        await level.open()
        return level
      },
      catch: unusable(directory)
    }),
    (level) => Effect.ignoreLogged(Effect.tryPromise(() => level.close()))
  )

/** A database that could not be opened again after a failure gets another chance. */
const reopen = async (level: Level): Promise<void> => {
  if (level.status !== "open") await level.open()
}

/** Writes one batch and syncs it. After a failure the database is opened anew, for readers too. */
const writeSynced = async (level: Level, batch: ReadonlyArray<Waiting>): Promise<void> => {
  await reopen(level)
  try {
    await level.batch(batch.map(({ key, value }) => ({ type: "put", key, value })), { sync: true })
  } catch (error) {
    await level.close()
    await reopen(level)
    throw error
  }
}

const commit = (level: Level, room: DiskRoom, batch: ReadonlyArray<Waiting>): Effect.Effect<void> =>
  Effect.tryPromise({ try: () => writeSynced(level, batch), catch: failed("put") }).pipe(
    Effect.tap(() => room.wrote(batch.reduce((sum, { key, value }) => sum + key.length + value.length, 0))),
    Effect.tapError(() => Effect.annotateLogs(Effect.logError("boxes could not be written to disk"), { boxCount: batch.length })),
    Effect.exit,
    Effect.flatMap((exit) => Effect.forEach(batch, ({ done }) => Deferred.done(done, exit), { discard: true }))
  )

/** Takes boxes and answers each when it is on disk. What still waits when the scope closes fails. */
const makeCommitter = (level: Level, room: DiskRoom): Effect.Effect<BoxTable["put"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const waiting = yield* Queue.unbounded<Waiting>()
    let isOpen = true
    yield* Effect.addFinalizer(() => Effect.gen(function*() {
      isOpen = false
      for (const { done } of yield* Queue.takeAll(waiting)) yield* Deferred.fail(done, new BoxTableFailed({ operation: "put" }))
    }))
    const next = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(Queue.takeBetween(waiting, 1, BATCH_LIMIT)), (batch) => commit(level, room, [...batch])))
    yield* Effect.forkScoped(Effect.forever(next))
    return (replicaEpoch, box) =>
      Effect.suspend(() => {
        if (!isOpen) return new BoxTableFailed({ operation: "put" })
        const done = Deferred.unsafeMake<void, BoxTableFailed>(FiberId.none)
        waiting.unsafeOffer({ key: keyOf(replicaEpoch, box.boxId), value: encodeStoredBox(box), done })
        return Deferred.await(done)
      })
  })

/** The database gives Node's buffers, whose `slice` shares memory. */
const plainView = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)

const getFrom = (level: Level): BoxTable["get"] => (boxId, replicaEpochs) =>
  Effect.gen(function*() {
    const values = yield* Effect.tryPromise({
      try: () => level.getMany(replicaEpochs.map((replicaEpoch) => keyOf(replicaEpoch, boxId))),
      catch: failed("get")
    })
    for (const value of values) {
      if (value === undefined) continue
      const box = Either.getOrUndefined(decodeStoredBox(plainView(value)))
      if (box !== undefined && constantTimeEqual(box.boxId, boxId)) return box
      yield* Effect.logWarning("a stored box is damaged and counts as missing")
    }
    return undefined
  })

/** Whether keys, or remains of removed keys, lie before an epoch. */
const holdsBefore = async (level: Level, end: Uint8Array): Promise<boolean> =>
  (await level.keys({ lt: end, limit: 1 }).all()).length > 0 || (await level.approximateSize(FIRST_KEY, end)) > 0

/** Brings the log into table files: boxes and their removal in one and the same table would not be merged away. */
const flush = (level: Level): Promise<void> => level.compactRange(BEYOND_KEYS, BEYOND_KEYS)

const dropBefore = (level: Level, room: DiskRoom): BoxTable["dropBefore"] => (replicaEpoch) => {
  const end = epochPrefix(replicaEpoch)
  return Effect.tryPromise({
    try: async () => {
      if (!await holdsBefore(level, end)) return false
      await flush(level)
      await level.clear({ lt: end })
      await level.compactRange(FIRST_KEY, end)
      return true
    },
    catch: failed("drop")
  }).pipe(Effect.flatMap((dropped) => (dropped ? room.sample : Effect.void)))
}

const countKeys = async (level: Level): Promise<number> => {
  let count = 0
  for await (const _key of level.keys()) count += 1
  return count
}

/**
 * Opens a table, or makes an empty one, for as long as the scope lives.
 * @errors BoxTableUnusable: in use by another process, damaged, or out of reach
 */
export const openDiskBoxTable = (options: DiskBoxTableOptions): Effect.Effect<BoxTable, BoxTableUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    const { directory, quotaBytes, reserveBytes = RESERVE_BYTES, sampleEveryMs = SAMPLE_EVERY_MS, probe = probeDirectory(directory) } = options
    const level = yield* openLevel(directory)
    const room = yield* makeDiskRoom({ quotaBytes, reserveBytes, sampleEveryMs, probe })
    const put = yield* makeCommitter(level, room)
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(sampleEveryMs), Effect.ignore(Effect.tryPromise(() => reopen(level))))))
    return {
      get: getFrom(level),
      put,
      dropBefore: dropBefore(level, room),
      isFull: room.isFull,
      boxCount: Effect.tryPromise({ try: () => countKeys(level), catch: failed("count") })
    }
  })
