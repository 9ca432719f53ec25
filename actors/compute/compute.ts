/**
 * A compute service: takes jobs out of the mix network, runs them, and stores what they gave at public instants.
 *
 * Contract: starts only when its plan fits the network and its models; publishes itself for every epoch; everything it promised survives a
 * crash in the journal and the job keys that are handed in. Jobs never reach it but through its queue hosts.
 * Source: funion.md §1, §2, §6.1, §6.3, §7 (O1), §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { forkLoop } from "../../src/actor/loop.ts"
import { showMeasured, showMetric } from "../../src/actor/meter.ts"
import { Mount } from "../../src/actor/mount.ts"
import { EntropySource } from "../../src/crypto/entropy.ts"
import { answerDispatch, type AdmissionRules, type AdmissionSetting } from "../../src/inference/compute-admission.ts"
import { openComputeJournal } from "../../src/inference/compute-journal.ts"
import { publishedCards, type PublishedCard } from "../../src/inference/compute-run.ts"
import type { ComputeCounters, ComputeSetting } from "../../src/inference/compute-state.ts"
import { makeComputeWorkflow, type ComputeWorkflow } from "../../src/inference/compute-workflow.ts"
import { ModelHost } from "../../src/model/model-host.ts"
import { boxPlaintextBytes } from "../../src/params/mixnet-params.ts"
import { COMPUTE_DESCRIPTOR_VERSION, nodeIdOf, signDescriptor } from "../../src/pki/descriptor.ts"
import type { Document } from "../../src/pki/document.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { publishDescriptors } from "../../src/pki/publish.ts"
import type { PacketPortService } from "../../src/session/packet-port.ts"
import { makeSessionPool, noticedBy, poolOf, SessionPool, type SessionPoolService } from "../../src/session/session-pool.ts"
import { BoxStore, makeBoxStore, meanRoundTripMs } from "../../src/storage/box-store.ts"
import { windowCountFor } from "../../src/storage/box-stream.ts"
import { deadlinesQuantaOf, type ComputeActor } from "../../src/topology/topology.ts"
import { ServiceNode } from "../service-node/protocol.ts"
import type { JobKeys } from "./job-keys.ts"
import { Compute, ComputeStatus } from "./protocol.ts"
import { serveQueueLink } from "./queue-link.ts"
import { checkStart, ComputeRefused } from "./start-check.ts"

/** Where one of the service's dispatch queues is. */
export interface QueuePlace {
  /** Actor name of the queue host. */
  readonly serviceNode: string
  /** Its node id, 32 bytes. */
  readonly serviceNodeId: Uint8Array
  readonly endpoint: string
}

export interface ComputeConfig extends NetworkSetting {
  readonly identity: Identity
  readonly plan: ComputeActor
  readonly queues: ReadonlyArray<QueuePlace>
  /** Opens the connection of one session. */
  readonly openPort: (sessionIndex: number) => Effect.Effect<PacketPortService, never, Scope.Scope>
  readonly awaitDocument: Effect.Effect<Document>
  /** Seals the journal, 32 bytes; lives as long as it. */
  readonly journalKey: Uint8Array
  /** Lives as long as the journal. */
  readonly jobKeys: JobKeys
  /** Ed25519 seed of attested results, 32 bytes. */
  readonly resultSeed: Uint8Array
}

const publish = (config: ComputeConfig, cards: ReadonlyArray<PublishedCard>) =>
  publishDescriptors(config.params, config.authorityKeys.length, (epoch) =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      const { crypto, identity, params, plan } = config
      return signDescriptor(crypto, identity.seed, {
        kind: "compute",
        name: identity.name,
        version: COMPUTE_DESCRIPTOR_VERSION,
        epoch,
        ...identity.announced,
        jobKeys: config.jobKeys.publicKeys(epoch, nowMs),
        resultKey: crypto.ed25519PublicKey(config.resultSeed),
        queues: config.queues.map(({ endpoint, serviceNodeId }) => ({ serviceNodeId, endpoint })),
        deadlinesQuanta: deadlinesQuantaOf(params, plan),
        releaseWindowMs: plan.releaseWindowMs,
        sealBeforeEdgeMs: params.sealBeforeEdgeMs,
        profiles: plan.profiles,
        tokenIssuers: new Map(),
        models: cards.map(({ bytes }) => bytes)
      })
    }))

const settingOf = (config: ComputeConfig): ComputeSetting => {
  const { crypto, params, plan } = config
  return {
    crypto,
    quantumMs: params.quantumMs,
    sealBeforeEdgeMs: params.sealBeforeEdgeMs,
    releaseWindowMs: plan.releaseWindowMs,
    epochPeriodMs: params.epochPeriodMs,
    boxBytes: boxPlaintextBytes(params),
    workers: plan.workers,
    windowCount: windowCountFor(params, plan.sessions),
    missPauseMs: meanRoundTripMs(params),
    serviceId: nodeIdOf(crypto, config.identity.publicKey),
    resultSeed: config.resultSeed
  }
}

/** Storage over sessions of the service's own, as any client has them: over all of them, and over each. */
const openStore = (config: ComputeConfig) =>
  Effect.gen(function*() {
    const ports = yield* Effect.forEach(Array.from({ length: config.plan.sessions }, (_, index) => index), config.openPort)
    const pool = yield* makeSessionPool(ports)
    yield* showMeasured("session_events_total", noticedBy(pool))
    yield* showMetric("loops_total", () => ({ ...pool.watch?.counts }))
    yield* showMetric("suspects", () => pool.watch?.suspectCount() ?? 0)
    yield* showMetric("lossy_segments", () => pool.watch?.lossySegmentCount() ?? 0)
    yield* showMetric("paused", () => (pool.watch?.isPaused() === true ? 1 : 0))
    const over = (sessions: SessionPoolService) => Effect.provideService(makeBoxStore, SessionPool, sessions)
    return { whole: yield* over(pool), parts: yield* Effect.forEach(pool.sessions, (session) => over(poolOf([session]))) }
  })

const showCounters = (counters: ComputeCounters) =>
  Effect.all([
    showMetric("dispatches_total", () =>
      ({ admitted: counters.admitted, repeated: counters.repeated, rejected: counters.rejected, unreadable: counters.unreadable })),
    showMetric("cover_jobs_total", () =>
      ({ admitted: counters.cover, missing: counters.coverMissing, read: counters.coverRead, unread: counters.coverUnread })),
    showMetric("releases_total", () => counters.released),
    showMetric("alarms_total", () => counters.alarms)
  ], { discard: true })

/** The links to all queue hosts, for ever. */
const serveQueues = (config: ComputeConfig, workflow: ComputeWorkflow, admission: AdmissionSetting) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const links = config.queues.map(({ endpoint, serviceNode }) =>
      Effect.flatMap(mount.connect(config.identity.name, serviceNode, ServiceNode), (client) =>
        serveQueueLink({ ...config, client, endpoint, answer: (dispatch) => answerDispatch(workflow.state, admission, dispatch) })))
    return yield* Effect.zipRight(Effect.all(links, { concurrency: "unbounded", discard: true }), Effect.never)
  })

const check = (config: ComputeConfig) =>
  Effect.gen(function*() {
    const { cards } = yield* ModelHost
    const [problem] = checkStart(config.params, config.plan, cards)
    return problem === undefined ? publishedCards(config.crypto, cards) : yield* new ComputeRefused(problem)
  })

/** @errors ComputeRefused names the field; a journal that is not what was written, or cannot be; the end of all sessions */
export const compute = (config: ComputeConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const entropy = yield* EntropySource
    const cards = yield* check(config)
    yield* forkLoop("publication", config.identity.name, publish(config, cards))
    yield* config.awaitDocument
    const stores = yield* openStore(config)
    const journal = yield* openComputeJournal(config.crypto, { localKey: config.journalKey, entropy })
    let draining = false
    const rules: AdmissionRules = {
      suite: config.params.dispatchSuite,
      deadlinesQuanta: deadlinesQuantaOf(config.params, config.plan),
      profiles: config.plan.profiles,
      cards,
      draining: () => draining
    }
    const workflow = yield* makeComputeWorkflow(settingOf(config), journal, cards, {
      params: config.params, rules, releaseWindowMs: config.plan.releaseWindowMs, stores: stores.parts, entropy
    })
    const admission: AdmissionSetting = {
      ...rules, candidates: (nowMs) => config.jobKeys.candidates(nowMs), openQuantum: workflow.openQuantum, entropy
    }
    const { counters } = workflow.state
    yield* showCounters(counters)
    yield* mount.serve(config.identity.name, Compute, Compute.toLayer({
      Status: () => Effect.sync(() => new ComputeStatus({
        ready: true, draining, admitted: counters.admitted, rejected: counters.rejected, released: counters.released, alarms: counters.alarms
      })),
      Drain: () => Effect.suspend(() => {
        draining = true
        return workflow.idle
      })
    }))
    const loops = [
      Effect.provideService(workflow.run, BoxStore, stores.whole), serveQueues(config, workflow, admission), Effect.zipRight(workflow.covered, ready)
    ]
    return yield* Effect.zipRight(Effect.all(loops, { concurrency: "unbounded", discard: true }), Effect.never)
  })
