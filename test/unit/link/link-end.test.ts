/**
 * One end of a link, and token buckets.
 *
 * Goal: the machine gives the same whatever the chunks; nobody is named before the first frame; time is paid for.
 * Method: two ends joined by arrays of bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { concatBytes, utf8 } from "../../../src/bytes/concat.ts"
import { LinkEnd, type LinkEndConfig } from "../../../src/link/link-end.ts"
import { CommandId } from "../../../src/link/padding.ts"
import { TokenBuckets } from "../../../src/link/token-bucket.ts"
import { makeEnds, quickCrypto } from "./link-rig.ts"

const SIZES = { fromInitiatorBytes: 100, fromResponderBytes: 120 }
const ends = makeEnds(quickCrypto, "link end")
const config = (side: "initiator" | "responder", more: Partial<LinkEndConfig> = {}): LinkEndConfig => ({
  crypto: quickCrypto,
  entropy: ends.entropy,
  identity: ends[side],
  check: () => (side === "initiator" ? "responder" : "initiator"),
  sizes: SIZES,
  unixTimeS: () => 1,
  ...more
})

/** Feeds bytes in pieces and gathers what comes out. */
const feed = (end: LinkEnd, bytes: Uint8Array, pieceBytes: number) => {
  const write: Array<Uint8Array> = []
  const names: Array<string> = []
  const bodies: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const progress = Either.getOrThrow(end.receive(bytes.subarray(at, at + pieceBytes)))
    write.push(...progress.write)
    if (progress.opened !== undefined) names.push(progress.opened.name)
    bodies.push(...progress.commands.map(({ body }) => body))
  }
  return { write: concatBytes(...write), names, bodies }
}

const connected = (pieceBytes: number) => {
  const initiator = LinkEnd.initiator(config("initiator"))
  const responder = LinkEnd.responder(config("responder"))
  const second = feed(responder, initiator.firstMessage, pieceBytes)
  const third = feed(initiator, second.write, pieceBytes)
  const fourth = feed(responder, third.write, pieceBytes)
  const fifth = feed(initiator, fourth.write, pieceBytes)
  return { initiator, responder, second, third, fourth, fifth }
}

describe("link end", () => {
  for (const pieceBytes of [1, 19, 1000, 100_000]) {
    it(`opens over pieces of ${pieceBytes} bytes and carries commands both ways`, () => {
      const { fifth, fourth, initiator, responder } = connected(pieceBytes)
      expect([fourth.names, responder.isOpen, fifth.names, initiator.isOpen]).toEqual([[], false, ["responder"], true])
      expect(feed(responder, fifth.write, pieceBytes).names).toEqual(["initiator"])
      const there = Either.getOrThrow(initiator.seal(CommandId.Segment, utf8("there")))
      const back = Either.getOrThrow(responder.seal(CommandId.Segment, utf8("back")))
      expect([there.length, back.length]).toEqual([136, 156])
      expect([initiator.bodyBytes, responder.bodyBytes]).toEqual([94, 114])
      expect(feed(responder, there, pieceBytes).bodies).toEqual([utf8("there")])
      expect(feed(initiator, back, pieceBytes).bodies).toEqual([utf8("back")])
    })
  }
  it("garbage is refused at its first byte", () => {
    const refused = LinkEnd.responder(config("responder")).receive(utf8("GET / HTTP/1.1"))
    expect(Either.isLeft(refused) && refused.left).toMatchObject({ _tag: "HandshakeFailed", reason: "wrong-version" })
  })
  it("a responder that is busy answers nothing and computes nothing", () => {
    const never = { ...quickCrypto, xwingEncapsulate: () => expect.fail("computed") }
    const responder = LinkEnd.responder(config("responder", { crypto: never, mayAnswer: () => false }))
    const refused = responder.receive(LinkEnd.initiator(config("initiator")).firstMessage)
    expect(Either.isLeft(refused) && refused.left.reason).toBe("busy")
  })
  it("a peer whose first frame does not open was never a peer", () => {
    const { fifth, responder } = connected(5000)
    const altered = fifth.write.slice()
    altered[0] = (altered[0] as number) ^ 1
    const refused = responder.receive(altered)
    expect(Either.isLeft(refused) && refused.left).toMatchObject({ _tag: "HandshakeFailed", reason: "bad-seal" })
    expect(responder.isOpen).toBe(false)
    expect(Either.isLeft(responder.receive(fifth.write))).toBe(true)
  })
  it("sizes on which the ends do not agree end the link at once", () => {
    const initiator = LinkEnd.initiator(config("initiator"))
    const responder = LinkEnd.responder(config("responder", { sizes: { ...SIZES, fromInitiatorBytes: 101 } }))
    const second = feed(responder, initiator.firstMessage, 5000)
    const fourth = feed(responder, feed(initiator, second.write, 5000).write, 5000)
    expect(Either.isLeft(responder.receive(feed(initiator, fourth.write, 5000).write))).toBe(true)
  })
  it("an ended link takes nothing more", () => {
    const { fifth, responder } = connected(5000)
    responder.wipe()
    expect(Either.isLeft(responder.receive(fifth.write))).toBe(true)
    expect(() => responder.seal(CommandId.NoOp)).toThrow(RangeError)
  })
})

describe("token buckets", () => {
  it("start full, refill at their rate and never above their capacity", () => {
    const buckets = new TokenBuckets({ capacity: 3, perS: 2 })
    expect([1, 2, 3, 4].map(() => buckets.tryTake("a", 1_000))).toEqual([true, true, true, false])
    expect(buckets.tryTake("a", 1_499)).toBe(false)
    expect(buckets.tryTake("a", 1_500)).toBe(true)
    expect([1, 2, 3, 4].map(() => buckets.tryTake("a", 99_000))).toEqual([true, true, true, false])
    expect(buckets.tryTake("b", 99_000)).toBe(true)
  })
  it("debt is told in milliseconds and worked off", () => {
    const buckets = new TokenBuckets({ capacity: 10, perS: 100 })
    expect(buckets.take("a", 10, 0)).toBe(0)
    expect(buckets.take("a", 5, 0)).toBe(50)
    expect(buckets.take("a", 0, 49)).toBe(1)
    expect(buckets.take("a", 0, 50)).toBe(0)
  })
  it("a clock that goes back gives nothing", () => {
    const buckets = new TokenBuckets({ capacity: 1, perS: 1 })
    expect(buckets.tryTake("a", 10_000)).toBe(true)
    expect(buckets.tryTake("a", 5_000)).toBe(false)
  })
  it("full buckets are forgotten and strangers cannot make more than the limit", () => {
    const buckets = new TokenBuckets({ capacity: 1, perS: 1 }, 8)
    for (let i = 0; i < 100; i++) buckets.tryTake(`key ${i}`, 0)
    expect(buckets.size).toBeLessThanOrEqual(9)
    expect(buckets.tryTake("key 99", 0)).toBe(false)
    buckets.sweep(1_000)
    expect(buckets.size).toBe(0)
  })
})
