/**
 * The form of recorded Sphinx packets, NIKE and KEM: creation with the recorded randomness, then every hop.
 *
 * Contract: packet or SURB are created anew and compared byte for byte; each hop unwraps what the hop before handed on. In KEM mode creation
 * takes the recorded ciphertexts and secrets, and unwrapping proves that they belong to the nodes' keys.
 * Knows nothing of: upstream's own packet file (sphinx-upstream.ts).
 * Source: sphinx.md §8–§14; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../../bytes/concat.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { geometryFields, geometryFromFields, geometryHash, type GeometryFields } from "../../sphinx/geometry-hash.ts"
import { NodeId, SPRP_KEY_MATERIAL_BYTES, VERSION_BYTES, type Geometry } from "../../sphinx/geometry.ts"
import { unusedHopsBytes } from "../../sphinx/header.ts"
import { EPHEMERAL_KEY_BYTES, kemHopSecrets, nikeHopSecrets, type HopSecret } from "../../sphinx/hop-secret.ts"
import { blindingFactorOf } from "../../sphinx/key-material.ts"
import { createPacketWith, type PathHop } from "../../sphinx/packet.ts"
import { patternedPayload } from "../../sphinx/patterned-payload.ts"
import { decodeCommands, encodeCommands } from "../../sphinx/routing-command.ts"
import { createSurbWith, openSurbReply, useSurb } from "../../sphinx/surb.ts"
import { mixPrivateKey, unwrapDetailed, type MixPrivateKey, type UnwrappedDetailed } from "../../sphinx/unwrap.ts"
import { fieldOf, hexFieldOf, isRecord, type CaseRecord } from "../case-record.ts"
import { hasAnyField, scriptedEntropy, type Form } from "../form.ts"
import type { Report } from "../report.ts"

const PAYLOAD_LIMIT_BYTES = 1 << 24
const IV_BYTES = 16
const PAYLOAD_RULE = "byte i = (i*167 + floor(i/256)) mod 256"

const GEOMETRY_NUMBERS = [
  "PacketLength", "NrHops", "HeaderLength", "RoutingInfoLength", "PerHopRoutingInfoLength", "SURBLength", "SphinxPlaintextHeaderLength",
  "PayloadTagLength", "ForwardPayloadLength", "UserForwardPayloadLength", "NextNodeHopLength", "SPRPKeyMaterialLength"
] as const

/** Reads the 14 fields and the hash of a geometry; undefined when they contradict each other. */
export const readGeometry = (crypto: CryptoBackend, record: CaseRecord): Geometry | undefined => {
  const numbers = Object.fromEntries(GEOMETRY_NUMBERS.map((name) => [name, record.integer(name)])) as Pick<GeometryFields, (typeof GEOMETRY_NUMBERS)[number]>
  const fields: GeometryFields = { ...numbers, NIKEName: record.text("NIKEName"), KEMName: record.text("KEMName") }
  const geometry = Either.getOrUndefined(geometryFromFields(fields))
  if (geometry === undefined) record.fail("the lengths do not make a geometry")
  if (record.has("hash")) record.expectHex("hash", geometry === undefined ? undefined : geometryHash(crypto, geometry))
  return geometry
}

interface Node {
  readonly hop: PathHop
  readonly key: MixPrivateKey
}

const readNodes = (crypto: CryptoBackend, geometry: Geometry, record: CaseRecord, report: Report, name: string): ReadonlyArray<Node> => {
  const secretName = geometry.scheme.kind === "nike" ? "private_key" : "private_seed"
  return record.list("nodes").flatMap((value, index) => {
    const nodes: Array<Node> = []
    report.check(`${name}.nodes[${index}]`, value, (node) => {
      const key = mixPrivateKey(crypto, geometry, node.hex(secretName))
      node.expectHex("public_key", key.publicKey)
      const decoded = decodeCommands(concatBytes(...node.hexList("commands")))
      if (Either.isLeft(decoded)) node.fail("commands do not parse")
      const commands = Either.getOrElse(decoded, () => [])
      node.expectHexList("commands", commands.map((command) => encodeCommands([command])))
      nodes.push({ hop: { nodeId: NodeId.unsafe(node.hex("id")), publicKey: key.publicKey, commands }, key })
    })
    return nodes
  })
}

interface Created {
  readonly packet: Uint8Array
  readonly surbKeys: Uint8Array | undefined
}

interface Case {
  readonly geometry: Geometry
  readonly path: ReadonlyArray<PathHop>
  readonly payload: Uint8Array
}

/** Packet or SURB from the recorded randomness: SURB key, ephemeral key (NIKE), filler, in this order. */
const create = (crypto: CryptoBackend, { geometry, path, payload }: Case, record: CaseRecord): Created | undefined => {
  const script = scriptedEntropy(record.hex("sender_random_bytes_in_order"))
  const usesSurb = record.boolean("uses_surb")
  const isNike = geometry.scheme.kind === "nike"
  // the layout of KEM cases speaks of both kinds in one text
  const surbParts = usesSurb || !isNike ? [SPRP_KEY_MATERIAL_BYTES - IV_BYTES, IV_BYTES] : []
  if (record.has("sender_random_layout")) record.expectLayout("sender_random_layout", ...surbParts, ...(isNike ? [EPHEMERAL_KEY_BYTES] : []))
  const replyKey = usesSurb ? script.entropy(SPRP_KEY_MATERIAL_BYTES) : undefined
  const secrets: ReadonlyArray<HopSecret> | undefined = isNike
    ? Either.getOrUndefined(nikeHopSecrets(crypto, script.entropy(EPHEMERAL_KEY_BYTES), path.map((hop) => hop.publicKey)))
    : kemHopSecrets(crypto, record.list("hops").map((hop) => ({
        ciphertext: hexFieldOf(hop, "kem_ciphertext"), sharedSecret: hexFieldOf(hop, "shared_secret")
      })))
  const filler = script.entropy(unusedHopsBytes(geometry, path))
  record.require(script.isSpent(), "sender_random_bytes_in_order: another number of bytes is consumed")
  if (secrets === undefined) return undefined
  if (replyKey === undefined) {
    const packet = Either.getOrUndefined(createPacketWith(crypto, geometry, path, payload, secrets, filler))
    return packet === undefined ? undefined : { packet, surbKeys: undefined }
  }
  const created = Either.getOrUndefined(createSurbWith(crypto, geometry, path, replyKey, secrets, filler))
  record.expectHex("surb", created?.surb)
  record.expectHex("surb_keys", created?.keys)
  const used = created === undefined ? undefined : Either.getOrUndefined(useSurb(crypto, geometry, created.surb, payload))
  record.expectHex("first_hop", used?.firstHop)
  return used === undefined || created === undefined ? undefined : { packet: used.packet, surbKeys: created.keys }
}

const checkKeys = (crypto: CryptoBackend, geometry: Geometry, unwrapped: UnwrappedDetailed | undefined) => (record: CaseRecord): void => {
  const keys = unwrapped?.keys
  record.expectHex("header_mac", keys?.headerMac)
  record.expectHex("header_encryption", keys?.headerEncryption)
  record.expectHex("header_encryption_iv", keys?.headerIv)
  record.expectHex("payload_encryption", keys?.payloadEncryption)
  const blinds = geometry.scheme.kind === "nike" || record.has("blinding_factor")
  if (blinds) record.expectHex("blinding_factor", keys === undefined ? undefined : blindingFactorOf(crypto, keys))
}

/** Unwraps one hop's packet and compares all that the record says about it. */
const checkHop = (crypto: CryptoBackend, geometry: Geometry, key: MixPrivateKey | undefined, packet: Uint8Array | undefined, record: CaseRecord) => {
  const unwrapped = key === undefined || packet === undefined ? undefined : Either.getOrUndefined(unwrapDetailed(crypto, geometry, key, packet))
  if (record.has("packet_in") || !record.has("header_in")) record.expectHex("packet_in", packet)
  if (record.has("header_in")) record.expectHex("header_in", packet?.slice(0, geometry.headerBytes))
  record.expectHex("packet_in_sha256", packet === undefined ? undefined : crypto.sha256(packet))
  const elementName = geometry.scheme.kind === "nike" ? "group_element" : "kem_ciphertext"
  record.expectHex(elementName, packet?.slice(VERSION_BYTES, VERSION_BYTES + geometry.elementBytes))
  record.expectHex("shared_secret", unwrapped?.sharedSecret)
  record.nested("keys", checkKeys(crypto, geometry, unwrapped))
  record.expectHex("replay_tag", unwrapped?.replayTag)
  record.expectHexList("commands_out", unwrapped?.commands.map((command) => encodeCommands([command])))
  if (record.has("payload_out_sha256")) {
    record.expectHex("payload_out_sha256", unwrapped?.payload === undefined ? undefined : crypto.sha256(unwrapped.payload))
  }
  return unwrapped
}

interface ReadCase {
  readonly nodes: ReadonlyArray<Node>
  readonly one: Case
}

const readCase = (crypto: CryptoBackend, report: Report, record: CaseRecord, name: string): ReadCase | undefined => {
  record.describe("name")
  let geometry: Geometry | undefined
  record.nested("geometry", (fields) => {
    geometry = readGeometry(crypto, fields)
  })
  const payloadBytes = record.integer("payload_length")
  record.expectText("payload_rule", PAYLOAD_RULE)
  const payload = patternedPayload(Math.min(payloadBytes, PAYLOAD_LIMIT_BYTES))
  record.require(payload.length === payloadBytes, "payload_length is out of bounds")
  record.expectHex("payload_sha256", crypto.sha256(payload))
  if (geometry === undefined) return undefined
  const nodes = readNodes(crypto, geometry, record, report, name)
  return { nodes, one: { geometry, path: nodes.map((node) => node.hop), payload } }
}

const checkCase = (crypto: CryptoBackend, report: Report) => (record: CaseRecord, name: string): void => {
  const read = readCase(crypto, report, record, name)
  if (read === undefined) return
  const { nodes, one } = read
  record.require(one.payload.length === one.geometry.forwardPayloadBytes, "payload_length is not the geometry's")
  const hops = record.list("hops")
  record.require(hops.length === nodes.length && hops.length > 0, "hops are not as many as nodes")
  const created = create(crypto, one, record)
  if (created === undefined) {
    record.fail("the packet could not be created")
    return
  }
  let packet: Uint8Array | undefined = created.packet
  let payload: Uint8Array | undefined
  hops.forEach((value, index) => {
    report.check(`${name}.hops[${index}]`, value, (hop) => {
      const unwrapped = checkHop(crypto, one.geometry, nodes[index]?.key, packet, hop)
      const isLast = index === hops.length - 1
      hop.require((unwrapped?.next === undefined) === isLast, "the packet ends at another hop")
      if (isLast && created.surbKeys !== undefined) hop.require(hop.has("payload_out_sha256"), "payload_out_sha256 is missing")
      const nextNode = one.path[index + 1]?.nodeId
      if (!isLast && nextNode !== undefined) hop.same("id of the next node", nextNode, unwrapped?.next?.nodeId)
      packet = unwrapped?.next?.packet
      payload = unwrapped?.payload
    })
  })
  const surbKeys = created.surbKeys
  const opened = payload === undefined || surbKeys === undefined ? payload : Either.getOrUndefined(openSurbReply(crypto, surbKeys, payload))
  record.same("payload at the end", one.payload, opened)
}

const looksLikePackets = (cases: unknown): boolean => Array.isArray(cases) && cases.some((one) => hasAnyField(one, ["hops", "nodes", "geometry"]))

/** Sizes of X-Wing, as its own code states them. */
const checkKemSizes = (crypto: CryptoBackend) => (record: CaseRecord): void => {
  const key = crypto.xwingPrivateKey(new Uint8Array(32))
  const made = crypto.xwingEncapsulate(key.publicKey, new Uint8Array(64))
  record.expectInteger("public_key", key.publicKey.length)
  record.expectInteger("private_seed", key.seed.length)
  record.expectInteger("ciphertext", made?.ciphertext.length)
  record.expectInteger("shared_secret", made?.sharedSecret.length)
}

export const sphinxPacketsForm: Form = {
  name: "sphinx-packets",
  matches: (file) => isRecord(file) && (looksLikePackets(fieldOf(file, "cases")) || hasAnyField(file, ["kem_sizes"])),
  run: (crypto, file, report) => {
    if (hasAnyField(file, ["kem_sizes"])) report.check("kem_sizes", fieldOf(file, "kem_sizes"), checkKemSizes(crypto))
    if (hasAnyField(file, ["cases"])) report.checkAll("cases", fieldOf(file, "cases"), checkCase(crypto, report))
    report.unknownFields(file, ["cases", "kem_sizes"])
  }
}

export const sphinxGeometryForm: Form = {
  name: "sphinx-geometry",
  matches: (file) => hasAnyField(file, ["geometries"]),
  run: (crypto, file, report) => {
    report.checkAll("geometries", fieldOf(file, "geometries"), (record) => {
      const geometry = readGeometry(crypto, record)
      if (geometry !== undefined) record.require(geometryFields(geometry).NrHops === record.integer("NrHops"), "NrHops is not the geometry's")
      record.expectHex("hash", geometry === undefined ? undefined : geometryHash(crypto, geometry))
      record.expectBoolean("with_surb", geometry?.withSurb ?? false)
    })
    report.unknownFields(file, ["geometries"])
  }
}
