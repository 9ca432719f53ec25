/**
 * The forms of link command vectors: replica links with fields and padding, and upstream's flat record of client commands.
 *
 * Contract: every command is encoded from its fields and decoded from its bytes.
 * Knows nothing of: links.
 * Source: mixnet.md §15, pigeonhole.md §3.4; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { BoxId } from "../../bacap/box-id.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { EnvelopeHash } from "../../pigeonhole/envelope.ts"
import { replicaErrorCode } from "../../pigeonhole/error-code.ts"
import { pigeonholeGeometry } from "../../pigeonhole/geometry.ts"
import { LINK_BODIES } from "../../pigeonhole/link-body.ts"
import { decodeLinkCommand, encodeLinkCommand, type LinkCommand } from "../../pigeonhole/link-command.ts"
import { makeGeometry } from "../../sphinx/geometry.ts"
import { fieldOf, isRecord, type CaseRecord } from "../case-record.ts"
import { hasAnyField, type Form } from "../form.ts"
import { pickFields, type Report } from "../report.ts"
import { nikePublicKeyBytes } from "./pigeonhole-parts.ts"

/** Bounds the padded length that a damaged file names. */
const LENGTH_LIMIT_BYTES = 1 << 24

/** A field under one of several names that files use for it. */
const oneOf = (fields: CaseRecord, ...names: ReadonlyArray<string>): Uint8Array => fields.hex(names.find((name) => fields.has(name)) ?? (names[0] as string))

const readCommand = (name: string, fields: CaseRecord): LinkCommand | undefined => {
  switch (name) {
    case "NoOp":
    case "Disconnect":
    case "ReplicaDecoy":
      return { _tag: name }
    case "ReplicaWrite":
      return { _tag: name, boxId: BoxId.unsafe(fields.hex("box_id")), signature: fields.hex("signature"), payload: fields.hex("payload") }
    case "ReplicaWriteReply":
      return { _tag: name, errorCode: replicaErrorCode(fields.integer("error_code")) }
    case "ReplicaMessage":
      return {
        _tag: name,
        senderPublicKey: oneOf(fields, "sender_ephemeral_public_key", "sender_pubkey"),
        dek: fields.hex("dek"),
        ciphertext: fields.hex("ciphertext")
      }
    case "ReplicaMessageReply":
      return {
        _tag: name,
        errorCode: replicaErrorCode(fields.integer("error_code")),
        envelopeHash: EnvelopeHash.unsafe(fields.hex("envelope_hash")),
        replicaId: fields.integer("replica_id"),
        reply: oneOf(fields, "envelope_reply", "ciphertext", "reply", "payload")
      }
    default:
      return undefined
  }
}

const KNOWN_COMMANDS: ReadonlySet<string> = new Set(Object.keys(LINK_BODIES))

const checkReplicaCommand = (record: CaseRecord, nikeBytes: number): void => {
  // a name may say more than the command, as in "tombstone"; what the bytes are is what they parse as
  const name = record.text("parses_as")
  const label = record.text("name")
  record.require(label === name || !KNOWN_COMMANDS.has(label), "name is another command")
  let command: LinkCommand | undefined
  if (record.has("fields")) {
    record.nested("fields", (fields) => {
      command = readCommand(name, fields)
    })
  } else command = name === "NoOp" || name === "Disconnect" || name === "ReplicaDecoy" ? { _tag: name } : undefined
  if (command === undefined) {
    record.fail(`command ${name} is unknown here`)
    return
  }
  const unpadded = encodeLinkCommand(command)
  record.expectHex("unpadded", unpadded)
  const paddedLength = record.integer("padded_length")
  if (paddedLength > LENGTH_LIMIT_BYTES) {
    record.fail("padded_length is out of bounds")
    return
  }
  const padded = encodeLinkCommand(command, paddedLength)
  record.expectInteger("last_padding_byte", padded.at(-1))
  for (const bytes of [unpadded, padded]) {
    const decoded = Either.getOrUndefined(decodeLinkCommand(bytes, nikeBytes))
    record.same("encoding of what was decoded", unpadded, decoded === undefined ? undefined : encodeLinkCommand(decoded))
  }
}

const REPLICA_SETTINGS = [
  "nr_hops", "replica_nike", "sphinx_user_forward_payload_length", "with_surb", "max_message_len_client_to_server", "max_message_len_server_to_client"
]

/** Commands are padded to the longest one of the link, which follows from the Sphinx payload. */
const checkReplicaSettings = (record: CaseRecord): void => {
  const payloadBytes = record.integer("sphinx_user_forward_payload_length")
  const nikeBytes = nikePublicKeyBytes(record, record.text("replica_nike"))
  const choice = { scheme: "x25519", hopCount: record.integer("nr_hops"), userPayloadBytes: payloadBytes, withSurb: record.boolean("with_surb") }
  record.require(Either.isRight(makeGeometry(choice)), "nr_hops and payload make no Sphinx geometry")
  record.require(choice.withSurb, "replies need SURBs")
  const geometry = Either.getOrUndefined(pigeonholeGeometry(payloadBytes, nikeBytes))
  record.expectInteger("max_message_len_client_to_server", geometry?.linkCommandBytes)
  record.expectInteger("max_message_len_server_to_client", geometry?.linkCommandBytes)
}

export const replicaWireForm: Form = {
  name: "replica-wire",
  matches: (file) => isRecord(file) && hasAnyField(file, ["commands"]),
  run: (_crypto: CryptoBackend, file: unknown, report: Report) => {
    const settings = pickFields(file, REPLICA_SETTINGS)
    const linkBytes = fieldOf(file, "max_message_len_client_to_server")
    if (Object.keys(settings).length > 0) report.check("lengths", settings, checkReplicaSettings)
    const nike = fieldOf(file, "replica_nike")
    report.checkAll("commands", fieldOf(file, "commands"), (record) => {
      checkReplicaCommand(record, nikePublicKeyBytes(record, typeof nike === "string" ? nike : "x25519"))
      if (typeof linkBytes === "number") record.expectInteger("padded_length", linkBytes)
    })
    report.unknownFields(file, ["commands", ...REPLICA_SETTINGS])
  }
}

interface FlatCommand {
  /** The field with the expected bytes. */
  readonly name: string
  /** Fields with the command's parts. */
  readonly parts: ReadonlyArray<string>
  readonly read: (record: CaseRecord) => LinkCommand
}

const flat = (name: string, parts: ReadonlyArray<string>, read: FlatCommand["read"]): FlatCommand => ({ name, parts, read })

const FLAT_COMMANDS: ReadonlyArray<FlatCommand> = [
  flat("NoOp", [], () => ({ _tag: "NoOp" })),
  flat("Disconnect", [], () => ({ _tag: "Disconnect" })),
  flat("SendPacket", ["SendPacketPayload"], (record) => ({ _tag: "SendPacket", packet: record.hex("SendPacketPayload") })),
  flat("RetrieveMessage", ["RetrieveMessageSeq"], (record) => ({ _tag: "RetrieveMessage", sequence: record.integer("RetrieveMessageSeq") })),
  flat("Message", ["MessageSeq", "MessagePayload"], (record) => ({
    _tag: "Message", sequence: record.integer("MessageSeq"), surbId: new Uint8Array(16), payload: record.hex("MessagePayload")
  })),
  flat("GetConsensus", ["GetConsensusEpoch"], (record) => ({ _tag: "GetConsensus", epoch: record.u64("GetConsensusEpoch") })),
  flat("Consensus", ["ConsensusPayload", "ConsensusErrorCode"], (record) => ({
    _tag: "Consensus", code: record.integer("ConsensusErrorCode"), document: record.hex("ConsensusPayload")
  }))
]

const FLAT_NAMES = FLAT_COMMANDS.flatMap((command) => [command.name, ...command.parts])

export const wireCommandsForm: Form = {
  name: "wire-commands",
  matches: (file) => isRecord(file) && hasAnyField(file, FLAT_NAMES),
  run: (_crypto, file, report) => {
    for (const command of FLAT_COMMANDS) {
      const names = [command.name, ...command.parts]
      if (!hasAnyField(file, names)) continue
      report.check(command.name, pickFields(file, names), (record) => {
        const encoded = encodeLinkCommand(command.read(record))
        record.expectHex(command.name, encoded)
        const decoded = Either.getOrUndefined(decodeLinkCommand(record.hex(command.name)))
        record.same("encoding of what was decoded", encoded, decoded === undefined ? undefined : encodeLinkCommand(decoded))
      })
    }
    report.unknownFields(file, FLAT_NAMES)
  }
}
