/**
 * What each adversary sees of a run: that much and nothing more.
 *
 * Goal: no view holds calls, bytes or truths of places where its adversary does not stand.
 * Method: one small run, seen by each adversary.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { flowOf, hopTraffic, originOf } from "../../../src/anonymity/flow.ts"
import { frameInstants, networkObserver, viewOf, withNodes, withStorage } from "../../../src/anonymity/observer.ts"
import type { RecordedRun } from "../../../src/anonymity/trace.ts"

const run: RecordedRun = {
  links: [
    { instantMs: 1, from: "client", to: "gateway", call: "Submit", direction: "request", sizeBytes: 3000, digest: 10 },
    { instantMs: 5, from: "gateway", to: "mix", call: "Forward", direction: "request", sizeBytes: 3000, digest: 11 },
    { instantMs: 6, from: "mix", to: "gateway", call: "Forward", direction: "request", sizeBytes: 3000, digest: 13 },
    { instantMs: 9, from: "mix", to: "service", call: "Forward", direction: "request", sizeBytes: 3000, digest: 12 },
    { instantMs: 11, from: "client", to: "gateway", call: "Receive", direction: "item", sizeBytes: 3000, digest: 20 }
  ],
  storage: [
    { instantMs: 20, replica: "replica-0", operation: "write", boxId: "aa", found: false },
    { instantMs: 21, replica: "replica-1", operation: "read", boxId: "bb", found: true }
  ],
  matches: [
    { node: "gateway", inDigest: 10, outDigest: 11 },
    { node: "mix", inDigest: 11, outDigest: 12 },
    { node: "mix", outDigest: 13 },
    { node: "service", inDigest: 12 }
  ]
}

describe("views", () => {
  it("of the network observer hold instants, ends and lengths of all frames, in the direction in which bytes travel", () => {
    const view = viewOf(run, networkObserver)
    expect(view.frames[0]).toEqual({ instantMs: 1, from: "client", to: "gateway", sizeBytes: 3000 })
    expect(view.frames[4]).toEqual({ instantMs: 11, from: "gateway", to: "client", sizeBytes: 3000 })
    expect([view.inside, view.matches, view.storage]).toEqual([[], [], []])
    expect([...frameInstants(view.frames, { from: "mix" })]).toEqual([6, 9])
    expect([...frameInstants(view.frames, { from: "gateway", to: "client" })]).toEqual([11])
  })
  it("of a replica hold its own operations only", () => {
    expect(viewOf(run, withStorage(["replica-1"])).storage.map(({ boxId }) => boxId)).toEqual(["bb"])
  })
  it("of whoever runs a mix hold what that mix knows, and adversaries add up", () => {
    const both = withNodes("mixes", ["mix"], withStorage(["replica-0", "replica-1"]))
    const view = viewOf(run, both)
    expect(both.name).toBe("network + 2 replicas + 1 mixes")
    expect(view.matches.map(({ node }) => node)).toEqual(["mix", "mix"])
    expect(view.inside.map(({ digest }) => digest)).toEqual([11, 13, 12])
    expect(view.storage).toHaveLength(2)
  })
})

describe("flow", () => {
  it("follows packets back to their origin, and leaves out of a node's traffic what began or ended there", () => {
    const flow = flowOf(run.links, run.matches, ({ direction }) => direction === "request")
    expect([...flow.previous]).toEqual([-1, 0, -1, 1])
    expect([...flow.ended]).toEqual([0, 0, 0, 1])
    expect(originOf(flow, 3)).toBe(0)
    expect(hopTraffic(flow, "mix")).toMatchObject({ arrivalMs: Float64Array.of(5), departureMs: Float64Array.of(9), sourceOf: Int32Array.of(0) })
    expect(hopTraffic(flow, "service").arrivalMs).toHaveLength(0)
  })
})
