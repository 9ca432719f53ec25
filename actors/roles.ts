/**
 * Which behaviour plays which role: the life of an actor, from what it knows of its network and what it keeps beyond its crashes.
 *
 * Contract: the only file that maps roles to behaviours. The same life runs over every mount. What an actor keeps (its stock) is handed in, so that it
 * outlives a crash of the actor.
 * Knows nothing of: processes, sockets, files.
 * Source: style.md §1.1, §1.2; departures: apart from launch.ts, so that neither grows.
 *
 * @module
 */
import { Effect, type Context, type Scope } from "effect"
import { Mount, type MountService } from "../src/actor/mount.ts"
import type { Life } from "../src/actor/supervise.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { JournalFile, type JournalStorage } from "../src/inference/journal-file.ts"
import { uniformFrom } from "../src/link/link-services.ts"
import { HeartbeatPolicy, type HeartbeatPolicyName } from "../src/mixnet/heartbeat-watch.ts"
import type { MixKeyRing } from "../src/mixnet/mix-key.ts"
import { ModelHost } from "../src/model/model-host.ts"
import type { UnwrapThreads } from "../src/node/unwrap-pool.ts"
import { nodeIdOf } from "../src/pki/descriptor.ts"
import { Directory, type DirectoryService } from "../src/pki/directory.ts"
import { makeDirectoryView, type DirectoryView } from "../src/pki/directory-view.ts"
import type { Identity, NetworkSetting } from "../src/pki/network-setting.ts"
import { PkiView } from "../src/pki/pki-view.ts"
import type { PigeonholeGeometry } from "../src/pigeonhole/geometry.ts"
import type { PacketPortService } from "../src/session/packet-port.ts"
import type { ComputeActor, Topology } from "../src/topology/topology.ts"
import { authority } from "./authority/authority.ts"
import type { PinnedIdentity } from "./authority/pinned.ts"
import type { AuthorityStore } from "./authority/store.ts"
import { client } from "./client/client.ts"
import { type Desk, mountWithDesk } from "./compute/cluster/run-desk.ts"
import { compute } from "./compute/compute.ts"
import type { JobKeys } from "./compute/job-keys.ts"
import { courier } from "./courier/courier.ts"
import { connectAuthorities, connectThroughGateway } from "./directory-client.ts"
import { gateway } from "./gateway/gateway.ts"
import { mix } from "./mix/mix.ts"
import { showDocument } from "./operator/operator.ts"
import { openPacketPort } from "./packet-port.ts"
import { replica, type ReplicaConfig } from "./replica/replica.ts"
import { serviceNode } from "./service-node/service-node.ts"

/** A life that needs nothing but its scope. */
export type ReadyLife = Life<unknown, Scope.Scope>

/** What an actor knows of its network. */
export interface Knowledge {
  readonly topology: Topology
  readonly setting: NetworkSetting
  readonly pigeonhole: PigeonholeGeometry
  /** Identity key of an actor, 32 bytes. */
  readonly keyOf: (name: string) => Uint8Array
}

/** What a life finds around it. */
export interface Surroundings {
  readonly mount: MountService
  /** An actor's own sources, by label. */
  readonly entropyOf: (label: string) => Entropy
  /** The name and queue of a connection to a gateway: its queue's where connections have links of their own, else the actor's. */
  readonly callerFor: (name: string) => { readonly from: string; readonly queueName?: string }
  /** Told the view of every life that has one. */
  readonly onView?: (view: DirectoryView) => void
  /** Threads that unwrap packets of nodes; default: the node's own. */
  readonly threads?: UnwrapThreads
  /** What the life does about loops that do not come home; default: warn. */
  readonly heartbeat?: HeartbeatPolicyName
}

/** What an actor keeps beyond its crashes. */
export type Stock =
  | { readonly role: "authority"; readonly store: AuthorityStore }
  | { readonly role: "gateway" | "mix" | "service-node"; readonly keys: MixKeyRing }
  | { readonly role: "courier" }
  | ({ readonly role: "replica" } & Pick<ReplicaConfig, "table" | "keys">)
  | {
    readonly role: "compute"
    readonly journal: JournalStorage
    readonly journalKey: Uint8Array
    readonly resultSeed: Uint8Array
    readonly jobKeys: JobKeys
    readonly modelHost: Context.Tag.Service<typeof ModelHost>
    /** Where runners fetch their work, when models run elsewhere. */
    readonly desk?: Desk
  }
  | { readonly role: "client"; readonly journal: JournalStorage; readonly journalKey: Uint8Array }

type StockOf<R extends Stock["role"]> = Extract<Stock, { readonly role: R }>

/** Who may be in a document. */
export const pinnedOf = ({ keyOf, topology }: Pick<Knowledge, "keyOf" | "topology">): ReadonlyArray<PinnedIdentity> => {
  const pin = (name: string, place: PinnedIdentity["place"], number: number): PinnedIdentity => ({ name, place, number, identityKey: keyOf(name) })
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
  { setting }: Knowledge,
  { entropyOf, heartbeat = "warn", mount, onView }: Surroundings,
  name: string,
  connect: Effect.Effect<DirectoryService, never, Mount | Scope.Scope>,
  live: (view: DirectoryView) => Life<E, Mount | PkiView | Directory | Crypto | Scope.Scope>
): ReadyLife => (ready) =>
  Effect.gen(function*() {
    const directory = yield* connect
    const view = yield* Effect.provideService(makeDirectoryView({ ...setting, threshold: setting.authorityThreshold }), Directory, directory)
    onView?.(view)
    yield* showDocument(view)
    return yield* live(view)(ready).pipe(Effect.provideService(Directory, directory), Effect.provideService(PkiView, view))
  }).pipe(
    Effect.provideService(Mount, mount),
    Effect.provideService(Crypto, setting.crypto),
    Effect.provideService(HeartbeatPolicy, heartbeat),
    Effect.provideService(EntropySource, entropyOf(name)),
    Effect.withRandom(randomFromEntropy(entropyOf(`${name}/random`)))
  )

/** Endpoint of a compute service's queue; fits a recipient id because names have at most 26 bytes more. */
const queueEndpoint = (index: number): string => `queue-${index}`

/** The gateway of a connection: the index-th in a ring, so that sessions spread over all. */
const gatewayAt = ({ keyOf, setting, topology }: Knowledge, index: number) => {
  const name = topology.gateways[index % topology.gateways.length]?.name ?? ""
  return { name, nodeId: nodeIdOf(setting.crypto, keyOf(name)) }
}

/** Opens connections in the name of an actor. */
const openPort = (
  knowledge: Knowledge, { entropyOf, mount }: Surroundings, name: string, caller: ReturnType<Surroundings["callerFor"]>, firstGateway: number, index: number
): Effect.Effect<PacketPortService, never, Scope.Scope> =>
  openPacketPort(caller.from, gatewayAt(knowledge, firstGateway + index), caller.queueName).pipe(
    Effect.provideService(Mount, mount),
    Effect.provideService(EntropySource, entropyOf(`${name}/port-${index}`))
  )

const computeLife = (
  knowledge: Knowledge, surroundings: Surroundings, identity: Identity, plan: ComputeActor, stock: StockOf<"compute">
): ReadyLife => {
  const { keyOf, setting, topology } = knowledge
  const around = stock.desk === undefined ? surroundings : { ...surroundings, mount: mountWithDesk(surroundings.mount, plan.name, stock.desk) }
  const endpoint = queueEndpoint(topology.computes.indexOf(plan))
  return surround(knowledge, around, plan.name, connectAuthorities(plan.name, topology.authorities.map(({ name }) => name)), (view) => (ready) =>
    compute({
      ...setting,
      ...stock,
      identity,
      plan,
      queues: plan.queues.map((host) => ({ serviceNode: host, endpoint, serviceNodeId: nodeIdOf(setting.crypto, keyOf(host)) })),
      openPort: (index) => Effect.suspend(() => openPort(knowledge, around, plan.name, around.callerFor(plan.name), 0, index)),
      awaitDocument: view.awaitDocument
    })(ready).pipe(Effect.provideService(ModelHost, stock.modelHost), Effect.provideService(JournalFile, stock.journal)))
}

const clientLife = (knowledge: Knowledge, around: Surroundings, name: string, stock: StockOf<"client">): ReadyLife => {
  const placeInTopology = knowledge.topology.clients.findIndex((other) => other.name === name)
  const anyGateway = (): number => Math.floor(uniformFrom(around.entropyOf(`${name}/gateway`)) * knowledge.topology.gateways.length)
  const firstGateway = placeInTopology >= 0 ? placeInTopology : anyGateway()
  return (ready) => Effect.suspend(() => {
    const caller = around.callerFor(name)
    return surround(knowledge, around, name, connectThroughGateway(caller.from, gatewayAt(knowledge, firstGateway).name), (view) => (up) =>
      client({
        ...knowledge.setting,
        name,
        journalKey: stock.journalKey,
        openPort: openPort(knowledge, around, name, caller, firstGateway, 0),
        awaitDocument: view.awaitDocument
      })(up).pipe(Effect.provideService(JournalFile, stock.journal)))(ready)
  })
}

/** The life of an actor of the topology. @throws RangeError for a stock of another role than the name has */
export const lifeOf = (knowledge: Knowledge, around: Surroundings, identity: Identity, stock: Stock): ReadyLife => {
  const { pigeonhole, setting, topology } = knowledge
  const { name } = identity
  const authorityNames = topology.authorities.map((each) => each.name)
  const live = (make: (view: DirectoryView) => Life<unknown, Mount | PkiView | Directory | Crypto | Scope.Scope>): ReadyLife =>
    surround(knowledge, around, name, connectAuthorities(name, authorityNames), make)
  const planned = <A extends { readonly name: string }>(group: ReadonlyArray<A>): A => {
    const plan = group.find((each) => each.name === name)
    if (plan === undefined) throw new RangeError(`${name} is no ${stock.role} of the topology`)
    return plan
  }
  switch (stock.role) {
    case "authority":
      return live(() => authority({
        ...setting, identity, store: stock.store, pinned: pinnedOf(knowledge),
        fellows: authorityNames.filter((other) => other !== name).map((other) => ({ name: other, publicKey: knowledge.keyOf(other) }))
      }))
    case "gateway":
      return live((directoryView) => gateway({ ...setting, identity, keys: stock.keys, directoryView, threads: around.threads }))
    case "mix":
      return live(() => mix({ ...setting, identity, keys: stock.keys, mixLayer: planned(topology.mixes).layer, threads: around.threads }))
    case "service-node": {
      const queues = topology.computes.flatMap((plan, index) => (plan.queues.includes(name) ? [queueEndpoint(index)] : []))
      const { couriers } = planned(topology.serviceNodes)
      return live(() => serviceNode({ ...setting, identity, keys: stock.keys, couriers, queues, threads: around.threads }))
    }
    case "courier":
      return live(() => courier({ ...setting, identity, pigeonhole }))
    case "replica":
      return live(() => replica({ ...setting, ...stock, identity, replicaId: planned(topology.replicas).replicaId, pigeonhole }))
    case "compute":
      return computeLife(knowledge, around, identity, planned(topology.computes), stock)
    case "client":
      return clientLife(knowledge, around, name, stock)
  }
}
