/**
 * A small and brisk network for the tests of this folder, and what a person does with it.
 *
 * One mix layer and one compute service that takes one small job a quantum: about 70 packets a second, and seven seconds of virtual time for an inference.
 *
 * @module
 */
import { Cause, Effect, Either, type Scope, Stream } from "effect"
import { launch, type LaunchOptions, type Network } from "../../actors/launch.ts"
import { connectThroughGateway } from "../../actors/directory-client.ts"
import { openPacketPort } from "../../actors/packet-port.ts"
import type { InferenceEvent, InferenceFailed } from "../../actors/client/protocol.ts"
import type { MountError } from "../../src/actor/actor.ts"
import { Mount } from "../../src/actor/mount.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { randomFromEntropy, systemEntropy } from "../../src/crypto/entropy.ts"
import { numbersOf, tensorOf, type Tensor } from "../../src/model/tensor.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { nodeIdOf } from "../../src/pki/descriptor.ts"
import { Directory } from "../../src/pki/directory.ts"
import { makeDirectoryView } from "../../src/pki/directory-view.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { makeSessionPool, SessionPool } from "../../src/session/session-pool.ts"
import { makeBoxStore } from "../../src/storage/box-store.ts"
import { network, type NetworkChoice } from "../../src/topology/builder.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { runVirtually } from "./virtual-run.ts"

export const briskParams: MixnetParams = {
  ...tinyParams, muPerMs: 0.1, lambdaPPerMs: 0.032, lambdaLPerMs: 0.001, lambdaRPerMs: 0.012, quantumMs: 1000, answerMs: 500, sendSlackMs: 2000,
  mixLayers: 1, geometry: { ...tinyParams.geometry, hopCount: 3 }
}

/** One service for small jobs; the models that a test needs. */
export const briskTopology = (
  models: ReadonlyArray<string>, choice: Partial<NetworkChoice> = {}, deadlinesMs: ReadonlyArray<number> = [2000, 4000, 6000]
): Topology =>
  network({
    name: "brisk",
    params: briskParams,
    serviceNodes: [{ couriers: 2 }],
    computes: [{
      deadlinesMs,
      releaseWindowMs: 1000,
      profiles: [{ id: 0, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum: 1, coverJobs: 0 }],
      workers: 2,
      models: models.map((id) => ({ id, profiles: [0] }))
    }],
    ...choice
  })

/**
 * Runs a test in a network of its own, in virtual time, which ends with it. Randomness is the system's unless the options say otherwise.
 * @param jumpFactor  1 for models that take their time: the clock is then never faster than the real one
 */
export const inNetwork = <A, E>(
  topology: Topology, options: LaunchOptions & { readonly jumpFactor?: number }, use: (network: Network) => Effect.Effect<A, E, Scope.Scope>
): Promise<A> =>
  runVirtually(
    Effect.scoped(Effect.flatMap(launch(topology, options), use)).pipe(Effect.withRandom(randomFromEntropy(systemEntropy))),
    options.jumpFactor
  )

/** What affine is asked in these tests, and the only right answer. */
export const affineInput = (first: number): Tensor => Either.getOrThrow(tensorOf("x", "f32", [1, 4], [first, 2, 3, 4]))
export const affineAnswer = (first: number): ReadonlyArray<number> => [2 * first + 1, 5, 7, 9]

/** How a job ended: numbers, or the failure that the client tells. */
export type Ending =
  | { readonly _tag: "Answer"; readonly outputs: ReadonlyArray<Tensor>; readonly numbers: ReadonlyArray<number>; readonly overflow: number }
  | { readonly _tag: "Failure"; readonly step: string; readonly reason: string }

/** The last word of a stream of events. A stream that ends without answer or failure, or a call that gets lost, fails the test. */
export const endingOf = (
  events: Stream.Stream<InferenceEvent, InferenceFailed | MountError>, onEvent: (event: InferenceEvent) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<Ending> =>
  Stream.tap(events, onEvent).pipe(
    Stream.runLast,
    Effect.flatten,
    Effect.flatMap((last): Effect.Effect<Ending> => last._tag === "Answered"
      ? Effect.succeed({
        _tag: "Answer", outputs: last.outputs as ReadonlyArray<Tensor>, numbers: numbersOf(last.outputs[0] as Tensor), overflow: last.overflow
      })
      : Effect.die(new Error(`events end with ${last._tag}`))),
    Effect.catchTag("InferenceFailed", ({ reason, step }) => Effect.succeed<Ending>({ _tag: "Failure", step, reason })),
    Effect.orDie
  )

/** One inference with affine. */
export const askAffine = (net: Network, first: number, onEvent?: (event: InferenceEvent) => Effect.Effect<void>, client?: string) =>
  Effect.scoped(Effect.flatMap(net.client(client), (person) =>
    endingOf(person.Infer({ model: "affine", inputs: [affineInput(first)] }), onEvent)))

/** Fails the test when something takes so long that a person would call it hung. */
export const within = (limitMs: number) => <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.timeoutFailCause(work, { duration: limitMs, onTimeout: () => Cause.die(new Error(`no end within ${limitMs} ms`)) })

/** Somebody who joins with sessions of their own, beside all actors: a store over the mix network, and the document in force. */
export const join = (net: Network, name: string, sessionCount: number) =>
  Effect.gen(function* () {
    const directory = yield* connectThroughGateway(name, "gateway-0")
    const view = yield* Effect.provideService(makeDirectoryView({ ...net.setting, threshold: net.setting.authorityThreshold }), Directory, directory)
    const document = yield* view.awaitDocument
    const identityKey = document.gateways[0]!.identityKey
    const ports = yield* Effect.replicateEffect(openPacketPort(name, { name: "gateway-0", nodeId: nodeIdOf(net.setting.crypto, identityKey) }), sessionCount)
    const pool = yield* Effect.provideService(makeSessionPool(ports), PkiView, view)
    const store = yield* makeBoxStore.pipe(Effect.provideService(SessionPool, pool), Effect.provideService(PkiView, view))
    return { document, pool, store }
  }).pipe(Effect.provideService(Mount, net.mount), Effect.provideService(Crypto, net.setting.crypto))
