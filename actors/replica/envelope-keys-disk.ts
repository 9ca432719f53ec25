/**
 * A replica's envelope keys on disk: one file per replica epoch, `envelope-<epoch>.key`, its content the private key and nothing else.
 *
 * Contract: files have mode 0600 in a folder of mode 0700, and appear whole or not at all: written beside, synced, renamed, folder synced. Destroying
 * overwrites the file, syncs and removes it; that is best effort, since a file system may have copied the bytes. Remains of an interrupted write are destroyed
 * at the start. Calls block for a few file operations, twice in a replica epoch.
 * Knows nothing of: which epochs are due.
 * Source: pigeonhole.md §5.1, §7 R9, R11; departures: none.
 *
 * @module
 */
import { Data, Effect } from "effect"
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { EnvelopeKeyVault } from "./envelope-keys.ts"

/** The keys cannot be read; `message` says why and what to do, in a sentence. */
export class EnvelopeKeysUnusable extends Data.TaggedError("EnvelopeKeysUnusable")<{ readonly message: string }> {}

const KEY_FILE = /^envelope-(\d{1,9})\.key$/
const REMAINS = /^envelope-\d{1,9}\.key\.new$/

const withFile = <A>(path: string, flags: string, use: (file: number) => A): A => {
  const file = openSync(path, flags, 0o600)
  try {
    return use(file)
  } finally {
    closeSync(file)
  }
}

const syncFolder = (directory: string): void => withFile(directory, "r", fsyncSync)

const destroy = (directory: string, name: string): void => {
  const path = join(directory, name)
  withFile(path, "r+", (file) => {
    writeSync(file, new Uint8Array(statSync(path).size), 0, undefined, 0)
    fsyncSync(file)
  })
  unlinkSync(path)
  syncFolder(directory)
}

/** Whether the work was done; the reasons of a file system are nobody's business but the log line's that the caller writes. */
const succeeds = (work: () => void): boolean => {
  try {
    work()
    return true
  } catch {
    return false
  }
}

const write = (directory: string, name: string, bytes: Uint8Array): void => {
  const beside = join(directory, `${name}.new`)
  succeeds(() => destroy(directory, `${name}.new`))
  withFile(beside, "wx", (file) => {
    if (writeSync(file, bytes) !== bytes.length) throw new RangeError("short write")
    fsyncSync(file)
  })
  renameSync(beside, join(directory, name))
  syncFolder(directory)
}

const epochsIn = (directory: string): ReadonlyArray<readonly [number, string]> =>
  readdirSync(directory).flatMap((name) => {
    const epoch = KEY_FILE.exec(name)?.[1]
    return epoch === undefined ? [] : [[Number(epoch), name] as const]
  })

/**
 * Opens the folder of a replica's keys and reads what is there.
 * @param keyBytes  length of a private key
 * @errors EnvelopeKeysUnusable: out of reach, or a file that is no key
 */
export const openEnvelopeKeyVault = (directory: string, keyBytes: number): Effect.Effect<EnvelopeKeyVault, EnvelopeKeysUnusable> =>
  Effect.gen(function*() {
    const held = yield* Effect.try({
      try: () => {
        mkdirSync(directory, { recursive: true, mode: 0o700 })
        for (const name of readdirSync(directory)) if (REMAINS.test(name)) destroy(directory, name)
        return new Map(epochsIn(directory).map(([epoch, name]) => [epoch, Uint8Array.from(readFileSync(join(directory, name)))]))
      },
      catch: (error) => new EnvelopeKeysUnusable({
        message: `${directory}: the replica's keys cannot be read (${error instanceof Error ? error.message : String(error)}); check the path and its owner`
      })
    })
    for (const [epoch, key] of held) {
      if (key.length === keyBytes) continue
      return yield* new EnvelopeKeysUnusable({
        message: `${join(directory, `envelope-${epoch}.key`)}: has ${key.length} bytes where a key has ${keyBytes}; remove it: envelopes of that epoch are lost`
      })
    }
    return {
      held,
      keep: (replicaEpoch, privateKey) => succeeds(() => write(directory, `envelope-${replicaEpoch}.key`, privateKey)),
      destroyBefore: (replicaEpoch) => {
        succeeds(() => {
          for (const [epoch, name] of epochsIn(directory)) if (epoch < replicaEpoch) succeeds(() => destroy(directory, name))
        })
      }
    }
  })
