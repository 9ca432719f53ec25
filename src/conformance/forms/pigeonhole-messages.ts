/**
 * Pigeonhole message vectors: fields under the names of pigeonhole.md §3 against bytes.
 *
 * Contract: every message is encoded from its fields and decoded from its bytes. Length fields, when a file writes them out, are checked.
 * Knows nothing of: files.
 * Source: pigeonhole.md §3; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { BoxId } from "../../bacap/box-id.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { copyCommandCodec, copyCommandReplyCodec, type CopyCommand, type CopyCommandReply } from "../../pigeonhole/copy-command.ts"
import { copyStreamElementCodec, type CopyStreamElement } from "../../pigeonhole/copy-stream.ts"
import { courierQueryCodec, type CourierQuery } from "../../pigeonhole/courier-query.ts"
import { courierEnvelopeReplyCodec, courierQueryReplyCodec, type CourierEnvelopeReply, type CourierQueryReply } from "../../pigeonhole/courier-reply.ts"
import { courierEnvelopeCodec, EnvelopeHash, envelopeHash, type CourierEnvelope } from "../../pigeonhole/envelope.ts"
import { copyStatus, courierErrorCode, replicaErrorCode } from "../../pigeonhole/error-code.ts"
import { decodeExact, decodeTop, type MessageCodec } from "../../pigeonhole/message.ts"
import { replicaInnerMessageCodec, replicaReadCodec, replicaWriteCodec, type ReplicaInnerMessage, type ReplicaWrite } from "../../pigeonhole/replica-message.ts"
import {
  replicaReadReplyCodec, replicaReplyInnerMessageCodec, replicaWriteReplyCodec, type ReplicaReadReply, type ReplicaReplyInnerMessage
} from "../../pigeonhole/replica-reply.ts"
import { storedBoxCodec, type StoredBox } from "../../pigeonhole/stored-box.ts"
import type { CaseRecord } from "../case-record.ts"
import type { Report } from "../report.ts"

type ReadFields<A> = (crypto: CryptoBackend, fields: CaseRecord) => A

interface MessageForm<A> {
  readonly codec: MessageCodec<A>
  readonly read: ReadFields<A>
}

/** Bytes whose length the file may write out beside them. */
const sized = (fields: CaseRecord, name: string): Uint8Array => {
  const bytes = fields.hex(name)
  if (fields.has(`${name}_len`)) fields.expectInteger(`${name}_len`, bytes.length)
  return bytes
}

/** One record inside another, as a value. */
const inner = <A>(crypto: CryptoBackend, fields: CaseRecord, name: string, read: ReadFields<A>): A => {
  const values: Array<A> = []
  fields.nested(name, (record) => {
    values.push(read(crypto, record))
  })
  return values[0] as A
}

const readEnvelope: ReadFields<CourierEnvelope> = (crypto, fields) => {
  const replicas = fields.integerList("intermediate_replicas")
  fields.require(replicas.length === 2, "intermediate_replicas are not two")
  const envelope = {
    intermediateReplicas: [replicas[0] ?? 0, replicas[1] ?? 0] as const,
    deks: [fields.hex("dek1"), fields.hex("dek2")] as const,
    replyIndex: fields.integer("reply_index"),
    epoch: fields.u64("epoch"),
    senderPublicKey: sized(fields, "sender_pubkey"),
    ciphertext: sized(fields, "ciphertext")
  }
  const hash = envelopeHash(crypto, envelope.senderPublicKey, envelope.ciphertext)
  for (const name of ["envelope_hash_blake2b256_of_pubkey_and_ciphertext", "envelope_hash"]) if (fields.has(name)) fields.expectHex(name, hash)
  return envelope
}

const readCopyCommand: ReadFields<CopyCommand> = (_crypto, fields) => ({ writeCap: sized(fields, "write_cap") })

const readCopyReply: ReadFields<CopyCommandReply> = (_crypto, fields) => ({
  status: copyStatus(fields.integer("status")),
  errorCode: replicaErrorCode(fields.integer("error_code")),
  failedEnvelopeIndex: fields.u64("failed_envelope_index")
})

const readEnvelopeReply: ReadFields<CourierEnvelopeReply> = (_crypto, fields) => {
  const replyType = fields.integer("reply_type")
  fields.require(replyType <= 1, "reply_type is neither 0 nor 1")
  return {
    envelopeHash: EnvelopeHash.unsafe(fields.hex("envelope_hash")),
    replyIndex: fields.integer("reply_index"),
    replyType: replyType === 1 ? "payload" : "ack",
    payload: sized(fields, "payload"),
    errorCode: courierErrorCode(fields.integer("error_code"))
  }
}

/** Reads a discriminator and the one of two records that it announces. */
const readUnion = <A, B>(fields: CaseRecord, name: string, first: () => A, second: () => B): A | B => {
  const type = fields.integer(name)
  fields.require(type <= 1, `${name} is neither 0 nor 1`)
  return type === 1 ? second() : first()
}

const readQuery: ReadFields<CourierQuery> = (crypto, fields) =>
  readUnion<CourierQuery, CourierQuery>(
    fields, "query_type",
    () => ({ _tag: "Envelope", envelope: inner(crypto, fields, "envelope", readEnvelope) }),
    () => ({ _tag: "CopyCommand", copyCommand: inner(crypto, fields, "copy_command", readCopyCommand) })
  )

const readQueryReply: ReadFields<CourierQueryReply> = (crypto, fields) =>
  readUnion<CourierQueryReply, CourierQueryReply>(
    fields, "reply_type",
    () => ({ _tag: "EnvelopeReply", envelopeReply: inner(crypto, fields, "envelope_reply", readEnvelopeReply) }),
    () => ({ _tag: "CopyCommandReply", copyCommandReply: inner(crypto, fields, "copy_command_reply", readCopyReply) })
  )

const readBoxId = (fields: CaseRecord): BoxId => BoxId.unsafe(fields.hex("box_id"))

const readWrite: ReadFields<ReplicaWrite> = (_crypto, fields) => ({
  boxId: readBoxId(fields), signature: fields.hex("signature"), payload: sized(fields, "payload")
})

const readInner: ReadFields<ReplicaInnerMessage> = (crypto, fields) =>
  readUnion<ReplicaInnerMessage, ReplicaInnerMessage>(
    fields, "message_type",
    () => ({ _tag: "Read", ...inner(crypto, fields, "read", (_, read) => ({ boxId: readBoxId(read) })) }),
    () => ({ _tag: "Write", ...inner(crypto, fields, "write", readWrite) })
  )

const readReadReply: ReadFields<ReplicaReadReply> = (_crypto, fields) => ({
  errorCode: replicaErrorCode(fields.integer("error_code")),
  boxId: readBoxId(fields),
  signature: fields.hex("signature"),
  payload: sized(fields, "payload")
})

const readWriteReply = (_crypto: CryptoBackend, fields: CaseRecord) => ({ errorCode: replicaErrorCode(fields.integer("error_code")) })

const readInnerReply: ReadFields<ReplicaReplyInnerMessage> = (crypto, fields) =>
  readUnion<ReplicaReplyInnerMessage, ReplicaReplyInnerMessage>(
    fields, "message_type",
    () => ({ _tag: "ReadReply", ...inner(crypto, fields, "read_reply", readReadReply) }),
    () => ({ _tag: "WriteReply", ...inner(crypto, fields, "write_reply", readWriteReply) })
  )

const readStoredBox: ReadFields<StoredBox> = (crypto, fields) => readWrite(crypto, fields)

const readElement: ReadFields<CopyStreamElement> = (_crypto, fields) => {
  const flags = fields.integer("flags")
  fields.require(flags <= 3, "flags has unknown bits")
  const data = fields.hex("envelope_data")
  if (fields.has("envelope_len")) fields.expectInteger("envelope_len", data.length)
  return { start: (flags & 1) !== 0, final: (flags & 2) !== 0, data }
}

const form = <A>(codec: MessageCodec<A>, read: ReadFields<A>): MessageForm<unknown> => ({ codec: codec as MessageCodec<unknown>, read })

/** By upstream's type names, which are the codecs'. */
const FORMS: ReadonlyMap<string, MessageForm<unknown>> = new Map(
  [
    form(courierEnvelopeCodec, readEnvelope), form(copyCommandCodec, readCopyCommand), form(courierQueryCodec, readQuery),
    form(courierEnvelopeReplyCodec, readEnvelopeReply), form(copyCommandReplyCodec, readCopyReply), form(courierQueryReplyCodec, readQueryReply),
    form(replicaReadCodec, (_, fields) => ({ boxId: readBoxId(fields) })), form(replicaWriteCodec, readWrite),
    form(replicaInnerMessageCodec, readInner), form(replicaReadReplyCodec, readReadReply), form(replicaWriteReplyCodec, readWriteReply),
    form(replicaReplyInnerMessageCodec, readInnerReply), form(storedBoxCodec, readStoredBox), form(copyStreamElementCodec, readElement)
  ].map((one) => [one.codec.name, one])
)

export const runMessages = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("messages", list, (record) => {
    record.describe("name")
    const type = record.text("type")
    const messageForm = FORMS.get(type)
    if (messageForm === undefined) {
      record.fail(`type ${type} is unknown`)
      return
    }
    const { codec, read } = messageForm
    const encoded = codec.encode(inner(crypto, record, "fields", read))
    record.expectHex("encoded", encoded)
    if (record.has("length")) record.expectInteger("length", encoded.length)
    const decoded = decodeExact(codec, record.hex("encoded"))
    record.same("encoding of what was decoded", encoded, Either.isRight(decoded) ? codec.encode(decoded.right) : undefined)
  })

/** What upstream's generated parsers say about a discriminator out of range. */
const DISCRIMINATOR_ERROR = "integer constraint violated"

/** Upstream's parsers ignore trailing bytes: so do top-level parsers here. */
export const runParserChecks = (_crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("parser_checks", list, (record) => {
    const type = record.text("type")
    const codec = FORMS.get(type)?.codec
    if (codec === undefined) {
      record.fail(`type ${type} is unknown`)
      return
    }
    const valid = record.hex("valid")
    const accepts = (bytes: Uint8Array): boolean => Either.isRight(decodeTop(codec, bytes))
    record.require(Either.isRight(decodeExact(codec, valid)), "valid is not valid")
    const prefixes = Array.from({ length: valid.length }, (_, end) => valid.slice(0, end))
    record.expectInteger("strict_prefixes", prefixes.length)
    record.expectInteger("strict_prefixes_rejected", prefixes.filter((prefix) => !accepts(prefix)).length)
    record.expectTextOrNull("with_one_trailing_byte_error", accepts(Uint8Array.of(...valid, 0)) ? null : "trailing byte refused")
    const changed = valid.slice()
    if (changed.length > 0) changed[0] = 7
    record.expectHex("with_discriminator_or_first_byte_7", changed)
    record.expectTextOrNull("with_discriminator_or_first_byte_7_error", accepts(changed) ? null : DISCRIMINATOR_ERROR)
  })
