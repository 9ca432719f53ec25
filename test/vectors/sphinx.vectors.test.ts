/**
 * Goal: packets, SURBs, keys and hashes are byte for byte those of the Go implementation, in both directions.
 * Method: every recorded case is created from the recorded draws and unwrapped hop by hop, and every recorded field is compared.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { geometryFields, geometryFromFields, geometryHash, type GeometryFields } from "../../src/sphinx/geometry-hash.ts"
import { NodeId, RecipientId, SurbId } from "../../src/sphinx/geometry.ts"
import { blindingFactorOf, derivePacketKeys } from "../../src/sphinx/key-material.ts"
import { createPacket, createPacketWith } from "../../src/sphinx/packet.ts"
import { patternedPayload } from "../../src/sphinx/patterned-payload.ts"
import { decodeCommands, encodeCommands } from "../../src/sphinx/routing-command.ts"
import { createSurb, createSurbWith, openSurbReply, useSurb } from "../../src/sphinx/surb.ts"
import { mixPrivateKey, unwrap, unwrapDetailed } from "../../src/sphinx/unwrap.ts"
import { backends, fastest, geometryOf } from "../unit/sphinx/sphinx-path.ts"
import { hex, readVectors, recordedRun, type RecordedCase, type RecordedHop, type RecordedRun } from "./sphinx-case.ts"

const nikeCases = readVectors<{ readonly cases: ReadonlyArray<RecordedCase> }>("sphinx_nike_x25519_vectors.json").cases
const kemCases = readVectors<{ readonly cases: ReadonlyArray<RecordedCase> }>("sphinx_kem_xwing_vectors.json").cases

/** The packet of a recorded case, created from its draws; SURB fields are compared on the way. */
const createRecorded = (crypto: CryptoBackend, recorded: RecordedCase, run: RecordedRun): Uint8Array => {
  const payload = patternedPayload(recorded.payload_length)
  expect(toHex(crypto.sha256(payload))).toBe(recorded.payload_sha256)
  if (!recorded.uses_surb) {
    return Either.getOrThrow(createPacketWith(crypto, run.geometry, run.path, payload, run.secrets, run.unusedHops))
  }
  const created = Either.getOrThrow(createSurbWith(crypto, run.geometry, run.path, run.replyKeyMaterial, run.secrets, run.unusedHops))
  expect(toHex(created.surb)).toBe(recorded.surb)
  expect(toHex(created.keys)).toBe(recorded.surb_keys)
  const { firstHop, packet } = Either.getOrThrow(useSurb(crypto, run.geometry, created.surb, payload))
  expect(toHex(firstHop)).toBe(recorded.first_hop)
  return packet
}

/** Unwraps one recorded hop and compares all its fields; returns what comes out. */
const checkHop = (crypto: CryptoBackend, run: RecordedRun, secret: string, recorded: RecordedHop, packet: Uint8Array): Uint8Array => {
  expect(toHex(crypto.sha256(packet))).toBe(recorded.packet_in_sha256)
  if (recorded.packet_in !== undefined) expect(toHex(packet)).toBe(recorded.packet_in)
  if (recorded.header_in !== undefined) expect(toHex(packet.subarray(0, run.geometry.headerBytes))).toBe(recorded.header_in)
  expect(toHex(packet.subarray(2, 2 + run.geometry.elementBytes))).toBe(recorded.group_element ?? recorded.kem_ciphertext)
  const key = mixPrivateKey(crypto, run.geometry, hex(secret))
  const detailed = Either.getOrThrow(unwrapDetailed(crypto, run.geometry, key, packet))
  const { keys } = detailed
  expect(toHex(detailed.sharedSecret)).toBe(recorded.shared_secret)
  expect({
    header_mac: toHex(keys.headerMac),
    header_encryption: toHex(keys.headerEncryption),
    header_encryption_iv: toHex(keys.headerIv),
    payload_encryption: toHex(keys.payloadEncryption),
    ...(recorded.keys.blinding_factor === undefined ? {} : { blinding_factor: toHex(blindingFactorOf(crypto, keys)) })
  }).toEqual(recorded.keys)
  expect(toHex(detailed.replayTag)).toBe(recorded.replay_tag)
  expect(detailed.commands.map((command) => toHex(encodeCommands([command])))).toEqual(recorded.commands_out)
  const { next, payload } = detailed
  expect(next === undefined).toBe(payload !== undefined)
  if (recorded.payload_out_sha256 !== undefined) expect(toHex(crypto.sha256(payload!))).toBe(recorded.payload_out_sha256)
  return next?.packet ?? payload!
}

describe.each(backends)("Sphinx as recorded from Go, $name backend", (crypto) => {
  it.each([...nikeCases, ...kemCases])("$name", (recorded) => {
    const run = recordedRun(crypto, recorded)
    expect(toHex(geometryHash(crypto, run.geometry))).toBe(recorded.geometry.hash)
    run.secrets.forEach(({ element, sharedSecret }, hopIndex) => {
      const hop = recorded.hops[hopIndex]!
      expect([toHex(element), toHex(sharedSecret)]).toEqual([hop.group_element ?? hop.kem_ciphertext, hop.shared_secret])
    })
    let current = createRecorded(crypto, recorded, run)
    recorded.nodes.forEach((node, hopIndex) => {
      expect(toHex(mixPrivateKey(crypto, run.geometry, hex(node.private_key ?? node.private_seed!)).publicKey)).toBe(node.public_key)
      current = checkHop(crypto, run, node.private_key ?? node.private_seed!, recorded.hops[hopIndex]!, current)
    })
    const payload = recorded.uses_surb ? Either.getOrThrow(openSurbReply(crypto, hex(recorded.surb_keys!), current)) : current
    expect(toHex(payload)).toBe(toHex(patternedPayload(recorded.payload_length)))
  })

  it.each(nikeCases)("$name: the drawing functions take the recorded draws in the recorded order", (recorded) => {
    const { geometry, path } = recordedRun(crypto, recorded)
    const draws = hex(recorded.sender_random_bytes_in_order)
    let offset = 0
    const entropy = (byteCount: number): Uint8Array => draws.slice(offset, offset += byteCount)
    if (recorded.uses_surb) {
      const { keys, surb } = Either.getOrThrow(createSurb(crypto, geometry, path, entropy))
      expect([toHex(surb), toHex(keys)]).toEqual([recorded.surb, recorded.surb_keys])
    } else {
      const packet = Either.getOrThrow(createPacket(crypto, geometry, path, patternedPayload(recorded.payload_length), entropy))
      expect(toHex(crypto.sha256(packet))).toBe(recorded.hops[0]!.packet_in_sha256)
    }
    expect(offset).toBe(draws.length)
  })
})

interface UpstreamEntry {
  readonly Nodes: ReadonlyArray<{ readonly ID: string; readonly PrivateKey: string }>
  readonly Path: ReadonlyArray<{ readonly ID: string; readonly PublicKey: string; readonly Commands: ReadonlyArray<string> }>
  readonly Packets: ReadonlyArray<string>
  readonly Payload: string
  readonly Surb: string
  readonly SurbKeys: string
}

describe.each(backends)("Sphinx upstream vectors, $name backend", (crypto) => {
  const geometry = geometryOf("x25519", 5, 103, false)
  const entries = readVectors<ReadonlyArray<UpstreamEntry>>("sphinx_vectors.json")

  it.each(entries.map((entry, index) => ({ entry, index })))("entry $index", ({ entry }) => {
    if (entry.Surb !== "") {
      const { firstHop, packet } = Either.getOrThrow(useSurb(crypto, geometry, hex(entry.Surb), hex(entry.Payload)))
      expect([toHex(packet), toHex(firstHop)]).toEqual([entry.Packets[0], entry.Nodes[0]!.ID])
    }
    entry.Nodes.forEach((node, hopIndex) => {
      const key = mixPrivateKey(crypto, geometry, hex(node.PrivateKey))
      const { commands, next, payload } = Either.getOrThrow(unwrap(crypto, geometry, key, hex(entry.Packets[hopIndex]!)))
      const path = entry.Path[hopIndex]!
      expect(toHex(key.publicKey)).toBe(path.PublicKey)
      const own = commands.filter(({ _tag }) => _tag !== "NextNode").map((command) => toHex(encodeCommands([command])))
      expect(own).toEqual(path.Commands)
      if (hopIndex < entry.Nodes.length - 1) {
        expect([toHex(next!.packet), toHex(next!.nodeId), payload]).toEqual([entry.Packets[hopIndex + 1], entry.Path[hopIndex + 1]!.ID, undefined])
      } else {
        const text = entry.Surb === "" ? payload! : Either.getOrThrow(openSurbReply(crypto, hex(entry.SurbKeys), payload!))
        expect([toHex(text), next]).toEqual([entry.Payload, undefined])
      }
    })
  })
})

describe("Sphinx geometries as computed by Go", () => {
  const { geometries } = readVectors<{ readonly geometries: ReadonlyArray<GeometryFields & { readonly hash: string; readonly with_surb: boolean }> }>(
    "sphinx_geometry_vectors.json"
  )

  it("all have the recorded fields and hashes", () => {
    expect(geometries.length).toBeGreaterThan(40)
    for (const { hash, with_surb, ...fields } of geometries) {
      const geometry = Either.getOrThrow(geometryFromFields(fields))
      expect(geometry.withSurb).toBe(with_surb)
      expect(geometryFields(geometry)).toEqual(fields)
      for (const crypto of backends) expect(toHex(geometryHash(crypto, geometry))).toBe(hash)
    }
  })
})

describe("routing commands as encoded by Go", () => {
  const recorded = readVectors<Readonly<Record<string, string>> & { readonly NodeDelay: number }>("sphinx_commands_vectors.json")
  const commandOf = {
    NextHopCmdWant: { _tag: "NextNode", nodeId: NodeId.unsafe(hex(recorded.NextHopID!)), mac: hex(recorded.NextHopMAC!) },
    RecipientCmdWant: { _tag: "Recipient", recipient: RecipientId.unsafe(hex(recorded.RecipientID!)) },
    SURBReplyCmdWant: { _tag: "SurbReply", surbId: SurbId.unsafe(hex(recorded.SURBReplyID!)) },
    NodeDelayCmdWant: { _tag: "NodeDelay", delayMs: recorded.NodeDelay }
  } as const

  it.each(Object.entries(commandOf))("%s", (name, command) => {
    expect(toHex(encodeCommands([command]))).toBe(recorded[name])
    expect(Either.getOrThrow(decodeCommands(hex(recorded[name]!)))).toEqual([command])
  })
})

describe.each(backends)("Sphinx primitives, $name backend", (crypto) => {
  interface Primitives {
    readonly hash: { readonly msg: string; readonly digest: string }
    readonly stream: { readonly key: string; readonly iv: string; readonly keystream: string }
    readonly kdf: Readonly<Record<"ikm" | "headerMAC" | "headerEncryption" | "headerEncryptionIV" | "payloadEncryption" | "blindingFactor", string>>
    readonly xwing: { readonly seed: string; readonly publicKey: string; readonly ciphertext: string; readonly sharedSecret: string }
  }
  const { hash, kdf, stream, xwing } = readVectors<Primitives>("sphinx_primitives_vectors.json")

  it("hash and stream", () => {
    expect(toHex(crypto.sha512_256(hex(hash.msg)))).toBe(hash.digest)
    expect(toHex(crypto.aes256Ctr(hex(stream.key), hex(stream.iv), new Uint8Array(stream.keystream.length / 2)))).toBe(stream.keystream)
  })

  it("key schedule", () => {
    const keys = derivePacketKeys(crypto, hex(kdf.ikm))
    const found = [keys.headerMac, keys.headerEncryption, keys.headerIv, keys.payloadEncryption, blindingFactorOf(crypto, keys)].map(toHex)
    expect(found).toEqual([kdf.headerMAC, kdf.headerEncryption, kdf.headerEncryptionIV, kdf.payloadEncryption, kdf.blindingFactor])
  })

  it("X-Wing", () => {
    const key = mixPrivateKey(crypto, geometryOf("XWING", 1, 0, false), hex(xwing.seed))
    expect(toHex(key.publicKey)).toBe(xwing.publicKey)
    expect(toHex(key.sharedSecret(crypto, hex(xwing.ciphertext))!)).toBe(xwing.sharedSecret)
  })
})

describe("vectors can fail", () => {
  it("a recorded packet with one bit changed does not unwrap", () => {
    const [recorded] = nikeCases
    const { geometry } = recordedRun(fastest, recorded!)
    const packet = hex(recorded!.hops[0]!.packet_in!)
    packet[100]! ^= 1
    const key = mixPrivateKey(fastest, geometry, hex(recorded!.nodes[0]!.private_key!))
    expect(Either.isLeft(unwrap(fastest, geometry, key, packet))).toBe(true)
  })
})
