/**
 * One open file that is written at chosen places and synced with every write: what journals and tag logs stand on.
 *
 * Contract: what `write` and `truncate` were asked for is durable when they return; a crash during `write` leaves any part of the bytes. The event loop does
 * not wait for the disk, and no call is given up half-way. Calls are made one after another. After a failed `write` its place may hold anything: the caller
 * writes there again, or truncates.
 * Knows nothing of: what the bytes mean.
 * Source: style.md §2; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { closeSync, constants, fdatasync, fstat, ftruncate, openSync, read, write } from "node:fs"
import { diskFailed, type DiskFailed } from "./disk-failed.ts"

export interface LogFile {
  /** All bytes, which must not be more than `limitBytes`. */
  readonly read: (limitBytes: number) => Effect.Effect<Uint8Array, DiskFailed>
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, DiskFailed>
  /** Cuts the file to so many bytes. */
  readonly truncate: (byteLength: number) => Effect.Effect<void, DiskFailed>
  /** Overwrites everything with zeros and closes. Best effort: a file system may have copied the bytes. */
  readonly erase: Effect.Effect<void, DiskFailed>
  /** Closes; for the second time does nothing. */
  readonly close: () => void
}

/** Bytes that are overwritten or read at once. */
const PIECE_BYTES = 1_048_576

type Done<A> = (error: Error | null, value: A) => void

const overwrite = (log: Pick<LogFile, "write">, byteLength: number): Effect.Effect<void, DiskFailed> =>
  Effect.gen(function*() {
    for (let offset = 0; offset < byteLength; offset += PIECE_BYTES) {
      yield* log.write(offset, new Uint8Array(Math.min(PIECE_BYTES, byteLength - offset)))
    }
  })

/** Opens a file for reading and writing, or makes an empty one of mode 0600; who makes one syncs its folder. */
export const openLogFile = (path: string): Either.Either<LogFile, DiskFailed> =>
  Either.map(Either.try({ try: () => openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600), catch: diskFailed(path, "cannot be opened") }), (file) => {
    let isOpen = true
    const call = <A>(doing: string, begin: (done: Done<A>) => void): Effect.Effect<A, DiskFailed> =>
      Effect.uninterruptible(Effect.async<A, DiskFailed>((resume) => {
        const fail = (error: unknown): void => resume(Effect.fail(diskFailed(path, doing)(error)))
        if (isOpen) begin((error, value) => (error === null ? resume(Effect.succeed(value)) : fail(error)))
        else fail(new Error("the file is closed"))
      }))
    const sync = call<void>("cannot be synced", (done) => fdatasync(file, (error) => done(error, undefined)))
    const size = Effect.map(call("cannot be read", (done: Done<{ readonly size: number }>) => fstat(file, done)), (stats) => stats.size)
    const writeAll = (offset: number, bytes: Uint8Array): Effect.Effect<void, DiskFailed> =>
      Effect.gen(function*() {
        for (let at = 0; at < bytes.length;) {
          at += yield* call<number>("cannot be written", (done) => write(file, bytes, at, bytes.length - at, offset + at, done))
        }
        yield* sync
      })
    const close = (): void => {
      if (isOpen) closeSync(file)
      isOpen = false
    }
    return {
      read: (limitBytes) => Effect.gen(function*() {
        const byteLength = yield* size
        if (byteLength > limitBytes) return yield* diskFailed(path, "is too long")(new Error(`${byteLength} bytes where ${limitBytes} are the most`))
        const bytes = new Uint8Array(byteLength)
        for (let at = 0; at < bytes.length;) {
          const count = yield* call<number>("cannot be read", (done) => read(file, bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at, done))
          if (count === 0) return bytes.slice(0, at)
          at += count
        }
        return bytes
      }),
      write: writeAll,
      truncate: (byteLength) => Effect.zipRight(call<void>("cannot be cut", (done) => ftruncate(file, byteLength, (error) => done(error, undefined))), sync),
      erase: Effect.flatMap(size, (byteLength) => overwrite({ write: writeAll }, byteLength)).pipe(Effect.ensuring(Effect.sync(close))),
      close
    }
  })
