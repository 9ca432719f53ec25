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
import type { Identity } from "../../src/pki/network-setting.ts"
import { Ballot, type BallotConfig } from "./ballot.ts"
import { Authority } from "./protocol.ts"

export interface AuthorityConfig extends Omit<BallotConfig, "identitySeed"> {
  readonly identity: Identity
  /** Names of the other authorities. */
  readonly fellows: ReadonlyArray<string>
}

/** How long the first document waits for pinned identities that are late. */
const SETTLE_MS = 5_000
const LOOK_MS = 100
/** Documents are kept for this many past epochs. */
const KEPT_EPOCHS = 2
const EMPTY = new Uint8Array(0)

/** When the document of an epoch is due: at 5/8 of the epoch before. */
const dueMs = (config: AuthorityConfig, epoch: Epoch): number =>
  epochStartMs(config.params, epoch) - (config.params.epochPeriodMs * 3) / 8

class Ballots {
  readonly #config: AuthorityConfig
  readonly #ballots = new Map<number, Ballot>()

  constructor(config: AuthorityConfig) {
    this.#config = config
  }

  /** The ballot of an epoch within one of now; else undefined. */
  at(epoch: number, nowMs: number): Ballot | undefined {
    if (!Number.isSafeInteger(epoch) || Math.abs(epoch - epochAt(this.#config.params, nowMs)) > 1) return this.#ballots.get(epoch)
    const ballot = this.#ballots.get(epoch) ?? new Ballot({ ...this.#config, identitySeed: this.#config.identity.seed }, Epoch(epoch))
    this.#ballots.set(epoch, ballot)
    return ballot
  }

  prune(nowMs: number): void {
    const oldest = epochAt(this.#config.params, nowMs) - KEPT_EPOCHS
    for (const epoch of [...this.#ballots.keys()]) if (epoch < oldest) this.#ballots.delete(epoch)
  }
}

/** Gives our certificate to a fellow until it takes it or the epoch has passed. */
const offerTo = (config: AuthorityConfig, fellow: string, ballot: Ballot, certificate: Uint8Array) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const client = yield* mount.connect(config.identity.name, fellow, Authority)
    while (epochAt(config.params, yield* Clock.currentTimeMillis) <= ballot.epoch) {
      const taken = yield* client.PostSignature({ epoch: ballot.epoch, certificate }).pipe(
        Effect.map(({ status }) => status === 0),
        Effect.catchAll(() => Effect.succeed(false))
      )
      if (taken) return
      yield* Effect.sleep(LOOK_MS * 5)
    }
  }).pipe(Effect.scoped)

/** Builds whatever is due and tells the fellows. */
const buildDue = (config: AuthorityConfig, ballots: Ballots, startedMs: number) =>
  Effect.gen(function*() {
    const nowMs = yield* Clock.currentTimeMillis
    const now = epochAt(config.params, nowMs)
    ballots.prune(nowMs)
    for (const epoch of [now, Epoch(now + 1)]) {
      const ballot = ballots.at(epoch, nowMs)
      if (ballot === undefined || ballot.own !== undefined || nowMs < dueMs(config, epoch)) continue
      const settled = nowMs - Math.max(startedMs, dueMs(config, epoch)) >= SETTLE_MS
      if (!(ballot.isFull || settled) || !ballot.build() || ballot.own === undefined) continue
      const own = ballot.own
      yield* Effect.forEach(config.fellows, (fellow) => Effect.forkScoped(offerTo(config, fellow, ballot, own)), { discard: true })
    }
  })

export const authority = (config: AuthorityConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const ballots = new Ballots(config)
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
    return yield* Effect.forever(Effect.zipRight(buildDue(config, ballots, startedMs), Effect.sleep(LOOK_MS)))
  })
