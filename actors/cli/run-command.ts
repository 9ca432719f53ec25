/**
 * `funion run`: one actor of a topology as this process.
 *
 * Contract: whatever can be known to be wrong is said before anything listens. Log lines go to standard error. A signal withdraws the actor from the
 * directory, lets it finish what it has accepted, and ends the process with status 130.
 * Knows nothing of: arguments' spelling.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path"
import { Effect, Either, Fiber, Layer, Logger, Schedule } from "effect"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import type { HeartbeatPolicyName } from "../../src/mixnet/heartbeat-watch.ts"
import { processesOf, type Role, runnersOf, type Topology } from "../../src/topology/topology.ts"
import { readPublics, readSecret } from "../key-file.ts"
import { parseClusterStorage, readClusterStorage } from "../compute/cluster/cluster-database.ts"
import { type ActorOptions, launchActor, publicsNeeded, type RunningActor } from "../launch.ts"
import { layerOperatorLog, type LogLevelName } from "../operator/operator-log.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"
import { KEYS_DIRECTORY } from "./network-access.ts"
import { asideLogger } from "./output.ts"
import { loadTopology } from "./topology-file.ts"
import { chooseThreads, companyAt, type NodeMachine, thisMachine } from "./unwrap-threads.ts"

/** Where actors keep their folders when nothing else is said. */
export const DATA_DIRECTORY = "data"

export interface RunRequest {
  readonly role: Role
  readonly name: string
  readonly topology: string
  readonly keys: string | undefined
  readonly directory: string | undefined
  readonly logFormat: "json" | "text"
  readonly log: LogLevelName
  readonly clockOffsetMs: number | undefined
  readonly linger: boolean
  /** File that says where the database of a compute service's runners is. */
  readonly cluster: string | undefined
  readonly gpu: boolean
  /** Threads that unwrap; absent: as many as the expected packets need here. */
  readonly workers: number | undefined
  readonly heartbeat: HeartbeatPolicyName | undefined
  readonly backend: "native" | "reference" | undefined
}

/** The role of a name; refuses another one. */
const checkRole = (topology: Topology, { name, role }: RunRequest): Effect.Effect<void, CliFailure> => {
  const actors = processesOf(topology)
  const actor = actors.find((each) => each.name === name)
  if (actor === undefined) return failed(`there is no actor "${name.slice(0, 64)}" in ${topology.name}; it has ${actors.map((each) => each.name).join(", ")}`)
  return actor.role === role ? Effect.void : misused(`--role ${role}: in ${topology.name} ${name} is of role ${actor.role}`)
}

const CLUSTER_VARIABLE = "FUNION_CLUSTER"

/**
 * Where a compute service and its runners find each other's runs: what a file says, or the environment, or a file beside the service's folder. Nothing for
 * other actors.
 */
const clusterOf = (topology: Topology, { cluster, gpu, name }: RunRequest, directory: string) =>
  Effect.gen(function*() {
    const service = runnersOf(topology).find((runner) => runner.name === name || runner.compute === name)?.compute
    if (service === undefined) {
      return cluster === undefined ? undefined : yield* misused(`--cluster: ${name} has nothing to do with runners of a compute service`)
    }
    const said = process.env[CLUSTER_VARIABLE]
    const besides = join(dirname(resolve(directory)), `${service}.cluster`, "runs.db")
    const storage = yield* cluster !== undefined ? readClusterStorage(cluster) : parseClusterStorage(said ?? besides)
    return { storage, gpu }
  })

/** The threads that were asked for, else those that the machine's figures suggest. @errors CliFailure: no such backend */
const threadsOf = (topology: Topology, request: RunRequest, machine: NodeMachine | undefined): Effect.Effect<number, CliFailure> =>
  Effect.gen(function*() {
    if (request.workers !== undefined) return request.workers
    const crypto = yield* Either.mapLeft(selectBackend(request.backend), (error) => failed(error.message))
    const { message, threads } = yield* chooseThreads(topology, request, companyAt(topology, request.name), machine ?? (yield* thisMachine(crypto)))
    if (message !== undefined) yield* say(request, message)
    return threads
  })

/** Everything an actor is started with. @param machine  default: this one @errors CliFailure: wrong role, keys missing */
export const optionsOf = (topology: Topology, request: RunRequest, machine?: NodeMachine): Effect.Effect<ActorOptions, CliFailure> =>
  Effect.gen(function*() {
    yield* checkRole(topology, request)
    const { backend, keys = KEYS_DIRECTORY, name, role } = request
    const secret = yield* readSecret(keys, name)
    const publics = yield* readPublics(keys, publicsNeeded(topology, name, role))
    const directory = request.directory ?? join(DATA_DIRECTORY, name)
    const { clockOffsetMs, heartbeat, linger } = request
    const cluster = yield* clusterOf(topology, request, directory)
    const unwrapThreads = yield* threadsOf(topology, request, machine)
    return {
      name, role, secret, publics, directory, linger, unwrapThreads,
      ...(backend === undefined ? {} : { backend }),
      ...(heartbeat === undefined ? {} : { heartbeat }),
      ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
      ...(cluster === undefined ? {} : { cluster })
    }
  }).pipe(Effect.mapError((error) => (error._tag === "CliFailure" ? error : failed(error.message))))

const say = (request: RunRequest, message: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logInfo(message), { actor: request.name, role: request.role })

/** Says once when the actor is up for the first time. */
const announceUp = (request: RunRequest, actor: RunningActor): Effect.Effect<void> =>
  Effect.flatMap(actor.health, ({ state }) => (state === "up" ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced(LOOK_MS)),
    Effect.zipRight(say(request, "up")),
    Effect.ignore
  )

const LOOK_MS = 200

/** Runs to its end in a fiber that nobody has interrupted, so that its own time limits hold. */
const unhurried = (work: Effect.Effect<void>): Effect.Effect<void> => Effect.flatMap(Effect.forkDaemon(Effect.interruptible(work)), Fiber.await)

/** Runs one actor until a signal. @errors CliFailure */
export const runActor = (request: RunRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const { topology } = yield* loadTopology(request.topology)
    const options = yield* optionsOf(topology, request)
    yield* say(request, "starting")
    const actor = yield* Effect.mapError(launchActor(topology, options), (error) => failed(error.message))
    yield* Effect.addFinalizer(() => Effect.zipRight(unhurried(actor.retire), say(request, "stopped")))
    yield* Effect.forkScoped(announceUp(request, actor))
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.provideMerge(Logger.remove(asideLogger), layerOperatorLog({
      format: request.logFormat, level: request.log, actor: request.name, write: (line) => process.stderr.write(`${line}\n`)
    })))
  )
