/**
 * The good end of an actor: out of the directory first, then done with what it has accepted.
 *
 * Contract: bounded in time. An actor that stops without it (a crash, a second signal) loses nothing that was accepted either: it goes on when it is started
 * again; but until then others still send to it.
 * Knows nothing of: signals, processes.
 * Source: issue "the same topology file on many machines" (a node withdraws before it stops), mixnet.md §12; departures: none.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { exponentialCapMs } from "../src/mixnet/delay.ts"
import { epochAt } from "../src/params/epoch.ts"
import { Directory } from "../src/pki/directory.ts"
import type { Document } from "../src/pki/document.ts"
import type { Identity } from "../src/pki/network-setting.ts"
import { withdrawDescriptor } from "../src/pki/publish.ts"
import type { Role } from "../src/topology/topology.ts"
import { Compute } from "./compute/protocol.ts"
import { connectAuthorities } from "./directory-client.ts"
import type { Knowledge } from "./roles.ts"

export interface RetirementChoice {
  readonly knowledge: Knowledge
  readonly identity: Identity
  readonly role: Role
  readonly mount: MountService
  readonly documents: () => ReadonlyArray<Document>
  /** Go on until no document in force lists the actor any more: up to two epochs. */
  readonly linger: boolean
}

const WITHDRAWAL_LIMIT_MS = 3_000
/** Packets that are held longer belong to a network that is slower than anybody waits. */
const LONGEST_DELAY_MS = 6_000
const LOOK_MS = 1_000

const withdraw = ({ identity, knowledge: { setting, topology }, mount }: RetirementChoice): Effect.Effect<boolean> =>
  connectAuthorities(identity.name, topology.authorities.map(({ name }) => name)).pipe(
    Effect.flatMap((directory) =>
      Effect.provideService(withdrawDescriptor({ ...setting, identity, limitMs: WITHDRAWAL_LIMIT_MS }), Directory, directory)),
    Effect.provideService(Mount, mount),
    Effect.scoped
  )

const isListed = ({ documents, identity, knowledge }: RetirementChoice, nowMs: number): boolean => {
  const epoch = epochAt(knowledge.setting.params, nowMs)
  return documents().some((document) => document.epoch >= epoch
    && [...document.gateways, ...document.mixLayers.flat(), ...document.serviceNodes, ...document.replicas, ...document.computeServices]
      .some(({ name }) => name === identity.name))
}

const awaitUnlisted = (choice: RetirementChoice): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
    (isListed(choice, nowMs) ? Effect.delay(Effect.suspend(() => awaitUnlisted(choice)), LOOK_MS) : Effect.void))

/** What a role has begun and can finish. */
const finish = ({ identity, knowledge: { setting, topology }, mount, role }: RetirementChoice): Effect.Effect<void> => {
  switch (role) {
    case "gateway":
    case "mix":
    case "service-node":
      return Effect.sleep(Math.min(exponentialCapMs(setting.params.muPerMs), LONGEST_DELAY_MS))
    case "compute": {
      const longestMs = Math.max(0, ...(topology.computes.find(({ name }) => name === identity.name)?.deadlinesMs ?? []))
      const limitMs = longestMs + setting.params.epochPeriodMs / 8
      return Effect.flatMap(mount.connect(identity.name, identity.name, Compute, { limitMs }), (service) => Effect.ignore(service.Drain(undefined))).pipe(
        Effect.scoped
      )
    }
    case "authority":
    case "courier":
    case "replica":
    case "client":
      return Effect.void
  }
}

const LISTED: ReadonlySet<Role> = new Set<Role>(["gateway", "mix", "service-node", "replica", "compute"])

/** Takes an actor out of the directory and lets it finish. */
export const retire = (choice: RetirementChoice): Effect.Effect<void> =>
  Effect.gen(function*() {
    if (LISTED.has(choice.role)) {
      const taken = yield* withdraw(choice)
      if (!taken) yield* Effect.annotateLogs(Effect.logWarning("too few authorities took the withdrawal"), { actor: choice.identity.name })
      if (choice.linger) yield* awaitUnlisted(choice)
    }
    yield* finish(choice)
  })
