/**
 * One process at a time in a folder, held by the operating system alone: whoever is killed holds nothing any more.
 *
 * Plain Node has no file locks. What the system takes back from a dead process is a listening socket, so an owner listens on a Unix-domain socket of a name
 * that nobody else ever uses, inside the folder: it listens first and then calls at every other such socket. One that answers has an owner, and the newcomer
 * gives up; one that refuses belonged to a dead process, and is removed by the new owner. Of two that begin together, the one that listened later finds the
 * other, so there are never two; both may find each other and give up. Names are never used twice, so removing a dead one cannot hit a living one; and an
 * owner looks whether its own name is still there, since one that was seen between its making and its listening may have been removed. Process ids and start
 * times would be mistaken between containers that share a folder; sockets in a folder are not. On Windows, the folder's path names a pipe, which the system
 * gives to one process.
 *
 * Contract: held until the scope closes. Not for a folder that several machines mount. A path too long for a socket is reached through /proc.
 * Knows nothing of: what is in the folder.
 * Source: style.md §2; departures: none.
 *
 * @module
 */
import { Data, Effect, type Scope } from "effect"
import { closeSync, existsSync, openSync, readdirSync, unlinkSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { resolve } from "node:path"
import { toHex } from "../bytes/hex.ts"
import { systemEntropy } from "../crypto/entropy.ts"

/** The folder has another owner (`in-use`), or sockets cannot be made there; `message` says what to do, in a sentence. */
export class FolderLocked extends Data.TaggedError("FolderLocked")<{ readonly reason: "in-use" | "inaccessible"; readonly message: string }> {}

/** Names of sockets of owners, dead or alive. */
export const OWNER_SOCKET = /^owner-[0-9a-f]+$/
const NAME_BYTES = 16
/** A socket's path has 108 bytes on Linux and 104 elsewhere, with a zero at the end. */
const SOCKET_PATH_BYTES = 103

const inUse = (directory: string): FolderLocked =>
  new FolderLocked({ reason: "in-use", message: `${directory}: another process uses this folder; stop it, or give this actor a folder of its own` })

const inaccessible = (directory: string) => (error: unknown): FolderLocked =>
  new FolderLocked({
    reason: "inaccessible",
    message: `${directory}: no lock can be held there (${error instanceof Error ? error.message : String(error)}); use a folder on a local disk`
  })

/** Where the sockets of a folder are reached; `close` gives back what that needs. */
interface Reach {
  readonly pathOf: (name: string) => string
  readonly close: () => void
}

const reachOf = (directory: string): Reach => {
  const direct = (name: string): string => resolve(directory, name)
  if (Buffer.byteLength(direct(`owner-${"0".repeat(2 * NAME_BYTES)}`)) <= SOCKET_PATH_BYTES) return { pathOf: direct, close: () => {} }
  if (process.platform !== "linux") throw new Error("the path is too long for a lock")
  const file = openSync(directory, "r")
  return { pathOf: (name) => `/proc/self/fd/${file}/${name}`, close: () => closeSync(file) }
}

const listen = (path: string): Effect.Effect<Server, Error> =>
  Effect.uninterruptible(Effect.async<Server, Error>((resume) => {
    const server = createServer((caller) => caller.destroy())
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(path, () => {
      server.on("error", () => {})
      server.unref()
      resume(Effect.succeed(server))
    })
  }))

/** Whether somebody listens. Calls to a socket of this machine are answered by the system at once, whatever its owner is doing. */
const isAlive = (path: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const call = connect(path)
    const end = (alive: boolean): void => {
      call.destroy()
      resume(Effect.succeed(alive))
    }
    call.once("connect", () => end(true))
    call.once("error", (error: NodeJS.ErrnoException) => end(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"))
    return Effect.sync(() => void call.destroy())
  })

const stop = (server: Server): Effect.Effect<void> => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))

/** Calls at all others; then removes those that are dead. */
const claim = (directory: string, reach: Reach, own: string): Effect.Effect<void, FolderLocked> =>
  Effect.gen(function*() {
    const others = (yield* Effect.try({ try: () => readdirSync(directory), catch: inaccessible(directory) }))
      .filter((name) => OWNER_SOCKET.test(name) && name !== own)
    for (const name of others) if (yield* isAlive(reach.pathOf(name))) return yield* inUse(directory)
    if (!existsSync(reach.pathOf(own))) return yield* inUse(directory)
    yield* Effect.try({ try: () => others.forEach((name) => unlinkSync(reach.pathOf(name))), catch: inaccessible(directory) })
  })

const lockBySocket = (directory: string, own: string): Effect.Effect<void, FolderLocked, Scope.Scope> =>
  Effect.gen(function*() {
    const reach = yield* Effect.acquireRelease(
      Effect.try({ try: () => reachOf(directory), catch: inaccessible(directory) }),
      (held) => Effect.sync(held.close)
    )
    yield* Effect.acquireRelease(Effect.mapError(listen(reach.pathOf(own)), inaccessible(directory)), stop)
    yield* claim(directory, reach, own)
  })

const lockByPipe = (directory: string): Effect.Effect<void, FolderLocked, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(
    Effect.mapError(listen(`\\\\.\\pipe\\funion-${encodeURIComponent(resolve(directory).toLowerCase())}`), () => inUse(directory)),
    stop
  ))

/** Becomes the folder's only owner until the scope closes. @param directory  exists @errors FolderLocked */
export const lockFolder = (directory: string): Effect.Effect<void, FolderLocked, Scope.Scope> =>
  Effect.suspend(() => (process.platform === "win32" ? lockByPipe(directory) : lockBySocket(directory, `owner-${toHex(systemEntropy(NAME_BYTES))}`)))
