/**
 * Starts a whole topology in one process over one mount, one actor of it in a process of its own over links, or somebody's client beside it.
 *
 * Contract: `launch` returns when the directory document of the current epoch is there and every client is up; everything ends with the scope. What an
 * actor would keep on disk (boxes, ballots, keys with their replay filters, journals) outlives a crash of that actor here too. Identities are drawn anew
 * at every launch. With a data directory, boxes and envelope keys of replicas are on disk. `launchActor` and `join` run the very same lives over TCP.
 * With the files it alone uses (network-links, directory-clock) this is the only one that knows about processes.
 * Source: style.md §1.1, §1.2; departures: none.
 *
 * @module
 */
import { type Clock, Context, Effect, Either, Layer, type Scope } from "effect"
import type { Client, RpcGroup } from "../src/actor/actor.ts"
import type { Tap } from "../src/actor/call-tap.ts"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { layerMountMemory } from "../src/actor/mount-memory.ts"
import { layerMountTcp } from "../src/actor/mount-tcp.ts"
import { type ActorHealth, makeSupervisor, type Supervisor } from "../src/actor/supervise.ts"
import type { TcpCount } from "../src/actor/tcp-limits.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { randomFromEntropy, seededEntropy, systemEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { ENVELOPE_KEY_BYTES } from "../src/params/mixnet-params.ts"
import { nodeIdOf } from "../src/pki/descriptor.ts"
import type { DirectoryView } from "../src/pki/directory-view.ts"
import { makeIdentity, type Identity, type NetworkSetting } from "../src/pki/network-setting.ts"
import { pigeonholeGeometry } from "../src/pigeonhole/geometry.ts"
import { makeGeometry } from "../src/sphinx/geometry.ts"
import { actorsOf, type Role, type Topology } from "../src/topology/topology.ts"
import { Client as ClientProtocol } from "./client/protocol.ts"
import { makeDirectoryClock } from "./directory-clock.ts"
import type { PublicHalf, SecretHalf } from "./key-file.ts"
import { LaunchFailed } from "./launch-failed.ts"
import { addressesOf, anonymousCredentials, formatAddress, linkSizesOf, peersOf } from "./network-links.ts"
import { freshQueueName } from "./packet-port.ts"
import { lifeOf, type Knowledge, type ReadyLife, type Stock, type Surroundings } from "./roles.ts"
import { openDiskStock, openMemoryStock, openReplicaStock, type StockChoice } from "./stocks.ts"

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
const openLives = (
  knowledge: Knowledge, identities: ReadonlyMap<string, Identity>, mount: MountService, entropyOf: (label: string) => Entropy, options: LaunchOptions
) =>
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

/** An actor in a process of its own. */
export interface ActorOptions extends StockChoice {
  readonly name: string
  readonly role: Role
  readonly secret: SecretHalf
  /** At least those of `publicsNeeded`. */
  readonly publics: ReadonlyMap<string, PublicHalf>
  /** The actor's own folder. */
  readonly directory: string
  readonly backend?: "native" | "reference"
  /** Told whenever the actor's clock is corrected, in milliseconds. */
  readonly onClockCorrection?: (offsetMs: number) => void
  readonly onLink?: (count: TcpCount) => void
}

/** A running actor. */
export interface RunningActor {
  readonly name: string
  readonly role: Role
  readonly health: Effect.Effect<ActorHealth>
  readonly documentEpoch: () => number | undefined
  readonly setting: NetworkSetting
  /** Ends the actor's life and waits for it. */
  readonly stop: Effect.Effect<void>
}

/** Whose public halves an actor needs before there are documents. */
export const publicsNeeded = (topology: Topology, name: string, role: Role): ReadonlyArray<string> => {
  const names = (group: ReadonlyArray<{ readonly name: string }>): ReadonlyArray<string> => group.map((each) => each.name)
  const always = [...names(topology.authorities), ...(role === "client" ? [] : [name])]
  switch (role) {
    case "authority": return names(actorsOf(topology).filter((actor) => actor.role !== "client"))
    case "service-node": return [...always, ...names(topology.couriers.filter(({ serviceNode }) => serviceNode === name))]
    case "replica": return [...always, ...names(topology.couriers)]
    case "compute": return [...always, ...names(topology.gateways), ...names(topology.serviceNodes)]
    case "client": return [...always, ...names(topology.gateways)]
    case "gateway":
    case "mix":
    case "courier": return always
  }
}

const missingKey = (name: string): never => {
  throw new RangeError(`no public key of ${name}`)
}

/** The TCP mount of one actor, its knowledge, and a clock that follows the directory's. */
const openProcess = (topology: Topology, options: Pick<ActorOptions, "name" | "role" | "publics" | "backend" | "onClockCorrection" | "onLink"> & {
  readonly secret: Pick<SecretHalf, "linkSeed">
  readonly identityKey: (crypto: CryptoBackend) => Uint8Array
  readonly listens: boolean
}) =>
  Effect.gen(function*() {
    const { name, publics, role } = options
    const crypto = yield* backendOf(options.backend)
    const knowledge = yield* knowledgeOf(topology, crypto, (each) => publics.get(each)?.identityKey ?? missingKey(each))
    const placement = topology.placement ?? {}
    const place = placement[name]
    let view: DirectoryView | undefined
    const documents = () => view?.documents() ?? []
    const directoryClock = makeDirectoryClock({
      base: yield* Effect.clock,
      peers: (role === "client" ? topology.gateways : topology.authorities).map((each) => each.name),
      countsOwn: role === "authority",
      onCorrection: options.onClockCorrection ?? (() => undefined)
    })
    const credentials = anonymousCredentials(crypto, systemEntropy)
    const layer = layerMountTcp({
      self: { name, linkKey: crypto.xwingPrivateKey(options.secret.linkSeed), identityHash: nodeIdOf(crypto, options.identityKey(crypto)) },
      addresses: addressesOf(placement, crypto, documents),
      peers: peersOf({ knowledge, self: { name, role }, publics, documents, nowMs: () => directoryClock.clock.unsafeCurrentTimeMillis() }),
      listen: options.listens && place !== undefined ? { host: place.listenHost ?? place.host, port: place.port } : "nowhere",
      credentials,
      sizes: linkSizesOf(knowledge),
      onSkew: directoryClock.observe,
      onCount: options.onLink
    }).pipe(Layer.provide(Layer.succeed(Crypto, crypto)))
    const mount = Context.get(yield* Effect.withClock(Layer.build(layer), directoryClock.clock), Mount)
    const around: Surroundings = {
      mount,
      entropyOf: () => systemEntropy,
      callerFor: () => {
        const queueName = freshQueueName(systemEntropy)
        return { from: queueName, queueName }
      },
      onView: (held) => { view = held }
    }
    return { knowledge, mount, around, clock: directoryClock.clock, documents }
  })

/** The running system clock and randomness that nobody can predict, for everything an actor does. */
const inProcess = (clock: Clock.Clock) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  self.pipe(Effect.withClock(clock), Effect.withRandom(randomFromEntropy(systemEntropy)))

/**
 * Starts one actor of a topology in the caller's scope, linked to the others over TCP. Returns when its life has begun, which may wait for others.
 * @errors LaunchFailed: backend missing, a model that does not load, a folder in use or damaged, no place in the topology
 */
export const launchActor = (topology: Topology, options: ActorOptions): Effect.Effect<RunningActor, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { name, role, secret } = options
    const place = topology.placement?.[name]
    if (place === undefined) return yield* new LaunchFailed({ message: `placement: ${name} has no place in ${topology.name}: add it to a machine's actors` })
    const { around, clock, documents, knowledge } = yield* openProcess(topology, {
      ...options, identityKey: (crypto) => crypto.ed25519PublicKey(secret.identitySeed), listens: true
    })
    const { crypto } = knowledge.setting
    const reach = { linkKey: crypto.xwingPrivateKey(secret.linkSeed).publicKey, addresses: [formatAddress(place)] }
    const identity = makeIdentity(crypto, name, secret.identitySeed, reach)
    const request = { knowledge, identity, role, entropyOf: around.entropyOf, choice: options }
    const stock: Stock = yield* openDiskStock(request, options.directory, secret.storageKey).pipe(inProcess(clock))
    const supervisor = yield* makeSupervisor
    yield* supervisor.start(name, lifeOf(knowledge, around, identity, stock)).pipe(inProcess(clock))
    const down: ActorHealth = { state: "down", restartCount: 0 }
    return {
      name,
      role,
      setting: knowledge.setting,
      health: Effect.map(supervisor.health, (health) => health.get(name) ?? down),
      documentEpoch: () => documents().reduce<number | undefined>((newest, { epoch }) => Math.max(newest ?? epoch, epoch), undefined),
      stop: supervisor.stop(name)
    }
  })

/** Somebody's way into a running network: a client of their own, in this process. */
export type ClientAccess = Pick<Network, "client">

const VISITOR = "visitor"

/**
 * Joins a running network with a client of one's own, which ends with the scope; returns when it is up.
 * @param publics  at least those of `publicsNeeded(topology, "", "client")`
 * @errors LaunchFailed: backend missing, nobody of the network answers in time
 */
export const join = (
  topology: Topology, options: Pick<ActorOptions, "publics" | "backend" | "onClockCorrection"> & { readonly limitMs?: number }
): Effect.Effect<ClientAccess, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const identitySeed = systemEntropy(SEED_BYTES)
    const { around, clock, knowledge, mount } = yield* openProcess(topology, {
      ...options, name: VISITOR, role: "client", secret: { linkSeed: systemEntropy(SEED_BYTES) },
      identityKey: (crypto) => crypto.ed25519PublicKey(identitySeed), listens: false
    })
    const identity = makeIdentity(knowledge.setting.crypto, VISITOR, identitySeed)
    const request = { knowledge, identity, role: "client" as const, entropyOf: around.entropyOf, choice: {} }
    const stock = yield* openMemoryStock(request)
    const supervisor = yield* makeSupervisor
    yield* supervisor.start(VISITOR, lifeOf(knowledge, around, identity, stock)).pipe(inProcess(clock))
    const seconds = Math.round((options.limitMs ?? JOIN_LIMIT_MS) / 1000)
    yield* awaitUp(supervisor, [VISITOR]).pipe(Effect.timeoutFail({
      duration: options.limitMs ?? JOIN_LIMIT_MS,
      onTimeout: () => new LaunchFailed({
        message: `no gateway of ${topology.name} gave a directory document within ${seconds} s: is the network up (funion status), and are the key files its own?`
      })
    }))
    return { client: () => mount.connect("person", VISITOR, ClientProtocol, { limitMs: CALL_LIMIT_MS }) }
  })

/** A network that has just started needs a while for its first document. */
const JOIN_LIMIT_MS = 60_000
