/**
 * The one directory of an actor's process, in which each part of what it keeps has a folder or file of its own.
 *
 * Contract: has mode 0700 and one owner at a time. A file `identity` says of which network and which actor it is; it is written when the directory is new,
 * and a directory of another network or another actor is refused before anything in it is touched, and so is one that holds other people's files.
 * Knows nothing of: the parts.
 * Source: issue "the same topology file on many machines"; departures: none.
 *
 * @module
 */
import { Data, Effect, Either, type Scope } from "effect"
import { join, resolve } from "node:path"
import type { DiskFailed } from "./disk-failed.ts"
import { openFolder, reachFolder, REMAINS, type Folder } from "./folder.ts"
import { lockFolder, OWNER_SOCKET } from "./owner-lock.ts"

export interface DataDirectoryOptions {
  /** Made when it is missing. */
  readonly directory: string
  /** What tells this network from others, one line: a fingerprint of its parameters and authorities. */
  readonly network: string
  /** The actor's name in its topology. */
  readonly actor: string
}

export type DataDirectoryReason = "in-use" | "other-network" | "other-actor" | "not-ours" | "damaged" | "inaccessible"

/** The directory cannot be used; `message` says why and what to do, in a sentence. */
export class DataDirectoryRefused extends Data.TaggedError("DataDirectoryRefused")<{ readonly reason: DataDirectoryReason; readonly message: string }> {}

export interface DataDirectory {
  /** Absolute. */
  readonly path: string
  /** Path of a part. */
  readonly part: (name: string) => string
}

const IDENTITY = "identity"
const IDENTITY_LIMIT_BYTES = 4_096
const FIRST_LINE = "funion data directory, version 1"

/** The file's text: three lines, so that a person can read it. */
const identityText = ({ actor, network }: Pick<DataDirectoryOptions, "actor" | "network">): string => `${FIRST_LINE}\nnetwork ${network}\nactor ${actor}\n`

const parseIdentity = (bytes: Uint8Array): { readonly network: string; readonly actor: string } | undefined => {
  const match = /^([^\n]*)\nnetwork ([^\n]+)\nactor ([^\n]+)\n$/.exec(new TextDecoder().decode(bytes))
  const [, first, network, actor] = match ?? []
  return first === FIRST_LINE && network !== undefined && actor !== undefined ? { network, actor } : undefined
}

const refused = (reason: DataDirectoryReason, message: string): DataDirectoryRefused => new DataDirectoryRefused({ reason, message })
const ofDisk = ({ message }: DiskFailed): DataDirectoryRefused => refused("inaccessible", message)

/** Nothing when the file says what it must. */
const check = (path: string, content: Uint8Array, wanted: DataDirectoryOptions): DataDirectoryRefused | undefined => {
  const file = join(path, IDENTITY)
  const found = parseIdentity(content)
  if (found === undefined) {
    return refused("damaged", `${file}: does not say whose directory this is; if it is that of ${wanted.actor}, put back the file, else use another directory`)
  }
  if (found.network !== wanted.network) {
    const message = `${path}: belongs to network ${found.network} (actor ${found.actor}), and this is network ${wanted.network}`
    return refused("other-network", `${message}; use another directory for ${wanted.actor}, or the topology that the directory was made with`)
  }
  if (found.actor === wanted.actor) return undefined
  return refused("other-actor", `${path}: belongs to ${found.actor}, not to ${wanted.actor}; give ${wanted.actor} a directory of its own`)
}

const settle = (folder: Folder, options: DataDirectoryOptions): Either.Either<void, DataDirectoryRefused> =>
  Either.gen(function*() {
    const content = yield* Either.mapLeft(folder.read(IDENTITY, IDENTITY_LIMIT_BYTES), ofDisk)
    if (content !== undefined) {
      const problem = check(folder.path, content, options)
      return problem === undefined ? undefined : yield* Either.left(problem)
    }
    const strange = (yield* Either.mapLeft(folder.names(), ofDisk)).find((name) => !OWNER_SOCKET.test(name) && !REMAINS.test(name))
    if (strange !== undefined) {
      const message = `${folder.path}: holds ${strange} and no file "${IDENTITY}", so it is not ours; use a directory that is new`
      return yield* Either.left(refused("not-ours", message))
    }
    return yield* Either.mapLeft(folder.write(IDENTITY, new TextEncoder().encode(identityText(options))), ofDisk)
  })

/** Opens the directory for as long as the scope lives. @errors DataDirectoryRefused */
export const openDataDirectory = (options: DataDirectoryOptions): Effect.Effect<DataDirectory, DataDirectoryRefused, Scope.Scope> =>
  Effect.gen(function*() {
    const { actor, network } = options
    if (/[\n\r]/.test(actor + network)) throw new RangeError("an actor's name and a network's fingerprint are one line each")
    const path = resolve(options.directory)
    const folder = yield* Either.mapLeft(reachFolder(path), ofDisk)
    yield* Effect.mapError(lockFolder(path), ({ message, reason }) => refused(reason, message))
    yield* settle(folder, options)
    yield* Either.mapLeft(openFolder(path), ofDisk)
    return { path, part: (name) => join(path, name) }
  })
