/**
 * The directory as actors reach it, row K22 of pigeonhole.md §7.
 *
 * Goal: an authority that hangs costs a few seconds and hides nobody else's document; epochs that are over are not asked for.
 * Method: authorities as scripts on a mount in memory, virtual time.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Layer, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { connectThroughGateway } from "../../../actors/directory-client.ts"
import { Gateway } from "../../../actors/gateway/protocol.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../src/actor/mount-memory.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { epochAt } from "../../../src/params/epoch.ts"
import { tinyParams as params } from "../../../src/params/presets.ts"
import { Directory, DirectoryUnavailable } from "../../../src/pki/directory.ts"
import { makeDirectoryView } from "../../../src/pki/directory-view.ts"
import { runVirtual } from "../session/virtual-time.ts"

const crypto = Either.getOrThrow(selectBackend())

describe("a directory", () => {
  it("K22: that hangs fails a fetch after three seconds, every time", () => {
    const elapsed = runVirtual(Effect.scoped(Effect.gen(function*() {
      const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
      const hang = () => Effect.never
      const handlers = Gateway.toLayer({ GetConsensus: hang, Forward: hang, Submit: hang, Receive: () => Stream.never })
      yield* Effect.orDie(mount.serve("gateway-0", Gateway, handlers))
      const directory = yield* Effect.provideService(connectThroughGateway("client-0", "gateway-0"), Mount, mount)
      return yield* Effect.forEach([1, 2], (epoch) => Effect.gen(function*() {
        const startMs = yield* Clock.currentTimeMillis
        expect(yield* Effect.either(directory.getConsensus(epoch))).toEqual(Either.left(new DirectoryUnavailable()))
        return (yield* Clock.currentTimeMillis) - startMs
      }))
    })))
    for (const ms of elapsed) {
      expect(ms).toBeGreaterThan(0)
      expect(ms).toBeLessThanOrEqual(3100)
    }
  })

  it("K22: is asked for the last, the current and the next epoch alone, with growing pauses while it has nothing", () => {
    const asked: Array<{ readonly distance: number; readonly atMs: number }> = []
    runVirtual(Effect.scoped(Effect.gen(function*() {
      yield* Effect.sleep(Date.UTC(2026, 0, 1))
      const startMs = yield* Clock.currentTimeMillis
      const none = { postDescriptor: () => Effect.succeed(0), withdraw: () => Effect.succeed(0) }
      const getConsensus = (epoch: number) => Effect.map(Clock.currentTimeMillis, (nowMs) => {
        asked.push({ distance: epoch - epochAt(params, nowMs), atMs: nowMs - startMs })
        return []
      })
      yield* Effect.provideService(
        makeDirectoryView({ crypto, params, authorityKeys: [], threshold: 1 }), Directory, { ...none, getConsensus })
      yield* Effect.sleep(3 * params.epochPeriodMs)
    })))
    const count = (distance: number) => asked.filter((one) => one.distance === distance).length
    expect(asked.every(({ distance }) => distance >= -1 && distance <= 1)).toBe(true)
    expect(count(-1)).toBeLessThanOrEqual(4)
    expect(count(0)).toBeGreaterThan(100)
    expect(count(0)).toBeLessThan((3 * params.epochPeriodMs) / 800)
  })
})
