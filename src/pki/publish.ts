/**
 * Publishes an actor's descriptors, one per epoch, ahead of time.
 *
 * Contract: soon after the start of every epoch the descriptor of the next one is uploaded, early enough for the authorities, and that of the epoch
 * itself where it is not yet known everywhere. An upload is repeated with growing pauses until every authority has accepted it, since authorities that
 * hold different descriptors sign different documents; it ends with the epoch and holds up no other.
 * Knows nothing of: what a descriptor holds.
 * Source: mixnet.md §7, §12, §13 (nodes upload until P/8 − P/48); departures: uploads for the epoch in progress, so that a network can start at once
 * and recover from an epoch without a document.
 *
 * @module
 */
import { Clock, Effect, Random } from "effect"
import { epochAt, Epoch, epochStartMs } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { Directory } from "./directory.ts"

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 5_000

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
        let waitMs = FIRST_RETRY_MS
        while ((yield* Effect.catchAll(directory.postDescriptor(epoch, descriptor), () => Effect.succeed(0))) < authorityCount) {
          yield* Effect.sleep(waitMs * (0.5 + (yield* Random.next)))
          waitMs = Math.min(LONGEST_RETRY_MS, waitMs * 2)
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
