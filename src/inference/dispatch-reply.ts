/**
 * The answer to a dispatch: Accepted or Rejected, sealed, of one size.
 *
 * reply = u8 2 ‖ nonce 12 ‖ ChaCha20-Poly1305(kr, nonce, aad = u8 2 ‖ serviceId, 64 bytes), 93 bytes. The 64 bytes:
 *
 * | offset | bytes | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | version | 1 |
 * | 1 | 1 | status | 0 accepted, 1 rejected |
 * | 2 | 1 | reason | 0 when accepted |
 * | 3 | 1 | | zero |
 * | 4 | 2 | `retryAfterQuanta` | 0 when accepted |
 * | 6 | 2 | | zero |
 * | 8 | 8 | `acceptedAtMs` | (k + 1)·q, 0 when rejected |
 * | 16 | 8 | `firstEdgeMs` | t_j (staged t_1), 0 when rejected |
 * | 24 | 8 | `lastEdgeMs` | t_n, 0 when rejected |
 * | 32 | 32 | `contentDigest` | what was answered, see dispatch.ts |
 *
 * Contract: the nonce is random, because a replayed dispatch is answered twice under one kr. Accepted, rejected and filler look alike.
 * Knows nothing of: how the answer was found, queues, clocks.
 * Source: funion.md §6.2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import type { DecodeError } from "../bytes/decode-error.ts"
import { isAllZero } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { SERVICE_ID_BYTES } from "./dispatch-seal.ts"

export const MESSAGE_TYPE_REPLY = 2
export const REPLY_PLAINTEXT_BYTES = 64
export const REPLY_BYTES = 93
const REPLY_VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const DIGEST_BYTES = 32
const HEADER_BYTES = 1 + NONCE_BYTES

if (HEADER_BYTES + REPLY_PLAINTEXT_BYTES + TAG_BYTES !== REPLY_BYTES) throw new RangeError("reply must be 93 bytes")
if (8 + 3 * 8 + DIGEST_BYTES !== REPLY_PLAINTEXT_BYTES) throw new RangeError("reply plaintext must be 64 bytes")

/** Why a dispatch was not accepted; the closed list of the wire. */
export const REJECT_REASONS = {
  malformed: 1,
  unknownModel: 2,
  noSuchProfile: 3,
  tokenInvalid: 4,
  tokenSpent: 5,
  notAfter: 6,
  quantumFull: 7,
  draining: 8,
  otherContent: 9,
  internal: 15
} as const
export type RejectReason = (typeof REJECT_REASONS)[keyof typeof REJECT_REASONS]

/** What the client does about a reason. */
export type RejectReaction = "stop" | "new-token" | "new-not-after" | "later-quantum"

const REACTIONS: Readonly<Record<RejectReason, RejectReaction>> = {
  1: "stop", 2: "stop", 3: "stop", 4: "new-token", 5: "new-token", 6: "new-not-after", 7: "later-quantum", 8: "later-quantum", 9: "stop", 15: "later-quantum"
}

export const reactionTo = (reason: RejectReason): RejectReaction => REACTIONS[reason]

const isRejectReason = (value: number): value is RejectReason => value in REACTIONS

/** The three instants of an accepted job; all of them on the grid. */
export interface Acceptance {
  readonly acceptedAtMs: number
  readonly firstEdgeMs: number
  readonly lastEdgeMs: number
}

export type DispatchReply =
  | ({ readonly _tag: "Accepted"; readonly contentDigest: Uint8Array } & Acceptance)
  | { readonly _tag: "Rejected"; readonly reason: RejectReason; readonly retryAfterQuanta: number; readonly contentDigest: Uint8Array }

/** The bytes are no reply under this key: filler, damage, or somebody else's. To the client: no answer yet. */
export class ReplyUnreadable extends Data.TaggedError("ReplyUnreadable")<{}> {}

/** 64 bytes; a digest that is not 32 bytes dies. */
export const encodeReply = (reply: DispatchReply): Uint8Array => {
  const writer = new ByteWriter(REPLY_PLAINTEXT_BYTES).u8(REPLY_VERSION)
  if (reply._tag === "Accepted") {
    writer.u8(0).u8(0).zeros(5).u64(reply.acceptedAtMs).u64(reply.firstEdgeMs).u64(reply.lastEdgeMs)
  } else {
    writer.u8(1).u8(reply.reason).zeros(1).u16(reply.retryAfterQuanta).zeros(2 + 3 * 8)
  }
  return writer.bytes(reply.contentDigest).finish()
}

/** @errors DecodeError: other version or status, unknown reason, reserved bytes, instants that the status must not have */
export const decodeReply = (bytes: Uint8Array): Either.Either<DispatchReply, DecodeError> => {
  const reader = new ByteReader("DispatchReply", bytes)
  reader.require(reader.u8() === REPLY_VERSION, "unknown-type")
  const status = reader.u8()
  const reason = reader.u8()
  reader.zeros(1)
  const retryAfterQuanta = reader.u16()
  reader.zeros(2)
  const acceptance = { acceptedAtMs: reader.u64number(), firstEdgeMs: reader.u64number(), lastEdgeMs: reader.u64number() }
  const digest = reader.bytes(DIGEST_BYTES)
  if (status === 0) {
    reader.require(reason === 0 && retryAfterQuanta === 0, "inconsistent")
    return reader.finish({ _tag: "Accepted", ...acceptance, contentDigest: digest })
  }
  reader.require(status === 1, "unknown-type")
  reader.require(acceptance.acceptedAtMs === 0 && acceptance.firstEdgeMs === 0 && acceptance.lastEdgeMs === 0, "inconsistent")
  if (!isRejectReason(reason)) reader.fail("out-of-range")
  const known = isRejectReason(reason) ? reason : REJECT_REASONS.internal
  return reader.finish({ _tag: "Rejected", reason: known, retryAfterQuanta, contentDigest: digest })
}

const associatedData = (serviceId: Uint8Array): Uint8Array => {
  if (serviceId.length !== SERVICE_ID_BYTES) throw new RangeError("service id must be 32 bytes")
  return concatBytes(Uint8Array.of(MESSAGE_TYPE_REPLY), serviceId)
}

/**
 * @param replyKey  kr of the dispatch that is answered
 * @param entropy   asked for 12 bytes
 * @returns 93 bytes
 */
export const sealReply = (
  crypto: CryptoBackend,
  replyKey: Uint8Array,
  serviceId: Uint8Array,
  reply: DispatchReply,
  entropy: Entropy
): Uint8Array => {
  const nonce = entropy(NONCE_BYTES)
  return concatBytes(Uint8Array.of(MESSAGE_TYPE_REPLY), nonce, crypto.chacha20Poly1305Seal(replyKey, nonce, associatedData(serviceId), encodeReply(reply)))
}

/** What the queue host answers when it has no reply: 93 random bytes, to everybody but the client like a reply. */
export const fillerReply = (entropy: Entropy): Uint8Array => entropy(REPLY_BYTES)

/**
 * Opens an answer.
 * @param payload  the reply, followed by nothing but zeros (the SURB's payload is longer)
 * @errors ReplyUnreadable whatever is wrong
 */
export const openReply = (
  crypto: CryptoBackend,
  replyKey: Uint8Array,
  serviceId: Uint8Array,
  payload: Uint8Array
): Either.Either<DispatchReply, ReplyUnreadable> => {
  const unreadable = Either.left(new ReplyUnreadable())
  if (payload.length < REPLY_BYTES || payload[0] !== MESSAGE_TYPE_REPLY || !isAllZero(payload.subarray(REPLY_BYTES))) return unreadable
  const nonce = payload.slice(1, HEADER_BYTES)
  const opened = crypto.chacha20Poly1305Open(replyKey, nonce, associatedData(serviceId), payload.slice(HEADER_BYTES, REPLY_BYTES))
  return opened === undefined ? unreadable : Either.mapLeft(decodeReply(opened), () => new ReplyUnreadable())
}
