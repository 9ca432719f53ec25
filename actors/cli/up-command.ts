/**
 * `funion up`: every actor of a topology as a local process, for trying out.
 *
 * Contract: key files that are missing are made; a process that ends is started again after a pause that grows; a signal ends all of them, and the
 * command is over when they are. What they log comes through with the actor's name in front, and so does why a node gets threads, which is decided here.
 * Knows nothing of: what actors do.
 * Source: the list; departures: none.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect, Either, Schedule, type Scope } from "effect"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import type { HeartbeatPolicyName } from "../../src/mixnet/heartbeat-watch.ts"
import { processesOf, type Role, type Topology } from "../../src/topology/topology.ts"
import { makeMissingKeyFiles } from "../key-file.ts"
import { CROWDED_FLAGS } from "../../src/actor/node-flags.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { KEYS_DIRECTORY, openAccess } from "./network-access.ts"
import { printAside } from "./output.ts"
import { makeProgress } from "./progress.ts"
import { DATA_DIRECTORY } from "./run-command.ts"
import { loadTopology } from "./topology-file.ts"
import { chooseThreads, companyOf, type NodeMachine, thisMachine } from "./unwrap-threads.ts"

export interface UpRequest {
  readonly topology: string
  readonly keys: string | undefined
  readonly directory: string | undefined
  readonly backend: "native" | "reference" | undefined
  readonly heartbeat: HeartbeatPolicyName | undefined
}

const PROGRAM = fileURLToPath(new URL("../../../bin/funion.mjs", import.meta.url))
/** Time in which a process may end by itself. */
const FAREWELL_MS = 15_000
const FIRST_RESTART_MS = 500
const LONGEST_RESTART_MS = 10_000

interface ChildSetting {
  readonly topologyFile: string
  readonly keys: string
  readonly directory: string
  readonly backend: "native" | "reference" | undefined
  readonly heartbeat: HeartbeatPolicyName | undefined
}

interface Child {
  readonly name: string
  readonly role: Role
  /** That unwrap; none while others have all the cores. */
  readonly threads: number
}

/** A line of one actor's, as people see it. */
const lineOf = (name: string, line: string): string => `${name.padEnd(16)} ${line}\n`

/** Everybody with their threads. @returns also a line for each who has some, which says why */
export const childrenOf = (
  topology: Topology, processes: ReadonlyArray<{ readonly name: string; readonly role: Role }>, machine: NodeMachine
): Effect.Effect<{ readonly children: ReadonlyArray<Child>; readonly lines: ReadonlyArray<string> }> =>
  Effect.map(
    Effect.forEach(processes, (actor) => Effect.map(chooseThreads(topology, actor, companyOf(processes), machine), (choice) => ({ ...actor, ...choice }))),
    (chosen) => ({
      children: chosen.map(({ name, role, threads }) => ({ name, role, threads })),
      lines: chosen.flatMap(({ message, name }) => (message === undefined ? [] : [lineOf(name, message)]))
    })
  )

const spawnActor = ({ name, role, threads }: Child, { backend, directory, heartbeat, keys, topologyFile }: ChildSetting): ChildProcess => {
  const args = [...CROWDED_FLAGS, PROGRAM, "run", "--role", role, "--name", name, "--keys", keys, "--topology", topologyFile, "--dir", join(directory, name)]
  // a group of its own: Ctrl-C in a terminal reaches this process alone, which then ends the others in order
  const choices = [...(backend === undefined ? [] : ["--backend", backend]), ...(heartbeat === undefined ? [] : ["--heartbeat", heartbeat])]
  return spawn(process.execPath, [...args, "--workers", String(threads), ...choices], { stdio: ["ignore", "ignore", "pipe"], detached: true })
}

/** One run of one actor's process: waits for its end; interrupted, ends it. */
const runOnce = (actor: Child, setting: ChildSetting): Effect.Effect<string> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const child = spawnActor(actor, setting)
      const ended = new Promise<string>((resolve) => {
        child.once("error", (error) => resolve(error.message))
        child.once("exit", (code, signal) => resolve(signal ?? `status ${code ?? "?"}`))
      })
      if (child.stderr !== null) createInterface({ input: child.stderr }).on("line", (line) => process.stderr.write(lineOf(actor.name, line)))
      return { child, ended }
    }),
    ({ ended }) => Effect.promise(() => ended),
    ({ child, ended }) => Effect.sync(() => child.kill("SIGTERM")).pipe(
      Effect.zipRight(Effect.timeoutTo(Effect.interruptible(Effect.promise(() => ended)), {
        duration: FAREWELL_MS, onSuccess: () => true, onTimeout: () => child.kill("SIGKILL")
      })),
      Effect.when(() => child.exitCode === null && child.signalCode === null)
    )
  )

/** Keeps one actor's process running. */
const keepRunning = (actor: Child, setting: ChildSetting): Effect.Effect<never> => {
  const once = Effect.flatMap(runOnce(actor, setting), (how) => printAside(lineOf(actor.name, `the process ended (${how}); it is started again`)))
  const pause = Schedule.exponential(FIRST_RESTART_MS).pipe(
    Schedule.union(Schedule.spaced(LONGEST_RESTART_MS)), Schedule.jittered, Schedule.resetAfter(6 * LONGEST_RESTART_MS)
  )
  return Effect.zipRight(Effect.repeat(once, pause), Effect.never)
}

/** The topology as data, so that no process has to run its file again. */
const writeTopology = (directory: string, topology: Topology): Effect.Effect<string, CliFailure> =>
  Effect.try({
    try: () => {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const path = join(directory, "topology.json")
      writeFileSync(path, JSON.stringify(topology), { mode: 0o600 })
      return path
    },
    catch: (thrown) => failed(`${directory} can not be written (${thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown reason"})`)
  })

const start = (request: UpRequest): Effect.Effect<Topology, CliFailure, Scope.Scope> =>
  Effect.gen(function*() {
    const { topology } = yield* loadTopology(request.topology)
    if (topology.placement === undefined) {
      return yield* failed(`${topology.name} says of no actor where it runs: add machines to the topology (see topologies/two-machines.ts)`)
    }
    const crypto = yield* Either.mapLeft(selectBackend(request.backend), (error) => failed(error.message))
    const keys = request.keys ?? KEYS_DIRECTORY
    const directory = request.directory ?? DATA_DIRECTORY
    const placed = processesOf(topology).filter(({ name }) => topology.placement?.[name] !== undefined)
    const made = yield* Effect.mapError(makeMissingKeyFiles(crypto, keys, placed.map(({ name }) => name), systemEntropy), (error) => failed(error.message))
    if (made.length > 0) yield* printAside(`keys made in ${keys}: ${made.join(", ")}\n`)
    const topologyFile = yield* writeTopology(directory, topology)
    const setting: ChildSetting = { topologyFile, keys, directory, backend: request.backend, heartbeat: request.heartbeat }
    const { children, lines } = yield* childrenOf(topology, placed, yield* thisMachine(crypto))
    yield* Effect.forEach(lines, printAside, { discard: true })
    yield* Effect.forEach(children, (child) => Effect.forkScoped(keepRunning(child, setting)), { discard: true })
    yield* printAside(`${placed.length} processes started; waiting for the first directory document\n`)
    return topology
  })

/** Runs all actors until a signal. @errors CliFailure */
export const runUp = (request: UpRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const topology = yield* start(request)
    const quiet = makeProgress(false, () => Effect.void)
    yield* Effect.scoped(openAccess(topology, { keys: request.keys, backend: request.backend, client: undefined, inProcess: false, seed: undefined }, quiet))
    yield* printAside(`network ${topology.name} is up; try: funion infer lang-id "Where is the station?" --topology ${request.topology}\n`)
    return yield* Effect.never
  }).pipe(Effect.scoped)
