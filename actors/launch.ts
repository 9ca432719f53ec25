/**
 * Starts a whole topology in one process, every role as its own supervised actor over one mount.
 *
 * Contract: `launch` returns when the directory document of the current epoch is there and every client is up; everything ends with the scope. What an
 * actor would keep on disk (boxes, ballots, keys with their replay filters, journals) outlives a crash of that actor here too. Identities are drawn anew
 * at every launch. With a data directory, boxes and envelope keys of replicas are on disk.
 * Source: style.md §1.1, §1.2; departures: none.
 *
 * @module
 */
import { Context, Effect, Either, Layer, type Scope } from "effect"
import type { Client, RpcGroup } from "../src/actor/actor.ts"
import type { Tap } from "../src/actor/call-tap.ts"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { layerMountMemory } from "../src/actor/mount-memory.ts"
import { makeSupervisor, type Supervisor } from "../src/actor/supervise.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { randomFromEntropy, seededEntropy, systemEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { ENVELOPE_KEY_BYTES } from "../src/params/mixnet-params.ts"
import { makeIdentity, type Identity, type NetworkSetting } from "../src/pki/network-setting.ts"
import { pigeonholeGeometry } from "../src/pigeonhole/geometry.ts"
import { makeGeometry } from "../src/sphinx/geometry.ts"
import { actorsOf, type Topology } from "../src/topology/topology.ts"
import { Client as ClientProtocol } from "./client/protocol.ts"
import { LaunchFailed } from "./launch-failed.ts"
import { lifeOf, type Knowledge, type ReadyLife, type Stock } from "./roles.ts"
import { openMemoryStock, openReplicaStock, type StockChoice } from "./stocks.ts"

export { LaunchFailed } from "./launch-failed.ts"

export interface LaunchOptions extends StockChoice {
  /** Default: native where it loads, else reference. */
  readonly backend?: "native" | "reference"
  /** Makes all draws repeatable. For tests and simulation: a seeded network protects nobody. */
  readonly seed?: number
  /** Sees every call between actors. */
  readonly tap?: Tap
  /**
   * Folder in which each replica keeps boxes and envelope keys in a folder of its own name; default: all in memory. Identities are drawn anew at every
   * launch (unless seeded), so boxes of an earlier launch may lie on replicas that are no longer asked for them.
   */
  readonly dataDirectory?: string
}

type ClientRpcs = RpcGroup.Rpcs<typeof ClientProtocol>

/** A running network. */
export interface Network {
  readonly topology: Topology
  /** What everybody who joins must know: parameters and the authorities' keys. No secrets. */
  readonly setting: NetworkSetting
  /** A typed client of a client actor; default: the first. */
  readonly client: (name?: string) => Effect.Effect<Client<ClientRpcs>, never, Scope.Scope>
  /** The port that joins the actors, for calls in anybody's name. */
  readonly mount: MountService
  /** Interrupts an actor for good, as a crash without restart would. */
  readonly stop: (name: string) => Effect.Effect<void>
  /** Starts an actor that was stopped, with what it kept. Unknown names are a mistake of the caller's and die. */
  readonly start: (name: string) => Effect.Effect<void>
  readonly health: Supervisor["health"]
}

const SEED_BYTES = 32

/** Backend of a launch. @errors LaunchFailed: it does not load */
const backendOf = (wanted: "native" | "reference" | undefined): Either.Either<CryptoBackend, LaunchFailed> =>
  Either.mapLeft(selectBackend(wanted), (error) => new LaunchFailed({ message: error.message }))

/** What all actors of a topology know. @errors LaunchFailed naming the parameter */
const knowledgeOf = (topology: Topology, crypto: CryptoBackend, keyOf: Knowledge["keyOf"]): Either.Either<Knowledge, LaunchFailed> =>
  Either.gen(function*() {
    const failed = (message: string) => new LaunchFailed({ message })
    const geometry = yield* Either.mapLeft(makeGeometry(topology.params.geometry), () => failed("params.geometry: no such packet geometry"))
    const pigeonhole = yield* Either.mapLeft(
      pigeonholeGeometry(geometry.userPayloadBytes, ENVELOPE_KEY_BYTES),
      () => failed("params.geometry.userPayloadBytes: too small for a box")
    )
    const authorityKeys = topology.authorities.map(({ name }) => keyOf(name))
    const setting: NetworkSetting = { crypto, params: topology.params, geometry, authorityKeys, authorityThreshold: topology.authorityThreshold }
    return { topology, setting, pigeonhole, keyOf }
  })

/** One source per name for the whole run: an actor that restarts goes on drawing where it stopped, and repeats nothing. */
const sourcesOf = (seed: number | undefined): (label: string) => Entropy => {
  const sources = new Map<string, Entropy>()
  return (label) => {
    if (seed === undefined) return systemEntropy
    const source = sources.get(label) ?? seededEntropy(seed, label)
    sources.set(label, source)
    return source
  }
}

/** The life of every actor, by name, each with its stock. */
const openLives = (knowledge: Knowledge, identities: ReadonlyMap<string, Identity>, mount: MountService, entropyOf: (label: string) => Entropy, options: LaunchOptions) =>
  Effect.forEach(actorsOf(knowledge.topology), ({ name, role }) =>
    Effect.gen(function*() {
      const identity = identities.get(name)
      if (identity === undefined) throw new RangeError(`no actor ${name}`)
      const request = { knowledge, identity, role, entropyOf, choice: options }
      const stock: Stock = yield* role === "replica" && options.dataDirectory !== undefined
        ? openReplicaStock(request, options.dataDirectory)
        : openMemoryStock(request)
      const life: ReadyLife = lifeOf(knowledge, { mount, entropyOf, callerFor: (from) => ({ from }) }, identity, stock)
      return [name, life] as const
    }), { concurrency: "unbounded" }).pipe(Effect.map((lives) => new Map(lives)))

/**
 * Starts a network in the caller's scope.
 * @param topology  as `validateTopology` gave it
 * @errors LaunchFailed: backend missing, a model that does not load, a data directory that is in use or damaged, an actor that refuses its configuration
 */
export const launch = (topology: Topology, options: LaunchOptions = {}): Effect.Effect<Network, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const crypto = yield* backendOf(options.backend)
    const entropyOf = sourcesOf(options.seed)
    const identities = new Map(actorsOf(topology).map(({ name }) => [name, makeIdentity(crypto, name, entropyOf(`${name}/identity`)(SEED_BYTES))]))
    const knowledge = yield* knowledgeOf(topology, crypto, (name) => {
      const identity = identities.get(name)
      if (identity === undefined) throw new RangeError(`no actor ${name}`)
      return identity.publicKey
    })
    const mount = Context.get(yield* Layer.build(layerMountMemory({ tap: options.tap })), Mount)
    const lives = yield* openLives(knowledge, identities, mount, entropyOf, options)
    const supervisor = yield* makeSupervisor
    /** The network's, whoever starts an actor: the caller's may be Effect's own, which is predictable. */
    const random = yield* Effect.random
    const start = (name: string): Effect.Effect<void> => {
      const life = lives.get(name)
      return life === undefined ? Effect.die(new RangeError(`no actor ${name}`)) : Effect.withRandom(supervisor.start(name, life), random)
    }
    yield* Effect.forEach(lives.keys(), start, { discard: true })
    yield* awaitUp(supervisor, lives.keys())
    return {
      topology,
      setting: knowledge.setting,
      client: (name = topology.clients[0]?.name ?? "") => mount.connect("person", name, ClientProtocol, { limitMs: CALL_LIMIT_MS }),
      mount,
      stop: supervisor.stop,
      start,
      health: supervisor.health
    }
  }).pipe(options.seed === undefined ? Effect.withRandom(randomFromEntropy(systemEntropy)) : (self) => self)

/** Calls to a client actor may span a whole job. */
const CALL_LIMIT_MS = 3_600_000
const LOOK_MS = 20
/** An actor that has crashed this often without ever being up will not come up. */
const HOPELESS_RESTARTS = 4

/** Waits until every actor is up. @errors LaunchFailed naming one that keeps crashing */
const awaitUp = (supervisor: Supervisor, names: Iterable<string>): Effect.Effect<void, LaunchFailed> => {
  const wanted = [...names]
  return Effect.gen(function*() {
    for (;;) {
      const health = yield* supervisor.health
      if (wanted.every((name) => health.get(name)?.state === "up")) return
      const hopeless = wanted.find((name) => (health.get(name)?.restartCount ?? 0) >= HOPELESS_RESTARTS && health.get(name)?.state !== "up")
      if (hopeless !== undefined) return yield* new LaunchFailed({ message: `${hopeless} does not start; its log lines say why` })
      yield* Effect.sleep(LOOK_MS)
    }
  })
}
