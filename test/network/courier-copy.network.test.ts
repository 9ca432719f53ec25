/**
 * Goal: a copy commanded by a client ends with the boxes at their readers, in a network that masks outer codes.
 * Method: a brisk network in virtual time with real crypto; a guest writes and commands through the mix network, and another reads.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { newWriteCap, readCapOf } from "../../src/bacap/capability.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { SessionPool } from "../../src/session/session-pool.ts"
import { BoxStore } from "../../src/storage/box-store.ts"
import { deriveIndexes, readSlots, windowCountFor } from "../../src/storage/box-stream.ts"
import { copyBoxes } from "../../src/storage/copy-run.ts"
import { briskParams, briskTopology, inNetwork, join, within } from "./brisk-network.ts"

const LIMIT_MS = 120_000

describe("a copy", () => {
  it("brings every box to its reader, and says which box was taken when it was commanded with other content", async () => {
    await inNetwork(briskTopology([], { computes: [], clients: 0 }), {}, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const { crypto } = net.setting
      const { document, pool, store } = yield* join(net, "guest", 2)
      const writeCap = newWriteCap(crypto, systemEntropy)
      const indexes = Either.getOrThrow(deriveIndexes(crypto, writeCap, 3))
      const windowCount = windowCountFor(briskParams, 2)
      const pki = { current: Effect.succeed(document), held: () => document, forEpoch: () => Effect.succeedNone }
      const copy = (first: number) =>
        copyBoxes(indexes.map((index, at) => ({ writeCap, index, plaintext: Uint8Array.of(first, at) })), { windowCount }).pipe(
          Effect.provideService(BoxStore, store), Effect.provideService(SessionPool, pool), Effect.provideService(Crypto, crypto),
          Effect.provideService(PkiView, pki), Effect.either
        )
      expect(yield* copy(1)).toEqual(Either.right(undefined))
      const reader = yield* join(net, "reader", 2)
      const fates = yield* Effect.provideService(
        readSlots(readCapOf(writeCap), indexes, [0, 1, 2], { windowCount, retryMisses: true, missPauseMs: 500 }), BoxStore, reader.store)
      expect([0, 1, 2].map((slot) => fates.get(slot))).toEqual([0, 1, 2].map((at) => Uint8Array.of(1, at)))
      const again = yield* copy(2)
      expect(Either.isLeft(again) && again.left).toMatchObject({ _tag: "CopyFailed", reason: "refused", replicaCode: 10, failedEnvelopeIndex: 1n })
    })))
  }, 4 * LIMIT_MS)
})
