/**
 * Goal: a compute service that crashes at any time between acceptance and release answers all the same; one that stays away is reported.
 * Method: brisk networks in virtual time with real crypto; the service is stopped and started at chosen instants of its own grid.
 *
 * @module
 */
import { Clock, Deferred, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { Compute } from "../../actors/compute/protocol.ts"
import { affineAnswer, affineInput, askAffine, briskParams, briskTopology, inNetwork, within } from "./brisk-network.ts"

const LIMIT_MS = 90_000

const sleepUntil = (instantMs: number) => Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.sleep(Math.max(0, instantMs - nowMs)))

describe("a network", () => {
  it("answers although its compute service crashes while it fetches, between sealing and edge, and while it releases", async () => {
    await inNetwork(briskTopology(["affine"]), {}, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const { sealBeforeEdgeMs } = briskParams
      const instants: ReadonlyArray<(acceptedAtMs: number, edgeMs: number) => number> = [
        (acceptedAtMs) => acceptedAtMs + 300, (_, edgeMs) => edgeMs - sealBeforeEdgeMs / 2, (_, edgeMs) => edgeMs + 300
      ]
      for (const [index, instantOf] of instants.entries()) {
        const ending = yield* askAffine(net, index, (event) => event._tag !== "Accepted" ? Effect.void : Effect.gen(function* () {
          yield* sleepUntil(instantOf(event.acceptedAtMs, event.firstEdgeMs))
          yield* net.stop("compute-0")
          yield* net.start("compute-0")
        }))
        expect(ending, `${index} ${JSON.stringify(ending)}`).toMatchObject({ _tag: "Answer", numbers: affineAnswer(index) })
      }
    })))
  }, 2 * LIMIT_MS)

  it("admits a job once however often it is dispatched, and says when the service has gone for good before or after it accepted", async () => {
    await inNetwork(briskTopology(["affine"], { clients: 2 }), {}, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const [first, second] = yield* Effect.all([net.client("client-0"), net.client("client-1")])
      const operator = yield* net.mount.connect("operator", "compute-0", Compute)
      const { input } = yield* first.Upload({ model: "affine", inputs: [affineInput(5)] })
      const tickets = yield* Effect.all([first.Dispatch({ input }), second.Dispatch({ input })], { concurrency: "unbounded" })
      const again = yield* first.Dispatch({ input })
      expect(new Set([...tickets, again].map(({ ticket }) => Buffer.from(ticket).toString("hex"))).size).toBe(1)
      expect(yield* operator.Status(undefined)).toMatchObject({ admitted: 1 })

      const uploaded = yield* second.Upload({ model: "affine", inputs: [affineInput(6)] })
      const gone = yield* Deferred.make<void>()
      const [accepted, dispatched] = yield* Effect.all([
        askAffine(net, 1, (event) =>
          event._tag === "Accepted" ? Effect.zipRight(net.stop("compute-0"), Deferred.succeed(gone, undefined)) : Effect.void),
        Effect.zipRight(Deferred.await(gone), Effect.flip(second.Dispatch(uploaded)))
      ], { concurrency: "unbounded" })
      expect(accepted).toMatchObject({ _tag: "Failure", step: "fetch", reason: "output-not-found" })
      expect(dispatched).toMatchObject({ _tag: "InferenceFailed", step: "dispatch", reason: "dispatch-timed-out" })
    })))
  }, 2 * LIMIT_MS)
})
