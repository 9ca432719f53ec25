/**
 * Goal: a replica need not be there nor be trusted: jobs are answered without it, and storage alone gives back what was written.
 * Method: brisk networks in virtual time with real crypto; one replica of four is stopped, or replaced by an actor that answers garbage.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import type { Network } from "../../actors/launch.ts"
import { Replica } from "../../actors/replica/protocol.ts"
import { newWriteCap, readCapOf } from "../../src/bacap/capability.ts"
import { seededEntropy, systemEntropy } from "../../src/crypto/entropy.ts"
import { boxPlaintextBytes } from "../../src/params/mixnet-params.ts"
import { BoxStore } from "../../src/storage/box-store.ts"
import { deriveIndexes, readSlots, windowCountFor, writeSlots } from "../../src/storage/box-stream.ts"
import { affineAnswer, askAffine, briskParams, briskTopology, inNetwork, join, within } from "./brisk-network.ts"

const LIMIT_MS = 90_000

const lyingReplica = (net: Network, name: string) =>
  Effect.gen(function* () {
    yield* net.stop(name)
    const entropy = seededEntropy("garbage", name)
    let commandCount = 0
    const garbage = (frame: Uint8Array) =>
      Effect.sync(() => ({ frame: [entropy(frame.length), frame, new Uint8Array(frame.length), entropy(10)][commandCount++ % 4]! }))
    yield* net.mount.serve(name, Replica, Replica.toLayer({
      CourierCommand: ({ frame }) => garbage(frame), ReplicaCommand: ({ frame }) => garbage(frame)
    }))
  })

describe("a network", () => {
  it("answers with three of four replicas: the other is away for a while, or answers garbage", async () => {
    // a read that a liar answers is put again, some seconds later: the last edge leaves room for several
    await inNetwork(briskTopology(["affine"], {}, [2000, 4000, 8000, 24_000]), {}, (net) => Effect.gen(function* () {
      let away = false
      const ending = yield* within(LIMIT_MS)(askAffine(net, 1, (event) => Effect.suspend(() => {
        if (event._tag === "BoxWritten" && !away) {
          away = true
          return net.stop("replica-0")
        }
        return event._tag === "EdgePassed" ? net.start("replica-0") : Effect.void
      })))
      expect(ending).toMatchObject({ _tag: "Answer", numbers: affineAnswer(1) })
      yield* lyingReplica(net, "replica-1")
      expect(yield* within(LIMIT_MS)(askAffine(net, 2))).toMatchObject({ _tag: "Answer", numbers: affineAnswer(2) })
    }))
  }, 4 * LIMIT_MS)

  it("stores 60 KB and gives them back with one of four replicas gone", async () => {
    const boxBytes = boxPlaintextBytes(briskParams)
    const content = seededEntropy("storage", "60 KB")(60_000)
    const slots = Array.from({ length: Math.ceil(content.length / boxBytes) }, (_, slotIndex) =>
      ({ slotIndex, plaintext: content.slice(slotIndex * boxBytes, (slotIndex + 1) * boxBytes) }))
    await inNetwork(briskTopology([], { computes: [], clients: 0 }), {}, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const { crypto } = net.setting
      const { store } = yield* join(net, "guest", 2)
      const writeCap = newWriteCap(crypto, systemEntropy)
      const indexes = Either.getOrThrow(deriveIndexes(crypto, writeCap, slots.length))
      const windowCount = windowCountFor(briskParams, 2)
      yield* net.stop("replica-2")
      const written = yield* Effect.provideService(writeSlots(writeCap, indexes, slots, { windowCount }), BoxStore, store)
      expect(new Set(written.values())).toEqual(new Set(["stored"]))
      const read = yield* readSlots(readCapOf(writeCap), indexes, slots.map(({ slotIndex }) => slotIndex), {
        windowCount, retryMisses: true, missPauseMs: 200
      }).pipe(Effect.provideService(BoxStore, store))
      expect(slots.every(({ plaintext, slotIndex }) => Buffer.compare(read.get(slotIndex) as Uint8Array, plaintext) === 0)).toBe(true)
    })))
  }, 4 * LIMIT_MS)
})
