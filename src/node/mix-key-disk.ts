/**
 * A node's mix keys and their replay tags in a folder of their own.
 *
 *     mix-<epoch>.key        key 32 ‖ 16 bytes of H256("funion-mix-key-v1" ‖ u64 epoch ‖ key)
 *     mix-<epoch>.tags       tag log (tag-log.ts)
 *     mix-<epoch>.dead       the log of a key that is gone, to be erased
 *     pruned-before-<epoch>  empty; its name is the mark
 *
 * Contract: a key and its tags live and die together: the log is there before the key, and a key whose file or log is missing or damaged is destroyed, both
 * files, and reported in a log line; the ring then makes another, different one, under which no earlier packet opens. An epoch that was pruned gets no key
 * again. While one sync runs, further tags gather for the next. Keys are overwritten and removed at once, logs in the background, and what a crash leaves of
 * that is finished at the next start. One owner at a time (owner-lock.ts).
 * Knows nothing of: packets, time.
 * Source: mixnet.md §6, §7; departures: none.
 *
 * @module
 */
import { Data, Effect, Either, Queue, type Scope } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import type { DiskFailed } from "../disk/disk-failed.ts"
import { openFolder, type Folder } from "../disk/folder.ts"
import type { LogFile } from "../disk/log-file.ts"
import { MixKeyRing, type HeldMixKey, type MixKeyRingOptions, type MixKeyVault } from "../mixnet/mix-key.ts"
import { KEPT_TAG_BYTES } from "../mixnet/replay-filter.ts"
import { encodeTagBatch, readTagLog, TAG_BATCH_LIMIT, tagLogHeader, tagLogLimitBytes } from "./tag-log.ts"

/** The keys cannot be kept; `message` says why and what to do, in a sentence. */
export class MixKeyDiskFailed extends Data.TaggedError("MixKeyDiskFailed")<{ readonly message: string }> {}

export interface MixKeyDiskOptions extends Omit<MixKeyRingOptions, "vault"> {
  /** The keys' own folder; made when it is missing. */
  readonly directory: string
}

const SECRET_BYTES = 32
const CHECK_BYTES = 16
const LABEL = utf8("funion-mix-key-v1")
const KEY_FILE = /^mix-(\d{1,12})\.key$/
const TAGS_FILE = /^mix-(\d{1,12})\.tags$/
const DEAD_FILE = /^mix-(\d{1,12})\.dead$/
const MARK = /^pruned-before-(\d{1,12})$/

const keyName = (epoch: number): string => `mix-${epoch}.key`
const tagsName = (epoch: number): string => `mix-${epoch}.tags`
const deadName = (epoch: number): string => `mix-${epoch}.dead`
const markName = (epoch: number): string => `pruned-before-${epoch}`

const keyCheck = (crypto: CryptoBackend, epoch: number, secret: Uint8Array): Uint8Array =>
  crypto.blake2b256(LABEL, new ByteWriter(8).u64(BigInt(epoch)).finish(), secret).slice(0, CHECK_BYTES)

/** The log of one key, open. */
interface OpenLog {
  readonly epoch: number
  readonly header: Uint8Array
  readonly file: LogFile
  /** Bytes that are durable. */
  wholeBytes: number
  /** Tags that are not. */
  waiting: Array<Uint8Array>
}

/** A log whose key is gone. */
interface DeadLog {
  readonly name: string
  readonly file: LogFile
}

/** Writes what waits, batch by batch; tags leave the queue when they are durable. */
const flush = (log: OpenLog): Effect.Effect<void, DiskFailed> =>
  Effect.gen(function*() {
    while (log.waiting.length > 0) {
      const tags = log.waiting.slice(0, TAG_BATCH_LIMIT)
      const batch = encodeTagBatch(log.header, log.wholeBytes, tags)
      yield* log.file.write(log.wholeBytes, batch)
      log.wholeBytes += batch.length
      log.waiting = log.waiting.slice(tags.length)
    }
  })

class FolderVault implements MixKeyVault {
  readonly held: ReadonlyArray<HeldMixKey>
  prunedBefore: number
  readonly #crypto: CryptoBackend
  readonly #folder: Folder
  readonly #logs: Map<number, OpenLog>
  readonly #lock: Effect.Semaphore
  readonly #dead: Queue.Enqueue<DeadLog>
  /** Epochs whose key files are to be destroyed and could not be. */
  readonly #remaining = new Set<number>()
  #isFailing = false

  constructor(crypto: CryptoBackend, folder: Folder, found: Found, dead: Queue.Enqueue<DeadLog>, lock: Effect.Semaphore) {
    this.#crypto = crypto
    this.#folder = folder
    this.#dead = dead
    this.#lock = lock
    this.held = found.held
    this.#logs = new Map(found.logs.map((log) => [log.epoch, log]))
    this.prunedBefore = found.prunedBefore
  }

  readonly #told = (failure: DiskFailed | undefined): Effect.Effect<boolean> => {
    const isNews = failure !== undefined && !this.#isFailing
    this.#isFailing = failure !== undefined
    const line = Effect.annotateLogs(Effect.logError("replay tags cannot be written; packets are dropped until they can be"), { disk: failure?.message })
    return Effect.as(isNews ? line : Effect.void, failure === undefined)
  }

  readonly commit: Effect.Effect<boolean> = Effect.suspend(() => this.#lock.withPermits(1)(Effect.uninterruptible(
    Effect.forEach([...this.#logs.values()], (log) => flush(log), { concurrency: "unbounded", discard: true }).pipe(
      Effect.matchEffect({ onSuccess: () => this.#told(undefined), onFailure: this.#told })
    )
  )))

  readonly keep = (epoch: number, secret: Uint8Array): boolean => {
    const header = tagLogHeader(this.#crypto, epoch, secret)
    const content = concatBytes(secret, keyCheck(this.#crypto, epoch, secret))
    const log = Either.flatMap(this.#folder.write(tagsName(epoch), header), () => this.#folder.openLog(tagsName(epoch)))
    const kept = Either.flatMap(log, () => this.#folder.write(keyName(epoch), content))
    zeroize(content)
    if (Either.isLeft(log)) return false
    if (Either.isLeft(kept)) {
      log.right.close()
      return false
    }
    this.#remaining.delete(epoch)
    this.#logs.set(epoch, { epoch, header, file: log.right, wholeBytes: header.length, waiting: [] })
    return true
  }

  readonly record = (epoch: number, tag: Uint8Array): void => {
    this.#logs.get(epoch)?.waiting.push(tag.slice(0, KEPT_TAG_BYTES))
  }

  readonly destroyBefore = (epoch: number): void => {
    if (epoch > Math.max(this.prunedBefore, 0) && Either.isRight(this.#folder.write(markName(epoch), new Uint8Array(0)))) {
      if (Number.isFinite(this.prunedBefore)) this.#folder.remove(markName(this.prunedBefore))
      this.prunedBefore = epoch
    }
    for (const log of [...this.#logs.values()]) {
      if (log.epoch >= epoch) continue
      this.#logs.delete(log.epoch)
      this.#remaining.add(log.epoch)
      this.#folder.rename(tagsName(log.epoch), deadName(log.epoch))
      this.#dead.unsafeOffer({ name: deadName(log.epoch), file: log.file })
    }
    for (const remaining of [...this.#remaining]) {
      if (Either.isRight(this.#folder.destroy(keyName(remaining)))) this.#remaining.delete(remaining)
    }
  }

  readonly close = (): void => {
    for (const { file } of this.#logs.values()) file.close()
    this.#logs.clear()
  }
}

/** What a folder held, and what is to be erased of it. */
interface Found {
  readonly prunedBefore: number
  readonly held: ReadonlyArray<HeldMixKey>
  readonly logs: ReadonlyArray<OpenLog>
  readonly dead: ReadonlyArray<DeadLog>
}

const failed = ({ message }: DiskFailed): MixKeyDiskFailed => new MixKeyDiskFailed({ message })

const numbersIn = (names: ReadonlyArray<string>, pattern: RegExp): ReadonlyArray<number> =>
  names.flatMap((name) => {
    const digits = pattern.exec(name)?.[1]
    return digits === undefined ? [] : [Number(digits)]
  })

/** The key of an epoch and its open log; nothing when either is missing, damaged or another's. A torn tail is cut off. */
const readKey = (folder: Folder, options: MixKeyRingOptions, epoch: number) =>
  Effect.gen(function*() {
    const { crypto, replayCapacity } = options
    const content = Either.getOrUndefined(folder.read(keyName(epoch), SECRET_BYTES + CHECK_BYTES))
    const secret = content?.slice(0, SECRET_BYTES)
    if (content === undefined || secret === undefined || !constantTimeEqual(content.subarray(SECRET_BYTES), keyCheck(crypto, epoch, secret))) return undefined
    zeroize(content)
    const header = tagLogHeader(crypto, epoch, secret)
    const file = Either.getOrUndefined(folder.openLog(tagsName(epoch)))
    const bytes = file === undefined ? undefined : yield* Effect.option(file.read(tagLogLimitBytes(replayCapacity)))
    const log = bytes?._tag === "Some" ? readTagLog(header, bytes.value) : undefined
    if (file === undefined || log === undefined || bytes?._tag !== "Some") {
      file?.close()
      zeroize(secret)
      return undefined
    }
    if (log.wholeBytes < bytes.value.length) yield* Effect.mapError(file.truncate(log.wholeBytes), failed)
    const open: OpenLog = { epoch, header, file, wholeBytes: log.wholeBytes, waiting: [] }
    return { held: { epoch, secret, tags: log.tags }, log: open }
  })

/** Gives a log whose key is gone a name that no new key takes. */
const bury = (folder: Folder, epoch: number): Effect.Effect<DeadLog, MixKeyDiskFailed> =>
  Either.flatMap(folder.rename(tagsName(epoch), deadName(epoch)), () => folder.openLog(deadName(epoch))).pipe(
    Either.mapBoth({ onLeft: failed, onRight: (file) => ({ name: deadName(epoch), file }) })
  )

const find = (folder: Folder, options: MixKeyRingOptions): Effect.Effect<Found, MixKeyDiskFailed> => {
  const logs: Array<OpenLog> = []
  return Effect.gen(function*() {
    const names = yield* Either.mapLeft(folder.names(), failed)
    const marks = numbersIn(names, MARK)
    const prunedBefore = Math.max(Number.NEGATIVE_INFINITY, ...marks)
    for (const mark of marks) if (mark < prunedBefore) folder.remove(markName(mark))
    const held: Array<HeldMixKey> = []
    for (const epoch of numbersIn(names, KEY_FILE).toSorted((a, b) => a - b)) {
      const found = epoch < prunedBefore ? undefined : yield* readKey(folder, options, epoch)
      if (found === undefined) {
        if (epoch >= prunedBefore) {
          yield* Effect.annotateLogs(Effect.logWarning("a mix key or its replay tags are damaged: both are destroyed"), { epoch })
        }
        yield* Either.mapLeft(folder.destroy(keyName(epoch)), failed)
        continue
      }
      held.push(found.held)
      logs.push(found.log)
    }
    const living = new Set(held.map(({ epoch }) => epoch))
    const left = numbersIn(yield* Either.mapLeft(folder.names(), failed), TAGS_FILE).filter((epoch) => !living.has(epoch))
    const dead = [...yield* Effect.forEach(left, (epoch) => bury(folder, epoch))]
    for (const epoch of numbersIn(names, DEAD_FILE)) {
      if (dead.some(({ name }) => name === deadName(epoch))) continue
      dead.push({ name: deadName(epoch), file: yield* Either.mapLeft(folder.openLog(deadName(epoch)), failed) })
    }
    return { prunedBefore, held, logs, dead }
  }).pipe(Effect.onError(() => Effect.sync(() => logs.forEach(({ file }) => file.close()))))
}

/** Erases logs whose keys are gone, one by one, when no write to them is under way. What fails is left to the next start. */
const eraseDead = (folder: Folder, dead: Queue.Queue<DeadLog>, lock: Effect.Semaphore): Effect.Effect<never> =>
  Queue.take(dead).pipe(
    Effect.flatMap(({ file, name }) =>
      lock.withPermits(1)(Effect.void).pipe(
        Effect.zipRight(file.erase),
        Effect.zipRight(Effect.suspend(() => folder.remove(name))),
        Effect.ignore,
        Effect.ensuring(Effect.sync(file.close))
      )),
    Effect.forever
  )

/** As `openMixKeyDisk`, in a folder that is open. */
export const openMixKeysIn = (folder: Folder, options: MixKeyRingOptions): Effect.Effect<MixKeyRing, MixKeyDiskFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const lock = yield* Effect.makeSemaphore(1)
    const dead = yield* Queue.unbounded<DeadLog>()
    const { ring } = yield* Effect.acquireRelease(
      Effect.map(find(folder, options), (found) => {
        const vault = new FolderVault(options.crypto, folder, found, dead, lock)
        for (const log of found.dead) dead.unsafeOffer(log)
        return { vault, ring: new MixKeyRing({ ...options, vault }) }
      }),
      ({ ring, vault }) => Effect.zipRight(vault.commit, Effect.sync(() => {
        vault.close()
        ring.wipe()
      }))
    )
    yield* Effect.addFinalizer(() => Effect.map(Queue.takeAll(dead), (left) => {
      for (const { file } of left) file.close()
    }))
    yield* Effect.forkScoped(eraseDead(folder, dead, lock))
    return ring
  })

/**
 * Opens a node's folder of keys for as long as the scope lives. The ring's `wipe` leaves the disk as it is.
 * @errors MixKeyDiskFailed: out of reach, or the disk fails. Damage is no error: what is damaged is destroyed
 */
export const openMixKeyDisk = ({ directory, ...options }: MixKeyDiskOptions): Effect.Effect<MixKeyRing, MixKeyDiskFailed, Scope.Scope> =>
  Effect.flatMap(Either.mapLeft(openFolder(directory), failed), (folder) => openMixKeysIn(folder, options))
