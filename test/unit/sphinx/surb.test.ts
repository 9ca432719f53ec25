/**
 * Goal: a reply through a SURB reaches its owner and nobody else reads, forges or recognises it.
 * Method: round trips over n = 1..5 hops in both schemes, with the SURB travelling inside a forward packet; each way to misuse SURB and keys.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { createFramedPacket, createPacket, decodeForwardPayload, encodeForwardPayload } from "../../../src/sphinx/packet.ts"
import { findCommand } from "../../../src/sphinx/routing-command.ts"
import { createSurb, createSurbWith, openSurbReply, useSurb } from "../../../src/sphinx/surb.ts"
import { unwrapInPlace } from "../../../src/sphinx/unwrap.ts"
import { backends, entropyOf, fastest, flipBit, geometryOf, makePath, reasonOf, SURB_ID, travel } from "./sphinx-path.ts"

describe.each(backends)("SURBs on the $name backend", (crypto) => {
  it.each(["x25519", "XWING"] as const)("%s: a reply comes back over 1 to 5 hops", (scheme) => {
    const geometry = geometryOf(scheme, 5, 64, true)
    for (let hopCount = 1; hopCount <= 5; hopCount++) {
      const path = makePath(crypto, geometry, hopCount, "reply", `surb ${scheme}`)
      const { keys, surb } = Either.getOrThrow(createSurb(crypto, geometry, path.hops, entropyOf(`surb ${hopCount}`)))
      expect([surb.length, keys.length]).toEqual([geometry.surbBytes, 64 * (hopCount + 1)])
      const { firstHop, packet } = Either.getOrThrow(useSurb(crypto, geometry, surb, Uint8Array.of(1, 2, 3, hopCount)))
      expect(firstHop).toEqual(path.hops[0]!.nodeId)
      expect(packet).toHaveLength(geometry.packetBytes)
      const { payload, steps } = travel(crypto, geometry, path, packet)
      expect(findCommand(steps.at(-1)!.commands, "SurbReply")?.surbId).toEqual(SURB_ID)
      const opened = Either.getOrThrow(openSurbReply(crypto, keys, payload!))
      expect(opened).toEqual(Uint8Array.of(1, 2, 3, hopCount, ...new Uint8Array(geometry.forwardPayloadBytes - 4)))
    }
  })

  it("a SURB travels inside a forward packet and brings the answer home", () => {
    const geometry = geometryOf("x25519", 3, 64, true)
    const there = makePath(crypto, geometry, 3, "forward", "there")
    const back = makePath(crypto, geometry, 3, "reply", "back")
    const created = Either.getOrThrow(createSurb(crypto, geometry, back.hops, entropyOf("return ticket")))
    const forward = Either.getOrThrow(encodeForwardPayload(geometry, { surb: created.surb, userPayload: Uint8Array.of(42) }))
    const packet = Either.getOrThrow(createPacket(crypto, geometry, there.hops, forward, entropyOf("outward")))
    const arrived = Either.getOrThrow(decodeForwardPayload(geometry, travel(crypto, geometry, there, packet).payload!))
    const answer = Either.getOrThrow(useSurb(crypto, geometry, arrived.surb!, arrived.userPayload))
    const reply = travel(crypto, geometry, back, answer.packet).payload!
    expect(Either.getOrThrow(openSurbReply(crypto, created.keys, reply))[0]).toBe(42)
  })

  it("an answer may take the memory of the packet that asked: it is the one that fresh memory would hold", () => {
    const geometry = geometryOf("x25519", 3, 64, true)
    const there = makePath(crypto, geometry, 1, "forward", "there")
    const { surb } = Either.getOrThrow(createSurb(crypto, geometry, makePath(crypto, geometry, 3, "reply", "back").hops, entropyOf("return ticket")))
    const userPayload = entropyOf("what is asked")(geometry.userPayloadBytes)
    const packet = Either.getOrThrow(createFramedPacket(crypto, geometry, there.hops, { surb, userPayload }, entropyOf("outward")))
    for (const replyOf of [(echo: Uint8Array) => echo, (echo: Uint8Array) => echo.subarray(0, 3), () => Uint8Array.of(1, 2, 3), () => new Uint8Array(0)]) {
      const { memory, payload } = Either.getOrThrow(unwrapInPlace(crypto, geometry, there.keys[0]!, packet.slice()))
      const arrived = Either.getOrThrow(decodeForwardPayload(geometry, payload!))
      const reply = replyOf(arrived.userPayload)
      const fresh = Either.getOrThrow(useSurb(crypto, geometry, surb, reply.slice()))
      const answer = Either.getOrThrow(useSurb(crypto, geometry, arrived.surb!, reply, memory))
      expect(answer).toEqual(fresh)
      expect(answer.packet.buffer).toBe(memory?.buffer)
    }
    expect(() => useSurb(crypto, geometry, surb, userPayload, new Uint8Array(geometry.packetBytes - 1))).toThrow(RangeError)
  })
})

describe("SURBs", () => {
  const crypto = fastest
  const geometry = geometryOf("x25519", 3, 64, true)
  const path = makePath(crypto, geometry, 2, "reply", "misuse")
  const { keys, surb } = Either.getOrThrow(createSurb(crypto, geometry, path.hops, entropyOf("misuse")))
  const payloadOf = (reply: Uint8Array): Uint8Array =>
    travel(crypto, geometry, path, Either.getOrThrow(useSurb(crypto, geometry, surb, reply)).packet).payload!

  it("draw the reply key first, then as a packet, and nothing for a bad path", () => {
    const draws: Array<number> = []
    const entropy = entropyOf("draws")
    const recorded = (byteCount: number): Uint8Array => {
      draws.push(byteCount)
      return entropy(byteCount)
    }
    Either.getOrThrow(createSurb(crypto, geometry, path.hops, recorded))
    expect(draws).toEqual([64, 32, 82])
    expect(reasonOf(createSurb(crypto, geometry, [], recorded))).toBe("path-length")
    expect(reasonOf(createSurb(crypto, geometry, [...path.hops, ...path.hops], recorded))).toBe("path-length")
    expect(reasonOf(createSurb(crypto, geometry, makePath(crypto, geometry, 2, "forward", "misuse").hops, recorded))).toBe("no-surb-reply")
    expect(draws).toHaveLength(3)
    expect(reasonOf(createSurbWith(crypto, geometry, path.hops, new Uint8Array(63), [], new Uint8Array(82)))).toBe("bad-key")
  })

  it("every length of reply up to the whole forward payload gives a packet of the one length", () => {
    for (const length of [0, 1, geometry.userPayloadBytes, geometry.forwardPayloadBytes]) {
      const reply = entropyOf("reply")(length)
      const opened = Either.getOrThrow(openSurbReply(crypto, keys, payloadOf(reply)))
      expect(opened).toHaveLength(geometry.forwardPayloadBytes)
      expect(opened.subarray(0, length)).toEqual(reply)
    }
    expect(reasonOf(useSurb(crypto, geometry, surb, new Uint8Array(geometry.forwardPayloadBytes + 1)))).toBe("payload-length")
  })

  it("a SURB of another length is refused", () => {
    expect(reasonOf(useSurb(crypto, geometry, surb.subarray(1), new Uint8Array(1)))).toBe("surb-length")
    expect(reasonOf(useSurb(crypto, geometry, Uint8Array.of(...surb, 0), new Uint8Array(1)))).toBe("surb-length")
  })

  it("a second use repeats the replay tags of the first", () => {
    const tags = [1, 2].map((reply) => {
      const { packet } = Either.getOrThrow(useSurb(crypto, geometry, surb, Uint8Array.of(reply)))
      return travel(crypto, geometry, path, packet).steps.map(({ replayTag }) => replayTag)
    })
    expect(tags[0]).toEqual(tags[1])
  })

  it("a reply changed by one bit, another's keys, and keys of odd length give nothing", () => {
    const payload = payloadOf(Uint8Array.of(9))
    for (let byteIndex = 0; byteIndex < payload.length; byteIndex += 7) {
      expect(reasonOf(openSurbReply(crypto, keys, flipBit(payload, byteIndex, byteIndex % 8)))).toBe("bad-payload")
    }
    for (let byteIndex = 0; byteIndex < keys.length; byteIndex += 7) {
      expect(reasonOf(openSurbReply(crypto, flipBit(keys, byteIndex, byteIndex % 8), payload.slice()))).toBe("bad-payload")
    }
    for (const length of [0, 1, 63, 65, 128, keys.length - 1]) {
      expect(reasonOf(openSurbReply(crypto, keys.subarray(0, length), payload.slice()))).toBe("bad-payload")
    }
    for (const length of [0, 31, 32, payload.length - 1]) {
      expect(reasonOf(openSurbReply(crypto, keys, payload.slice(0, length)))).toBe("bad-payload")
    }
    expect(reasonOf(openSurbReply(crypto, keys, payload))).toBe("accepted")
  })
})
