/**
 * One paced command link to every storage replica that the documents list.
 *
 * Contract: links open as replicas appear in the current document and stay for the caller's scope: a replica that leaves for a while finds its link again.
 * `offer` never waits; a replica that is not known, or whose queue is full, gets nothing.
 * Knows nothing of: what commands mean, which side of storage the caller is.
 * Source: pigeonhole.md §5.6, §5.7; departures: none.
 *
 * @module
 */
import { Effect, Either, Scope } from "effect"
import { forkLoop } from "../actor/loop.ts"
import type { NetworkSetting } from "../pki/network-setting.ts"
import type { PigeonholeGeometry } from "../pigeonhole/geometry.ts"
import { decodeLinkCommand, encodeLinkCommand, type LinkCommand } from "../pigeonhole/link-command.ts"
import { makeCommandLink, type CommandLink } from "./command-link.ts"

/** Commands that may wait for one replica. */
const QUEUE_PER_REPLICA = 64
/** How often the document is looked at for new replicas, as a share of the epoch; and until the first one is there. */
const LOOKS_PER_EPOCH = 64
const FIRST_LOOK_MS = 50

export interface ListedReplica {
  readonly name: string
  readonly replicaId: number
}

export interface ReplicaLinksConfig<E> extends Pick<NetworkSetting, "params"> {
  /** The caller's own name. */
  readonly name: string
  readonly pigeonhole: PigeonholeGeometry
  /** The replicas listed now, without the caller itself. */
  readonly replicas: Effect.Effect<ReadonlyArray<ListedReplica>>
  readonly connect: (name: string) => Effect.Effect<(frame: Uint8Array) => Effect.Effect<Uint8Array, E>, never, Scope.Scope>
  readonly onReply: (replicaId: number, frame: Uint8Array) => Effect.Effect<void>
}

export interface ReplicaLinks {
  /** False when the replica has no link or its queue is full. */
  readonly offer: (replicaId: number, frame: Uint8Array) => boolean
}

/** The command in a frame of these links; undefined for another length and for anything that does not parse. */
export const decodeLinkFrame = (frame: Uint8Array, pigeonhole: PigeonholeGeometry): LinkCommand | undefined =>
  frame.length === pigeonhole.linkCommandBytes ? Either.getOrUndefined(decodeLinkCommand(frame, pigeonhole.nikePublicKeyBytes)) : undefined

/** Starts the links in the caller's scope. */
export const makeReplicaLinks = <E>(config: ReplicaLinksConfig<E>): Effect.Effect<ReplicaLinks, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const links = new Map<number, CommandLink>()
    const decoy = encodeLinkCommand({ _tag: "ReplicaDecoy" }, config.pigeonhole.linkCommandBytes)
    const open = ({ name, replicaId }: ListedReplica) =>
      Effect.gen(function*() {
        if (links.has(replicaId)) return
        const call = yield* config.connect(name)
        links.set(replicaId, yield* makeCommandLink({
          ratePerMs: config.params.lambdaRPerMs,
          sendSlackMs: config.params.sendSlackMs,
          capacity: QUEUE_PER_REPLICA,
          decoy,
          call,
          onReply: (frame) => config.onReply(replicaId, frame)
        }))
      }).pipe(Scope.extend(scope))
    const look = Effect.flatMap(config.replicas, (listed) => Effect.forEach(listed, open, { discard: true }))
    const pause = Effect.suspend(() => Effect.sleep(links.size === 0 ? FIRST_LOOK_MS : config.params.epochPeriodMs / LOOKS_PER_EPOCH))
    yield* forkLoop("search for replicas", config.name, Effect.zipRight(look, pause))
    return { offer: (replicaId, frame) => links.get(replicaId)?.offer(frame) ?? false }
  })
