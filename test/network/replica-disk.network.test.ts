/**
 * Goal: what replicas took is there for the next network on the same data directory, all of it also when one replica's directory was emptied, and two
 * networks never share one.
 * Method: brisk networks in virtual time with real crypto and real databases; a fixed seed, so that the second launch has the identities of the first.
 *
 * @module
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as joinPath } from "node:path"
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { launch, LaunchFailed } from "../../actors/launch.ts"
import { openDiskBoxTable } from "../../actors/replica/box-table-disk.ts"
import { newWriteCap, readCapOf } from "../../src/bacap/capability.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../src/crypto/entropy.ts"
import { boxPlaintextBytes } from "../../src/params/mixnet-params.ts"
import { BoxStore } from "../../src/storage/box-store.ts"
import { deriveIndexes, readSlots, windowCountFor, writeSlots } from "../../src/storage/box-stream.ts"
import { briskParams, briskTopology, inNetwork, join, within } from "./brisk-network.ts"

const LIMIT_MS = 90_000
const SLOTS = 24
const writeCap = newWriteCap(referenceBackend, seededEntropy("disk", "cap"))
const slots = Array.from({ length: SLOTS }, (_, slotIndex) => ({ slotIndex, plaintext: new Uint8Array(boxPlaintextBytes(briskParams)).fill(slotIndex + 1) }))
const indexes = Either.getOrThrow(deriveIndexes(referenceBackend, writeCap, SLOTS))
const windowCount = windowCountFor(briskParams, 2)
const topology = briskTopology([], { computes: [], clients: 0 })

const boxCountIn = (directory: string): Promise<number> =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(openDiskBoxTable({ directory: joinPath(directory, "boxes"), quotaBytes: 1e9 }), ({ boxCount }) => boxCount)))

/** Bytes that a database of boxes has on disk: boxes are brought in the background, and only their replica can count them while it runs. */
const bytesIn = (directory: string): number =>
  existsSync(directory) ? readdirSync(directory).reduce((sum, name) => sum + (statSync(joinPath(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0) : 0

describe("a network with a data directory", () => {
  it("finds all boxes of the network before it, though one replica's disk was emptied, which gets them back; a second one beside it is refused", async () => {
    const dataDirectory = mkdtempSync(joinPath(tmpdir(), "funion-data-"))
    try {
      const options = { dataDirectory, seed: 7 }
      await inNetwork(topology, options, (net) => within(LIMIT_MS)(Effect.gen(function* () {
        const { store } = yield* join(net, "guest", 2)
        const written = yield* Effect.provideService(writeSlots(writeCap, indexes, slots, { windowCount }), BoxStore, store)
        expect(new Set(written.values())).toEqual(new Set(["stored"]))
        const second = yield* Effect.flip(Effect.scoped(launch(topology, options)))
        expect(second).toBeInstanceOf(LaunchFailed)
        expect(second.message).toMatch(/^replica-(\d): .*replica-\1\/boxes: another process uses these boxes/)
      })))
      expect(readdirSync(dataDirectory).sort()).toEqual(topology.replicas.map(({ name }) => name).sort())
      expect(readdirSync(joinPath(dataDirectory, "replica-0", "keys"))).toHaveLength(2)
      const emptied = joinPath(dataDirectory, "replica-1")
      const heldBefore = await boxCountIn(emptied)
      rmSync(emptied, { recursive: true })
      // a new disk means new envelope keys, by which the others notice; the seed alone would draw the old ones again
      cpSync(joinPath(dataDirectory, "replica-2", "keys"), joinPath(emptied, "keys"), { recursive: true })
      await inNetwork(topology, options, (net) => within(LIMIT_MS)(Effect.gen(function* () {
        const { store } = yield* join(net, "other guest", 2)
        // Asked for a box that it does not have again yet, the replica asks its fellow over links of 12 commands a second: question and answer take longer
        // than the 500 ms in which it has to reply for one box in sixty (Erlang), and that is a miss, after which a reader asks again.
        const read = yield* readSlots(readCapOf(writeCap), indexes, slots.map(({ slotIndex }) => slotIndex), {
          windowCount, retryMisses: true, missPauseMs: 200
        }).pipe(Effect.provideService(BoxStore, store))
        expect(slots.map(({ slotIndex }) => (read.get(slotIndex) as Uint8Array)[0])).toEqual(slots.map(({ slotIndex }) => slotIndex + 1))
        const broughtBytes = heldBefore * boxPlaintextBytes(briskParams)
        while (bytesIn(joinPath(emptied, "boxes")) < broughtBytes) yield* Effect.sleep(200)
      })))
      expect(heldBefore).toBeGreaterThan(0)
      expect(await boxCountIn(emptied)).toBeGreaterThanOrEqual(heldBefore)
    } finally {
      rmSync(dataDirectory, { recursive: true })
    }
  }, 4 * LIMIT_MS)
})
