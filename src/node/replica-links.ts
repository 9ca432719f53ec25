/**
 * One paced command link to every storage replica that the documents list.
 *
 * Contract: links open as replicas appear in the current document. Four times per epoch they are held against it: a replica missing for the third time in a
 * row loses its link, with what waits in it; one that is listed again before finds its link as it was. An empty list is no verdict: there may be no
 * document. `offer` never waits; a replica that is not known, or whose queue is full, gets nothing.
 * Knows nothing of: what commands mean, which side of storage the caller is.
 * Source: pigeonhole.md §5.6, §5.7; departures: none.
 *
 * @module
 */
import { Effect, Either, ExecutionStrategy, Exit, Scope } from "effect"
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
/** Every so many looks the links are held against the document: every 5 minutes in epochs of 20. */
const LOOKS_PER_AUTHENTICATION = LOOKS_PER_EPOCH / 4
/** Times in a row that a replica may be missing; the next closes its link. */
const MISSES_FORGIVEN = 2

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
  readonly onReply: (replicaId: number, frame: Uint8Array) => Effect.Effect<void> | undefined
  /** Told of every failed call to a replica. */
  readonly onFailed?: (replicaId: number) => Effect.Effect<void>
}

export interface ReplicaLinks {
  /** False when the replica has no link or its queue is full. @param once  whether the command is forgotten when its call fails */
  readonly offer: (replicaId: number, frame: Uint8Array, once?: boolean) => boolean
}

/** The command in a frame of these links; undefined for another length and for anything that does not parse. */
export const decodeLinkFrame = (frame: Uint8Array, pigeonhole: PigeonholeGeometry): LinkCommand | undefined =>
  frame.length === pigeonhole.linkCommandBytes ? Either.getOrUndefined(decodeLinkCommand(frame, pigeonhole.nikePublicKeyBytes)) : undefined

/** A link, and how often in a row its replica was not listed. */
interface OpenLink {
  readonly link: CommandLink
  readonly close: Effect.Effect<void>
  missCount: number
}

/** Counts misses and closes the links of those who are gone. */
const authenticate = (links: Map<number, OpenLink>, listed: ReadonlyArray<ListedReplica>): Effect.Effect<void> =>
  Effect.forEach([...links], ([replicaId, open]) => {
    open.missCount = listed.some((replica) => replica.replicaId === replicaId) ? 0 : open.missCount + 1
    if (open.missCount <= MISSES_FORGIVEN) return Effect.void
    links.delete(replicaId)
    return open.close
  }, { discard: true })

/** Starts the links in the caller's scope. */
export const makeReplicaLinks = <E>(config: ReplicaLinksConfig<E>): Effect.Effect<ReplicaLinks, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const links = new Map<number, OpenLink>()
    const decoy = encodeLinkCommand({ _tag: "ReplicaDecoy" }, config.pigeonhole.linkCommandBytes)
    const start = ({ name, replicaId }: ListedReplica) =>
      Effect.flatMap(config.connect(name), (call) => makeCommandLink({
        ratePerMs: config.params.lambdaRPerMs,
        sendSlackMs: config.params.sendSlackMs,
        capacity: QUEUE_PER_REPLICA,
        decoy,
        call,
        onReply: (frame) => config.onReply(replicaId, frame),
        ...(config.onFailed === undefined ? {} : { onFailed: config.onFailed(replicaId) })
      }))
    const open = (replica: ListedReplica) =>
      Effect.gen(function*() {
        if (links.has(replica.replicaId)) return
        const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
        const link = yield* Effect.onError(Scope.extend(start(replica), own), () => Scope.close(own, Exit.void))
        links.set(replica.replicaId, { link, close: Scope.close(own, Exit.void), missCount: 0 })
      })
    let looks = 0
    const look = Effect.gen(function*() {
      const listed = yield* config.replicas
      looks += 1
      if (looks % LOOKS_PER_AUTHENTICATION === 0 && listed.length > 0) yield* authenticate(links, listed)
      yield* Effect.forEach(listed, open, { discard: true })
    })
    const pause = Effect.suspend(() => Effect.sleep(links.size === 0 ? FIRST_LOOK_MS : config.params.epochPeriodMs / LOOKS_PER_EPOCH))
    yield* forkLoop("search for replicas", config.name, Effect.zipRight(look, pause))
    return { offer: (replicaId, frame, once) => links.get(replicaId)?.link.offer(frame, once) ?? false }
  })
