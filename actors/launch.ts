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
import { Context, Effect, Layer, type Scope } from "effect"
import type { Client, RpcGroup } from "../src/actor/actor.ts"
import type { Tap } from "../src/actor/call-tap.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { Meter } from "../src/actor/meter.ts"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { layerMountMemory } from "../src/actor/mount-memory.ts"
import { type ActorHealth, makeSupervisor, type Supervisor } from "../src/actor/supervise.ts"
import { randomFromEntropy, seededEntropy, systemEntropy, type Entropy } from "../src/crypto/entropy.ts"
import type { HeartbeatPolicyName } from "../src/mixnet/heartbeat-watch.ts"
import { openUnwrapThread } from "../src/node/unwrap-thread.ts"
import { nodeIdOf } from "../src/pki/descriptor.ts"
import { makeIdentity, type Identity, type NetworkSetting } from "../src/pki/network-setting.ts"
import { actorsOf, type Role, type Topology } from "../src/topology/topology.ts"
import { Client as ClientProtocol } from "./client/protocol.ts"
import type { PublicHalf, SecretHalf } from "./key-file.ts"
import { backendOf, knowledgeOf } from "./knowledge.ts"
import { LaunchFailed } from "./launch-failed.ts"
import { formatAddress } from "./network-links.ts"
import { openOperator } from "./operator/operator.ts"
import { type ActorProcess, asProcess, openProcess, PERSON, personClaim, personLinkKey } from "./process.ts"
import { retire } from "./retirement.ts"
import { lifeOf, type Knowledge, type ReadyLife, type Stock, type Surroundings } from "./roles.ts"
import { openRunner, serviceOfRunner } from "./runner-process.ts"
import { type ClusterChoice, openDiskStock, openMemoryStock, openReplicaStock, type StockChoice, type StockRequest } from "./stocks.ts"

export { LaunchFailed } from "./launch-failed.ts"
export { publicsNeeded } from "./process.ts"

export interface LaunchOptions extends StockChoice {
  /** Default: native where it loads, else reference. */
  readonly backend?: "native" | "reference"
  /** Makes all draws repeatable. For tests and simulation: a seeded network protects nobody. */
  readonly seed?: number
  /** What nodes, clients and services do about loops that do not come home; default: warn. */
  readonly heartbeat?: HeartbeatPolicyName
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

/** What a network in one process stands on. Simulations bring their own. */
export interface Foundation {
  readonly crypto: CryptoBackend
  readonly mount: MountService
  /** Opens what an actor keeps. */
  readonly openStock: (request: StockRequest) => Effect.Effect<Stock, LaunchFailed, Scope.Scope>
  /** Told every life with what it is made of; gives the life that is started under the name. Default: that life. */
  readonly onLife?: (name: string, life: ReadyLife, parts: LifeParts) => ReadyLife
}

/** What the life of an actor is made of, for whoever puts another in its place. */
export interface LifeParts {
  readonly knowledge: Knowledge
  readonly around: Surroundings
  readonly stock: Stock
  /** The actor's own life with other surroundings or another stock. */
  readonly lifeWith: (around: Surroundings, stock: Stock) => ReadyLife
}

/** The life of every actor, by name, each with its stock. */
const openLives = (
  knowledge: Knowledge, identities: ReadonlyMap<string, Identity>, foundation: Foundation, entropyOf: (label: string) => Entropy,
  choice: StockChoice & Pick<LaunchOptions, "heartbeat">
) =>
  Effect.forEach(actorsOf(knowledge.topology), ({ name, role }) =>
    Effect.gen(function*() {
      const identity = identities.get(name)
      if (identity === undefined) throw new RangeError(`no actor ${name}`)
      const stock = yield* foundation.openStock({ knowledge, identity, role, entropyOf, choice })
      const around: Surroundings = { mount: foundation.mount, entropyOf, callerFor: (from) => ({ from }), heartbeat: choice.heartbeat ?? "warn" }
      const lifeWith: LifeParts["lifeWith"] = (otherAround, otherStock) => lifeOf(knowledge, otherAround, identity, otherStock)
      const life = lifeWith(around, stock)
      return [name, foundation.onLife?.(name, life, { knowledge, around, stock, lifeWith }) ?? life] as const
    }), { concurrency: "unbounded" }).pipe(Effect.map((lives) => new Map(lives)))

/**
 * Starts a network in the caller's scope.
 * @param topology  as `validateTopology` gave it
 * @errors LaunchFailed: backend missing, a model that does not load, a data directory that is in use or damaged, an actor that refuses its configuration
 */
export const launch = (topology: Topology, options: LaunchOptions = {}): Effect.Effect<Network, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { dataDirectory } = options
    return yield* launchOn(topology, {
      crypto: yield* backendOf(options.backend),
      mount: Context.get(yield* Layer.build(layerMountMemory({ tap: options.tap })), Mount),
      openStock: (request) =>
        request.role === "replica" && dataDirectory !== undefined ? openReplicaStock(request, dataDirectory) : openMemoryStock(request)
    }, options)
  }).pipe(options.seed === undefined ? Effect.withRandom(randomFromEntropy(systemEntropy)) : (self) => self)

/** As `launch`, on a given foundation. @errors LaunchFailed */
export const launchOn = (
  topology: Topology, foundation: Foundation, options: StockChoice & Pick<LaunchOptions, "seed" | "heartbeat"> = {}
): Effect.Effect<Network, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { crypto, mount } = foundation
    const entropyOf = sourcesOf(options.seed)
    const identities = new Map(actorsOf(topology).map(({ name }) => [name, makeIdentity(crypto, name, entropyOf(`${name}/identity`)(SEED_BYTES))]))
    const knowledge = yield* knowledgeOf(topology, crypto, (name) => {
      const identity = identities.get(name)
      if (identity === undefined) throw new RangeError(`no actor ${name}`)
      return identity.publicKey
    })
    const lives = yield* openLives(knowledge, identities, foundation, entropyOf, options)
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
  })

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
  /** Added to the machine's clock, in milliseconds: a wrong clock for experiments. */
  readonly clockOffsetMs?: number
  /** When it retires: go on until no document in force lists it. */
  readonly linger?: boolean
  /** Of a compute service with runners, and of a runner. */
  readonly cluster?: ClusterChoice
  /** Threads that unwrap packets; default 0: the node's own. */
  readonly unwrapThreads?: number
  /** What the actor does about loops that do not come home; default: warn. */
  readonly heartbeat?: HeartbeatPolicyName
}

/** A running actor. */
export interface RunningActor {
  readonly health: Effect.Effect<ActorHealth>
  /** Takes the actor out of the directory, lets it finish what it has accepted, and ends its life. */
  readonly retire: Effect.Effect<void>
}

/** The life of an actor or a runner, with what it keeps. @errors LaunchFailed */
const openLife = ({ around, knowledge }: ActorProcess, identity: Identity, options: ActorOptions): Effect.Effect<ReadyLife, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { cluster, directory, name, role, secret, unwrapThreads = 0 } = options
    const plan = knowledge.topology.computes.find((each) => each.name === name)
    const needsCluster = serviceOfRunner(knowledge, name) !== undefined || (plan?.runners ?? []).length > 0
    if (needsCluster && cluster === undefined) return yield* new LaunchFailed({ message: `${name}: no database of its cluster is given` })
    if (cluster !== undefined && serviceOfRunner(knowledge, name) !== undefined) {
      return yield* openRunner(knowledge, around.mount, name, { ...options, cluster })
    }
    const request: StockRequest = {
      knowledge, identity, role, entropyOf: around.entropyOf, choice: options,
      ...(cluster === undefined || !needsCluster ? {} : { cluster: { ...cluster, mount: around.mount } })
    }
    const stock = yield* openDiskStock(request, directory, secret.storageKey)
    const threads = unwrapThreads === 0 ? {} : { threads: { count: unwrapThreads, open: openUnwrapThread } }
    return lifeOf(knowledge, { ...around, ...threads, heartbeat: options.heartbeat ?? "warn" }, identity, stock)
  })

/**
 * Starts one actor of a topology in the caller's scope, linked to the others over TCP. Returns when its life has begun, which may wait for others.
 * @errors LaunchFailed: backend missing, a model that does not load, a folder in use or damaged, no place in the topology, a port that is taken
 */
export const launchActor = (topology: Topology, options: ActorOptions): Effect.Effect<RunningActor, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { name, role, secret } = options
    const place = topology.placement?.[name]
    if (place === undefined) return yield* new LaunchFailed({ message: `placement: ${name} has no place in ${topology.name}: add it to a machine's actors` })
    const crypto = yield* backendOf(options.backend)
    const linkKey = crypto.xwingPrivateKey(secret.linkSeed)
    const identity = makeIdentity(crypto, name, secret.identitySeed, { linkKey: linkKey.publicKey, addresses: [formatAddress(place)] })
    const actor = yield* openProcess(topology, crypto, {
      ...options,
      self: { linkKey, identityHash: nodeIdOf(crypto, identity.publicKey) },
      listen: { host: place.listenHost ?? place.host, port: place.listenPort ?? place.port },
      attendants: role === "client" ? new Map([[PERSON, personClaim(crypto, secret)]]) : new Map()
    })
    const { around, clock, documents, knowledge } = actor
    const isRunner = serviceOfRunner(knowledge, name) !== undefined
    const inProcess = asProcess(clock)
    const life = yield* openLife(actor, identity, options).pipe(inProcess)
    const supervisor = yield* makeSupervisor
    const health = Effect.map(supervisor.health, (healths) => healths.get(name))
    const operator = yield* openOperator({
      name, role, params: topology.params, host: place.operatorHost ?? LOOPBACK, port: place.operatorPort, health
    }).pipe(Effect.mapError(({ message }) => new LaunchFailed({ message })), inProcess)
    yield* supervisor.start(name, (ready) => Effect.provideService(life(ready), Meter, operator.meter)).pipe(inProcess)
    return {
      health: Effect.map(health, (known) => known ?? { state: "down", restartCount: 0 }),
      retire: operator.drain.pipe(
        Effect.zipRight(isRunner ? Effect.void : retire({ knowledge, identity, role, mount: around.mount, documents, linger: options.linger ?? false })),
        Effect.ensuring(supervisor.stop(name)),
        inProcess
      )
    }
  })

/** Somebody's way into a running network. */
export type ClientAccess = Pick<Network, "client">

/** A client of the moment, which has no place in the topology. */
const VISITOR = "visitor"

/**
 * Joins a running network with a client of one's own, which ends with the scope; returns when it is up.
 * @param publics  at least those of `publicsNeeded(topology, "", "client")`
 * @errors LaunchFailed: backend missing, nobody of the network answers in time
 */
export const join = (
  topology: Topology, options: Pick<ActorOptions, "publics" | "backend" | "clockOffsetMs"> & { readonly limitMs?: number }
): Effect.Effect<ClientAccess, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const crypto = yield* backendOf(options.backend)
    const identity = makeIdentity(crypto, VISITOR, systemEntropy(SEED_BYTES))
    const { around, clock, knowledge } = yield* openProcess(topology, crypto, {
      ...options, name: VISITOR, role: "client", listen: "nowhere", attendants: new Map(),
      self: { linkKey: crypto.xwingPrivateKey(systemEntropy(SEED_BYTES)), identityHash: nodeIdOf(crypto, identity.publicKey) }
    })
    const stock = yield* openMemoryStock({ knowledge, identity, role: "client", entropyOf: around.entropyOf, choice: {} })
    const supervisor = yield* makeSupervisor
    yield* supervisor.start(VISITOR, lifeOf(knowledge, around, identity, stock)).pipe(asProcess(clock))
    const limitMs = options.limitMs ?? JOIN_LIMIT_MS
    yield* Effect.timeoutFail(awaitUp(supervisor, [VISITOR]), {
      duration: limitMs,
      onTimeout: () => new LaunchFailed({
        message: `no gateway of ${topology.name} gave a directory document within ${Math.round(limitMs / 1000)} s: is the network up (funion status), and are `
          + "the key files its own?"
      })
    })
    return { client: () => around.mount.connect(PERSON, VISITOR, ClientProtocol, { limitMs: CALL_LIMIT_MS }) }
  })

/**
 * The way to a client of the topology that runs as a process, for the person who holds its secret.
 * @errors LaunchFailed: backend missing
 */
export const attend = (
  topology: Topology, options: Pick<ActorOptions, "name" | "secret" | "publics" | "backend">
): Effect.Effect<ClientAccess, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const crypto = yield* backendOf(options.backend)
    const linkKey = personLinkKey(crypto, options.secret)
    const { around } = yield* openProcess(topology, crypto, {
      ...options, name: PERSON, role: "client", listen: "nowhere", attendants: new Map(),
      self: { linkKey, identityHash: personClaim(crypto, options.secret).additionalData }
    })
    return { client: () => around.mount.connect(PERSON, options.name, ClientProtocol, { limitMs: CALL_LIMIT_MS }) }
  })

const LOOPBACK = "127.0.0.1"
/** A network that has just started waits a minute for everybody before its first document. */
const JOIN_LIMIT_MS = 90_000
