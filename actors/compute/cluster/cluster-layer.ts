/**
 * Membership in one compute service's cluster, for the service (which only sends) and for its runners (which keep slots).
 *
 * Contract: a slot whose runner died is kept by another within `lockExpiryMs` + 1 s (whole seconds of the database) + `lookMs` + 2 s. A runner that
 * cannot reach the database loses its slots in that time and stops their runs. Nothing listens on a port: messages go through the database, and the
 * hint that there is one goes over the mount.
 * Knows nothing of: models, tensors.
 * Source: effect-notes.md §7; departures: runners do not talk to each other (no SocketRunner): hints and health by the mount and the database's heartbeat
 * spare the cluster's plain TCP. Locks are rows that expire, not PostgreSQL's advisory locks, which outlive a machine that vanished for hours.
 *
 * @module
 */
import type { MessageStorage } from "@effect/cluster/MessageStorage"
import * as RunnerAddress from "@effect/cluster/RunnerAddress"
import * as RunnerHealth from "@effect/cluster/RunnerHealth"
import * as Runners from "@effect/cluster/Runners"
import { RunnerUnavailable } from "@effect/cluster/ClusterError"
import * as Sharding from "@effect/cluster/Sharding"
import * as ShardingConfig from "@effect/cluster/ShardingConfig"
import * as Snowflake from "@effect/cluster/Snowflake"
import * as SqlMessageStorage from "@effect/cluster/SqlMessageStorage"
import * as SqlRunnerStorage from "@effect/cluster/SqlRunnerStorage"
import type { SqlClient } from "@effect/sql/SqlClient"
import { Cause, type Context, Effect, Layer, Option, Schedule, type Scope } from "effect"
import { type ClusterFailed, databaseRefused, tablePrefix } from "./cluster-database.ts"
import { ANY_GROUP, GPU_GROUP } from "./run-entity.ts"

export interface ClusterTiming {
  /** A runner that has not renewed its locks for so long is taken for dead; it renews three times as often. Whole seconds count. */
  readonly lockExpiryMs: number
  /** Between looks for runners that came or went, for messages that no hint announced, and for replies. */
  readonly lookMs: number
  /** How long a runner that ends may go on with what it has begun; the rest is run by others. */
  readonly drainMs: number
}

export const DEFAULT_TIMING: ClusterTiming = { lockExpiryMs: 3_000, lookMs: 1_000, drainMs: 10_000 }

export interface MemberOptions {
  /** Actor name of the compute service, whose cluster this is. */
  readonly compute: string
  /** Slots of each group; the same for every member. */
  readonly slots: number
  readonly timing: ClusterTiming
}

/** A runner as the cluster knows it: its actor name in the place of a host. */
const addressOfRunner = (name: string): RunnerAddress.RunnerAddress => RunnerAddress.make(name, 1)

const configOf = ({ slots, timing }: MemberOptions, runner: { readonly name: string; readonly gpu: boolean; readonly weight: number } | undefined) =>
  ShardingConfig.layer({
    runnerAddress: Option.map(Option.fromNullable(runner), ({ name }) => addressOfRunner(name)),
    runnerShardWeight: runner?.weight ?? 1,
    availableShardGroups: [ANY_GROUP, GPU_GROUP],
    assignedShardGroups: runner?.gpu === true ? [ANY_GROUP, GPU_GROUP] : [ANY_GROUP],
    shardsPerGroup: slots,
    shardLockExpiration: timing.lockExpiryMs,
    shardLockRefreshInterval: timing.lockExpiryMs / 3,
    shardLockDisableAdvisory: true,
    refreshAssignmentsInterval: timing.lookMs,
    entityMessagePollInterval: timing.lookMs,
    entityReplyPollInterval: Math.ceil(timing.lookMs / 5),
    entityTerminationTimeout: timing.drainMs,
    entityMaxIdleTime: 5_000,
    sendRetryInterval: timing.lookMs / 10,
    simulateRemoteSerialization: false
  })

/** Sends by leaving the message in the database and waking its runner; the reply is found in the database too. */
const wakingRunners = (wake: (runner: string) => Effect.Effect<void>): Layer.Layer<Runners.Runners, never, MessageStorage | ShardingConfig.ShardingConfig> =>
  Layer.scoped(Runners.Runners, Runners.make({
    ping: () => Effect.void,
    send: ({ address }) => Effect.zipRight(wake(address.host), new RunnerUnavailable({ address })),
    notify: ({ address }) => Option.match(address, { onNone: () => Effect.void, onSome: ({ host }) => wake(host) }),
    onRunnerUnavailable: () => Effect.void
  })).pipe(Layer.provide(Snowflake.layerGenerator))

export type Membership = Sharding.Sharding | MessageStorage

const memberLayer = (
  options: MemberOptions,
  runners: Layer.Layer<Runners.Runners, never, MessageStorage | ShardingConfig.ShardingConfig>,
  config: Layer.Layer<ShardingConfig.ShardingConfig>
): Layer.Layer<Membership, never, SqlClient> => {
  const prefix = tablePrefix(options.compute)
  return Sharding.layer.pipe(
    Layer.provide(runners),
    Layer.provideMerge(SqlMessageStorage.layerWith({ prefix })),
    Layer.provide([Layer.orDie(SqlRunnerStorage.layerWith({ prefix })), RunnerHealth.layerNoop]),
    Layer.provide(config)
  )
}

/** Members that start together make the same tables: who comes second tries again. */
const JOINING = Schedule.jittered(Schedule.spaced("200 millis")).pipe(Schedule.intersect(Schedule.recurs(10)))

const build = (layer: Layer.Layer<Membership, never, SqlClient>): Effect.Effect<Context.Context<Membership>, ClusterFailed, SqlClient | Scope.Scope> =>
  Layer.build(layer).pipe(
    Effect.sandbox,
    Effect.retry(JOINING),
    Effect.mapError((cause) => databaseRefused("the database", Cause.squash(cause)))
  )

/** The service's part: it sends and keeps no slot. @param wake  tells a runner by name to look; never fails */
export const joinAsService = (options: MemberOptions, wake: (runner: string) => Effect.Effect<void>) =>
  build(memberLayer(options, wakingRunners(wake), configOf(options, undefined)))

/** A runner's part. @param runner  weight: its workers */
export const joinAsRunner = (options: MemberOptions, runner: { readonly name: string; readonly gpu: boolean; readonly weight: number }) =>
  build(memberLayer(options, Runners.layerNoop, configOf(options, runner)))
