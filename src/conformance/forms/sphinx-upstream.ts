/**
 * Upstream's own Sphinx files: recorded packets, routing commands, and constants of the primitives.
 *
 * Contract: packets are unwrapped hop by hop and compared; SURB replies are made from the SURB and opened with its keys. Creation cannot be
 * repeated, because upstream did not record its randomness.
 * Knows nothing of: the packets recorded with randomness (sphinx-packets.ts).
 * Source: sphinx.md §4, §7, §14; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../../bytes/concat.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { makeGeometry, NodeId, RecipientId, SurbId, type Geometry } from "../../sphinx/geometry.ts"
import { blindingFactorOf, derivePacketKeys } from "../../sphinx/key-material.ts"
import { decodeCommands, encodeCommands, type RoutingCommand } from "../../sphinx/routing-command.ts"
import { openSurbReply, useSurb } from "../../sphinx/surb.ts"
import { mixPrivateKey, unwrap, type Unwrapped } from "../../sphinx/unwrap.ts"
import { fieldOf, isRecord, CaseRecord } from "../case-record.ts"
import { hasAnyField, listsRecordsWith, type Form } from "../form.ts"
import { pickFields } from "../report.ts"

const STREAM_LIMIT_BYTES = 1 << 24
const PER_HOP_BYTES = 82
/** Version, element and MAC around the routing information, and the tag in front of the payload. */
const FRAME_BYTES = 2 + 32 + 32 + 32

/** The geometry is not written down: payload and packet lengths fix it. */
const geometryOf = (packet: Uint8Array, payload: Uint8Array): Geometry | undefined =>
  Either.getOrUndefined(
    makeGeometry({
      scheme: "x25519", hopCount: (packet.length - payload.length - FRAME_BYTES) / PER_HOP_BYTES, userPayloadBytes: payload.length, withSurb: false
    })
  )

const commandBytes = (commands: ReadonlyArray<RoutingCommand> | undefined): ReadonlyArray<Uint8Array> | undefined =>
  commands?.map((command) => encodeCommands([command]))

/** Nested lists of records, read as part of the case. */
const readList = <A>(record: CaseRecord, name: string, problems: Array<string>, read: (one: CaseRecord) => A): ReadonlyArray<A> =>
  record.list(name).map((value, index) => {
    const one = new CaseRecord(value, problems, `${name}[${index}]`)
    const result = read(one)
    one.close()
    return result
  })

interface Hop {
  readonly id: Uint8Array
  readonly publicKey: Uint8Array
  readonly commands: ReadonlyArray<Uint8Array>
}

const checkPacketCase = (crypto: CryptoBackend, record: CaseRecord): void => {
  const problems: Array<string> = []
  const payload = record.hex("Payload")
  const packets = record.hexList("Packets")
  const nodes = readList(record, "Nodes", problems, (node) => ({ id: node.hex("ID"), secret: node.hex("PrivateKey") }))
  const path = readList<Hop>(record, "Path", problems, (hop) => ({ id: hop.hex("ID"), publicKey: hop.hex("PublicKey"), commands: hop.hexList("Commands") }))
  const [surb, surbKeys] = [record.hex("Surb"), record.hex("SurbKeys")]
  for (const problem of problems) record.fail(problem)
  const [first] = packets
  const geometry = first === undefined ? undefined : geometryOf(first, payload)
  if (geometry === undefined || first === undefined) {
    record.fail("packet and payload lengths make no geometry")
    return
  }
  record.require(nodes.length === path.length && packets.length === path.length + 1, "Nodes, Path and Packets do not belong together")
  record.require(packets.at(-1)?.length === 0, "the last of Packets is not empty")
  if (surb.length > 0) {
    const used = useSurb(crypto, geometry, surb, payload)
    record.same("packet made with Surb", first, Either.isRight(used) ? used.right.packet : undefined)
    record.same("first hop in Surb", path[0]?.id ?? new Uint8Array(0), Either.isRight(used) ? used.right.firstHop : undefined)
  } else record.require(surbKeys.length === 0, "SurbKeys without Surb")
  nodes.forEach((node, index) => {
    const hop = path[index]
    const packet = packets[index]
    if (hop === undefined || packet === undefined) return
    const key = mixPrivateKey(crypto, geometry, node.secret)
    record.same(`Path[${index}].ID`, hop.id, node.id)
    record.same(`Path[${index}].PublicKey`, hop.publicKey, key.publicKey)
    const unwrapped = Either.getOrUndefined(unwrap(crypto, geometry, key, packet))
    checkHop(record, index, hop, path[index + 1], packets[index + 1], unwrapped)
    if (index === path.length - 1) {
      const last = unwrapped?.payload
      const opened = last === undefined || surb.length === 0 ? last : Either.getOrUndefined(openSurbReply(crypto, surbKeys, last))
      record.same("Payload", payload, opened)
    }
  })
}

const checkHop = (
  record: CaseRecord, index: number, hop: Hop, next: Hop | undefined, nextPacket: Uint8Array | undefined, unwrapped: Unwrapped | undefined
): void => {
  const commands = unwrapped?.commands.filter((command) => command._tag !== "NextNode")
  record.same(`Path[${index}].Commands`, concatBytes(...hop.commands), concatBytes(...(commandBytes(commands) ?? [Uint8Array.of(0)])))
  const decoded = decodeCommands(concatBytes(...hop.commands))
  record.require(Either.isRight(decoded) && decoded.right.length === hop.commands.length, `Path[${index}].Commands are not one each`)
  if (next === undefined) {
    record.require(unwrapped?.next === undefined, `hop ${index} is not the last`)
    return
  }
  record.same(`Path[${index + 1}].ID`, next.id, unwrapped?.next?.nodeId)
  record.same(`Packets[${index + 1}]`, nextPacket ?? new Uint8Array(0), unwrapped?.next?.packet)
}

export const sphinxUpstreamForm: Form = {
  name: "sphinx-upstream",
  matches: (file) => listsRecordsWith(file, ["Nodes", "Path", "Packets"]),
  run: (crypto, file, report) => report.checkAll("packets", file, (record) => checkPacketCase(crypto, record))
}

interface CommandCase {
  readonly want: string
  readonly parts: ReadonlyArray<string>
  readonly read: (record: CaseRecord) => RoutingCommand
}

const COMMAND_CASES: ReadonlyArray<CommandCase> = [
  {
    want: "NextHopCmdWant", parts: ["NextHopID", "NextHopMAC"],
    read: (record) => ({ _tag: "NextNode", nodeId: NodeId.unsafe(record.hex("NextHopID")), mac: record.hex("NextHopMAC") })
  },
  { want: "RecipientCmdWant", parts: ["RecipientID"], read: (record) => ({ _tag: "Recipient", recipient: RecipientId.unsafe(record.hex("RecipientID")) }) },
  { want: "SURBReplyCmdWant", parts: ["SURBReplyID"], read: (record) => ({ _tag: "SurbReply", surbId: SurbId.unsafe(record.hex("SURBReplyID")) }) },
  { want: "NodeDelayCmdWant", parts: ["NodeDelay"], read: (record) => ({ _tag: "NodeDelay", delayMs: record.integer("NodeDelay") }) }
]
const COMMAND_NAMES = COMMAND_CASES.flatMap((one) => [one.want, ...one.parts])

export const sphinxCommandsForm: Form = {
  name: "sphinx-commands",
  matches: (file) => isRecord(file) && hasAnyField(file, COMMAND_NAMES),
  run: (_crypto, file, report) => {
    for (const one of COMMAND_CASES) {
      const names = [one.want, ...one.parts]
      if (!hasAnyField(file, names)) continue
      report.check(one.want, pickFields(file, names), (record) => {
        const encoded = encodeCommands([one.read(record)])
        record.expectHex(one.want, encoded)
        const decoded = decodeCommands(record.hex(one.want))
        record.same("encoding of what was decoded", encoded, Either.isRight(decoded) ? encodeCommands(decoded.right) : undefined)
      })
    }
    report.unknownFields(file, COMMAND_NAMES)
  }
}

const checkAlgorithm = (record: CaseRecord, name: string): void => record.require(record.text("alg").startsWith(name), `alg is not ${name}`)

const PRIMITIVES: Readonly<Record<string, (crypto: CryptoBackend, record: CaseRecord) => void>> = {
  hash: (crypto, record) => {
    checkAlgorithm(record, "SHA-512/256")
    record.expectHex("digest", crypto.sha512_256(record.hex("msg")))
  },
  stream: (crypto, record) => {
    checkAlgorithm(record, "AES-256-CTR")
    const expected = record.hex("keystream")
    const byteLength = Math.min(expected.length, STREAM_LIMIT_BYTES)
    record.expectHex("keystream", crypto.aes256Ctr(record.hex("key"), record.hex("iv"), new Uint8Array(byteLength)))
  },
  kdf: (crypto, record) => {
    checkAlgorithm(record, "HKDF-SHA256")
    const keys = derivePacketKeys(crypto, record.hex("ikm"))
    record.expectHex("headerMAC", keys.headerMac)
    record.expectHex("headerEncryption", keys.headerEncryption)
    record.expectHex("headerEncryptionIV", keys.headerIv)
    record.expectHex("payloadEncryption", keys.payloadEncryption)
    record.expectHex("blindingFactor", blindingFactorOf(crypto, keys))
  },
  xwing: (crypto, record) => {
    checkAlgorithm(record, "X-Wing")
    const key = crypto.xwingPrivateKey(record.hex("seed"))
    record.expectHex("publicKey", key.publicKey)
    record.expectHex("sharedSecret", crypto.xwingDecapsulate(key, record.hex("ciphertext")))
    if (!record.has("coins")) return
    const made = crypto.xwingEncapsulate(key.publicKey, record.hex("coins"))
    record.expectHex("ciphertext", made?.ciphertext)
  }
}

export const sphinxPrimitivesForm: Form = {
  name: "sphinx-primitives",
  matches: (file) => isRecord(file) && Object.keys(PRIMITIVES).some((name) => fieldOf(fieldOf(file, name), "alg") !== undefined),
  run: (crypto, file, report) => {
    for (const [name, check] of Object.entries(PRIMITIVES)) {
      if (hasAnyField(file, [name])) report.check(name, fieldOf(file, name), (record) => check(crypto, record))
    }
    report.unknownFields(file, Object.keys(PRIMITIVES))
  }
}
