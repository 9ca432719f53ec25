/**
 * Goal: the actor from its start to an accepted dispatch: what it publishes, what it answers, what a restart keeps.
 * Method: a queue host in memory, a directory that collects descriptors, no network behind the sessions; virtual time.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Exit, Fiber, Layer, Option, Queue, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { compute, type ComputeConfig } from "../../../actors/compute/compute.ts"
import { makeJobKeys } from "../../../actors/compute/job-keys.ts"
import { Compute } from "../../../actors/compute/protocol.ts"
import { ComputeRefused } from "../../../actors/compute/start-check.ts"
import { ServiceNode } from "../../../actors/service-node/protocol.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../src/actor/mount-memory.ts"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { openReply } from "../../../src/inference/dispatch-reply.ts"
import { padMessage, sealDispatch } from "../../../src/inference/dispatch-seal.ts"
import { emptyTokenArea } from "../../../src/inference/dispatch.ts"
import { newJobCapabilities } from "../../../src/inference/job-capabilities.ts"
import { JournalFile, memoryJournal } from "../../../src/inference/journal-file.ts"
import { decodeQueueFrame, encodeQueueFrame } from "../../../src/inference/queue-frame.ts"
import { encodeReadCap, encodeWriteCap } from "../../../src/bacap/capability.ts"
import { modelIdHash } from "../../../src/model/card.ts"
import { ModelHost } from "../../../src/model/model-host.ts"
import { nodeIdOf, openDescriptor, type ComputeDescriptor } from "../../../src/pki/descriptor.ts"
import { Directory } from "../../../src/pki/directory.ts"
import type { Document } from "../../../src/pki/document.ts"
import { makeIdentity } from "../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../src/pki/pki-view.ts"
import { makeGeometry, recipientId } from "../../../src/sphinx/geometry.ts"
import { topology } from "../../../topologies/tiny.ts"
import { CARD } from "../inference/compute-bench.ts"
import { crypto } from "../inference/sample-job.ts"
import { runVirtual } from "../session/virtual-time.ts"

const params = topology.params
const geometry = Either.getOrThrow(makeGeometry(params.geometry))
const card = { ...CARD, profiles: [0], maxComputeMs: 100 }
/** Without cover jobs: there is no storage in these tests that could take their uploads. */
const plan = {
  ...topology.computes[0]!,
  profiles: topology.computes[0]!.profiles.map((profile) => ({ ...profile, coverJobs: 0 })),
  models: [{ id: card.id, profiles: [0] }]
}
const identity = makeIdentity(crypto, "compute-0", new Uint8Array(32).fill(1))
const serviceId = nodeIdOf(crypto, identity.publicKey)

const makeKept = () => ({
  journal: memoryJournal(),
  journalKey: new Uint8Array(32).fill(2),
  jobKeys: makeJobKeys(crypto, params, params.dispatchSuite, seededEntropy(1, "job-keys")),
  resultSeed: new Uint8Array(32).fill(3)
})

/** A host whose queue the test fills and whose answers it collects; started in the caller's scope. */
const host = Effect.gen(function* () {
  const mount = yield* Mount
  const frames = yield* Queue.unbounded<Uint8Array>()
  const answers = yield* Queue.unbounded<Uint8Array>()
  yield* mount.serve("service-node-0", ServiceNode, ServiceNode.toLayer({
    Forward: () => Effect.void,
    QueueDeliveries: () => Stream.fromQueue(frames),
    QueueAnswer: ({ frame }) => Effect.sync(() => {
      const opened = Either.getOrThrow(decodeQueueFrame(frame, geometry.userPayloadBytes))
      if (opened._tag === "Answer") Queue.unsafeOffer(answers, opened.reply)
    })
  }))
  return { frames, answers }
})

/** A life of the service with what it keeps; gives the descriptors it posted. */
const start = (kept: ReturnType<typeof makeKept>, change: Partial<ComputeConfig> = {}) =>
  Effect.gen(function* () {
    const posted: Array<Uint8Array> = []
    const queueId = recipientId("inbox")
    const config: ComputeConfig = {
      crypto, params, geometry, authorityKeys: [new Uint8Array(32)], authorityThreshold: 1, identity, plan,
      queues: [{ serviceNode: "service-node-0", serviceNodeId: new Uint8Array(32).fill(8), endpoint: "queue-0" }],
      openPort: () => Effect.succeed({ gateway: nodeIdOf(crypto, identity.publicKey), queueId, send: () => true, receive: () => Effect.never }),
      awaitDocument: Effect.succeed({} as Document), ...kept, ...change
    }
    const up = yield* Effect.makeLatch(false)
    const life = compute(config)(up.open).pipe(
      Effect.scoped,
      Effect.provideService(Crypto, crypto),
      Effect.provideService(EntropySource, seededEntropy(4, "entropy")),
      Effect.provideService(JournalFile, kept.journal),
      Effect.provideService(ModelHost, { cards: [card], models: [], run: () => Effect.never }),
      Effect.provideService(PkiView, { current: Effect.fail(new NoDocument()), held: () => undefined, forEpoch: () => Effect.succeed(Option.none()) }),
      Effect.provideService(Directory, {
        postDescriptor: (_epoch, bytes) => Effect.sync(() => posted.push(bytes)).pipe(Effect.as(1)), getConsensus: () => Effect.succeed([]),
        withdraw: () => Effect.succeed(0)
      })
    )
    const fiber = yield* Effect.fork(life)
    return { fiber, posted, up: Effect.zipRight(up.await, Effect.sleep(10)) }
  })

const scenario = <A, E>(body: Effect.Effect<A, E, Mount>): A =>
  runVirtual(Effect.scoped(Effect.flatMap(Layer.build(layerMountMemory()), (context) => Effect.provideService(body, Mount, Context.get(context, Mount)))).pipe(
    Effect.withRandom(randomFromEntropy(seededEntropy(5, "random"))),
    Effect.orDie
  ))

const descriptorOf = (bytes: Uint8Array | undefined): ComputeDescriptor => {
  const descriptor = Either.getOrThrow(openDescriptor(crypto, bytes ?? new Uint8Array(0)))
  if (descriptor.kind !== "compute") throw new Error("other kind")
  return descriptor
}

/** Seals a dispatch for the current epoch, as a client of the document would. */
const sealFor = (descriptor: ComputeDescriptor, seed: number, nowMs: number) => {
  const caps = newJobCapabilities(crypto, seededEntropy(seed, "job"))
  const target = { suite: params.dispatchSuite, jobPublicKey: descriptor.jobKeys.get(descriptor.epoch) ?? new Uint8Array(0), serviceId }
  return Either.getOrThrow(sealDispatch(crypto, target, {
    staged: false, attested: false, bucket: 1, inputClass: 0, outputClass: 0, notAfterMs: (Math.floor(nowMs / params.quantumMs) + 8) * params.quantumMs,
    jobId: caps.jobId, modelIdHash: modelIdHash(crypto, descriptor.models[0]!), modelVersion: card.version,
    inputReadCap: encodeReadCap(caps.inputReadCap), outputWriteCap: encodeWriteCap(caps.outputWriteCap), tokenArea: emptyTokenArea(params.dispatchSuite)
  }, seededEntropy(seed, "seal")))
}

describe("the compute service", () => {
  it("publishes what clients need, accepts a dispatch, and keeps its promise and its keys over a crash", () => {
    scenario(Effect.scoped(Effect.gen(function* () {
      const mount = yield* Mount
      const { answers, frames } = yield* host
      const kept = makeKept()
      const ask = (sealed: ReturnType<typeof sealFor>) => Effect.gen(function* () {
        const dispatch = padMessage(sealed.message, geometry.userPayloadBytes)
        yield* Queue.offer(frames, encodeQueueFrame({ _tag: "Deliver", queryId: new Uint8Array(16).fill(1), dispatch }, geometry.userPayloadBytes))
        const reply = yield* Queue.take(answers)
        return Either.getOrThrow(openReply(crypto, sealed.replyKey, serviceId, reply))
      })
      const first = yield* start(kept)
      yield* first.up
      const descriptor = descriptorOf(first.posted[0])
      expect(descriptor).toMatchObject({
        name: "compute-0", deadlinesQuanta: [2, 3, 5, 10], profiles: plan.profiles, releaseWindowMs: plan.releaseWindowMs,
        queues: [{ serviceNodeId: new Uint8Array(32).fill(8), endpoint: "queue-0" }], resultKey: crypto.ed25519PublicKey(kept.resultSeed)
      })
      expect([...descriptor.jobKeys.values()].map((key) => key.length)).toEqual([1216, 1216])
      const sealed = sealFor(descriptor, 1, yield* Clock.currentTimeMillis)
      const accepted = yield* ask(sealed)
      expect(accepted).toMatchObject({ _tag: "Accepted" })
      const operator = yield* mount.connect("operator", "compute-0", Compute)
      expect(yield* operator.Status(undefined)).toMatchObject({ ready: true, admitted: 1, rejected: 0, draining: false })
      yield* Fiber.interrupt(first.fiber)

      const second = yield* start(kept)
      yield* second.up
      expect(descriptorOf(second.posted[0]).jobKeys).toEqual(descriptor.jobKeys)
      expect(yield* ask(sealed)).toEqual(accepted)
      expect(yield* operator.Status(undefined)).toMatchObject({ admitted: 0 })
      const draining = yield* Effect.fork(operator.Drain(undefined))
      yield* Effect.sleep(10)
      expect(yield* ask(sealFor(descriptor, 2, yield* Clock.currentTimeMillis))).toMatchObject({ _tag: "Rejected", reason: 8 })
      expect(yield* Fiber.poll(draining)).toEqual(Option.none())
      yield* Fiber.interrupt(draining)
      yield* Fiber.interrupt(second.fiber)
    })))
  })

  it("refuses to start with a plan that does not fit, and names the field", () => {
    scenario(Effect.gen(function* () {
      const refusals = [{ ...plan, sessions: 3 }, { ...plan, sessions: 5, profiles: topology.computes[0]!.profiles }]
      const fields = yield* Effect.forEach(refusals, (changed) => Effect.gen(function* () {
        const { fiber, posted } = yield* start(makeKept(), { plan: changed })
        const error = yield* Effect.flip(Fiber.join(fiber))
        expect(posted).toEqual([])
        return error instanceof ComputeRefused ? error.field : "other"
      }))
      expect(fields).toEqual(["sessions", "sessions"])
    }))
  })

  it("does not start over a journal that is not what was written", () => {
    scenario(Effect.gen(function* () {
      const { fiber } = yield* start({ ...makeKept(), journal: memoryJournal(new Uint8Array(100).fill(1)) })
      expect(Exit.isFailure(yield* Fiber.await(fiber))).toBe(true)
      const error = yield* Effect.flip(Fiber.join(fiber))
      expect(error).toMatchObject({ _tag: "JournalCorrupt" })
    }))
  })
})
