/**
 * A folder of small secret files, and the place of logs: what an actor keeps beyond its process.
 *
 * Contract: the folder has mode 0700 and its files 0600. What a call was asked for is durable when it returns, and after a crash a file has its old content
 * or its new one, or is there or not. Destroying overwrites with zeros first; that is best effort, since a file system may have copied the bytes. Remains
 * of an interrupted write (`*.new`) are destroyed when the folder is opened. Calls but those of logs block for a few operations of the disk: for what
 * happens a few times in an epoch. One owner at a time (owner-lock.ts).
 * Knows nothing of: what the files mean.
 * Source: style.md §2; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs"
import { join } from "node:path"
import { diskFailed, DiskFailed } from "./disk-failed.ts"
import { openLogFile, type LogFile } from "./log-file.ts"

type Outcome<A> = Either.Either<A, DiskFailed>

export interface Folder {
  readonly path: string
  readonly names: () => Outcome<ReadonlyArray<string>>
  /** Content of a file of at most `limitBytes`; nothing when there is no such file. */
  readonly read: (name: string, limitBytes: number) => Outcome<Uint8Array | undefined>
  /** Puts a file in place, instead of one that is there. */
  readonly write: (name: string, bytes: Uint8Array) => Outcome<void>
  /** Gives a file another name, in place of one that has it. */
  readonly rename: (from: string, to: string) => Outcome<void>
  /** Removes a file, if there is one, without overwriting it. */
  readonly remove: (name: string) => Outcome<void>
  /** Overwrites and removes a file, if there is one. */
  readonly destroy: (name: string) => Outcome<void>
  /** Opens a log, or begins one: sync it by `write` in another name and `rename` when its beginning must be whole. */
  readonly openLog: (name: string) => Outcome<LogFile>
}

export const REMAINS = /\.new$/
const PIECE_BYTES = 1_048_576

const withFile = <A>(path: string, flags: string, use: (file: number) => A): A => {
  const file = openSync(path, flags, 0o600)
  try {
    return use(file)
  } finally {
    closeSync(file)
  }
}

const syncFolder = (path: string): void => withFile(path, "r", fsyncSync)

const writeFully = (file: number, bytes: Uint8Array, position: number): void => {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, position + at)
}

const isMissing = (error: unknown): boolean => typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT"

/** Undefined for a file that is not there. */
const ifThere = <A>(work: () => A): A | undefined => {
  try {
    return work()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const overwrite = (path: string): void => withFile(path, "r+", (file) => {
  const { size } = statSync(path)
  for (let at = 0; at < size; at += PIECE_BYTES) writeFully(file, new Uint8Array(Math.min(PIECE_BYTES, size - at)), at)
  fsyncSync(file)
})

const destroyIn = (folder: string, name: string): void => {
  const path = join(folder, name)
  ifThere(() => {
    overwrite(path)
    unlinkSync(path)
    syncFolder(folder)
  })
}

const writeIn = (folder: string, name: string, bytes: Uint8Array): void => {
  const beside = join(folder, `${name}.new`)
  destroyIn(folder, `${name}.new`)
  withFile(beside, "wx", (file) => {
    writeFully(file, bytes, 0)
    fsyncSync(file)
  })
  renameSync(beside, join(folder, name))
  syncFolder(folder)
}

const readIn = (folder: string, name: string, limitBytes: number): Uint8Array | undefined =>
  ifThere(() => {
    const path = join(folder, name)
    const { size } = statSync(path)
    if (size > limitBytes) throw new RangeError(`has ${size} bytes where ${limitBytes} are the most`)
    return Uint8Array.from(readFileSync(path))
  })

/** A folder that is made when it is missing, and else left as it is. */
export const reachFolder = (path: string): Outcome<Folder> => {
  const attempt = <A>(name: string, doing: string, work: () => A): Outcome<A> =>
    Either.try({ try: work, catch: diskFailed(name === "" ? path : join(path, name), doing) })
  return attempt("", "cannot be used as a folder", () => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return {
      path,
      names: () => attempt("", "cannot be listed", () => readdirSync(path)),
      read: (name, limitBytes) => attempt(name, "cannot be read", () => readIn(path, name, limitBytes)),
      write: (name, bytes) => attempt(name, "cannot be written", () => writeIn(path, name, bytes)),
      rename: (from, to) => attempt(from, "cannot be renamed", () => {
        renameSync(join(path, from), join(path, to))
        syncFolder(path)
      }),
      remove: (name) => attempt(name, "cannot be removed", () => {
        ifThere(() => unlinkSync(join(path, name)))
        syncFolder(path)
      }),
      destroy: (name) => attempt(name, "cannot be destroyed", () => destroyIn(path, name)),
      openLog: (name) => openLogFile(join(path, name))
    }
  })
}

/** Opens a folder of one's own, or makes it. */
export const openFolder = (path: string): Outcome<Folder> =>
  Either.flatMap(reachFolder(path), (folder) => Either.try({
    try: () => {
      if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700)
      for (const name of readdirSync(path)) if (REMAINS.test(name)) destroyIn(path, name)
      return folder
    },
    catch: diskFailed(path, "cannot be tidied up")
  }))
