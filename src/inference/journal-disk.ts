/**
 * A journal's bytes in a file, `journal`, in a folder of its own.
 *
 *     life 24 random bytes, drawn when the file is made ‖ 8 bytes of H256("funion-journal-file-v1" ‖ life) ‖ the journal's bytes
 *
 * Contract: as `JournalStorage`. Appends that come while one is being synced go together with the next sync, in the order in which they came. After an append
 * that failed, the file is cut back to what was durable before anything else is done with it; as long as that fails, everything does. What is replaced is
 * overwritten. The life tells a journal from one that was lost and made anew: what belongs to a journal (job keys) is bound to it.
 * One owner at a time, over all processes (owner-lock.ts).
 * Knows nothing of: records, frames.
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Data, Effect, Either, type Scope } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import type { DiskFailed } from "../disk/disk-failed.ts"
import { openFolder, reachFolder, type Folder } from "../disk/folder.ts"
import type { LogFile } from "../disk/log-file.ts"
import { lockFolder } from "../disk/owner-lock.ts"
import { JournalUnavailable, type JournalStorage } from "./journal-file.ts"
import type { JournalCorrupt } from "./journal-frame.ts"

/** The journal cannot be opened; `message` says why and what to do, in a sentence. */
export class JournalFileUnusable extends Data.TaggedError("JournalFileUnusable")<{
  readonly reason: "in-use" | "damaged" | "inaccessible"
  readonly message: string
}> {}

/** Why a journal's records cannot be read, and what to do. @param lost  what a new beginning costs */
export const journalTrouble = (
  { path }: Pick<Folder, "path">, error: JournalCorrupt | JournalUnavailable, lost: string
): { readonly reason: "damaged" | "inaccessible"; readonly message: string } =>
  error._tag === "JournalUnavailable"
    ? { reason: "inaccessible", message: `${path}: the journal cannot be read; check the disk` }
    : {
      reason: "damaged",
      message: `${path}: the journal is damaged (${error.reason}, record ${error.recordIndex}), or another NAME.secret wrote it; `
        + `put back the secret, or move the folder away and start anew: ${lost}`
    }

export interface DiskJournal {
  readonly storage: JournalStorage
  /** 24 bytes: which journal this is. */
  readonly life: Uint8Array
}

const NAME = "journal"
const LIFE_BYTES = 24
const CHECK_BYTES = 8
const HEADER_BYTES = LIFE_BYTES + CHECK_BYTES
const LABEL = utf8("funion-journal-file-v1")
/** Longest journal: beyond it a file is not one of ours. */
const LIMIT_BYTES = 2 ** 31

const headerOf = (crypto: CryptoBackend, life: Uint8Array): Uint8Array => concatBytes(life, crypto.blake2b256(LABEL, life).slice(0, CHECK_BYTES))

/** An append, and what became of it. */
interface Waiting {
  readonly bytes: Uint8Array
  outcome: Either.Either<void, DiskFailed> | undefined
}

/** The file after its header. Calls wait for each other. */
class JournalLogFile {
  readonly #folder: Folder
  readonly #header: Uint8Array
  readonly #lock: Effect.Semaphore
  #file: LogFile
  /** Bytes of the file that are durable and good, header included. */
  #wholeBytes: number
  /** What a failed call left to be put right before the next one. */
  #damage: "none" | "tail" | "name" = "none"
  #waiting: Array<Waiting> = []

  constructor(folder: Folder, header: Uint8Array, file: LogFile, wholeBytes: number, lock: Effect.Semaphore) {
    this.#folder = folder
    this.#header = header
    this.#file = file
    this.#wholeBytes = wholeBytes
    this.#lock = lock
  }

  #alone<A>(operation: JournalUnavailable["operation"], work: Effect.Effect<A, DiskFailed>): Effect.Effect<A, JournalUnavailable> {
    return Effect.suspend(() => this.#lock.withPermits(1)(Effect.uninterruptible(Effect.zipRight(this.#repair, work)))).pipe(
      Effect.tapError(({ message }) => Effect.annotateLogs(Effect.logError("the journal is out of reach"), { disk: message })),
      Effect.mapError(() => new JournalUnavailable({ operation }))
    )
  }

  /** Cuts off what may be half an append; finds the file again whose name may or may not have changed hands. */
  readonly #repair: Effect.Effect<void, DiskFailed> = Effect.suspend(() => {
    if (this.#damage === "none") return Effect.void
    return this.#damage === "tail" ? this.#cut(this.#wholeBytes) : this.#reopen
  })

  readonly #reopen: Effect.Effect<void, DiskFailed> = Effect.gen(this, function*() {
    yield* this.#folder.remove(`${NAME}.new`)
    const file = yield* this.#folder.openLog(NAME)
    const bytes = yield* Effect.tapError(file.read(LIMIT_BYTES), () => Effect.sync(file.close))
    this.#file.close()
    this.#file = file
    this.#wholeBytes = bytes.length
    this.#damage = "none"
  })

  readonly #cut = (byteLength: number): Effect.Effect<void, DiskFailed> => Effect.map(this.#file.truncate(byteLength), () => {
    this.#wholeBytes = byteLength
    this.#damage = "none"
  })

  /** Writes all that waits in one go. */
  readonly #flush: Effect.Effect<void, DiskFailed> = Effect.suspend(() => {
    const batch = this.#waiting
    this.#waiting = []
    const bytes = concatBytes(...batch.map((each) => each.bytes))
    return Effect.flatMap(Effect.either(this.#file.write(this.#wholeBytes, bytes)), (outcome) => {
      for (const each of batch) each.outcome = outcome
      if (Either.isRight(outcome)) this.#wholeBytes += bytes.length
      else this.#damage = "tail"
      return outcome
    })
  })

  readonly #replace = (bytes: Uint8Array): Effect.Effect<void, DiskFailed> => Effect.gen(this, function*() {
    yield* this.#folder.destroy(`${NAME}.new`)
    const beside = yield* this.#folder.openLog(`${NAME}.new`)
    const content = concatBytes(this.#header, bytes)
    yield* beside.write(0, content).pipe(
      Effect.zipRight(Effect.suspend(() => this.#folder.rename(`${NAME}.new`, NAME))),
      Effect.tapError(() => Effect.sync(() => {
        beside.close()
        this.#damage = "name"
      }))
    )
    const before = this.#file
    this.#file = beside
    this.#wholeBytes = content.length
    yield* Effect.ignore(before.erase)
  })

  readonly storage: JournalStorage = {
    readAll: this.#alone("read", Effect.suspend(() => Effect.map(this.#file.read(LIMIT_BYTES), (bytes) => bytes.slice(HEADER_BYTES)))),
    append: (bytes) => Effect.uninterruptible(Effect.suspend(() => {
      const waiting: Waiting = { bytes: bytes.slice(), outcome: undefined }
      this.#waiting.push(waiting)
      return this.#alone("append", Effect.suspend(() => waiting.outcome ?? this.#flush))
    })),
    truncate: (byteLength) => this.#alone("truncate", this.#cut(HEADER_BYTES + byteLength)),
    replace: (bytes) => this.#alone("replace", Effect.suspend(() => this.#replace(bytes)))
  }

  readonly close = (): void => this.#file.close()
}

const unusable = (reason: JournalFileUnusable["reason"]) => ({ message }: { readonly message: string }): JournalFileUnusable =>
  new JournalFileUnusable({ reason, message })

/** Opens the journal in a folder that is open and ours, or makes an empty one. @errors JournalFileUnusable */
export const openJournalIn = (
  folder: Folder,
  crypto: CryptoBackend,
  entropy: Entropy
): Effect.Effect<DiskJournal, JournalFileUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    const ofDisk = unusable("inaccessible")
    const names = yield* Either.mapLeft(folder.names(), ofDisk)
    if (!names.includes(NAME)) yield* Either.mapLeft(folder.write(NAME, headerOf(crypto, entropy(LIFE_BYTES))), ofDisk)
    const lock = yield* Effect.makeSemaphore(1)
    const file = yield* Either.mapLeft(folder.openLog(NAME), ofDisk)
    const bytes = yield* file.read(LIMIT_BYTES).pipe(Effect.mapError(ofDisk), Effect.tapError(() => Effect.sync(file.close)))
    const life = bytes.slice(0, LIFE_BYTES)
    const header = headerOf(crypto, life)
    if (!constantTimeEqual(bytes.subarray(0, HEADER_BYTES), header)) {
      file.close()
      const message = `${folder.path}/${NAME}: does not begin as a journal does; move the folder away and start anew: what it had promised is lost`
      return yield* new JournalFileUnusable({ reason: "damaged", message })
    }
    const log = new JournalLogFile(folder, header, file, bytes.length, lock)
    yield* Effect.addFinalizer(() => lock.withPermits(1)(Effect.sync(log.close)))
    return { storage: log.storage, life }
  })

export interface FileJournalOptions {
  /** The journal's own folder; made when it is missing. */
  readonly directory: string
  readonly crypto: CryptoBackend
  readonly entropy: Entropy
}

/** The folder of a journal, open and ours until the scope closes. @errors JournalFileUnusable */
export const openJournalFolder = (directory: string): Effect.Effect<Folder, JournalFileUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Either.mapLeft(reachFolder(directory), unusable("inaccessible"))
    yield* Effect.mapError(lockFolder(directory), ({ message, reason }) => new JournalFileUnusable({ reason, message }))
    return yield* Either.mapLeft(openFolder(directory), unusable("inaccessible"))
  })

/** A journal on disk for as long as the scope lives. @errors JournalFileUnusable: another process has it, the file is damaged, or out of reach */
export const fileJournal = ({ crypto, directory, entropy }: FileJournalOptions): Effect.Effect<JournalStorage, JournalFileUnusable, Scope.Scope> =>
  Effect.flatMap(openJournalFolder(directory), (folder) => Effect.map(openJournalIn(folder, crypto, entropy), ({ storage }) => storage))
