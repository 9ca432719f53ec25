/**
 * A replica's store on disk: one ordered database, shared with nobody.
 *
 *     key                                                                     value
 *     u64 replica epoch at the time of writing, big-endian ‖ box id 32        Box record (stored-box.ts)
 *     FE ‖ u8 replica id ‖ u64 replica epoch ‖ box id 32 ‖ 0, or 1: tombstone   nothing: that replica is owed a copy
 *     FF                                                                      the note
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
import { BOX_ID_BYTES, BoxId } from "../../src/bacap/box-id.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { ByteReader } from "../../src/bytes/reader.ts"
import { ByteWriter } from "../../src/bytes/writer.ts"
import { decodeStoredBox, encodeStoredBox, type StoredBox } from "../../src/pigeonhole/stored-box.ts"
import { BoxTableFailed, type BoxPage, type BoxPlace, type BoxTable, type PlacedBox } from "./box-table.ts"
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

/** Without a value: the key is removed. */
interface Entry {
  readonly key: Uint8Array
  readonly value?: Uint8Array
}

/** What is written together or not at all. */
interface Waiting {
  readonly entries: ReadonlyArray<Entry>
  readonly done: Deferred.Deferred<void, BoxTableFailed>
}

const RESERVE_BYTES = 500 * 1_024 * 1_024
const SAMPLE_EVERY_MS = 30_000
/** Boxes of one batch: some tens of megabytes at the largest packets. */
const BATCH_LIMIT = 1_024
const EPOCH_BYTES = 8
const KEY_BYTES = EPOCH_BYTES + BOX_ID_BYTES
const FIRST_KEY = new Uint8Array(EPOCH_BYTES)
const OWED_PREFIX = 0xfe
const OWED_KEY_BYTES = 2 + KEY_BYTES + 1
const REPLICA_IDS = 256
/** What is owed, and what is noted, comes after all boxes: no epoch has such a number. */
const BEYOND_BOXES = Uint8Array.of(OWED_PREFIX)
const NOTE_KEY = Uint8Array.of(0xff)
const BEYOND_KEYS = new Uint8Array(KEY_BYTES).fill(255)
const NOTHING = new Uint8Array(0)
const BOX = 0
const TOMBSTONE = 1
const BEYOND_KINDS = 255

const epochPrefix = (replicaEpoch: number): Uint8Array => new ByteWriter(EPOCH_BYTES).u64(BigInt(Math.max(0, replicaEpoch))).finish()
const keyOf = (replicaEpoch: number, boxId: BoxId): Uint8Array => new ByteWriter(KEY_BYTES).bytes(epochPrefix(replicaEpoch)).bytes(boxId).finish()
/** @param kind  BOX, TOMBSTONE, or BEYOND_KINDS for the end of a place */
const owedKeyOf = (replicaId: number, replicaEpoch: number, boxId: BoxId, kind: number): Uint8Array =>
  new ByteWriter(OWED_KEY_BYTES).u8(OWED_PREFIX).u8(replicaId).bytes(keyOf(replicaEpoch, boxId)).u8(kind).finish()
const owedFrom = (replicaId: number, rest: Uint8Array = NOTHING): Uint8Array => Uint8Array.of(OWED_PREFIX, replicaId, ...rest)
/** The database gives Node's buffers, whose `slice` shares memory. */
const plainView = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)

/** The place in a box's key, or in the key of something owed behind its prefix. */
const placeIn = (key: Uint8Array): BoxPlace => {
  const reader = new ByteReader("box key", plainView(key))
  return { replicaEpoch: reader.u64number(), boxId: BoxId.unsafe(reader.bytes(BOX_ID_BYTES)) }
}

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

const operationOf = ({ key, value }: Entry) => (value === undefined ? { type: "del" as const, key } : { type: "put" as const, key, value })

/** Writes one batch and syncs it, if it holds more than removals. After a failure the database is opened anew, for readers too. */
const writeSynced = async (level: Level, batch: ReadonlyArray<Waiting>): Promise<void> => {
  await reopen(level)
  const operations = batch.flatMap(({ entries }) => entries.map(operationOf))
  try {
    await level.batch(operations, { sync: operations.some(({ type }) => type === "put") })
  } catch (error) {
    await level.close()
    await reopen(level)
    throw error
  }
}

const bytesOf = (batch: ReadonlyArray<Waiting>): number =>
  batch.reduce((sum, { entries }) => entries.reduce((all, { key, value }) => all + key.length + (value?.length ?? 0), sum), 0)

const commit = (level: Level, room: DiskRoom, batch: ReadonlyArray<Waiting>): Effect.Effect<void> =>
  Effect.tryPromise({ try: () => writeSynced(level, batch), catch: failed("put") }).pipe(
    Effect.tap(() => room.wrote(bytesOf(batch))),
    Effect.tapError(() => Effect.annotateLogs(Effect.logError("boxes could not be written to disk"), { boxCount: batch.length })),
    Effect.exit,
    Effect.flatMap((exit) => Effect.forEach(batch, ({ done }) => Deferred.done(done, exit), { discard: true }))
  )

type Committer = (entries: ReadonlyArray<Entry>) => Effect.Effect<void, BoxTableFailed>

/** Takes entries and answers when they are on disk. What still waits when the scope closes fails. */
const makeCommitter = (level: Level, room: DiskRoom): Effect.Effect<Committer, never, Scope.Scope> =>
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
    return (entries) =>
      Effect.suspend(() => {
        if (!isOpen) return new BoxTableFailed({ operation: "put" })
        const done = Deferred.unsafeMake<void, BoxTableFailed>(FiberId.none)
        waiting.unsafeOffer({ entries, done })
        return Deferred.await(done)
      })
  })

const putWith = (commitEntries: Committer): BoxTable["put"] => (replicaEpoch, box, owedTo = []) => {
  const kind = box.payload.length === 0 ? TOMBSTONE : BOX
  return commitEntries([
    { key: keyOf(replicaEpoch, box.boxId), value: encodeStoredBox(box) },
    ...owedTo.map((replicaId) => ({ key: owedKeyOf(replicaId, replicaEpoch, box.boxId, kind), value: NOTHING }))
  ])
}


/** The box in a record; undefined, and said so, when it is damaged. */
const boxIn = (value: Uint8Array | undefined, boxId: BoxId): Effect.Effect<StoredBox | undefined> => {
  if (value === undefined) return Effect.succeed(undefined)
  const box = Either.getOrUndefined(decodeStoredBox(plainView(value)))
  if (box !== undefined && constantTimeEqual(box.boxId, boxId)) return Effect.succeed(box)
  return Effect.as(Effect.logWarning("a stored box is damaged and counts as missing"), undefined)
}

const getFrom = (level: Level): BoxTable["get"] => (boxId, replicaEpochs) =>
  Effect.gen(function*() {
    const values = yield* Effect.tryPromise({
      try: () => level.getMany(replicaEpochs.map((replicaEpoch) => keyOf(replicaEpoch, boxId))),
      catch: failed("get")
    })
    for (const value of values) {
      const box = yield* boxIn(value, boxId)
      if (box !== undefined) return box
    }
    return undefined
  })

/** The page of some places, of which there are more when there are `limit`. */
const pageOf = (places: ReadonlyArray<BoxPlace>, values: ReadonlyArray<Uint8Array | undefined>, limit: number): Effect.Effect<BoxPage> =>
  Effect.gen(function*() {
    const boxes: Array<PlacedBox> = []
    for (const [at, { boxId, replicaEpoch }] of places.entries()) {
      const box = yield* boxIn(values[at], boxId)
      if (box !== undefined) boxes.push({ replicaEpoch, box })
    }
    return { boxes, next: places.length < limit ? undefined : places.at(-1) }
  })

const scanFrom = (level: Level): BoxTable["scan"] => (after, limit) =>
  Effect.tryPromise({
    try: () => level.iterator({ ...(after === undefined ? {} : { gt: keyOf(after.replicaEpoch, after.boxId) }), lt: BEYOND_BOXES, limit }).all(),
    catch: failed("scan")
  }).pipe(Effect.flatMap((found) => pageOf(found.map(([key]) => placeIn(key)), found.map(([, value]) => value), limit)))

const owedFromLevel = (level: Level): BoxTable["owed"] => (replicaId, after, limit) =>
  Effect.tryPromise({
    try: async () => {
      const gt = after === undefined ? owedFrom(replicaId) : owedKeyOf(replicaId, after.replicaEpoch, after.boxId, BEYOND_KINDS)
      const keys = await level.keys({ gt, lt: owedFrom(replicaId, new Uint8Array(KEY_BYTES).fill(255)), limit }).all()
      const places = keys.map((key) => placeIn(key.slice(2)))
      return { places, values: await level.getMany(places.map(({ boxId, replicaEpoch }) => keyOf(replicaEpoch, boxId))) }
    },
    catch: failed("scan")
  }).pipe(Effect.flatMap(({ places, values }) => pageOf(places, values, limit)))

/** A copy of a tombstone settles what its box owed. Removals ride with the next batch. */
const settleWith = (commitEntries: Committer): BoxTable["settle"] => (replicaId, boxes) => {
  const removals = boxes.flatMap(({ box, replicaEpoch }) =>
    (box.payload.length === 0 ? [BOX, TOMBSTONE] : [BOX]).map((kind) => ({ key: owedKeyOf(replicaId, replicaEpoch, box.boxId, kind) })))
  return removals.length === 0 ? Effect.void : Effect.mapError(commitEntries(removals), failed("settle"))
}

/** Whether keys, or remains of removed keys, lie before an epoch. */
const holdsBefore = async (level: Level, end: Uint8Array): Promise<boolean> =>
  (await level.keys({ lt: end, limit: 1 }).all()).length > 0 || (await level.approximateSize(FIRST_KEY, end)) > 0

/** Brings the log into table files: boxes and their removal in one and the same table would not be merged away. */
const flush = (level: Level): Promise<void> => level.compactRange(BEYOND_KEYS, BEYOND_KEYS)

/** Goes from one replica that is owed something to the next. */
const dropOwedBefore = async (level: Level, end: Uint8Array): Promise<void> => {
  for (let replicaId = 0; replicaId < REPLICA_IDS; replicaId++) {
    const [key] = await level.keys({ gte: owedFrom(replicaId), lt: NOTE_KEY, limit: 1 }).all()
    if (key === undefined) return
    replicaId = key[1] ?? REPLICA_IDS
    await level.clear({ gte: owedFrom(replicaId), lt: owedFrom(replicaId, end) })
  }
}

const dropBefore = (level: Level, room: DiskRoom): BoxTable["dropBefore"] => (replicaEpoch) => {
  const end = epochPrefix(replicaEpoch)
  return Effect.tryPromise({
    try: async () => {
      if (!await holdsBefore(level, end)) return false
      await flush(level)
      await dropOwedBefore(level, end)
      await level.clear({ lt: end })
      await level.compactRange(FIRST_KEY, end)
      return true
    },
    catch: failed("drop")
  }).pipe(Effect.flatMap((dropped) => (dropped ? room.sample : Effect.void)))
}

const countKeys = async (level: Level): Promise<number> => {
  let count = 0
  for await (const _key of level.keys({ lt: BEYOND_BOXES })) count += 1
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
    const commitEntries = yield* makeCommitter(level, room)
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(sampleEveryMs), Effect.ignore(Effect.tryPromise(() => reopen(level))))))
    return {
      get: getFrom(level),
      put: putWith(commitEntries),
      scan: scanFrom(level),
      owed: owedFromLevel(level),
      settle: settleWith(commitEntries),
      dropBefore: dropBefore(level, room),
      isFull: room.isFull,
      boxCount: Effect.tryPromise({ try: () => countKeys(level), catch: failed("count") }),
      note: Effect.map(Effect.tryPromise({ try: () => level.get(NOTE_KEY), catch: failed("note") }), (note) =>
        note === undefined ? undefined : plainView(note).slice()),
      putNote: (note) => Effect.mapError(commitEntries([{ key: NOTE_KEY, value: note.slice() }]), failed("note"))
    }
  })
