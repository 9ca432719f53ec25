/**
 * Publishes an actor's descriptors, one per epoch, ahead of time.
 *
 * Contract: soon after the start of every epoch the descriptor of the next one is uploaded, early enough for the authorities, and that of the epoch
 * itself where it is not yet known everywhere. An upload is repeated with growing pauses until most authorities have accepted it, which is enough, since
 * they tell each other; then, at leisure, until all have. It ends with the epoch and holds up no other. Whoever stops withdraws first.
 * Knows nothing of: what a descriptor holds.
 * Source: mixnet.md §7, §12, §13 (nodes upload until P/8 − P/48), §17 (pacing); departures: uploads for the epoch in progress, so that a network can start
 * at once and recover from an epoch without a document; withdrawals.
 *
 * @module
 */
import { Clock, Effect, Option, Random } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import { epochAt, Epoch, epochStartMs } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { Directory } from "./directory.ts"
import type { Identity } from "./network-setting.ts"
import { signWithdrawal } from "./withdrawal.ts"

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 5_000
/** While most authorities have it and some not. */
const LEISURE_MS = 2_000
const LONGEST_LEISURE_MS = 20_000

/**
 * Uploads for ever; fork it in the actor's scope.
 * @param describe  gives the signed descriptor of an epoch and makes missing keys
 */
export const publishDescriptors = (
  params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">,
  authorityCount: number,
  describe: (epoch: Epoch) => Effect.Effect<Uint8Array>
): Effect.Effect<never, never, Directory> =>
  Effect.gen(function*() {
    const directory = yield* Directory
    const accepted = new Set<number>()
    const upload = (epoch: Epoch) =>
      Effect.gen(function*() {
        if (accepted.has(epoch)) return
        const descriptor = yield* describe(epoch)
        const most = Math.floor(authorityCount / 2) + 1
        let waitMs = FIRST_RETRY_MS
        for (;;) {
          const count = yield* Effect.catchAll(directory.postDescriptor(epoch, descriptor), () => Effect.succeed(0))
          if (count >= authorityCount) break
          waitMs = count >= most ? Math.max(LEISURE_MS, waitMs) : Math.min(LONGEST_RETRY_MS, waitMs)
          yield* Effect.sleep(waitMs * (0.5 + (yield* Random.next)))
          waitMs = Math.min(LONGEST_LEISURE_MS, waitMs * 2)
        }
        accepted.add(epoch)
      })
    for (;;) {
      const nowMs = yield* Clock.currentTimeMillis
      const epoch = epochAt(params, nowMs)
      const nextStartMs = epochStartMs(params, Epoch(epoch + 1))
      for (const old of [...accepted]) if (old < epoch) accepted.delete(old)
      const uploads = Effect.all([upload(epoch), upload(Epoch(epoch + 1))], { concurrency: "unbounded", discard: true })
      yield* Effect.timeoutOption(uploads, nextStartMs - nowMs)
      const jitterMs = (params.epochPeriodMs / 16) * (yield* Random.next)
      yield* Effect.sleep(Math.max(0, nextStartMs + jitterMs - (yield* Clock.currentTimeMillis)))
    }
  })

export interface WithdrawalChoice {
  readonly crypto: CryptoBackend
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  readonly identity: Identity
  /** Authorities that must know before it counts. */
  readonly authorityThreshold: number
  /** Longest time to spend on it, in milliseconds. */
  readonly limitMs: number
}

/**
 * Withdraws an actor from the documents of all epochs after this one, for when it stops in good order. An upload by the same identity brings it back.
 * @returns whether enough authorities took it in time
 */
export const withdrawDescriptor = ({ authorityThreshold, crypto, identity, limitMs, params }: WithdrawalChoice): Effect.Effect<boolean, never, Directory> =>
  Effect.gen(function*() {
    const directory = yield* Directory
    const epoch = Epoch(epochAt(params, yield* Clock.currentTimeMillis) + 1)
    const withdrawal = signWithdrawal(crypto, identity.seed, epoch)
    let waitMs = FIRST_RETRY_MS
    while ((yield* Effect.catchAll(directory.withdraw(withdrawal), () => Effect.succeed(0))) < authorityThreshold) {
      yield* Effect.sleep(waitMs * (0.5 + (yield* Random.next)))
      waitMs = Math.min(LONGEST_RETRY_MS, waitMs * 2)
    }
  }).pipe(Effect.timeoutOption(limitMs), Effect.map(Option.isSome))
