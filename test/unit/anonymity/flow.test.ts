/**
 * The packets of a run as a graph.
 *
 * Goal: every packet is followed back to its origin.
 * Method: one small run by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { flowOf, hopTraffic, originOf } from "../../../src/anonymity/flow.ts"
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
