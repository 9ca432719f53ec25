/**
 * A whole network in virtual time, from a seed: the actors of a launch, unmodified, under a clock that jumps.
 *
 * Contract: the same topology, seed, backend and body give the same run to the last bit: every actor draws from sources of its own, and `traceHash` covers
 * every message that crossed and every fault of a link. Models run in this thread (see stand-in-host), so nothing waits for anything but the virtual clock.
 * Observers are told what happens as it happens and must not disturb it. The world ends with its body.
 * Faults come by a scenario, from the instant at which the network is up: its links pass through a faulty mount, its actors have clocks of their own.
 * Knows nothing of: users, verdicts.
 * Source: the list; style.md §1.1, §2.8; departures: none.
 *
 * @module
 */
import { Cause, Context, Effect, Either, Exit, Layer, Logger, LogLevel, type Scope } from "effect"
import type { Tap } from "../../src/actor/call-tap.ts"
import { Meter, MeterBook } from "../../src/actor/meter.ts"
import type { MetricName } from "../../src/actor/metric-catalogue.ts"
import { Mount, type MountService } from "../../src/actor/mount.ts"
import { layerMountMemory } from "../../src/actor/mount-memory.ts"
import { BoxId } from "../../src/bacap/box-id.ts"
import { fromHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, seededEntropy, type Entropy } from "../../src/crypto/entropy.ts"
import type { HeartbeatPolicyName } from "../../src/mixnet/heartbeat-watch.ts"
import { ModelHost } from "../../src/model/model-host.ts"
import { layerStandIn } from "../../src/model/stand-in-host.ts"
import { carryOut } from "../../src/simulation/actor-faults.ts"
import { replicaEpochAt } from "../../src/params/epoch.ts"
import { calm, type Scenario } from "../../src/simulation/fault-plan.ts"
import { FaultSchedule } from "../../src/simulation/fault-schedule.ts"
import { faultyClock } from "../../src/simulation/faulty-clock.ts"
import { makeFaultyMount } from "../../src/simulation/faulty-link.ts"
import type { LinkFaultEvent } from "../../src/simulation/link-fate.ts"
import { linkEventsOf, type LinkEvent } from "../../src/simulation/link-event.ts"
import { Trace } from "../../src/simulation/trace.ts"
import { VirtualTime } from "../../src/simulation/virtual-clock.ts"
import { makeGeometry, type Geometry } from "../../src/sphinx/geometry.ts"
import { actorsOf, type Topology } from "../../src/topology/topology.ts"
import { LaunchFailed } from "../launch-failed.ts"
import { launchOn, type Foundation, type LifeParts, type Network } from "../launch.ts"
import type { BoxTable } from "../replica/box-table.ts"
import type { ReadyLife, Stock } from "../roles.ts"
import { openMemoryStock, type StockRequest } from "../stocks.ts"
import { simulationBackend, type SimulationBackend } from "./simulation-backend.ts"
import { observedTable, type StorageEvent } from "./storage-event.ts"

/** Another life under an actor's name. */
export type Variant = (life: ReadyLife, parts: LifeParts) => ReadyLife

export interface WorldOptions {
  readonly topology: Topology
  readonly seed: number
  readonly backend: SimulationBackend
  /** Ends the run early: it then fails as interrupted. */
  readonly signal?: AbortSignal
  /** Folder of models; default: the package's own. Manifests are read, weights are not. */
  readonly modelsDirectory?: string
  readonly onLink?: (event: LinkEvent) => void
  readonly onStorage?: (event: StorageEvent) => void
  /** What the actors do about loops that do not come home; default: warn. */
  readonly heartbeat?: HeartbeatPolicyName
  /** Lives in the place of those of the topology, by actor name. */
  readonly variants?: ReadonlyMap<string, Variant>
  /** Stands between the backend and everybody who uses it, and gives the same bytes: for who listens. */
  readonly wrapCrypto?: (crypto: CryptoBackend, geometry: Geometry) => CryptoBackend
  /** What goes wrong, and whom to tell what links did. */
  readonly faults?: Scenario
  readonly onFault?: (event: LinkFaultEvent) => void
  /** What lies between the actors: given the mount that joins them, the one that they use. */
  readonly wrapMount?: (mount: MountService, around: WorldSources) => MountService
}

/** Time and draws of a world, for what is no actor. */
export interface WorldSources {
  readonly nowMs: () => number
  /** A source of its own for every label; the actors have none of these labels. */
  readonly entropyOf: (label: string) => Entropy
}

/** Every figure of one actor now: by metric, by word of its label. */
export type ActorReadings = ReadonlyMap<MetricName, ReadonlyMap<string, number>>

/** A network while it runs. */
export interface World extends WorldSources {
  readonly network: Network
  readonly crypto: CryptoBackend
  /** Virtual milliseconds since the first instant. */
  readonly elapsedMs: () => number
  /** What goes wrong in this run, and when. */
  readonly schedule: FaultSchedule
  /** Link events so far. */
  readonly linkEvents: () => number
  /** Figures of every actor that was ever up, by name. */
  readonly readings: Effect.Effect<ReadonlyMap<string, ActorReadings>>
  /** Whether a replica's table has a box now, of this epoch or the last; nobody is told of the look. */
  readonly holds: (replica: string, boxId: string) => Effect.Effect<boolean>
}

export interface WorldResult<A> {
  readonly value: A
  /** SHA-256 of all messages that crossed and of all that faulty links did to them, 64 hex digits. */
  readonly traceHash: string
  readonly messages: number
  readonly linkFaults: number
  /** What observers of the links are told of: packets and other messages with bytes. */
  readonly linkEvents: number
  /** Packets and link commands among them: what `Forward`, `Submit` and the courier's and replica's calls carried. */
  readonly packets: number
  readonly virtualMs: number
  /** Drops at the end of the run, all actors together, by reason. */
  readonly dropsByReason: Readonly<Record<string, number>>
}

/** Sums a metric of all actors by its words. */
export const totalsOf = (readings: ReadonlyMap<string, ActorReadings>, metric: MetricName): Readonly<Record<string, number>> => {
  const sums: Record<string, number> = {}
  for (const figures of readings.values()) {
    for (const [word, value] of figures.get(metric) ?? []) sums[word] = (sums[word] ?? 0) + value
  }
  return sums
}

/** What is written down while a world runs. */
class Recorder {
  readonly trace = new Trace()
  readonly #packetBytes: number
  readonly #time: VirtualTime
  readonly #onLink: ((event: LinkEvent) => void) | undefined
  readonly #lengths: Array<number> = []
  readonly #digests: Array<number> = []
  packets = 0
  linkEvents = 0

  constructor(packetBytes: number, time: VirtualTime, onLink: ((event: LinkEvent) => void) | undefined) {
    this.#packetBytes = packetBytes
    this.#time = time
    this.#onLink = onLink
  }

  readonly #take = (event: LinkEvent): void => {
    if (event.sizeBytes === this.#packetBytes) this.packets += 1
    this.linkEvents += 1
    this.#onLink?.(event)
  }

  readonly #note = (bytes: Uint8Array, digest: number): void => {
    this.#lengths.push(bytes.length)
    this.#digests.push(digest)
  }

  readonly tap: Tap = (event) => {
    this.#lengths.length = 0
    this.#digests.length = 0
    this.trace.message(this.#time.nowMs, event, this.#note)
    linkEventsOf(event, { lengths: this.#lengths, digests: this.#digests }, this.#time.nowMs, this.#packetBytes, this.#take)
  }
}

/** The tables of replicas as they are, by name. */
type Tables = Map<string, BoxTable>

const holdsIn = ({ params }: Topology, tables: Tables, nowMs: () => number): World["holds"] => (replica, boxId) => {
  const epoch = replicaEpochAt(params, nowMs())
  const id = Either.getOrUndefined(Either.flatMap(fromHex(boxId), BoxId.make))
  const looked = id === undefined ? undefined : tables.get(replica)?.get(id, [epoch, epoch - 1])
  return looked === undefined ? Effect.succeed(false) : looked.pipe(Effect.map((box) => box !== undefined), Effect.orElseSucceed(() => false))
}

const openStock = (options: WorldOptions, time: VirtualTime, tables: Tables) => (request: StockRequest): Effect.Effect<Stock, LaunchFailed, Scope.Scope> =>
  Effect.map(
    openMemoryStock({
      ...request,
      openModels: (plan) => Layer.build(layerStandIn({
        models: plan.models, workers: plan.workers, ...(options.modelsDirectory === undefined ? {} : { modelsDirectory: options.modelsDirectory })
      })).pipe(
        Effect.map(Context.get(ModelHost)),
        Effect.provideService(Crypto, request.knowledge.setting.crypto),
        Effect.mapError(({ message }) => new LaunchFailed({ message }))
      )
    }),
    (stock) => {
      const { onStorage } = options
      if (stock.role !== "replica") return stock
      tables.set(request.identity.name, stock.table)
      if (onStorage === undefined) return stock
      return { ...stock, table: observedTable(stock.table, request.identity.name, () => time.nowMs, onStorage) }
    }
  )

/** Gives every life its meters, its variant, and the clock that its faults make. */
const livesOf = (options: WorldOptions, books: Map<string, MeterBook>, schedule: FaultSchedule): NonNullable<Foundation["onLife"]> =>
  (name, life, parts) => {
    const book = new MeterBook()
    books.set(name, book)
    const chosen = options.variants?.get(name)?.(life, parts) ?? life
    return (ready) => Effect.clockWith((clock) => chosen(ready).pipe(Effect.provideService(Meter, book), Effect.withClock(faultyClock(clock, schedule, name))))
  }

/**
 * Runs a world until its body ends.
 * @param body  what happens in it; given the network when all actors are up
 * @errors LaunchFailed and the body's own, as a rejection
 */
export const runWorld = async <A, E>(options: WorldOptions, body: (world: World) => Effect.Effect<A, E, Scope.Scope>): Promise<WorldResult<A>> => {
  const time = new VirtualTime()
  const startMs = time.nowMs
  const entropyOf = (label: string): Entropy => seededEntropy(options.seed, `world/${label}`)
  const nowMs = (): number => time.nowMs
  const books = new Map<string, MeterBook>()
  const tables: Tables = new Map()
  const schedule = new FaultSchedule(options.faults ?? calm(0, 0), actorsOf(options.topology).map(({ name }) => name), entropyOf("faults"))
  const readings = Effect.map(
    Effect.forEach(books, ([name, book]) => Effect.map(book.readings, (figures) => [name, figures] as const)),
    (all) => new Map(all)
  )
  let recorder: Recorder | undefined
  const program = Effect.gen(function*() {
    const geometry = yield* makeGeometry(options.topology.params.geometry)
    const backend = yield* simulationBackend(options.backend)
    const crypto = options.wrapCrypto?.(backend, geometry) ?? backend
    const recording = new Recorder(geometry.packetBytes, time, options.onLink)
    recorder = recording
    const bare = Context.get(yield* Layer.build(layerMountMemory({ tap: recording.tap })), Mount)
    const wrapped = options.wrapMount?.(bare, { nowMs, entropyOf }) ?? bare
    const onFault = (event: LinkFaultEvent): void => {
      recording.trace.fault(time.nowMs, event)
      options.onFault?.(event)
    }
    const mount = makeFaultyMount(wrapped, { schedule, entropyOf, onFault })
    const network = yield* launchOn(options.topology, {
      crypto, mount, openStock: openStock(options, time, tables), onLife: livesOf(options, books, schedule)
    }, { seed: options.seed, heartbeat: options.heartbeat ?? "warn" })
    schedule.begin(time.nowMs)
    yield* Effect.forkScoped(carryOut(schedule, network))
    const value = yield* body({
      network, crypto, nowMs, entropyOf, readings, schedule, elapsedMs: () => time.nowMs - startMs, linkEvents: () => recording.linkEvents,
      holds: holdsIn(options.topology, tables, nowMs)
    }).pipe(Effect.provideService(EntropySource, entropyOf("body")))
    return { value, dropsByReason: totalsOf(yield* readings, "dropped_packets_total") }
  }).pipe(
    Effect.scoped,
    Effect.withRandom(randomFromEntropy(entropyOf("random"))),
    // actors that a simulation breaks on purpose would fill the screen
    Logger.withMinimumLogLevel(LogLevel.None)
  )
  const exit = await time.run(program, options.signal)
  const { dropsByReason, value } = Exit.getOrElse(exit, (cause) => {
    throw Cause.squash(cause)
  })
  return {
    value, dropsByReason, virtualMs: time.nowMs - startMs, traceHash: recorder?.trace.finish() ?? "", messages: recorder?.trace.messageCount ?? 0,
    linkFaults: recorder?.trace.faultCount ?? 0, linkEvents: recorder?.linkEvents ?? 0, packets: recorder?.packets ?? 0
  }
}
