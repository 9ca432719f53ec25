/**
 * Goal: whatever fails between a client, the directory and a compute service, the client gets the right answer or a typed error.
 * Method: a brisk network in virtual time with real crypto; nodes are stopped and started while a job is at each of its steps.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { InferenceEvent } from "../../actors/client/protocol.ts"
import type { Network } from "../../actors/launch.ts"
import { affineAnswer, askAffine, briskParams, briskTopology, inNetwork, within } from "./brisk-network.ts"

const LIMIT_MS = 60_000

/** Gone for a while, from the first event of each kind on. */
const outages = (net: Network, plan: Partial<Record<InferenceEvent["_tag"], readonly [name: string, durationMs: number]>>) => {
  const left = new Map(Object.entries(plan))
  return (event: InferenceEvent) => Effect.suspend(() => {
    const outage = left.get(event._tag)
    left.delete(event._tag)
    if (outage === undefined) return Effect.void
    const [name, durationMs] = outage
    return net.stop(name).pipe(Effect.zipRight(Effect.sleep(durationMs)), Effect.zipRight(net.start(name)))
  })
}

describe("a network", () => {
  it("answers with two of three authorities, over the borders of epochs, while each node of the way is away at each step", async () => {
    const params = { ...briskParams, epochPeriodMs: 10_000 }
    await inNetwork(briskTopology(["affine"], { params, authorities: 3 }), {}, (net) => Effect.gen(function* () {
      yield* net.stop("authority-0")
      const plans = [
        { BoxWritten: ["mix-0-0", 1500], Uploaded: ["gateway-0", 100], EdgePassed: ["service-node-0", 1000] },
        { BoxWritten: ["service-node-0", 500], Accepted: ["mix-0-0", 500], EdgePassed: ["gateway-0", 1000] }
      ] as const
      for (const [index, plan] of plans.entries()) {
        const ending = yield* within(LIMIT_MS)(askAffine(net, index, outages(net, plan)))
        expect(ending, JSON.stringify(ending)).toMatchObject({ _tag: "Answer", numbers: affineAnswer(index) })
      }
    }))
  }, 3 * LIMIT_MS)
})
