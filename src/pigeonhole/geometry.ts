/**
 * Lengths of everything that Pigeonhole sends and stores, derived once from the Sphinx payload.
 *
 * Contract: one of two numbers fixes all others: the Sphinx user payload (UFPL) or the largest box plaintext (M). Reads and writes have equal
 * lengths at every hop. A geometry whose M would be below 1 does not exist.
 * Knows nothing of: Sphinx headers, keys, messages' contents.
 * Source: pigeonhole.md §2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"

/** Length of a data encryption key as sent: nonce 12, key 32, tag 16. */
export const DEK_BYTES = 60
/** Length of an envelope hash. */
export const ENVELOPE_HASH_BYTES = 32
/** Length of the prefix of every padded message, and of every u32 length field. */
export const LENGTH_PREFIX_BYTES = 4
/** Nonce and tag around an MKEM body or reply. */
export const MKEM_OVERHEAD_BYTES = 28
/** Header of a link command. */
export const LINK_HEADER_BYTES = 6

/** All lengths in bytes. */
export interface PigeonholeGeometry {
  /** UFPL: the Sphinx payload one query fills exactly. */
  readonly userPayloadBytes: number
  /** pk: public key of the NIKE inside the envelopes. */
  readonly nikePublicKeyBytes: number
  /** What does not carry plaintext: 291 + pk. */
  readonly overheadBytes: number
  /** M: the largest message in one box. */
  readonly maxPlaintextBytes: number
  /** A box plaintext after padding: M + 4. */
  readonly paddedPlaintextBytes: number
  readonly boxCiphertextBytes: number
  /** ReplicaInnerMessage holding a write. */
  readonly innerWriteBytes: number
  /** MKEM plaintext of a query, reads and writes alike. */
  readonly innerPaddedBytes: number
  /** CourierEnvelope.ciphertext. */
  readonly envelopeCiphertextBytes: number
  readonly envelopeBytes: number
  /** CourierQuery with an envelope: UFPL. */
  readonly queryBytes: number
  /** Reply inner message holding a read reply. */
  readonly replyInnerReadBytes: number
  /** MKEM plaintext of a reply, reads and writes alike. */
  readonly replyInnerPaddedBytes: number
  readonly envelopeReplyBytes: number
  /** CourierQueryReply with a payload. */
  readonly queryReplyBytes: number
  /** Every command on a courier–replica or replica–replica link: UFPL − 72. */
  readonly linkCommandBytes: number
  readonly storedBoxBytes: number
  /** Most data bytes in one element of a copy stream: M − 5. */
  readonly copyElementDataBytes: number
}

/** The payload leaves no room for a plaintext byte. */
export class GeometryTooSmall extends Data.TaggedError("GeometryTooSmall")<{
  readonly userPayloadBytes: number
  readonly overheadBytes: number
}> {}

const QUERY_TYPE_BYTES = 1
/** Two replica ids, two DEKs, reply index, epoch, key length, ciphertext length. */
const ENVELOPE_FIXED_BYTES = 2 + 2 * DEK_BYTES + 1 + 8 + 2 + LENGTH_PREFIX_BYTES
const MESSAGE_TYPE_BYTES = 1
const BOX_TAG_BYTES = 16
/** Box id, signature, payload length: of a write, and of a stored box. */
const WRITE_FIXED_BYTES = 32 + 64 + LENGTH_PREFIX_BYTES
/** Error code, box id, signature, payload length. */
const READ_REPLY_FIXED_BYTES = 1 + WRITE_FIXED_BYTES
/** Reply type, envelope hash, reply index, ACK or PAYLOAD, payload length, error code. */
const QUERY_REPLY_FIXED_BYTES = 1 + ENVELOPE_HASH_BYTES + 1 + 1 + LENGTH_PREFIX_BYTES + 1
const COPY_ELEMENT_FIXED_BYTES = 1 + LENGTH_PREFIX_BYTES

const geometryOf = (maxPlaintextBytes: number, nikePublicKeyBytes: number): PigeonholeGeometry => {
  const paddedPlaintextBytes = maxPlaintextBytes + LENGTH_PREFIX_BYTES
  const boxCiphertextBytes = paddedPlaintextBytes + BOX_TAG_BYTES
  const innerWriteBytes = MESSAGE_TYPE_BYTES + WRITE_FIXED_BYTES + boxCiphertextBytes
  const innerPaddedBytes = innerWriteBytes + LENGTH_PREFIX_BYTES
  const envelopeCiphertextBytes = innerPaddedBytes + MKEM_OVERHEAD_BYTES
  const envelopeBytes = ENVELOPE_FIXED_BYTES + nikePublicKeyBytes + envelopeCiphertextBytes
  const queryBytes = QUERY_TYPE_BYTES + envelopeBytes
  const replyInnerReadBytes = MESSAGE_TYPE_BYTES + READ_REPLY_FIXED_BYTES + boxCiphertextBytes
  const replyInnerPaddedBytes = replyInnerReadBytes + LENGTH_PREFIX_BYTES
  const envelopeReplyBytes = replyInnerPaddedBytes + MKEM_OVERHEAD_BYTES
  return {
    userPayloadBytes: queryBytes,
    nikePublicKeyBytes,
    overheadBytes: queryBytes - maxPlaintextBytes,
    maxPlaintextBytes,
    paddedPlaintextBytes,
    boxCiphertextBytes,
    innerWriteBytes,
    innerPaddedBytes,
    envelopeCiphertextBytes,
    envelopeBytes,
    queryBytes,
    replyInnerReadBytes,
    replyInnerPaddedBytes,
    envelopeReplyBytes,
    queryReplyBytes: QUERY_REPLY_FIXED_BYTES + envelopeReplyBytes,
    linkCommandBytes: LINK_HEADER_BYTES + nikePublicKeyBytes + DEK_BYTES + envelopeCiphertextBytes,
    storedBoxBytes: WRITE_FIXED_BYTES + boxCiphertextBytes,
    copyElementDataBytes: maxPlaintextBytes - COPY_ELEMENT_FIXED_BYTES
  }
}

/** 291 + pk. */
const overheadOf = (nikePublicKeyBytes: number): number => geometryOf(0, nikePublicKeyBytes).overheadBytes

/**
 * The geometry of a network whose Sphinx packets carry `userPayloadBytes`.
 * @errors GeometryTooSmall when not one plaintext byte fits
 */
export const pigeonholeGeometry = (
  userPayloadBytes: number,
  nikePublicKeyBytes: number
): Either.Either<PigeonholeGeometry, GeometryTooSmall> => {
  const overheadBytes = overheadOf(nikePublicKeyBytes)
  const fits = Number.isSafeInteger(userPayloadBytes) && userPayloadBytes > overheadBytes
  return fits
    ? Either.right(geometryOf(userPayloadBytes - overheadBytes, nikePublicKeyBytes))
    : Either.left(new GeometryTooSmall({ userPayloadBytes, overheadBytes }))
}

/**
 * The geometry whose boxes hold messages of up to `maxPlaintextBytes`; its `userPayloadBytes` says which Sphinx payload that takes.
 * @errors GeometryTooSmall for less than one byte
 */
export const pigeonholeGeometryForPlaintext = (
  maxPlaintextBytes: number,
  nikePublicKeyBytes: number
): Either.Either<PigeonholeGeometry, GeometryTooSmall> => pigeonholeGeometry(maxPlaintextBytes + overheadOf(nikePublicKeyBytes), nikePublicKeyBytes)
