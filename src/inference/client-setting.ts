/**
 * What the steps of the client's workflow stand on, and the instants and limits they share.
 *
 * Contract: services are handed in once; nothing here starts anything. Every wait ends at an instant that was computed before.
 * Knows nothing of: actors, calls.
 * Source: style.md §2.6, funion.md §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, Random, Schedule } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { Document } from "../pki/document.ts"
import type { PkiViewService } from "../pki/pki-view.ts"
import type { PacketCounters, Session } from "../session/session.ts"
import { meanRoundTripMs, type BoxStoreService } from "../storage/box-store.ts"
import { nextPollMs } from "./bucket.ts"
import { jobFailed, type JobFailed, type JobStep } from "./client-failure.ts"
import type { ClientJournal } from "./client-journal.ts"

export interface ClientSetting {
  readonly crypto: CryptoBackend
  readonly entropy: Entropy
  readonly pki: PkiViewService
  readonly store: BoxStoreService
  /** The way of a dispatch to its queue host and back. */
  readonly exchange: Session["exchange"]
  readonly counters: Effect.Effect<PacketCounters>
  readonly journal: ClientJournal
  /** Sessions under `store`: they set the window. */
  readonly sessionCount: number
}

/** Every transfer may wait for this many overdue replies one after the other: three envelopes given up as silent … */
const TRANSFER_SLACK_TRANSMISSIONS = 9
/** … and take this many times its estimate. */
const TRANSFER_FACTOR = 40
/** A box takes a query and, as a rule, one more for the answer. */
const PACKETS_PER_BOX = 2

/** How long a transfer of boxes takes when nothing is lost: its packets on their ticks, and a round trip for the last. */
export const transferEstimateMs = (params: MixnetParams, boxCount: number, sessionCount: number): number =>
  meanRoundTripMs(params) * PACKETS_PER_BOX + (PACKETS_PER_BOX * boxCount) / (params.lambdaPPerMs * sessionCount)

/** How long a transfer of boxes may take. */
export const transferLimitMs = (params: MixnetParams, boxCount: number, sessionCount: number): number =>
  TRANSFER_SLACK_TRANSMISSIONS * params.retransmitSlackMs + TRANSFER_FACTOR * transferEstimateMs(params, boxCount, sessionCount)

/** A rest that is shorter would be rounded away. */
const SHORTEST_SLEEP_MS = 0.001

/** Waits for an instant; never wakes before it. */
export const sleepUntil = (instantMs: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
    nowMs >= instantMs
      ? Effect.void
      : Effect.zipRight(Effect.sleep(Math.max(instantMs - nowMs, SHORTEST_SLEEP_MS)), Effect.suspend(() => sleepUntil(instantMs))))

/** Waits Exp(mean). */
export const pauseExponential = (meanMs: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (uniform) => Effect.sleep(nextPollMs(meanMs, 0, uniform)))

const DOCUMENT_LOOKS = 60
const DOCUMENT_LOOK_MS = 1000

/** The document in force; a job that has begun waits for it a minute. @errors JobFailed `no-directory` */
export const documentOf = (setting: Pick<ClientSetting, "pki">, step: JobStep): Effect.Effect<Document, JobFailed> =>
  setting.pki.current.pipe(
    Effect.retry({ times: step === "plan" ? 0 : DOCUMENT_LOOKS, schedule: Schedule.spaced(DOCUMENT_LOOK_MS) }),
    Effect.mapError(() => jobFailed(step, "no-directory", "the directory has no document for this epoch"))
  )
