/**
 * Bodies of the link commands, one entry per command; ids as in the table of mixnet.md §15.
 *
 * Contract: all integers big-endian. A field called `payload`, `ciphertext`, `packet`, `document`, `certificate`, `chunk` or `reply` is the
 * rest of the body and has no length field.
 * Knows nothing of: header and padding (link-command.ts).
 * Source: mixnet.md §15, pigeonhole.md §3.4; departures: none.
 *
 * @module
 */
import type { BoxId } from "../bacap/box-id.ts"
import { SIGNATURE_BYTES } from "../bacap/box.ts"
import type { ByteReader } from "../bytes/reader.ts"
import type { ByteWriter } from "../bytes/writer.ts"
import { EnvelopeHash } from "./envelope.ts"
import { replicaErrorCode, type ReplicaErrorCode } from "./error-code.ts"
import { DEK_BYTES, ENVELOPE_HASH_BYTES } from "./geometry.ts"
import { readBoxId } from "./replica-message.ts"

const SURB_ID_BYTES = 16
/** Ed25519 identity keys in voting commands. */
const IDENTITY_KEY_BYTES = 32
/** Nonce and tag alone are 28; upstream asks for four ciphertext bytes. */
const REPLICA_CIPHERTEXT_MIN_BYTES = 4

type Empty<T extends string> = { readonly _tag: T }
type WithCode<T extends string> = { readonly _tag: T; readonly code: number }
type WithPacket<T extends string> = { readonly _tag: T; readonly packet: Uint8Array }
type WithSequence<T extends string> = { readonly _tag: T; readonly sequence: number }
type WithEpoch<T extends string> = { readonly _tag: T; readonly epoch: bigint }
type Posted<T extends string> = { readonly _tag: T; readonly epoch: bigint; readonly payload: Uint8Array }
type Signed<T extends string> = { readonly _tag: T; readonly epoch: bigint; readonly publicKey: Uint8Array; readonly payload: Uint8Array }
type WithSurbId<T extends string> = { readonly _tag: T; readonly surbId: Uint8Array; readonly payload: Uint8Array }

export type ReplicaMessageCommand = {
  readonly _tag: "ReplicaMessage"
  readonly senderPublicKey: Uint8Array
  readonly dek: Uint8Array
  readonly ciphertext: Uint8Array
}
export type ReplicaMessageReplyCommand = {
  readonly _tag: "ReplicaMessageReply"
  readonly errorCode: ReplicaErrorCode
  readonly envelopeHash: EnvelopeHash
  /** Static id of the replica that answers. */
  readonly replicaId: number
  /** EnvelopeReply; empty for an early failure. */
  readonly reply: Uint8Array
}
export type ReplicaWriteCommand = {
  readonly _tag: "ReplicaWrite"
  readonly boxId: BoxId
  readonly signature: Uint8Array
  /** Empty for a tombstone. */
  readonly payload: Uint8Array
}

export type LinkCommand =
  | Empty<"NoOp"> | Empty<"Disconnect"> | Empty<"ReplicaDecoy">
  | WithPacket<"SendPacket"> | WithPacket<"SendRetrievePacket">
  | WithSurbId<"SendRetrievePacketReply">
  | WithSequence<"MessageDelivered"> | WithSequence<"RetrieveMessage">
  | { readonly _tag: "Message"; readonly sequence: number; readonly surbId: Uint8Array; readonly payload: Uint8Array }
  | ReplicaMessageCommand | ReplicaMessageReplyCommand | ReplicaWriteCommand
  | { readonly _tag: "ReplicaWriteReply"; readonly errorCode: ReplicaErrorCode }
  | Posted<"PostReplicaDescriptor"> | WithCode<"PostReplicaDescriptorStatus">
  | Posted<"PostDescriptor"> | WithCode<"PostDescriptorStatus">
  | WithEpoch<"GetConsensus"> | WithEpoch<"GetConsensus2">
  | { readonly _tag: "Consensus"; readonly code: number; readonly document: Uint8Array }
  | { readonly _tag: "Consensus2"; readonly code: number; readonly chunkNumber: number; readonly chunkTotal: number; readonly chunk: Uint8Array }
  | { readonly _tag: "GetVote"; readonly epoch: bigint; readonly publicKey: Uint8Array }
  | Signed<"Vote"> | Signed<"Reveal"> | Signed<"Sig"> | Signed<"Cert">
  | WithCode<"VoteStatus"> | WithCode<"RevealStatus"> | WithCode<"SigStatus"> | WithCode<"CertStatus">

type Tag = LinkCommand["_tag"]
type Command<T extends Tag> = Extract<LinkCommand, { readonly _tag: T }>

/** Gives memory for a body, and what writes into it. */
export type BodyWriter = (byteLength: number) => ByteWriter

export interface LinkBody<C extends LinkCommand> {
  readonly name: string
  readonly id: number
  /** @param body  a writer for a body of that length */
  readonly encode: (command: C, body: BodyWriter) => Uint8Array
  readonly read: (reader: ByteReader, nikePublicKeyBytes: number) => C
}

/** Bytes that must have one length; another is a mistake of ours. */
const exactly = (bytes: Uint8Array, byteLength: number): Uint8Array => {
  if (bytes.length !== byteLength) throw new RangeError(`field must be ${byteLength} bytes`)
  return bytes
}

const empty = <T extends "NoOp" | "Disconnect" | "ReplicaDecoy">(name: T, id: number): LinkBody<Empty<T> & LinkCommand> => ({
  name, id,
  encode: (_command, body) => body(0).finish(),
  read: () => ({ _tag: name }) as Empty<T> & LinkCommand
})

const codeOnly = <T extends Tag>(name: T, id: number): LinkBody<WithCode<T> & LinkCommand> => ({
  name, id,
  encode: (command, body) => body(1).u8(command.code).finish(),
  read: (reader) => ({ _tag: name, code: reader.u8() }) as WithCode<T> & LinkCommand
})

const packet = <T extends Tag>(name: T, id: number): LinkBody<WithPacket<T> & LinkCommand> => ({
  name, id,
  encode: (command, body) => body(command.packet.length).bytes(command.packet).finish(),
  read: (reader) => ({ _tag: name, packet: reader.rest() }) as WithPacket<T> & LinkCommand
})

const sequence = <T extends Tag>(name: T, id: number): LinkBody<WithSequence<T> & LinkCommand> => ({
  name, id,
  encode: (command, body) => body(4).u32(command.sequence).finish(),
  read: (reader) => ({ _tag: name, sequence: reader.u32() }) as WithSequence<T> & LinkCommand
})

const epochOnly = <T extends Tag>(name: T, id: number): LinkBody<WithEpoch<T> & LinkCommand> => ({
  name, id,
  encode: (command, body) => body(8).u64(command.epoch).finish(),
  read: (reader) => ({ _tag: name, epoch: reader.u64() }) as WithEpoch<T> & LinkCommand
})

const posted = <T extends Tag>(name: T, id: number): LinkBody<Posted<T> & LinkCommand> => ({
  name, id,
  encode: (command, body) => body(8 + command.payload.length).u64(command.epoch).bytes(command.payload).finish(),
  read: (reader) => ({ _tag: name, epoch: reader.u64(), payload: reader.rest() }) as Posted<T> & LinkCommand
})

const signed = <T extends Tag>(name: T, id: number): LinkBody<Signed<T> & LinkCommand> => ({
  name, id,
  encode: (command, body) =>
    body(8 + IDENTITY_KEY_BYTES + command.payload.length)
      .u64(command.epoch).bytes(exactly(command.publicKey, IDENTITY_KEY_BYTES)).bytes(command.payload).finish(),
  read: (reader) =>
    ({ _tag: name, epoch: reader.u64(), publicKey: reader.bytes(IDENTITY_KEY_BYTES), payload: reader.rest() }) as Signed<T> & LinkCommand
})

const sendRetrievePacketReply: LinkBody<Command<"SendRetrievePacketReply">> = {
  name: "SendRetrievePacketReply", id: 4,
  encode: (command, body) =>
    body(SURB_ID_BYTES + command.payload.length).bytes(exactly(command.surbId, SURB_ID_BYTES)).bytes(command.payload).finish(),
  read: (reader) => ({ _tag: "SendRetrievePacketReply", surbId: reader.bytes(SURB_ID_BYTES), payload: reader.rest() })
}

const message: LinkBody<Command<"Message">> = {
  name: "Message", id: 17,
  encode: (command, body) =>
    body(4 + SURB_ID_BYTES + command.payload.length)
      .u32(command.sequence).bytes(exactly(command.surbId, SURB_ID_BYTES)).bytes(command.payload).finish(),
  read: (reader) => ({ _tag: "Message", sequence: reader.u32(), surbId: reader.bytes(SURB_ID_BYTES), payload: reader.rest() })
}

const replicaMessage: LinkBody<ReplicaMessageCommand> = {
  name: "ReplicaMessage", id: 8,
  encode: (command, body) =>
    body(command.senderPublicKey.length + DEK_BYTES + command.ciphertext.length)
      .bytes(command.senderPublicKey).bytes(exactly(command.dek, DEK_BYTES)).bytes(command.ciphertext).finish(),
  read: (reader, nikePublicKeyBytes) => {
    const senderPublicKey = reader.bytes(nikePublicKeyBytes)
    const dek = reader.bytes(DEK_BYTES)
    reader.require(reader.remaining >= REPLICA_CIPHERTEXT_MIN_BYTES, "truncated")
    return { _tag: "ReplicaMessage", senderPublicKey, dek, ciphertext: reader.rest() }
  }
}

const replicaMessageReply: LinkBody<ReplicaMessageReplyCommand> = {
  name: "ReplicaMessageReply", id: 9,
  encode: (command, body) =>
    body(1 + ENVELOPE_HASH_BYTES + 1 + command.reply.length)
      .u8(command.errorCode).bytes(command.envelopeHash).u8(command.replicaId).bytes(command.reply).finish(),
  read: (reader) => {
    const errorCode = replicaErrorCode(reader.u8())
    const envelopeHash = EnvelopeHash.unsafe(reader.bytes(ENVELOPE_HASH_BYTES))
    return { _tag: "ReplicaMessageReply", errorCode, envelopeHash, replicaId: reader.u8(), reply: reader.rest() }
  }
}

const replicaWrite: LinkBody<ReplicaWriteCommand> = {
  name: "ReplicaWrite", id: 12,
  encode: (command, body) =>
    body(command.boxId.length + SIGNATURE_BYTES + command.payload.length)
      .bytes(command.boxId).bytes(exactly(command.signature, SIGNATURE_BYTES)).bytes(command.payload).finish(),
  read: (reader) => ({ _tag: "ReplicaWrite", boxId: readBoxId(reader), signature: reader.bytes(SIGNATURE_BYTES), payload: reader.rest() })
}

const replicaWriteReply: LinkBody<Command<"ReplicaWriteReply">> = {
  name: "ReplicaWriteReply", id: 13,
  encode: (command, body) => body(1).u8(command.errorCode).finish(),
  read: (reader) => ({ _tag: "ReplicaWriteReply", errorCode: replicaErrorCode(reader.u8()) })
}

const consensus: LinkBody<Command<"Consensus">> = {
  name: "Consensus", id: 19,
  encode: (command, body) => body(1 + command.document.length).u8(command.code).bytes(command.document).finish(),
  read: (reader) => ({ _tag: "Consensus", code: reader.u8(), document: reader.rest() })
}

const consensus2: LinkBody<Command<"Consensus2">> = {
  name: "Consensus2", id: 31,
  encode: (command, body) =>
    body(9 + command.chunk.length).u8(command.code).u32(command.chunkNumber).u32(command.chunkTotal).bytes(command.chunk).finish(),
  read: (reader) => ({ _tag: "Consensus2", code: reader.u8(), chunkNumber: reader.u32(), chunkTotal: reader.u32(), chunk: reader.rest() })
}

const getVote: LinkBody<Command<"GetVote">> = {
  name: "GetVote", id: 24,
  encode: (command, body) => body(8 + IDENTITY_KEY_BYTES).u64(command.epoch).bytes(exactly(command.publicKey, IDENTITY_KEY_BYTES)).finish(),
  read: (reader) => ({ _tag: "GetVote", epoch: reader.u64(), publicKey: reader.bytes(IDENTITY_KEY_BYTES) })
}

/** Every command there is. */
export const LINK_BODIES: { readonly [T in Tag]: LinkBody<Command<T>> } = {
  NoOp: empty("NoOp", 0),
  Disconnect: empty("Disconnect", 1),
  SendPacket: packet("SendPacket", 2),
  SendRetrievePacket: packet("SendRetrievePacket", 3),
  SendRetrievePacketReply: sendRetrievePacketReply,
  MessageDelivered: sequence("MessageDelivered", 5),
  ReplicaMessage: replicaMessage,
  ReplicaMessageReply: replicaMessageReply,
  PostReplicaDescriptorStatus: codeOnly("PostReplicaDescriptorStatus", 10),
  PostReplicaDescriptor: posted("PostReplicaDescriptor", 11),
  ReplicaWrite: replicaWrite,
  ReplicaWriteReply: replicaWriteReply,
  RetrieveMessage: sequence("RetrieveMessage", 16),
  Message: message,
  GetConsensus: epochOnly("GetConsensus", 18),
  Consensus: consensus,
  PostDescriptor: posted("PostDescriptor", 20),
  PostDescriptorStatus: codeOnly("PostDescriptorStatus", 21),
  Vote: signed("Vote", 22),
  VoteStatus: codeOnly("VoteStatus", 23),
  GetVote: getVote,
  Reveal: signed("Reveal", 25),
  RevealStatus: codeOnly("RevealStatus", 26),
  Sig: signed("Sig", 27),
  SigStatus: codeOnly("SigStatus", 28),
  Cert: signed("Cert", 29),
  CertStatus: codeOnly("CertStatus", 30),
  Consensus2: consensus2,
  GetConsensus2: epochOnly("GetConsensus2", 32),
  ReplicaDecoy: empty("ReplicaDecoy", 33)
}
