/**
 * Goal: packets of a node are counted as links carried them; frames that a service node drops beside packets are none.
 * Method: events and figures by hand.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { PacketCounts } from "../../../../actors/simulator/packet-counts.ts"
import { missingOf } from "../../../../src/simulation/checkers/accounting-checker.ts"
import type { LinkFaultEvent } from "../../../../src/simulation/link-fate.ts"
import { briskTopology } from "../../../network/brisk-network.ts"

const drops = (words: Readonly<Record<string, number>>) => new Map([["dropped_packets_total" as const, new Map(Object.entries(words))]])

describe("the count of packets", () => {
  const onward = { from: "mix-0-0", to: "service-node-0", call: "Forward", direction: "request" } as const
  /** What is missing of a mix that got five packets and dropped one, of those that crossed, with what faulty links did. */
  const missingAfter = (crossings: number, ...faults: ReadonlyArray<Pick<LinkFaultEvent, "what"> & Partial<LinkFaultEvent>>): number => {
    const counts = new PacketCounts(briskTopology(["affine"]))
    for (let index = 0; index < 5; index++) counts.crossed({ ...onward, from: "gateway-0", to: "mix-0-0" })
    for (let index = 0; index < crossings; index++) counts.crossed(onward)
    for (const fault of faults) counts.strayed({ ...onward, instantMs: 0, delayMs: 0, message: undefined, ...fault })
    return missingOf(counts.balanceOf("mix-0-0", drops({ "bad-mac": 1 }), false))
  }
  it("balances what came, left and was dropped", () => {
    expect(missingAfter(4)).toBe(0)
    expect(missingAfter(3)).toBe(1)
    expect(missingAfter(5)).toBe(-1)
  })
  it("a packet that a link loses has left without crossing, one that is doubled crosses once more than it left, one that is late crosses once", () => {
    expect(missingAfter(3, { what: "lost" })).toBe(0)
    expect(missingAfter(2, { what: "lost" }, { what: "lost" })).toBe(0)
    expect(missingAfter(5, { what: "doubled" })).toBe(0)
    expect(missingAfter(6, { what: "doubled" }, { what: "doubled" })).toBe(0)
    expect(missingAfter(4, { what: "delayed" })).toBe(0)
  })
  it("faults of items of a stream, of other calls and of who is no node change nothing", () => {
    for (const what of ["lost", "doubled"] as const) {
      for (const other of [{ direction: "item" }, { direction: "reply" }, { call: "GetConsensus" }, { from: "client-0" }] as const) {
        expect(missingAfter(4, { what, ...other })).toBe(0)
      }
      const counts = new PacketCounts(briskTopology(["affine"]))
      const message = { from: "client-0", to: "gateway-0", call: "Receive", direction: "item" } as const
      counts.crossed(message)
      counts.strayed({ ...message, instantMs: 0, delayMs: 0, message: undefined, what })
      expect(counts.balanceOf("gateway-0", undefined, false)).toMatchObject({ left: 1, strayed: 0 })
    }
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
