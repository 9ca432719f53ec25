/**
 * What one process of a network has that is many processes: links to the others, a clock that follows the directory's, and whom it must know beforehand.
 *
 * Contract: used by launch.ts alone. The links end with the scope. Randomness is the system's.
 * Knows nothing of: behaviours.
 * Source: mixnet.md §4.1, §14; departures: none.
 *
 * @module
 */
import { Clock, Context, Effect, FiberSet, Layer, type Scope } from "effect"
import { Mount } from "../src/actor/mount.ts"
import { layerMountTcpListening, type TcpMountOptions } from "../src/actor/mount-tcp.ts"
import { concatBytes, utf8 } from "../src/bytes/concat.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { randomFromEntropy, systemEntropy } from "../src/crypto/entropy.ts"
import type { LinkKey } from "../src/link/link-services.ts"
import type { PeerClaim } from "../src/link/peer-check.ts"
import type { Document } from "../src/pki/document.ts"
import type { DirectoryView } from "../src/pki/directory-view.ts"
import { actorsOf, type Role, runnersOf, type Topology } from "../src/topology/topology.ts"
import { offsetClock } from "../src/actor/timer.ts"
import { makeDirectoryClock } from "./directory-clock.ts"
import type { PublicHalf, SecretHalf } from "./key-file.ts"
import { knowledgeOf } from "./knowledge.ts"
import { LaunchFailed } from "./launch-failed.ts"
import { addressesOf, anonymousCredentials, linkSizesOf, peersOf } from "./network-links.ts"
import { freshQueueName } from "./packet-port.ts"
import type { Knowledge, Surroundings } from "./roles.ts"

/** Whose public halves an actor needs before there are documents. @param name  ignored for a client */
export const publicsNeeded = (topology: Topology, name: string, role: Role): ReadonlyArray<string> => {
  const names = (group: ReadonlyArray<{ readonly name: string }>): ReadonlyArray<string> => group.map((each) => each.name)
  const always = [...names(topology.authorities), ...(role === "client" ? [] : [name])]
  switch (role) {
    case "authority": return names(actorsOf(topology).filter((actor) => actor.role !== "client"))
    case "service-node": return [...always, ...names(topology.couriers.filter(({ serviceNode }) => serviceNode === name))]
    case "replica": return [...always, ...names(topology.couriers)]
    case "courier": return [...always, ...names(topology.replicas)]
    case "compute": {
      const service = runnersOf(topology).find((runner) => runner.name === name)?.compute
      if (service !== undefined) return [...always, service]
      return [...always, ...names(topology.gateways), ...names(topology.serviceNodes), ...runnersOf(topology).flatMap((runner) =>
        (runner.compute === name ? [runner.name] : []))]
    }
    case "client": return [...always, ...names(topology.gateways)]
    case "gateway":
    case "mix": return always
  }
}

/** The name of a person towards their own client. */
export const PERSON = "person"

/** The link key by which a person proves to a client that they hold its secret. */
export const personLinkKey = (crypto: CryptoBackend, { storageKey }: Pick<SecretHalf, "storageKey">): LinkKey =>
  crypto.xwingPrivateKey(crypto.blake2b256(concatBytes(utf8("funion person link"), storageKey)))

export const personClaim = (crypto: CryptoBackend, secret: Pick<SecretHalf, "storageKey">): PeerClaim => {
  const { publicKey } = personLinkKey(crypto, secret)
  return { linkKey: publicKey, additionalData: crypto.blake2b256(publicKey) }
}

export interface ProcessOptions {
  readonly name: string
  readonly role: Role
  readonly publics: ReadonlyMap<string, PublicHalf>
  readonly self: { readonly linkKey: LinkKey; readonly identityHash: Uint8Array }
  readonly listen: NonNullable<TcpMountOptions["listen"]>
  readonly attendants: ReadonlyMap<string, PeerClaim>
  /** Added to the machine's clock, in milliseconds. */
  readonly clockOffsetMs?: number
}

export interface ActorProcess {
  readonly knowledge: Knowledge
  readonly around: Surroundings
  readonly clock: Clock.Clock
  /** The directory documents held now. */
  readonly documents: () => ReadonlyArray<Document>
}

const missingKey = (name: string): never => {
  throw new RangeError(`no public key of ${name}`)
}

/** The links and the clock of one process. @errors LaunchFailed naming a parameter that does not fit */
export const openProcess = (topology: Topology, crypto: CryptoBackend, options: ProcessOptions): Effect.Effect<ActorProcess, LaunchFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { name, publics, role } = options
    const knowledge = yield* knowledgeOf(topology, crypto, (each) => publics.get(each)?.identityKey ?? missingKey(each))
    const machine = yield* Effect.clock
    const { clockOffsetMs = 0 } = options
    let view: DirectoryView | undefined
    const documents = () => view?.documents() ?? []
    const fork = yield* FiberSet.makeRuntime<never>()
    const corrected = Effect.logWarning("this machine's clock is wrong by the directory's and is corrected for this process")
    const { clock, observe } = makeDirectoryClock({
      base: clockOffsetMs === 0 ? machine : offsetClock(machine, () => clockOffsetMs),
      peers: (role === "client" ? topology.gateways : topology.authorities).map((each) => each.name),
      countsOwn: role === "authority",
      onCorrection: (offsetMs) => { fork(Effect.annotateLogs(corrected, { actor: name, count: offsetMs })) }
    })
    const layer = layerMountTcpListening({
      self: { name, ...options.self },
      addresses: addressesOf(topology.placement ?? {}, crypto, documents),
      peers: peersOf({
        knowledge, self: { name, role }, publics, documents, nowMs: () => clock.unsafeCurrentTimeMillis(), attendants: options.attendants
      }),
      listen: options.listen,
      credentials: anonymousCredentials(crypto, systemEntropy),
      sizes: linkSizesOf(knowledge),
      onSkew: observe
    }).pipe(Layer.provide(Layer.succeed(Crypto, crypto)))
    const { listen } = options
    const taken = () => new LaunchFailed({
      message: listen === "nowhere" ? "no address to listen at"
        : `placement.${name}.port: ${listen.host}:${listen.port} can not be listened at: another program may have it, or the address is not this machine's`
    })
    const mount = Context.get(yield* Layer.build(layer).pipe(Effect.mapError(taken), asProcess(clock)), Mount)
    const callerFor: Surroundings["callerFor"] = () => {
      const queueName = freshQueueName(systemEntropy)
      return { from: queueName, queueName }
    }
    return { knowledge, clock, documents, around: { mount, entropyOf: () => systemEntropy, callerFor, onView: (held) => { view = held } } }
  })

/** The clock of the process, and randomness that nobody can predict, for everything that an actor does. */
export const asProcess = (clock: Clock.Clock) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  self.pipe(Effect.withClock(clock), Effect.withRandom(randomFromEntropy(systemEntropy)))
