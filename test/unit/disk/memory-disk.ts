/**
 * A disk in memory that can lose power before, in the middle of and after everything it is asked for.
 *
 * Goal: what a crash at any instant leaves behind, without a real disk and without real processes. Method: every operation is a row of steps; at the chosen
 * step the disk throws, as a process that is gone answers nobody, and keeps what the steps before have left. A torn write leaves a prefix.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { DiskFailed } from "../../../src/disk/disk-failed.ts"
import { type Folder, REMAINS } from "../../../src/disk/folder.ts"
import type { LogFile } from "../../../src/disk/log-file.ts"

class PowerLost extends Error {}

export class MemoryDisk {
  readonly files = new Map<string, Uint8Array>()
  /** Steps so far. */
  steps = 0
  /** The step at which power is lost; undefined: never. */
  lossAt: number | undefined
  /** How much of a torn write is left, 0 to 1. */
  tornShare = 0.5
  /** Calls of which these fail, by name of the call; they leave everything as it was. */
  failing = new Set<keyof Folder | "append" | "truncate">()
  syncs = 0
  /** What a write to a log waits for. */
  onSync: Effect.Effect<void> = Effect.void

  #step(): void {
    this.steps += 1
    if (this.lossAt !== undefined && this.steps >= this.lossAt) throw new PowerLost(`step ${this.steps}`)
  }

  #need(name: string): Uint8Array {
    const bytes = this.files.get(name)
    if (bytes === undefined) throw new Error(`ENOENT ${name}`)
    return bytes
  }

  /** What a new process finds; the disk works again. */
  restart(): Folder {
    this.lossAt = undefined
    this.failing.clear()
    for (const name of [...this.files.keys()]) if (REMAINS.test(name)) this.files.delete(name)
    return this.folder()
  }

  readonly #put = (name: string, bytes: Uint8Array): void => {
    const torn = Math.floor(bytes.length * this.tornShare)
    this.#step()
    this.files.set(`${name}.new`, bytes.slice(0, torn))
    this.#step()
    this.files.set(`${name}.new`, bytes.slice())
    this.#step()
    this.files.delete(`${name}.new`)
    this.files.set(name, bytes.slice())
    this.#step()
  }

  readonly #destroy = (name: string): void => {
    const bytes = this.files.get(name)
    if (bytes === undefined) return
    this.#step()
    this.files.set(name, bytes.map((byte, index) => (index < bytes.length * this.tornShare ? 0 : byte)))
    this.#step()
    this.files.set(name, new Uint8Array(bytes.length))
    this.#step()
    this.files.delete(name)
    this.#step()
  }

  folder(): Folder {
    const attempt = <A>(call: keyof Folder, work: () => A): Either.Either<A, DiskFailed> => {
      if (this.failing.has(call)) return Either.left(new DiskFailed({ path: "memory", code: "EIO", message: `${call} fails` }))
      return Either.right(work())
    }
    return {
      path: "memory",
      names: () => attempt("names", () => [...this.files.keys()]),
      read: (name, limitBytes) => Either.flatMap(attempt("read", () => this.files.get(name)?.slice()), (bytes) =>
        (bytes === undefined || bytes.length <= limitBytes ? Either.right(bytes) : Either.left(new DiskFailed({ path: name, code: "", message: "too long" })))),
      write: (name, bytes) => attempt("write", () => this.#put(name, bytes)),
      rename: (from, to) => attempt("rename", () => {
        const bytes = this.#need(from)
        this.#step()
        this.files.delete(from)
        this.files.set(to, bytes)
        this.#step()
      }),
      remove: (name) => attempt("remove", () => {
        this.#step()
        this.files.delete(name)
        this.#step()
      }),
      destroy: (name) => attempt("destroy", () => this.#destroy(name)),
      openLog: (name) => attempt("openLog", () => this.#log(name))
    }
  }

  /** A log follows its file through renames, as an open file does. */
  #log(first: string): LogFile {
    if (!this.files.has(first)) this.files.set(first, new Uint8Array(0))
    let bytes = this.#need(first)
    let isOpen = true
    const keep = (changed: Uint8Array): void => {
      for (const [name, held] of this.files) if (held === bytes) this.files.set(name, changed)
      bytes = changed
    }
    const attempt = (call: "append" | "truncate", work: () => void): Effect.Effect<void, DiskFailed> =>
      Effect.suspend(() => {
        if (!isOpen) return Effect.die(new Error("closed"))
        if (this.failing.has(call)) return Effect.fail(new DiskFailed({ path: first, code: "EIO", message: `${call} fails` }))
        return Effect.zipRight(this.onSync, Effect.sync(work))
      })
    const write = (offset: number, part: Uint8Array): Effect.Effect<void, DiskFailed> => attempt("append", () => {
      const placed = (length: number): Uint8Array => {
        const changed = new Uint8Array(Math.max(bytes.length, offset + length))
        changed.set(bytes)
        changed.set(part.subarray(0, length), offset)
        return changed
      }
      this.#step()
      const whole = placed(part.length)
      keep(placed(Math.floor(part.length * this.tornShare)))
      this.#step()
      keep(whole)
      this.syncs += 1
      this.#step()
    })
    return {
      read: (limitBytes) => Effect.suspend(() => (bytes.length > limitBytes
        ? Effect.fail(new DiskFailed({ path: first, code: "", message: "too long" }))
        : Effect.succeed(bytes.slice()))),
      write,
      truncate: (byteLength) => attempt("truncate", () => {
        this.#step()
        keep(bytes.slice(0, byteLength))
        this.#step()
      }),
      erase: Effect.suspend(() => write(0, new Uint8Array(bytes.length))).pipe(Effect.ensuring(Effect.sync(() => { isOpen = false }))),
      close: () => { isOpen = false }
    }
  }
}
