/**
 * The embedded database through one connection.
 *
 * Contract: transactions and statements outside of them run one after the other. While another process writes, whoever wants to write asks again after a
 * pause that does not block the event loop, for at most `BUSY_LIMIT` times. Deleted rows are overwritten in the file (`secure_delete`).
 * Knows nothing of: what is stored.
 * Source: none needed; departures: the package's client is not used for transactions: it opens one more connection for each and never closes it (measured:
 * two file descriptors every time), and a statement of its that finds the database busy stays open and keeps its connection from ever committing again.
 *
 * @module
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import { SqlClient } from "@effect/sql/SqlClient"
import * as LibsqlClient from "@effect/sql-libsql/LibsqlClient"
import { Effect, Layer, Random, Runtime, Scope } from "effect"

type LiveClient = LibsqlClient.LibsqlClientConfig.Live["liveClient"]
type Statement = Exclude<Parameters<LiveClient["execute"]>[0], string>

const BUSY_LIMIT = 300
const BUSY_PAUSE_MS = 15
const PRAGMAS = ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA secure_delete = ON"]
/** Needs no lock on what others write. */
const READS = /^\s*(SELECT|PRAGMA)\b/i

const isBusy = (error: unknown): boolean => error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_BUSY")

/** What sql-libsql asks of a client. @param open  opens the file anew */
const oneConnection = (first: LiveClient, open: () => Promise<LiveClient>, pause: () => Promise<void>) => {
  let client = first
  let last: Promise<void> = Promise.resolve()
  /** Waits in line for the connection; the function returned lets the next one in. */
  const enter = async (): Promise<() => void> => {
    const before = last
    let leave = (): void => undefined
    last = new Promise((resolve) => { leave = resolve })
    await before
    return leave
  }
  /** A script that fails leaves nothing open, a statement does: so the script asks whether the way is free, and a statement right behind it takes it. */
  const begin = async (): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      let isFree = false
      try {
        await client.executeMultiple("BEGIN IMMEDIATE; COMMIT")
        isFree = true
        await client.execute("BEGIN IMMEDIATE")
        return
      } catch (error) {
        if (!isBusy(error) || attempt === BUSY_LIMIT) throw error
        if (isFree) {
          client.close()
          client = await open()
        }
        await pause()
      }
    }
  }
  const write = async (statement: Statement) => {
    await begin()
    try {
      const result = await client.execute(statement)
      await client.execute("COMMIT")
      return result
    } catch (error) {
      await client.execute("ROLLBACK").catch(() => undefined)
      throw error
    }
  }
  const execute = async (statement: Statement) => {
    const leave = await enter()
    return (READS.test(statement.sql) ? client.execute(statement) : write(statement)).finally(leave)
  }
  const transaction = async () => {
    const leave = await enter()
    await begin().catch((error: unknown) => {
      leave()
      throw error
    })
    const end = (word: string) => () => client.execute(word).finally(leave)
    return { execute: (statement: Statement) => client.execute(statement), commit: end("COMMIT"), rollback: end("ROLLBACK") }
  }
  return { execute, transaction }
}

/** @param path  of a file; made when it is not there. Dies of what SQLite says: the caller names the file. */
export const layerLibsql = (path: string): Layer.Layer<SqlClient> =>
  Layer.scoped(SqlClient, Effect.gen(function*() {
    const runtime = yield* Effect.runtime<Reactivity.Reactivity>()
    const scope = yield* Effect.scope
    const open = Effect.gen(function*() {
      const { sdk } = (yield* LibsqlClient.make({ url: `file:${path}`, intMode: "bigint" })) as LibsqlClient.LibsqlClient & { readonly sdk: LiveClient }
      for (const pragma of PRAGMAS) yield* Effect.promise(() => sdk.execute(pragma))
      return sdk
    }).pipe(Scope.extend(scope))
    const pause = Effect.flatMap(Random.nextRange(BUSY_PAUSE_MS / 2, 2 * BUSY_PAUSE_MS), Effect.sleep)
    const live = oneConnection(yield* open, () => Runtime.runPromise(runtime)(open), () => Runtime.runPromise(runtime)(pause))
    // of the client's many functions sql-libsql calls these two
    return yield* LibsqlClient.make({ liveClient: live as unknown as LiveClient })
  })).pipe(Layer.provide(Reactivity.layer))
