/**
 * A client: keeps one constant-rate session with the mix network, and infers over it for the person beside it.
 *
 * Contract: up when the directory document is there and the session runs. The session sends whether or not there are jobs. Jobs outlive the calls
 * that asked for them once they may have been sent, and restarts by the journal. A session or journal that is gone ends this life.
 * Source: funion.md §1, §2, §8; departures: one session.
 *
 * @module
 */
import { Effect, Mailbox, Schedule, Stream, type Scope } from "effect"
import { showMeasured, showMetric } from "../../src/actor/meter.ts"
import { Mount } from "../../src/actor/mount.ts"
import { EntropySource } from "../../src/crypto/entropy.ts"
import type { ClientEvent, Listener } from "../../src/inference/client-event.ts"
import type { JobFailed } from "../../src/inference/client-failure.ts"
import { openClientJournal } from "../../src/inference/client-journal.ts"
import { choicesFor, type JobRequest, type Offer } from "../../src/inference/client-plan.ts"
import { documentOf } from "../../src/inference/client-setting.ts"
import { makeClientWorkflow } from "../../src/inference/client-workflow.ts"
import { estimateJob, worstOf } from "../../src/planning/client-estimate.ts"
import { documentFigures } from "../../src/planning/document-figures.ts"
import type { Document } from "../../src/pki/document.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import type { PacketPortService } from "../../src/session/packet-port.ts"
import { makeSessionPool, noticedBy, SessionPool, type SessionPoolService } from "../../src/session/session-pool.ts"
import { SessionClosed } from "../../src/session/session.ts"
import { makeBoxStore } from "../../src/storage/box-store.ts"
import { Client, InferenceFailed, type JobEstimate } from "./protocol.ts"

export interface ClientConfig extends NetworkSetting {
  readonly name: string
  /** Opens the connection to the gateway. */
  readonly openPort: Effect.Effect<PacketPortService, never, Scope.Scope>
  /** The document of the current epoch, as soon as there is one. */
  readonly awaitDocument: Effect.Effect<Document>
  /** Seals capabilities and inputs in the journal, 32 bytes. */
  readonly journalKey: Uint8Array
}

const SESSION_LOOK_MS = 1_000

const failed = ({ detail, reason, step }: JobFailed): InferenceFailed => new InferenceFailed({ step, reason, detail })

/** The events of some work as a stream; who stops reading interrupts the work. Events are bounded by the boxes of the job. */
const eventsOf = (work: (listener: Listener) => Effect.Effect<void, JobFailed>): Stream.Stream<ClientEvent, InferenceFailed> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const events = yield* Mailbox.make<ClientEvent, InferenceFailed>()
    yield* work((event) => Effect.asVoid(events.offer(event))).pipe(Effect.mapError(failed), Mailbox.into(events), Effect.forkScoped)
    return Mailbox.toStream(events)
  }))

const offered = ({ cardBytes, profiles, service }: Offer) => ({
  service: service.name,
  card: cardBytes,
  profiles: profiles.map(({ bucket, id, inputClass, outputClass, staged }) => ({ id, inputClass, outputClass, bucket, staged }))
})

/** Fails as soon as no session is open any more. */
const watchSessions = (pool: SessionPoolService): Effect.Effect<never, SessionClosed> =>
  Effect.suspend(() => (pool.sessions.every((session) => session.isClosed()) ? Effect.fail(new SessionClosed()) : Effect.void)).pipe(
    Effect.repeat(Schedule.spaced(SESSION_LOOK_MS)),
    Effect.zipRight(Effect.never)
  )

/** What the loops of all sessions have shown. */
const loopReport = ({ sessions }: SessionPoolService) =>
  Effect.map(Effect.forEach(sessions, ({ statistics }) => statistics), (all) => ({
    returned: all.reduce((sum, { decoysReturned }) => sum + decoysReturned, 0),
    lost: all.reduce((sum, { decoysLost }) => sum + decoysLost, 0),
    lateMs: all.reduce((sum, { decoyLateMs }) => sum + decoyLateMs, 0)
  }))

/**
 * The estimate for a job, from the document in force and the loops so far. It sends nothing and reads nothing from elsewhere, and takes a moment that is the
 * same for every job, so nobody outside sees that it was asked for.
 */
const estimate = (
  { crypto }: ClientConfig, pool: SessionPoolService, request: Pick<JobRequest, "model" | "bucket">
): Effect.Effect<JobEstimate, JobFailed, PkiView> =>
  Effect.gen(function*() {
    const document = yield* documentOf({ pki: yield* PkiView }, "plan")
    const choices = yield* choicesFor(crypto, document, request)
    const loops = yield* loopReport(pool)
    const figures = documentFigures(document)
    return worstOf(choices.map(({ offer: { service }, profile }) => estimateJob({ figures, service, profile, sessions: pool.sessions.length, loops })))
  })

/** The workflow over one session of its own. */
const makeWorkflow = (config: ClientConfig) =>
  Effect.gen(function*() {
    const pki = yield* PkiView
    const entropy = yield* EntropySource
    const journal = yield* openClientJournal(config.crypto, { localKey: config.journalKey, entropy })
    const pool = yield* makeSessionPool([yield* config.openPort])
    yield* showMeasured("session_events_total", noticedBy(pool))
    yield* showMetric("loops_total", () => ({ ...pool.watch?.counts }))
    yield* showMetric("suspects", () => pool.watch?.suspectCount() ?? 0)
    yield* showMetric("lossy_segments", () => pool.watch?.lossySegmentCount() ?? 0)
    yield* showMetric("paused", () => (pool.watch?.isPaused() === true ? 1 : 0))
    const store = yield* Effect.provideService(makeBoxStore, SessionPool, pool)
    const workflow = yield* makeClientWorkflow({
      crypto: config.crypto, entropy, pki, store, exchange: pool.exchange, counters: pool.counters, journal, sessionCount: pool.sessions.length
    })
    return { pool, workflow }
  })

export const client = (config: ClientConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    yield* config.awaitDocument
    const { pool, workflow } = yield* makeWorkflow(config)
    const pki = yield* PkiView
    const run = (request: JobRequest) => eventsOf((listener) => workflow.infer(request, listener))
    yield* mount.serve(config.name, Client, Client.toLayer({
      Models: () => Effect.mapBoth(workflow.offers, { onFailure: failed, onSuccess: (offers) => offers.map(offered) }),
      Estimate: (request) => Effect.mapError(Effect.provideService(estimate(config, pool, request), PkiView, pki), failed),
      Infer: run,
      Upload: (request) => Effect.mapBoth(workflow.upload(request), { onFailure: failed, onSuccess: (input) => ({ input }) }),
      Dispatch: ({ input }) => Effect.mapBoth(workflow.dispatch(input), { onFailure: failed, onSuccess: (ticket) => ({ ticket }) }),
      Fetch: ({ ticket }) => eventsOf((listener) => workflow.fetch(ticket, listener)),
      Counters: () => pool.counters
    }))
    yield* Effect.addFinalizer(() => workflow.close)
    yield* workflow.resume
    yield* ready
    return yield* watchSessions(pool)
  })
