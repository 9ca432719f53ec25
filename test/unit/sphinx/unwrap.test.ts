/**
 * Goal: a node accepts exactly the packets that were made for it, refuses all others without harm, and keeps nothing.
 * Method: bit flips and truncations over whole packets; packets forged with the keys of their own maker; backends that count or record calls.
 *
 * @module
 */
import { Either } from "effect"
import { inspect } from "node:util"
import { describe, expect, it } from "vitest"
import { isAllZero } from "../../../src/bytes/equal.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { NodeId, type Geometry } from "../../../src/sphinx/geometry.ts"
import { unusedHopsBytes } from "../../../src/sphinx/header.ts"
import { nikeHopSecrets } from "../../../src/sphinx/hop-secret.ts"
import type { PacketKeys } from "../../../src/sphinx/key-material.ts"
import { createPacket, createPacketWith } from "../../../src/sphinx/packet.ts"
import { encodeCommands, type RoutingCommand } from "../../../src/sphinx/routing-command.ts"
import { mixPrivateKey, replayTagOf, unwrap, unwrapDetailed, unwrapInPlace } from "../../../src/sphinx/unwrap.ts"
import { backends, entropyOf, fastest, flipBit, geometryOf, makePath, reasonOf, recordingBackend, SURB_ID, type TestPath } from "./sphinx-path.ts"

const packetFor = (crypto: CryptoBackend, geometry: Geometry, path: TestPath, label: string): Uint8Array =>
  Either.getOrThrow(createPacket(crypto, geometry, path.hops, entropyOf(label)(geometry.forwardPayloadBytes), entropyOf(`${label} packet`)))

/** Little-endian u-coordinates of order 1, 2, 4 and 8, on the curve and its twist, some not reduced. */
const LOW_ORDER = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`
].map((hex) => Uint8Array.from(hex.match(/../g)!.map((digits) => Number.parseInt(digits, 16))))

describe.each(backends)("unwrap on the $name backend", (crypto) => {
  const geometry = geometryOf("x25519", 2, 40, false)
  const single = makePath(crypto, geometry, 1, "forward", "unwrap")
  const packet = packetFor(crypto, geometry, single, "single")
  const key = single.keys[0]!

  it("one flipped bit anywhere is refused at the last hop, for the reason of its place", () => {
    for (let byteIndex = 0; byteIndex < packet.length; byteIndex++) {
      const reason = reasonOf(unwrap(crypto, geometry, key, flipBit(packet, byteIndex, byteIndex % 8)))
      expect(reason, `byte ${byteIndex}`).toBe(byteIndex < 2 ? "wrong-version" : byteIndex < geometry.headerBytes ? "bad-mac" : "bad-payload")
    }
    expect(reasonOf(unwrap(crypto, geometry, key, packet))).toBe("accepted")
  })

  it("a low-order element is refused", () => {
    for (const element of LOW_ORDER) {
      const forged = packet.slice()
      forged.set(element, 2)
      expect(reasonOf(unwrap(crypto, geometry, key, forged)), toHex(element)).toBe("bad-element")
    }
  })

  it("X-Wing: flipped bits in ciphertext, routing information, MAC and payload are refused", () => {
    const kem = geometryOf("XWING", 2, 40, false)
    const path = makePath(crypto, kem, 1, "forward", "unwrap kem")
    const kemPacket = packetFor(crypto, kem, path, "kem")
    const places = [2, 1089, 1090, 1121, 1122, 2000, kem.headerBytes - 1, kem.headerBytes, kem.packetBytes - 1]
    for (const byteIndex of places) {
      const reason = reasonOf(unwrap(crypto, kem, path.keys[0]!, flipBit(kemPacket, byteIndex, byteIndex % 8)))
      expect(["bad-mac", "bad-element", "bad-payload"], `byte ${byteIndex}`).toContain(reason)
    }
    expect(reasonOf(unwrap(crypto, kem, path.keys[0]!, kemPacket))).toBe("accepted")
  })
})

describe("unwrap", () => {
  const crypto = fastest
  const geometry = geometryOf("x25519", 3, 40, false)
  const path = makePath(crypto, geometry, 2, "forward", "unwrap")
  const packet = packetFor(crypto, geometry, path, "two hops")
  const [first, second] = path.keys as [TestPath["keys"][number], TestPath["keys"][number]]

  it("length and version are refused before any curve operation", () => {
    let calls = 0
    const counting: CryptoBackend = {
      ...crypto,
      x25519: (scalar, u) => {
        calls += 1
        return crypto.x25519(scalar, u)
      }
    }
    for (let length = 0; length < packet.length; length++) {
      expect(reasonOf(unwrap(counting, geometry, first, packet.subarray(0, length)))).toBe("wrong-length")
    }
    expect(reasonOf(unwrap(counting, geometry, first, Uint8Array.of(...packet, 0)))).toBe("wrong-length")
    for (let bitIndex = 0; bitIndex < 16; bitIndex++) {
      expect(reasonOf(unwrap(counting, geometry, first, flipBit(packet, bitIndex >> 3, bitIndex & 7)))).toBe("wrong-version")
    }
    expect(calls).toBe(0)
    expect(reasonOf(unwrap(counting, geometry, first, flipBit(packet, 40, 0)))).toBe("bad-mac")
    expect(calls).toBe(1)
    expect(reasonOf(unwrap(counting, geometry, first, packet))).toBe("accepted")
    expect(calls).toBe(3)
  })

  it("the packet handed in stays as it was, accepted or refused", () => {
    const copy = packet.slice()
    expect(reasonOf(unwrap(crypto, geometry, second, packet))).toBe("bad-mac")
    expect(reasonOf(unwrap(crypto, geometry, mixPrivateKey(crypto, geometry, entropyOf("stranger")(32)), packet))).toBe("bad-mac")
    expect(packet).toEqual(copy)
    expect(reasonOf(unwrap(crypto, geometry, first, packet))).toBe("accepted")
    expect(packet).toEqual(copy)
  })

  it("in place a layer comes off as elsewhere, into the memory of the packet, at every hop", () => {
    for (const at of [geometryOf("x25519", 3, 40, false), geometryOf("XWING", 3, 40, true)]) {
      const way = makePath(crypto, at, 3, "forward", "in place")
      let travelling = packetFor(crypto, at, way, "in place")
      for (const key of way.keys) {
        const own = travelling.slice()
        const elsewhere = Either.getOrThrow(unwrap(crypto, at, key, travelling))
        const { memory, ...inPlace } = Either.getOrThrow(unwrapInPlace(crypto, at, key, own))
        expect(inPlace).toEqual({ ...elsewhere, memory: undefined })
        expect(memory === undefined).toBe(inPlace.payload === undefined)
        if (memory !== undefined) expect(memory.subarray(memory.length - (inPlace.payload?.length ?? 0))).toEqual(inPlace.payload)
        expect((inPlace.next?.packet ?? inPlace.payload)?.buffer).toBe(own.buffer)
        travelling = elsewhere.next?.packet ?? travelling
      }
    }
  })

  it("a packet refused in place stays as it was, so that another key may be tried; a payload that is bad may have changed", () => {
    for (const changed of [packet, flipBit(packet, 0, 0), flipBit(packet, 40, 0), flipBit(packet, geometry.headerBytes - 1, 0), packet.subarray(1)]) {
      const own = changed.slice()
      expect(reasonOf(unwrapInPlace(crypto, geometry, second, own))).not.toBe("accepted")
      expect(own).toEqual(changed)
    }
    const own = packet.slice()
    expect([second, first].map((key) => reasonOf(unwrapInPlace(crypto, geometry, key, own)))).toEqual(["bad-mac", "accepted"])
    const last = Either.getOrThrow(unwrap(crypto, geometry, first, packet)).next!.packet
    expect(reasonOf(unwrapInPlace(crypto, geometry, second, flipBit(last, geometry.headerBytes, 0)))).toBe("bad-payload")
  })

  it("a packet inside a larger buffer is read in place", () => {
    const larger = new Uint8Array(packet.length + 30).fill(0xee)
    larger.set(packet, 13)
    expect(unwrap(crypto, geometry, first, larger.subarray(13, 13 + packet.length))).toEqual(unwrap(crypto, geometry, first, packet))
  })

  it("a bit flipped in the payload at a mix is refused at the end, one in the header at the mix", () => {
    for (let byteIndex = geometry.headerBytes; byteIndex < packet.length; byteIndex += 5) {
      const { next } = Either.getOrThrow(unwrap(crypto, geometry, first, flipBit(packet, byteIndex, byteIndex % 8)))
      expect(reasonOf(unwrap(crypto, geometry, second, next!.packet))).toBe("bad-payload")
    }
    for (let byteIndex = 2; byteIndex < geometry.headerBytes; byteIndex += 5) {
      expect(reasonOf(unwrap(crypto, geometry, first, flipBit(packet, byteIndex, byteIndex % 8)))).toBe("bad-mac")
    }
  })

  it("the replay tag is known before unwrapping, repeats with the packet, and a forgery with its element gets none", () => {
    const tag = replayTagOf(crypto, geometry, packet)
    const forged = flipBit(packet, geometry.headerBytes - 1, 0)
    expect(replayTagOf(crypto, geometry, forged)).toEqual(tag)
    const refused = unwrap(crypto, geometry, first, forged)
    expect(reasonOf(refused)).toBe("bad-mac")
    expect(Object.keys(Either.getOrThrow(Either.flip(refused))).sort()).toEqual(["_tag", "reason"])
    for (let i = 0; i < 2; i++) expect(Either.getOrThrow(unwrap(crypto, geometry, first, packet)).replayTag).toEqual(tag)
    expect(replayTagOf(crypto, geometry, packet.subarray(1))).toBeUndefined()
  })

  it("secrets are wiped on return, accepted or refused", () => {
    const { recording, secrets } = recordingBackend(crypto)
    unwrap(recording, geometry, first, packet)
    unwrap(recording, geometry, second, packet)
    unwrapDetailed(recording, geometry, second, packet)
    expect(secrets).toHaveLength(7)
    for (const bytes of secrets) expect(isAllZero(bytes)).toBe(true)
    const { keys, sharedSecret } = Either.getOrThrow(unwrapDetailed(crypto, geometry, first, packet))
    expect([keys.material, sharedSecret].some(isAllZero)).toBe(false)
  })

  it("a private key shows only its public part, and opens nothing after wiping", () => {
    const secret = entropyOf("private")(32)
    const key = mixPrivateKey(crypto, geometry, secret)
    expect(Object.keys(key)).toEqual(["publicKey"])
    expect(inspect(key, { showHidden: true, depth: 5, maxArrayLength: 64 })).not.toContain(inspect(secret, { maxArrayLength: 64 }))
    const own = makePath(crypto, geometry, 1, "forward", "private")
    const hops = own.hops.map((hop) => ({ ...hop, publicKey: key.publicKey }))
    const ownPacket = packetFor(crypto, geometry, { keys: [key], hops }, "private")
    expect(reasonOf(unwrap(crypto, geometry, key, ownPacket))).toBe("accepted")
    key.wipe()
    expect(reasonOf(unwrap(crypto, geometry, key, ownPacket))).toBe("bad-mac")
    expect(secret).toEqual(entropyOf("private")(32))
    expect(() => mixPrivateKey(crypto, geometry, new Uint8Array(31))).toThrow(RangeError)
  })
})

describe("packets forged by whoever knows the keys", () => {
  const crypto = fastest
  const geometry = geometryOf("x25519", 2, 40, false)
  const path = makePath(crypto, geometry, 1, "forward", "forged")
  const key = path.keys[0]!
  const secrets = Either.getOrThrow(nikeHopSecrets(crypto, new Uint8Array(32).fill(8), path.hops.map(({ publicKey }) => publicKey)))
  const keys: PacketKeys = secrets[0]!.keys
  const unused = new Uint8Array(unusedHopsBytes(geometry, path.hops))
  const packet = Either.getOrThrow(createPacketWith(crypto, geometry, path.hops, new Uint8Array(40), secrets, unused))

  /** The packet with another first block and a MAC that agrees. */
  const withBlock = (block: Uint8Array): Uint8Array => {
    const forged = packet.slice()
    const macOffset = geometry.headerBytes - 32
    const routingInfo = crypto.aes256Ctr(keys.headerEncryption, keys.headerIv, packet.subarray(34, macOffset))
    routingInfo.set(block)
    forged.set(crypto.aes256Ctr(keys.headerEncryption, keys.headerIv, routingInfo), 34)
    forged.set(crypto.hmacSha256(keys.headerMac, forged.subarray(0, macOffset)), macOffset)
    return forged
  }
  const reasonFor = (block: Uint8Array): string => reasonOf(unwrap(crypto, geometry, key, withBlock(block)))
  const blockOf = (...commands: ReadonlyArray<RoutingCommand>): Uint8Array => encodeCommands(commands, geometry.perHopBytes)
  const reply: RoutingCommand = { _tag: "SurbReply", surbId: SURB_ID }
  const nextNode: RoutingCommand = { _tag: "NextNode", nodeId: NodeId.unsafe(new Uint8Array(32).fill(1)), mac: new Uint8Array(32) }

  it("bad command blocks are refused", () => {
    expect(reasonFor(blockOf(reply, reply))).toBe("bad-command")
    expect(reasonFor(flipBit(blockOf(reply), geometry.perHopBytes - 1, 3))).toBe("bad-command")
    expect(reasonFor(Uint8Array.of(0x55, ...new Uint8Array(81)))).toBe("bad-command")
    const cutShort = blockOf(reply, reply, reply, reply)
    cutShort[68] = 0x02
    expect(reasonFor(cutShort)).toBe("bad-command")
  })

  it("an empty block ends the path without any command", () => {
    expect(Either.getOrThrow(unwrap(crypto, geometry, key, withBlock(blockOf())))).toMatchObject({ commands: [], next: undefined })
  })

  it("a SURB reply is handed out with its tag area and unchecked, a next node wins over it", () => {
    const { payload } = Either.getOrThrow(unwrap(crypto, geometry, key, withBlock(blockOf(reply))))
    expect(payload).toHaveLength(32 + geometry.forwardPayloadBytes)
    const corrupt = flipBit(withBlock(blockOf(reply)), geometry.packetBytes - 1, 0)
    expect(reasonOf(unwrap(crypto, geometry, key, corrupt))).toBe("accepted")
    const both = Either.getOrThrow(unwrap(crypto, geometry, key, withBlock(blockOf(reply, nextNode))))
    expect(both.payload).toBeUndefined()
    expect(both.next?.nodeId).toEqual(new Uint8Array(32).fill(1))
  })
})
