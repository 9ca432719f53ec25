/**
 * CourierEnvelope: an encrypted request to two replicas, as it reaches the courier.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 2 | `intermediateReplicas`: two static replica ids, u8 each |
 * | 2 | 60 | DEK for the first |
 * | 62 | 60 | DEK for the second |
 * | 122 | 1 | `replyIndex` |
 * | 123 | 8 | `epoch` u64: replica epoch of the envelope keys |
 * | 131 | 2 | length of the sender key, u16 |
 * | 133 | pk | `senderPublicKey` |
 * | 133+pk | 4 | length of the ciphertext, u32 |
 * | 137+pk | n | `ciphertext` |
 *
 * Contract: parsing keeps any reply index and any replica ids; judging them is the courier's.
 * Knows nothing of: what the ciphertext holds.
 * Source: pigeonhole.md §3.1; departures: none.
 *
 * @module
 */
import { fixedBytes, type Bytes } from "../bytes/fixed-bytes.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { ByteReader } from "../bytes/reader.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { DEK_BYTES, ENVELOPE_HASH_BYTES } from "./geometry.ts"
import { decodeExact, decodeTop, viewSized, type MessageCodec } from "./message.ts"

export { ENVELOPE_HASH_BYTES } from "./geometry.ts"

/** Name of an envelope in caches and replies: H256(sender key ‖ ciphertext). */
export type EnvelopeHash = Bytes<"EnvelopeHash">
export const EnvelopeHash = fixedBytes("EnvelopeHash", ENVELOPE_HASH_BYTES)

export interface CourierEnvelope {
  /** Two static replica ids, each 0..255. */
  readonly intermediateReplicas: readonly [number, number]
  /** 60 bytes each, in the order of the replicas. */
  readonly deks: readonly [Uint8Array, Uint8Array]
  /** Which replica's reply is preferred: 0 or 1. */
  readonly replyIndex: number
  /** Replica epoch, u64. */
  readonly epoch: bigint
  /** Ephemeral, fresh for every envelope. */
  readonly senderPublicKey: Uint8Array
  readonly ciphertext: Uint8Array
}

const write = (envelope: CourierEnvelope): Uint8Array => {
  const { intermediateReplicas, deks, senderPublicKey, ciphertext } = envelope
  if (deks[0].length !== DEK_BYTES || deks[1].length !== DEK_BYTES) throw new RangeError("a DEK is 60 bytes")
  return new ByteWriter(2 + 2 * DEK_BYTES + 1 + 8 + 2 + senderPublicKey.length + 4 + ciphertext.length)
    .u8(intermediateReplicas[0]).u8(intermediateReplicas[1])
    .bytes(deks[0]).bytes(deks[1])
    .u8(envelope.replyIndex).u64(envelope.epoch)
    .u16(senderPublicKey.length).bytes(senderPublicKey)
    .u32(ciphertext.length).bytes(ciphertext)
    .finish()
}

const read = (reader: ByteReader): CourierEnvelope => {
  const intermediateReplicas = [reader.u8(), reader.u8()] as const
  const deks = [reader.bytes(DEK_BYTES), reader.bytes(DEK_BYTES)] as const
  const replyIndex = reader.u8()
  const epoch = reader.u64()
  const senderPublicKey = reader.bytes(reader.u16())
  return { intermediateReplicas, deks, replyIndex, epoch, senderPublicKey, ciphertext: viewSized(reader) }
}

export const courierEnvelopeCodec: MessageCodec<CourierEnvelope> = { name: "CourierEnvelope", encode: write, read }

export const encodeEnvelope = write
/** Nothing but one envelope. @errors DecodeError */
export const decodeEnvelope = (bytes: Uint8Array) => decodeExact(courierEnvelopeCodec, bytes)
/** An envelope at the head of `bytes`. @errors DecodeError */
export const decodeEnvelopeTop = (bytes: Uint8Array) => decodeTop(courierEnvelopeCodec, bytes)

/** DEKs, replica ids, epoch and reply index are not covered. */
export const envelopeHash = (crypto: CryptoBackend, senderPublicKey: Uint8Array, ciphertext: Uint8Array): EnvelopeHash =>
  EnvelopeHash.unsafe(crypto.blake2b256(senderPublicKey, ciphertext))
