/**
 * Pigeonhole vectors beside the messages: padding, geometry, shard choice, copy stream, one query from end to end.
 *
 * Contract: every field is read and every output recomputed, error texts of the reference implementation included.
 * Knows nothing of: files.
 * Source: pigeonhole.md §1.7, §2, §3.3, §4, §5.2; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { BoxId } from "../../bacap/box-id.ts"
import { openBox, sealBox } from "../../bacap/box.ts"
import { decodeWriteCap } from "../../bacap/capability.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { decapsulate, nikeX25519 } from "../../crypto/mkem.ts"
import { copyStreamDecoder, copyStreamEncoder } from "../../pigeonhole/copy-stream.ts"
import { decodeCourierQuery } from "../../pigeonhole/courier-query.ts"
import { decodeEnvelope, envelopeHash, type CourierEnvelope } from "../../pigeonhole/envelope.ts"
import { pigeonholeGeometry, pigeonholeGeometryForPlaintext, type PigeonholeGeometry } from "../../pigeonhole/geometry.ts"
import { padTo, unpad } from "../../pigeonhole/padding.ts"
import { encodeReplicaInnerMessage } from "../../pigeonhole/replica-message.ts"
import { shardHashes, shardKeyIndexes } from "../../pigeonhole/shard.ts"
import { geometryFields } from "../../sphinx/geometry-hash.ts"
import { makeGeometry } from "../../sphinx/geometry.ts"
import { hexFieldOf, type CaseRecord } from "../case-record.ts"
import type { Report } from "../report.ts"

/** Public key lengths of the NIKEs that upstream's geometries know. */
const NIKE_PUBLIC_KEY_BYTES: ReadonlyMap<string, number> = new Map([["x25519", 32], ["x448", 56], ["CTIDH1024-X25519", 160]])
const X25519_PUBLIC_KEY_BYTES = 32
/** Bounds what a damaged file makes us allocate. */
const TARGET_LIMIT_BYTES = 1 << 24
/** Upstream counts 15 bytes of framing around a reply where the message has 40. */
const UPSTREAM_REPLY_FRAMING_BYTES = 15

/** The length of a NIKE's public key, by name. */
export const nikePublicKeyBytes = (record: CaseRecord, name: string): number => {
  const byteLength = NIKE_PUBLIC_KEY_BYTES.get(name)
  record.require(byteLength !== undefined, `nike ${name} is unknown`)
  return byteLength ?? X25519_PUBLIC_KEY_BYTES
}

const unpadError = (bytes: Uint8Array): string =>
  bytes.length < 4
    ? `padded payload too short: ${bytes.length} bytes, need at least 4`
    : `invalid message length ${new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)}, padded payload only has ${bytes.length - 4} bytes after prefix`

/** Three kinds: pad, pad refused, extract (refused or not). */
export const runPadding = (list: unknown, report: Report): void =>
  report.checkAll("padding", list, (record) => {
    if (record.has("extract_from")) {
      const padded = record.hex("extract_from")
      const message = Either.getOrUndefined(unpad(padded))
      if (record.has("error")) record.expectText("error", message === undefined ? unpadError(padded) : undefined)
      else record.expectHex("message", message)
      return
    }
    const message = record.hex("message")
    const target = record.integer("target")
    record.require(target <= TARGET_LIMIT_BYTES, "target is out of bounds")
    const padded = Either.getOrUndefined(padTo(message, Math.min(target, TARGET_LIMIT_BYTES)))
    if (record.has("error")) {
      const text = `message size ${message.length} exceeds target size ${target} (accounting for 4-byte length prefix)`
      record.expectText("error", padded === undefined ? text : undefined)
      return
    }
    record.expectHex("padded", padded)
    record.same("message of the padded bytes", message, padded === undefined ? undefined : Either.getOrUndefined(unpad(padded)))
  })

const expectGeometry = (record: CaseRecord, nike: string, geometry: PigeonholeGeometry): void => {
  const replyBytes = geometry.envelopeReplyBytes + UPSTREAM_REPLY_FRAMING_BYTES
  const fields = {
    BoxCiphertextLength: geometry.boxCiphertextBytes,
    CourierEnvelopeCiphertextSizeRead: geometry.envelopeCiphertextBytes,
    CourierEnvelopeCiphertextSizeWrite: geometry.envelopeCiphertextBytes,
    CourierQueryReadLength: geometry.queryBytes,
    CourierQueryReplyReadLength: replyBytes,
    CourierQueryReplyWriteLength: replyBytes,
    CourierQueryWriteLength: geometry.queryBytes,
    EnvelopeReplySizeRead: geometry.envelopeReplyBytes,
    EnvelopeReplySizeWrite: geometry.envelopeReplyBytes,
    MaxPlaintextPayloadLength: geometry.maxPlaintextBytes,
    PaddedPayloadLength: geometry.paddedPlaintextBytes,
    ReplicaInnerMessagePaddedSize: geometry.innerPaddedBytes,
    ReplicaInnerMessageWriteSize: geometry.innerWriteBytes,
    ReplicaReplyInnerMessagePaddedSize: geometry.replyInnerPaddedBytes,
    ReplicaReplyInnerMessageReadSize: geometry.replyInnerReadBytes,
    nike_public_key_length: geometry.nikePublicKeyBytes
  }
  for (const [name, byteLength] of Object.entries(fields)) record.expectInteger(name, byteLength)
  record.expectText("NIKEName", nike)
  record.expectText("SignatureSchemeName", "Ed25519")
}

const checkFromSphinx = (record: CaseRecord): void => {
  const nike = record.text("nike")
  const payloadBytes = record.integer("sphinx_user_forward_payload_length")
  const geometry = pigeonholeGeometry(payloadBytes, nikePublicKeyBytes(record, nike))
  if (Either.isLeft(geometry)) {
    const overhead = geometry.left.overheadBytes
    record.expectText("error", `sphinx geometry too small: UserForwardPayloadLength=${payloadBytes}, total overhead=${overhead}`)
    return
  }
  record.expectInteger("total_overhead", geometry.right.overheadBytes)
  record.nested("geometry", (fields) => expectGeometry(fields, nike, geometry.right))
}

const checkNewGeometry = (record: CaseRecord): void => {
  const nike = record.text("NIKEName")
  const geometry = pigeonholeGeometryForPlaintext(record.integer("MaxPlaintextPayloadLength"), nikePublicKeyBytes(record, nike))
  if (Either.isLeft(geometry)) record.fail("MaxPlaintextPayloadLength leads to no geometry")
  else expectGeometry(record, nike, geometry.right)
}

/** The Sphinx geometry that carries boxes of a wanted size. */
const checkToSphinx = (record: CaseRecord): void => {
  const nikeBytes = record.has("nike") ? nikePublicKeyBytes(record, record.text("nike")) : X25519_PUBLIC_KEY_BYTES
  const pigeonhole = pigeonholeGeometryForPlaintext(record.integer("max_plaintext_payload_length"), nikeBytes)
  const choice = { scheme: "x25519", hopCount: record.integer("nr_hops"), withSurb: record.boolean("with_surb") }
  const sphinx = Either.flatMap(pigeonhole, (one) => makeGeometry({ ...choice, userPayloadBytes: one.userPayloadBytes }))
  const fields = Either.isRight(sphinx) ? geometryFields(sphinx.right) : undefined
  record.expectInteger("UserForwardPayloadLength", fields?.UserForwardPayloadLength)
  record.expectInteger("ForwardPayloadLength", fields?.ForwardPayloadLength)
  record.expectInteger("HeaderLength", fields?.HeaderLength)
  record.expectInteger("PacketLength", fields?.PacketLength)
}

export const runGeometry = (value: unknown, report: Report): void => {
  const sections: ReadonlyArray<readonly [string, (record: CaseRecord) => void]> = [
    ["from_sphinx", checkFromSphinx], ["to_sphinx", checkToSphinx], ["new_geometry", checkNewGeometry]
  ]
  container(report, "geometry", value, sections.map(([name]) => name), (name, list) => {
    const [, check] = sections.find(([section]) => section === name) ?? [name, (record: CaseRecord) => record.fail("unknown section")]
    report.checkAll(`geometry.${name}`, list, check)
  })
}

/** A record that holds nothing but lists of cases, and texts for people. */
const container = (report: Report, name: string, value: unknown, sections: ReadonlyArray<string>, run: (section: string, list: unknown) => void): void => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    report.check(name, value, () => undefined)
    return
  }
  for (const [section, list] of Object.entries(value)) if (sections.includes(section)) run(section, list)
  report.unknownFields(value, sections)
}

export const runShards = (crypto: CryptoBackend, value: unknown, report: Report): void =>
  container(report, "shard2", value, ["sets"], (_section, sets) => {
    const list: ReadonlyArray<unknown> = Array.isArray(sets) ? sets : [sets]
    list.forEach((set, index) => {
      const problemsName = `shard2.sets[${index}]`
      // the set holds keys for its results and no expected value of its own: it is a case only when it is broken
      const keys: Array<Uint8Array> = []
      const results: Array<unknown> = []
      report.checkContainer(problemsName, set, (record) => {
        keys.push(...record.hexList("keys"))
        results.push(...record.list("results"))
      })
      report.checkAll(`${problemsName}.results`, results, (record) => {
        const boxId = BoxId.unsafe(record.hex("box_id"))
        const chosen = Either.getOrUndefined(shardKeyIndexes(crypto, keys, boxId))
        record.expectIntegerList("chosen_key_indices_in_order", chosen)
        if (record.has("blake2b256_key_then_boxid")) record.expectHexList("blake2b256_key_then_boxid", shardHashes(crypto, keys, boxId))
      })
    })
  })

/** The stream is cut as the reference implementation cuts it, and joined again element by element. */
export const runCopyStream = (value: unknown, report: Report): void =>
  report.check("copy_stream", value, (record) => {
    const envelopes = record.hexList("envelopes")
    const [first] = envelopes
    const sender = first === undefined ? undefined : Either.getOrUndefined(decodeEnvelope(first))
    const keyBytes = sender?.senderPublicKey.length ?? X25519_PUBLIC_KEY_BYTES
    const geometry = pigeonholeGeometryForPlaintext(record.integer("max_plaintext_payload_length"), keyBytes)
    if (Either.isLeft(geometry)) {
      record.fail("max_plaintext_payload_length leads to no geometry")
      record.describe("elements", "elements_per_add_then_flush", "decoded_envelopes")
      return
    }
    const encoder = copyStreamEncoder(geometry.right)
    const batches = [...envelopes.map((envelope) => encoder.add(envelope)), encoder.finish()]
    const elements = batches.flat()
    record.expectIntegerList("elements_per_add_then_flush", batches.map((batch) => batch.length))
    const decoder = copyStreamDecoder(geometry.right)
    const joined: Array<Uint8Array> = []
    const expected = record.list("elements")
    record.require(expected.length === elements.length, `elements: ${expected.length} expected, ${elements.length} made`)
    expected.forEach((one, index) => {
      report.check(`copy_stream.elements[${index}]`, one, (fields) => {
        const element = elements[index]
        fields.expectHex("element", element)
        fields.expectInteger("length", element?.length)
        fields.expectInteger("flags", element?.[0])
        const progress = decoder.push(fields.hex("element"))
        if (Either.isRight(progress)) joined.push(...progress.right.completed.map((envelope) => envelope.bytes))
        fields.expectInteger("envelopes_completed_after", Either.isRight(progress) ? joined.length : undefined)
      })
    })
    record.expectInteger("decoded_envelopes", joined.length)
    joined.forEach((envelope, index) => record.same(`decoded envelope ${index}`, envelopes[index] ?? new Uint8Array(0), envelope))
  })

interface QueryCheck {
  readonly replicaKeys: ReadonlyArray<Uint8Array>
  readonly inner: Uint8Array
}

/** Opens a recorded query as both replicas would; returns the envelope for comparison with its sibling. */
const checkQuery = (crypto: CryptoBackend, fields: CaseRecord, { replicaKeys, inner }: QueryCheck): CourierEnvelope | undefined => {
  const nike = nikeX25519(crypto)
  const bytes = fields.hex("courier_query")
  fields.expectInteger("courier_query_length", bytes.length)
  const senderPublicKey = nike.publicKey(fields.hex("sender_private_key"))
  const query = Either.getOrUndefined(decodeCourierQuery(bytes))
  const envelope = query?._tag === "Envelope" ? query.envelope : undefined
  fields.same("sender key in the query", senderPublicKey, envelope?.senderPublicKey)
  fields.expectHex("envelope_hash", envelope === undefined ? undefined : envelopeHash(crypto, envelope.senderPublicKey, envelope.ciphertext))
  if (envelope === undefined) return undefined
  fields.require(envelope.replyIndex === 0, "reply index in the query is not 0")
  envelope.deks.forEach((dek, index) => {
    const opened = decapsulate(crypto, nike, replicaKeys[index] ?? new Uint8Array(32), envelope.senderPublicKey, dek, envelope.ciphertext)
    fields.same(`message to replica ${index}`, inner, Either.getOrUndefined(opened))
  })
  return envelope
}

const describeEnvelope = (envelope: CourierEnvelope | undefined): string => `${String(envelope?.intermediateReplicas)} in epoch ${String(envelope?.epoch)}`

export const runQuery = (crypto: CryptoBackend, value: unknown, report: Report): void =>
  report.check("end_to_end_query", value, (record) => {
    const geometry = Either.getOrUndefined(pigeonholeGeometryForPlaintext(record.integer("geometry_max_plaintext"), X25519_PUBLIC_KEY_BYTES))
    const cap = Either.getOrUndefined(decodeWriteCap(crypto, record.hex("write_cap")))
    if (geometry === undefined || cap === undefined) {
      record.fail("no geometry or no write cap")
      return
    }
    const context = record.hex("ctx")
    const message = record.hex("message")
    const padded = Either.getOrElse(padTo(message, geometry.paddedPlaintextBytes), () => new Uint8Array(0))
    record.expectHex("box_plaintext_padded", padded)
    const box = sealBox(crypto, cap, cap.index, padded, context)
    record.expectHex("box_id", box.boxId)
    record.expectHex("box_ciphertext", box.ciphertext)
    record.expectHex("box_signature", box.signature)
    const opened = openBox(crypto, cap.publicKey, cap.index, box, context)
    record.same("plaintext of the box", padded, Either.isRight(opened) && opened.right._tag === "Data" ? opened.right.plaintext : undefined)
    const read = padTo(encodeReplicaInnerMessage({ _tag: "Read", boxId: box.boxId }), geometry.innerPaddedBytes)
    const writeMessage = encodeReplicaInnerMessage({ _tag: "Write", boxId: box.boxId, signature: box.signature, payload: box.ciphertext })
    const write = padTo(writeMessage, geometry.innerPaddedBytes)
    record.expectHex("padded_read_inner", Either.getOrUndefined(read))
    record.expectHex("padded_write_inner", Either.getOrUndefined(write))
    const keyRecords = record.list("replica_keys")
    const replicaKeys = keyRecords.map((one) => hexFieldOf(one, "private_key"))
    keyRecords.forEach((one, index) => {
      report.check(`end_to_end_query.replica_keys[${index}]`, one, (key) => key.expectHex("public_key", crypto.x25519PublicKey(key.hex("private_key"))))
    })
    const envelopes: Array<CourierEnvelope | undefined> = []
    for (const [name, inner] of [["read", read], ["write", write]] as const) {
      report.check(`end_to_end_query.${name}`, record.raw(name), (fields) => {
        envelopes.push(checkQuery(crypto, fields, { replicaKeys, inner: Either.getOrElse(inner, () => new Uint8Array(0)) }))
        fields.expectInteger("courier_query_length", geometry.queryBytes)
        fields.require(new Set(envelopes.map(describeEnvelope)).size === 1, "read and write name different replicas or epochs")
      })
    }
  })
