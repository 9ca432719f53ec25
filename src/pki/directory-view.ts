/**
 * Keeps the current document: fetches it from the directory, verifies its threshold of signatures, and follows the epochs.
 *
 * Contract: a document enters only with valid signatures of at least `threshold` of the configured authorities. The documents of the previous, the
 * current and the next epoch are kept, no others. `awaitDocument` returns as soon as the document of the current epoch is there. Forged, foreign or
 * missing answers of some authorities do not keep the others' away, and an epoch without a document does not delay the next one's.
 * Knows nothing of: who asks, how the authorities are reached.
 * Source: mixnet.md §12, §13 (fetching; previous document when the current epoch has none); departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Option, Random, Schedule, type Scope } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import { epochAt, Epoch, epochStartMs } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { verifyCertificate } from "./certificate.ts"
import { Directory } from "./directory.ts"
import type { Document } from "./document.ts"
import { NoDocument, type PkiViewService } from "./pki-view.ts"

export interface DirectoryViewConfig {
  readonly crypto: CryptoBackend
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  readonly authorityKeys: ReadonlyArray<Uint8Array>
  readonly threshold: number
}

export interface DirectoryView extends PkiViewService {
  /** The document of the current epoch, as soon as there is one. */
  readonly awaitDocument: Effect.Effect<Document>
  /** The verified bytes of the document of `epoch`, for handing on; undefined when it is not held. */
  readonly certificateOf: (epoch: number) => Uint8Array | undefined
  /** The documents held now, of the previous, the current and the next epoch as far as they are there. */
  readonly documents: () => ReadonlyArray<Document>
}

interface Held {
  readonly document: Document
  readonly certificate: Uint8Array
}

const FIRST_RETRY_MS = 20
const LONGEST_RETRY_MS = 2_000

/** The first of the documents offered for `epoch` that can be believed. */
const firstCredible = (config: DirectoryViewConfig, epoch: number, nowEpoch: Epoch, offered: ReadonlyArray<Uint8Array>): Held | undefined => {
  for (const certificate of offered) {
    const document = verifyCertificate(config.crypto, certificate, config.authorityKeys, config.threshold, nowEpoch)
    if (Either.isRight(document) && document.right.epoch === epoch) return { document: document.right, certificate }
  }
  return undefined
}

/** Starts following the directory in the caller's scope. */
export const makeDirectoryView = (config: DirectoryViewConfig): Effect.Effect<DirectoryView, never, Directory | Scope.Scope> =>
  Effect.gen(function*() {
    const directory = yield* Directory
    const clock = yield* Effect.clock
    const documents = new Map<number, Held>()
    const arrived = yield* Effect.makeLatch(false)

    const fetch = (epoch: number) =>
      Effect.gen(function*() {
        const offered = yield* Effect.catchAll(directory.getConsensus(epoch), () => Effect.succeed([]))
        const nowEpoch = epochAt(config.params, yield* Clock.currentTimeMillis)
        const held = firstCredible(config, epoch, nowEpoch, offered)
        if (held !== undefined) documents.set(epoch, held)
        return held !== undefined
      })

    /** Asks until the document of `epoch` is held or the epoch is over; waits double up to a limit. */
    const fetchUntilHeld = (epoch: Epoch) =>
      Effect.gen(function*() {
        let waitMs = FIRST_RETRY_MS
        while (!documents.has(epoch) && epochAt(config.params, yield* Clock.currentTimeMillis) <= epoch) {
          if (yield* fetch(epoch)) return
          yield* Effect.sleep(waitMs * (0.5 + (yield* Random.next)))
          waitMs = Math.min(LONGEST_RETRY_MS, waitMs * 2)
        }
      })

    /** The document of the epoch itself; while there is none, the previous one serves. */
    const followCurrent = (epoch: Epoch) =>
      Effect.gen(function*() {
        if (documents.has(epoch) || (yield* fetch(epoch))) return
        if (!documents.has(epoch - 1)) yield* fetch(epoch - 1)
        yield* fetchUntilHeld(epoch)
      }).pipe(Effect.zipRight(Effect.suspend(() => (documents.has(epoch) ? arrived.open : Effect.void))))

    const followNext = (epoch: Epoch) =>
      Effect.gen(function*() {
        const publishedAtMs = epochStartMs(config.params, epoch) + (config.params.epochPeriodMs * 5) / 8
        const jitterMs = (config.params.epochPeriodMs / 16) * (yield* Random.next)
        yield* sleepUntil(publishedAtMs + jitterMs)
        yield* fetchUntilHeld(Epoch(epoch + 1))
      })

    const follow = Effect.gen(function*() {
      const nowMs = yield* Clock.currentTimeMillis
      const epoch = epochAt(config.params, nowMs)
      for (const held of [...documents.keys()]) if (held < epoch - 1) documents.delete(held)
      const endMs = epochStartMs(config.params, Epoch(epoch + 1))
      const both = Effect.all([followCurrent(epoch), followNext(epoch)], { concurrency: "unbounded", discard: true })
      yield* Effect.timeoutOption(both, endMs - nowMs)
      yield* sleepUntil(endMs)
    })
    const survive = Effect.catchAllCause(follow, () => Effect.sleep(LONGEST_RETRY_MS))
    yield* Effect.forkScoped(Effect.forever(survive))

    const held = (): Document | undefined => {
      const epoch = epochAt(config.params, clock.unsafeCurrentTimeMillis())
      return (documents.get(epoch) ?? documents.get(epoch - 1))?.document
    }
    const current = Effect.suspend(() => {
      const document = held()
      return document === undefined ? Effect.fail(new NoDocument()) : Effect.succeed(document)
    })
    return {
      held,
      current,
      forEpoch: (epoch) => Effect.sync(() => Option.fromNullable(documents.get(epoch)?.document)),
      awaitDocument: Effect.zipRight(arrived.await, Effect.orDie(Effect.retry(current, Schedule.spaced(FIRST_RETRY_MS)))),
      certificateOf: (epoch) => documents.get(epoch)?.certificate,
      documents: () => [...documents.values()].map(({ document }) => document)
    }
  })

const sleepUntil = (instantMs: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.sleep(Math.max(0, instantMs - nowMs)))
