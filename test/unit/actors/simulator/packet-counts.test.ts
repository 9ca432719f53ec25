/**
 * Goal: packets of a node are counted as links carried them; frames that a service node drops beside packets are none.
 * Method: events and figures by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { PacketCounts } from "../../../../actors/simulator/packet-counts.ts"
import { missingOf } from "../../../../src/simulation/checkers/accounting-checker.ts"
import { briskTopology } from "../../../network/brisk-network.ts"

const drops = (words: Readonly<Record<string, number>>) => new Map([["dropped_packets_total" as const, new Map(Object.entries(words))]])

describe("the count of packets", () => {
  it("balances what came, left, was lost or doubled by a link, and dropped", () => {
    const counts = new PacketCounts(briskTopology(["affine"]))
    const onward = { from: "mix-0-0", to: "service-node-0", call: "Forward", direction: "request" } as const
    for (let index = 0; index < 5; index++) counts.crossed({ ...onward, from: "gateway-0", to: "mix-0-0" })
    // one is lost and one doubled by the link; of five, one is dropped
    for (let index = 0; index < 4; index++) counts.crossed(onward)
    const fault = { ...onward, instantMs: 0, delayMs: 0, message: undefined }
    counts.strayed({ ...fault, what: "lost" })
    counts.strayed({ ...fault, what: "doubled" })
    counts.strayed({ ...fault, what: "delayed" })
    expect(missingOf(counts.balanceOf("mix-0-0", drops({ "bad-mac": 1 }), false))).toBe(0)
  })
  it("leaves out frames of a dispatch queue, whose packets are answered all the same", () => {
    const counts = new PacketCounts(briskTopology(["affine"]))
    const packet = { call: "Forward", direction: "request" } as const
    counts.crossed({ ...packet, from: "mix-0-0", to: "service-node-0" })
    counts.crossed({ ...packet, from: "service-node-0", to: "mix-0-0" })
    expect(missingOf(counts.balanceOf("service-node-0", drops({ "reply-unreadable": 5, "reader-lost": 1 }), false))).toBe(0)
    expect(missingOf(counts.balanceOf("service-node-0", drops({ "bad-payload": 1 }), false))).toBe(-1)
  })
})
