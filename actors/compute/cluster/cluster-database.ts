/**
 * The database of one compute service's cluster: where it is, and how it is opened.
 *
 * Contract: connection strings stay `Redacted` and are in no message or log. Every service has tables under a prefix of its own. The embedded file is
 * made with mode 0600, its folder with 0700.
 * Knows nothing of: runs.
 * Source: effect-notes.md §7; departures: none.
 *
 * @module
 */
import { FileSystem } from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import type { SqlClient } from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Cause, Data, Effect, Either, Layer, Redacted } from "effect"
import { layerLibsql } from "./libsql-connection.ts"

export type ClusterStorage =
  /** A file on this machine, shared by the processes of this machine. */
  | { readonly kind: "libsql"; readonly path: string }
  /** A server, `postgres://…`; for runners on several machines. */
  | { readonly kind: "postgres"; readonly url: Redacted.Redacted }

/** The cluster could not be entered; `message` says why in one sentence, without passwords. */
export class ClusterFailed extends Data.TaggedError("ClusterFailed")<{
  readonly reason: "database" | "setting"
  readonly detail: string
}> {
  override get message(): string {
    return `cluster: ${this.detail}`
  }
}

const CONNECT_LIMIT_MS = 10_000
const POSTGRES_CONNECTIONS = 4

/**
 * What an operator writes into a file or an environment variable: `postgres://…` or the path of a file.
 * @errors ClusterFailed `setting`
 */
export const parseClusterStorage = (text: string): Either.Either<ClusterStorage, ClusterFailed> => {
  const trimmed = text.trim()
  if (/^postgres(ql)?:\/\/[^\s]+$/.test(trimmed)) return Either.right({ kind: "postgres", url: Redacted.make(trimmed) })
  const path = trimmed.replace(/^file:/, "")
  if (/^[^\s:?#]+$/.test(path)) return Either.right({ kind: "libsql", path })
  return Either.left(new ClusterFailed({ reason: "setting", detail: "the database must be given as postgres://… or as the path of a file" }))
}

/** The same from a file that nobody but its owner may read. @errors ClusterFailed `setting` */
export const readClusterStorage = (path: string): Effect.Effect<ClusterStorage, ClusterFailed> =>
  Effect.gen(function*() {
    const files = yield* FileSystem
    const { mode } = yield* files.stat(path)
    if ((mode & 0o077) !== 0) return yield* new ClusterFailed({ reason: "setting", detail: `${path} can be read by others: chmod 600 ${path}` })
    return yield* parseClusterStorage(yield* files.readFileString(path))
  }).pipe(
    Effect.catchTags({
      BadArgument: () => new ClusterFailed({ reason: "setting", detail: `${path} can not be read` }),
      SystemError: () => new ClusterFailed({ reason: "setting", detail: `${path} can not be read` })
    }),
    Effect.provide(NodeFileSystem.layer)
  )

/** Prefix of a service's tables: no two names share one. */
export const tablePrefix = (name: string): string => `fn_${name.replaceAll(".", "$").replaceAll("-", "_")}`

const makeFile = (path: string): Effect.Effect<void, ClusterFailed> =>
  Effect.gen(function*() {
    const files = yield* FileSystem
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "."
    if (folder !== "" && !(yield* files.exists(folder))) yield* files.makeDirectory(folder, { recursive: true, mode: 0o700 })
    yield* Effect.scoped(files.open(path, { flag: "a", mode: 0o600 }))
  }).pipe(
    Effect.mapError(() => new ClusterFailed({ reason: "database", detail: `${path} can not be made or written` })),
    Effect.provide(NodeFileSystem.layer)
  )

/** The database, open for as long as the layer lives. @errors ClusterFailed `database` */
export const layerDatabase = (storage: ClusterStorage): Layer.Layer<SqlClient, ClusterFailed> => {
  if (storage.kind === "postgres") {
    return PgClient.layer({ url: storage.url, maxConnections: POSTGRES_CONNECTIONS, connectTimeout: CONNECT_LIMIT_MS }).pipe(
      Layer.catchAllCause((cause) => Layer.fail(databaseRefused("the PostgreSQL server", Cause.squash(cause))))
    )
  }
  const opened = Layer.catchAllCause(layerLibsql(storage.path), (cause) => Layer.fail(databaseRefused(storage.path, Cause.squash(cause))))
  return Layer.unwrapEffect(Effect.as(makeFile(storage.path), opened))
}

/** For people: codes alone, since what a driver says may hold what it was given. @param what  as the subject of a sentence */
export const databaseRefused = (what: string, error: unknown): ClusterFailed => {
  const codes = [...codesIn(error)]
  return new ClusterFailed({ reason: "database", detail: `${what} can not be used${codes.length === 0 ? "" : ` (${codes.join(", ")})`}` })
}

const codesIn = (error: unknown, depth = 0): ReadonlySet<string> => {
  if (!(error instanceof Error) || depth > 4) return new Set()
  const code = "code" in error && typeof error.code === "string" && /^[A-Za-z0-9_]{1,40}$/.test(error.code) ? [error.code] : []
  return new Set([...code, ...codesIn(error.cause, depth + 1)])
}
