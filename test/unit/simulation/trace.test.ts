/**
 * Goal: the hash of a run covers every field of every message and all that links do to messages; observers see packets and frames as before.
 * Method: short traces by hand; each with one thing changed.
 *
 * @module
 */
import { Data } from "effect"
import { describe, expect, it } from "vitest"
import { digest53 } from "../../../src/crypto/word-hash.ts"
import type { LinkFaultEvent } from "../../../src/simulation/link-fate.ts"
import { type LinkEvent, linkEventsOf } from "../../../src/simulation/link-event.ts"
import { type Crossing, Trace } from "../../../src/simulation/trace.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly reason: string }> {}
class Failed extends Data.TaggedError("Failed")<{ readonly reason: string }> {}

const at: Omit<Crossing, "message"> = { from: "a", to: "b", call: "Put", direction: "request" }

/** Hash of messages, one a millisecond. */
const hashOf = (...events: ReadonlyArray<Partial<Crossing> & { readonly instantMs?: number }>): string => {
  const trace = new Trace()
  for (const [index, event] of events.entries()) trace.message(event.instantMs ?? index, { ...at, message: undefined, ...event })
  return trace.finish()
}

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

/** Messages of which each differs from every other in one thing, many of them without a byte string. */
const DIFFERENT: ReadonlyArray<unknown> = [
  undefined, null, false, true, 0, 1, 0.5, 1n, "", "1", "ab", "ü".repeat(5_000), [], [1], [1, 2], [2, 1], [[1], 2], [1, [2]],
  {}, { epoch: 1 }, { epoch: 2 }, { status: 1 }, { epoch: 1, status: 1 }, { epoch: { status: 1 } }, new Set([1]), new Map([[1, 2]]), new Map([[1, [2]]]),
  bytes(), bytes(0), bytes(0, 0), bytes(1), new Uint16Array([1]),
  { packets: [bytes(1, 2)], queueId: bytes(7) }, { packets: [bytes(1, 2)], queueId: bytes(8) }, { packets: [bytes(1), bytes(2)] },
  { packets: [bytes(2), bytes(1)] }, new Refused({ reason: "full" }), new Refused({ reason: "late" }), new Failed({ reason: "full" })
]

describe("the trace of a run", () => {
  it("is the same for the same messages, whatever memory they lie in", () => {
    const message = { queueId: bytes(1), packets: [bytes(2), bytes(3)], n: 4, text: "five" }
    expect(hashOf({ message }, { message })).toBe(hashOf({ message: structuredClone(message) }, { message }))
    expect(hashOf({ message })).toMatch(/^[0-9a-f]{64}$/)
  })
  it("is another one when any field of a message is another, with bytes or without", () => {
    const hashes = DIFFERENT.map((message) => hashOf({ message }))
    expect(new Set(hashes).size).toBe(DIFFERENT.length)
  })
  it("is another one when instant, sender, receiver, call, direction or order is another, or a message less or more", () => {
    const message = { n: 1 }
    const traces = [
      hashOf(), hashOf({ message }), hashOf({ message, instantMs: 0.001 }), hashOf({ message, from: "c" }), hashOf({ message, to: "c" }),
      hashOf({ message, call: "Get" }), hashOf({ message, direction: "reply" }), hashOf({ message, direction: "item" }),
      hashOf({ message, from: "b", to: "a" }), hashOf({ message }, { message }), hashOf({ message, instantMs: 0 }, { instantMs: 0 }),
      hashOf({ instantMs: 0 }, { message, instantMs: 0 })
    ]
    expect(new Set(traces).size).toBe(traces.length)
  })
  it("covers what a faulty link does: to which message, what, and by how much", () => {
    const sound: LinkFaultEvent = { ...at, instantMs: 0, what: "delayed", delayMs: 5, message: { n: 1 } }
    const faulty = (change: Partial<LinkFaultEvent> | undefined): string => {
      const trace = new Trace()
      if (change !== undefined) trace.fault(3, { ...sound, ...change })
      trace.message(4, { ...at, message: { n: 1 } })
      return trace.finish()
    }
    const hashes = [
      undefined, {}, { what: "lost" as const }, { what: "doubled" as const }, { what: "damaged" as const }, { delayMs: 6 }, { message: { n: 2 } },
      { direction: "reply" as const }, { to: "c" }
    ].map(faulty)
    expect(new Set(hashes).size).toBe(hashes.length)
  })
  it("costs no end of memory or depth on odd messages", () => {
    const loop: Record<string, unknown> = {}
    loop.loop = loop
    expect(hashOf({ message: loop })).not.toBe(hashOf({ message: {} }))
    expect(hashOf({ message: Array.from({ length: 100_000 }, (_, index) => index) })).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe("what observers are told of a message", () => {
  const toldOf = (message: unknown, packetBytes: number): ReadonlyArray<LinkEvent> => {
    const told: Array<LinkEvent> = []
    const lengths: Array<number> = []
    const digests: Array<number> = []
    const event = { ...at, message }
    new Trace().message(0, event, (each, digest) => {
      lengths.push(each.length)
      digests.push(digest)
    })
    linkEventsOf(event, { lengths, digests }, 0, packetBytes, (each) => told.push(each))
    return told
  }
  it("is each packet, or all bytes of another message together, and nothing of what has no bytes", () => {
    const [one, two] = [bytes(1, 2, 3), bytes(4, 5, 6)]
    expect(toldOf({ queueId: bytes(9), packets: [one, two] }, 3).map(({ digest, sizeBytes }) => ({ digest, sizeBytes })))
      .toEqual([{ digest: digest53(one), sizeBytes: 3 }, { digest: digest53(two), sizeBytes: 3 }])
    expect(toldOf({ frame: one }, 9)).toMatchObject([{ digest: digest53(one), sizeBytes: 3 }])
    expect(toldOf({ left: one, right: two }, 9)).toMatchObject([{ sizeBytes: 6 }])
    expect(toldOf({ epoch: 3 }, 9)).toEqual([])
  })
})
