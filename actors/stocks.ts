/**
 * What actors keep beyond their crashes, made for a run: in memory, or in a data directory.
 *
 * Contract: a stock in memory lives as long as the caller holds it; one on disk as long as its folder, which is the caller's scope's to use. Secrets in
 * memory are wiped when the scope closes.
 * Knows nothing of: behaviours, mounts.
 * Source: style.md §1.1; departures: none.
 *
 * @module
 */
import { join } from "node:path"
import { Context, Effect, Layer, type Scope } from "effect"
import { concatBytes, utf8 } from "../src/bytes/concat.ts"
import { toHex } from "../src/bytes/hex.ts"
import { Mount, type MountService } from "../src/actor/mount.ts"
import type { Entropy } from "../src/crypto/entropy.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { nikeX25519 } from "../src/crypto/mkem.ts"
import { openDataDirectory } from "../src/disk/data-directory.ts"
import { memoryJournal } from "../src/inference/journal-file.ts"
import { MixKeyRing } from "../src/mixnet/mix-key.ts"
import { ModelHost } from "../src/model/model-host.ts"
import { layerProcesses } from "../src/model/model-host-processes.ts"
import { layerThreads } from "../src/model/model-host-threads.ts"
import { openMixKeyDisk } from "../src/node/mix-key-disk.ts"
import { REPLAY_CAPACITY } from "../src/params/replay-capacity.ts"
import type { Identity } from "../src/pki/network-setting.ts"
import type { ComputeActor, Role } from "../src/topology/topology.ts"
import { openAuthorityDisk } from "./authority/authority-disk.ts"
import { memoryAuthorityStore } from "./authority/store.ts"
import { openClientDisk } from "./client/client-disk.ts"
import type { ClusterStorage } from "./compute/cluster/cluster-database.ts"
import { layerCluster } from "./compute/cluster/cluster-host.ts"
import { RunDeskHost } from "./compute/cluster/run-desk.ts"
import { openComputeDisk } from "./compute/compute-disk.ts"
import { makeJobKeys } from "./compute/job-keys.ts"
import { LaunchFailed } from "./launch-failed.ts"
import { makeMemoryBoxTable } from "./replica/box-table-memory.ts"
import { EnvelopeKeys } from "./replica/envelope-keys.ts"
import { openReplicaDisk } from "./replica/replica-disk.ts"
import type { Knowledge, Stock } from "./roles.ts"

/** Where models come from and where they run. */
export interface ModelChoice {
  /** Folder with one folder per model; default: the package's own. */
  readonly modelsDirectory?: string
  /** Where models run; default threads. */
  readonly modelHost?: "threads" | "processes"
}

/** Where the runners of a compute service find their work, and whether some have a GPU. */
export interface ClusterChoice {
  readonly storage: ClusterStorage
  readonly gpu: boolean
}

export interface StockChoice extends ModelChoice {
  /** Most boxes of one replica in memory; default 100,000. */
  readonly boxLimit?: number
}

/** About 180 MB at 2 KB packets. */
const BOX_LIMIT = 100_000
/** Size of one replica's database when nothing else is said. */
const BOX_QUOTA_BYTES = 10 * 1_024 ** 3
const SEED_BYTES = 32
const KEY_BYTES = 32

export interface StockRequest {
  readonly knowledge: Knowledge
  readonly identity: Identity
  readonly role: Role
  readonly entropyOf: (label: string) => Entropy
  readonly choice: StockChoice
  /** Starts the models of a compute service in memory; default: `openModelHost`. */
  readonly openModels?: (plan: ComputeActor) => Opened<Context.Tag.Service<typeof ModelHost>>
  /** Of a compute service whose models run elsewhere. */
  readonly cluster?: ClusterChoice & { readonly mount: MountService }
}

type Opened<S> = Effect.Effect<S, LaunchFailed, Scope.Scope>

/** Starts the models of a service. @errors LaunchFailed: a model that does not load */
export const openModelHost = ({ setting }: Knowledge, plan: ComputeActor, choice: ModelChoice): Opened<Context.Tag.Service<typeof ModelHost>> => {
  const layer = choice.modelHost === "processes" ? layerProcesses : layerThreads
  const host = layer({
    models: plan.models,
    workers: plan.workers,
    ...(choice.modelsDirectory === undefined ? {} : { modelsDirectory: choice.modelsDirectory })
  })
  return Effect.map(Layer.build(host), Context.get(ModelHost)).pipe(
    Effect.provideService(Crypto, setting.crypto),
    Effect.mapError((error) => new LaunchFailed({ message: error.message }))
  )
}

/** Lets the runners of a service run its models. @errors LaunchFailed: a manifest, a database out of reach */
const openRunnerHost = ({ setting }: Knowledge, plan: ComputeActor, choice: ModelChoice, cluster: NonNullable<StockRequest["cluster"]>) =>
  Layer.build(layerCluster({
    name: plan.name, runners: plan.runners ?? [], models: plan.models, storage: cluster.storage, slots: plan.workers, gpu: cluster.gpu,
    ...(choice.modelsDirectory === undefined ? {} : { modelsDirectory: choice.modelsDirectory })
  })).pipe(
    Effect.map((context) => ({ modelHost: Context.get(context, ModelHost), desk: Context.get(context, RunDeskHost) })),
    Effect.provideService(Crypto, setting.crypto),
    Effect.provideService(Mount, cluster.mount),
    Effect.mapError((error) => new LaunchFailed({ message: error.message }))
  )

const planOf = ({ topology }: Knowledge, name: string): Effect.Effect<ComputeActor> => {
  const plan = topology.computes.find((each) => each.name === name)
  return plan === undefined ? Effect.die(new RangeError(`${name} is no compute of the topology`)) : Effect.succeed(plan)
}

/** Mix keys of a node in memory, wiped with the scope. */
const memoryMixKeys = ({ entropyOf, identity, knowledge }: StockRequest): Effect.Effect<MixKeyRing, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new MixKeyRing({ ...knowledge.setting, entropy: entropyOf(`${identity.name}/mix-keys`), replayCapacity: REPLAY_CAPACITY })),
    (ring) => Effect.sync(() => ring.wipe())
  )

const replicaKeysChoice = ({ entropyOf, identity, knowledge: { setting } }: StockRequest) =>
  ({ params: setting.params, nike: nikeX25519(setting.crypto), entropy: entropyOf(`${identity.name}/keys`) })

/** What an actor keeps, in memory. @errors LaunchFailed: a model that does not load */
export const openMemoryStock = (request: StockRequest): Opened<Stock> => {
  const { choice, entropyOf, identity, knowledge, role } = request
  const { setting } = knowledge
  switch (role) {
    case "authority":
      return Effect.sync(() => ({ role, store: memoryAuthorityStore() }))
    case "gateway":
    case "mix":
    case "service-node":
      return Effect.map(memoryMixKeys(request), (keys) => ({ role, keys }))
    case "courier":
      return Effect.succeed({ role })
    case "replica":
      return Effect.sync(() => {
        const own = replicaKeysChoice(request)
        return { role, table: makeMemoryBoxTable(choice.boxLimit ?? BOX_LIMIT), keys: new EnvelopeKeys(own.params, own.nike, own.entropy) }
      })
    case "compute":
      return Effect.gen(function*() {
        const { openModels = (plan) => openModelHost(knowledge, plan, choice) } = request
        const modelHost = yield* openModels(yield* planOf(knowledge, identity.name))
        const entropy = entropyOf(`${identity.name}/keys`)
        return {
          role,
          modelHost,
          journal: memoryJournal(),
          journalKey: entropy(KEY_BYTES),
          resultSeed: entropy(SEED_BYTES),
          jobKeys: makeJobKeys(setting.crypto, setting.params, setting.params.dispatchSuite, entropy)
        }
      })
    case "client":
      return Effect.sync(() => ({ role, journal: memoryJournal(), journalKey: entropyOf(`${identity.name}/keys`)(KEY_BYTES) }))
  }
}

/** The same with boxes and envelope keys of a replica in the folder `directory`. @errors LaunchFailed: a folder in use or damaged */
export const openReplicaStock = (request: StockRequest, directory: string): Opened<Stock> =>
  openReplicaDisk({ ...replicaKeysChoice(request), directory: join(directory, request.identity.name), quotaBytes: BOX_QUOTA_BYTES }).pipe(
    Effect.map((stock) => ({ role: "replica" as const, ...stock })),
    Effect.mapError(({ message }) => new LaunchFailed({ message: `${request.identity.name}: ${message}` }))
  )

/** What tells a network from others of the same name: its sizes, its epochs, and who signs its documents. */
const fingerprintOf = ({ setting: { authorityKeys, crypto, params }, topology }: Knowledge): string => {
  const { epochPeriodMs, geometry, replicaEpochPeriodMs } = params
  const text = JSON.stringify([epochPeriodMs, replicaEpochPeriodMs, geometry.scheme, geometry.hopCount, geometry.userPayloadBytes])
  return `${topology.name} ${toHex(crypto.blake2b256(concatBytes(utf8(text), ...authorityKeys)).subarray(0, 8))}`
}

const asLaunchFailed = ({ message }: { readonly message: string }): LaunchFailed => new LaunchFailed({ message })

/**
 * What an actor keeps, in a directory of its own that it holds until the scope closes.
 * @errors LaunchFailed: a directory in use, of another network or actor, or damaged; a model that does not load
 */
export const openDiskStock = (request: StockRequest, directory: string, storageKey: Uint8Array): Opened<Stock> =>
  Effect.gen(function*() {
    const { choice, entropyOf, identity, knowledge, role } = request
    const { crypto, params } = knowledge.setting
    const { part } = yield* Effect.mapError(openDataDirectory({ directory, network: fingerprintOf(knowledge), actor: identity.name }), asLaunchFailed)
    const entropy = entropyOf(`${identity.name}/keys`)
    switch (role) {
      case "authority":
        return { role, store: yield* Effect.mapError(openAuthorityDisk({ directory: part("directory"), crypto }), asLaunchFailed) }
      case "gateway":
      case "mix":
      case "service-node":
        return {
          role,
          keys: yield* Effect.mapError(openMixKeyDisk({
            ...knowledge.setting, directory: part("mix-keys"), entropy: entropyOf(`${identity.name}/mix-keys`), replayCapacity: REPLAY_CAPACITY
          }), asLaunchFailed)
        }
      case "courier":
        return { role }
      case "replica":
        return yield* openReplicaDisk({ ...replicaKeysChoice(request), directory: part("storage"), quotaBytes: BOX_QUOTA_BYTES }).pipe(
          Effect.mapBoth({ onFailure: asLaunchFailed, onSuccess: (stock) => ({ role, ...stock }) })
        )
      case "compute": {
        const kept = yield* Effect.mapError(openComputeDisk({ directory: part("jobs"), crypto, params, storageKey, entropy }), asLaunchFailed)
        const plan = yield* planOf(knowledge, identity.name)
        if (request.cluster !== undefined) return { role, ...kept, ...(yield* openRunnerHost(knowledge, plan, choice, request.cluster)) }
        return { role, ...kept, modelHost: yield* openModelHost(knowledge, plan, choice) }
      }
      case "client":
        return { role, ...(yield* Effect.mapError(openClientDisk({ directory: part("jobs"), crypto, storageKey, entropy }), asLaunchFailed)) }
    }
  })
