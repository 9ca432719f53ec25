/**
 * One stream of boxes uploaded and fetched by the client's own code, over real actors and real crypto, timed.
 *
 * Contract: a network of its own for every run: gateway, mixes, service node with couriers, replicas; no compute service, and one client with some sessions
 * that does nothing else. What is read is what was written, or the run dies. Everything is drawn from the seed.
 * Knows nothing of: clocks (virtual or real), medians, what a good figure is.
 * Source: pigeonhole.md §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, type Scope } from "effect"
import { connectThroughGateway } from "../actors/directory-client.ts"
import { launch, type LaunchOptions, type Network } from "../actors/launch.ts"
import { openPacketPort } from "../actors/packet-port.ts"
import { Mount } from "../src/actor/mount.ts"
import { encodeWriteCap, newWriteCap, readCapOf, type WriteCap } from "../src/bacap/capability.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, seededEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { readRelease, type OutputStream } from "../src/inference/client-fetch.ts"
import { uploadInput } from "../src/inference/client-upload.ts"
import { sealRelease } from "../src/inference/release-record.ts"
import { payloadBytesOfClass } from "../src/inference/slots.ts"
import { CONTENT_TYPES, outputTag } from "../src/inference/stream-manifest.ts"
import { boxPlaintextBytes, type MixnetParams } from "../src/params/mixnet-params.ts"
import { boxesOfClass } from "../src/params/size-class.ts"
import { nodeIdOf } from "../src/pki/descriptor.ts"
import { Directory } from "../src/pki/directory.ts"
import { makeDirectoryView } from "../src/pki/directory-view.ts"
import { PkiView } from "../src/pki/pki-view.ts"
import { makeSessionPool, SessionPool } from "../src/session/session-pool.ts"
import { makeBoxStore } from "../src/storage/box-store.ts"
import { network, type NetworkChoice } from "../src/topology/builder.ts"

export interface TransferChoice {
  readonly params: MixnetParams
  /** Class of the stream: how many boxes. */
  readonly classId: number
  readonly sessionCount: number
  readonly seed: number
  readonly topology?: Partial<NetworkChoice>
  readonly backend: NonNullable<LaunchOptions["backend"]>
  readonly tap?: LaunchOptions["tap"]
}

/** What one direction took. */
export interface Transfer {
  readonly elapsedMs: number
  /** Packets with a request, over all sessions. */
  readonly requestCount: number
  /** Packets of both streams, decoys among them. */
  readonly sentCount: number
}

export interface TransferRun {
  readonly boxCount: number
  readonly upload: Transfer
  readonly fetch: Transfer
  /** The payload, as it was read. */
  readonly payload: Uint8Array
}

/** The name that the packets of the client carry in a tap. */
export const TRANSFER_CLIENT = "transfer"
/** Between the start of the sessions and the transfer: everybody has a document and links. */
const SETTLE_MS = 2_000
/** So long ago is the edge of the release that is read that the first poll is due at once. */
const EDGE_AGO_MS = 86_400_000

/** Time of the λP ticks that carry the packets of so many boxes. */
export const transferFloorMs = ({ lambdaPPerMs }: Pick<MixnetParams, "lambdaPPerMs">, boxCount: number, sessionCount: number): number =>
  (2 * boxCount) / (lambdaPPerMs * sessionCount)

/** Joins the network beside its actors. */
const join = (net: Network, sessionCount: number) =>
  Effect.gen(function* () {
    const directory = yield* connectThroughGateway(TRANSFER_CLIENT, "gateway-0")
    const view = yield* Effect.provideService(makeDirectoryView({ ...net.setting, threshold: net.setting.authorityThreshold }), Directory, directory)
    const document = yield* view.awaitDocument
    const gateways = document.gateways.map(({ identityKey, name }) => ({ name, nodeId: nodeIdOf(net.setting.crypto, identityKey) }))
    const ports = yield* Effect.forEach(Array.from({ length: sessionCount }, (_, index) => gateways[index % gateways.length]), (gateway) =>
      gateway === undefined ? Effect.die(new RangeError("a document without gateways")) : openPacketPort(TRANSFER_CLIENT, gateway))
    const pool = yield* Effect.provideService(makeSessionPool(ports), PkiView, view)
    const store = yield* makeBoxStore.pipe(Effect.provideService(SessionPool, pool), Effect.provideService(PkiView, view))
    return { pool, store }
  }).pipe(Effect.provideService(Mount, net.mount), Effect.provideService(Crypto, net.setting.crypto))

/** A release that fills its class. */
const fullRelease = (net: Network, { classId, params }: TransferChoice, entropy: Entropy) => {
  const boxBytes = boxPlaintextBytes(params)
  const jobId = entropy(32)
  const payload = entropy(payloadBytesOfClass(boxBytes, classId))
  const place = { boxBytes, classId, jobId, staged: false, releaseIndex: 0, releaseCount: 1, quantaToNext: 0 }
  const content = { contentType: CONTENT_TYPES.container, shape: undefined, payload }
  const slots = Either.getOrThrow(sealRelease(net.setting.crypto, place, { _tag: "Result", content }))
  return { payload, slots, tag: outputTag(net.setting.crypto, jobId) }
}

const outputOf = ({ classId, params }: TransferChoice, writeCap: WriteCap, tag: Uint8Array, nowMs: number): OutputStream => ({
  params, releaseWindowMs: 0, readCap: readCapOf(writeCap), outputClass: classId, outputTag: tag, edgesMs: [nowMs - EDGE_AGO_MS],
  card: undefined, attestedBy: undefined
})

const nothing = () => Effect.void

const transfer = (net: Network, choice: TransferChoice): Effect.Effect<TransferRun, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { crypto } = net.setting
    const entropy = seededEntropy(choice.seed, "transfer")
    const { pool, store } = yield* join(net, choice.sessionCount)
    const setting = { crypto, store, sessionCount: choice.sessionCount }
    const writeCap = newWriteCap(crypto, entropy)
    const { payload, slots, tag } = fullRelease(net, choice, entropy)
    yield* Effect.sleep(SETTLE_MS)
    const timed = <A, E>(work: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        const [startedMs, before] = yield* Effect.all([Clock.currentTimeMillis, pool.counters])
        const result = yield* work
        const [endedMs, after] = yield* Effect.all([Clock.currentTimeMillis, pool.counters])
        const sentCount = after.sent - before.sent
        return { result, took: { elapsedMs: endedMs - startedMs, sentCount, requestCount: sentCount - (after.decoys - before.decoys) } }
      })
    const planned = { inputWriteCap: encodeWriteCap(writeCap), inputSlots: slots }
    const { took: upload } = yield* timed(uploadInput(setting, planned, { params: choice.params, onWritten: nothing }))
    const nowMs = yield* Clock.currentTimeMillis
    const output = outputOf(choice, writeCap, tag, nowMs)
    const { result, took: fetch } = yield* timed(readRelease(setting, output, { releaseIndex: 0, endMs: nowMs, onEdge: Effect.void, onRead: nothing }))
    if (result.record._tag !== "Result" || !Buffer.from(result.record.content.payload).equals(payload)) throw new Error("what was read is not what was written")
    return { boxCount: boxesOfClass(choice.classId), upload, fetch, payload: result.record.content.payload }
  })

/** Starts a network, transfers once, and ends it. */
export const runTransfer = (choice: TransferChoice): Effect.Effect<TransferRun, unknown> => {
  const topology = network({ name: "transfer", params: choice.params, serviceNodes: [{ couriers: 2 }], computes: [], clients: 0, ...choice.topology })
  const { backend, seed, tap } = choice
  return Effect.scoped(Effect.flatMap(launch(topology, { backend, seed, ...(tap === undefined ? {} : { tap }) }), (net) => transfer(net, choice))).pipe(
    Effect.provideService(EntropySource, seededEntropy(seed, TRANSFER_CLIENT)),
    Effect.withRandom(randomFromEntropy(seededEntropy(seed, `${TRANSFER_CLIENT}/random`)))
  )
}
