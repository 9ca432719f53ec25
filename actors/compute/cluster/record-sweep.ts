/**
 * How long the database remembers that there were runs.
 *
 * Contract: rows of a run go when it is answered; whatever is left (replies of runs that were given up, messages of a service that crashed) goes when it is
 * `keepMs` old, and everything when the service starts. The embedded file is then brought up to date, so that its log keeps no copies.
 * Knows nothing of: models. Rows hold random ids and instants; no job, model, size or outcome.
 * Source: effect-notes.md §7; departures: none.
 *
 * @module
 */
import * as MachineId from "@effect/cluster/MachineId"
import * as Snowflake from "@effect/cluster/Snowflake"
import { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { Clock, Effect } from "effect"
import { tablePrefix } from "./cluster-database.ts"

const TABLES = ["replies", "messages"] as const

/** Ids of the cluster's rows begin with the instant at which they were made. */
const firstIdAt = (atMs: number): string =>
  String(Snowflake.make({ machineId: MachineId.make(0), sequence: 0, timestamp: Math.max(atMs, Snowflake.constEpochMillis) }))

/** Deletes what is older than `keepMs`. */
export const sweepRecords = (compute: string, keepMs: number): Effect.Effect<void, SqlError, SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const before = sql.literal(firstIdAt((yield* Clock.currentTimeMillis) - keepMs))
    for (const table of TABLES) yield* sql`DELETE FROM ${sql(`${tablePrefix(compute)}_${table}`)} WHERE id < ${before}`
    yield* sql.onDialectOrElse({
      pg: () => Effect.forEach(TABLES, (table) => sql`VACUUM ${sql(`${tablePrefix(compute)}_${table}`)}`, { discard: true }),
      orElse: () => Effect.asVoid(sql`PRAGMA wal_checkpoint(TRUNCATE)`)
    })
  }).pipe(Effect.withTracerEnabled(false))

/** Rows that tell of runs, for tests and the operator's status. */
export const countRecords = (compute: string): Effect.Effect<number, SqlError, SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    const counts = yield* Effect.forEach(TABLES, (table) =>
      sql<{ readonly total: number | bigint | string }>`SELECT COUNT(*) AS total FROM ${sql(`${tablePrefix(compute)}_${table}`)}`)
    return counts.flat().reduce((sum, { total }) => sum + Number(total), 0)
  }).pipe(Effect.withTracerEnabled(false))
