/**
 * Goal: what goes in at the sender comes out at the last hop, for every path length and both schemes, and nothing unusable is built.
 * Method: round trips over n = 1..5; the order of draws; each reason of PacketInvalid; the framing of forward payloads byte by byte.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { isAllZero } from "../../../src/bytes/equal.ts"
import { NodeId } from "../../../src/sphinx/geometry.ts"
import { createHeaderInto, unusedHopsBytes } from "../../../src/sphinx/header.ts"
import { drawHopSecrets, nikeHopSecrets } from "../../../src/sphinx/hop-secret.ts"
import { createPacket, createPacketWith, decodeForwardPayload, encodeForwardPayload, type PathHop } from "../../../src/sphinx/packet.ts"
import { createSurb } from "../../../src/sphinx/surb.ts"
import { unwrap } from "../../../src/sphinx/unwrap.ts"
import { backends, entropyOf, fastest, flipBit, geometryOf, makePath, reasonOf, recordingBackend, SURB_ID, travel } from "./sphinx-path.ts"

describe.each(backends)("packets on the $name backend", (crypto) => {
  it.each(["x25519", "XWING"] as const)("%s: the payload arrives after 1 to 5 hops, all packets of one length", (scheme) => {
    const geometry = geometryOf(scheme, 5, 96, true)
    const tags = new Set<string>()
    for (let hopCount = 1; hopCount <= 5; hopCount++) {
      const path = makePath(crypto, geometry, hopCount, "forward", `round trip ${scheme}`)
      const userPayload = entropyOf(`payload ${hopCount}`)(96)
      const forward = Either.getOrThrow(encodeForwardPayload(geometry, { userPayload }))
      const packet = Either.getOrThrow(createPacket(crypto, geometry, path.hops, forward, entropyOf(`packet ${hopCount}`)))
      const { payload, steps } = travel(crypto, geometry, path, packet)
      expect(payload).toEqual(forward)
      expect(Either.getOrThrow(decodeForwardPayload(geometry, forward))).toEqual({ surb: undefined, userPayload })
      expect([packet.length, ...steps.flatMap(({ next }) => next?.packet.length ?? [])]).toEqual(steps.map(() => geometry.packetBytes))
      expect(steps.map(({ next }) => next?.nodeId)).toEqual([...path.hops.slice(1).map(({ nodeId }) => nodeId), undefined])
      expect(steps.map(({ commands }) => commands.filter(({ _tag }) => _tag !== "NextNode"))).toEqual(path.hops.map(({ commands }) => commands))
      for (const { replayTag } of steps) tags.add(replayTag.join())
    }
    expect(tags.size).toBe(15)
  })

  it("a geometry without SURB carries the bare user payload", () => {
    const geometry = geometryOf("x25519", 2, 40, false)
    const path = makePath(crypto, geometry, 2, "forward", "bare")
    const forward = Either.getOrThrow(encodeForwardPayload(geometry, { userPayload: Uint8Array.of(1, 2, 3) }))
    const packet = Either.getOrThrow(createPacket(crypto, geometry, path.hops, forward, entropyOf("bare")))
    const { payload } = travel(crypto, geometry, path, packet)
    expect(payload).toEqual(Uint8Array.of(1, 2, 3, ...new Uint8Array(37)))
  })
})

describe("packet creation", () => {
  const crypto = fastest
  const geometry = geometryOf("x25519", 3, 50, false)
  const { hops } = makePath(crypto, geometry, 2, "forward", "creation")
  const payload = new Uint8Array(50)
  const reasonFor = (path: ReadonlyArray<PathHop>, forward = payload): string => {
    const draws: Array<number> = []
    const result = createPacket(crypto, geometry, path, forward, (byteCount) => {
      draws.push(byteCount)
      return entropyOf("creation")(byteCount)
    })
    if (!["accepted", "bad-key"].includes(reasonOf(result))) expect(draws).toEqual([])
    return reasonOf(result)
  }
  const withFirst = (change: Partial<PathHop>): ReadonlyArray<PathHop> => hops.map((hop, i) => (i === 0 ? { ...hop, ...change } : hop))

  it("draws the ephemeral key, then the unused hops; KEM draws coins per hop first", () => {
    for (const [scheme, expected] of [["x25519", [32, 82]], ["XWING", [64, 64, 1202]]] as const) {
      const other = geometryOf(scheme, 3, 50, false)
      const path = makePath(crypto, other, 2, "forward", "draws")
      const draws: Array<number> = []
      const entropy = entropyOf("draws")
      Either.getOrThrow(createPacket(crypto, other, path.hops, payload, (byteCount) => {
        draws.push(byteCount)
        return entropy(byteCount)
      }))
      expect(draws).toEqual(expected)
    }
  })

  it("equal draws give equal packets, other draws share nothing but the version", () => {
    const [a, b, c] = ["one", "one", "two"].map((label) => Either.getOrThrow(createPacket(crypto, geometry, hops, payload, entropyOf(label))))
    expect(a).toEqual(b)
    const same = a!.filter((byte, i) => byte === c![i]).length
    expect(same).toBeLessThan(a!.length / 16)
  })

  it("a path of no hop or too many is refused", () => {
    expect(reasonFor([])).toBe("path-length")
    expect(reasonFor([...hops, ...hops])).toBe("path-length")
  })

  it("a payload of another length is refused", () => {
    expect(reasonFor(hops, new Uint8Array(49))).toBe("payload-length")
    expect(reasonFor(hops, new Uint8Array(51))).toBe("payload-length")
  })

  it("commands that no hop would accept are refused", () => {
    expect(reasonFor(withFirst({ commands: [{ _tag: "NextNode", nodeId: hops[0]!.nodeId, mac: new Uint8Array(32) }] }))).toBe("bad-command")
    expect(reasonFor(withFirst({ commands: [{ _tag: "NodeDelay", delayMs: 2 ** 32 }] }))).toBe("bad-command")
    const reply = { _tag: "SurbReply", surbId: SURB_ID } as const
    expect(reasonFor(withFirst({ commands: [reply, reply] }))).toBe("bad-command")
  })

  it("commands must leave room for the next node, except at the last hop", () => {
    const delay = { _tag: "NodeDelay", delayMs: 1 } as const
    expect(reasonFor(withFirst({ commands: [delay, delay, delay] }))).toBe("accepted")
    expect(reasonFor(withFirst({ commands: [delay, delay, delay, delay] }))).toBe("commands-too-long")
    const lastWith = (delayCount: number) => [{ ...hops[1]!, commands: Array.from({ length: delayCount }, () => delay) }]
    expect(reasonFor(lastWith(16))).toBe("accepted")
    expect(reasonFor(lastWith(17))).toBe("commands-too-long")
  })

  it("keys of wrong length and of low order are refused", () => {
    expect(reasonFor(withFirst({ publicKey: new Uint8Array(31) }))).toBe("bad-key")
    expect(reasonFor(withFirst({ publicKey: new Uint8Array(32) }))).toBe("bad-key")
    expect(reasonFor(withFirst({ nodeId: new Uint8Array(31) as NodeId }))).toBe("bad-key")
    const kem = geometryOf("XWING", 3, 50, false)
    expect(reasonOf(createPacket(crypto, kem, hops, payload, entropyOf("kem")))).toBe("bad-key")
  })

  it("secrets and random bytes that do not fit the path are refused", () => {
    const secrets = Either.getOrThrow(nikeHopSecrets(crypto, new Uint8Array(32).fill(3), hops.map(({ publicKey }) => publicKey)))
    const unused = new Uint8Array(unusedHopsBytes(geometry, hops))
    const header = new Uint8Array(geometry.headerBytes)
    const made = (some: typeof secrets, random: Uint8Array) => reasonOf(createHeaderInto(crypto, geometry, hops, some, random, header))
    expect(made(secrets.slice(1), unused)).toBe("bad-key")
    expect(made(secrets, unused.subarray(1))).toBe("bad-key")
    expect(header).toEqual(new Uint8Array(geometry.headerBytes))
    expect(made(secrets, unused)).toBe("accepted")
    expect(reasonOf(createPacketWith(crypto, geometry, hops, payload.subarray(1), secrets, unused))).toBe("payload-length")
    expect(reasonOf(nikeHopSecrets(crypto, new Uint8Array(31), []))).toBe("bad-key")
  })

  it.each(["x25519", "XWING"] as const)("%s: all that was drawn or derived is wiped once packet or SURB is built", (scheme) => {
    const other = geometryOf(scheme, 2, 50, true)
    const { recording, secrets } = recordingBackend(crypto)
    const entropy = entropyOf("wipe")
    const recorded = (byteCount: number): Uint8Array => {
      const drawn = entropy(byteCount)
      secrets.push(drawn)
      return drawn
    }
    const forward = makePath(crypto, other, 2, "forward", "wipe")
    Either.getOrThrow(createPacket(recording, other, forward.hops, new Uint8Array(other.forwardPayloadBytes), recorded))
    Either.getOrThrow(createSurb(recording, other, makePath(crypto, other, 2, "reply", "wipe").hops, recorded))
    expect(secrets.length).toBeGreaterThan(10)
    for (const bytes of secrets) expect(isAllZero(bytes), `${bytes.length} bytes`).toBe(true)
  })

  it("keys are wiped where a defect ends the making, or the opening, of a packet", () => {
    const forward = makePath(crypto, geometry, 2, "forward", "defect")
    const payload = new Uint8Array(geometry.forwardPayloadBytes)
    const packet = Either.getOrThrow(createPacket(crypto, geometry, forward.hops, payload, entropyOf("defect")))
    const { recording, secrets } = recordingBackend(crypto)
    const fail = (): never => { throw new Error("planted") }
    const broken = { ...recording, sprpEncipherInto: fail, sprpDecipherInto: fail, aes256CtrInto: fail }
    expect(() => createPacket({ ...broken, aes256CtrInto: crypto.aes256CtrInto }, geometry, forward.hops, payload, entropyOf("defect"))).toThrow("planted")
    expect(() => createSurb(broken, geometry, makePath(crypto, geometry, 2, "reply", "defect").hops, entropyOf("defect"))).toThrow("planted")
    expect(() => unwrap(broken, geometry, forward.keys[0]!, packet)).toThrow("planted")
    expect(secrets.length).toBeGreaterThan(6)
    for (const bytes of secrets) expect(isAllZero(bytes), `${bytes.length} bytes`).toBe(true)
  })

  it("the hop secrets of a packet are the ones its hops find", () => {
    const secrets = Either.getOrThrow(drawHopSecrets(crypto, geometry, hops.map(({ publicKey }) => publicKey), entropyOf("shared")))
    const { keys } = makePath(crypto, geometry, 2, "forward", "creation")
    expect(secrets.map(({ element }, i) => keys[i]!.sharedSecret(crypto, element))).toEqual(secrets.map(({ sharedSecret }) => sharedSecret))
  })
})

describe("forward payload framing", () => {
  const geometry = geometryOf("x25519", 2, 30, true)
  const surb = entropyOf("surb")(geometry.surbBytes)
  const userPayload = entropyOf("user")(30)
  const withSurb = Either.getOrThrow(encodeForwardPayload(geometry, { surb, userPayload }))
  const withoutSurb = Either.getOrThrow(encodeForwardPayload(geometry, { userPayload }))

  it("reads back as written", () => {
    expect(Either.getOrThrow(decodeForwardPayload(geometry, withSurb))).toEqual({ surb, userPayload })
    expect(Either.getOrThrow(decodeForwardPayload(geometry, withoutSurb))).toEqual({ surb: undefined, userPayload })
    expect([withSurb.length, withoutSurb.length]).toEqual([geometry.forwardPayloadBytes, geometry.forwardPayloadBytes])
    expect([...withSurb.subarray(0, 2), ...withoutSurb.subarray(0, 2)]).toEqual([1, 0, 0, 0])
  })

  it("short user payloads are zero-padded, long ones and odd SURBs refused", () => {
    const short = Either.getOrThrow(encodeForwardPayload(geometry, { userPayload: Uint8Array.of(5) }))
    expect(Either.getOrThrow(decodeForwardPayload(geometry, short)).userPayload).toEqual(Uint8Array.of(5, ...new Uint8Array(29)))
    expect(reasonOf(encodeForwardPayload(geometry, { userPayload: new Uint8Array(31) }))).toBe("payload-length")
    expect(reasonOf(encodeForwardPayload(geometry, { surb: surb.subarray(1), userPayload }))).toBe("surb-length")
    expect(reasonOf(encodeForwardPayload(geometryOf("x25519", 2, 30, false), { surb, userPayload }))).toBe("surb-length")
  })

  it("any other length is refused", () => {
    for (let length = 0; length < withSurb.length; length++) {
      expect(reasonOf(decodeForwardPayload(geometry, withSurb.subarray(0, length)))).toBe("wrong-length")
    }
    expect(reasonOf(decodeForwardPayload(geometry, Uint8Array.of(...withSurb, 0)))).toBe("wrong-length")
    expect(reasonOf(decodeForwardPayload(geometryOf("x25519", 2, 30, false), new Uint8Array(31)))).toBe("wrong-length")
  })

  it("unknown flags and a reserved byte are refused, every other flipped bit is seen", () => {
    for (let byteIndex = 0; byteIndex < withSurb.length; byteIndex++) {
      for (const bitIndex of byteIndex < 2 ? [1, 2, 3, 4, 5, 6, 7] : [byteIndex % 8]) {
        const decoded = decodeForwardPayload(geometry, flipBit(withSurb, byteIndex, bitIndex))
        if (byteIndex === 0) expect(reasonOf(decoded)).toBe("unknown-type")
        else if (byteIndex === 1) expect(reasonOf(decoded)).toBe("reserved-not-zero")
        else expect(Either.getOrThrow(decoded)).not.toEqual({ surb, userPayload })
      }
    }
  })
})
