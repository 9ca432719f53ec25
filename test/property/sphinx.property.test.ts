/**
 * Goal: the parsers of src/sphinx take any bytes without throwing, and what they accept means exactly one thing.
 * Method: arbitrary bytes into every function that reads bytes of others; arbitrary values through every encoder.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { geometryFields, geometryFromFields } from "../../src/sphinx/geometry-hash.ts"
import { makeGeometry, NodeId, RecipientId, SurbId } from "../../src/sphinx/geometry.ts"
import { createPacket, decodeForwardPayload, encodeForwardPayload } from "../../src/sphinx/packet.ts"
import { commandsByteLength, decodeCommands, encodeCommands, type RoutingCommand } from "../../src/sphinx/routing-command.ts"
import { openSurbReply, useSurb } from "../../src/sphinx/surb.ts"
import { mixPrivateKey, replayTagOf, unwrap } from "../../src/sphinx/unwrap.ts"
import { entropyOf, fastest, geometryOf, makePath, reasonOf, travel } from "../unit/sphinx/sphinx-path.ts"

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })

const delay = fc.record({ _tag: fc.constant("NodeDelay" as const), delayMs: fc.integer({ min: 0, max: 0xffffffff }) })
const recipient = fc.record({ _tag: fc.constant("Recipient" as const), recipient: bytes(32).map(RecipientId.unsafe) })
const surbReply = fc.record({ _tag: fc.constant("SurbReply" as const), surbId: bytes(16).map(SurbId.unsafe) })
const nextNode = fc.record({ _tag: fc.constant("NextNode" as const), nodeId: bytes(32).map(NodeId.unsafe), mac: bytes(32) })

/** Any list that a hop may be given: delays and recipients in any number, one SURB reply and one next node at most. */
const commands: fc.Arbitrary<ReadonlyArray<RoutingCommand>> = fc
  .tuple(fc.array(fc.oneof(delay, recipient), { maxLength: 5 }), fc.option(surbReply, { nil: undefined }), fc.option(nextNode, { nil: undefined }))
  .chain(([many, reply, next]) => fc.shuffledSubarray([...many, ...(reply === undefined ? [] : [reply]), ...(next === undefined ? [] : [next])]))

/** Bytes that look like commands often enough to get deep into the parser. */
const nearlyCommands = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x80), fc.integer({ min: 0, max: 255 })), { maxLength: 140 })
  .map((values) => Uint8Array.from(values))

describe("routing commands, any input", () => {
  it("read back as written, in blocks of any size", () => {
    fc.assert(fc.property(commands, fc.integer({ min: 0, max: 90 }), (list, zeroCount) => {
      const block = encodeCommands(list, commandsByteLength(list) + zeroCount)
      expect(Either.getOrThrow(decodeCommands(block))).toEqual(list)
    }))
  })

  it("any bytes are refused or have exactly one encoding", () => {
    fc.assert(fc.property(nearlyCommands, (block) => {
      const decoded = decodeCommands(block)
      if (Either.isRight(decoded)) expect(encodeCommands(decoded.right, block.length)).toEqual(block)
    }), { numRuns: 1000 })
  })
})

describe("geometry, any choice", () => {
  it("the parts of a packet add up, and the fields lead back", () => {
    const choice = fc.record({
      scheme: fc.constantFrom("x25519", "XWING"),
      hopCount: fc.integer({ min: 1, max: 64 }),
      userPayloadBytes: fc.integer({ min: 0, max: 1 << 24 }),
      withSurb: fc.boolean()
    })
    fc.assert(fc.property(choice, (wanted) => {
      const geometry = Either.getOrThrow(makeGeometry(wanted))
      expect(geometry.packetBytes).toBe(geometry.headerBytes + 32 + geometry.forwardPayloadBytes)
      expect(geometry.headerBytes).toBe(2 + geometry.elementBytes + geometry.hopCount * geometry.perHopBytes + 32)
      expect(geometry.forwardPayloadBytes - geometry.userPayloadBytes).toBe(wanted.withSurb ? 2 + geometry.surbBytes : 0)
      expect(Either.getOrThrow(geometryFromFields(geometryFields(geometry)))).toEqual(geometry)
    }))
  })
})

describe("bytes of strangers", () => {
  const crypto = fastest
  const geometry = geometryOf("x25519", 2, 40, true)
  const key = mixPrivateKey(crypto, geometry, entropyOf("any")(32))

  it("random packets of the right length are refused", () => {
    fc.assert(fc.property(bytes(geometry.packetBytes - 2), fc.boolean(), (rest, goodVersion) => {
      const packet = Uint8Array.of(0, goodVersion ? 0 : 1, ...rest)
      expect(["bad-mac", "bad-element", "wrong-version"]).toContain(reasonOf(unwrap(crypto, geometry, key, packet)))
      expect(replayTagOf(crypto, geometry, packet)).toHaveLength(32)
    }), { numRuns: 60 })
  })

  it("random X-Wing packets are refused", () => {
    const kem = geometryOf("XWING", 1, 0, false)
    const kemKey = mixPrivateKey(crypto, kem, entropyOf("any kem")(32))
    fc.assert(fc.property(bytes(kem.packetBytes - 2), (rest) => {
      expect(["bad-mac", "bad-element"]).toContain(reasonOf(unwrap(crypto, kem, kemKey, Uint8Array.of(0, 0, ...rest))))
    }), { numRuns: 20 })
  })

  it("random bytes of any length are refused", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), (packet) => {
      expect(reasonOf(unwrap(crypto, geometry, key, packet))).not.toBe("accepted")
    }))
  })

  it("random forward payloads are refused or read back", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 1 }), bytes(geometry.forwardPayloadBytes - 2), (flags, reserved, rest) => {
      const payload = Uint8Array.of(flags, reserved, ...rest)
      const decoded = decodeForwardPayload(geometry, payload)
      expect(Either.isRight(decoded)).toBe(flags < 2 && reserved === 0)
      if (Either.isRight(decoded) && flags === 1) expect(Either.getOrThrow(encodeForwardPayload(geometry, decoded.right))).toEqual(payload)
    }))
  })

  it("any bytes of the right length are usable as a SURB, any others are not", () => {
    fc.assert(fc.property(fc.oneof(bytes(geometry.surbBytes), fc.uint8Array({ maxLength: 600 })), fc.uint8Array({ maxLength: 50 }), (surb, payload) => {
      const used = useSurb(crypto, geometry, surb, payload)
      expect(reasonOf(used)).toBe(surb.length === geometry.surbBytes ? "accepted" : "surb-length")
      if (Either.isRight(used)) expect(used.right.packet).toHaveLength(geometry.packetBytes)
    }))
  })

  it("random replies do not open", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 120 }), bytes(128), (keys, payload, twoKeys) => {
      expect(reasonOf(openSurbReply(crypto, keys, payload))).toBe("bad-payload")
      expect(reasonOf(openSurbReply(crypto, twoKeys, payload))).toBe("bad-payload")
    }))
  })
})

describe("packets, any payload", () => {
  it("arrive as they were sent", () => {
    const crypto = fastest
    const payloads = fc.integer({ min: 0, max: 200 }).chain((length) => fc.tuple(bytes(length), fc.integer({ min: 1, max: 3 })))
    fc.assert(fc.property(payloads, ([payload, hopCount]) => {
      const geometry = geometryOf("x25519", 3, payload.length, false)
      const path = makePath(crypto, geometry, hopCount, "forward", "property")
      const packet = Either.getOrThrow(createPacket(crypto, geometry, path.hops, payload, entropyOf("property")))
      expect(travel(crypto, geometry, path, packet).payload).toEqual(payload)
    }), { numRuns: 20 })
  })
})
