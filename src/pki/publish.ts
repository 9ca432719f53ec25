/**
 * Publishes an actor's descriptors, one per epoch, ahead of time.
 *
 * Contract: at start the descriptors of the current and the next epoch are uploaded; in every epoch after it the next one's, early enough for the
 * authorities. An upload that fewer than `threshold`
 * authorities accepted is repeated with growing pauses until its epoch has passed.
 * Knows nothing of: what a descriptor holds.
 * Source: mixnet.md §7, §12, §13 (nodes upload until P/8 − P/48); departures: a first upload for the epoch in progress, so that a network can start at once.
 *
 * @module
 */
import { Clock, Effect, Random } from "effect"
import { epochAt, Epoch, epochStartMs } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { Directory } from "./directory.ts"

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 5_000

/** Uploads for ever; fork it in the actor's scope. `describe` gives the signed descriptor of an epoch and makes missing keys. */
export const publishDescriptors = (
  params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">,
  threshold: number,
  describe: (epoch: Epoch) => Effect.Effect<Uint8Array>
): Effect.Effect<never, never, Directory> =>
  Effect.gen(function*() {
    const directory = yield* Directory
    const upload = (epoch: Epoch) =>
      Effect.gen(function*() {
        const descriptor = yield* describe(epoch)
        let waitMs = FIRST_RETRY_MS
        while (epochAt(params, yield* Clock.currentTimeMillis) <= epoch) {
          const accepted = yield* Effect.catchAll(directory.postDescriptor(epoch, descriptor), () => Effect.succeed(0))
          if (accepted >= threshold) return
          yield* Effect.sleep(waitMs * (0.5 + (yield* Random.next)))
          waitMs = Math.min(LONGEST_RETRY_MS, waitMs * 2)
        }
      })
    let epoch = epochAt(params, yield* Clock.currentTimeMillis)
    yield* upload(epoch)
    for (;;) {
      yield* upload(Epoch(epoch + 1))
      const nextStartMs = epochStartMs(params, Epoch(epoch + 1))
      const jitterMs = (params.epochPeriodMs / 16) * (yield* Random.next)
      yield* Effect.sleep(Math.max(0, nextStartMs + jitterMs - (yield* Clock.currentTimeMillis)))
      epoch = Epoch(Math.max(epoch + 1, epochAt(params, yield* Clock.currentTimeMillis)))
    }
  })
