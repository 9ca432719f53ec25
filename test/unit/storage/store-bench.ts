/**
 * A store over one session on the fake network, for the storage tests.
 *
 * Goal: one line per test to get a running store in virtual time with seeded randomness.
 * Method: see `fake-network.ts` and `fake-storage.ts`.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { newWriteCap } from "../../../src/bacap/capability.ts"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import { EntropySource, randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { PkiView } from "../../../src/pki/pki-view.ts"
import { makeSessionPool, SessionPool, type SessionPoolService } from "../../../src/session/session-pool.ts"
import { BoxStore, makeBoxStore } from "../../../src/storage/box-store.ts"
import { crypto, type FakeNetwork, type FakeNetworkOptions, makeFakeNetwork } from "../session/fake-network.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { type FakeStorage, makeFakeStorage, type StorageScript } from "./fake-storage.ts"

export const WRITE_CAP = newWriteCap(crypto, seededEntropy("store bench", "cap"))

export interface StoreBench {
  readonly network: FakeNetwork
  readonly storage: FakeStorage
  readonly pool: SessionPoolService
}

export interface StoreBenchOptions {
  readonly script?: StorageScript
  readonly network?: Omit<FakeNetworkOptions, "service">
  readonly replicaCount?: number
  readonly seed?: number
}

export const withStore = <A, E>(
  options: StoreBenchOptions,
  body: (bench: StoreBench) => Effect.Effect<A, E, BoxStore | Scope.Scope>
): A =>
  runVirtual(
    Effect.gen(function* () {
      const storage = makeFakeStorage(options.script, options.replicaCount)
      const network = yield* makeFakeNetwork({ ...options.network, service: storage.service })
      network.document = storage.listIn(network.document!)
      const provide = <B, E2>(effect: Effect.Effect<B, E2, PkiView | Crypto | Scope.Scope>) =>
        effect.pipe(Effect.provideService(PkiView, network.pki), Effect.provideService(Crypto, crypto))
      const pool = yield* provide(makeSessionPool([network.port]))
      const store = yield* provide(Effect.provideService(makeBoxStore, SessionPool, pool))
      return yield* Effect.provideService(body({ network, storage, pool }), BoxStore, store)
    }).pipe(
      Effect.scoped,
      Effect.provideService(EntropySource, seededEntropy(options.seed ?? 1, "store bench")),
      Effect.withRandom(randomFromEntropy(seededEntropy(options.seed ?? 1, "store bench random")))
    )
  )
