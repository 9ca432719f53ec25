/**
 * Starts a whole topology in one process, every role as its own supervised actor over one mount.
 *
 * Contract: `launch` returns when the directory document of the current epoch is there and every client is up; everything ends with the scope. What an
 * actor would keep on disk (boxes, ballots, keys with their replay filters, journals) outlives a crash of that actor here too. Identities are drawn anew
 * at every launch. With a data directory, boxes and envelope keys of replicas are on disk.
 * The only file that maps roles to behaviours.
 * Source: style.md §1.1, §1.2; departures: none.
 *
 * @module
 */
import { join } from "node:path"
import { Clock, Context, Data, Effect, Either, Layer, type Scope } from "effect"
import type { Client, RpcGroup } from "../src/actor/actor.ts"
import type { Tap } from "../src/actor/call-tap.ts"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { layerMountMemory } from "../src/actor/mount-memory.ts"
import { makeSupervisor, type Life, type Supervisor } from "../src/actor/supervise.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, seededEntropy, systemEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { nikeX25519 } from "../src/crypto/mkem.ts"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { JournalFile, memoryJournal } from "../src/inference/journal-file.ts"
import { MixKeyRing } from "../src/mixnet/mix-key.ts"
import { ModelHost } from "../src/model/model-host.ts"
import { layerProcesses } from "../src/model/model-host-processes.ts"
import { layerThreads } from "../src/model/model-host-threads.ts"
import type { ModelLoadFailed } from "../src/model/model-load-failed.ts"
import { epochAt, type Epoch } from "../src/params/epoch.ts"
import { ENVELOPE_KEY_BYTES } from "../src/params/mixnet-params.ts"
import { nodeIdOf } from "../src/pki/descriptor.ts"
import { Directory, type DirectoryService } from "../src/pki/directory.ts"
import { makeDirectoryView, type DirectoryView } from "../src/pki/directory-view.ts"
import { makeIdentity, type Identity, type NetworkSetting } from "../src/pki/network-setting.ts"
import { PkiView } from "../src/pki/pki-view.ts"
import { pigeonholeGeometry, type PigeonholeGeometry } from "../src/pigeonhole/geometry.ts"
import { makeGeometry } from "../src/sphinx/geometry.ts"
import type { ComputeActor, Topology } from "../src/topology/topology.ts"
import { authority } from "./authority/authority.ts"
import type { PinnedIdentity } from "./authority/ballot.ts"
import { Ballots } from "./authority/ballots.ts"
import { client } from "./client/client.ts"
import { Client as ClientProtocol } from "./client/protocol.ts"
import { compute } from "./compute/compute.ts"
import { makeJobKeys } from "./compute/job-keys.ts"
import { courier } from "./courier/courier.ts"
import { connectAuthorities, connectThroughGateway } from "./directory-client.ts"
import { gateway } from "./gateway/gateway.ts"
import { mix } from "./mix/mix.ts"
import { openPacketPort } from "./packet-port.ts"
import { makeMemoryBoxTable } from "./replica/box-table-memory.ts"
import { EnvelopeKeys } from "./replica/envelope-keys.ts"
import { openReplicaDisk } from "./replica/replica-disk.ts"
import { replica, type ReplicaConfig } from "./replica/replica.ts"
import { serviceNode } from "./service-node/service-node.ts"

export interface LaunchOptions {
  /** Default: native where it loads, else reference. */
  readonly backend?: "native" | "reference"
  /** Makes all draws repeatable. For tests and simulation: a seeded network protects nobody. */
  readonly seed?: number
  /** Sees every call between actors. */
  readonly tap?: Tap
  /** Folder with one folder per model; default: the package's own. */
  readonly modelsDirectory?: string
  /** Where models run; default threads. */
  readonly modelHost?: "threads" | "processes"
  /** Most boxes of one replica in memory; default 100,000. */
  readonly boxLimit?: number
  /**
   * Folder in which each replica keeps boxes and envelope keys in a folder of its own name; default: all in memory. Identities are drawn anew at every
   * launch (unless seeded), so boxes of an earlier launch may lie on replicas that are no longer asked for them.
   */
  readonly dataDirectory?: string
}

/** The network could not be started; `message` says why in one sentence. */
export class LaunchFailed extends Data.TaggedError("LaunchFailed")<{ readonly message: string }> {}

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

type ModelHostService = Context.Tag.Service<typeof ModelHost>

/** What every life finds around it. */
type Environment = Mount | PkiView | Directory | Crypto

/** A life that needs nothing but its scope. */
type ReadyLife = Life<unknown, Scope.Scope>

/** Boxes of one replica when nothing else is said: about 180 MB at 2 KB packets. */
const BOX_LIMIT = 100_000
/** Size of one replica's database when nothing else is said. */
const BOX_QUOTA_BYTES = 10 * 1_024 ** 3
/** Packets that one mix key may unwrap: over 3,000 a second for a 20-minute epoch. */
const REPLAY_CAPACITY = 4_000_000
const SEED_BYTES = 32
const KEY_BYTES = 32

interface Launching {
  readonly topology: Topology
  readonly options: LaunchOptions
  readonly setting: NetworkSetting
  readonly identities: ReadonlyMap<string, Identity>
  readonly mount: MountService
  readonly entropyOf: (name: string) => Entropy
  /** Mix keys of all nodes, wiped when the network ends. */
  readonly rings: Array<MixKeyRing>
}

const namesOf = (topology: Topology): ReadonlyArray<string> =>
  [topology.authorities, topology.gateways, topology.mixes, topology.serviceNodes, topology.couriers, topology.replicas, topology.computes, topology.clients]
    .flatMap((group) => group.map(({ name }) => name))

const identityOf = ({ identities }: Launching, name: string): Identity => {
  const identity = identities.get(name)
  if (identity === undefined) throw new RangeError(`no actor ${name}`)
  return identity
}

const pinnedOf = (launching: Launching): ReadonlyArray<PinnedIdentity> => {
  const { topology } = launching
  const pin = (name: string, place: PinnedIdentity["place"], number: number): PinnedIdentity =>
    ({ name, place, number, identityKey: identityOf(launching, name).publicKey })
  return [
    ...topology.gateways.map(({ name }) => pin(name, "gateway", -1)),
    ...topology.mixes.map(({ layer, name }) => pin(name, "mix", layer)),
    ...topology.serviceNodes.map(({ name }) => pin(name, "service-node", -1)),
    ...topology.replicas.map(({ name, replicaId }) => pin(name, "replica", replicaId)),
    ...topology.computes.map(({ name }) => pin(name, "compute", -1))
  ]
}

/** Gives a life its surroundings: the mount, the directory and its view, and its own source of randomness. */
const surround = <E>(
  launching: Launching,
  name: string,
  connect: Effect.Effect<DirectoryService, never, Mount | Scope.Scope>,
  live: (view: DirectoryView) => Life<E, Environment | Scope.Scope>
): ReadyLife => (ready) =>
  Effect.gen(function*() {
    const { setting } = launching
    const directory = yield* connect
    const view = yield* Effect.provideService(makeDirectoryView({ ...setting, threshold: setting.authorityThreshold }), Directory, directory)
    return yield* live(view)(ready).pipe(Effect.provideService(Directory, directory), Effect.provideService(PkiView, view))
  }).pipe(
    Effect.provideService(Mount, launching.mount),
    Effect.provideService(Crypto, launching.setting.crypto),
    Effect.provideService(EntropySource, launching.entropyOf(name)),
    Effect.withRandom(randomFromEntropy(launching.entropyOf(`${name}/random`)))
  )

/** Endpoint of a compute service's queue; fits a recipient id because names have at most 26 bytes more. */
const queueEndpoint = (index: number): string => `queue-${index}`

/** The gateway of a connection: the index-th in a ring, so that sessions spread over all. */
const gatewayAt = (launching: Launching, index: number) => {
  const { gateways } = launching.topology
  const name = gateways[index % gateways.length]?.name ?? ""
  return { name, nodeId: nodeIdOf(launching.setting.crypto, identityOf(launching, name).publicKey) }
}

/** Opens connections in the name of an actor. */
const portOpener = (launching: Launching, name: string, firstGateway: number) => (sessionIndex: number) =>
  openPacketPort(name, gatewayAt(launching, firstGateway + sessionIndex)).pipe(
    Effect.provideService(Mount, launching.mount),
    Effect.provideService(EntropySource, launching.entropyOf(`${name}/port-${sessionIndex}`))
  )

const computeLife = (launching: Launching, plan: ComputeActor, modelHost: ModelHostService): ReadyLife => {
  const { setting, topology } = launching
  const entropy = launching.entropyOf(`${plan.name}/keys`)
  const kept = {
    journal: memoryJournal(),
    journalKey: entropy(KEY_BYTES),
    resultSeed: entropy(SEED_BYTES),
    jobKeys: makeJobKeys(setting.crypto, setting.params, setting.params.dispatchSuite, entropy)
  }
  const endpoint = queueEndpoint(topology.computes.indexOf(plan))
  return surround(launching, plan.name, connectAuthorities(plan.name, topology.authorities.map(({ name }) => name)), (view) => (ready) =>
    compute({
      ...setting,
      ...kept,
      identity: identityOf(launching, plan.name),
      plan,
      queues: plan.queues.map((serviceNode) => ({
        serviceNode, endpoint, serviceNodeId: nodeIdOf(setting.crypto, identityOf(launching, serviceNode).publicKey)
      })),
      openPort: portOpener(launching, plan.name, 0),
      awaitDocument: view.awaitDocument
    })(ready).pipe(Effect.provideService(ModelHost, modelHost), Effect.provideService(JournalFile, kept.journal)))
}

const clientLife = (launching: Launching, name: string, gatewayIndex: number): ReadyLife => {
  const { setting } = launching
  const journal = memoryJournal()
  const journalKey = launching.entropyOf(`${name}/keys`)(KEY_BYTES)
  return surround(launching, name, connectThroughGateway(name, gatewayAt(launching, gatewayIndex).name), (view) => (ready) =>
    client({
      ...setting, name, journalKey, openPort: portOpener(launching, name, gatewayIndex)(0), awaitDocument: view.awaitDocument
    })(ready).pipe(Effect.provideService(JournalFile, journal)))
}

/** What a replica keeps beyond its own crashes. */
type ReplicaStock = Pick<ReplicaConfig, "table" | "keys">

const openReplicaStock = ({ entropyOf, options, setting }: Launching, name: string): Effect.Effect<ReplicaStock, LaunchFailed, Scope.Scope> => {
  const { boxLimit = BOX_LIMIT, dataDirectory } = options
  const own = { params: setting.params, nike: nikeX25519(setting.crypto), entropy: entropyOf(`${name}/keys`) }
  if (dataDirectory === undefined) {
    return Effect.sync(() => ({ table: makeMemoryBoxTable(boxLimit), keys: new EnvelopeKeys(own.params, own.nike, own.entropy) }))
  }
  return openReplicaDisk({ ...own, directory: join(dataDirectory, name), quotaBytes: BOX_QUOTA_BYTES }).pipe(
    Effect.mapError(({ message }) => new LaunchFailed({ message: `${name}: ${message}` }))
  )
}

interface Stocks {
  readonly pigeonhole: PigeonholeGeometry
  readonly replicas: ReadonlyMap<string, ReplicaStock>
}

/** The life of every actor but compute services, by name. */
const plainLives = (launching: Launching, { pigeonhole, replicas }: Stocks, genesisEpoch: Epoch): ReadonlyMap<string, ReadyLife> => {
  const { setting, topology } = launching
  const authorityNames = topology.authorities.map(({ name }) => name)
  const lives = new Map<string, ReadyLife>()
  const add = (name: string, live: (view: DirectoryView, identity: Identity) => Life<unknown, Environment | Scope.Scope>): void => {
    lives.set(name, surround(launching, name, connectAuthorities(name, authorityNames), (view) => live(view, identityOf(launching, name))))
  }
  for (const name of authorityNames) {
    const fellows = authorityNames.filter((other) => other !== name)
    const identity = identityOf(launching, name)
    const ballots = new Ballots({ ...setting, identitySeed: identity.seed, genesisEpoch, pinned: pinnedOf(launching) })
    add(name, () => authority({ ...setting, identity, fellows, ballots }))
  }
  const mixKeys = (name: string): MixKeyRing => {
    const ring = new MixKeyRing({ ...setting, entropy: launching.entropyOf(`${name}/mix-keys`), replayCapacity: REPLAY_CAPACITY })
    launching.rings.push(ring)
    return ring
  }
  for (const { name } of topology.gateways) {
    const keys = mixKeys(name)
    add(name, (directoryView, identity) => gateway({ ...setting, identity, keys, directoryView }))
  }
  for (const { layer, name } of topology.mixes) {
    const keys = mixKeys(name)
    add(name, (_view, identity) => mix({ ...setting, identity, keys, mixLayer: layer }))
  }
  for (const { couriers, name } of topology.serviceNodes) {
    const queues = topology.computes.flatMap((plan, index) => (plan.queues.includes(name) ? [queueEndpoint(index)] : []))
    const keys = mixKeys(name)
    add(name, (_view, identity) => serviceNode({ ...setting, identity, keys, couriers, queues }))
  }
  for (const { name } of topology.couriers) add(name, (_view, identity) => courier({ ...setting, identity, pigeonhole }))
  for (const { name, replicaId } of topology.replicas) {
    const stock = replicas.get(name)
    if (stock !== undefined) add(name, (_view, identity) => replica({ ...setting, ...stock, identity, replicaId, pigeonhole }))
  }
  for (const [index, { name }] of topology.clients.entries()) lives.set(name, clientLife(launching, name, index))
  return lives
}

const openModelHost = (plan: ComputeActor, options: LaunchOptions): Effect.Effect<ModelHostService, ModelLoadFailed, Crypto | Scope.Scope> => {
  const layer = options.modelHost === "processes" ? layerProcesses : layerThreads
  const host = layer({
    models: plan.models,
    workers: plan.workers,
    ...(options.modelsDirectory === undefined ? {} : { modelsDirectory: options.modelsDirectory })
  })
  return Effect.map(Layer.build(host), Context.get(ModelHost))
}

/** What is fixed before the first actor starts. */
const prepare = (topology: Topology, options: LaunchOptions) =>
  Effect.gen(function*() {
    const failed = (message: string) => new LaunchFailed({ message })
    const crypto = yield* Either.mapLeft(selectBackend(options.backend), (error) => failed(error.message))
    const geometry = yield* Either.mapLeft(makeGeometry(topology.params.geometry), () => failed("params.geometry: no such packet geometry"))
    const pigeonhole = yield* Either.mapLeft(
      pigeonholeGeometry(geometry.userPayloadBytes, ENVELOPE_KEY_BYTES),
      () => failed("params.geometry.userPayloadBytes: too small for a box")
    )
    const { seed } = options
    const sources = new Map<string, Entropy>()
    /** One source per name for the whole run: an actor that restarts goes on drawing where it stopped, and repeats nothing. */
    const entropyOf = (name: string): Entropy => {
      if (seed === undefined) return systemEntropy
      const source = sources.get(name) ?? seededEntropy(seed, name)
      sources.set(name, source)
      return source
    }
    const identities = new Map(namesOf(topology).map((name) => [name, makeIdentity(crypto, name, entropyOf(`${name}/identity`)(SEED_BYTES))]))
    const authorityKeys = topology.authorities.flatMap(({ name }) => identities.get(name)?.publicKey ?? [])
    const setting: NetworkSetting = { crypto, params: topology.params, geometry, authorityKeys, authorityThreshold: topology.authorityThreshold }
    return { setting, pigeonhole, identities, entropyOf }
  })

/**
 * Starts a network in the caller's scope.
 * @param topology  as `validateTopology` gave it
 * @errors LaunchFailed: backend missing, a model that does not load, a data directory that is in use or damaged, an actor that refuses its configuration
 */
export const launch = (topology: Topology, options: LaunchOptions = {}): Effect.Effect<Network, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { entropyOf, identities, pigeonhole, setting } = yield* prepare(topology, options)
    const mount = Context.get(yield* Layer.build(layerMountMemory({ tap: options.tap })), Mount)
    const launching: Launching = { topology, options, setting, identities, mount, entropyOf, rings: [] }
    yield* Effect.addFinalizer(() => Effect.sync(() => launching.rings.forEach((ring) => ring.wipe())))
    const genesisEpoch = epochAt(topology.params, yield* Clock.currentTimeMillis)
    const replicas = new Map(yield* Effect.forEach(topology.replicas, ({ name }) =>
      Effect.map(openReplicaStock(launching, name), (stock) => [name, stock] as const)))
    const lives = new Map(plainLives(launching, { pigeonhole, replicas }, genesisEpoch))
    const hosts = yield* Effect.forEach(topology.computes, (plan) =>
      Effect.map(openModelHost(plan, options), (host) => [plan, host] as const), { concurrency: "unbounded" }).pipe(
      Effect.provideService(Crypto, setting.crypto),
      Effect.mapError((error) => new LaunchFailed({ message: error.message }))
    )
    for (const [plan, host] of hosts) lives.set(plan.name, computeLife(launching, plan, host))
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
      setting,
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
