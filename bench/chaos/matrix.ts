/**
 * The kill matrix: a network of real processes, jobs without end, one fault after the other.
 *
 * Contract: jobs begin before, at and after every fault; the next fault strikes when a job that began after the one before is accepted, so that jobs are
 * at every step when something breaks. `recoveryMs` is the time from a fault to the answer of the job that began after it, so it holds the time of one
 * undisturbed job. A run ends when every job is settled.
 * Knows nothing of: the command line.
 * Source: issue "the same topology file on many machines" (process tests); departures: none.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Clock, Effect, Either, Fiber, Schedule, type Scope } from "effect"
import { readPublics, readSecret } from "../../actors/key-file.ts"
import { attend, type ClientAccess, join as joinNetwork, publicsNeeded } from "../../actors/launch.ts"
import { models } from "../../actors/session-api.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { network } from "../../src/topology/builder.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { validateTopology } from "../../src/topology/validate.ts"
import { type Arena, type Fault, PROXIED } from "./faults.ts"
import { Fleet } from "./fleet.ts"
import { type JobRecord, newRecord, runJob } from "./jobs.ts"
import { openLinkProxy } from "./link-proxy.ts"

export interface FaultReport {
  readonly name: string
  /** Accepted jobs that began during this fault. */
  readonly requests: number
  readonly answered: number
  readonly retried: number
  readonly lost: number
  readonly wrong: number
  readonly recoveryMs: number
}

export interface ChaosReport {
  readonly faults: ReadonlyArray<FaultReport>
  /** Time of a job that nothing disturbed, unless the run was in a hurry. */
  readonly undisturbedMs: number | undefined
  /** Jobs that no service accepted in time: no requests, but no service either. */
  readonly neverAccepted: number
  /** Processes that ended by themselves. */
  readonly unaskedEnds: number
  readonly details: ReadonlyArray<string>
}

export interface ChaosChoice {
  readonly faults: (fleet: Fleet) => ReadonlyArray<Fault>
  readonly firstPort: number
  /** Begin with the faults before an undisturbed job is answered. */
  readonly inHurry: boolean
  /** Keep keys, data and logs, and say where. */
  readonly keep: boolean
  readonly tell: (line: string) => void
}

const LIMITS = { acceptMs: 90_000, answerMs: 150_000 }
const START_LIMIT_MS = 120_000
const RECOVERY_LIMIT_MS = 120_000
/** Between jobs while nothing else is waited for. */
const JOB_GAP_MS = 2_000
const OPERATOR_PORTS = 500
/** Where the actor behind the proxy listens. */
const BEHIND_PROXY = 400

/** Brisk enough for a job every ten seconds, sparing enough for two cores that start processes all the time. */
const PARAMS: MixnetParams = {
  ...tinyParams, lambdaPPerMs: 0.014, lambdaLPerMs: 0.001, lambdaMPerMs: 0.0005, lambdaGPerMs: 0.0005, lambdaRPerMs: 0.012, quantumMs: 1500, answerMs: 500
}
/** The last one is further than a process takes to be found dead, started and listed again, also where processes crowd two cores. */
const DEADLINES_MS = [4500, 12_000, 30_000, 75_000]

/** As many actors as the shipped topologies have, one of them behind a proxy, and one model. */
const arenaTopology = (firstPort: number): Topology => {
  const whole = network({
    name: "chaos",
    params: PARAMS,
    authorities: 3,
    machines: [{
      name: "here", host: "127.0.0.1", firstPort, actors: ["authorities", "gateways", "mixes", "serviceNodes", "couriers", "replicas", "computes", "clients"]
    }],
    computes: [{
      deadlinesMs: DEADLINES_MS,
      releaseWindowMs: 1500,
      profiles: [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 1, coverJobs: 0 }],
      workers: 1,
      maxComputeMs: 700,
      models: [{ id: "affine", profiles: [0] }]
    }]
  })
  const places = Object.entries(whole.placement ?? {}).map(([name, place], index) => [name, {
    ...place,
    port: firstPort + index,
    operatorPort: firstPort + OPERATOR_PORTS + index,
    ...(name === PROXIED ? { listenPort: firstPort + BEHIND_PROXY } : {})
  }] as const)
  return { ...whole, placement: Object.fromEntries(places) }
}

/** The ways into the network: a client of the moment, and those of its client processes. Waits until a compute service is offered. */
const enter = ({ fleet, topology }: Arena): Effect.Effect<ReadonlyMap<string, ClientAccess>, Error, Scope.Scope> =>
  Effect.gen(function*() {
    const publics = yield* readPublics(fleet.keys, [...publicsNeeded(topology, "", "client"), ...fleet.names("client")])
    const access = yield* joinNetwork(topology, { publics, limitMs: START_LIMIT_MS })
    const offered = Effect.filterOrFail(models(access), (list) => list.length > 0, () => new Error("no compute service is in the directory"))
    yield* Effect.retry(offered, { schedule: Schedule.spaced(1_000), times: START_LIMIT_MS / 1_000 })
    const attended = yield* Effect.forEach(fleet.names("client"), (name) =>
      Effect.flatMap(readSecret(fleet.keys, name), (secret) =>
        Effect.map(attend(topology, { name, secret, publics }), (way) => [name, way] as const)))
    return new Map([["", access], ...attended])
  }).pipe(Effect.mapError((error) => new Error(error.message)))

const waitWhile = (isOpen: () => boolean, limitMs: number): Effect.Effect<void> => {
  const look: Effect.Effect<void> = Effect.suspend(() => (isOpen() ? Effect.delay(look, 50) : Effect.void))
  return Effect.asVoid(Effect.timeoutOption(look, limitMs))
}

class Run {
  readonly records: Array<JobRecord> = []
  readonly #fibers: Array<Fiber.RuntimeFiber<void>> = []
  /** By client process; "" is the client of the moment. */
  readonly #accesses: ReadonlyMap<string, ClientAccess>
  constructor(accesses: ReadonlyMap<string, ClientAccess>) {
    this.#accesses = accesses
  }

  /** Begins a job in the background. */
  begin(fault: string, through = ""): Effect.Effect<JobRecord, never, Scope.Scope> {
    return Effect.gen(this, function*() {
      const access = this.#accesses.get(through)
      if (access === undefined) throw new RangeError(`no way through ${through}`)
      const record = newRecord(fault, yield* Clock.currentTimeMillis)
      this.records.push(record)
      this.#fibers.push(yield* Effect.forkScoped(runJob(access, this.records.length, record, LIMITS)))
      return record
    })
  }

  /** Waits until a job is settled, at most so long. */
  settle(record: JobRecord, limitMs: number): Effect.Effect<void> {
    return waitWhile(() => record.outcome === "open", limitMs)
  }

  /** Waits until a job is accepted, at most so long. */
  accepted(record: JobRecord, limitMs: number): Effect.Effect<void> {
    return waitWhile(() => record.outcome === "open" && record.acceptedMs === undefined, limitMs)
  }

  readonly settleAll: Effect.Effect<void> = Effect.suspend(() => Effect.asVoid(Fiber.awaitAll(this.#fibers)))
}

/** What the jobs of one fault came to. */
const reportOf = (name: string, records: ReadonlyArray<JobRecord>, recoveryMs: number): FaultReport => {
  const own = records.filter((record) => record.fault === name && record.acceptedMs !== undefined)
  const count = (outcome: JobRecord["outcome"]): number => own.filter((record) => record.outcome === outcome).length
  return {
    name,
    requests: own.length,
    answered: count("answered"),
    retried: own.reduce((sum, { retried }) => sum + retried, 0),
    lost: count("lost") + count("open"),
    wrong: count("wrong"),
    recoveryMs: Math.round(recoveryMs)
  }
}

interface Suffered {
  readonly fault: Fault
  readonly struckMs: number
  /** The job that began after the fault. */
  readonly last: JobRecord
}

/** One fault: a job before it, one at it, one after it. Over when the last one is accepted: its answer comes while the next fault strikes. */
const suffer = (arena: Arena, run: Run, fault: Fault, tell: (line: string) => void) =>
  Effect.gen(function*() {
    yield* run.begin(fault.name, fault.through)
    yield* Effect.sleep(JOB_GAP_MS)
    yield* run.begin(fault.name, fault.through)
    const struckMs = yield* Clock.currentTimeMillis
    yield* Effect.promise(() => fault.strike(arena))
    yield* Effect.sleep(fault.lastsMs)
    yield* Effect.promise(() => fault.relieve(arena))
    const last = yield* run.begin(fault.name, fault.through)
    yield* run.accepted(last, RECOVERY_LIMIT_MS)
    tell(`${fault.name}: served again after ${(((last.acceptedMs ?? (yield* Clock.currentTimeMillis)) - struckMs) / 1000).toFixed(1)} s`)
    return { fault, struckMs, last } satisfies Suffered
  })

/** One job before anything has happened; waits for its answer unless in a hurry. */
const undisturbed = (run: Run, inHurry: boolean) =>
  Effect.gen(function*() {
    const record = yield* run.begin("nothing")
    if (inHurry) return undefined
    yield* run.settle(record, RECOVERY_LIMIT_MS)
    if (record.outcome !== "answered") return yield* Effect.fail(new Error(`the undisturbed network does not answer: ${record.outcome} (${record.detail})`))
    return (record.answeredMs ?? 0) - record.begunMs
  })

/** Starts the network in a folder of its own. */
const openArena = (choice: ChaosChoice) =>
  Effect.gen(function*() {
    const checked = validateTopology(arenaTopology(choice.firstPort))
    const { topology } = Either.getOrThrowWith(checked, ({ field, message }) => new RangeError(`${field}: ${message}`))
    const directory = mkdtempSync(join(tmpdir(), "funion-chaos-"))
    const fleet = new Fleet({ topology, directory })
    const place = topology.placement?.[PROXIED]
    if (place === undefined) throw new RangeError(`no place for ${PROXIED}`)
    const proxy = yield* Effect.acquireRelease(
      Effect.promise(() => openLinkProxy(place, { host: place.host, port: place.listenPort ?? place.port })),
      (opened) => Effect.promise(() => opened.close())
    )
    yield* Effect.addFinalizer(() => Effect.promise(async () => {
      await fleet.end()
      if (!choice.keep) rmSync(directory, { recursive: true, force: true })
      else choice.tell(`keys, data and logs: ${directory}`)
    }))
    yield* Effect.tryPromise({ try: () => fleet.start(), catch: (thrown) => new Error(String(thrown)) })
    choice.tell(`${fleet.names().length} processes started`)
    return { fleet, topology, proxy }
  })

/** Runs the matrix. @errors Error: the network does not start, or does not answer undisturbed */
export const runChaos = (choice: ChaosChoice): Effect.Effect<ChaosReport, Error> =>
  Effect.gen(function*() {
    const arena = yield* openArena(choice)
    const run = new Run(yield* enter(arena))
    const undisturbedMs = yield* undisturbed(run, choice.inHurry)
    if (undisturbedMs !== undefined) choice.tell(`an undisturbed job takes ${(undisturbedMs / 1000).toFixed(1)} s`)
    const suffered = yield* Effect.forEach(choice.faults(arena.fleet), (fault) => suffer(arena, run, fault, choice.tell))
    yield* run.settleAll
    const endMs = yield* Clock.currentTimeMillis
    const bad = run.records.filter(({ outcome }) => outcome !== "answered")
    return {
      faults: suffered.map(({ fault, last, struckMs }) => reportOf(fault.name, run.records, (last.answeredMs ?? endMs) - struckMs)),
      undisturbedMs: undisturbedMs === undefined ? undefined : Math.round(undisturbedMs),
      neverAccepted: run.records.filter(({ outcome }) => outcome === "never accepted").length,
      unaskedEnds: arena.fleet.unasked,
      details: bad.map(({ detail, fault, outcome }) => `${fault}: ${outcome}: ${detail}`)
    }
  }).pipe(Effect.scoped)
