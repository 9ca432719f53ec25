/**
 * A directory authority: collects descriptors of pinned identities, signs one document per epoch, exchanges signatures with its fellows, serves it.
 *
 * Contract: the document of the epoch in which the network starts is built as soon as every pinned identity has a descriptor, or after a settling time with
 * those that have; that of every later epoch at 5/8 of the epoch before it. Nothing is served below the threshold of signatures.
 * Source: mixnet.md §12, §13; departures: no votes and no shared randomness yet, see protocol.ts.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { Mount } from "../../src/actor/mount.ts"
import { epochAt, Epoch, epochStartMs } from "../../src/params/epoch.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import type { Ballot } from "./ballot.ts"
import type { Ballots } from "./ballots.ts"
import { Authority } from "./protocol.ts"

export interface AuthorityConfig extends Pick<NetworkSetting, "params"> {
  readonly identity: Identity
  /** Handed in, so that they survive a crash of the actor. */
  readonly ballots: Ballots
  /** Names of the other authorities. */
  readonly fellows: ReadonlyArray<string>
}

/** How long the first document waits for pinned identities that are late. */
const SETTLE_MS = 5_000
const LOOK_MS = 100
const EMPTY = new Uint8Array(0)

/** When the document of an epoch is due: at 5/8 of the epoch before. */
const dueMs = (config: AuthorityConfig, epoch: Epoch): number =>
  epochStartMs(config.params, epoch) - (config.params.epochPeriodMs * 3) / 8

/** Gives our certificate to a fellow until it takes it, has another document, or the epoch has passed. */
const offerTo = (config: AuthorityConfig, fellow: string, ballot: Ballot, certificate: Uint8Array) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const client = yield* mount.connect(config.identity.name, fellow, Authority)
    while (epochAt(config.params, yield* Clock.currentTimeMillis) <= ballot.epoch) {
      const final = yield* client.PostSignature({ epoch: ballot.epoch, certificate }).pipe(
        Effect.map(({ status }) => status === 0 || status === 2),
        Effect.catchAllCause(() => Effect.succeed(false))
      )
      if (final) return
      yield* Effect.sleep(LOOK_MS * 5)
    }
  }).pipe(Effect.scoped)

/** Builds whatever is due and tells the fellows. @param offered  epochs whose certificate is on its way to them */
const buildDue = (config: AuthorityConfig, offered: Set<number>, startedMs: number) =>
  Effect.gen(function*() {
    const nowMs = yield* Clock.currentTimeMillis
    const now = epochAt(config.params, nowMs)
    config.ballots.prune(nowMs)
    for (const epoch of offered) if (epoch < now) offered.delete(epoch)
    for (const epoch of [now, Epoch(now + 1)]) {
      const ballot = config.ballots.at(epoch, nowMs)
      if (ballot === undefined || offered.has(epoch) || nowMs < dueMs(config, epoch)) continue
      const settled = nowMs - Math.max(startedMs, dueMs(config, epoch)) >= SETTLE_MS
      const own = ballot.own ?? (ballot.isFull || settled ? ballot.build() : undefined)
      if (own === undefined) continue
      offered.add(epoch)
      yield* Effect.forEach(config.fellows, (fellow) => Effect.forkScoped(offerTo(config, fellow, ballot, own)), { discard: true })
    }
  })

export const authority = (config: AuthorityConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const { ballots } = config
    const offered = new Set<number>()
    const startedMs = yield* Clock.currentTimeMillis
    yield* mount.serve(config.identity.name, Authority, Authority.toLayer({
      PostDescriptor: ({ descriptor, epoch }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => ({ status: ballots.at(epoch, nowMs)?.post(descriptor) ?? 1 as const })),
      GetConsensus: ({ epoch }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const ballot = ballots.at(epoch, nowMs)
          if (ballot?.complete !== undefined) return { status: 0 as const, certificate: ballot.complete }
          return { status: ballot === undefined ? 2 as const : 1 as const, certificate: EMPTY }
        }),
      PostSignature: ({ certificate, epoch }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => ({ status: ballots.at(epoch, nowMs)?.countersign(certificate) ?? 1 as const }))
    }))
    yield* ready
    return yield* Effect.forever(Effect.zipRight(buildDue(config, offered, startedMs), Effect.sleep(LOOK_MS)))
  })
