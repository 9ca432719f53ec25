/**
 * Goal: couriers need not be trusted: the client gets the right answer as long as one of them works, and a typed error when none does.
 * Method: a brisk network in virtual time with real crypto; couriers are replaced by actors that answer garbage or nothing. All draws
 * follow from a seed.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { Courier } from "../../actors/courier/protocol.ts"
import type { Network } from "../../actors/launch.ts"
import { seededEntropy } from "../../src/crypto/entropy.ts"
import { affineAnswer, askAffine, briskParams, briskTopology, inNetwork, within } from "./brisk-network.ts"

const LIMIT_MS = 90_000
const { userPayloadBytes } = briskParams.geometry

/** Serves, in the place of a courier, one answer of each kind of garbage in turn, other people's replies among them. */
const lyingCourier = (net: Network, name: string) =>
  Effect.gen(function* () {
    yield* net.stop(name)
    const entropy = seededEntropy("garbage", name)
    let queryCount = 0
    let earlier = new Uint8Array(userPayloadBytes)
    const garbage: ReadonlyArray<(query: Uint8Array) => Uint8Array> = [
      () => entropy(userPayloadBytes), () => new Uint8Array(userPayloadBytes), (query) => query, () => earlier, () => entropy(10), () => new Uint8Array(0)
    ]
    yield* net.mount.serve(name, Courier, Courier.toLayer({
      Query: ({ query }) => Effect.sync(() => {
        const reply = garbage[queryCount++ % garbage.length]!(query)
        earlier = Uint8Array.from(reply)
        return { reply }
      })
    }))
  })

const silentCourier = (net: Network, name: string) =>
  Effect.zipRight(net.stop(name), net.mount.serve(name, Courier, Courier.toLayer({ Query: () => Effect.never })))

describe("a network", () => {
  it("answers while one of four couriers answers garbage and one never answers; when none works it says so", async () => {
    const params = { ...briskParams, retransmitSlackMs: 700 }
    // Every envelope for the silent one costs over two seconds: the last deadline leaves room for many.
    const topology = briskTopology(["affine"], { params, serviceNodes: [{ couriers: 4 }] }, [2000, 4000, 8000, 30_000])
    // Of a hundred seeds some two leave the service so little luck that the last deadline is not room enough.
    await inNetwork(topology, { seed: 1 }, (net) => Effect.gen(function* () {
      yield* lyingCourier(net, "courier-0")
      yield* silentCourier(net, "courier-1")
      const ending = yield* within(LIMIT_MS)(askAffine(net, 1))
      expect(ending, JSON.stringify(ending)).toMatchObject({ _tag: "Answer", numbers: affineAnswer(1) })
      yield* lyingCourier(net, "courier-2")
      yield* silentCourier(net, "courier-3")
      expect(yield* within(LIMIT_MS)(askAffine(net, 2))).toMatchObject({ _tag: "Failure", step: "upload", reason: "upload-timed-out" })
    }))
  }, 3 * LIMIT_MS)
})
